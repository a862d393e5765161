"""Tests of the account API with the official SDK, as an account admin that signs in with OAuth."""

from collections import Counter

import pytest
import requests
from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import BadRequest, NotFound, PermissionDenied, ResourceConflict, Unauthenticated
from databricks.sdk.service.iam import ComplexValue, Patch, PatchOp, WorkspacePermission

CLIENT_ID = "32743274-3274-4274-8274-327432743275"
ACCOUNT_ID = "32743274-3274-4274-8274-327432743274"
WORKSPACE_ID = 3274327432743274


@pytest.fixture
def client(server, monkeypatch):
    monkeypatch.delenv("DATABRICKS_TOKEN")

    def make(kind=AccountClient, **settings):
        if kind is AccountClient:
            settings["account_id"] = ACCOUNT_ID
        credentials = {"client_id": CLIENT_ID, "client_secret": server.client_secret}
        return kind(host=server.host, **{**credentials, **settings})

    return make


def member(resource):
    return ComplexValue(value=resource.id)


def test_workspaces(client):
    a = client()
    [workspace] = a.workspaces.list()
    assert (workspace.workspace_id, workspace.account_id) == (WORKSPACE_ID, ACCOUNT_ID)
    assert (workspace.workspace_status.value, workspace.pricing_tier.value) == ("RUNNING", "PREMIUM")
    assert a.workspaces.get(WORKSPACE_ID) == workspace
    with pytest.raises(NotFound):
        a.workspaces.get(99)


def test_the_life_of_a_user(client):
    a = client()
    ann = a.users.create(user_name="ann@example.com", display_name="Ann")
    assert a.users.get(ann.id) == ann
    assert [user.id for user in a.users.list(filter='userName eq "ann@example.com"')] == [ann.id]
    with pytest.raises(ResourceConflict, match="User with email ann@example.com already exists in this account"):
        a.users.create(user_name="ann@example.com")
    a.users.update(ann.id, user_name="ann@example.com", display_name="Anna", active=True)
    assert a.users.get(ann.id).display_name == "Anna"

    a.users.patch(ann.id, operations=[Patch(op=PatchOp.ADD, path="roles", value=[{"value": "account_admin"}])])
    assert [role.value for role in a.users.get(ann.id).roles] == ["account_admin"]
    take = Patch(op=PatchOp.REMOVE, path='roles[value eq "account_admin"]')
    a.users.patch(ann.id, operations=[take])
    assert a.users.get(ann.id).roles == []
    with pytest.raises(BadRequest, match="Cannot remove roles for"):
        [own] = a.service_principals.list(filter=f'applicationId eq "{CLIENT_ID}"')
        a.service_principals.patch(own.id, operations=[take])

    a.users.patch(ann.id, operations=[Patch(op=PatchOp.REPLACE, path="active", value=[{"value": "false"}])])
    assert a.users.get(ann.id).active is False
    a.users.delete(ann.id)
    with pytest.raises(NotFound, match=f"User with id {ann.id} not found."):
        a.users.get(ann.id)


def test_the_newer_clients_of_the_same_paths(client):
    a = client()
    ann = a.users_v2.create(user_name="ann@example.com", display_name="Ann")
    assert a.users_v2.get(ann.id) == ann
    ci = a.service_principals_v2.create(display_name="ci")
    team = a.groups_v2.create(display_name="team", members=[member(ann), member(ci)])
    assert sorted(m.display for m in a.groups_v2.get(team.id).members) == ["Ann", "ci"]
    assert [group.id for group in a.groups_v2.list()] == [team.id]
    a.groups_v2.patch(team.id, operations=[Patch(op=PatchOp.REMOVE, path=f'members[value eq "{ci.id}"]')])
    assert [m.value for m in a.groups_v2.get(team.id).members] == [ann.id]
    a.service_principals_v2.update(ci.id, application_id=ci.application_id, display_name="build")
    assert a.service_principals_v2.get(ci.id).display_name == "build"
    for api, resource in [(a.groups_v2, team), (a.service_principals_v2, ci), (a.users_v2, ann)]:
        api.delete(resource.id)
        with pytest.raises(NotFound):
            api.get(resource.id)


def test_workspace_assignments(client, server):
    a = client()
    ann = a.users.create(user_name="ann@example.com", display_name="Ann")
    ci = a.service_principals.create(display_name="ci")
    team = a.groups.create(display_name="team", members=[member(ann)])

    def assigned():
        rows = a.workspace_assignment.list(WORKSPACE_ID)
        return {row.principal.principal_id: [permission.value for permission in row.permissions] for row in rows}

    before = assigned()
    made = a.workspace_assignment.update(WORKSPACE_ID, int(team.id), permissions=[WorkspacePermission.USER])
    assert (made.principal.group_name, made.principal.display_name) == ("team", "team")
    a.workspace_assignment.update(WORKSPACE_ID, int(ci.id), permissions=[WorkspacePermission.ADMIN])
    assert assigned() == before | {int(team.id): ["USER"], int(ci.id): ["ADMIN"]}
    levels = a.workspace_assignment.get(WORKSPACE_ID).permissions
    assert {level.permission_level for level in levels} == {WorkspacePermission.USER, WorkspacePermission.ADMIN}

    secret = a.service_principal_secrets.create(ci.id).secret
    w = client(WorkspaceClient, client_id=ci.application_id, client_secret=secret)
    assert ann.id in [user.id for user in w.users.list()], "assigned through the team"
    token = w.tokens.create(comment="mine")

    a.workspace_assignment.delete(WORKSPACE_ID, int(ci.id))
    a.workspace_assignment.update(WORKSPACE_ID, int(team.id), permissions=[])
    assert assigned() == before
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        WorkspaceClient(host=server.host, token=token.token_value).current_user.me()
    with pytest.raises(PermissionDenied, match="Invalid access to Org"):
        w.current_user.me()


