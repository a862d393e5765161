// The official SDK for JavaScript, unmodified, as docs/node.md uses it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WorkspaceClient } from "@databricks/sdk-experimental";
import { start } from "dapi-mock";

let server;

before(async () => {
  server = await start();
});

after(() => server.stop());

test("a token can be created, listed and used until it expires", async () => {
  const workspace = await server.createWorkspace();
  const host = workspace.env.DATABRICKS_HOST;
  const admin = new WorkspaceClient({ host, token: workspace.env.DATABRICKS_TOKEN });
  const created = await admin.tokens.create({ comment: "by the SDK", lifetime_seconds: 3600 });
  const comments = [];
  for await (const token of admin.tokens.list()) comments.push(token.comment);
  assert.ok(comments.includes("by the SDK"));
  const user = new WorkspaceClient({ host, token: created.token_value });
  assert.equal((await user.currentUser.me()).userName, "admin@example.com");
  await workspace.clock.advance({ by: "1h" });
  await assert.rejects(user.currentUser.me(), { statusCode: 403 });
  assert.equal((await workspace.explain()).decided_by, "not_expired");
});
