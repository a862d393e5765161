package dapimock

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

// api calls the emulated API as a client would.
func api(t testing.TB, w *Workspace, token, method, path string, body any) (int, JSON) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(method, w.Host+"/api/2.0/"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := w.server.control.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer JSON
	_ = json.NewDecoder(response.Body).Decode(&answer) // The body may be empty.
	return response.StatusCode, answer
}

func create(t testing.TB, w *Workspace, body JSON) (int, JSON) {
	t.Helper()
	return api(t, w, w.Token, "POST", "token/create", body)
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestParallelTestsHaveTheirOwnWorkspaces(t *testing.T) {
	var ids, pids sync.Map
	t.Run("200", func(t *testing.T) {
		for i := 0; i < 200; i++ {
			comment := fmt.Sprintf("token %d", i)
			t.Run(comment, func(t *testing.T) {
				t.Parallel()
				w := Start(t)
				if _, isUsed := ids.LoadOrStore(w.ID, true); isUsed {
					t.Errorf("workspace %s was used twice", w.ID)
				}
				pids.Store(w.Server().PID, true)
				create(t, w, JSON{"comment": comment})
				for _, token := range w.Tokens.List() {
					if other, _ := token["comment"].(string); strings.HasPrefix(other, "token ") && other != comment {
						t.Errorf("found %s in the workspace of %s", other, comment)
					}
				}
				w.Requests.VerifyExactly(1, JSON{"operation": "tokens.create"})
			})
		}
	})
	count := 0
	pids.Range(func(any, any) bool { count++; return true })
	want(t, "servers", count, 1)
	server, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	var left struct{ Total int }
	if err := server.control.call("GET", "/workspaces", nil, nil, &left); err != nil {
		t.Fatal(err)
	}
	want(t, "remaining workspaces", left.Total, 1)
}

func TestClock(t *testing.T) {
	w := Start(t)
	_, token := create(t, w, JSON{"lifetime_seconds": 3600})
	id := token["token_info"].(JSON)["token_id"].(string)
	want(t, "next event", w.Clock.Upcoming()[0]["event"], any("token.expired"))
	want(t, "the token", w.Clock.AdvanceUntil("token.expired")[0]["token_id"], any(id))
	want(t, "its state", w.Tokens.Get(id)["state"], any("expired"))
	want(t, "expired tokens", len(w.Tokens.List("state", "ended")), 1)
	w.Clock.Freeze()
	at := w.Clock.Now()
	w.Clock.Advance("1h")
	want(t, "an hour later", w.Clock.Now(), at.Add(time.Hour))
	w.Clock.AdvanceTo(at.Add(2 * time.Hour))
	want(t, "two hours later", w.Clock.Now(), at.Add(2*time.Hour))
	w.Clock.Resume()
}

func TestFaults(t *testing.T) {
	w := Start(t)
	w.Faults.Arm("rate_limited", 1)
	status, _ := create(t, w, JSON{})
	want(t, "with the fault", status, 429)
	status, _ = create(t, w, JSON{})
	want(t, "after it", status, 200)
	want(t, "fired", w.Faults.List()[0]["fired"], any(1.0))
	w.Faults.Clear()
	want(t, "faults", len(w.Faults.List()), 0)
	w.Faults.ArmRule(JSON{"effect": JSON{"status": 400, "error_code": "BAD_REQUEST", "message": "No."}})
	status, _ = create(t, w, JSON{})
	want(t, "with a rule", status, 400)
}

func TestJournalAndAudit(t *testing.T) {
	w := Start(t)
	create(t, w, JSON{})
	api(t, w, w.Token, "GET", "token/list", nil)
	made, listed := JSON{"operation": "tokens.create"}, JSON{"operation": "tokens.list"}
	w.Requests.Verify(made)
	w.Requests.VerifyAtLeast(1, made)
	w.Requests.VerifyAtMost(1, made)
	w.Requests.VerifyInOrder(made, listed)
	want(t, "requests", len(w.Requests.List("path", "/api/2.0/token/create")), 1)
	w.Audit.Expect("generateDbToken")
	w.Audit.ExpectEntry(JSON{"action": "generateDbToken", "actor": "admin@example.com", "count": 1})
	if len(w.Audit.List("action", "generateDbToken")) == 0 {
		t.Error("the audit log has no generateDbToken")
	}
	w.Requests.Clear()
	want(t, "requests after Clear", len(w.Requests.List()), 0)
}

func TestExplain(t *testing.T) {
	w := Start(t, Conf(JSON{"maxTokenLifetimeDays": 7}))
	status, _ := create(t, w, JSON{"lifetime_seconds": 8 * 24 * 3600})
	want(t, "status", status, 400)
	if because := fmt.Sprint(w.Explain()["because"]); !strings.Contains(because, "7 days") {
		t.Errorf("because %s", because)
	}
	asked := JSON{"as": "admin@example.com", "method": "POST", "path": "/api/2.0/token/create"}
	want(t, "would be allowed", w.WouldBe(asked)["allowed"], any(true))
	w.Configure(JSON{"enableTokensConfig": false})
	want(t, "would be allowed", w.WouldBe(asked)["allowed"], any(false))
}

func TestCheckpointAndFork(t *testing.T) {
	has := func(w *Workspace, comment string) bool {
		for _, token := range w.Tokens.List() {
			if token["comment"] == comment {
				return true
			}
		}
		return false
	}
	w := Start(t)
	create(t, w, JSON{"comment": "kept"})
	w.Checkpoint("before")
	create(t, w, JSON{"comment": "undone"})
	copied := w.Fork()
	w.Reset("before")
	want(t, "kept", has(w, "kept"), true)
	want(t, "undone", has(w, "undone"), false)
	want(t, "undone, in the copy", has(copied, "undone"), true)
	w.Delete() // The cleanup must not fail because of it.
}

func TestOptions(t *testing.T) {
	var behaviour struct{ Tier string }
	w := Start(t, Tier("standard"))
	if err := w.Call("GET", "/behaviour", nil, &behaviour); err != nil {
		t.Fatal(err)
	}
	want(t, "tier", behaviour.Tier, "standard")
	if found := len(Start(t, Template("leaky")).Tokens.List()); found <= 5 {
		t.Errorf("unexpected number of tokens in the leaky world: %d", found)
	}
	w = Start(t, Seed(JSON{
		"users":  []JSON{{"user_name": "ann@example.com"}},
		"tokens": []JSON{{"owner": "ann@example.com"}},
	}), With("name", "ann's"))
	want(t, "tokens of the seed", len(w.Tokens.List("owner", "ann@example.com")), 1)
	want(t, "name", w.Name, "ann's")
}

func TestSetEnv(t *testing.T) {
	t.Setenv("DATABRICKS_CLIENT_ID", "a developer's own")
	t.Setenv("ARM_TENANT_ID", "a developer's own")
	t.Run("in a test", func(t *testing.T) {
		w := Start(t)
		w.SetEnv(t)
		for _, name := range []string{"DATABRICKS_CLIENT_ID", "ARM_TENANT_ID"} {
			if value, isSet := os.LookupEnv(name); isSet {
				t.Errorf("%s is %q", name, value)
			}
		}
		want(t, "host", os.Getenv("DATABRICKS_HOST"), w.Host)
		want(t, "token", os.Getenv("DATABRICKS_TOKEN"), w.Token)
		want(t, "workspace", os.Getenv("DATABRICKS_WORKSPACE_ID"), w.ID)
	})
	want(t, "after it", os.Getenv("DATABRICKS_CLIENT_ID"), "a developer's own")
	_, isSet := os.LookupEnv("DATABRICKS_TOKEN")
	want(t, "DATABRICKS_TOKEN is set after the test", isSet, false)
}

func TestStartServer(t *testing.T) {
	t.Setenv("DAPI_MOCK_CONTROL_KEY", "another server's")
	server, err := StartServer("--profile", "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("with a workspace", func(t *testing.T) { create(t, server.Start(t), JSON{}) })
	server.Stop()
	if _, err := server.SuspectedCredentials(); err == nil {
		t.Error("the server answers after Stop")
	}
	_, err = StartServer("--no-such-option")
	if err == nil || !strings.Contains(err.Error(), "--no-such-option") {
		t.Errorf("an unknown option: %v", err)
	}
}

// another runs one test of this binary in another process. That test is skipped otherwise.
func another(name string) *exec.Cmd {
	command := exec.Command(os.Args[0], "-test.run=^"+name+"$", "-test.v", "-test.count=1")
	command.Env = append(os.Environ(), "DAPIMOCK_TEST="+name)
	return command
}

func inAnother(t *testing.T) {
	t.Helper()
	if os.Getenv("DAPIMOCK_TEST") != t.Name() {
		t.Skip("another test runs this one in a process of its own")
	}
}

func TestInAnotherRefused(t *testing.T) {
	inAnother(t)
	w := Start(t, Conf(JSON{"maxTokenLifetimeDays": 7}))
	status, _ := create(t, w, JSON{"lifetime_seconds": 8 * 24 * 3600})
	want(t, "status", status, 200)
}

func TestInAnotherRealCredential(t *testing.T) {
	inAnother(t)
	// Split, so that no secret scanner reports it.
	api(t, Start(t), "dapi"+"3f9c1e7a"+"5b2d8046"+"a1c7e95d"+"20b4f863", "GET", "token/list", nil)
}

func TestInAnotherUnmet(t *testing.T) {
	inAnother(t)
	w := Start(t)
	w.Requests.Verify(JSON{"operation": "tokens.create"})
	w.Audit.Expect("generateDbToken")
	w.Tokens.Get("no-such-token")
}

func TestTheReportOfAFailedTest(t *testing.T) {
	for name, texts := range map[string][]string{
		"TestInAnotherRefused": {
			"dapimock: what was refused, and why:",
			"POST /api/2.0/token/create answered 400 by admin@example.com",
			"because lifetime_seconds: 691200 exceeds the maximum token lifetime of 7 days",
			"remedy: Ask for at most 604800 seconds",
		},
		"TestInAnotherRealCredential": {"A credential that looks like a real one was sent to dapi-mock"},
		"TestInAnotherUnmet": {
			"Expected at least 1 request with operation tokens.create", "generateDbToken",
			"never had the token no-such-token",
		},
	} {
		output, err := another(name).CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(string(output), "--- FAIL: "+name) {
			t.Errorf("%s did not fail: %v\n%s", name, err, output)
		}
		for _, text := range texts {
			if !strings.Contains(string(output), text) {
				t.Errorf("%s does not say %q:\n%s", name, text, output)
			}
		}
	}
}

func TestInAnotherUntilKilled(t *testing.T) {
	inAnother(t)
	fmt.Printf("\nserver %s\n", Start(t).Server().URL)
	time.Sleep(2 * time.Minute)
}

func TestAKilledTestBinaryLeavesNoServer(t *testing.T) {
	command := another("TestInAnotherUntilKilled")
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	url := ""
	eachLine(stdout, func(line string) {
		if found, ok := strings.CutPrefix(line, "server "); ok {
			url = found
			if err := newControl(url).call("GET", "/tripwire", nil, nil, nil); err != nil {
				t.Errorf("before: %v", err)
			}
			_ = command.Process.Kill() // SIGKILL leaves no time to clean up.
		}
	})
	_ = command.Wait() // The error says that it was killed.
	if url == "" {
		t.Fatal("the test did not start a server")
	}
	for try := 0; try < 200; try++ {
		if newControl(url).call("GET", "/tripwire", nil, nil, nil) != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("the server at %s is still running", url)
}

func archive(t *testing.T, name, script string) []byte {
	t.Helper()
	var content bytes.Buffer
	zipped := gzip.NewWriter(&content)
	entries := tar.NewWriter(zipped)
	header := tar.Header{Name: name + "/dapi-mock", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(script))}
	err := entries.WriteHeader(&header)
	_, written := entries.Write([]byte(script))
	if err := errors.Join(err, written, entries.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return content.Bytes()
}

func TestDownload(t *testing.T) {
	target, ok := targets[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		t.Skip("no release for this platform")
	}
	name := "dapi-mock-" + Version + "-" + target
	good := archive(t, name, "#!/bin/sh\necho downloaded\n")
	bad := archive(t, name, "#!/bin/sh\necho changed on its way\n")
	sums := fmt.Sprintf("%x  another.tar.gz\n%x  %s.tar.gz\n", sha256.Sum256(nil), sha256.Sum256(good), name)

	served := good
	requests := 0
	releases := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		requests++
		switch request.URL.Path {
		case "/v" + Version + "/SHA256SUMS":
			fmt.Fprint(answer, sums)
		case "/v" + Version + "/" + name + ".tar.gz":
			_, _ = answer.Write(served)
		default:
			http.NotFound(answer, request)
		}
	}))
	defer releases.Close()
	t.Setenv("DAPI_MOCK_BIN", "")
	t.Setenv("PATH", t.TempDir())
	caches := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", caches)
	t.Setenv("HOME", caches)
	t.Setenv("DAPI_MOCK_RELEASES", releases.URL+"/")

	refused := func(what, text string) {
		t.Helper()
		if program, err := FindBinary(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: found %q, %v", what, program, err)
		}
	}
	served = bad
	refused("a changed archive", "does not have the checksum")
	served, sums = good, strings.ReplaceAll(sums, name, "other")
	refused("no checksum", "SHA256SUMS has no checksum for "+name)
	sums = strings.ReplaceAll(sums, "other", name)
	t.Setenv("DAPI_MOCK_RELEASES", releases.URL+"/elsewhere")
	refused("no release", "404")
	t.Setenv("DAPI_MOCK_RELEASES", "off")
	refused("no downloads", "set DAPI_MOCK_BIN or install dapi-mock on PATH")
	files, err := filepath.Glob(filepath.Join(caches, "dapi-mock", "bin", "*", "*"))
	if err != nil || len(files) > 0 {
		t.Errorf("files left after refused downloads: %q, %v", files, err)
	}

	t.Setenv("DAPI_MOCK_RELEASES", releases.URL)
	program, err := FindBinary()
	if err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command(program).Output()
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the program", string(output), "downloaded\n")
	before := requests
	again, err := FindBinary()
	if err != nil {
		t.Fatal(err)
	}
	want(t, "the second time", again, program)
	want(t, "requests the second time", requests-before, 0)

	t.Setenv("PATH", filepath.Dir(program))
	t.Setenv("DAPI_MOCK_RELEASES", "off")
	if found, err := FindBinary(); err != nil || found != program {
		t.Errorf("on PATH: %q, %v", found, err)
	}
	t.Setenv("DAPI_MOCK_BIN", "/nowhere")
	refused("a wrong DAPI_MOCK_BIN", "DAPI_MOCK_BIN is not an executable file")
}

// TestFigures prints the median times of a start and of a workspace: DAPIMOCK_FIGURES=1 go test -run Figures -v.
func TestFigures(t *testing.T) {
	if os.Getenv("DAPIMOCK_FIGURES") == "" {
		t.Skip("DAPIMOCK_FIGURES is not set")
	}
	median := func(runs int, measure func() time.Duration) time.Duration {
		var figures []time.Duration
		for i := 0; i < runs; i++ {
			figures = append(figures, measure())
		}
		sort.Slice(figures, func(i, j int) bool { return figures[i] < figures[j] })
		return figures[runs/2]
	}
	fmt.Printf("start of the server: %.1f ms (median of 20)\n", ms(median(20, func() time.Duration {
		begin := time.Now()
		server, err := StartServer()
		took := time.Since(begin)
		if err != nil {
			t.Fatal(err)
		}
		server.Stop()
		return took
	})))
	with := func() time.Duration {
		begin := time.Now()
		t.Run("", func(t *testing.T) { Start(t) })
		return time.Since(begin)
	}
	with()
	fmt.Printf("workspace per test: %.2f ms (median of 200)\n", ms(median(200, with)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
