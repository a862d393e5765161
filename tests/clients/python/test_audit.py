"""Tests of the audit log in its three shapes: causes every possible action, validates the lines against docs/schemas,
and checks the results of public detection rules."""

import base64
import hashlib
import json
import secrets
import sqlite3
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from conftest import REPOSITORY
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

HOUR, DAY = 3_600_000, 86_400_000
QUOTA = 600
SHAPES = ["system_table", "delivery", "azure"]
TOKEN, MANAGEMENT = "/api/2.0/token", "/api/2.0/token-management"
PERMISSIONS, CONF = "/api/2.0/permissions/authorization/tokens", "/api/2.0/workspace-conf"
RESTRICTION = "/api/2.0/settings/types/restrict_workspace_admins/names/default"
SCIM = "/api/2.0/preview/scim/v2"
ACCOUNT_SCIM = "/api/2.0/account/scim/v2"


def in_the_text(validator, schema, instance, _):
    """Validates contentSchema, which describes a string's content and which validators ignore by default."""
    yield from validator.descend(json.loads(instance), schema)


Validator = extend(Draft202012Validator, {"contentSchema": in_the_text})


class Mock:
    """A server, its database file, and calls to it."""

    def __init__(self, server, path):
        self.server, self.path = server, path

    def ask(self, method, path, body=None, token=None, status=200):
        headers = {"Authorization": f"Bearer {token or self.server.admin_token}"}
        answer = requests.request(method, self.server.host + path, json=body, headers=headers, timeout=20)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def own(self, method, path, body=None):
        return self.ask(method, f"/_mock/v1/workspaces/default/{path}", body)

    def create(self, **body):
        made = self.ask("POST", f"{TOKEN}/create", body)
        return made["token_value"], made["token_info"]["token_id"]

    def token_of(self, name):
        """Inserts a token into the database, for a principal that cannot create one through the API."""
        value = f"dapi{secrets.token_hex(16)}"
        token_id = hashlib.sha256(value.encode()).hexdigest()
        with sqlite3.connect(self.path, timeout=10) as database:
            database.execute(
                """INSERT INTO tokens (token_id, workspace_id, owner_id, created_by_id, created_by_username, comment,
                     creation_time, idle_from)
                   SELECT ?, w.workspace_id, p.principal_id, p.principal_id, p.name, 'seed', t.now, t.now
                   FROM workspaces w, principals p, (SELECT MAX(creation_time) AS now FROM tokens) t WHERE p.name = ?""",
                (token_id, name),
            )
        return value

    def audit(self, shape="delivery", **query):
        path = f"{self.server.host}/_mock/v1/workspaces/default/audit"
        answer = requests.get(path, {"shape": shape, **query}, timeout=20)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture
def mock(start_server, tmp_path):
    path = tmp_path / "mock.db"
    return Mock(start_server(f"sqlite:{path}"), path)


def cause_identities(mock):
    user = mock.ask("POST", f"{SCIM}/Users", {"userName": "bob@example.com"}, status=201)
    principal = mock.ask("POST", f"{SCIM}/ServicePrincipals", {"displayName": "ci"}, status=201)
    group = mock.ask("POST", f"{SCIM}/Groups", {"displayName": "team"}, status=201)
    admins = mock.ask("GET", f'{SCIM}/Groups?filter=displayName eq "admins"')["Resources"][0]
    add = {"Operations": [{"op": "add", "path": "members", "value": [{"value": user["id"]}]}]}
    remove = {"Operations": [{"op": "remove", "path": f'members[value eq "{user["id"]}"]'}]}
    for of in (group, admins):
        mock.ask("PATCH", f"{SCIM}/Groups/{of['id']}", add)
        mock.ask("PATCH", f"{SCIM}/Groups/{of['id']}", remove)
    for active in (False, True):
        change = {"Operations": [{"op": "replace", "path": "active", "value": active}]}
        mock.ask("PATCH", f"{SCIM}/Users/{user['id']}", change)
    account_admin = mock.token_of("account-admin@example.com")
    for op in ("add", "remove"):
        change = {"Operations": [{"op": op, "path": "roles", "value": [{"value": "account_admin"}]}]}
        mock.ask("PATCH", f"{ACCOUNT_SCIM}/Users/{user['id']}", change, account_admin)
    bob = mock.token_of("bob@example.com")
    on_behalf = {"application_id": principal["applicationId"], "lifetime_seconds": 3600}
    its_token = mock.ask("POST", f"{MANAGEMENT}/on-behalf-of/tokens", on_behalf)["token_value"]
    mock.ask("GET", f"{TOKEN}/list", token=its_token)
    return bob, [f"{SCIM}/ServicePrincipals/{principal['id']}", f"{SCIM}/Groups/{group['id']}", f"{SCIM}/Users/{user['id']}"]


