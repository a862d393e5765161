"""Tests of `curl -n`, which sends a netrc file's token as Basic, and of `-d`, which sends a form's content type."""

import json
import re
import subprocess

import pytest

# The request's id at the end of the text differs each time.
INVALID = re.compile(r'\{"error_code":403,"message":"Invalid access token\. \[ReqId: [0-9a-f-]{36}\]"\}')


@pytest.fixture
def netrc(clean_environment):
    def write(machine, password):
        file = clean_environment / ".netrc"
        file.write_text(f"machine {machine} login token password {password}\n")
        file.chmod(0o600)

    return write


def curl(*arguments):
    """Runs the literal `curl -n ARGUMENTS`; returns its status and body."""
    command = ["curl", "-n", *arguments, "-sS", "--max-time", "20", "-w", "\n%{http_code}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def refused_as_invalid(answer):
    status, body = answer
    assert status == 403 and INVALID.fullmatch(body), answer


@pytest.mark.parametrize("machine", ["127.0.0.1", "localhost"])
def test_create_list_and_delete(server, netrc, machine):
    netrc(machine, server.admin_token)
    scheme = server.host.split(":")[0]
    api = f"{scheme}://{machine}:{server.port}/api/2.0/token"

    status, body = curl("-X", "POST", f"{api}/create", "-d", '{"comment": "from curl", "lifetime_seconds": 3600}')
    created = json.loads(body)
    info = created["token_info"]
    assert status == 200
    assert info["comment"] == "from curl"
    assert info["expiry_time"] - info["creation_time"] == 3_600_000

    status, body = curl("-X", "GET", f"{api}/list")
    assert status == 200
    assert info in json.loads(body)["token_infos"]
    assert created["token_value"] not in body

    netrc(machine, created["token_value"])
    assert curl(f"{api}/list")[0] == 200

    netrc(machine, server.admin_token)
    assert curl("-X", "POST", f"{api}/delete", "-d", json.dumps({"token_id": info["token_id"]})) == (200, "{}")

    netrc(machine, created["token_value"])
    refused_as_invalid(curl(f"{api}/list"))


def test_a_wrong_password_is_an_invalid_token(server, netrc):
    netrc("127.0.0.1", "dapi" + "0" * 32)
    refused_as_invalid(curl(f"{server.host}/api/2.0/token/list"))


def test_no_entry_for_the_machine_is_no_credential(server, netrc):
    netrc("elsewhere.example", server.admin_token)
    status, body = curl(f"{server.host}/api/2.0/token/list")
    assert status == 401
    assert json.loads(body)["error_code"] == 401


def test_the_articles_line_sets_the_maximum_lifetime(server, netrc):
    netrc("127.0.0.1", server.admin_token)
    status, body = curl(
        "-X", "PATCH", f"{server.host}/api/2.0/workspace-conf", "-d", '{\n  "maxTokenLifetimeDays": "90"\n}'
    )
    assert (status, body) == (204, "")
    status, body = curl(f"{server.host}/api/2.0/workspace-conf?keys=maxTokenLifetimeDays")
    assert (status, json.loads(body)) == (200, {"maxTokenLifetimeDays": "90"})
    status, body = curl("-X", "POST", f"{server.host}/api/2.0/token/create", "-d", '{"lifetime_seconds": 7776001}')
    assert (status, json.loads(body)["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_the_clis_calls(server):
    """Sends what `databricks workspace-conf set-status --json …`, `token-management list` and `delete` send."""

    def call(method, path, *more):
        command = ["curl", "-sS", "-X", method, f"{server.host}{path}", "-w", "\n%{http_code}", *more]
        for header in (
            f"Authorization: Bearer {server.admin_token}",
            "Accept: application/json",
            "Content-Type: application/json",
            "X-Databricks-Workspace-Id: 3274327432743274",
            "User-Agent: cli/0.260.0 databricks-sdk-go/0.80.0 go/1.24.0 os/linux cmd/workspace-conf_set-status",
        ):
            command += ["-H", header]
        body, _, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rpartition("\n")
        return int(status), body

    # The response is empty, so the CLI prints nothing.
    assert call("PATCH", "/api/2.0/workspace-conf", "-d", '{"maxTokenLifetimeDays":"90"}') == (204, "")
    path = "/api/2.0/token-management/tokens"
    [token] = json.loads(call("GET", f"{path}?created_by_username=admin%40example.com")[1])["token_infos"]
    status, body = call("DELETE", f"{path}/{'0' * 64}")
    assert (status, json.loads(body)["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert call("DELETE", f"{path}/{token['token_id']}") == (200, "{}")
    refused_as_invalid(call("GET", path))


def test_the_examples_of_the_page(server, shell_examples):
    oauth = {
        "DATABRICKS_CLIENT_ID": "32743274-3274-4274-8274-327432743275",
        "DATABRICKS_CLIENT_SECRET": server.client_secret,
    }
    printed = shell_examples("curl", **oauth)
    assert printed.count("nightly job") == 2
    assert '"token_type":"Bearer"' in printed
