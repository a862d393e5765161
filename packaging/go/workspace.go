package dapimock

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Workspace is one isolated workspace. No test in another workspace can see or disturb it.
type Workspace struct {
	ID        string `json:"id"`
	AccountID string `json:"account_id"`
	Name      string `json:"name"`
	// Host is its URL.
	Host string `json:"host"`
	// Token is a workspace admin's token.
	Token string `json:"admin_token"`
	// ClientID and ClientSecret belong to a service principal that is an admin of the workspace and of the account.
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	// Env has the variables that point an official client at it.
	Env map[string]string `json:"env"`

	Clock    Clock    `json:"-"`
	Faults   Faults   `json:"-"`
	Requests Requests `json:"-"`
	Tokens   Tokens   `json:"-"`
	Audit    Audit    `json:"-"`

	t      testing.TB
	server *Server
}

func newWorkspace(t testing.TB, server *Server) *Workspace {
	w := &Workspace{t: t, server: server}
	w.Clock, w.Faults, w.Requests, w.Tokens, w.Audit = Clock{w}, Faults{w}, Requests{w}, Tokens{w}, Audit{w}
	return w
}

// Server returns the workspace's server.
func (w *Workspace) Server() *Server { return w.server }

// Call calls a path of the control API under this workspace: Call("POST", "/decoys", JSON{}, &answer). The error is a
// *ControlError if the API refused the call.
func (w *Workspace) Call(method, path string, body, result any) error {
	return w.server.control.call(method, w.path(path), nil, body, result)
}

// Explain explains this workspace's latest refusal.
func (w *Workspace) Explain() JSON {
	w.t.Helper()
	refusals := w.Requests.List("refused", "true", "limit", "1")
	if len(refusals) == 0 {
		w.t.Fatalf("dapimock: workspace %s has refused no request", w.ID)
	}
	return w.ExplainRequest(fmt.Sprint(refusals[0]["request_id"]))
}

// ExplainRequest explains the decision on the request whose response had this X-Request-Id.
func (w *Workspace) ExplainRequest(id string) JSON {
	w.t.Helper()
	var answer JSON
	w.must(w.server.control.call("GET", "/explain/"+url.PathEscape(id), nil, nil, &answer))
	return answer
}

// WouldBe explains the decision on a request that was never sent:
// JSON{"as": "ann@example.com", "method": "POST", "path": "/api/2.0/token/create"}.
func (w *Workspace) WouldBe(request JSON) JSON {
	w.t.Helper()
	var answer JSON
	w.must(w.Call("POST", "/explain", request, &answer))
	return answer
}

// Checkpoint saves the workspace as it is now, to restore it with Reset(name).
func (w *Workspace) Checkpoint(name string) {
	w.t.Helper()
	w.must(w.Call("PUT", "/checkpoints/"+url.PathEscape(name), nil, nil))
}

// Reset restores a checkpoint, the state after the seed ("seed"), or the state before it ("empty").
func (w *Workspace) Reset(to string) {
	w.t.Helper()
	w.must(w.Call("POST", "/reset", JSON{"to": to}, nil))
}

// Fork copies the workspace and everything in it. The copy is deleted after the test, too.
func (w *Workspace) Fork() *Workspace {
	w.t.Helper()
	copied := newWorkspace(w.t, w.server)
	w.must(w.Call("POST", "/fork", nil, copied))
	w.t.Cleanup(copied.deleted)
	return copied
}

// Configure sets workspace configuration without a credential, such as JSON{"enableTokensConfig": false}.
func (w *Workspace) Configure(conf JSON) {
	w.t.Helper()
	texts := map[string]string{}
	for key, value := range conf {
		texts[key] = fmt.Sprint(value)
	}
	w.must(w.Call("PATCH", "/conf", texts, nil))
}

// Delete deletes the workspace before the test ends.
func (w *Workspace) Delete() {
	w.t.Helper()
	w.must(w.Call("DELETE", "", nil, nil))
}

