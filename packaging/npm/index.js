"use strict";

// Node reads the names that an ES module may import from this literal, without running it.
const { BinaryNotFound, findBinary } = require("./lib/binary.js");
const { ControlError, ServerUnreachable } = require("./lib/control.js");
const { Server, StartFailed, start } = require("./lib/server.js");
const { Workspace } = require("./lib/workspace.js");

module.exports = {
  BinaryNotFound,
  ControlError,
  Server,
  ServerUnreachable,
  StartFailed,
  Workspace,
  findBinary,
  start,
};
