import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.core.DatabricksConfig;
import com.databricks.sdk.core.DatabricksError;
import com.databricks.sdk.core.error.platform.PermissionDenied;
import com.databricks.sdk.service.iam.MeRequest;
import com.databricks.sdk.service.iam.User;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.function.Executable;

/** A {@code dapi-mock serve} process. Each test has its own, which starts in milliseconds. */
class Server implements AutoCloseable {
  static final String ADMIN = "admin@example.com";
  static final String ADMIN_TOKEN = "dapi00000000000000000000000000000001";

  /** The id and the secret of the admin service principal. */
  static final String CLIENT_ID = "32743274-3274-4274-8274-327432743275";

  static final String CLIENT_SECRET = "dose00000000000000000000000000000001";
  static final String ACCOUNT_ID = "32743274-3274-4274-8274-327432743274";
  static final long WORKSPACE_ID = 3274327432743274L;
  static final long DAY = 24 * 60 * 60;

  private static final Pattern READY = Pattern.compile("dapi-mock ready host=(https?://127\\.0\\.0\\.1:\\d+) .*");

  final String host;
  private final Process process;

  Server() throws Exception {
    ProcessBuilder builder =
        new ProcessBuilder(
            System.getenv("DAPI_MOCK_BIN"), "serve", "--port", "0", "--database", "sqlite::memory:",
            "--admin-token", ADMIN_TOKEN, "--admin-client-secret", CLIENT_SECRET);
    builder.environment().keySet().removeIf(name -> name.startsWith("DAPI_MOCK_"));
    process = builder.redirectError(ProcessBuilder.Redirect.DISCARD).start();
    BufferedReader lines = new BufferedReader(new InputStreamReader(process.getInputStream()));
    String found = null;
    for (String line; found == null && (line = lines.readLine()) != null; ) {
      var ready = READY.matcher(line);
      found = ready.matches() ? ready.group(1) : null;
    }
    assertTrue(found != null, "the server did not start");
    host = found;
  }

  @Override
  public void close() throws Exception {
    process.destroy();
    assertTrue(process.waitFor(10, TimeUnit.SECONDS), "the server must stop on SIGTERM");
    assertEquals(0, process.exitValue(), "SIGTERM is a normal end");
  }

  WorkspaceClient with(String token) {
    return new WorkspaceClient(config().setToken(token));
  }

  WorkspaceClient byOAuth(String clientId, String secret) {
    return new WorkspaceClient(config().setClientId(clientId).setClientSecret(secret).setAuthType("oauth-m2m"));
  }

  DatabricksConfig config() {
    return new DatabricksConfig().setHost(host).setRateLimit(1000);
  }

  /** Calls the control API of the default workspace. */
  JsonNode own(String method, String path, String body) throws Exception {
    var request =
        HttpRequest.newBuilder(URI.create(host + "/_mock/v1/workspaces/default" + path))
            .header("Content-Type", "application/json")
            .method(method, HttpRequest.BodyPublishers.ofString(body));
    var answer = HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString());
    assertEquals(2, answer.statusCode() / 100, answer.body());
    return new ObjectMapper().readTree(answer.body());
  }

  static User me(WorkspaceClient w) {
    return w.currentUser().me(new MeRequest());
  }

  /** Checks that the call fails with exactly this class of the SDK, this code and this text. */
  static <E extends DatabricksError> E refused(Class<E> kind, String code, String text, Executable call) {
    E refusal = assertThrows(kind, call);
    assertEquals(kind, refusal.getClass());
    assertEquals(code, refusal.getErrorCode());
    assertTrue(refusal.getMessage().contains(text), refusal.getMessage());
    return refusal;
  }

  static void refusedAsInvalid(WorkspaceClient w) {
    // A number on the wire, as the real service sends it.
    refused(PermissionDenied.class, "403", "Invalid access token.", () -> me(w));
  }
}
