"use strict";

// Reports what the server refused and why, fails the job if a suspected real credential was sent, and stops the server.

const fs = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const { Control } = require("../npm/lib/control.js");
const { controlKey, fail, input, log, run } = require("./runner.js");

const STOP_TIMEOUT_MS = 10_000;
const MAX_REQUESTS = 1000;
const MAX_ROWS = 50;

/** Every refusal that a journal still has. Equal refusals are one row. */
async function refusals(control) {
  const { workspaces } = await control.call("GET", "/workspaces");
  const rows = new Map();
  for (const workspace of workspaces) {
    const query = { refused: true, limit: MAX_REQUESTS };
    const { requests } = await control.call("GET", `/workspaces/${workspace.id}/requests`, undefined, query);
    for (const { method, path, status, principal, because, request_id: id } of requests) {
      const key = JSON.stringify([workspace.id, method, path, status, principal, because]);
      const row = rows.get(key) ?? { count: 0, workspace, method, path, status, principal, because, id };
      row.count += 1;
      rows.set(key, row);
    }
  }
  return [...rows.values()];
}

async function explained(control, row) {
  try {
    return { ...row, ...(await control.call("GET", `/explain/${encodeURIComponent(row.id)}`)) };
  } catch {
    // The server keeps explanations for a limited number of requests.
    return row;
  }
}

function cell(text) {
  return String(text ?? "")
    .replace(/\s+/g, " ")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll("|", "\\|");
}

async function summary(control, suspects) {
  const rows = await refusals(control);
  const lines = ["## dapi-mock", ""];
  if (suspects.length > 0) {
    lines.push("### Suspected real credentials", "");
    lines.push("They were not stored. Revoke them if they are real.", "");
    lines.push("| kind | client | count | last |", "|---|---|---|---|");
    for (const { kind, client, count, last } of suspects) {
      lines.push(`| ${[kind, client, count, last].map(cell).join(" | ")} |`);
    }
    lines.push("");
  }
  if (rows.length === 0) return [...lines, "No request was refused.", ""].join("\n");
  lines.push("### What was refused, and why", "");
  lines.push("| times | request | status | by | why | what would help |", "|---|---|---|---|---|---|");
  for (const row of rows.slice(0, MAX_ROWS)) {
    const { count, method, path, status, principal, because, remedy } = await explained(control, row);
    lines.push(`| ${[count, `${method} ${path}`, status, principal, because, remedy].map(cell).join(" | ")} |`);
  }
  if (rows.length > MAX_ROWS) lines.push("", `…and ${rows.length - MAX_ROWS} others.`);
  return [...lines, ""].join("\n");
}

async function stop(pid) {
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  try {
    process.kill(pid, "SIGTERM");
    while (Date.now() < deadline) {
      await sleep(20);
      process.kill(pid, 0);
    }
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

run(async () => {
  const { STATE_pid: pid, STATE_host: host, STATE_log: logFile } = process.env;
  // main.js has already reported why the server did not start.
  if (!host) return;
  try {
    const control = new Control(host, controlKey());
    const suspects = (await control.call("GET", "/tripwire")).strangers;
    fs.appendFileSync(process.env.GITHUB_STEP_SUMMARY, await summary(control, suspects));
    if (suspects.length > 0) {
      const count = suspects.reduce((sum, suspect) => sum + suspect.count, 0);
      const message = `dapi-mock received ${count} suspected real credential(s): revoke them if they are real`;
      if (input("fail-on-suspected-credentials") === "false") log("warning", message);
      else fail(message);
    }
  } catch (error) {
    fail(`${error.message}; the end of the server's log:\n${fs.readFileSync(logFile, "utf8").slice(-5000)}`);
  } finally {
    await stop(Number(pid));
  }
});
