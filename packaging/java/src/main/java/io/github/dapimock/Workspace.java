package io.github.dapimock;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;

/** One isolated workspace. No test in another workspace can see or disturb it. */
public final class Workspace {
  private final Control control;
  private final JsonNode workspace;
  private final Map<String, String> env = new LinkedHashMap<>();

  Workspace(Control control, JsonNode workspace) {
    this.control = control;
    this.workspace = workspace;
    workspace.path("env").fields().forEachRemaining(one -> env.put(one.getKey(), one.getValue().asText()));
  }

  /** The workspace's id. */
  public String id() {
    return workspace.path("id").asText();
  }

  /** The id of its account. */
  public String accountId() {
    return workspace.path("account_id").asText();
  }

  /** The workspace's name. */
  public String name() {
    return workspace.path("name").asText();
  }

  /** The workspace's URL. */
  public String host() {
    return workspace.path("host").asText(control.url);
  }

  /** A workspace admin's token; null if the server no longer knows it. */
  public String adminToken() {
    return workspace.path("admin_token").asText(null);
  }

  /** The client id of an admin service principal; null if it is not known. */
  public String clientId() {
    return workspace.path("client_id").asText(null);
  }

  /** The client secret of an admin service principal; null if it is not known. */
  public String clientSecret() {
    return workspace.path("client_secret").asText(null);
  }

  /** The variables that point an official client at it. */
  public Map<String, String> env() {
    return Collections.unmodifiableMap(env);
  }

  /** The workspace's clock. */
  public Clock clock() {
    return new Clock();
  }

  /** Failures on demand. */
  public Faults faults() {
    return new Faults();
  }

  /** The request journal. */
  public Requests requests() {
    return new Requests();
  }

  /** The history of each token, including expired and revoked ones. */
  public Tokens tokens() {
    return new Tokens();
  }

  /** The audit log. */
  public Audit audit() {
    return new Audit();
  }

  /** Calls a path of the control API under this workspace: {@code call("POST", "/decoys", Map.of())}. */
  public JsonNode call(String method, String path, Object body) {
    return call(method, path, body, Map.of());
  }

  /** Calls a path of the control API under this workspace, with query parameters. */
  public JsonNode call(String method, String path, Object body, Map<String, ?> query) {
    return control.call(method, "/workspaces/" + id() + path, body, query);
  }

  /** Explains this workspace's latest refusal. */
  public JsonNode explain() {
    JsonNode refusals = requests().list(Map.of("refused", true, "limit", 1));
    if (refusals.isEmpty()) {
      throw new NoSuchElementException("workspace " + id() + " has refused no request");
    }
    return explain(refusals.get(refusals.size() - 1).path("request_id").asText());
  }

  /** Explains the decision on the request whose response had this {@code X-Request-Id}. */
  public JsonNode explain(String requestId) {
    return control.get("/explain/" + Control.encode(requestId), Map.of());
  }

  /**
   * Explains the decision on a request that was never sent: {@code Map.of("as", "ann@example.com", "method",
   * "POST", "path", "/api/2.0/token/create")}.
   */
  public JsonNode explain(Map<String, ?> request) {
    return call("POST", "/explain", request);
  }

  /** Restores the state after the seed. */
  public void reset() {
    reset("seed");
  }

  /** Restores a checkpoint, the state after the seed ({@code "seed"}), or the state before it ({@code "empty"}). */
  public void reset(String to) {
    call("POST", "/reset", Map.of("to", to));
  }

  /** Saves the workspace as it is now, to restore it with {@code reset(name)}. */
  public void checkpoint(String name) {
    call("PUT", "/checkpoints/" + Control.encode(name), null);
  }

  /** Copies the workspace and everything in it. */
  public Workspace fork() {
    return fork(Map.of());
  }

  /** Copies the workspace. Options are those of the control API, such as {@code Map.of("ttl", "1h")}. */
  public Workspace fork(Map<String, ?> options) {
    return new Workspace(control, call("POST", "/fork", options));
  }

  /** Sets workspace configuration without a credential, such as {@code Map.of("enableTokensConfig", false)}. */
  public void configure(Map<String, ?> conf) {
    Map<String, String> texts = new LinkedHashMap<>();
    conf.forEach((key, value) -> texts.put(key, String.valueOf(value)));
    call("PATCH", "/conf", texts);
  }

  /** Deletes the workspace and everything in it. */
  public void delete() {
    call("DELETE", "", null);
  }

  @Override
  public String toString() {
    return "workspace " + id() + " at " + host();
  }

  /** The clock only moves forward, and events that become due on the way happen. */
  public final class Clock {
    private Clock() {}

    /** Returns mode, offset and the current time. */
    public JsonNode get() {
      return call("GET", "/clock", null);
    }

    /** The workspace's time. */
    public Instant now() {
      return Instant.ofEpochMilli(get().path("now").path("ms").asLong());
    }

    /** Advances by a duration, such as {@code "90d"}; returns the events that happened on the way, in order. */
    public JsonNode advance(String by) {
      return advance(Map.of("by", by));
    }

