"use strict";

// Finds the `dapi-mock` program that belongs to this package.

const fs = require("node:fs");
const path = require("node:path");
const platforms = require("../platforms.json");

const PROGRAM = process.platform === "win32" ? "dapi-mock.exe" : "dapi-mock";

class BinaryNotFound extends Error {
  name = "BinaryNotFound";
}

/**
 * Returns the path of the `dapi-mock` program: the file that DAPI_MOCK_BIN names, or else the program of the installed
 * platform package, or else the first one on PATH.
 */
function findBinary() {
  const named = process.env.DAPI_MOCK_BIN;
  if (named) {
    if (isExecutable(named)) return named;
    throw new BinaryNotFound(`DAPI_MOCK_BIN is not an executable file: ${named}`);
  }
  const found = installed() ?? onPath();
  if (found) return found;
  throw new BinaryNotFound(
    `no dapi-mock program found for ${process.platform}-${process.arch}: ` +
      "install dapi-mock with its optional dependencies (without --omit=optional), put the program on PATH, " +
      "or set DAPI_MOCK_BIN",
  );
}

function installed() {
  // An old npm installs the packages for both C libraries. musl's comes first, because it is linked statically and runs
  // with either.
  for (const [name, { os, cpu }] of Object.entries(platforms)) {
    if (os !== process.platform || cpu !== process.arch) continue;
    try {
      return require.resolve(`@dapi-mock/${name}/${PROGRAM}`);
    } catch (error) {
      if (error.code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  return undefined;
}

function onPath() {
  return (process.env.PATH ?? "")
    .split(path.delimiter)
    .filter(Boolean)
    .map((folder) => path.join(folder, PROGRAM))
    .find((file) => isExecutable(file) && !isScript(file));
}

function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

// A script of this name is this package's own command, as package managers install it. It would call itself forever.
function isScript(file) {
  const start = Buffer.alloc(2);
  const descriptor = fs.openSync(file, "r");
  try {
    fs.readSync(descriptor, start, 0, 2, 0);
  } finally {
    fs.closeSync(descriptor);
  }
  return start.toString() === "#!";
}

module.exports = { BinaryNotFound, findBinary };
