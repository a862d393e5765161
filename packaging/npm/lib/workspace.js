"use strict";

// A workspace of a running server, and what a test can do with it.

/** One isolated workspace. No test in another workspace can see or disturb it. */
class Workspace {
  #control;

  constructor(control, workspace) {
    this.#control = control;
    this.id = workspace.id;
    this.accountId = workspace.account_id;
    this.name = workspace.name;
    this.host = workspace.host ?? control.url;
    this.adminToken = workspace.admin_token ?? null;
    this.clientId = workspace.client_id ?? null;
    this.clientSecret = workspace.client_secret ?? null;
    this.env = { ...workspace.env };
    this.clock = new Clock(this);
    this.faults = new Faults(this);
    this.requests = new Requests(this);
    this.tokens = new Tokens(this);
    this.audit = new Audit(this);
  }

  call(method, path, body, query) {
    return this.#control.call(method, `/workspaces/${this.id}${path}`, body, query);
  }

  async explain(request = "last") {
    if (typeof request !== "string") return this.call("POST", "/explain", request);
    let id = request;
    if (request === "last") {
      const refusals = await this.requests.list({ refused: true, limit: 1 });
      if (refusals.length === 0) throw new Error(`workspace ${this.id} has refused no request`);
      id = refusals.at(-1).request_id;
    }
    return this.#control.call("GET", `/explain/${encodeURIComponent(id)}`);
  }

  async reset(to = "seed") {
    await this.call("POST", "/reset", { to });
  }

  async checkpoint(name = "checkpoint") {
    await this.call("PUT", `/checkpoints/${encodeURIComponent(name)}`);
    return name;
  }

  async fork(options = {}) {
    return new Workspace(this.#control, await this.call("POST", "/fork", options));
  }

  async configure(conf) {
    const texts = Object.fromEntries(Object.entries(conf).map(([key, value]) => [key, String(value)]));
    await this.call("PATCH", "/conf", texts);
  }

  async delete() {
    await this.call("DELETE", "");
  }
}

class Part {
  #workspace;

  constructor(workspace) {
    this.#workspace = workspace;
  }

  call(...request) {
    return this.#workspace.call(...request);
  }
}

class Clock extends Part {
  get() {
    return this.call("GET", "/clock");
  }

  async nowMs() {
    return (await this.get()).now.ms;
  }

  async advance(change) {
    return (await this.call("POST", "/clock/advance", change)).events;
  }

  async freeze() {
    await this.call("POST", "/clock", { mode: "frozen" });
  }

  async resume() {
    await this.call("POST", "/clock", { mode: "offset" });
  }

  async upcoming(limit = 100) {
    return (await this.call("GET", "/clock/upcoming", undefined, { limit })).events;
  }
}

class Faults extends Part {
  arm(fault, details = {}) {
    return this.call("POST", "/faults", { ...(typeof fault === "string" ? { name: fault } : fault), ...details });
  }

  async list() {
    return (await this.call("GET", "/faults")).faults;
  }

  async clear() {
    await this.call("DELETE", "/faults");
  }
}

class Requests extends Part {
  async list(filters) {
    return (await this.call("GET", "/requests", undefined, filters)).requests;
  }

  verify({ atLeast, atMost, exactly, inOrder, ...match }) {
    const counts = { at_least: atLeast, at_most: atMost, exactly };
    const expected = inOrder ? { in_order: inOrder } : { match };
    return this.call("POST", "/requests/verify", withoutUndefined({ ...counts, ...expected }));
  }

  async clear() {
    await this.call("DELETE", "/requests");
  }
}

class Tokens extends Part {
  async list(filters) {
    return (await this.call("GET", "/tokens", undefined, filters)).tokens;
  }

  async get(tokenId) {
    const [token] = await this.list({ token_id: tokenId });
    if (!token) throw new Error(`this workspace never had the token ${tokenId}`);
    return token;
  }
}

class Audit extends Part {
  async list(filters) {
    const lines = await this.call("GET", "/audit", undefined, filters);
    return lines
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  expect(action, { actor, count, within } = {}) {
    return this.call("POST", "/audit/expect", withoutUndefined({ action, actor, count, within }));
  }
}

function withoutUndefined(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

module.exports = { Workspace, withoutUndefined };
