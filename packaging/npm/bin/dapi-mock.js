#!/usr/bin/env node
"use strict";

// Runs the program in this command's place: the same streams, signals and exit code.

const { spawn } = require("node:child_process");
const { closeSync, openSync } = require("node:fs");
const { constants } = require("node:os");
const { findBinary } = require("../lib/binary.js");

const FORWARDED = ["SIGHUP", "SIGTERM", "SIGUSR2"];
// A terminal sends these to the child as well. A second Ctrl-C would make many programs give up their clean-up.
const FROM_TERMINAL = ["SIGINT", "SIGQUIT", "SIGWINCH"];

function main() {
  let binary;
  try {
    binary = findBinary();
  } catch (error) {
    fail(error);
    return;
  }
  const ignored = hasTerminal() ? FROM_TERMINAL : [];
  // The handlers are there before the child, which may ask for a signal as soon as it runs.
  let child;
  for (const signal of [...FORWARDED, ...FROM_TERMINAL].filter((name) => name in constants.signals)) {
    process.on(signal, () => ignored.includes(signal) || child.kill(signal));
  }
  child = spawn(binary, process.argv.slice(2), { stdio: "inherit" });
  child.on("error", fail);
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exit(code);
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
    // Signals that Node or the system ignores leave this process running: say what a shell would.
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
  });
}

function hasTerminal() {
  try {
    closeSync(openSync("/dev/tty"));
    return true;
  } catch {
    return process.platform === "win32";
  }
}

function fail(error) {
  console.error(`dapi-mock: ${error.message}`);
  process.exitCode = 127;
}

main();