// deleted deletes the workspace unless the test has deleted it.
func (w *Workspace) deleted() {
	w.t.Helper()
	err := w.Call("DELETE", "", nil, nil)
	var refusal *ControlError
	if err != nil && !(errors.As(err, &refusal) && refusal.Status == http.StatusNotFound) {
		w.t.Errorf("dapimock: %v", err)
	}
}

func (w *Workspace) path(below string) string { return "/workspaces/" + w.ID + below }

func (w *Workspace) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("dapimock: %v", err)
	}
}

// expect fails the test with the server's message, but does not end it.
func (w *Workspace) expect(path string, question JSON) bool {
	w.t.Helper()
	err := w.Call("POST", path, question, nil)
	var refusal *ControlError
	if errors.As(err, &refusal) && refusal.Status == http.StatusConflict {
		w.t.Errorf("dapimock: %v", err)
		return false
	}
	w.must(err)
	return true
}

// rows returns one member of a response. Filters are pairs of a name and a value.
func (w *Workspace) rows(path, member string, filters []string) []JSON {
	w.t.Helper()
	var answer map[string]json.RawMessage
	w.must(w.server.control.call("GET", w.path(path), w.query(filters), nil, &answer))
	var rows []JSON
	w.must(json.Unmarshal(answer[member], &rows))
	return rows
}

func (w *Workspace) query(filters []string) url.Values {
	w.t.Helper()
	if len(filters)%2 != 0 {
		w.t.Fatalf("dapimock: filters must be pairs of a name and a value: %q", filters)
	}
	query := url.Values{}
	for i := 0; i < len(filters); i += 2 {
		query.Set(filters[i], filters[i+1])
	}
	return query
}

// Clock is the workspace's clock. It only moves forward, and events that become due on the way happen.
type Clock struct{ w *Workspace }

// Now returns the workspace's time.
func (c Clock) Now() time.Time {
	c.w.t.Helper()
	var answer struct{ Now struct{ MS int64 } }
	c.w.must(c.w.Call("GET", "/clock", nil, &answer))
	return time.UnixMilli(answer.Now.MS)
}

// Advance advances by a duration, such as "90d", and returns the events that happened on the way, in order.
func (c Clock) Advance(by string) []JSON {
	c.w.t.Helper()
	return c.advance(JSON{"by": by})
}

// AdvanceTo advances to an instant and returns the events that happened on the way, in order.
func (c Clock) AdvanceTo(to time.Time) []JSON {
	c.w.t.Helper()
	return c.advance(JSON{"to": to.UnixMilli()})
}

// AdvanceUntil advances until the next event of a kind, such as "token.expired", and returns the events on the way.
func (c Clock) AdvanceUntil(event string) []JSON {
	c.w.t.Helper()
	return c.advance(JSON{"until": event})
}

func (c Clock) advance(change JSON) []JSON {
	c.w.t.Helper()
	var answer struct{ Events []JSON }
	c.w.must(c.w.Call("POST", "/clock/advance", change, &answer))
	return answer.Events
}

// Freeze stops the clock.
func (c Clock) Freeze() {
	c.w.t.Helper()
	c.w.must(c.w.Call("POST", "/clock", JSON{"mode": "frozen"}, nil))
}

// Resume resumes the clock from its current time.
func (c Clock) Resume() {
	c.w.t.Helper()
	c.w.must(c.w.Call("POST", "/clock", JSON{"mode": "offset"}, nil))
}

// Upcoming returns the upcoming events, in order.
func (c Clock) Upcoming() []JSON {
	c.w.t.Helper()
	return c.w.rows("/clock/upcoming", "events", nil)
}

// Faults are failures on demand.
type Faults struct{ w *Workspace }

// Arm arms a fault from the catalogue, such as "rate_limited", for a number of requests.
func (f Faults) Arm(name string, times int) JSON {
	f.w.t.Helper()
	return f.ArmRule(JSON{"name": name, "times": times})
}

// ArmRule arms a fault with the members of the control API: name, times, offset, match, when, effect.
func (f Faults) ArmRule(rule JSON) JSON {
	f.w.t.Helper()
	var answer JSON
	f.w.must(f.w.Call("POST", "/faults", rule, &answer))
	return answer
}

