"use strict";

// Starts the server, which runs until post.js stops it.

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { setTimeout: sleep } = require("node:timers/promises");
const { version } = require("../npm/package.json");
const { download } = require("./release.js");
const { append, controlKey, input, log, run } = require("./runner.js");

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 10;

function serveArguments(readyFile) {
  const args = ["serve", "--profile", "test", "--port", "0", "--ready-file", readyFile];
  if (input("seed")) args.push("--seed", path.resolve(input("seed")));
  const options = input("options").split("\n");
  return [...args, ...options.map((option) => option.trim()).filter(Boolean)];
}

async function waitUntilReady(server, readyFile, logFile) {
  let failure;
  server.on("error", (error) => (failure = `could not run dapi-mock: ${error.message}`));
  server.on("exit", (code, signal) => (failure = `dapi-mock exited with ${signal ?? code}`));
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (!fs.existsSync(readyFile)) {
    if (Date.now() > deadline) {
      server.kill("SIGKILL");
      failure = `dapi-mock was not ready after ${START_TIMEOUT_MS / 1000} s`;
    }
    if (failure) throw new Error(`${failure}\n${fs.readFileSync(logFile, "utf8").slice(0, 10_000)}`);
    await sleep(POLL_MS);
  }
  return JSON.parse(fs.readFileSync(readyFile, "utf8"));
}

run(async () => {
  const folder = fs.mkdtempSync(path.join(process.env.RUNNER_TEMP ?? os.tmpdir(), "dapi-mock-"));
  const key = controlKey();
  if (key) log("add-mask", key);

  let binary = input("binary");
  if (!binary) {
    binary = await download(input("version") || version, input("releases"), folder);
    // Lets later steps run commands such as `dapi-mock explain --last`.
    fs.appendFileSync(process.env.GITHUB_PATH, `${path.dirname(binary)}\n`);
  }
  const readyFile = path.join(folder, "ready.json");
  const logFile = path.join(folder, "log");
  const output = fs.openSync(logFile, "a");
  // The banner has the admin token, so it is not logged.
  const server = spawn(binary, serveArguments(readyFile), {
    detached: true,
    env: { ...process.env, ...(key && { DAPI_MOCK_CONTROL_KEY: key }) },
    stdio: ["ignore", "ignore", output],
  });
  const ready = await waitUntilReady(server, readyFile, logFile);
  server.unref();

  for (const secret of [ready.token, ready.client_secret]) if (secret) log("add-mask", secret);
  append("GITHUB_STATE", { pid: ready.pid, host: ready.host, log: logFile });
  append("GITHUB_ENV", {
    DATABRICKS_HOST: ready.host,
    ...(ready.token && { DATABRICKS_TOKEN: ready.token }),
    DATABRICKS_WORKSPACE_ID: ready.workspace_id,
  });
  append("GITHUB_OUTPUT", {
    host: ready.host,
    token: ready.token ?? "",
    "client-id": ready.client_id ?? "",
    "client-secret": ready.client_secret ?? "",
    "workspace-id": ready.workspace_id,
    "account-id": ready.account_id,
  });
  console.log(`dapi-mock ${ready.version} is ready at ${ready.host}; its log is ${logFile}`);
});
