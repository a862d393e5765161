"use strict";

// Calls the control API with nothing but Node's own modules.

const http = require("node:http");
const https = require("node:https");

const TIMEOUT_MS = 60_000;

/** The control API refused a call. `status` is the HTTP status; the error has the server's message. */
class ControlError extends Error {
  name = "ControlError";

  constructor(status, message, answer) {
    super(message);
    this.status = status;
    this.answer = answer;
  }
}

/** No server answered. */
class ServerUnreachable extends Error {
  name = "ServerUnreachable";
}

/** The control API of one server. It connects directly and ignores proxy settings. */
class Control {
  #key;

  constructor(url, key) {
    let parts;
    try {
      parts = new URL(url);
    } catch {
      // The message below covers both errors.
    }
    if (!parts || !["http:", "https:"].includes(parts.protocol)) {
      throw new TypeError(`invalid URL '${url}': expected http://HOST:PORT or https://HOST:PORT`);
    }
    this.url = parts.origin;
    this.#key = key;
  }

  /** Calls a path under `/_mock/v1` and returns the response: JSON, or text if it is not JSON. */
  async call(method, path, body, query) {
    const target = new URL(`/_mock/v1${path}`, this.url);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined && value !== null) target.searchParams.set(name, String(value));
    }
    const headers = { Accept: "application/json" };
    if (this.#key) headers.Authorization = `Bearer ${this.#key}`;
    if (method !== "GET") headers["Content-Type"] = "application/json";
    let answer;
    try {
      answer = await send(target, { method, headers }, method === "GET" ? undefined : JSON.stringify(body ?? {}));
    } catch (error) {
      const reason = error.message || error.code;
      throw new ServerUnreachable(`no dapi-mock server answers at ${this.url}: ${reason}`, { cause: error });
    }
    const content = answer.isJson ? JSON.parse(answer.text) : answer.text;
    if (answer.status >= 400) {
      throw new ControlError(answer.status, content?.error ?? `${method} ${path} answered ${answer.status}`, content);
    }
    return content;
  }
}

function send(target, options, body) {
  const { request } = target.protocol === "https:" ? https : http;
  return new Promise((resolve, reject) => {
    // `agent: false` also ignores a proxy set in the environment.
    const sent = request(target, { ...options, agent: false, timeout: TIMEOUT_MS }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        resolve({
          status: response.statusCode,
          isJson: /^application\/json\b/.test(response.headers["content-type"] ?? ""),
          text: Buffer.concat(chunks).toString(),
        });
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`no response within ${TIMEOUT_MS / 1000} s`)));
    sent.on("error", reject);
    sent.end(body);
  });
}

module.exports = { Control, ControlError, ServerUnreachable };
