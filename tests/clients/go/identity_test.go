package clients

import (
	"fmt"
	"testing"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/oauth2"
	"github.com/databricks/databricks-sdk-go/service/provisioning"
	"github.com/databricks/databricks-sdk-go/service/settings"
)

func TestUsersGroupsAndServicePrincipals(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	ann := need(w.UsersV2.Create(ctx, iam.CreateUserRequest{UserName: "ann@example.com", DisplayName: "Ann", Active: true}))(t)
	equal(t, "get", need(w.UsersV2.Get(ctx, iam.GetUserRequest{Id: ann.Id}))(t), ann)
	must(t, w.UsersV2.Update(ctx, iam.UpdateUserRequest{Id: ann.Id, UserName: "ann@example.com", DisplayName: "Anna", Active: true}))
	listed := need(w.UsersV2.ListAll(ctx, iam.ListUsersRequest{Filter: `userName eq "ANN@example.com"`}))(t)
	equal(t, "list", len(listed), 1)
	equal(t, "name", listed[0].DisplayName, "Anna")
	_, err := w.UsersV2.Create(ctx, iam.CreateUserRequest{UserName: "ann@example.com"})
	// No scimType in front: Terraform compares the whole text.
	refused(t, err, apierr.ErrResourceConflict, "SCIM_409", "User with username ann@example.com already exists.")

	ci := servicePrincipal(t, w)
	team := need(w.GroupsV2.Create(ctx, iam.CreateGroupRequest{DisplayName: "team", Members: []iam.ComplexValue{{Value: ann.Id}}}))(t)
	must(t, w.GroupsV2.Patch(ctx, iam.PatchGroupRequest{
		Id: team.Id, Schemas: []iam.PatchSchema{iam.PatchSchemaUrnIetfParamsScimApiMessages20PatchOp},
		Operations: []iam.Patch{
			{Op: iam.PatchOpAdd, Value: map[string]any{"members": []iam.ComplexValue{{Value: ci.Id}}}},
			{Op: iam.PatchOpRemove, Path: fmt.Sprintf("members[value eq %q]", ann.Id)},
		},
	}))
	team = need(w.GroupsV2.Get(ctx, iam.GetGroupRequest{Id: team.Id}))(t)
	equal(t, "members", len(team.Members), 1)
	equal(t, "ref", team.Members[0].Ref, "ServicePrincipals/"+ci.Id)
	must(t, w.GroupsV2.Update(ctx, iam.UpdateGroupRequest{Id: team.Id, DisplayName: "crew"}))
	must(t, w.GroupsV2.Delete(ctx, iam.DeleteGroupRequest{Id: team.Id}))

	token := onBehalfOf(t, w, ci)
	off := iam.Patch{Op: iam.PatchOpReplace, Path: "active", Value: "false"}
	must(t, w.ServicePrincipalsV2.Patch(ctx, iam.PatchServicePrincipalRequest{Id: ci.Id, Operations: []iam.Patch{off}}))
	_, err = s.with(token.TokenValue).CurrentUser.Me(ctx, me)
	refused(t, err, apierr.ErrPermissionDenied, "403", "Invalid access to Org: 3274327432743274")
	must(t, w.ServicePrincipalsV2.Update(ctx, iam.UpdateServicePrincipalRequest{Id: ci.Id, DisplayName: "cd", Active: true}))
	need(s.with(token.TokenValue).CurrentUser.Me(ctx, me))(t)
	found := need(w.ServicePrincipalsV2.ListAll(ctx, iam.ListServicePrincipalsRequest{Filter: "applicationId eq " + ci.ApplicationId}))(t)
	equal(t, "name", found[0].DisplayName, "cd")
	must(t, w.ServicePrincipalsV2.Delete(ctx, iam.DeleteServicePrincipalRequest{Id: ci.Id}))
	_, err = w.ServicePrincipalsV2.Get(ctx, iam.GetServicePrincipalRequest{Id: ci.Id})
	refused(t, err, apierr.ErrNotFound, "SCIM_404", "Service principal with id "+ci.Id+" not found.")
	must(t, w.UsersV2.Delete(ctx, iam.DeleteUserRequest{Id: ann.Id}))
}

