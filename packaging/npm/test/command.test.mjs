import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { BinaryNotFound, findBinary } from "dapi-mock";
import { ended, isAlive, isGone, printed } from "./helpers.mjs";

const COMMAND = path.resolve("node_modules/.bin/dapi-mock");
let folder;

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "test-"));
});

after(() => fs.rmSync(folder, { recursive: true }));

function run(args, options = {}) {
  return spawnSync(COMMAND, args, { encoding: "utf8", timeout: 30_000, ...options });
}

function script(name, text) {
  const file = path.join(folder, name);
  fs.writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return file;
}

test("the command runs the program of the platform's package", () => {
  const { status, stdout } = run(["--version"]);
  assert.equal(status, 0);
  assert.equal(stdout, `dapi-mock ${JSON.parse(fs.readFileSync("node_modules/dapi-mock/package.json")).version}\n`);
  assert.match(findBinary(), /@dapi-mock/);
});

test("streams and exit codes pass through", () => {
  assert.equal(run(["serve", "--tier", "gold"]).status, 2);
  const { status, stdout } = run(["exec", "--", "sh", "-c", "cat; exit 7"], { input: "hello" });
  assert.deepEqual([status, stdout], [7, "hello"]);
});

test("SIGTERM stops the server gracefully", async () => {
  const args = ["serve", "--profile", "test", "--port", "0"];
  const child = spawn(COMMAND, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.stderr.resume();
  const host = (await printed(child, /^dapi-mock ready host=(\S+)/m))[1];
  assert.equal((await fetch(`${host}/livez`)).status, 200);
  child.kill("SIGTERM");
  assert.equal(await ended(child), 0);
  await assert.rejects(fetch(`${host}/livez`));
});

test("every forwarded signal reaches the program", async () => {
  const program = script("traps", 'trap "echo got; exit 3" HUP INT QUIT USR2\necho pid $$\nwhile :; do sleep 0.05; done');
  for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR2"]) {
    const env = { ...process.env, DAPI_MOCK_BIN: program };
    // In its own session the command has no terminal that would itself send SIGINT and SIGQUIT.
    const child = spawn(COMMAND, [], { detached: true, env, stdio: ["ignore", "pipe", 2] });
    const pid = Number((await printed(child, /^pid (\d+)$/m))[1]);
    assert.ok(isAlive(pid));
    child.kill(signal);
    assert.equal(await ended(child), 3, signal);
    assert.ok(await isGone(pid));
  }
});

test("Ctrl-C at a terminal reaches the program once", async () => {
  const program = script(
    "counts",
    'trap "echo interrupted" INT\necho ready\nfor i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done\necho done',
  );
  const env = { ...process.env, DAPI_MOCK_BIN: program };
  // `script` gives the command a terminal and types its own input there.
  const child = spawn("script", ["-qec", COMMAND, "/dev/null"], { env, stdio: ["pipe", "pipe", 2] });
  await printed(child, /ready/);
  child.stdin.write("\x03");
  const [text] = await printed(child, /[^]*done/);
  assert.equal(text.match(/interrupted/g)?.length, 1, text);
  await ended(child);
});

test("the command dies of the signal that killed the program", () => {
  const program = script("kills-itself", 'kill -"$1" $$');
  const env = { ...process.env, DAPI_MOCK_BIN: program };
  for (const signal of ["KILL", "TERM", "INT", "ABRT"]) {
    assert.equal(run([signal], { env }).signal, `SIG${signal}`);
  }
});

test("DAPI_MOCK_BIN takes precedence and must name a program", () => {
  process.env.DAPI_MOCK_BIN = script("mine", "echo mine");
  try {
    assert.equal(findBinary(), process.env.DAPI_MOCK_BIN);
    fs.chmodSync(process.env.DAPI_MOCK_BIN, 0o644);
    assert.throws(findBinary, (error) => error instanceof BinaryNotFound && /not an executable/.test(error.message));
    const { status, stderr } = run(["--version"]);
    assert.equal(status, 127);
    assert.match(stderr, /^dapi-mock: DAPI_MOCK_BIN is not an executable file: /);
  } finally {
    delete process.env.DAPI_MOCK_BIN;
  }
});

test("without the platform's package the program on PATH is used, but never the command itself", () => {
  const lone = path.join(folder, "lone");
  fs.cpSync("node_modules/dapi-mock", path.join(lone, "node_modules/dapi-mock"), { recursive: true });
  const command = path.join(lone, "node_modules/dapi-mock/bin/dapi-mock.js");
  const bin = path.join(lone, "bin");
  fs.mkdirSync(bin);
  fs.symlinkSync(command, path.join(bin, "dapi-mock"));
  const launch = (...folders) =>
    spawnSync(process.execPath, [command, "--version"], {
      encoding: "utf8",
      env: { PATH: folders.join(":") },
      timeout: 30_000,
    });
  const missing = launch(bin);
  assert.equal(missing.status, 127);
  assert.match(missing.stderr, /^dapi-mock: no dapi-mock program found for .*: install .* or set DAPI_MOCK_BIN\n$/);
  const found = launch(bin, path.dirname(findBinary()));
  assert.equal(found.status, 0, found.stderr);
  assert.match(found.stdout, /^dapi-mock /);
});
