/// <reference lib="esnext.disposable" />

/** A response of the control API; docs/control-api.md describes its members. */
export type Json = Record<string, any>;

/** Starts a server, waits until it is ready and returns it. Rejects with `StartFailed` or `BinaryNotFound`. */
export function start(options?: StartOptions): Promise<Server>;

/**
 * Returns the path of the `dapi-mock` program: the file that `DAPI_MOCK_BIN` names, or else the program of the
 * installed platform package, or else the first one on PATH. Throws `BinaryNotFound`.
 */
export function findBinary(): string;

export interface StartOptions {
  /** Options of `dapi-mock serve`, such as `["--profile", "lab"]`. By default data is in memory, on a free port. */
  options?: readonly string[];
  /** URL of a running server to use instead of starting one. */
  url?: string;
  /** Key of the control API. */
  controlKey?: string;
  /** File to which the server appends its log. By default there is no log. */
  log?: string;
  /** Time limit for the start, in milliseconds; defaults to 60 000. */
  startTimeout?: number;
}

/** A server. It runs until `stop()` or until this process ends, even if the process is killed. */
export class Server {
  private constructor();
  /** The server's URL, such as `http://127.0.0.1:3274`. */
  readonly url: string;
  /** Process id; null if this process did not start the server. */
  readonly pid: number | null;
  /** Admin token of the default workspace; null if it is not known. */
  readonly adminToken: string | null;
  /** OAuth client id of the admin service principal; null if it is not known. */
  readonly clientId: string | null;
  /** OAuth secret of the admin service principal; null if it is not known. */
  readonly clientSecret: string | null;
  /** Creates an isolated workspace in its own account. */
  createWorkspace(options?: WorkspaceOptions): Promise<Workspace>;
  /** Returns the workspace that the first start created. */
  defaultWorkspace(): Promise<Workspace>;
  /** Returns the suspected real credentials that were sent here. */
  suspectedCredentials(): Promise<SuspectedCredential[]>;
  /** Stops the server and returns its exit code; null if this process did not start it, or if a signal ended it. */
  stop(): Promise<number | null>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface WorkspaceOptions {
  /** A world that comes with the server, such as `"leaky"`. */
  template?: string;
  /** A world that you describe. */
  seed?: Json;
  tier?: "premium" | "standard";
  /** Workspace configuration, such as `{ maxTokenLifetimeDays: 90 }`. */
  conf?: Readonly<Record<string, string | number | boolean>>;
  /** Deletes the workspace after this duration, such as `"1h"`. */
  ttl?: string;
  /** The workspace's own port; 0 picks a free one. */
  port?: number;
  /** Other options of `POST /_mock/v1/workspaces`, under its names. */
  [option: string]: unknown;
}

export interface SuspectedCredential {
  kind: string;
  client: string;
  count: number;
  first: string;
  last: string;
}

/** One isolated workspace. No test in another workspace can see or disturb it. */
export class Workspace {
  private constructor();
  readonly id: string;
  readonly accountId: string;
  readonly name: string;
  readonly host: string;
  readonly adminToken: string | null;
  readonly clientId: string | null;
  readonly clientSecret: string | null;
  /** The variables that point an official client here, without the token if the server does not know it. */
  readonly env: WorkspaceEnv;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly requests: Requests;
  readonly tokens: Tokens;
  readonly audit: Audit;
  /** Calls a path of the control API under this workspace: `call("GET", "/census")`. */
  call(method: string, path: string, body?: Json, query?: Json): Promise<any>;
  /**
   * Explains a decision. Give the `X-Request-Id` of a response, `"last"` for this workspace's latest refusal, or a
   * request that was never sent: `{ as: "ann@example.com", method: "POST", path: "/api/2.0/token/create" }`.
   */
  explain(request?: string | Json): Promise<Json>;
  /** Restores a checkpoint, the state after the seed (`"seed"`, the default), or the state before it (`"empty"`). */
  reset(to?: string): Promise<void>;
  /** Saves the workspace as it is now, to restore it with `reset(name)`; returns the name. */
  checkpoint(name?: string): Promise<string>;
  /** Copies the workspace and everything in it. Options are those of the control API, such as `{ ttl: "1h" }`. */
  fork(options?: Json): Promise<Workspace>;
  /** Sets workspace configuration without a credential, such as `{ enableTokensConfig: false }`. */
  configure(conf: Readonly<Record<string, string | number | boolean>>): Promise<void>;
  /** Deletes the workspace and everything in it. */
  delete(): Promise<void>;
}

export interface WorkspaceEnv {
  DATABRICKS_HOST: string;
  DATABRICKS_WORKSPACE_ID: string;
  DATABRICKS_TOKEN?: string;
}

/** The workspace's clock. It only moves forward, and events that become due on the way happen. */
export interface Clock {
  /** Returns mode, offset and the current time. */
  get(): Promise<ClockState>;
  /** Returns the workspace's time in milliseconds since the epoch. */
  nowMs(): Promise<number>;
  /**
   * Advances by a duration (`{ by: "90d" }`), to an instant, or until the next event of a kind
   * (`{ until: "token.expired" }`). Returns the events that happened on the way, in order.
   */
  advance(change: { by: string } | { to: string | number } | { until: string }): Promise<ClockEvent[]>;
  /** Stops the clock. */
  freeze(): Promise<void>;
  /** Resumes the clock from its current time. */
  resume(): Promise<void>;
  /** Returns the upcoming events, in order. */
  upcoming(limit?: number): Promise<ClockEvent[]>;
}

export interface ClockState {
  mode: "real" | "offset" | "frozen";
  now: { ms: number; rfc3339: string };
  offset_ms: number;
}

export interface ClockEvent {
  event: string;
  at: any;
  [member: string]: any;
}

/** Failures on demand. */
export interface Faults {
  /** Arms a fault from the catalogue (`"rate_limited"`), or one that `effect` describes. */
  arm(fault: string | ({ effect: Json } & FaultDetails), details?: FaultDetails): Promise<Json>;
  /** Returns the armed faults. Each has the number of requests `seen` and how often it has `fired`. */
  list(): Promise<Json[]>;
  /** Disarms all faults. */
  clear(): Promise<void>;
}

export interface FaultDetails {
  times?: number;
  offset?: number;
  match?: Json;
  when?: string;
}

/** The request journal. */
export interface Requests {
  /** Returns the newest matching requests, oldest first: `list({ path: "/api/2.0/token/*", status: 403 })`. */
  list(filters?: Json): Promise<Json[]>;
  /**
   * Rejects with the server's message unless the expected requests were received:
   * `verify({ method: "POST", path: "/api/2.0/token/create", exactly: 1 })`.
   */
  verify(
    expected: { atLeast?: number; atMost?: number; exactly?: number; inOrder?: readonly Json[] } & Json,
  ): Promise<Json>;
  /** Empties the journal. */
  clear(): Promise<void>;
}

/** The history of each token, including expired and revoked ones. */
export interface Tokens {
  /** Returns the matching tokens, oldest first: `list({ state: "ended", owner: "ann@example.com" })`. */
  list(filters?: Json): Promise<Json[]>;
  /** Returns a token and its state; rejects if the workspace never had it. */
  get(tokenId: string): Promise<Json>;
}

/** The audit log. */
export interface Audit {
  /** Returns entries in the order they were written: `list({ action: "generateDbToken", shape: "system_table" })`. */
  list(filters?: Json): Promise<Json[]>;
  /** Rejects with the server's message unless the action is in the audit log. */
  expect(action: string, details?: { actor?: string; count?: number; within?: string }): Promise<Json>;
}

/** The `dapi-mock` program is not installed, or DAPI_MOCK_BIN is wrong. */
export class BinaryNotFound extends Error {}

/** The server did not start. The message includes what it printed. */
export class StartFailed extends Error {}

/** The control API refused a call. The error has the server's message. */
export class ControlError extends Error {
  /** HTTP status. */
  readonly status: number;
  readonly answer: any;
}

/** No server answered. */
export class ServerUnreachable extends Error {}
