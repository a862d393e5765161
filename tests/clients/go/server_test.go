// The official Go SDK, unmodified, against the built server.
package clients

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/databricks/databricks-sdk-go"
	"github.com/databricks/databricks-sdk-go/apierr"
)

const (
	admin      = "admin@example.com"
	adminToken = "dapi00000000000000000000000000000001"
	// The id and the secret of the admin service principal.
	clientID     = "32743274-3274-4274-8274-327432743275"
	clientSecret = "dose00000000000000000000000000000001"
	accountID    = "32743274-3274-4274-8274-327432743274"
	day          = 24 * 60 * 60
)

var (
	ctx   = context.Background()
	ready = regexp.MustCompile(`^dapi-mock ready host=(https?://127\.0\.0\.1:\d+) `)
)

// Keeps the developer's profile, variables and proxy away.
func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "DATABRICKS_") || strings.HasPrefix(name, "DAPI_MOCK_") && name != "DAPI_MOCK_BIN" {
			os.Unsetenv(name)
		}
	}
	os.Setenv("DATABRICKS_CONFIG_FILE", "/nowhere")
	os.Setenv("NO_PROXY", "127.0.0.1")
	os.Exit(m.Run())
}

// server is a `dapi-mock serve` process. Each test has its own, which starts in milliseconds.
type server struct {
	t    *testing.T
	host string
}

func serve(t *testing.T) *server {
	t.Helper()
	command := exec.Command(os.Getenv("DAPI_MOCK_BIN"), "serve", "--port", "0", "--database", "sqlite::memory:",
		"--admin-token", adminToken, "--admin-client-secret", clientSecret)
	command.Dir = t.TempDir()
	stdout, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	t.Cleanup(func() {
		command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Errorf("SIGTERM is a normal end: %v", err)
		}
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if found := ready.FindStringSubmatch(lines.Text()); found != nil {
			return &server{t, found[1]}
		}
	}
	t.Fatal("the server did not start")
	return nil
}

// with returns a client whose credential is this token.
func (s *server) with(token string) *databricks.WorkspaceClient {
	return s.configured(&databricks.Config{Token: token})
}

func (s *server) configured(config *databricks.Config) *databricks.WorkspaceClient {
	s.t.Helper()
	config.Host = s.host
	config.RateLimitPerSecond = 1000 // By default the SDK sends at most 15 requests a second.
	return need(databricks.NewWorkspaceClient(config))(s.t)
}

// own calls the control API.
func (s *server) own(method, path string, body any) map[string]any {
	s.t.Helper()
	text := need(json.Marshal(body))(s.t)
	request := need(http.NewRequest(method, s.host+"/_mock/v1"+path, bytes.NewReader(text)))(s.t)
	request.Header.Set("Content-Type", "application/json")
	response := need(http.DefaultClient.Do(request))(s.t)
	defer response.Body.Close()
	var answer map[string]any
	must(s.t, json.NewDecoder(response.Body).Decode(&answer))
	if response.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %v", method, path, response.StatusCode, answer)
	}
	return answer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// need ends the test on an error: need(call())(t).
func need[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		must(t, err)
		return value
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := need(json.Marshal(got))(t), need(json.Marshal(want))(t); !bytes.Equal(g, w) {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}

// refused checks the SDK's error: its kind, code and text.
func refused(t *testing.T, err, kind error, code, text string) {
	t.Helper()
	var refusal *apierr.APIError
	if !errors.As(err, &refusal) || !errors.Is(err, kind) {
		t.Fatalf("want %v, got %T: %v", kind, err, err)
	}
	if refusal.ErrorCode != code || !strings.Contains(refusal.Message, text) {
		t.Errorf("want %s: %s, got %s: %s", code, text, refusal.ErrorCode, refusal.Message)
	}
}

func refusedAsInvalid(t *testing.T, w *databricks.WorkspaceClient) {
	t.Helper()
	_, err := w.CurrentUser.Me(ctx, me)
	// A number on the wire, as the real service sends it.
	refused(t, err, apierr.ErrPermissionDenied, "403", "Invalid access token.")
}
