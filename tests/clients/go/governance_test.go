package clients

import (
	"errors"
	"slices"
	"testing"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/settings"
)

func servicePrincipal(t *testing.T, w *databricks.WorkspaceClient) *iam.ServicePrincipal {
	t.Helper()
	return need(w.ServicePrincipalsV2.Create(ctx, iam.CreateServicePrincipalRequest{DisplayName: "ci", Active: true}))(t)
}

func onBehalfOf(t *testing.T, w *databricks.WorkspaceClient, of *iam.ServicePrincipal) *settings.CreateOboTokenResponse {
	t.Helper()
	request := settings.CreateOboTokenRequest{ApplicationId: of.ApplicationId, Comment: "nightly", LifetimeSeconds: 3600}
	return need(w.TokenManagement.CreateOboToken(ctx, request))(t)
}

func TestTokenManagement(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	self := need(w.CurrentUser.Me(ctx, me))(t)
	ci := servicePrincipal(t, w)
	created := onBehalfOf(t, w, ci)
	id := created.TokenInfo.TokenId
	mine := s.with(created.TokenValue)
	equal(t, "owner", need(mine.CurrentUser.Me(ctx, me))(t).UserName, ci.ApplicationId)

	list := func(request settings.ListTokenManagementRequest) []settings.TokenInfo {
		return need(w.TokenManagement.ListAll(ctx, request))(t)
	}
	all := list(settings.ListTokenManagementRequest{})
	equal(t, "all", len(all), 2)
	equal(t, "by name", list(settings.ListTokenManagementRequest{CreatedByUsername: self.UserName}), all)
	equal(t, "of nobody", len(list(settings.ListTokenManagementRequest{CreatedByUsername: "nobody@example.com"})), 0)
	equal(t, "of another", len(list(settings.ListTokenManagementRequest{CreatedById: 1})), 0)
	row := all[slices.IndexFunc(all, func(token settings.TokenInfo) bool { return token.TokenId == id })]
	equal(t, "get", *need(w.TokenManagement.GetByTokenId(ctx, id))(t).TokenInfo, row)
	equal(t, "comment", row.Comment, "nightly")
	equal(t, "creator", row.CreatedByUsername, admin)
	equal(t, "workspace", row.WorkspaceId, 3274327432743274)

	updated := need(w.TokenManagement.UpdateTokenManagement(ctx, settings.UpdateTokenManagementRequest{
		TokenId: id, Token: settings.TokenInfo{Comment: "daily"}, UpdateMask: comment,
	}))(t)
	equal(t, "comment", updated.Comment, "daily")

	_, err := mine.TokenManagement.ListAll(ctx, settings.ListTokenManagementRequest{})
	notAdmin := "Requesting user '" + ci.ApplicationId + "' is not an admin."
	refused(t, err, apierr.ErrPermissionDenied, "PERMISSION_DENIED", notAdmin)
	refused(t, mine.WorkspaceConf.SetStatus(ctx, settings.WorkspaceConf{"maxTokenLifetimeDays": "1"}), apierr.ErrPermissionDenied, "PERMISSION_DENIED", notAdmin)

	must(t, w.TokenManagement.DeleteByTokenId(ctx, id))
	refusedAsInvalid(t, mine)
	missing := "Token with ID " + id + " does not exist"
	refused(t, w.TokenManagement.DeleteByTokenId(ctx, id), apierr.ErrResourceDoesNotExist, "RESOURCE_DOES_NOT_EXIST", missing)
	_, err = w.TokenManagement.GetByTokenId(ctx, id)
	refused(t, err, apierr.ErrResourceDoesNotExist, "RESOURCE_DOES_NOT_EXIST", missing)
}

func TestWorkspaceConf(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	get := func(keys string) settings.WorkspaceConf {
		return *need(w.WorkspaceConf.GetStatus(ctx, settings.GetStatusRequest{Keys: keys}))(t)
	}
	// An unset value is null on the wire, which Go reads as an empty string.
	equal(t, "unset", get("maxTokenLifetimeDays"), settings.WorkspaceConf{"maxTokenLifetimeDays": ""})
	must(t, w.WorkspaceConf.SetStatus(ctx, settings.WorkspaceConf{"maxTokenLifetimeDays": "90", "enableTokensConfig": "true"}))
	equal(t, "set", get("maxTokenLifetimeDays,enableTokensConfig"), settings.WorkspaceConf{"maxTokenLifetimeDays": "90", "enableTokensConfig": "true"})
	info := need(w.Tokens.Create(ctx, settings.CreateTokenRequest{}))(t).TokenInfo
	equal(t, "lifetime", info.ExpiryTime-info.CreationTime, 90*day*1000)
	_, err := w.Tokens.Create(ctx, settings.CreateTokenRequest{LifetimeSeconds: 90*day + 1})
	refused(t, err, apierr.ErrInvalidParameterValue, "INVALID_PARAMETER_VALUE", "90 days")
	_, err = w.WorkspaceConf.GetStatus(ctx, settings.GetStatusRequest{Keys: "enableNothing"})
	refused(t, err, apierr.ErrBadRequest, "BAD_REQUEST", `Invalid keys: ["enableNothing"]`)
	bad := w.WorkspaceConf.SetStatus(ctx, settings.WorkspaceConf{"maxTokenLifetimeDays": "731"})
	refused(t, bad, apierr.ErrBadRequest, "BAD_REQUEST", `Some values are not allowed: {"maxTokenLifetimeDays":"731"}`)

	must(t, w.WorkspaceConf.SetStatus(ctx, settings.WorkspaceConf{"enableTokensConfig": "false"}))
	refusedAsInvalid(t, w)
	byOAuth := s.configured(&databricks.Config{ClientID: clientID, ClientSecret: clientSecret})
	_, err = byOAuth.Tokens.ListAll(ctx)
	refused(t, err, apierr.ErrNotFound, "FEATURE_DISABLED", "Tokens are disabled.")
	must(t, byOAuth.WorkspaceConf.SetStatus(ctx, settings.WorkspaceConf{"enableTokensConfig": "true"}))
	need(w.CurrentUser.Me(ctx, me))(t)
}

