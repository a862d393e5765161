#!/usr/bin/env node
"use strict";

// Runs the program in this command's place: the same streams, signals and exit code.

const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const { findBinary } = require("../lib/binary.js");

const FORWARDED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR2", "SIGWINCH"];

function main() {
  let binary;
  try {
    binary = findBinary();
  } catch (error) {
    fail(error);
    return;
  }
  // The handlers are there before the child, which may ask for a signal as soon as it runs. At a terminal the child gets
  // SIGINT twice, which does not hurry it: the server stops in order.
  let child;
  for (const signal of FORWARDED.filter((name) => name in constants.signals)) {
    process.on(signal, () => child.kill(signal));
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

function fail(error) {
  console.error(`dapi-mock: ${error.message}`);
  process.exitCode = 127;
}

main();
