package io.github.dapimock;

import com.databricks.sdk.AccountClient;
import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.core.DatabricksConfig;
import com.databricks.sdk.core.commons.CommonsHttpClient;
import com.databricks.sdk.core.http.HttpClient;
import com.databricks.sdk.core.http.Response;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Creates configurations and clients of the Databricks SDK. The SDK is optional, so only this class may use it. */
final class SdkClients {
  private static final String NO_CONFIG_FILE = "/dapi-mock-uses-no-config-file";

  private SdkClients() {}

  static DatabricksConfig config(Workspace workspace) {
    return withRetries(workspace, base(workspace).setAuthType("pat").setToken(workspace.adminToken()));
  }

  static WorkspaceClient workspaceClient(Workspace workspace) {
    return new WorkspaceClient(config(workspace));
  }

  static AccountClient accountClient(Workspace workspace) {
    DatabricksConfig config =
        base(workspace)
            .setAuthType("oauth-m2m")
            .setClientId(workspace.clientId())
            .setClientSecret(workspace.clientSecret());
    return new AccountClient(withRetries(workspace, config));
  }

  /** Sets everything that the SDK would otherwise read from the developer's own variables and profile. */
  private static DatabricksConfig base(Workspace workspace) {
    return new DatabricksConfig()
        .setHost(workspace.host())
        .setAccountId(workspace.accountId())
        .setWorkspaceId(workspace.id())
        .setConfigFile(NO_CONFIG_FILE);
  }

  /**
   * Makes retries take no real time. The SDK waits as long as {@code Retry-After} says, so this removes the wait from
   * the response and advances the workspace's clock instead.
   */
  private static DatabricksConfig withRetries(Workspace workspace, DatabricksConfig config) {
    HttpClient http = new CommonsHttpClient.Builder().withDatabricksConfig(config).build();
    return config.setHttpClient(
        request -> {
          Response response = http.execute(request);
          int status = response.getStatusCode();
          return status == 429 || status == 503 ? withoutWait(workspace, response) : response;
        });
  }

  private static Response withoutWait(Workspace workspace, Response response) throws IOException {
    String wait = response.getFirstHeader("Retry-After");
    // Without the header the SDK waits a second before its first retry.
    workspace.clock().advance((wait != null && wait.matches("[1-9][0-9]*") ? wait : "1") + "s");
    Map<String, List<String>> headers = new HashMap<>(response.getAllHeaders());
    headers.keySet().removeIf("Retry-After"::equalsIgnoreCase);
    headers.put("Retry-After", List.of("0"));
    return new Response(
        response.getRequest(),
        response.getUrl(),
        response.getStatusCode(),
        response.getStatus(),
        headers,
        response.getBody());
  }
}
