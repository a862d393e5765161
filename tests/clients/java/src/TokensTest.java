import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.core.error.platform.BadRequest;
import com.databricks.sdk.core.error.platform.InvalidParameterValue;
import com.databricks.sdk.core.error.platform.NotFound;
import com.databricks.sdk.core.error.platform.PermissionDenied;
import com.databricks.sdk.core.error.platform.ResourceDoesNotExist;
import com.databricks.sdk.service.compute.ListClustersRequest;
import com.databricks.sdk.service.settings.CreateTokenRequest;
import com.databricks.sdk.service.settings.PublicTokenInfo;
import com.databricks.sdk.service.settings.UpdateTokenRequest;
import com.google.protobuf.FieldMask;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

class TokensTest extends OnServer {
  static List<String> comments(WorkspaceClient w) {
    return StreamSupport.stream(w.tokens().list().spliterator(), false)
        .map(PublicTokenInfo::getComment)
        .filter(comment -> !comment.equals("dapi-mock admin token"))
        .toList();
  }

  @Test
  void theLifeOfAToken() {
    var created = w.tokens().create(new CreateTokenRequest().setComment("ci").setLifetimeSeconds(3600L));
    var info = created.getTokenInfo();
    assertEquals(3_600_000, info.getExpiryTime() - info.getCreationTime());
    assertTrue(created.getTokenValue().matches("dapi[0-9a-f]{32}"));

    WorkspaceClient mine = server.with(created.getTokenValue());
    assertEquals(Server.me(w), Server.me(mine));
    FieldMask mask = FieldMask.newBuilder().addPaths("comment").build();
    w.tokens()
        .update(
            new UpdateTokenRequest()
                .setTokenId(info.getTokenId())
                .setToken(new PublicTokenInfo().setComment("renamed"))
                .setUpdateMask(mask));
    assertEquals(List.of("renamed"), comments(mine));

    mine.tokens().delete(info.getTokenId());
    assertEquals(List.of(), comments(w));
    Server.refusedAsInvalid(mine);
  }

  @Test
  void tokensExpireByTheWorkspacesClock() throws Exception {
    var created = w.tokens().create(new CreateTokenRequest().setLifetimeSeconds(90 * Server.DAY));
    WorkspaceClient mine = server.with(created.getTokenValue());
    Server.me(mine);
    server.own("POST", "/clock/advance", "{\"by\": \"89d\"}");
    Server.me(mine);
    server.own("POST", "/clock/advance", "{\"by\": \"1d\"}");
    Server.refusedAsInvalid(mine);
  }

  @Test
  void refusals() {
    Server.refusedAsInvalid(server.with("dapi" + "0".repeat(32)));
    String invalid = "INVALID_PARAMETER_VALUE";
    Server.refused(InvalidParameterValue.class, invalid, "730", () -> create(730 * Server.DAY + 1, null));
    Server.refused(InvalidParameterValue.class, invalid, "Invalid timeout: 0", () -> create(0, null));
    Server.refused(InvalidParameterValue.class, invalid, "255", () -> create(60, "é".repeat(256)));
    String unknown = "0".repeat(64);
    Server.refused(
        ResourceDoesNotExist.class, "RESOURCE_DOES_NOT_EXIST", "does not exist", () -> w.tokens().delete(unknown));
    var scoped = w.tokens().create(new CreateTokenRequest().setScopes(List.of("sql")));
    Server.refused(
        PermissionDenied.class, "403", "does not have required scopes: authentication",
        () -> comments(server.with(scoped.getTokenValue())));
    Server.refused(
        NotFound.class, "ENDPOINT_NOT_FOUND", "GET /api/2.1/clusters/list",
        () -> w.clusters().list(new ListClustersRequest()).iterator().hasNext());
  }

  @Test
  void theQuotaIs600() {
    for (int live = 1; live < 600; live++) {
      create(3600, "one of many");
    }
    Server.refused(BadRequest.class, "QUOTA_EXCEEDED", "600", () -> create(3600, "one too many"));
  }

  private void create(long seconds, String comment) {
    w.tokens().create(new CreateTokenRequest().setLifetimeSeconds(seconds).setComment(comment));
  }
}
