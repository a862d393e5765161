"""Tests what the journal shows of the official SDK, and what happens to suspected real credentials."""

import json
import subprocess
import sys
import urllib.request

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import PermissionDenied

CLIENT_ID = "32743274-3274-4274-8274-327432743275"
CREATE = {"method": "POST", "path": "/api/2.0/token/create"}


def by_oauth(server):
    return WorkspaceClient(
        host=server.host, client_id=CLIENT_ID, client_secret=server.client_secret, auth_type="oauth-m2m"
    )


def test_the_journal_shows_the_retries_of_the_sdk(server, own):
    own("POST", "faults", {"name": "rate_limited", "times": 2, "effect": {"retry_after": 1}, "match": CREATE})
    WorkspaceClient().tokens.create(comment="third time lucky")
    refused, made = {**CREATE, "status": 429}, {**CREATE, "status": 200}
    assert own("POST", "requests/verify", {"in_order": [refused, refused, made]})[0] == 200
    for match, count in ((refused, 2), (made, 1), ({**CREATE, "client": "databricks-sdk-py/"}, 3)):
        status, answer = own("POST", "requests/verify", {"match": match, "exactly": count})
        assert status == 200, answer
    _, journal = own("GET", "requests?path=/api/2.0/token/create")
    assert [row["faults"] for row in journal["requests"]] == [[1], [1], []]
    assert {row["client"]["name"] for row in journal["requests"]} == {"databricks-sdk-py"}
    status, answer = own("POST", "requests/verify", {"match": CREATE, "exactly": 1})
    assert (status, answer["error"]) == (
        409,
        "Expected exactly 1 request with method POST, path /api/2.0/token/create; found 3 among 4 in the journal.",
    ), "the fourth request is the SDK's discovery"


def test_a_census_of_credentials(server, own, monkeypatch):
    for _ in range(2):
        WorkspaceClient().current_user.me()
    monkeypatch.delenv("DATABRICKS_TOKEN")
    by_oauth(server).current_user.me()
    _, census = own("GET", "census?by=client")
    credentials = {row["name"].rpartition(" ")[2]: row["credentials"] for row in census["census"]}
    assert credentials["auth/pat"] == {"pat_bearer": 2}
    assert credentials["auth/oauth-m2m"] == {"oauth": 1}


def test_curl_can_repeat_each_request(server, own):
    w = WorkspaceClient()
    w.tokens.create(comment="it's \"quoted\" $HOME")
    with urllib.request.urlopen(f"{server.host}/_mock/v1/workspaces/default/requests?format=curl&method=POST") as answer:
        command = answer.read().decode()
    assert server.admin_token not in command
    again = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["token_info"]["comment"] == "it's \"quoted\" $HOME"


def test_using_a_decoy_is_reported(server, own):
    _, decoy = own("POST", "decoys", {"comment": "in the wiki"})
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        WorkspaceClient(token=decoy["token_value"]).current_user.me()
    status, answer = own("POST", "decoys/verify")
    assert status == 409
    assert "databricks-sdk-py" in answer["used"][0]["last_use"]["client"]


def test_a_suspected_real_credential_fails_the_run(server, binary):
    script = (
        "import secrets\n"
        "from databricks.sdk import WorkspaceClient\n"
        "try: WorkspaceClient(token='dapi' + '7f3b9c1e5a8d04621bc7e9f2a6305d48').current_user.me()\n"
        "except Exception as error: print(error)\n"
    )
    run = subprocess.run(
        [binary, "exec", "--tripwire", "fail", "--", sys.executable, "-c", script], capture_output=True, text=True
    )
    assert run.returncode == 70 and run.stdout.startswith("Invalid access token."), run.stderr
    assert "production-looking credential was sent to this mock by 'unknown/0.0.0 databricks-sdk-py/" in run.stderr
    assert "7f3b9c1e" not in run.stderr
