package clients

import (
	"fmt"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/common/types/fieldmask"
	"github.com/databricks/databricks-sdk-go/service/compute"
	"github.com/databricks/databricks-sdk-go/service/iam"
	"github.com/databricks/databricks-sdk-go/service/settings"
)

var (
	me      = iam.MeRequest{}
	comment = fieldmask.FieldMask{Paths: []string{"comment"}}
)

func comments(t *testing.T, w *databricks.WorkspaceClient) []string {
	t.Helper()
	found := []string{}
	for _, token := range need(w.Tokens.ListAll(ctx))(t) {
		if token.Comment != "dapi-mock admin token" {
			found = append(found, token.Comment)
		}
	}
	return found
}

func TestTheLifeOfAToken(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	created := need(w.Tokens.Create(ctx, settings.CreateTokenRequest{Comment: "ci", LifetimeSeconds: 3600}))(t)
	info := created.TokenInfo
	equal(t, "lifetime", info.ExpiryTime-info.CreationTime, 3_600_000)
	if !strings.HasPrefix(created.TokenValue, "dapi") || len(created.TokenValue) != 36 || len(info.TokenId) != 64 {
		t.Errorf("%+v", created)
	}

	mine := s.with(created.TokenValue)
	equal(t, "me", need(mine.CurrentUser.Me(ctx, me))(t), need(w.CurrentUser.Me(ctx, me))(t))
	equal(t, "workspace", need(mine.CurrentWorkspaceID(ctx))(t), 3274327432743274)

	need(w.Tokens.Update(ctx, settings.UpdateTokenRequest{
		TokenId: info.TokenId, Token: settings.PublicTokenInfo{Comment: "renamed"}, UpdateMask: comment,
	}))(t)
	row := need(w.Tokens.GetByComment(ctx, "renamed"))(t)
	equal(t, "id", row.TokenId, info.TokenId)

	must(t, mine.Tokens.DeleteByTokenId(ctx, info.TokenId))
	equal(t, "list", comments(t, w), []string{})
	refusedAsInvalid(t, mine)
}

func TestTokensExpireByTheWorkspacesClock(t *testing.T) {
	s := serve(t)
	created := need(s.with(adminToken).Tokens.Create(ctx, settings.CreateTokenRequest{LifetimeSeconds: 90 * day}))(t)
	mine := s.with(created.TokenValue)
	need(mine.CurrentUser.Me(ctx, me))(t)
	s.own("POST", "/workspaces/default/clock/advance", map[string]any{"by": "89d"})
	need(mine.CurrentUser.Me(ctx, me))(t)
	s.own("POST", "/workspaces/default/clock/advance", map[string]any{"by": "1d"})
	refusedAsInvalid(t, mine)
}

func TestRefusalsOfSelfService(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	create := func(request settings.CreateTokenRequest) error {
		_, err := w.Tokens.Create(ctx, request)
		return err
	}
	refusedAsInvalid(t, s.with("dapi"+strings.Repeat("0", 32)))
	invalid := apierr.ErrInvalidParameterValue
	refused(t, create(settings.CreateTokenRequest{LifetimeSeconds: 730*day + 1}), invalid, "INVALID_PARAMETER_VALUE", "730")
	zero := settings.CreateTokenRequest{ForceSendFields: []string{"LifetimeSeconds"}}
	refused(t, create(zero), invalid, "INVALID_PARAMETER_VALUE", "Invalid timeout: 0")
	long := settings.CreateTokenRequest{Comment: strings.Repeat("é", 256)}
	refused(t, create(long), invalid, "INVALID_PARAMETER_VALUE", "255")
	unknown := strings.Repeat("0", 64)
	refused(t, w.Tokens.DeleteByTokenId(ctx, unknown), apierr.ErrResourceDoesNotExist, "RESOURCE_DOES_NOT_EXIST", "does not exist")
	_, err := w.Tokens.Update(ctx, settings.UpdateTokenRequest{TokenId: unknown, UpdateMask: comment})
	refused(t, err, apierr.ErrNotFound, "NOT_FOUND", "does not exist")

	created := need(w.Tokens.Create(ctx, settings.CreateTokenRequest{Scopes: []string{"sql"}}))(t)
	_, err = s.with(created.TokenValue).Tokens.ListAll(ctx)
	refused(t, err, apierr.ErrPermissionDenied, "403", "Provided access token does not have required scopes: authentication")
	_, err = w.Clusters.ListAll(ctx, compute.ListClustersRequest{})
	refused(t, err, apierr.ErrNotFound, "ENDPOINT_NOT_FOUND", "GET /api/2.1/clusters/list")

	for i := len(need(w.Tokens.ListAll(ctx))(t)); i < 600; i++ {
		must(t, create(settings.CreateTokenRequest{Comment: fmt.Sprint(i)}))
	}
	refused(t, create(settings.CreateTokenRequest{}), apierr.ErrBadRequest, "QUOTA_EXCEEDED", "600")
}

// With several workspaces on one port, the token alone selects its workspace.
func TestEachTokenSelectsItsWorkspace(t *testing.T) {
	s := serve(t)
	first := s.with(adminToken)
	made := s.own("POST", "/workspaces", map[string]any{"id": 42, "ttl": "1h"})
	second := s.with(made["admin_token"].(string))
	equal(t, "id", need(second.CurrentWorkspaceID(ctx))(t), 42)
	need(second.Tokens.Create(ctx, settings.CreateTokenRequest{Comment: "there"}))(t)
	equal(t, "here", comments(t, first), []string{})
	equal(t, "there", comments(t, second), []string{"there"})
	wrong := s.configured(&databricks.Config{Token: adminToken, WorkspaceID: "42"})
	_, err := wrong.CurrentUser.Me(ctx, me)
	refused(t, err, apierr.ErrPermissionDenied, "403", "Invalid access to Org")
}
