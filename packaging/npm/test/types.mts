// Compiled in strict mode, never run: the types as an ES module sees them.
import { ControlError, type Server, start, type Workspace } from "dapi-mock";

async function use(): Promise<number> {
  await using server: Server = await start({ options: ["--profile", "lab"], startTimeout: 1000 });
  const workspace: Workspace = await server.createWorkspace({ tier: "standard", conf: { a: 1 }, entropy_seed: 7 });
  const token: string | undefined = workspace.env.DATABRICKS_TOKEN;
  Object.assign(process.env, workspace.env, { token });
  await workspace.faults.arm("rate_limited", { times: 2 });
  await workspace.faults.arm({ effect: { status: 500 }, when: "before" });
  await workspace.requests.verify({ exactly: 1, method: "POST" });
  // @ts-expect-error One of by, to and until.
  await workspace.clock.advance({ of: "90d" });
  // @ts-expect-error There are two tiers.
  await server.createWorkspace({ tier: "gold" });
  const events = await workspace.clock.advance({ by: "90d" });
  const code: number | null = await server.stop();
  return events.length + (code ?? 0);
}

use().catch((error: unknown) => {
  if (error instanceof ControlError) console.error(error.status);
});
