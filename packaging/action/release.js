"use strict";

// Downloads the program of a release and verifies its checksum.

const { execFileSync } = require("node:child_process");
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const platforms = require("../npm/platforms.json");

const TIMEOUT_MS = 120_000;

/** Downloads a version for this machine into a folder and returns the path of the program. */
async function download(version, releases, folder) {
  // On Linux the first platform is musl, whose program is linked statically and runs in every container.
  const platform = Object.values(platforms).find(({ os, cpu }) => os === process.platform && cpu === process.arch);
  if (!platform) throw new Error(`no release of dapi-mock for ${process.platform} on ${process.arch}`);
  const isWindows = platform.os === "win32";
  const name = `dapi-mock-${version}-${platform.target}`;
  const archive = `${name}${isWindows ? ".zip" : ".tar.gz"}`;
  const base = `${releases.replace(/\/$/, "")}/v${version}`;

  const sums = (await fetched(`${base}/SHA256SUMS`)).toString();
  const expected = sums.split("\n").find((line) => line.trim().split(/\s+\*?/)[1] === archive);
  if (!expected) throw new Error(`${base}/SHA256SUMS has no checksum for ${archive}`);
  const content = await fetched(`${base}/${archive}`);
  const actual = createHash("sha256").update(content).digest("hex");
  if (actual !== expected.trim().split(/\s+/)[0].toLowerCase()) {
    throw new Error(`${base}/${archive} does not have the checksum in SHA256SUMS: ${actual}`);
  }

  fs.writeFileSync(path.join(folder, archive), content);
  execFileSync("tar", ["-xf", archive], { cwd: folder });
  return path.join(folder, name, isWindows ? "dapi-mock.exe" : "dapi-mock");
}

async function fetched(url) {
  let response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new Error(`could not download ${url}: ${error.cause?.message ?? error.message}`);
  }
  if (!response.ok) throw new Error(`could not download ${url}: ${response.status} ${response.statusText}`);
  return Buffer.from(await response.arrayBuffer());
}

module.exports = { download };
