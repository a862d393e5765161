"""Tests of the server and its workspaces, with nothing but the standard library."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request

import pytest

from dapi_mock import BinaryNotFound, ControlError, Server, ServerUnreachable, StartFailed, find_binary


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture
def workspace(server):
    workspace = server.create_workspace(ttl="1h")
    yield workspace
    workspace.delete()


def ask(workspace, path, body=None, token=None):
    """Call the emulated API as a client would; return status and response."""
    request = urllib.request.Request(
        f"{workspace.env['DATABRICKS_HOST']}/api/2.0/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token or workspace.env['DATABRICKS_TOKEN']}"},
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until_gone(pid):
    deadline = time.monotonic() + 20
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


def test_a_server_runs_during_its_with_block():
    with Server() as server:
        pid = server.pid
        assert ask(server.default_workspace, "token/list")[0] == 200
    assert wait_until_gone(pid)
    with pytest.raises(RuntimeError, match="not running"):
        server.create_workspace()


def test_options_are_passed_to_serve():
    token = "dapi00000000000000000000000000000001"
    with Server(["--admin-token", token, "--profile", "lab"]) as server:
        assert server.admin_token == token
        assert len(server.default_workspace.tokens.list()) > 5, "the lab's seed"


def test_settings_of_another_server_do_not_apply(monkeypatch):
    monkeypatch.setenv("DAPI_MOCK_PORT", "1")
    monkeypatch.setenv("DAPI_MOCK_CONTROL", "off")
    with Server() as server:
        assert server.create_workspace().tokens.list()


def test_a_server_that_cannot_start_says_why():
    with pytest.raises(StartFailed, match="exited with 2: (?s:.*)--tier"), Server(["--tier", "gold"]):
        pass


def test_the_log_goes_to_a_file(tmp_path):
    with Server(log=tmp_path / "log") as server:
        ask(server.default_workspace, "token/list", token="dapi" + "0" * 32)
    assert "refused" in (tmp_path / "log").read_text()


def test_a_control_key_is_sent():
    with Server(control_key="k1") as server:
        assert server.create_workspace().clock.get()["mode"] == "real"
        with pytest.raises(ControlError) as refused:
            Server(url=server.url).create_workspace()
        assert refused.value.status == 401


def test_a_running_server_is_used_and_left_running(server):
    with Server(url=server.url) as again:
        assert again.pid is None
        again.create_workspace().delete()
    assert server.create_workspace().tokens.list()
    with pytest.raises(ValueError, match="either url or options"):
        Server(["--port", "1"], url=server.url)


def test_a_missing_server_is_reported():
    with pytest.raises(ServerUnreachable, match="no dapi-mock server answers at http://127.0.0.1:1"):
        Server(url="http://127.0.0.1:1").create_workspace()


@pytest.mark.parametrize("how", ["killed", "killed while a forked child lives on"])
def test_a_server_stops_when_the_process_that_started_it_is_killed(how):
    script = """
        import os, sys, time
        from dapi_mock import Server
        server = Server().start()
        if "forked" in sys.argv[1] and os.fork() == 0:
            os.close(1)
            time.sleep(60)
            os._exit(0)
        print(server.pid, flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as parent:
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
        parent.wait()
        assert wait_until_gone(pid)
        try:
            os.killpg(parent.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def test_the_program_is_found_by_variable_and_on_path(monkeypatch, tmp_path):
    program = tmp_path / "dapi-mock"
    program.write_text("#!/bin/sh\n")
    monkeypatch.setenv("DAPI_MOCK_BIN", str(program))
    with pytest.raises(BinaryNotFound, match="not an executable file"):
        find_binary()
    program.chmod(0o755)
    assert find_binary() == str(program)


def test_a_workspace_belongs_to_one_test(server, workspace):
    other = server.create_workspace(tier="standard", conf={"maxTokenLifetimeDays": 7})
    assert ask(workspace, "token/create", {"comment": "mine"})[0] == 200
    assert [token["comment"] for token in other.tokens.list()] == ["dapi-mock admin token"]
    assert ask(other, "token-management/tokens")[1]["error_code"] == "FEATURE_DISABLED"
    assert ask(other, "token/create", {"lifetime_seconds": 8 * 86400})[0] == 400
    assert "7 days" in other.explain()["because"]
    other.delete()
    with pytest.raises(ControlError) as gone:
        other.tokens.list()
    assert gone.value.status == 404


def test_time_moves_on_command(workspace):
    token = ask(workspace, "token/create", {"lifetime_seconds": 60})[1]
    value, token_id = token["token_value"], token["token_info"]["token_id"]
    assert workspace.clock.upcoming()[0]["token_id"] == token_id
    workspace.clock.freeze()
    before = workspace.clock.now_ms
    assert [event["event"] for event in workspace.clock.advance(until="token.expired")] == ["token.expired"]
    assert ask(workspace, "token/list", token=value)[0] == 403
    assert workspace.clock.now_ms - before <= 60_000
    workspace.clock.resume()
    assert workspace.clock.get()["mode"] == "offset"
    assert workspace.tokens.get(token_id)["state"] == "expired"
    with pytest.raises(LookupError):
        workspace.tokens.get("0" * 64)


def test_state_is_saved_restored_and_copied(workspace):
    ask(workspace, "token/create", {"comment": "before"})
    name = workspace.checkpoint("before")
    ask(workspace, "token/create", {"comment": "after"})
    copy = workspace.fork(ttl="1h")
    workspace.reset(to=name)
    kept, copied = ({token["comment"] for token in one.tokens.list()} for one in (workspace, copy))
    assert "before" in kept and "after" not in kept
    assert {"before", "after"} <= copied
    workspace.reset()
    assert len(workspace.tokens.list()) == 1
    copy.delete()


def test_faults_fire_and_are_counted(workspace):
    workspace.faults.arm("rate_limited", times=1, match={"path": "/api/2.0/token/*"})
    assert [ask(workspace, "token/list")[0] for _ in range(2)] == [429, 200]
    (fault,) = workspace.faults.list()
    assert (fault["seen"], fault["fired"]) == (2, 1)
    workspace.faults.clear()
    assert workspace.faults.list() == []


def test_requests_are_listed_and_verified(workspace):
    ask(workspace, "token/list")
    ask(workspace, "token/create", {})
    assert [entry["status"] for entry in workspace.requests.list(path="/api/2.0/token/*")] == [200, 200]
    workspace.requests.verify(exactly=1, method="POST", path="/api/2.0/token/create")
    workspace.requests.verify(in_order=[{"operation": "tokens.list"}, {"operation": "tokens.create"}])
    with pytest.raises(ControlError, match="token/delete"):
        workspace.requests.verify(path="/api/2.0/token/delete")
    workspace.requests.clear()
    assert workspace.requests.list() == []
    with pytest.raises(LookupError):
        workspace.explain()


def test_the_audit_log_is_listed_and_checked(workspace):
    ask(workspace, "token/create", {"comment": "x"})
    (entry,) = workspace.audit.list(action="generateDbToken", shape="system_table", limit=1, order="desc")
    assert entry["action_name"] == "generateDbToken"
    workspace.audit.expect("generateDbToken", actor="admin@example.com")
    with pytest.raises(ControlError):
        workspace.audit.expect("revokeDbToken")


def test_a_request_that_was_never_sent_is_explained(workspace):
    question = {"as": "admin@example.com", "method": "POST", "path": "/api/2.0/token/create"}
    assert workspace.explain(question)["allowed"]
