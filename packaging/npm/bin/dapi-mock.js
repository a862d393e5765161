#!/usr/bin/env node
"use strict";

// Runs the program in place of this command, with the same streams, signals and exit code.

const { spawn } = require("node:child_process");
const { closeSync, openSync } = require("node:fs");
const { constants } = require("node:os");
const { findBinary } = require("../lib/binary.js");

const FORWARDED = ["SIGHUP", "SIGTERM", "SIGUSR2"];
// A terminal also sends these to the child. A second SIGINT would make many programs abort their clean-up.
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
  // Installed before the child starts, because it may request a signal at once.
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
    // A signal that Node or the system ignores leaves this process running, so exit with the code of a shell.
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