func TestPermissions(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	ci := servicePrincipal(t, w)
	mine := s.with(onBehalfOf(t, w, ci).TokenValue)
	holders := func(got *settings.TokenPermissions) map[string]settings.TokenPermissionLevel {
		found := map[string]settings.TokenPermissionLevel{}
		for _, entry := range got.AccessControlList {
			found[entry.UserName+entry.GroupName+entry.ServicePrincipalName] = entry.AllPermissions[0].PermissionLevel
		}
		return found
	}
	type levels = map[string]settings.TokenPermissionLevel
	got := need(w.TokenManagement.GetPermissions(ctx))(t)
	equal(t, "object", got.ObjectId+" "+got.ObjectType, "/authorization/tokens tokens")
	equal(t, "at first", holders(got), levels{"users": "CAN_USE", "admins": "CAN_MANAGE"})
	known := need(w.TokenManagement.GetPermissionLevels(ctx))(t).PermissionLevels
	equal(t, "levels", known[0].PermissionLevel, settings.TokenPermissionLevelCanUse)

	admins := settings.TokenAccessControlRequest{GroupName: "admins", PermissionLevel: "CAN_MANAGE"}
	_, err := w.TokenManagement.SetPermissions(ctx, settings.TokenPermissionsRequest{})
	refused(t, err, apierr.ErrInvalidParameterValue, "INVALID_PARAMETER_VALUE", "Cannot change permissions for group 'admins' to None.")
	got = need(w.TokenManagement.SetPermissions(ctx, settings.TokenPermissionsRequest{AccessControlList: []settings.TokenAccessControlRequest{admins}}))(t)
	equal(t, "nobody", holders(got), levels{"admins": "CAN_MANAGE"})
	_, err = mine.Tokens.ListAll(ctx)
	refused(t, err, apierr.ErrPermissionDenied, "PERMISSION_DENIED", "User does not have permission to use tokens.")
	entry := settings.TokenAccessControlRequest{ServicePrincipalName: ci.ApplicationId, PermissionLevel: settings.TokenPermissionLevelCanUse}
	got = need(w.TokenManagement.UpdatePermissions(ctx, settings.TokenPermissionsRequest{AccessControlList: []settings.TokenAccessControlRequest{entry}}))(t)
	equal(t, "the service principal", holders(got), levels{ci.ApplicationId: "CAN_USE", "admins": "CAN_MANAGE"})
	need(mine.Tokens.ListAll(ctx))(t)

	generic := need(w.Permissions.GetByRequestObjectTypeAndRequestObjectId(ctx, "authorization", "tokens"))(t)
	equal(t, "generic", len(generic.AccessControlList), 2)
	stranger := iam.AccessControlRequest{UserName: "nobody@example.com", PermissionLevel: iam.PermissionLevelCanUse}
	_, err = w.Permissions.Set(ctx, iam.SetObjectPermissions{
		RequestObjectType: "authorization", RequestObjectId: "tokens", AccessControlList: []iam.AccessControlRequest{stranger},
	})
	refused(t, err, apierr.ErrResourceDoesNotExist, "RESOURCE_DOES_NOT_EXIST", "nobody@example.com")
}

func TestRestrictingWorkspaceAdmins(t *testing.T) {
	s := serve(t)
	w := s.configured(&databricks.Config{ClientID: clientID, ClientSecret: clientSecret})
	setting := w.Settings.RestrictWorkspaceAdmins()
	start := need(setting.Get(ctx, settings.GetRestrictWorkspaceAdminsSettingRequest{}))(t)
	update := func(etag string) (*settings.RestrictWorkspaceAdminsSetting, error) {
		return setting.Update(ctx, settings.UpdateRestrictWorkspaceAdminsSettingRequest{
			AllowMissing: true,
			FieldMask:    "restrict_workspace_admins.status",
			Setting: settings.RestrictWorkspaceAdminsSetting{
				Etag:                    etag,
				SettingName:             "default",
				RestrictWorkspaceAdmins: settings.RestrictWorkspaceAdminsMessage{Status: "RESTRICT_TOKENS_AND_JOB_RUN_AS"},
			},
		})
	}
	need(update(start.Etag))(t)
	_, err := update(start.Etag)
	if !errors.Is(err, apierr.ErrResourceConflict) {
		t.Errorf("%v", err)
	}
	admin := s.with(adminToken)
	_, err = admin.TokenManagement.CreateOboToken(ctx, settings.CreateOboTokenRequest{ApplicationId: servicePrincipal(t, admin).ApplicationId})
	refused(t, err, apierr.ErrPermissionDenied, "PERMISSION_DENIED", "Service Principal User role")
}