// List returns the armed faults. Each has the number of requests "seen" and how often it has "fired".
func (f Faults) List() []JSON {
	f.w.t.Helper()
	return f.w.rows("/faults", "faults", nil)
}

// Clear disarms all faults.
func (f Faults) Clear() {
	f.w.t.Helper()
	f.w.must(f.w.Call("DELETE", "/faults", nil, nil))
}

// Requests is the request journal.
type Requests struct{ w *Workspace }

// List returns the newest requests, oldest first. Filters are pairs of a name and a value: List("status", "403").
func (r Requests) List(filters ...string) []JSON {
	r.w.t.Helper()
	return r.w.rows("/requests", "requests", filters)
}

// Verify fails the test unless a matching request was received: Verify(JSON{"operation": "tokens.create"}).
func (r Requests) Verify(match JSON) bool {
	r.w.t.Helper()
	return r.w.expect("/requests/verify", JSON{"match": match, "at_least": 1})
}

// VerifyAtLeast fails the test unless at least this many matching requests were received.
func (r Requests) VerifyAtLeast(count int, match JSON) bool {
	r.w.t.Helper()
	return r.w.expect("/requests/verify", JSON{"match": match, "at_least": count})
}

// VerifyAtMost fails the test unless at most this many matching requests were received.
func (r Requests) VerifyAtMost(count int, match JSON) bool {
	r.w.t.Helper()
	return r.w.expect("/requests/verify", JSON{"match": match, "at_most": count})
}

// VerifyExactly fails the test unless exactly this many matching requests were received.
func (r Requests) VerifyExactly(count int, match JSON) bool {
	r.w.t.Helper()
	return r.w.expect("/requests/verify", JSON{"match": match, "exactly": count})
}

// VerifyInOrder fails the test unless matching requests were received in this order; others may be between them.
func (r Requests) VerifyInOrder(matches ...JSON) bool {
	r.w.t.Helper()
	return r.w.expect("/requests/verify", JSON{"in_order": matches})
}

// Clear empties the journal.
func (r Requests) Clear() {
	r.w.t.Helper()
	r.w.must(r.w.Call("DELETE", "/requests", nil, nil))
}

// Tokens is the history of each token, including expired and revoked ones.
type Tokens struct{ w *Workspace }

// List returns the tokens, oldest first. Filters are pairs of a name and a value: List("state", "ended").
func (k Tokens) List(filters ...string) []JSON {
	k.w.t.Helper()
	return k.w.rows("/tokens", "tokens", filters)
}

// Get returns a token and its state; it ends the test if the workspace never had the token.
func (k Tokens) Get(tokenID string) JSON {
	k.w.t.Helper()
	found := k.List("token_id", tokenID)
	if len(found) == 0 {
		k.w.t.Fatalf("dapimock: workspace %s never had the token %s", k.w.ID, tokenID)
	}
	return found[0]
}

// Audit is the audit log.
type Audit struct{ w *Workspace }

// List returns audit entries in the order they were written. Filters are pairs of a name and a value:
// List("action", "generateDbToken").
func (a Audit) List(filters ...string) []JSON {
	a.w.t.Helper()
	var text string
	a.w.must(a.w.server.control.call("GET", a.w.path("/audit"), a.w.query(filters), nil, &text))
	var entries []JSON
	for _, line := range strings.Split(text, "\n") {
		if line == "" {
			continue
		}
		var entry JSON
		a.w.must(json.Unmarshal([]byte(line), &entry))
		entries = append(entries, entry)
	}
	return entries
}

// Expect fails the test unless the audit log has the action.
func (a Audit) Expect(action string) bool {
	a.w.t.Helper()
	return a.ExpectEntry(JSON{"action": action})
}

// ExpectEntry fails the test unless the audit log has matching entries: action, actor, count, within.
func (a Audit) ExpectEntry(question JSON) bool {
	a.w.t.Helper()
	return a.w.expect("/audit/expect", question)
}
