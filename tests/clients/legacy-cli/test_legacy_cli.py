"""Tests of the legacy command line, which old pipelines still run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DATABRICKS = Path(sys.executable).with_name("databricks")


@pytest.fixture
def server(start_server):
    return start_server(port=80)


@pytest.fixture
def legacy(clean_environment, server):
    """legacy(ARGUMENTS…): runs it with the admin's profile; returns its exit code and output."""

    def profile(credential):
        (clean_environment / ".databrickscfg").write_text(f"[DEFAULT]\nhost = http://127.0.0.1\n{credential}\n")

    def run(*arguments):
        done = subprocess.run([DATABRICKS, *arguments], capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout

    profile(f"token = {server.admin_token}")
    run.profile = profile
    return run


def test_create_list_and_revoke(legacy, server):
    code, out = legacy("tokens", "create", "--comment", "old pipeline", "--lifetime-seconds", "3600")
    created = json.loads(out)
    assert code == 0
    info = created["token_info"]
    assert (info["comment"], info["expiry_time"] - info["creation_time"]) == ("old pipeline", 3_600_000)
    code, out = legacy("tokens", "list")
    assert [token["comment"] for token in json.loads(out)["token_infos"]] == ["dapi-mock admin token", "old pipeline"]

    legacy.profile(f"token = {created['token_value']}")
    assert legacy("tokens", "list")[0] == 0
    # It also sends a token as Basic, as what it calls user name and password.
    legacy.profile(f"username = token\npassword = {created['token_value']}")
    assert legacy("tokens", "list")[0] == 0

    legacy.profile(f"token = {server.admin_token}")
    assert legacy("tokens", "revoke", "--token-id", info["token_id"])[0] == 0
    legacy.profile(f"token = {created['token_value']}")
    code, out = legacy("tokens", "list")
    assert code == 1
    assert "Authorization failed. Your token may be expired or lack the valid scope" in out


@pytest.mark.parametrize(
    "arguments, text",
    [
        (("tokens", "create", "--comment", "x", "--lifetime-seconds", "63072001"), "INVALID_PARAMETER_VALUE"),
        (("tokens", "revoke", "--token-id", "0" * 64), "RESOURCE_DOES_NOT_EXIST"),
        (("workspace", "list", "/"), "The real service has the workspace API there"),
        (("groups", "list"), "The real service has the groups API there"),
    ],
)
def test_refusals(legacy, arguments, text):
    code, out = legacy(*arguments)
    assert code == 1
    assert text in out


def test_an_unknown_user_name_is_no_credential(legacy):
    legacy.profile("username = somebody\npassword = secret")
    code, out = legacy("tokens", "list")
    assert code == 1
    assert "Your authentication information may be incorrect" in out


def test_the_examples_of_the_page(server, shell_examples):
    path = f"{DATABRICKS.parent}:{os.environ['PATH']}"
    assert shell_examples("legacy-cli", DATABRICKS_TOKEN=server.admin_token, PATH=path).count("nightly job") == 2
