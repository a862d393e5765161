"""Tests of `dapi-mock exec -- COMMAND` and `dapi-mock healthcheck`."""

import json
import socket
import subprocess
import sys

import pytest

CHILD = """
import json, os
from databricks.sdk import WorkspaceClient
w = WorkspaceClient()
token = w.tokens.create(comment="from exec")
print(json.dumps({
    "host": os.environ["DATABRICKS_HOST"],
    "token": os.environ["DATABRICKS_TOKEN"],
    "workspace_id": os.environ["DATABRICKS_WORKSPACE_ID"],
    "header": w.api_client.do("GET", "/api/2.0/preview/scim/v2/Me", response_headers=["X-Databricks-Org-Id"]),
    "user_name": w.current_user.me().user_name,
    "ids": [t.token_id for t in w.tokens.list()],
    "created": token.token_info.token_id,
}))
"""


@pytest.fixture
def run(binary, tmp_path):
    def run(*arguments, **options):
        return subprocess.run(
            [binary, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30, **options
        )

    return run


def test_exec_gives_its_child_a_server_of_its_own(run, tmp_path):
    done = run("exec", "--", sys.executable, "-c", CHILD)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])

    assert seen["token"].startswith("dapi")
    assert seen["user_name"] == "admin@example.com"
    assert seen["header"]["X-Databricks-Org-Id"] == seen["workspace_id"]
    assert seen["created"] in seen["ids"]

    port = int(seen["host"].removeprefix("http://127.0.0.1:"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    assert not list(tmp_path.glob("*.db*")), "a temporary server must not leave a file behind"


@pytest.mark.parametrize("code", [0, 1, 7])
def test_exec_returns_the_exit_code_of_its_child(run, code):
    assert run("exec", "--", "sh", "-c", f"exit {code}").returncode == code


def test_exec_passes_arguments_and_input_unchanged(run):
    done = run("exec", "--", "sh", "-c", 'cat; printf "[%s]" "$@"', "sh", "--port", "a b", "", input="in:")
    assert done.stdout.endswith("in:[--port][a b][]"), done.stdout


def test_exec_of_an_unknown_command_fails(run):
    done = run("exec", "--", "no-such-command")
    assert done.returncode != 0
    assert "no-such-command" in done.stderr


def test_healthcheck_fails_without_a_server(run, server):
    assert run("healthcheck", "--port", str(server.port)).returncode == 0

    # The port is bound but not listening, so nothing else can take it and nothing answers.
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert run("healthcheck", "--port", str(nobody.getsockname()[1])).returncode != 0
