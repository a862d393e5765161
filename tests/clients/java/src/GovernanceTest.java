import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.core.error.platform.BadRequest;
import com.databricks.sdk.core.error.platform.InvalidParameterValue;
import com.databricks.sdk.core.error.platform.NotFound;
import com.databricks.sdk.core.error.platform.PermissionDenied;
import com.databricks.sdk.core.error.platform.ResourceDoesNotExist;
import com.databricks.sdk.core.http.Request;
import com.databricks.sdk.service.iam.AccessControlRequest;
import com.databricks.sdk.service.iam.CreateServicePrincipalRequest;
import com.databricks.sdk.service.iam.PermissionLevel;
import com.databricks.sdk.service.iam.ServicePrincipal;
import com.databricks.sdk.service.iam.SetObjectPermissions;
import com.databricks.sdk.service.settings.CreateOboTokenRequest;
import com.databricks.sdk.service.settings.CreateOboTokenResponse;
import com.databricks.sdk.service.settings.CreateTokenRequest;
import com.databricks.sdk.service.settings.ListTokenManagementRequest;
import com.databricks.sdk.service.settings.TokenAccessControlRequest;
import com.databricks.sdk.service.settings.TokenInfo;
import com.databricks.sdk.service.settings.TokenPermissionLevel;
import com.databricks.sdk.service.settings.TokenPermissions;
import com.databricks.sdk.service.settings.TokenPermissionsRequest;
import com.databricks.sdk.service.settings.UpdateTokenManagementRequest;
import com.google.protobuf.FieldMask;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GovernanceTest extends OnServer {
  private ServicePrincipal ci;

  @BeforeEach
  void createTheServicePrincipal() {
    ci = w.servicePrincipalsV2().create(new CreateServicePrincipalRequest().setDisplayName("ci").setActive(true));
  }

  private CreateOboTokenResponse onBehalfOf() {
    return w.tokenManagement()
        .createOboToken(
            new CreateOboTokenRequest()
                .setApplicationId(ci.getApplicationId())
                .setComment("nightly")
                .setLifetimeSeconds(3600L));
  }

  private List<TokenInfo> list(ListTokenManagementRequest request) {
    return StreamSupport.stream(w.tokenManagement().list(request).spliterator(), false).toList();
  }

  @Test
  void tokenManagement() {
    var created = onBehalfOf();
    String id = created.getTokenInfo().getTokenId();
    WorkspaceClient mine = server.with(created.getTokenValue());
    assertEquals(ci.getApplicationId(), Server.me(mine).getUserName());

    List<TokenInfo> all = list(new ListTokenManagementRequest());
    assertEquals(2, all.size());
    assertEquals(all, list(new ListTokenManagementRequest().setCreatedByUsername(Server.ADMIN)));
    assertEquals(all, list(new ListTokenManagementRequest().setCreatedById(Long.valueOf(Server.me(w).getId()))));
    assertEquals(List.of(), list(new ListTokenManagementRequest().setCreatedByUsername("nobody@example.com")));
    TokenInfo row = all.stream().filter(token -> token.getTokenId().equals(id)).findFirst().orElseThrow();
    assertEquals(row, w.tokenManagement().get(id).getTokenInfo());
    assertEquals("nightly", row.getComment());
    assertEquals(Long.valueOf(ci.getId()), row.getOwnerId());
    assertEquals(Server.WORKSPACE_ID, row.getWorkspaceId());

    var mask = FieldMask.newBuilder().addPaths("comment").build();
    var change = new UpdateTokenManagementRequest().setTokenId(id).setUpdateMask(mask);
    var updated = w.tokenManagement().updateTokenManagement(change.setToken(new TokenInfo().setComment("daily")));
    assertEquals("daily", updated.getComment());

    Server.refused(
        PermissionDenied.class, "PERMISSION_DENIED",
        "Requesting user '" + ci.getApplicationId() + "' is not an admin.",
        () -> mine.tokenManagement().list(new ListTokenManagementRequest()).iterator().hasNext());
    w.tokenManagement().delete(id);
    Server.refusedAsInvalid(mine);
    Server.refused(
        ResourceDoesNotExist.class, "RESOURCE_DOES_NOT_EXIST", "Token with ID " + id + " does not exist",
        () -> w.tokenManagement().delete(id));
  }

  private String configuration(String keys) throws IOException {
    return w.apiClient().getStringMap(new Request("GET", "/api/2.0/workspace-conf").withQueryParam("keys", keys)).get(keys);
  }

  @Test
  void workspaceConf() throws IOException {
    // This version of the SDK does not send the keys of `getStatus`.
    Server.refused(
        InvalidParameterValue.class, "INVALID_PARAMETER_VALUE", "keys is required",
        () -> w.workspaceConf().getStatus("maxTokenLifetimeDays"));
    assertNull(configuration("maxTokenLifetimeDays"));
    w.workspaceConf().setStatus(Map.of("maxTokenLifetimeDays", "90"));
    assertEquals("90", configuration("maxTokenLifetimeDays"));
    var info = w.tokens().create(new CreateTokenRequest()).getTokenInfo();
    assertEquals(90 * Server.DAY * 1000, info.getExpiryTime() - info.getCreationTime());
    Server.refused(
        InvalidParameterValue.class, "INVALID_PARAMETER_VALUE", "90 days",
        () -> w.tokens().create(new CreateTokenRequest().setLifetimeSeconds(90 * Server.DAY + 1)));
    Server.refused(
        BadRequest.class, "BAD_REQUEST", "Invalid keys: [\"enableNothing\"]",
        () -> configuration("enableNothing"));
    Server.refused(
        BadRequest.class, "BAD_REQUEST", "Some values are not allowed: {\"maxTokenLifetimeDays\":\"731\"}",
        () -> w.workspaceConf().setStatus(Map.of("maxTokenLifetimeDays", "731")));

    w.workspaceConf().setStatus(Map.of("enableTokensConfig", "false"));
    Server.refusedAsInvalid(w);
    WorkspaceClient byOAuth = server.byOAuth(Server.CLIENT_ID, Server.CLIENT_SECRET);
    Server.refused(
        NotFound.class, "FEATURE_DISABLED", "Tokens are disabled.",
        () -> byOAuth.tokens().create(new CreateTokenRequest()));
    byOAuth.workspaceConf().setStatus(Map.of("enableTokensConfig", "true"));
    Server.me(w);
  }

  private static Map<String, List<String>> holders(TokenPermissions permissions) {
    return permissions.getAccessControlList().stream()
        .collect(
            Collectors.toMap(
                entry ->
                    Stream.of(entry.getUserName(), entry.getGroupName(), entry.getServicePrincipalName())
                        .filter(Objects::nonNull)
                        .findFirst()
                        .orElseThrow(),
                entry ->
                    entry.getAllPermissions().stream()
                        .map(permission -> String.valueOf(permission.getPermissionLevel()))
                        .toList()));
  }

  @Test
  void permissions() {
    WorkspaceClient mine = server.with(onBehalfOf().getTokenValue());
    // The SDK's enum of token permissions lacks CAN_MANAGE.
    assertEquals(
        Map.of("users", List.of("CAN_USE"), "admins", List.of("null")), holders(w.tokenManagement().getPermissions()));
    Server.refused(
        InvalidParameterValue.class, "INVALID_PARAMETER_VALUE", "Cannot change permissions for group 'admins' to None.",
        () -> w.tokenManagement().setPermissions(new TokenPermissionsRequest().setAccessControlList(List.of())));
    var admins = new AccessControlRequest().setGroupName("admins").setPermissionLevel(PermissionLevel.CAN_MANAGE);
    var onlyAdmins = new SetObjectPermissions().setRequestObjectType("authorization").setRequestObjectId("tokens");
    w.permissions().set(onlyAdmins.setAccessControlList(List.of(admins)));
    assertEquals(Map.of("admins", List.of("null")), holders(w.tokenManagement().getPermissions()));
    Server.refused(
        PermissionDenied.class, "PERMISSION_DENIED", "User does not have permission to use tokens.",
        () -> TokensTest.comments(mine));
    var entry =
        new TokenAccessControlRequest()
            .setServicePrincipalName(ci.getApplicationId())
            .setPermissionLevel(TokenPermissionLevel.CAN_USE);
    var changed =
        w.tokenManagement().updatePermissions(new TokenPermissionsRequest().setAccessControlList(List.of(entry)));
    assertEquals(List.of("CAN_USE"), holders(changed).get(ci.getApplicationId()));
    assertEquals(List.of("nightly"), TokensTest.comments(mine));

    var generic = w.permissions().get("authorization", "tokens");
    assertEquals("/authorization/tokens", generic.getObjectId());
    var levels = w.permissions().getPermissionLevels("authorization", "tokens").getPermissionLevels();
    assertEquals(
        List.of(PermissionLevel.CAN_USE, PermissionLevel.CAN_MANAGE),
        levels.stream().map(level -> level.getPermissionLevel()).toList());
    var stranger =
        new AccessControlRequest().setUserName("nobody@example.com").setPermissionLevel(PermissionLevel.CAN_USE);
    var request = new SetObjectPermissions().setRequestObjectType("authorization").setRequestObjectId("tokens");
    Server.refused(
        ResourceDoesNotExist.class, "RESOURCE_DOES_NOT_EXIST", "nobody@example.com",
        () -> w.permissions().set(request.setAccessControlList(List.of(stranger))));
  }
}
