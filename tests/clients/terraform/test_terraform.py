"""Tests of the official Terraform provider: apply, empty plan, change, import, drift, destroy."""

import json
import os
import re
import select
import socket
import socketserver
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest
from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import PermissionDenied
from databricks.sdk.service import iam

ADMIN = "admin@example.com"
ACCOUNT_ID = "32743274-3274-4274-8274-327432743274"
CLIENT_ID = "32743274-3274-4274-8274-327432743275"
WORLD = Path(__file__).with_name("world.tf").read_text()
PROVIDERS = 'terraform {\n  required_providers {\n    databricks = { source = "databricks/databricks" }\n  }\n}\n'


class Failed(Exception):
    """The command failed. The message is what it wrote to standard error, in one line."""


@pytest.fixture
def terraform(tmp_path, monkeypatch):
    """terraform(CONFIGURATION)(ARGUMENTS…): runs a command on that configuration and returns what it printed."""
    settings = tmp_path / "settings.tfrc"
    overrides = f'dev_overrides {{ "databricks/databricks" = "{Path(os.environ["PROVIDER"]).parent}" }}'
    settings.write_text(f"provider_installation {{\n  {overrides}\n}}\n")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(settings))

    def configured(text):
        folder = tmp_path / f"configuration-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "main.tf").write_text(text)

        def run(command, *arguments, **variables):
            options = ["-no-color", *(["-auto-approve"] if command in ("apply", "destroy") else [])]
            for name, value in variables.items():
                options.append(f"-var={name}={value if isinstance(value, str) else json.dumps(value)}")
            done = subprocess.run(
                [os.environ["TOFU"], command, *options, *arguments],
                cwd=folder, capture_output=True, text=True, timeout=120,
            )
            if done.returncode:
                raise Failed(" ".join(re.sub("[│╵╷]", "", done.stderr).split()))
            return done.stdout

        def output(name):
            done = subprocess.run([os.environ["TOFU"], "output", "-json", name], cwd=folder, capture_output=True, check=True)
            return json.loads(done.stdout)

        run.output = output
        return run

    return configured


@pytest.fixture
def by_oauth(server, monkeypatch):
    """Terraform uses the secret of the admin service principal, which disabling tokens cannot lock out."""
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", server.client_secret)


def unchanged(run, **variables):
    return "No changes." in run("plan", **variables)


def test_apply_plan_change_and_destroy(server, terraform):
    w = WorkspaceClient()
    run = terraform(WORLD)
    assert "Resources: 9 added, 0 changed, 0 destroyed." in run("apply")
    assert (run.output("me"), run.output("admins")) == (ADMIN, 2)
    assert unchanged(run)

    made = run.output("secrets")
    assert WorkspaceClient(token=made["token"]).current_user.me().user_name == ADMIN
    assert WorkspaceClient(token=made["obo"]).current_user.me().user_name == made["client"]
    client = WorkspaceClient(
        host=server.host, client_id=made["client"], client_secret=made["secret"], auth_type="oauth-m2m"
    )
    assert client.current_user.me().user_name == made["client"]
    assert w.workspace_conf.get_status("maxTokenLifetimeDays") == {"maxTokenLifetimeDays": "90"}
    [team] = w.groups.list(filter='displayName eq "team of Ann"')
    assert [member.display for member in team.members] == ["Ann"]
    acl = w.permissions.get("authorization", "tokens").access_control_list
    holders = {entry.group_name or entry.service_principal_name for entry in acl}
    assert holders == {"team of Ann", made["client"], "admins"}

    change = {"conf": {"maxTokenLifetimeDays": "30"}, "comment": "changed", "name": "Anna"}
    # This provider cannot change a comment, so it replaces the tokens.
    assert "Resources: 2 added, 5 changed, 2 destroyed." in run("apply", **change)
    assert unchanged(run, **change)
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        WorkspaceClient(token=made["token"]).current_user.me()
    assert "changed" in [token.comment for token in w.tokens.list()]

    assert "Resources: 9 destroyed." in run("destroy", **change)
    assert [token.comment for token in w.token_management.list()] == ["dapi-mock admin token"]
    assert w.workspace_conf.get_status("maxTokenLifetimeDays") == {"maxTokenLifetimeDays": ""}
    assert list(w.groups.list(filter='displayName sw "team"')) == []


@pytest.mark.usefixtures("by_oauth")
def test_with_oauth(terraform):
    conf = {"conf": {"enableTokensConfig": "true", "maxTokenLifetimeDays": "90"}}
    run = terraform(WORLD)
    assert "Resources: 9 added" in run("apply", **conf)
    assert run.output("me") == CLIENT_ID
    assert unchanged(run, **conf)
    assert "Resources: 9 destroyed." in run("destroy", **conf)
    # The provider leaves "false" where it had set a boolean.
    assert WorkspaceClient().workspace_conf.get_status("enableTokensConfig") == {"enableTokensConfig": "false"}


