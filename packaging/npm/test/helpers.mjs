// What the suites share.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const DEADLINE_MS = 20_000;

/** Calls the emulated API as a client would; returns status and response. */
export async function ask(workspace, path, { body, token = workspace.env.DATABRICKS_TOKEN } = {}) {
  const response = await fetch(`${workspace.env.DATABRICKS_HOST}/api/2.0/${path}`, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${token}` },
    body: body && JSON.stringify(body),
  });
  return { status: response.status, answer: await response.json() };
}

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export async function isGone(pid) {
  const deadline = Date.now() + DEADLINE_MS;
  while (isAlive(pid) && Date.now() < deadline) await sleep(20);
  return !isAlive(pid);
}

/** Reads what a child prints until it matches a pattern; returns the match. */
export async function printed(child, pattern) {
  let text = "";
  // The child may print more, so its pipe stays open.
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += chunk;
    const match = pattern.exec(text);
    if (match) {
      child.stdout.resume();
      return match;
    }
  }
  throw new Error(`the output ended without ${pattern}:\n${text}`);
}

/** Waits until a child exits; returns its exit code or the signal. */
export async function ended(child) {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  return child.exitCode ?? child.signalCode;
}