def cause_refusals(mock, bob):
    """Makes forbidden and invalid requests, each of which must be in the log with its status."""
    unknown = "0" * 64
    for method, path, body, status in [
        ("POST", f"{TOKEN}/create", {"lifetime_seconds": 0}, 400),
        ("POST", f"{TOKEN}/delete", {"token_id": unknown}, 404),
        ("PATCH", f"{TOKEN}/{unknown}", {"token": {"comment": "x"}, "update_mask": "comment"}, 404),
        ("PATCH", CONF, {"maxTokenLifetimeDays": "731"}, 400),
        ("PATCH", RESTRICTION, {}, 403),
        ("POST", f"{SCIM}/Users", {"userName": "bob@example.com"}, 409),
        ("DELETE", f"{SCIM}/Groups/12", None, 404),
    ]:
        mock.ask(method, path, body, status=status)
    for method, path in [("PATCH", CONF), ("PUT", PERMISSIONS), ("DELETE", f"{MANAGEMENT}/tokens/{unknown}")]:
        mock.ask(method, path, {}, bob, 403)
    for name in ("Users", "Groups", "ServicePrincipals"):
        mock.ask("POST", f"{SCIM}/{name}", {}, bob, 403)
    for _ in range(12):
        mock.ask("GET", f"{TOKEN}/list", token="dapi" + "f" * 32, status=403)