@pytest.mark.usefixtures("by_oauth")
def test_who_may_act_as_a_service_principal(terraform):
    run = terraform(PROVIDERS + """
variable "status" { default = "RESTRICT_TOKENS_AND_JOB_RUN_AS" }
variable "role" { default = "roles/servicePrincipal.user" }

resource "databricks_restrict_workspace_admins_setting" "this" {
  restrict_workspace_admins { status = var.status }
}

resource "databricks_user" "ann" { user_name = "ann@example.com" }

resource "databricks_service_principal" "ci" { display_name = "ci" }

resource "databricks_access_control_rule_set" "ci" {
  name = "accounts/32743274-3274-4274-8274-327432743274/servicePrincipals/${databricks_service_principal.ci.application_id}/ruleSets/default"
  grant_rules {
    principals = [databricks_user.ann.acl_principal_id]
    role       = var.role
  }
}
""")
    assert "Resources: 4 added" in run("apply")
    assert unchanged(run)
    change = {"status": "ALLOW_ALL", "role": "roles/servicePrincipal.manager"}
    assert "Resources: 0 added, 2 changed, 0 destroyed." in run("apply", **change)
    assert unchanged(run, **change)
    assert "Resources: 4 destroyed." in run("destroy", **change)


def test_managing_the_toggle_with_a_token_locks_the_client_out(server, terraform):
    """The provider resets "true" to "false" on destroy, and locks itself out, as on the real service."""
    run = terraform(PROVIDERS + 'resource "databricks_workspace_conf" "this" {\n'
                    '  custom_config = { enableTokensConfig = "true", maxTokenLifetimeDays = "90" }\n}\n')
    run("apply")
    with pytest.raises(Failed, match="cannot delete workspace conf: Invalid access token."):
        run("destroy")


def test_import(server, terraform):
    made = terraform(WORLD)
    made("apply")
    w = WorkspaceClient()
    [ann] = w.users.list(filter="userName eq ann@example.com")
    [team] = w.groups.list(filter='displayName eq "team of Ann"')
    [ci] = w.service_principals.list(filter='displayName eq "ci of Ann"')
    run = terraform(WORLD)
    for address, name in [
        ("databricks_user.ann", ann.id),
        ("databricks_group.team", team.id),
        ("databricks_group_member.ann", f"{team.id}|{ann.id}"),
        ("databricks_service_principal.ci", ci.id),
        ("databricks_permissions.tokens", "/authorization/tokens"),
    ]:
        assert "Import successful!" in run("import", address, name)
    targets = [f"-target={kind}" for kind in ("databricks_permissions.tokens", "databricks_group_member.ann")]
    assert "No changes." in run("plan", *targets)


def test_deleted_resources_are_recreated(server, terraform):
    w = WorkspaceClient()
    run = terraform(WORLD)
    run("apply")
    [its_token] = [token for token in w.token_management.list() if token.comment == "on behalf of Ann"]
    w.token_management.delete(its_token.token_id)
    assert "Plan: 1 to add, 0 to change, 0 to destroy." in run("plan")
    # A token on behalf of another stays readable after it expires, so the provider uses its own machine's clock.
    server.own("POST", "/default/clock/advance", {"by": "1h"})
    assert "Plan: 2 to add, 0 to change, 0 to destroy." in run("plan")
    w.workspace_conf.set_status({"maxTokenLifetimeDays": "7"})
    admins = iam.AccessControlRequest(group_name="admins", permission_level=iam.PermissionLevel.CAN_MANAGE)
    w.permissions.set("authorization", "tokens", access_control_list=[admins])
    assert "Resources: 3 added, 1 changed, 0 destroyed." in run("apply")


def test_existing_principals_are_adopted_on_demand(server, terraform):
    w = WorkspaceClient()
    user = w.users.create(user_name="ann@example.com", display_name="Before")
    w.groups.create(display_name="team")
    ci = w.service_principals.create(display_name="ci")
    text = PROVIDERS + (
        'resource "databricks_user" "ann" {\n  user_name = "ann@example.com"\n  display_name = "Ann"\nFORCE}\n'
        'resource "databricks_group" "team" {\n  display_name = "team"\nFORCE}\n'
        f'resource "databricks_service_principal" "ci" {{\n  application_id = "{ci.application_id}"\n'
        '  display_name = "ci"\nFORCE}\n'
    )
    with pytest.raises(Failed) as caught:
        terraform(text.replace("FORCE", ""))("apply")
    for refusal in (
        "User with username ann@example.com already exists.",
        "Group with name team already exists.",
        f"Service principal with application ID {ci.application_id} already exists.",
    ):
        assert refusal in str(caught.value)
    run = terraform(text.replace("FORCE", "  force = true\n"))
    assert "Resources: 3 added" in run("apply")
    assert w.users.get(user.id).display_name == "Ann"
    assert "No changes." in run("plan")


