import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { ControlError, ServerUnreachable, StartFailed, start } from "dapi-mock";
import { ask, ended, isAlive, isGone, printed } from "./helpers.mjs";

let server;

before(async () => {
  server = await start();
});

after(async () => {
  assert.equal(await server.stop(), 0);
});

test("a server runs until it is stopped", async () => {
  const own = await start();
  const workspace = await own.defaultWorkspace();
  assert.equal((await ask(workspace, "token/list")).status, 200);
  assert.equal(workspace.adminToken, own.adminToken);
  assert.match(own.clientSecret, /^dose/);
  assert.ok(isAlive(own.pid));
  await own[Symbol.asyncDispose]();
  assert.ok(await isGone(own.pid));
  assert.equal(await own.stop(), 0, "a second stop has no effect");
  await assert.rejects(own.createWorkspace(), /not running/);
});

test("CommonJS exports the same names", () => {
  assert.equal(createRequire(import.meta.url)("dapi-mock").start, start);
});

test("options are passed to serve", async () => {
  const token = "dapi00000000000000000000000000000001";
  const own = await start({ options: ["--admin-token", token, "--profile", "lab"] });
  assert.equal(own.adminToken, token);
  assert.ok((await (await own.defaultWorkspace()).tokens.list()).length > 5, "the lab's seed");
  await own.stop();
});

test("settings of another server do not apply", async () => {
  Object.assign(process.env, { DAPI_MOCK_PORT: "1", DAPI_MOCK_CONTROL: "off", PORT: "1" });
  try {
    const own = await start();
    assert.equal((await (await own.createWorkspace()).tokens.list()).length, 1);
    await own.stop();
  } finally {
    for (const name of ["DAPI_MOCK_PORT", "DAPI_MOCK_CONTROL", "PORT"]) delete process.env[name];
  }
});

test("a proxy set in the environment is not used", async () => {
  const script = `
    import { start } from "dapi-mock";
    const server = await start();
    console.log((await server.createWorkspace()).id);
    await server.stop();
  `;
  const proxy = "http://127.0.0.1:1";
  const env = { ...process.env, HTTP_PROXY: proxy, http_proxy: proxy, NODE_USE_ENV_PROXY: "1" };
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { env, stdio: ["ignore", "pipe", 2] });
  await printed(child, /^\d+$/m);
  assert.equal(await ended(child), 0);
});

test("a server that cannot start says why and leaves nothing behind", async () => {
  const folders = () => fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith("dapi-mock-"));
  const before = folders();
  await assert.rejects(start({ options: ["--tier", "gold"] }), (error) => {
    assert.ok(error instanceof StartFailed);
    assert.match(error.message, /exited with 2: [^]*--tier/);
    return true;
  });
  assert.deepEqual(folders(), before);
});

test("the log goes to a file", async () => {
  const log = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "test-")), "log");
  const own = await start({ log });
  await ask(await own.defaultWorkspace(), "token/list", { token: `dapi${"0".repeat(32)}` });
  await own.stop();
  assert.match(fs.readFileSync(log, "utf8"), /refused/);
  await assert.rejects(start({ log, options: ["--tier", "gold"] }), /exited with 2: see /);
  fs.rmSync(path.dirname(log), { recursive: true });
});

test("a control key is sent", async () => {
  const own = await start({ controlKey: "k1" });
  const workspace = await own.createWorkspace();
  assert.equal((await workspace.clock.get()).mode, "real");
  const stranger = await start({ url: own.url });
  await assert.rejects(stranger.createWorkspace(), (error) => error instanceof ControlError && error.status === 401);
  await own.stop();
});

test("a running server is used and left running", async () => {
  const again = await start({ url: server.url });
  assert.equal(again.pid, null);
  await (await again.createWorkspace()).delete();
  assert.equal(await again.stop(), null);
  assert.ok(await server.suspectedCredentials());
  await assert.rejects(start({ url: server.url, options: ["--port", "1"] }), /either url or options/);
  await assert.rejects(start({ url: "localhost" }), /invalid URL 'localhost'/);
});

test("a missing server is reported", async () => {
  const nobody = await start({ url: "http://127.0.0.1:1" });
  await assert.rejects(nobody.createWorkspace(), (error) => {
    assert.ok(error instanceof ServerUnreachable);
    assert.match(error.message, /^no dapi-mock server answers at http:\/\/127\.0\.0\.1:1: /);
    return true;
  });
});

test("a suspected real credential is listed, and fails the run if the server is set up so", async () => {
  const own = await start({ options: ["--tripwire", "fail"] });
  assert.deepEqual(await own.suspectedCredentials(), []);
  // Lacks the mark of dapi-mock's own tokens, so it looks real.
  await ask(await own.defaultWorkspace(), "token/list", { token: `dapi${createHash("md5").update("production").digest("hex")}` });
  const [suspect] = await own.suspectedCredentials();
  assert.equal(suspect.count, 1);
  assert.equal(await own.stop(), 70);
});

const STARTS = `
  import { start } from "dapi-mock";
  const server = await start();
  console.log("pid " + server.pid);
`;

test("a server stops when the process that started it is killed", async () => {
  const script = `${STARTS} setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", 2] });
  const pid = Number((await printed(child, /^pid (\d+)$/m))[1]);
  assert.ok(isAlive(pid));
  child.kill("SIGKILL");
  assert.equal(await ended(child), "SIGKILL");
  assert.ok(await isGone(pid));
});

test("a process that never calls stop() can exit, and its server stops with it", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", STARTS], { stdio: ["ignore", "pipe", 2] });
  const pid = Number((await printed(child, /^pid (\d+)$/m))[1]);
  assert.equal(await ended(child), 0);
  assert.ok(await isGone(pid));
});
