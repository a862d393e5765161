import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.databricks.sdk.AccountClient;
import com.databricks.sdk.WorkspaceClient;
import com.databricks.sdk.core.DatabricksException;
import com.databricks.sdk.core.error.platform.NotFound;
import com.databricks.sdk.core.error.platform.PermissionDenied;
import com.databricks.sdk.core.error.platform.ResourceConflict;
import com.databricks.sdk.service.iam.ComplexValue;
import com.databricks.sdk.service.iam.CreateGroupRequest;
import com.databricks.sdk.service.iam.CreateServicePrincipalRequest;
import com.databricks.sdk.service.iam.CreateUserRequest;
import com.databricks.sdk.service.iam.ListUsersRequest;
import com.databricks.sdk.service.iam.Patch;
import com.databricks.sdk.service.iam.PatchGroupRequest;
import com.databricks.sdk.service.iam.PatchOp;
import com.databricks.sdk.service.iam.PatchServicePrincipalRequest;
import com.databricks.sdk.service.iam.UpdateGroupRequest;
import com.databricks.sdk.service.iam.UpdateServicePrincipalRequest;
import com.databricks.sdk.service.iam.UpdateUserRequest;
import com.databricks.sdk.service.oauth2.CreateServicePrincipalSecretRequest;
import com.databricks.sdk.service.settings.CreateOboTokenRequest;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

class IdentityTest extends OnServer {
  private List<String> userNames(ListUsersRequest request) {
    return StreamSupport.stream(w.usersV2().list(request).spliterator(), false)
        .map(user -> user.getUserName())
        .toList();
  }

  @Test
  void usersAndGroups() {
    var users = w.usersV2();
    var ann = users.create(new CreateUserRequest().setUserName("ann@example.com").setDisplayName("Ann").setActive(true));
    assertEquals(ann, users.get(ann.getId()));
    var change = new UpdateUserRequest().setId(ann.getId()).setUserName("ann@example.com").setActive(true);
    users.update(change.setDisplayName("Anna"));
    assertEquals("Anna", users.get(ann.getId()).getDisplayName());
    Server.refused(
        ResourceConflict.class, "SCIM_409", "User with username ann@example.com already exists.",
        () -> users.create(new CreateUserRequest().setUserName("ann@example.com")));

    var groups = w.groupsV2();
    var members = List.of(new ComplexValue().setValue(ann.getId()));
    var team = groups.create(new CreateGroupRequest().setDisplayName("team").setMembers(members));
    assertEquals("Users/" + ann.getId(), team.getMembers().iterator().next().getRef());
    var remove = new Patch().setOp(PatchOp.REMOVE).setPath("members[value eq \"" + ann.getId() + "\"]");
    groups.patch(new PatchGroupRequest().setId(team.getId()).setOperations(List.of(remove)));
    assertTrue(groups.get(team.getId()).getMembers().isEmpty());
    groups.update(new UpdateGroupRequest().setId(team.getId()).setDisplayName("crew"));
    assertEquals("crew", groups.get(team.getId()).getDisplayName());
    groups.delete(team.getId());
    users.delete(ann.getId());
    Server.refused(
        NotFound.class, "SCIM_404", "User with id " + ann.getId() + " not found.", () -> users.get(ann.getId()));
  }

  @Test
  void pages() {
    for (int i = 0; i < 5; i++) {
      w.usersV2().create(new CreateUserRequest().setUserName("user" + i + "@example.org"));
    }
    var request = new ListUsersRequest().setFilter("userName ew \"example.org\"").setSortBy("userName");
    assertEquals(
        List.of("user0@example.org", "user1@example.org", "user2@example.org", "user3@example.org", "user4@example.org"),
        userNames(request.setCount(2L)));
    assertEquals(List.of(), userNames(new ListUsersRequest().setFilter("userName eq nobody")));
  }

  @Test
  void servicePrincipals() {
    var api = w.servicePrincipalsV2();
    var ci = api.create(new CreateServicePrincipalRequest().setDisplayName("ci").setActive(true));
    var request = new CreateOboTokenRequest().setApplicationId(ci.getApplicationId());
    WorkspaceClient mine = server.with(w.tokenManagement().createOboToken(request).getTokenValue());
    Server.me(mine);
    var off = new Patch().setOp(PatchOp.REPLACE).setValue(Map.of("active", false));
    api.patch(new PatchServicePrincipalRequest().setId(ci.getId()).setOperations(List.of(off)));
    Server.refused(
        PermissionDenied.class, "403", "Invalid access to Org: " + Server.WORKSPACE_ID, () -> Server.me(mine));
    api.update(new UpdateServicePrincipalRequest().setId(ci.getId()).setDisplayName("cd").setActive(true));
    assertEquals(ci.getApplicationId(), Server.me(mine).getUserName());
    api.delete(ci.getId());
    Server.refusedAsInvalid(mine);
  }

  @Test
  void oAuthForMachines() {
    WorkspaceClient client = server.byOAuth(Server.CLIENT_ID, Server.CLIENT_SECRET);
    String id = Server.me(client).getId();
    assertEquals(Server.CLIENT_ID, Server.me(client).getUserName());
    var proxy = client.servicePrincipalSecretsProxy();
    var request = new CreateServicePrincipalSecretRequest().setServicePrincipalId(id);
    var secret = proxy.create(request.setLifetime("3600s"));
    assertEquals(id, Server.me(server.byOAuth(Server.CLIENT_ID, secret.getSecret())).getId());
    assertEquals(2, StreamSupport.stream(proxy.list(id).spliterator(), false).count());
    proxy.delete(id, secret.getId());
    WorkspaceClient late = server.byOAuth(Server.CLIENT_ID, secret.getSecret());
    var refusal = assertThrows(DatabricksException.class, () -> Server.me(late));
    assertTrue(refusal.getMessage().contains("Failed to refresh credentials: invalid_client"), refusal.getMessage());
  }

  @Test
  void theAccount() {
    AccountClient a =
        new AccountClient(
            server.config()
                .setAccountId(Server.ACCOUNT_ID)
                .setClientId(Server.CLIENT_ID)
                .setClientSecret(Server.CLIENT_SECRET));
    var workspaces = StreamSupport.stream(a.workspaces().list().spliterator(), false).toList();
    assertEquals(Server.WORKSPACE_ID, workspaces.get(0).getWorkspaceId());
    assertEquals(Server.CLIENT_ID, Server.me(a.getWorkspaceClient(workspaces.get(0))).getUserName());
  }
}