@pytest.mark.parametrize(
    "resource, arguments, text",
    [
        ("token", "lifetime_seconds = 63072001", "exceeds the maximum token lifetime of 730 days"),
        ("obo_token", f'application_id = "{"0" * 8}-0000-4000-8000-{"0" * 12}"', "does not exist"),
        ("workspace_conf", 'custom_config = { maxTokenLifetimeDays = "731" }', "Some values are not allowed"),
        ("workspace_conf", 'custom_config = { enableNothing = "true" }', 'some new keys are invalid: enableNothing'),
        (
            "permissions",
            'authorization = "tokens"\n access_control {\n user_name = "nobody@example.com"\n'
            ' permission_level = "CAN_USE"\n }',
            "Principal: UserName(nobody@example.com) does not exist",
        ),
    ],
)
def test_refusals(server, terraform, resource, arguments, text):
    run = terraform(f'{PROVIDERS}resource "databricks_{resource}" "it" {{\n {arguments}\n}}\n')
    with pytest.raises(Failed) as caught:
        run("apply")
    assert text in str(caught.value)


def test_the_provider_waits_out_rate_limits(server, terraform):
    server.own("POST", "/default/faults", {"name": "rate_limited", "times": 2})
    server.own("POST", "/default/faults", {"name": "temporarily_unavailable", "times": 1})
    run = terraform(PROVIDERS + 'resource "databricks_token" "it" {\n  comment = "late"\n}\n')
    assert "Resources: 1 added" in run("apply")
    assert [token.comment for token in WorkspaceClient().tokens.list()][1:] == ["late"]


def test_each_workspace_of_a_host_has_its_own(server, terraform, monkeypatch):
    second = server.own("POST", "", {"id": 42, "ttl": "1h"})
    for name, value in second["env"].items():
        monkeypatch.setenv(name, value)
    run = terraform(WORLD)
    assert "Resources: 9 added" in run("apply")
    assert unchanged(run)
    first = WorkspaceClient(token=server.admin_token, workspace_id="3274327432743274")
    assert len(list(first.token_management.list())) == 1


def test_the_example_of_the_page(server, terraform, examples):
    [text] = examples("terraform", "hcl")
    run = terraform(text)
    assert "Resources: 4 added" in run("apply")
    assert unchanged(run)
    assert "Resources: 4 destroyed." in run("destroy")


class Tunnel(socketserver.BaseRequestHandler):
    """A proxy that sends every CONNECT to the server, so that a client reaches it by a name that does not resolve."""

    def handle(self):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        with socket.create_connection(("127.0.0.1", self.server.upstream)) as upstream:
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            to = {self.request: upstream, upstream: self.request}
            while True:
                for ready in select.select(list(to), [], [])[0]:
                    if not (data := ready.recv(65536)):
                        return
                    to[ready].sendall(data)


@pytest.fixture
def accounts_host(start_server, tmp_path, monkeypatch):
    """Serves as https://accounts.test, because this version of the provider ignores the host's metadata."""
    server = start_server(options=["--tls-name", "accounts.test"])
    with urllib.request.urlopen(f"{server.host}/_mock/v1/tls/ca.pem", timeout=20) as answer:
        ca = tmp_path / "ca.pem"
        ca.write_bytes(answer.read())
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as proxy:
        proxy.daemon_threads, proxy.upstream = True, server.port
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        monkeypatch.setenv("DATABRICKS_HOST", "https://accounts.test")
        monkeypatch.setenv("DATABRICKS_CLIENT_ID", CLIENT_ID)
        monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", server.client_secret)
        yield server
        proxy.shutdown()


def test_the_accounts_host(terraform, accounts_host):
    """Uses no `api = "account"` and no account id, because the host's metadata has them."""
    run = terraform(
        PROVIDERS
        + """
resource "databricks_user" "ann" {
  user_name = "ann@example.com"
}
resource "databricks_group" "team" {
  display_name = "team"
}
resource "databricks_group_member" "ann" {
  group_id  = databricks_group.team.id
  member_id = databricks_user.ann.id
}
data "databricks_user" "ann" {
  user_name  = "ann@example.com"
  depends_on = [databricks_user.ann]
}
output "ids" {
  value = [databricks_user.ann.id, data.databricks_user.ann.id]
}
"""
    )
    assert "Resources: 3 added" in run("apply")
    assert unchanged(run)
    made, read = run.output("ids")
    assert made == read
    account = AccountClient(
        host=accounts_host.host, account_id=ACCOUNT_ID, client_id=CLIENT_ID, client_secret=accounts_host.client_secret
    )
    assert account.users.get(made).user_name == "ann@example.com", "the account must have the user"
    assert "Resources: 3 destroyed" in run("destroy")