def cause_oauth(mock):
    """Signs a person in, and gets an access token of a service principal."""
    verifier = "v" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    client = {"client_id": "databricks-cli", "redirect_uri": "http://localhost:8020"}
    query = {"response_type": "code", "code_challenge": challenge, "code_challenge_method": "S256"}
    url = f"{mock.server.host}/oidc/v1/authorize"
    hint = {"login_hint": "admin@example.com"}
    back = requests.get(url, {**client, **query, **hint}, allow_redirects=False, timeout=20).headers["Location"]
    code = parse_qs(urlsplit(back).query)["code"][0]
    code = {**client, "grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    machine = {"grant_type": "client_credentials", "client_id": "32743274-3274-4274-8274-327432743275"}
    for form in (code, {**machine, "client_secret": mock.server.client_secret}):
        answer = requests.post(f"{mock.server.host}/oidc/v1/token", form, timeout=20)
        assert answer.ok, answer.text


def cause_everything(mock):
    bob, leaving = cause_identities(mock)
    cause_oauth(mock)
    _, by_owner = mock.create(comment="by owner", lifetime_seconds=100 * 86_400)
    _, by_admin = mock.create(comment="by admin")
    mock.ask("PATCH", f"{TOKEN}/{by_owner}", {"token": {"comment": "changed"}, "update_mask": "comment"})
    mock.ask("POST", f"{TOKEN}/delete", {"token_id": by_owner})
    mock.ask("DELETE", f"{MANAGEMENT}/tokens/{by_admin}")
    acl = [{"group_name": "users", "permission_level": "CAN_USE"}, {"user_name": "bob@example.com", "permission_level": "CAN_USE"}]
    admins = [{"group_name": "admins", "permission_level": "CAN_MANAGE"}]
    mock.ask("PUT", PERMISSIONS, {"access_control_list": acl + admins})
    mock.ask("PUT", PERMISSIONS, {"access_control_list": acl[:1] + admins})
    mock.ask("PATCH", CONF, {"maxTokenLifetimeDays": "90", "enableTokensConfig": "true"}, status=204)
    mock.own("PATCH", "conf", {"maxTokenLifetimeDays": "0"})
    setting = mock.ask("GET", RESTRICTION)
    setting["restrict_workspace_admins"]["status"] = "RESTRICT_TOKENS_AND_JOB_RUN_AS"
    change = {"allow_missing": True, "setting": setting, "field_mask": "restrict_workspace_admins.status"}
    mock.ask("PATCH", RESTRICTION, change, mock.token_of("account-admin@example.com"))
    cause_refusals(mock, bob)
    for path in leaving:
        mock.ask("DELETE", path, status=204)
    used, _ = mock.create(comment="used, then vacuumed", lifetime_seconds=60)
    mock.ask("GET", f"{TOKEN}/list", token=used)
    mock.create(comment="never used, then vacuumed", lifetime_seconds=60)
    mock.create(comment="idle")
    mock.own("POST", "clock/advance", {"by": "61s"})
    mock.ask("GET", f"{TOKEN}/list", token=used, status=403)
    for days in (80, 15):
        mock.own("POST", "clock/advance", {"by": f"{days}d"})
        mock.ask("GET", f"{TOKEN}/list")
    for _ in range(QUOTA - len(mock.ask("GET", f"{TOKEN}/list")["token_infos"])):
        mock.create()
    mock.ask("POST", f"{TOKEN}/create", {}, status=400)


def schema_of(shape):
    return json.loads((REPOSITORY / f"docs/schemas/audit-{shape}.schema.json").read_text())


def test_every_action_in_every_shape_fits_its_schema(mock):
    cause_everything(mock)
    actions = schema_of("delivery")["properties"]["actionName"]["enum"]
    seen = {shape: mock.audit(shape) for shape in SHAPES}
    lines = seen["delivery"]
    assert {line["actionName"] for line in lines} == set(actions), "the log must have every action, and no other"
    succeeded = {line["actionName"] for line in lines if line["response"]["statusCode"] == 200}
    assert succeeded == set(actions) - {"reachMaxQuotaDbToken"}
    refused = {line["actionName"] for line in lines if line["response"]["statusCode"] >= 400}
    assert refused >= {"generateDbToken", "revokeDbToken", "updateDbToken", "changeDbTokenAcl", "workspaceConfEdit"}
    assert refused >= {"setSetting", "tokenLogin", "add", "createGroup", "removeGroup", "reachMaxQuotaDbToken"}
    assert {line["userIdentity"]["email"] for line in lines} >= {"admin@example.com", "System-User", "unknown"}

    for shape in SHAPES:
        Validator.check_schema(schema_of(shape))
        validator = Validator(schema_of(shape))
        assert len(seen[shape]) == len(lines)
        for line in seen[shape]:
            errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(line)]
            assert not errors, f"{shape}: {errors}\n{line}"
    levels = {row["workspace_id"] == "0": row["audit_level"] for row in seen["system_table"]}
    assert levels == {True: "ACCOUNT_LEVEL", False: "WORKSPACE_LEVEL"}
    # The same event in three shapes.
    for row, line, record in zip(*(seen[shape] for shape in SHAPES)):
        assert row["request_params"] == line["requestParams"] == json.loads(record["properties"]["requestParams"])
        assert row["action_name"] == line["actionName"] == record["properties"]["actionName"]
        assert row["event_id"] == record["properties"]["logId"]
        assert row["response"]["status_code"] == str(line["response"]["statusCode"])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_schemas_are_strict(mock, shape):
    """Checks that the schemas reject wrong lines."""
    mock.create()
    validator = Validator(schema_of(shape))
    [line] = mock.audit(shape, action="generateDbToken")
    params = {"system_table": "request_params", "delivery": "requestParams"}.get(shape)
    assert validator.is_valid(line)
    for key in line:
        assert not validator.is_valid({name: value for name, value in line.items() if name != key}), key
    assert not validator.is_valid({**line, "surprise": 1})
    if params:
        for wrong in ({**line[params], "surprise": "x"}, {**line[params], "userId": 1}, {}):
            assert not validator.is_valid({**line, params: wrong})
    else:
        wrong = json.loads(json.dumps(line))
        wrong["properties"]["requestParams"] = '{"userId": 1}'
        assert not validator.is_valid(wrong)