// The SDK requests pages until one is empty, and continues from the start index of the last response.
func TestPages(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	for i := range 7 {
		need(w.UsersV2.Create(ctx, iam.CreateUserRequest{UserName: fmt.Sprintf("user%d@example.org", i)}))(t)
	}
	// Not ListAll, for which Count limits the total.
	pages := w.UsersV2.List(ctx, iam.ListUsersRequest{Filter: `userName ew "example.org"`, Count: 2, SortBy: "userName"})
	names := ""
	for pages.HasNext(ctx) {
		names += need(pages.Next(ctx))(t).UserName[4:5]
	}
	equal(t, "in order", names, "0123456")
}

func TestOAuthForMachines(t *testing.T) {
	s := serve(t)
	w := s.configured(&databricks.Config{ClientID: clientID, ClientSecret: clientSecret})
	self := need(w.CurrentUser.Me(ctx, me))(t)
	equal(t, "auth type", w.Config.AuthType, "oauth-m2m")
	equal(t, "me", self.UserName, clientID)
	created := need(w.Tokens.Create(ctx, settings.CreateTokenRequest{Comment: "by OAuth"}))(t)
	equal(t, "me by token", need(s.with(created.TokenValue).CurrentUser.Me(ctx, me))(t), self)

	proxy := w.ServicePrincipalSecretsProxy
	secret := need(proxy.Create(ctx, oauth2.CreateServicePrincipalSecretRequest{ServicePrincipalId: self.Id, Lifetime: "3600s"}))(t)
	second := s.configured(&databricks.Config{ClientID: clientID, ClientSecret: secret.Secret})
	equal(t, "me by secret", need(second.CurrentUser.Me(ctx, me))(t), self)
	equal(t, "secrets", len(need(proxy.ListAll(ctx, oauth2.ListServicePrincipalSecretsRequest{ServicePrincipalId: self.Id}))(t)), 2)
	must(t, proxy.Delete(ctx, oauth2.DeleteServicePrincipalSecretRequest{ServicePrincipalId: self.Id, SecretId: secret.Id}))
	third := s.configured(&databricks.Config{ClientID: clientID, ClientSecret: secret.Secret, AuthType: "oauth-m2m"})
	if _, err := third.CurrentUser.Me(ctx, me); err == nil {
		t.Error("a deleted secret must be refused")
	}
}

func TestTheAccount(t *testing.T) {
	s := serve(t)
	a := need(databricks.NewAccountClient(&databricks.Config{
		Host: s.host, AccountID: accountID, ClientID: clientID, ClientSecret: clientSecret,
	}))(t)
	workspaces := need(a.Workspaces.List(ctx))(t)
	equal(t, "workspaces", workspaces[0].WorkspaceId, 3274327432743274)
	// Unlike the Python SDK, this one stays on the host.
	w := need(a.GetWorkspaceClient(provisioning.Workspace(workspaces[0])))(t)
	equal(t, "me", need(w.CurrentUser.Me(ctx, me))(t).UserName, clientID)
	if len(need(a.UsersV2.ListAll(ctx, iam.ListAccountUsersRequest{}))(t)) == 0 {
		t.Error("the account must have users")
	}
}

func TestTheAccountsHost(t *testing.T) {
	s := serve(t)
	host := s.own("POST", "/accounts/default/port", map[string]any{})["host"].(string)
	a := need(databricks.NewAccountClient(&databricks.Config{
		Host: host, ClientID: clientID, ClientSecret: clientSecret,
	}))(t)
	equal(t, "account from the host's metadata", a.Config.AccountID, accountID)
	equal(t, "host type", a.Config.HostType(), config.AccountHost)
	equal(t, "workspaces", need(a.Workspaces.List(ctx))(t)[0].WorkspaceId, 3274327432743274)
}
