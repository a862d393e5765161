/// <reference lib="esnext.disposable" />

/** An answer of the control API; docs/control-api.md says which members it has. */
export type Json = Record<string, any>;

/** Starts a server, waits until it is ready and returns it. Rejects with `StartFailed` or `BinaryNotFound`. */
export function start(options?: StartOptions): Promise<Server>;

/**
 * Returns the path of the `dapi-mock` program: the one that `DAPI_MOCK_BIN` names, else the one of the installed
 * platform package, else the first one on PATH. Throws `BinaryNotFound`.
 */
export function findBinary(): string;

export interface StartOptions {
  /** Options of `dapi-mock serve`, such as `["--profile", "lab"]`. By default data is in memory, on a free port. */
  options?: readonly string[];
  /** Start nothing, and use the server that runs here. */
  url?: string;
  /** Key of the control API. */
  controlKey?: string;
  /** File that the server's log is appended to. By default the log goes nowhere. */
  log?: string;
  /** Milliseconds until the start counts as failed; 60 000 by default. */
  startTimeout?: number;
}

/** A server, until `stop()` or the end of this process, even if the process is killed. */
export class Server {
  private constructor();
  /** Where the server answers, such as `http://127.0.0.1:3274`. */
  readonly url: string;
  /** Process id; null where this process did not start the server. */
  readonly pid: number | null;
  /** Token of the default workspace's admin; null where it is not known. */
  readonly adminToken: string | null;
  /** OAuth client id of the admin service principal; null where it is not known. */
  readonly clientId: string | null;
  /** OAuth secret of the admin service principal; null where it is not known. */
  readonly clientSecret: string | null;
  /** Creates an isolated workspace with an account of its own. */
  createWorkspace(options?: WorkspaceOptions): Promise<Workspace>;
  /** Returns the workspace that the first start created. */
  defaultWorkspace(): Promise<Workspace>;
  /** Returns the production-looking credentials that were sent here. */
  suspectedCredentials(): Promise<SuspectedCredential[]>;
  /** Stops the server and returns its exit code; null where this process did not start it, or a signal ended it. */
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
  /** Deletes the workspace after this span, such as `"1h"`. */
  ttl?: string;
  /** A port of its own; 0 picks a free one. */
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
  /** The variables that point an official client here; the token is missing where the server does not know it. */
  readonly env: WorkspaceEnv;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly requests: Requests;
  readonly tokens: Tokens;
  readonly audit: Audit;
  /** Calls the control API below this workspace: `call("GET", "/census")`. */
  call(method: string, path: string, body?: Json, query?: Json): Promise<any>;
  /**
   * Explains a decision. Give the `X-Request-Id` of an answer, `"last"` for the newest refusal of this workspace, or a
   * request that was never sent: `{ as: "ann@example.com", method: "POST", path: "/api/2.0/token/create" }`.
   */
  explain(request?: string | Json): Promise<Json>;
  /** Restores a checkpoint, the state after the seed (`"seed"`, the default), or the state before it (`"empty"`). */
  reset(to?: string): Promise<void>;
  /** Keeps the workspace as it is now, for `reset(name)`; returns the name. */
  checkpoint(name?: string): Promise<string>;
  /** Copies the workspace with everything in it. Options are those of the control API, such as `{ ttl: "1h" }`. */
  fork(options?: Json): Promise<Workspace>;
  /** Sets workspace configuration without a credential, such as `{ enableTokensConfig: false }`. */
  configure(conf: Readonly<Record<string, string | number | boolean>>): Promise<void>;
  /** Deletes the workspace with everything in it. */
  delete(): Promise<void>;
}

export interface WorkspaceEnv {
  DATABRICKS_HOST: string;
  DATABRICKS_WORKSPACE_ID: string;
  DATABRICKS_TOKEN?: string;
}

/** The workspace's clock. It only moves forward; whatever is due on the way happens. */
export interface Clock {
  /** Returns mode, offset and the current time. */
  get(): Promise<ClockState>;
  /** Returns the workspace's time in milliseconds since the epoch. */
  nowMs(): Promise<number>;
  /**
   * Advances by a span (`{ by: "90d" }`), to an instant, or until the next event of a kind
   * (`{ until: "token.expired" }`). Returns the events that happened on the way, in order.
   */
  advance(change: { by: string } | { to: string | number } | { until: string }): Promise<ClockEvent[]>;
  /** Stops the clock. */
  freeze(): Promise<void>;
  /** Resumes the clock from its current time. */
  resume(): Promise<void>;
  /** Returns what will happen next if nobody does anything. */
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
  /** Arms a fault of the catalogue (`"rate_limited"`) or one that you describe by its `effect`. */
  arm(fault: string | ({ effect: Json } & FaultDetails), details?: FaultDetails): Promise<Json>;
  /** Returns the armed faults, each with how many requests it has `seen` and how often it has `fired`. */
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
  /** Returns the newest requests that match, oldest first: `list({ path: "/api/2.0/token/*", status: 403 })`. */
  list(filters?: Json): Promise<Json[]>;
  /**
   * Rejects with the server's own sentence unless the requests came that were expected:
   * `verify({ method: "POST", path: "/api/2.0/token/create", exactly: 1 })`.
   */
  verify(
    expected: { atLeast?: number; atMost?: number; exactly?: number; inOrder?: readonly Json[] } & Json,
  ): Promise<Json>;
  /** Empties the journal. */
  clear(): Promise<void>;
}

/** What became of each token, expired and revoked ones included. */
export interface Tokens {
  /** Returns the tokens that match, oldest first: `list({ state: "ended", owner: "ann@example.com" })`. */
  list(filters?: Json): Promise<Json[]>;
  /** Returns one token with its state; rejects if the workspace never had it. */
  get(tokenId: string): Promise<Json>;
}

/** The audit log. */
export interface Audit {
  /** Returns entries in the order of writing: `list({ action: "generateDbToken", shape: "system_table" })`. */
  list(filters?: Json): Promise<Json[]>;
  /** Rejects with the server's own sentence unless the action is in the audit log. */
  expect(action: string, details?: { actor?: string; count?: number; within?: string }): Promise<Json>;
}

/** No `dapi-mock` program was found. */
export class BinaryNotFound extends Error {}

/** The server did not start. The message has what it printed. */
export class StartFailed extends Error {}

/** The control API refused a call. The message is the server's own sentence. */
export class ControlError extends Error {
  /** HTTP status. */
  readonly status: number;
  readonly answer: any;
}

/** No server answered. */
export class ServerUnreachable extends Error {}