def long_lifetime(line):
    """Panther's rule long_lifetime_token_generated: returns its severity, or None if it does not fire."""
    if line["actionName"] != "generateDbToken" or line["response"]["statusCode"] != 200:
        return None
    lifetime = int(line["requestParams"]["tokenExpirationTime"]) - line["timestamp"]
    for severity, threshold in [("HIGH", 365 * DAY), ("MEDIUM", 90 * DAY), ("LOW", 72 * HOUR)]:
        if lifetime > threshold:
            return severity
    return None


def test_long_lifetimes_are_detected_except_in_the_blind_spot(mock):
    for seconds in (3600, 72 * 3600, 73 * 3600, 91 * 86_400, 366 * 86_400):
        mock.create(lifetime_seconds=seconds)
    lines = mock.audit(action="generateDbToken")
    assert [long_lifetime(line) for line in lines] == [None, None, "LOW", "MEDIUM", "HIGH"]
    # A token without expiry, possible until December 2024, has -1, which the rule takes for a short lifetime.
    forever = lines[0]
    forever["requestParams"]["tokenExpirationTime"] = "-1"
    assert Validator(schema_of("delivery")).is_valid(forever)
    assert long_lifetime(forever) is None


def test_repeated_failed_logins_are_counted_by_status(mock):
    value, token_id = mock.create(lifetime_seconds=60)
    mock.own("POST", "clock/advance", {"by": "60s"})
    for _ in range(5):
        mock.ask("GET", f"{TOKEN}/list", token=value, status=403)
        mock.ask("GET", f"{TOKEN}/list", token="dapi" + "f" * 32, status=403)
    rows = [row for row in mock.audit("system_table", action="tokenLogin") if row["response"]["status_code"] in ("401", "403")]
    assert Counter(row["user_identity"]["email"] for row in rows) == {"admin@example.com": 5, "unknown": 5}
    assert Counter(row["source_ip_address"] for row in rows) == {"127.0.0.1": 10}
    assert Counter(row["request_params"]["tokenId"] for row in rows)[token_id] == 5
    assert all(row["response"]["error_message"] == "Invalid access token." for row in rows)


def test_generated_and_never_ended_is_what_the_list_shows(mock):
    """Joins on tokenHash, as queries do, over tokens that were revoked manually or for disuse."""
    [(_, revoked), (_, kept), (_, expired)] = [mock.create(), mock.create(), mock.create(lifetime_seconds=60)]
    mock.ask("POST", f"{TOKEN}/delete", {"token_id": revoked})
    mock.own("POST", "clock/advance", {"by": "31d"})
    mock.ask("GET", f"{TOKEN}/list")

    def open_tokens():
        lines = [line for line in mock.audit() if line["response"]["statusCode"] == 200]
        params = {name: [line["requestParams"] for line in lines if line["actionName"] == name] for name in
                  ("generateDbToken", "revokeDbToken", "garbageCollectDbToken")}
        ended = {of["tokenHash"] for of in params["revokeDbToken"]} | {of["tokenClientId"] for of in params["garbageCollectDbToken"]}
        return {of["tokenHash"] for of in params["generateDbToken"]} - ended

    def listed():
        rows = mock.ask("GET", f"{MANAGEMENT}/tokens")["token_infos"]
        return {row["token_id"] for row in rows} - {hashlib.sha256(mock.server.admin_token.encode()).hexdigest()}

    assert open_tokens() == listed() == {kept}
    mock.own("POST", "clock/advance", {"by": "60d"})
    assert open_tokens() == listed() == set(), "90 days without use"