def test_a_personal_access_token_is_refused(server, monkeypatch):
    monkeypatch.delenv("DATABRICKS_TOKEN")
    a = AccountClient(host=server.host, account_id=ACCOUNT_ID, token=server.admin_token)
    with pytest.raises(Unauthenticated, match="Account APIs do not accept personal access tokens"):
        list(a.workspaces.list())


def test_a_script_counts_tokens_in_every_workspace(client, server):
    """Runs the script of account admins: the account has no list of tokens, so it asks one workspace after another."""
    a = client()
    own = requests.Session()
    second = own.post(f"{server.host}/_mock/v1/workspaces", json={"account_id": ACCOUNT_ID, "template": "leaky"}).json()
    elsewhere = own.post(f"{server.host}/_mock/v1/workspaces", json={}).json()
    own.post(f"{server.host}/_mock/v1/workspaces/{second['id']}/clock/advance", json={"by": "1d"})
    counts = Counter()
    for workspace in a.workspaces.list():
        w = client(WorkspaceClient, workspace_id=str(workspace.workspace_id))
        w.tokens.create(comment="made by the script")
        for token in w.token_management.list():
            assert token.workspace_id == workspace.workspace_id
            counts[workspace.workspace_id, token.created_by_username] += 1
    assert {workspace for workspace, _ in counts} == {WORKSPACE_ID, int(second["id"])}
    assert int(elsewhere["id"]) not in {workspace for workspace, _ in counts}, "belongs to another account"
    assert counts[WORKSPACE_ID, "admin@example.com"] == 1
    assert counts[WORKSPACE_ID, CLIENT_ID] == counts[int(second["id"]), CLIENT_ID] == 1
    assert counts[int(second["id"]), "erin.engineer@example.com"] == 2, "the third token has expired a day later"

    path = f"/_mock/v1/accounts/{ACCOUNT_ID}/token-report"
    report = own.get(server.host + path, headers=a.config.authenticate(), params={"limit": 1000}).json()["tokens"]
    assert Counter((row["workspace_id"], row["created_by_username"]) for row in report) == counts


def account_port(server, body=None):
    """Opens the account's host through the control API."""
    answer = requests.post(f"{server.host}/_mock/v1/accounts/default/port", json=body or {}, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()["host"]


def test_an_account_client_needs_only_the_accounts_host(server, monkeypatch):
    monkeypatch.delenv("DATABRICKS_TOKEN")
    host = account_port(server)
    a = AccountClient(host=host, client_id=CLIENT_ID, client_secret=server.client_secret)
    assert a.config.account_id == ACCOUNT_ID, "from the host's metadata"
    assert a.config.workspace_id is None
    assert [w.workspace_id for w in a.workspaces.list()] == [WORKSPACE_ID]
    assert "admin@example.com" in [user.user_name for user in a.users.list()]
    me = next(it for it in a.service_principals.list() if it.application_id == CLIENT_ID)
    created = a.service_principal_secrets.create(me.id, scopes=["sql", "scim"])
    assert created.scopes == ["sql", "scim"]

    w = WorkspaceClient(host=host, client_id=CLIENT_ID, client_secret=server.client_secret)
    with pytest.raises(NotFound, match="on the account's host"):
        list(w.tokens.list())


def test_the_accounts_port_is_open_from_the_start(start_server):
    server = start_server(options=["--account-port", "0"])
    ports = requests.get(f"{server.host}/_mock/v1/ports", timeout=20).json()["ports"]
    assert [row["account_id"] for row in ports] == [ACCOUNT_ID]
    a = AccountClient(host=ports[0]["host"], client_id=CLIENT_ID, client_secret=server.client_secret)
    assert [w.workspace_id for w in a.workspaces.list()] == [WORKSPACE_ID]


def test_one_host_for_the_account_and_its_workspaces(start_server):
    server = start_server(options=["--host-type", "unified"])
    credentials = {"host": server.host, "client_id": CLIENT_ID, "client_secret": server.client_secret}
    a = AccountClient(**credentials)
    assert [w.workspace_id for w in a.workspaces.list()] == [WORKSPACE_ID]
    w = WorkspaceClient(**credentials, workspace_id=str(WORKSPACE_ID))
    assert w.current_user.me().user_name == CLIENT_ID
    assert w.config.account_id == ACCOUNT_ID
