"""Tests of several workspaces in one process: the unmodified SDK reaches each with what its creation returned."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied


@pytest.fixture
def own(server):
    def ask(method, path, body=None):
        answer = requests.request(method, f"{server.host}/_mock/v1/{path}", json=body or {})
        assert answer.ok, answer.text
        return answer.json()

    return ask


def by_environment(made, monkeypatch):
    """Starts the SDK as a test would, with nothing but the variables in the response."""
    with monkeypatch.context() as context:
        for name, value in made["env"].items():
            context.setenv(name, value)
        return WorkspaceClient()


def test_the_response_has_everything_that_a_client_needs(own, server, monkeypatch):
    made = own("POST", "workspaces", {"ttl": "1h"})
    w = by_environment(made, monkeypatch)
    assert w.get_workspace_id() == int(made["id"])
    w.tokens.create(comment="theirs")
    assert len(list(w.token_management.list())) == 2
    assert len(list(WorkspaceClient().token_management.list())) == 1, "only the default workspace's token may be listed"
    with pytest.raises(PermissionDenied, match="Invalid access to Org"):
        WorkspaceClient(workspace_id=made["id"]).current_user.me()

    monkeypatch.delenv("DATABRICKS_TOKEN")
    client = WorkspaceClient(client_id=made["client_id"], client_secret=made["client_secret"])
    assert client.current_user.me().user_name == made["client_id"]
    assert client.get_workspace_id() == int(made["id"]), "the secret must lead to the workspace without its id"


def test_a_workspace_with_its_own_port_needs_no_id(own, monkeypatch):
    made = own("POST", "workspaces", {"port": 0})
    monkeypatch.setenv("DATABRICKS_HOST", made["host"])
    monkeypatch.setenv("DATABRICKS_TOKEN", made["admin_token"])
    w = WorkspaceClient()
    assert w.config.workspace_id == made["id"], "from the host's metadata"
    assert w.current_user.me().user_name == "admin@example.com"


def test_a_reset_undoes_what_a_test_did(own, monkeypatch):
    made = own("POST", "workspaces", {"seed": {"users": [{"user_name": "ann@example.com"}]}})
    w = by_environment(made, monkeypatch)
    user = w.users.create(user_name="ben@example.com")
    token = w.tokens.create(comment="mine")
    own("POST", f"workspaces/{made['id']}/reset")
    with pytest.raises(NotFound):
        w.users.get(user.id)
    assert "ann@example.com" in [user.user_name for user in w.users.list()]
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        WorkspaceClient(token=token.token_value).current_user.me()


def test_sixty_four_tests_at_once(own, monkeypatch):
    def run(number):
        made = own("POST", "workspaces")
        w = WorkspaceClient(host=made["host"], token=made["admin_token"], workspace_id=made["id"])
        for _ in range(number % 3 + 1):
            w.tokens.create(comment=str(number))
        own("POST", f"workspaces/{made['id']}/clock/advance", {"by": f"{number}h"})
        rows = list(w.token_management.list())
        own("DELETE", f"workspaces/{made['id']}")
        return {row.comment for row in rows}, len(rows)

    with ThreadPoolExecutor(64) as pool:
        seen = list(pool.map(run, range(64)))
    assert seen == [({str(number), "dapi-mock admin token"}, number % 3 + 2) for number in range(64)]
    assert len(own("GET", "workspaces")["workspaces"]) == 1
