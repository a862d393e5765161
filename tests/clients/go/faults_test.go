package clients

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
	"github.com/databricks/databricks-sdk-go/retries"
	"github.com/databricks/databricks-sdk-go/service/settings"
)

// arm arms a fault and returns a function that tells how often it was seen and fired.
func (s *server) arm(rule map[string]any) func() [2]any {
	s.t.Helper()
	path := "/workspaces/default/faults"
	id := s.own("POST", path, rule)["id"]
	return func() [2]any {
		for _, fault := range s.own("GET", path, nil)["faults"].([]any) {
			if fault := fault.(map[string]any); fault["id"] == id {
				return [2]any{fault["seen"], fault["fired"]}
			}
		}
		return [2]any{}
	}
}

func TestWhatIsRetriedAndWhatIsNot(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	create := func(comment string) error {
		_, err := w.Tokens.Create(ctx, settings.CreateTokenRequest{Comment: comment})
		return err
	}
	// This SDK retries 429 and 503, even for POST, but ignores the Retry-After of 429. It gives up after five minutes.
	counts := s.arm(map[string]any{"name": "rate_limited", "effect": map[string]any{"retry_after": 3600}})
	must(t, create("after 429"))
	equal(t, "429", counts(), [2]any{2, 1})
	counts = s.arm(map[string]any{"name": "temporarily_unavailable"})
	must(t, create("after 503"))
	equal(t, "503", counts(), [2]any{2, 1})
	equal(t, "tokens", comments(t, w), []string{"after 429", "after 503"})

	counts = s.arm(map[string]any{"effect": map[string]any{"status": 500, "error_code": "INTERNAL_ERROR", "message": "No."}})
	refused(t, create("never"), apierr.ErrInternalError, "INTERNAL_ERROR", "No.")
	equal(t, "500", counts(), [2]any{1, 1})
	s.arm(map[string]any{"name": "quota_exceeded"})
	refused(t, create("never"), apierr.ErrBadRequest, "QUOTA_EXCEEDED", "600")

	s.arm(map[string]any{"name": "rate_limited", "times": nil})
	hasty := s.configured(&databricks.Config{Token: adminToken, RetryTimeoutSeconds: 1})
	var gaveUp *retries.Err
	if _, err := hasty.CurrentUser.Me(ctx, me); !errors.As(err, &gaveUp) || !strings.Contains(err.Error(), "REQUEST_LIMIT_EXCEEDED") {
		t.Errorf("%T: %v", err, err)
	}
}

// Unlike the Python SDK, this one does not send the request again.
func TestALostResponseLeavesAnUnknownToken(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	counts := s.arm(map[string]any{"name": "reply_lost_after_create"})
	if _, err := w.Tokens.Create(ctx, settings.CreateTokenRequest{Comment: "whose?"}); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	equal(t, "seen and fired", counts(), [2]any{1, 1})
	equal(t, "tokens", comments(t, w), []string{"whose?"})
}

func TestALoginPageInsteadOfJSON(t *testing.T) {
	s := serve(t)
	w := s.with(adminToken)
	s.arm(map[string]any{"name": "login_html_page"})
	if _, err := w.CurrentUser.Me(ctx, me); err == nil || !strings.Contains(err.Error(), "HTML") {
		t.Errorf("%v", err)
	}
	need(w.CurrentUser.Me(ctx, me))(t)
}
