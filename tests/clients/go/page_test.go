package clients

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Runs the example in docs/clients/go.md.
func TestTheExampleOfThePage(t *testing.T) {
	s := serve(t)
	page := string(need(os.ReadFile("../../../docs/clients/go.md"))(t))
	_, program, _ := strings.Cut(page, "```go\n")
	program, _, _ = strings.Cut(program, "```")
	file := filepath.Join(t.TempDir(), "main.go")
	must(t, os.WriteFile(file, []byte(program), 0o600))
	command := exec.Command("go", "run", file)
	command.Env = append(os.Environ(), "DATABRICKS_HOST="+s.host, "DATABRICKS_TOKEN="+adminToken)
	printed, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, printed)
	}
	if !strings.HasPrefix(string(printed), admin+"\ntrue Invalid access token. [ReqId: ") {
		t.Errorf("printed: %s", printed)
	}
}
