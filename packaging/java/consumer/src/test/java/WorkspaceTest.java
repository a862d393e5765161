import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.databricks.sdk.AccountClient;
import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.core.DatabricksConfig;
import com.databricks.sdk.core.error.platform.BadRequest;
import com.databricks.sdk.core.error.platform.PermissionDenied;
import com.databricks.sdk.service.iam.ListAccountUsersRequest;
import com.databricks.sdk.service.iam.MeRequest;
import com.databricks.sdk.service.settings.CreateTokenRequest;
import com.databricks.sdk.service.settings.CreateTokenResponse;
import com.databricks.sdk.service.settings.PublicTokenInfo;
import io.github.dapimock.ControlException;
import io.github.dapimock.DapiMock;
import io.github.dapimock.Server;
import io.github.dapimock.Workspace;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;

/** Tests what the extension and the client promise, with the official SDK. */
@DapiMock(conf = "maxTokenLifetimeDays=90")
class WorkspaceTest {
  private static final Set<String> WORKSPACES = ConcurrentHashMap.newKeySet();
  private static final Set<Long> SERVERS = ConcurrentHashMap.newKeySet();

  private String prepared;

  @BeforeEach
  void prepare(Workspace workspace) {
    prepared = workspace.id();
  }

  static List<String> comments(WorkspaceClient w) {
    List<String> comments = new ArrayList<>();
    for (PublicTokenInfo token : w.tokens().list()) {
      comments.add(token.getComment());
    }
    return comments;
  }

  @RepeatedTest(20)
  void eachTestHasItsOwnWorkspaceOnOneServer(
      Workspace workspace, Server server, DatabricksConfig config, WorkspaceClient w, TestInfo info) {
    assertEquals(prepared, workspace.id());
    assertTrue(WORKSPACES.add(workspace.id()), "a workspace was used twice");
    SERVERS.add(server.pid());
    assertEquals(1, SERVERS.size());
    w.tokens().create(new CreateTokenRequest().setComment(info.getDisplayName()));
    // Leaves out the admin token.
    assertTrue(comments(new WorkspaceClient(config)).contains(info.getDisplayName()));
    assertEquals(1, comments(w).stream().filter(comment -> comment.startsWith("repetition")).count());
    assertEquals(workspace.accountId(), config.getAccountId());
    assertEquals(
        Map.of(
            "DATABRICKS_HOST", config.getHost(),
            "DATABRICKS_TOKEN", config.getToken(),
            "DATABRICKS_WORKSPACE_ID", workspace.id()),
        workspace.env());
  }

  @Test
  void theClockMovesForward(Workspace workspace, WorkspaceClient w) {
    CreateTokenResponse token = w.tokens().create(new CreateTokenRequest().setLifetimeSeconds(3600L));
    String id = token.getTokenInfo().getTokenId();
    Instant before = workspace.clock().now();
    assertEquals("token.expired", workspace.clock().upcoming().get(0).path("event").asText());
    assertEquals(id, workspace.clock().advanceUntil("token.expired").get(0).path("token_id").asText());
    assertFalse(workspace.clock().now().isBefore(before.plusSeconds(3590)));
    assertEquals("expired", workspace.tokens().get(id).path("state").asText());
    assertThrows(NoSuchElementException.class, () -> workspace.tokens().get("no-such-token"));
    workspace.clock().freeze();
    Instant frozen = workspace.clock().now();
    workspace.clock().advanceTo(frozen.plus(Duration.ofDays(1)));
    assertEquals(frozen.plus(Duration.ofDays(1)), workspace.clock().now());
    workspace.clock().resume();
    assertEquals("offset", workspace.clock().get().path("mode").asText());
  }

  @Test
  void aRateLimitIsWaitedOutOnTheWorkspacesClock(Workspace workspace, WorkspaceClient w) {
    workspace.clock().freeze();
    Instant before = workspace.clock().now();
    workspace.faults().arm("rate_limited", 2);
    w.currentUser().me(new MeRequest());
    assertEquals(2, workspace.faults().list().get(0).path("fired").asInt());
    // Only the retry's wait can move a frozen clock.
    Instant after = workspace.clock().now();
    assertFalse(after.isBefore(before.plusSeconds(2)));
    workspace.faults().clear();
    workspace.faults().arm("temporarily_unavailable", 1);
    w.currentUser().me(new MeRequest());
    assertFalse(workspace.clock().now().isBefore(after.plusSeconds(1)));
    workspace.faults().clear();
    assertEquals(0, workspace.faults().list().size());
    workspace.faults().arm(Map.of("effect", Map.of("status", 400, "error_code", "BAD_REQUEST", "message", "No.")));
    assertThrows(BadRequest.class, () -> w.currentUser().me(new MeRequest()));
  }

