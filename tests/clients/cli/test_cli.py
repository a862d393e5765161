"""Tests of the official Databricks CLI: commands of an administrator, their output and exit codes."""

import configparser
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

CLI = os.environ["CLI"]
ADMIN = "admin@example.com"
CLIENT_ID = "32743274-3274-4274-8274-327432743275"
WORKSPACE_ID = "3274327432743274"
DAY = 86_400_000


class Failed(Exception):
    """The CLI's exit code was not 0. The message is what it wrote to standard error."""


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Runs `databricks ARGUMENTS…` and returns what it printed."""
    # The CLI caches for an hour which workspace a host serves. In the next test, the port may serve another.
    monkeypatch.setenv("DATABRICKS_CACHE_DIR", str(tmp_path / "cache"))

    def run(*arguments, **variables):
        done = subprocess.run([CLI, *arguments], capture_output=True, text=True, timeout=60, env=os.environ | variables)
        if done.returncode:
            raise Failed(done.stderr.strip())
        return done.stdout

    run.json = lambda *arguments, **variables: json.loads(run(*arguments, "-o", "json", **variables))
    return run


def refused(text):
    return pytest.raises(Failed, match=f"^Error: {text}")


def test_version(cli):
    assert cli("--version") == "Databricks CLI v0.298.0\n"


@pytest.mark.usefixtures("server")
def test_the_life_of_a_token(cli):
    created = cli.json("tokens", "create", "--comment", "from the CLI", "--lifetime-seconds", "3600")
    info = created["token_info"]
    assert info["expiry_time"] - info["creation_time"] == 3_600_000
    row = f"{info['token_id']}  {info['expiry_time']}  from the CLI\n"
    assert row in cli("tokens", "list")

    mine = {"DATABRICKS_TOKEN": created["token_value"]}
    assert cli.json("current-user", "me", **mine)["userName"] == ADMIN
    # This version has no `tokens update`, but `api` can call any route.
    change = {"token": {"comment": "renamed"}, "update_mask": "comment"}
    assert cli("api", "patch", f"/api/2.0/token/{info['token_id']}", "--json", json.dumps(change)) == "{}\n"
    assert "  renamed\n" in cli("tokens", "list")

    assert cli("tokens", "delete", info["token_id"]) == ""
    with refused("Invalid access token."):
        cli("current-user", "me", **mine)
    with refused("Token with ID .* does not exist"):
        cli("tokens", "delete", info["token_id"])
    assert [token["comment"] for token in cli.json("tokens", "list")] == ["dapi-mock admin token"]


@pytest.mark.usefixtures("server")
def test_the_articles_line_sets_the_maximum_lifetime(cli):
    """Requirement R42, literally: exit code 0 and no output."""
    assert cli("workspace-conf", "set-status", "--json", '{"maxTokenLifetimeDays": "90"}') == ""
    keys = "maxTokenLifetimeDays,enableTokensConfig"
    assert cli.json("workspace-conf", "get-status", keys) == {"enableTokensConfig": "", "maxTokenLifetimeDays": "90"}
    info = cli.json("tokens", "create")["token_info"]
    assert info["expiry_time"] - info["creation_time"] == 90 * DAY
    with refused("lifetime_seconds: 7776001 exceeds the maximum token lifetime of 90 days"):
        cli("tokens", "create", "--lifetime-seconds", "7776001")
    with refused('Some values are not allowed: {"maxTokenLifetimeDays":"731"}'):
        cli("workspace-conf", "set-status", "--json", '{"maxTokenLifetimeDays": "731"}')
    with refused(r'Invalid keys: \["enableNothing"\]'):
        cli("workspace-conf", "get-status", "enableNothing")


@pytest.mark.usefixtures("server")
def test_an_administrator_lists_filters_and_deletes(cli):
    """Requirements R49 and R50, with their exit codes."""
    ci = cli.json("service-principals", "create", "--display-name", "ci", "--active")
    created = cli.json("token-management", "create-obo-token", ci["applicationId"], "--comment", "nightly")
    token_id = created["token_info"]["token_id"]
    listed = cli.json("token-management", "list")
    assert {token["comment"] for token in listed} == {"dapi-mock admin token", "nightly"}
    assert f"{token_id}  {ADMIN}  nightly\n" in cli("token-management", "list")

    me = cli.json("current-user", "me")
    assert cli.json("token-management", "list", "--created-by-username", ADMIN) == listed
    assert cli.json("token-management", "list", "--created-by-id", me["id"]) == listed
    both = ["--created-by-id", me["id"], "--created-by-username", ADMIN]
    assert cli.json("token-management", "list", *both) == listed
    assert cli.json("token-management", "list", "--created-by-username", "nobody@example.com") == []
    assert cli.json("token-management", "list", "--created-by-id", ci["id"]) == []
    assert cli.json("token-management", "get", token_id)["token_info"] in listed

    mine = {"DATABRICKS_TOKEN": created["token_value"]}
    with refused(f"Requesting user '{ci['applicationId']}' is not an admin."):
        cli("token-management", "list", **mine)
    assert cli("token-management", "delete", token_id) == ""
    with refused(f"Token with ID {token_id} does not exist"):
        cli("token-management", "delete", token_id)
    with refused("Invalid access token."):
        cli("tokens", "list", **mine)


@pytest.mark.usefixtures("server")
def test_permissions(cli):
    ci = cli.json("service-principals", "create", "--display-name", "ci", "--active")
    token = cli.json("token-management", "create-obo-token", ci["applicationId"])["token_value"]

    def holders(permissions):
        names = ("user_name", "group_name", "service_principal_name")
        return {
            next(entry[name] for name in names if name in entry): entry["all_permissions"][0]["permission_level"]
            for entry in permissions["access_control_list"]
        }

    at_first = cli.json("permissions", "get", "authorization", "tokens")
    assert holders(at_first) == {"users": "CAN_USE", "admins": "CAN_MANAGE"}
    assert holders(cli.json("token-management", "get-permissions")) == holders(at_first)
    admins = {"group_name": "admins", "permission_level": "CAN_MANAGE"}

    def body(*entries):
        return json.dumps({"access_control_list": entries})

    with refused("Cannot change permissions for group 'admins' to None."):
        cli("permissions", "set", "authorization", "tokens", "--json", body())
    assert cli.json("permissions", "get", "authorization", "tokens") == at_first
    nobody = cli.json("permissions", "set", "authorization", "tokens", "--json", body(admins))
    assert holders(nobody) == {"admins": "CAN_MANAGE"}
    with refused("User does not have permission to use tokens."):
        cli("tokens", "list", DATABRICKS_TOKEN=token)

    entry = {"service_principal_name": ci["applicationId"], "permission_level": "CAN_USE"}
    updated = cli.json("permissions", "update", "authorization", "tokens", "--json", body(entry))
    assert ci["applicationId"] in holders(updated)
    assert len(cli.json("tokens", "list", DATABRICKS_TOKEN=token)) == 1
    assert holders(cli.json("token-management", "set-permissions", "--json", body(entry, admins))) == {
        ci["applicationId"]: "CAN_USE",
        "admins": "CAN_MANAGE",
    }
    levels = cli.json("permissions", "get-permission-levels", "authorization", "tokens")["permission_levels"]
    assert [level["permission_level"] for level in levels] == ["CAN_USE", "CAN_MANAGE"]
    with refused(r"Principal: UserName\(nobody@example.com\) does not exist"):
        stranger = {"user_name": "nobody@example.com", "permission_level": "CAN_USE"}
        cli("permissions", "set", "authorization", "tokens", "--json", body(stranger, admins))


@pytest.mark.usefixtures("server")
def test_users_and_groups(cli):
    ann = cli.json("users", "create", "--user-name", "ann@example.com", "--display-name", "Ann", "--active")
    assert f"{ann['id']}  ann@example.com " in cli("users", "list", "--filter", 'userName sw "ann"')
    with refused("User with username ann@example.com already exists."):
        cli("users", "create", "--user-name", "ann@example.com")
    team = cli.json("groups", "create", "--display-name", "team")
    change = {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}
    cli("groups", "patch", team["id"], "--json", json.dumps({"Operations": [change]}))
    assert [member["value"] for member in cli.json("groups", "get", team["id"])["members"]] == [ann["id"]]
    cli("users", "update", ann["id"], "--user-name", "ann@example.com", "--display-name", "Anna", "--active")
    assert cli.json("users", "get", ann["id"])["displayName"] == "Anna"
    cli("groups", "delete", team["id"])
    cli("users", "delete", ann["id"])
    with refused(f"User with id {ann['id']} not found."):
        cli("users", "get", ann["id"])


@pytest.mark.usefixtures("server")
def test_disabled_tokens(cli, server):
    by_oauth = {"DATABRICKS_TOKEN": "", "DATABRICKS_CLIENT_ID": CLIENT_ID, "DATABRICKS_CLIENT_SECRET": server.client_secret}
    cli("workspace-conf", "set-status", "--json", '{"enableTokensConfig": "false"}')
    with refused("Invalid access token."):
        cli("current-user", "me")
    assert cli.json("current-user", "me", **by_oauth)["userName"] == CLIENT_ID
    with refused("Tokens are disabled."):
        cli("tokens", "create", **by_oauth)
    cli("workspace-conf", "set-status", "--json", '{"enableTokensConfig": "true"}', **by_oauth)
    assert cli.json("current-user", "me")["userName"] == ADMIN

    me = cli.json("current-user", "me", **by_oauth)["id"]
    secret = cli.json("service-principal-secrets-proxy", "create", me, **by_oauth)
    again = by_oauth | {"DATABRICKS_CLIENT_SECRET": secret["secret"]}
    assert cli.json("current-user", "me", **again)["id"] == me
    assert len(cli.json("service-principal-secrets-proxy", "list", me, **by_oauth)) == 2
    cli("service-principal-secrets-proxy", "delete", me, secret["id"], **by_oauth)


def test_what_is_retried(cli, server):
    for fault in ("rate_limited", "temporarily_unavailable"):
        server.own("POST", "/default/faults", {"name": fault})
        assert cli.json("current-user", "me")["userName"] == ADMIN
    server.own("POST", "/default/faults", {"effect": {"status": 500, "error_code": "INTERNAL_ERROR", "message": "No."}})
    with refused("INTERNAL_ERROR: No."):
        cli("current-user", "me")


@pytest.mark.usefixtures("server")
def test_a_route_that_is_not_emulated_is_refused_by_name(cli):
    with refused("No API found for 'GET /api/2.1/clusters/list'."):
        cli("clusters", "list")


def test_auth_describe_and_profiles(cli, server):
    described = cli.json("auth", "describe")
    assert (described["status"], described["username"]) == ("success", ADMIN)
    assert described["details"]["auth_type"] == "pat"
    assert described["details"]["configuration"]["workspace_id"]["value"] == WORKSPACE_ID

    config = Path("~/.databrickscfg").expanduser()
    config.write_text(f"[mock]\nhost = {server.host}\ntoken = {server.admin_token}\n")
    without = {"DATABRICKS_HOST": "", "DATABRICKS_TOKEN": ""}
    assert cli.json("current-user", "me", "-p", "mock", **without)["userName"] == ADMIN
    [profile] = cli.json("auth", "profiles", **without)["profiles"]
    assert (profile["name"], profile["valid"]) == ("mock", True)


@pytest.fixture
def browser(tmp_path, monkeypatch):
    """Writes the program that `BROWSER` runs; it only opens the given URL."""
    visit = "import sys, urllib.request\nassert urllib.request.urlopen(sys.argv[1]).status == 200\n"
    program = tmp_path / "browser"
    program.write_text(f"#!{sys.executable}\n{visit}")
    program.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(program))


@pytest.mark.usefixtures("browser")
def test_auth_login(cli, start_server):
    server = start_server(options=["--sign-in-as", ADMIN])
    cli("auth", "login", "--host", server.host, "--profile", "mock")
    profile = configparser.ConfigParser()
    profile.read(Path("~/.databrickscfg").expanduser())
    assert profile["mock"]["host"] == server.host
    assert profile["mock"]["auth_type"] == "databricks-cli"
    assert profile["mock"]["workspace_id"] == WORKSPACE_ID

    assert cli.json("current-user", "me", "-p", "mock")["userName"] == ADMIN
    token = cli.json("auth", "token", "-p", "mock")
    assert token["token_type"] == "Bearer"
    assert cli.json("auth", "describe", "-p", "mock")["details"]["auth_type"] == "databricks-cli"
    made = cli.json("tokens", "create", "--comment", "by OAuth", "-p", "mock")
    by_token = {"DATABRICKS_HOST": server.host, "DATABRICKS_TOKEN": made["token_value"]}
    assert cli.json("current-user", "me", **by_token)["userName"] == ADMIN

    # The cached access token is marked as expired, so the CLI gets another with the refresh token.
    cache = Path("~/.databricks/token-cache.json").expanduser()
    text = cache.read_text()
    assert token["access_token"] in text
    cache.write_text(text.replace(json.loads(text)["tokens"]["mock"]["expiry"], "2020-01-01T00:00:00Z"))
    assert cli.json("auth", "token", "-p", "mock")["access_token"] != token["access_token"]

    # The Python SDK can also sign in through the CLI.
    code = "from databricks.sdk import WorkspaceClient as W; print(W(profile='mock').current_user.me().user_name)"
    path = {"DATABRICKS_CLI_PATH": CLI}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | path, check=True)
    assert done.stdout.strip() == ADMIN

    cli("auth", "logout", "--profile", "mock", "--auto-approve")
    with pytest.raises(Failed):
        cli("current-user", "me", "-p", "mock")


def test_hosts_that_the_cli_refuses(cli, server):
    """The README warns of this."""
    with refused("must start with https://"):
        cli("configure", "--host", f"http://127.0.0.1:{server.port}", "--token")
    with pytest.raises(Failed, match="host must start with 'https://'"):
        cli("auth", "login", "--host", f"http://localhost:{server.port}", "--profile", "mock")


def test_two_workspaces_on_a_host(cli, server, tmp_path):
    """The first command caches which workspace the host serves while there is only one."""
    cli("current-user", "me")
    second = server.own("POST", "", {"id": 42, "ttl": "1h"})
    assert cli.json("tokens", "list", **second["env"]) != cli.json("tokens", "list")
    only_the_token = {"DATABRICKS_TOKEN": second["admin_token"]}
    with refused("Invalid access to Org"):
        cli("tokens", "list", **only_the_token)
    assert cli.json("tokens", "list", **only_the_token, DATABRICKS_CACHE_DIR=str(tmp_path / "another"))


@pytest.mark.usefixtures("server", "cli")
def test_the_examples_of_the_page(shell_examples, tmp_path):
    (tmp_path / "databricks").symlink_to(CLI)
    printed = shell_examples("cli", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert f"User: {ADMIN}\n" in printed
    assert "nightly job" in printed
    assert printed.rstrip().endswith("}")


def test_the_accounts_host(cli, start_server):
    server = start_server(options=["--account-port", "0"])
    with urllib.request.urlopen(f"{server.host}/_mock/v1/accounts/default/port", timeout=20) as answer:
        account = json.load(answer)
    credentials = {**account["env"], "DATABRICKS_CLIENT_ID": CLIENT_ID, "DATABRICKS_CLIENT_SECRET": server.client_secret}
    workspaces = cli.json("account", "workspaces", "list", **credentials)
    assert [str(workspace["workspace_id"]) for workspace in workspaces] == [WORKSPACE_ID]
    users = cli.json("account", "users", "list", **credentials)
    assert ADMIN in [user["userName"] for user in users]
    # The id may also be missing, because the host's metadata has it.
    del credentials["DATABRICKS_ACCOUNT_ID"]
    assert cli.json("account", "users", "list", **credentials) == users
