"use strict";

// A dapi-mock server: one that this process starts, or one that is already running.

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { findBinary } = require("./binary.js");
const { Control } = require("./control.js");
const { Workspace, withoutUndefined } = require("./workspace.js");

const READY = /^dapi-mock ready /m;
const STOP_TIMEOUT_MS = 10_000;
const MAX_COMPLAINTS = 64 * 1024;

/** The server did not start. The message includes what it printed. */
class StartFailed extends Error {
  name = "StartFailed";
}

/** A server. It runs until `stop()` or until this process ends, even if the process is killed. */
class Server {
  #control;
  #child;
  #stopped;

  /** Use `start()`, which waits until the server is ready. */
  constructor(control, child, ready) {
    this.#control = control;
    this.#child = child;
    this.url = control.url;
    this.pid = child?.pid ?? null;
    this.adminToken = ready?.token ?? null;
    this.clientId = ready?.client_id ?? null;
    this.clientSecret = ready?.client_secret ?? null;
  }

  async createWorkspace({ template, seed, tier, conf, ...options } = {}) {
    const body = withoutUndefined({ template, seed, ...options });
    if (tier !== undefined) body.behaviour = { ...body.behaviour, tier };
    const control = this.#running();
    const workspace = new Workspace(control, await control.call("POST", "/workspaces", body));
    if (conf) await workspace.configure(conf);
    return workspace;
  }

  async defaultWorkspace() {
    const control = this.#running();
    const workspace = await control.call("GET", "/workspaces/default");
    const env = { DATABRICKS_HOST: this.url, DATABRICKS_WORKSPACE_ID: workspace.id };
    if (this.adminToken) env.DATABRICKS_TOKEN = this.adminToken;
    return new Workspace(control, {
      ...workspace,
      host: this.url,
      admin_token: this.adminToken,
      client_id: this.clientId,
      client_secret: this.clientSecret,
      env,
    });
  }

  async suspectedCredentials() {
    return (await this.#running().call("GET", "/tripwire")).strangers;
  }

  /** Stops the server and returns its exit code; null if this process did not start it. */
  stop() {
    this.#control = undefined;
    this.#stopped ??= this.#child ? stopChild(this.#child) : Promise.resolve(null);
    return this.#stopped;
  }

  #running() {
    if (!this.#control) throw new Error("the server is not running: it was stopped");
    return this.#control;
  }
}

// Node has this symbol since 18.18. `await using` requires it.
Server.prototype[Symbol.asyncDispose] = async function dispose() {
  await this.stop();
};

async function start({ options = [], url, controlKey, log, startTimeout = 60_000 } = {}) {
  if (url !== undefined) {
    if (options.length > 0) throw new TypeError("give either url or options: a running server already has its options");
    return new Server(new Control(url, controlKey));
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dapi-mock-"));
  try {
    const readyFile = path.join(folder, "ready.json");
    const child = spawnServer(["--ready-file", readyFile, ...options], { controlKey, log });
    await waitUntilReady(child, log, startTimeout);
    // A test runner must be able to exit without stop(). The server then stops with it.
    for (const handle of [child, child.stdin, child.stdout, child.stderr]) handle?.unref();
    const ready = JSON.parse(fs.readFileSync(readyFile, "utf8"));
    return new Server(new Control(ready.host, controlKey), child, ready);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function spawnServer(options, { controlKey, log }) {
  const args = ["serve", "--profile", "test", "--port", "0", "--until-stdin-closes", ...options];
  // Keeps settings away that the developer's shell exports for other servers.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("DAPI_MOCK_") && name !== "PORT"),
  );
  if (controlKey) env.DAPI_MOCK_CONTROL_KEY = controlKey;
  const stderr = log ? fs.openSync(log, "a") : "pipe";
  try {
    return spawn(findBinary(), args, { env, stdio: ["pipe", "pipe", stderr], windowsHide: true });
  } finally {
    if (log) fs.closeSync(stderr);
  }
}

async function waitUntilReady(child, log, startTimeout) {
  let complaints = "";
  // Reads both to the end, so that no pipe fills up, but keeps only the beginning of the log.
  child.stderr?.setEncoding("utf8").on("data", (text) => {
    if (complaints.length < MAX_COMPLAINTS) complaints += text;
  });
  // The server may exit before its input is closed.
  child.stdin.on("error", () => {});
  let timer;
  try {
    await new Promise((resolve, reject) => {
      let banner = "";
      const read = (text) => {
        banner += text;
        if (!READY.test(banner)) return;
        child.stdout.off("data", read).resume();
        resolve();
      };
      child.stdout.setEncoding("utf8").on("data", read);
      child.on("error", (error) => reject(new StartFailed(`could not run dapi-mock: ${error.message}`)));
      // Output may still arrive after `exit`.
      child.on("close", (code, signal) => {
        reject(new StartFailed(`dapi-mock exited with ${signal ?? code}: ${log ? `see ${log}` : complaints}`));
      });
      timer = setTimeout(() => {
        reject(new StartFailed(`dapi-mock was not ready after ${startTimeout / 1000} s`));
      }, startTimeout);
    });
  } catch (error) {
    if (child.pid !== undefined) await stopChild(child);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function stopChild(child) {
  if (child.exitCode === null && child.signalCode === null) {
    child.ref();
    const exited = once(child, "exit");
    child.stdin.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }
  return child.exitCode;
}

module.exports = { Server, StartFailed, start };