    /** Advances to an instant; returns the events that happened on the way, in order. */
    public JsonNode advanceTo(Instant to) {
      return advance(Map.of("to", to.toString()));
    }

    /** Advances until the next event of a kind, such as {@code "token.expired"}; returns the events on the way. */
    public JsonNode advanceUntil(String event) {
      return advance(Map.of("until", event));
    }

    private JsonNode advance(Map<String, ?> change) {
      return call("POST", "/clock/advance", change).path("events");
    }

    /** Stops the clock. */
    public void freeze() {
      call("POST", "/clock", Map.of("mode", "frozen"));
    }

    /** Resumes the clock from its current time. */
    public void resume() {
      call("POST", "/clock", Map.of("mode", "offset"));
    }

    /** Returns the upcoming events, in order. */
    public JsonNode upcoming() {
      return call("GET", "/clock/upcoming", null).path("events");
    }
  }

  /** Failures on demand. */
  public final class Faults {
    private Faults() {}

    /** Arms a fault from the catalogue, such as {@code "rate_limited"}. */
    public JsonNode arm(String name) {
      return arm(Map.of("name", name));
    }

    /** Arms a fault from the catalogue for a number of requests. */
    public JsonNode arm(String name, int times) {
      return arm(Map.of("name", name, "times", times));
    }

    /** Arms a fault with the members of the control API: name, times, offset, match, when, effect. */
    public JsonNode arm(Map<String, ?> fault) {
      return call("POST", "/faults", fault);
    }

    /** Returns the armed faults. Each has the number of requests {@code seen} and how often it has {@code fired}. */
    public JsonNode list() {
      return call("GET", "/faults", null).path("faults");
    }

    /** Disarms all faults. */
    public void clear() {
      call("DELETE", "/faults", null);
    }
  }

  /** The request journal. */
  public final class Requests {
    private Requests() {}

    /** Returns the newest requests, oldest first. */
    public JsonNode list() {
      return list(Map.of());
    }

    /** Returns the newest matching requests: {@code Map.of("path", "/api/2.0/token/*", "status", 403)}. */
    public JsonNode list(Map<String, ?> filters) {
      return call("GET", "/requests", null, filters).path("requests");
    }

    /** Throws {@code ControlException} with the server's message unless a matching request was received. */
    public JsonNode verify(Map<String, ?> match) {
      return verify("at_least", 1, match);
    }

    /** Throws {@code ControlException} unless at least this many matching requests were received. */
    public JsonNode verifyAtLeast(int count, Map<String, ?> match) {
      return verify("at_least", count, match);
    }

    /** Throws {@code ControlException} unless at most this many matching requests were received. */
    public JsonNode verifyAtMost(int count, Map<String, ?> match) {
      return verify("at_most", count, match);
    }

    /** Throws {@code ControlException} unless exactly this many matching requests were received. */
    public JsonNode verifyExactly(int count, Map<String, ?> match) {
      return verify("exactly", count, match);
    }

    /** Throws {@code ControlException} unless matching requests were received in this order; others may be between. */
    public JsonNode verifyInOrder(List<? extends Map<String, ?>> matches) {
      return call("POST", "/requests/verify", Map.of("in_order", matches));
    }

    private JsonNode verify(String bound, int count, Map<String, ?> match) {
      return call("POST", "/requests/verify", Map.of("match", match, bound, count));
    }

    /** Empties the journal. */
    public void clear() {
      call("DELETE", "/requests", null);
    }
  }

  /** The history of each token, including expired and revoked ones. */
  public final class Tokens {
    private Tokens() {}

    /** Returns the tokens, oldest first. */
    public JsonNode list() {
      return list(Map.of());
    }

    /** Returns the matching tokens: {@code Map.of("state", "ended", "owner", "ann@example.com")}. */
    public JsonNode list(Map<String, ?> filters) {
      return call("GET", "/tokens", null, filters).path("tokens");
    }

    /** Returns a token and its state. */
    public JsonNode get(String tokenId) {
      JsonNode tokens = list(Map.of("token_id", tokenId));
      if (tokens.isEmpty()) {
        throw new NoSuchElementException("workspace " + id() + " never had the token " + tokenId);
      }
      return tokens.get(0);
    }
  }

  /** The audit log. */
  public final class Audit {
    private Audit() {}

    /** Returns the audit entries in the order they were written. */
    public JsonNode list() {
      return list(Map.of());
    }

    /** Returns the matching audit entries: {@code Map.of("action", "generateDbToken")}. */
    public JsonNode list(Map<String, ?> filters) {
      ArrayNode entries = Control.JSON.createArrayNode();
      call("GET", "/audit", null, filters)
          .asText()
          .lines()
          .filter(line -> !line.isEmpty())
          .map(Control::read)
          .forEach(entries::add);
      return entries;
    }

    /** Throws {@code ControlException} with the server's message unless the action is in the audit log. */
    public JsonNode expect(String action) {
      return expect(Map.of("action", action));
    }

    /** Throws {@code ControlException} unless the audit log has matching entries: action, actor, count, within. */
    public JsonNode expect(Map<String, ?> question) {
      return call("POST", "/audit/expect", question);
    }
  }
}