  @Test
  void theJournalListsAndVerifiesRequests(Workspace workspace, WorkspaceClient w) {
    w.tokens().create(new CreateTokenRequest().setComment("journal"));
    comments(w);
    Map<String, String> create = Map.of("operation", "tokens.create");
    workspace.requests().verify(create);
    workspace.requests().verifyExactly(1, create);
    workspace.requests().verifyAtLeast(1, create);
    workspace.requests().verifyAtMost(1, create);
    workspace.requests().verifyInOrder(List.of(create, Map.of("operation", "tokens.list")));
    var unmet = assertThrows(ControlException.class, () -> workspace.requests().verifyExactly(2, create));
    assertEquals(409, unmet.status());
    assertEquals(1, unmet.answer().path("found").size());
    assertEquals(1, workspace.requests().list(Map.of("path", "/api/2.0/token/create")).size());
    workspace.audit().expect("generateDbToken");
    assertTrue(
        StreamSupport.stream(workspace.audit().list().spliterator(), false)
            .anyMatch(entry -> entry.toString().contains("generateDbToken")));
    workspace.requests().clear();
    assertEquals(0, workspace.requests().list().size());
  }

  @Test
  void aRefusalIsExplained(Workspace workspace, WorkspaceClient w) {
    assertThrows(NoSuchElementException.class, workspace::explain);
    assertThrows(
        BadRequest.class, () -> w.tokens().create(new CreateTokenRequest().setLifetimeSeconds(91L * 24 * 3600)));
    assertTrue(workspace.explain().path("because").asText().contains("90 days"));
    Map<String, ?> asked = Map.of("as", "admin@example.com", "method", "POST", "path", "/api/2.0/token/create");
    assertTrue(workspace.explain(asked).path("allowed").asBoolean());
  }

  @Test
  void aWorkspaceIsRestoredAndCopied(Workspace workspace, WorkspaceClient w) {
    w.tokens().create(new CreateTokenRequest().setComment("kept"));
    workspace.checkpoint("with-a-token");
    w.tokens().create(new CreateTokenRequest().setComment("undone"));
    Workspace copy = workspace.fork(Map.of("ttl", "1h"));
    assertNotEquals(workspace.id(), copy.id());
    workspace.reset("with-a-token");
    assertTrue(comments(w).contains("kept"));
    assertFalse(comments(w).contains("undone"));
    assertTrue(copy.tokens().list().toString().contains("undone"));
    copy.delete();
    assertEquals(404, assertThrows(ControlException.class, copy::delete).status());
  }

  @Test
  void anAccountClientIsSignedIn(AccountClient account, Workspace workspace) {
    assertTrue(account.users().list(new ListAccountUsersRequest()).iterator().hasNext());
  }

  @Test
  void theDefaultWorkspaceIsAvailable(Server server) {
    Workspace workspace = server.defaultWorkspace();
    var config =
        new DatabricksConfig()
            .setHost(workspace.host())
            .setAuthType("pat")
            .setToken(server.adminToken())
            .setWorkspaceId(workspace.id());
    assertEquals("admin@example.com", new WorkspaceClient(config).currentUser().me(new MeRequest()).getUserName());
    assertEquals(server.adminToken(), workspace.env().get("DATABRICKS_TOKEN"));
  }

  @Test
  @DapiMock(conf = {"maxTokenLifetimeDays=7", "enableTokensConfig=true"})
  void theMethodsAnnotationTakesPrecedence(WorkspaceClient w) {
    assertThrows(
        BadRequest.class, () -> w.tokens().create(new CreateTokenRequest().setLifetimeSeconds(8L * 24 * 3600)));
  }

  @Nested
  @DapiMock(tier = "standard")
  class OnTheStandardPlan {
    @Test
    void theEnclosingClasssAnnotationAppliesToo(Workspace workspace) {
      assertEquals("standard", workspace.call("GET", "/behaviour", null).path("tier").asText());
      Map<String, ?> tooLong = Map.of("lifetime_seconds", 91L * 24 * 3600);
      var create = Map.of("as", "admin@example.com", "method", "POST", "path", "/api/2.0/token/create", "body", tooLong);
      assertTrue(workspace.explain(create).path("because").asText().contains("90 days"));
    }
  }

  @Nested
  @DapiMock(template = "leaky")
  class InALeakyWorld {
    @Test
    void aTemplateFillsTheWorkspace(Workspace workspace) {
      assertTrue(workspace.tokens().list().size() > 5);
    }

    @Test
    @DapiMock(seed = "{\"users\": [{\"user_name\": \"ann@example.com\"}], \"tokens\": [{\"owner\": \"ann@example.com\"}]}")
    void aSeedReplacesTheTemplate(Workspace workspace) {
      assertEquals(1, workspace.tokens().list(Map.of("owner", "ann@example.com")).size());
      assertTrue(workspace.tokens().list().size() < 5);
    }
  }

  @Test
  void anotherServerCanBeStarted() {
    try (Server server = Server.start("--profile", "lab")) {
      String token = server.createWorkspace().adminToken();
      assertNotEquals(server.adminToken(), token);
    }
    var failure = assertThrows(io.github.dapimock.StartFailedException.class, () -> Server.start("--no-such-option"));
    assertTrue(failure.getMessage().contains("--no-such-option"), failure.getMessage());
  }

  @Test
  void whatAClientMustNotDoIsRefused(DatabricksConfig config, WorkspaceClient w) {
    CreateTokenResponse token = w.tokens().create(new CreateTokenRequest());
    var other = new WorkspaceClient(config.setToken(token.getTokenValue()));
    other.currentUser().me(new MeRequest());
    w.tokens().delete(token.getTokenInfo().getTokenId());
    assertThrows(PermissionDenied.class, () -> other.currentUser().me(new MeRequest()));
  }
}
