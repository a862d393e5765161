"use strict";

// How an action and GitHub's runner communicate: variables, files and lines on standard output.

const fs = require("node:fs");

function input(name) {
  return (process.env[`INPUT_${name.toUpperCase()}`] ?? "").trim();
}

function controlKey() {
  return input("control-key") || process.env.DAPI_MOCK_CONTROL_KEY;
}

function append(variable, entries) {
  const lines = Object.entries(entries).map(([name, value]) => {
    // A line break would let the author of the value set other variables.
    if (/[\r\n]/.test(value)) throw new Error(`the value of ${name} has more than one line`);
    return `${name}=${value}\n`;
  });
  fs.appendFileSync(process.env[variable], lines.join(""));
}

function log(command, message) {
  const escaped = message.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  process.stdout.write(`::${command}::${escaped}\n`);
}

/** Runs a step of the action. An error fails the job. */
async function run(step) {
  try {
    await step();
  } catch (error) {
    fail(error.message);
  }
}

function fail(message) {
  log("error", message);
  process.exitCode = 1;
}

module.exports = { append, controlKey, fail, input, log, run };
