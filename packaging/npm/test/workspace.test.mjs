import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ControlError, start } from "dapi-mock";
import { ask } from "./helpers.mjs";

let server;
let workspace;

before(async () => {
  server = await start();
});

beforeEach(async () => {
  workspace = await server.createWorkspace({ ttl: "1h" });
});

afterEach(() => workspace.delete());

after(() => server.stop());

test("a workspace belongs to one test", async () => {
  const other = await server.createWorkspace({ tier: "standard", conf: { maxTokenLifetimeDays: 7 } });
  assert.equal((await ask(workspace, "token/create", { body: { comment: "mine" } })).status, 200);
  assert.deepEqual((await other.tokens.list()).map((token) => token.comment), ["dapi-mock admin token"]);
  assert.equal((await ask(other, "token-management/tokens")).answer.error_code, "FEATURE_DISABLED");
  assert.equal((await ask(other, "token/create", { body: { lifetime_seconds: 8 * 86_400 } })).status, 400);
  assert.match((await other.explain()).because, /7 days/);
  await other.delete();
  await assert.rejects(other.tokens.list(), (error) => error instanceof ControlError && error.status === 404);
});

test("200 workspaces at once are isolated", async () => {
  const workspaces = await Promise.all(Array.from({ length: 200 }, () => server.createWorkspace({ ttl: "1h" })));
  assert.equal(new Set(workspaces.map((one) => one.id)).size, 200);
  await Promise.all(workspaces.map((one) => ask(one, "token/create", { body: { comment: one.id } })));
  await Promise.all(
    workspaces.map(async (one) => {
      const comments = (await one.tokens.list()).map((token) => token.comment);
      assert.deepEqual(comments.sort(), [one.id, "dapi-mock admin token"]);
      await one.delete();
    }),
  );
});

test("worlds come from a template or a seed", async () => {
  const leaky = await server.createWorkspace({ template: "leaky" });
  assert.ok((await leaky.tokens.list()).length > 5);
  const seed = { users: [{ user_name: "ann@example.com" }], tokens: [{ owner: "ann@example.com", created: "-89d" }] };
  const seeded = await server.createWorkspace({ seed });
  const [token] = await seeded.tokens.list({ owner: "ann@example.com" });
  assert.equal(token.state, "live");
  await Promise.all([leaky.delete(), seeded.delete()]);
});

test("time moves on command", async () => {
  const created = (await ask(workspace, "token/create", { body: { lifetime_seconds: 60 } })).answer;
  const { token_value: value, token_info: info } = created;
  assert.equal((await workspace.clock.upcoming())[0].token_id, info.token_id);
  await workspace.clock.freeze();
  const earlier = await workspace.clock.nowMs();
  const events = await workspace.clock.advance({ until: "token.expired" });
  assert.deepEqual(events.map((event) => event.event), ["token.expired"]);
  assert.equal((await ask(workspace, "token/list", { token: value })).status, 403);
  assert.ok((await workspace.clock.nowMs()) - earlier <= 60_000);
  await workspace.clock.resume();
  assert.equal((await workspace.clock.get()).mode, "offset");
  assert.equal((await workspace.tokens.get(info.token_id)).state, "expired");
  await assert.rejects(workspace.tokens.get("0".repeat(64)), /never had the token/);
});

test("state is saved, restored and copied", async () => {
  await ask(workspace, "token/create", { body: { comment: "before" } });
  const name = await workspace.checkpoint("before");
  await ask(workspace, "token/create", { body: { comment: "after" } });
  const copy = await workspace.fork({ ttl: "1h" });
  await workspace.reset(name);
  const comments = async (one) => (await one.tokens.list()).map((token) => token.comment).sort();
  assert.deepEqual(await comments(workspace), ["before", "dapi-mock admin token"]);
  const copied = await comments(copy);
  assert.ok(copied.includes("before") && copied.includes("after"));
  await workspace.reset();
  assert.equal((await workspace.tokens.list()).length, 1);
  await copy.delete();
});

test("faults fire and are counted", async () => {
  await workspace.faults.arm("rate_limited", { times: 1, match: { path: "/api/2.0/token/*" } });
  const statuses = [(await ask(workspace, "token/list")).status, (await ask(workspace, "token/list")).status];
  assert.deepEqual(statuses, [429, 200]);
  const [fault] = await workspace.faults.list();
  assert.deepEqual([fault.seen, fault.fired], [2, 1]);
  await workspace.faults.clear();
  assert.deepEqual(await workspace.faults.list(), []);
  await assert.rejects(workspace.faults.arm("no_such_fault"), ControlError);
});

test("requests are listed and verified", async () => {
  await ask(workspace, "token/list");
  await ask(workspace, "token/create", { body: {} });
  const entries = await workspace.requests.list({ path: "/api/2.0/token/*" });
  assert.deepEqual(entries.map((entry) => entry.status), [200, 200]);
  await workspace.requests.verify({ exactly: 1, method: "POST", path: "/api/2.0/token/create" });
  await workspace.requests.verify({ inOrder: [{ operation: "tokens.list" }, { operation: "tokens.create" }] });
  await assert.rejects(workspace.requests.verify({ path: "/api/2.0/token/delete" }), /token\/delete/);
  await workspace.requests.clear();
  assert.deepEqual(await workspace.requests.list(), []);
  await assert.rejects(workspace.explain(), /has refused no request/);
});

test("the audit log is listed and checked", async () => {
  await ask(workspace, "token/create", { body: { comment: "x" } });
  const [entry, ...rest] = await workspace.audit.list({ action: "generateDbToken", shape: "system_table", limit: 1 });
  assert.equal(entry.action_name, "generateDbToken");
  assert.equal(rest.length, 0);
  await workspace.audit.expect("generateDbToken", { actor: "admin@example.com" });
  await assert.rejects(workspace.audit.expect("revokeDbToken"), ControlError);
});

test("a request that was never sent is explained", async () => {
  const question = { as: "admin@example.com", method: "POST", path: "/api/2.0/token/create" };
  assert.ok((await workspace.explain(question)).allowed);
});
