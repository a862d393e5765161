// Package dapimock gives each test a Databricks workspace of its own, on this machine.
//
//	func TestATokenExpires(t *testing.T) {
//		mock := dapimock.Start(t)
//		mock.SetEnv(t) // or pass mock.Host and mock.Token to your client
//		...
//		mock.Clock.Advance("90d")
//	}
//
// The first Start starts a dapi-mock server. All tests of the test binary share it, and it stops when the binary exits.
package dapimock

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const maxRefusals = "10"

var shared = sync.OnceValues(func() (*Server, error) { return StartServer() })

// Option describes the workspace of a test.
type Option func(*description)

type description struct {
	create JSON
	conf   map[string]string
}

// Template fills the workspace with a world that comes with the server, such as "leaky".
func Template(name string) Option { return func(d *description) { d.create["template"] = name } }

// Seed fills the workspace with the world that you describe: a seed for one workspace.
func Seed(seed JSON) Option { return func(d *description) { d.create["seed"] = seed } }

// Tier sets the plan: "premium" or "standard".
func Tier(name string) Option {
	return func(d *description) { d.create["behaviour"] = JSON{"tier": name} }
}

// Conf sets workspace configuration, such as JSON{"maxTokenLifetimeDays": 90}.
func Conf(conf JSON) Option {
	return func(d *description) {
		for key, value := range conf {
			d.conf[key] = fmt.Sprint(value)
		}
	}
}

// With sets any other option of the control API, such as With("port", 0) or With("entropy_seed", 7).
func With(name string, value any) Option { return func(d *description) { d.create[name] = value } }

// Start gives the test a fresh workspace and deletes it after the test. If the test fails, Start logs what the mock
// refused, and why. If the test sent a suspected real credential to the mock, Start fails it.
//
// Tests may run in parallel. The workspace's methods end the test if a call fails, so call them from the test's own
// goroutine.
func Start(t testing.TB, options ...Option) *Workspace {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatalf("dapimock: %v", err)
	}
	return server.Start(t, options...)
}

// Start does the same as the function Start, on this server.
func (s *Server) Start(t testing.TB, options ...Option) *Workspace {
	t.Helper()
	before, err := suspectCount(s)
	if err != nil {
		t.Fatalf("dapimock: %v", err)
	}
	d := description{JSON{}, map[string]string{}}
	for _, option := range options {
		option(&d)
	}
	w := newWorkspace(t, s)
	w.must(s.control.call("POST", "/workspaces", nil, d.create, w))
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			if refusals := w.refusals(); refusals != "" {
				t.Logf("dapimock: what was refused, and why:\n%s", refusals)
			}
		}
		w.deleted()
		if after, err := suspectCount(s); err == nil && after > before {
			t.Errorf("dapimock: %s", suspects(s))
		}
	})
	if len(d.conf) > 0 {
		w.must(w.Call("PATCH", "/conf", d.conf, nil))
	}
	return w
}

// SetEnv points official clients at the workspace during the test: it sets DATABRICKS_HOST, DATABRICKS_TOKEN and
// DATABRICKS_WORKSPACE_ID, unsets all other variables from which such clients read credentials, and hides
// ~/.databrickscfg. As with t.Setenv, the test must not be parallel.
func (w *Workspace) SetEnv(t testing.TB) {
	t.Helper()
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "DATABRICKS_") || strings.HasPrefix(name, "ARM_") ||
			name == "GOOGLE_CREDENTIALS" || name == "GOOGLE_APPLICATION_CREDENTIALS" {
			t.Setenv(name, value) // It restores the variable after the test.
			os.Unsetenv(name)
		}
	}
	for name, value := range w.Env {
		t.Setenv(name, value)
	}
	t.Setenv("DATABRICKS_CONFIG_FILE", filepath.Join(t.TempDir(), "no-databrickscfg"))
}

func (w *Workspace) refusals() string {
	var answer struct{ Requests []JSON }
	query := url.Values{"refused": {"true"}, "limit": {maxRefusals}}
	if w.server.control.call("GET", w.path("/requests"), query, nil, &answer) != nil {
		return "" // The test may have deleted the workspace.
	}
	var lines []string
	for _, refusal := range answer.Requests {
		line := fmt.Sprintf("%v %v answered %v", refusal["method"], refusal["path"], refusal["status"])
		if refusal["principal"] != nil {
			line += fmt.Sprintf(" by %v", refusal["principal"])
		}
		because, remedy := refusal["because"], any(nil)
		var explanation JSON
		path := fmt.Sprintf("/explain/%v", refusal["request_id"])
		if w.server.control.call("GET", path, nil, nil, &explanation) == nil {
			if explanation["because"] != nil {
				because = explanation["because"]
			}
			remedy = explanation["remedy"]
		}
		lines = append(lines, line)
		if because != nil {
			lines = append(lines, fmt.Sprintf("    because %v", because))
		}
		if remedy != nil {
			lines = append(lines, fmt.Sprintf("    remedy: %v", remedy))
		}
	}
	return strings.Join(lines, "\n")
}

func suspectCount(s *Server) (int, error) {
	found, err := s.SuspectedCredentials()
	count := 0
	for _, suspect := range found {
		if number, ok := suspect["count"].(float64); ok {
			count += int(number)
		}
	}
	return count, err
}

func suspects(s *Server) string {
	lines := []string{
		"A credential that looks like a real one was sent to dapi-mock. It was not stored; revoke it if it is real.",
	}
	found, _ := s.SuspectedCredentials() // If this call fails, the line above is enough.
	for _, suspect := range found {
		lines = append(lines, fmt.Sprintf("  %v by %v, last at %v", suspect["kind"], suspect["client"], suspect["last"]))
	}
	return strings.Join(lines, "\n")
}
