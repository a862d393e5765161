"""Tests of OAuth M2M with the official SDK: a service principal with `client_id` and `client_secret` can do what a
token can do."""

import pytest
from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.service.iam import AutoscopeState

CLIENT_ID = "32743274-3274-4274-8274-327432743275"
ACCOUNT_ID = "32743274-3274-4274-8274-327432743274"


@pytest.fixture
def by_oauth(server, monkeypatch):
    monkeypatch.delenv("DATABRICKS_TOKEN")

    def client(kind=WorkspaceClient, client_secret=server.client_secret, **settings):
        return kind(host=server.host, client_id=CLIENT_ID, client_secret=client_secret, **settings)

    return client


def test_a_service_principal_signs_in_and_manages_its_tokens(by_oauth, server):
    w = by_oauth()
    assert w.config.auth_type == "oauth-m2m"
    assert w.current_user.me().user_name == CLIENT_ID

    created = w.tokens.create(comment="made by OAuth", lifetime_seconds=3600)
    token = WorkspaceClient(host=server.host, token=created.token_value)
    assert token.current_user.me() == w.current_user.me()
    assert [t.comment for t in w.tokens.list()] == ["made by OAuth"]

    w.tokens.delete(created.token_info.token_id)
    assert list(w.tokens.list()) == []
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        token.current_user.me()


def test_a_wrong_secret_is_an_invalid_client(by_oauth):
    w = by_oauth(client_secret="dose" + "0" * 32)
    with pytest.raises(ValueError, match="invalid_client: Client authentication failed"):
        w.current_user.me()


def test_scopes_limit_a_client(by_oauth):
    w = by_oauth(scopes=["scim"])
    assert w.current_user.me().user_name == CLIENT_ID
    with pytest.raises(PermissionDenied, match="does not have required scopes: scim"):
        by_oauth(scopes=["sql"]).current_user.me()
    with pytest.raises(PermissionDenied, match="does not have required scopes: authentication"):
        list(w.tokens.list())


def test_secrets_through_the_workspace(by_oauth):
    w = by_oauth()
    me = w.current_user.me().id
    proxy = w.service_principal_secrets_proxy
    created = proxy.create(me, lifetime="3600s")
    assert created.secret.startswith("dose") and created.status == "ACTIVE"
    listed = {secret.id: secret for secret in proxy.list(me)}
    assert len(listed) == 2
    assert listed[created.id].secret_hash == created.secret_hash

    second = by_oauth(client_secret=created.secret)
    assert second.current_user.me().id == me

    proxy.delete(me, created.id)
    assert [secret.id for secret in proxy.list(me)] == [id for id in listed if id != created.id]
    with pytest.raises(ValueError, match="invalid_client"):
        by_oauth(client_secret=created.secret).current_user.me()
    with pytest.raises(NotFound):
        proxy.delete(me, created.id)


def test_secrets_through_the_account(by_oauth):
    me = by_oauth().current_user.me().id
    account = by_oauth(AccountClient, account_id=ACCOUNT_ID)
    created = account.service_principal_secrets.create(me)
    assert created.id in [secret.id for secret in account.service_principal_secrets.list(me)]
    account.service_principal_secrets.delete(me, created.id)


@pytest.mark.parametrize("level", ["account", "workspace"])
def test_a_secret_grants_its_scopes_and_no_others(by_oauth, level):
    me = by_oauth().current_user.me().id
    if level == "account":
        secrets = by_oauth(AccountClient, account_id=ACCOUNT_ID).service_principal_secrets
    else:
        secrets = by_oauth().service_principal_secrets_proxy
    created = secrets.create(me, scopes=["sql", "settings"])
    assert created.scopes == ["sql", "settings"]
    listed = {secret.id: secret.scopes for secret in secrets.list(me)}
    assert listed[created.id] == ["sql", "settings"] and list(listed.values()).count(None) == 1

    # The SDK requests all APIs by default.
    unaware = by_oauth(client_secret=created.secret)
    with pytest.raises(ValueError, match=f"Scopes 'all-apis' are not assigned to the client {CLIENT_ID}"):
        unaware.current_user.me()
    w = by_oauth(client_secret=created.secret, scopes=["settings"])
    assert w.workspace_conf.get_status("maxTokenLifetimeDays") == {"maxTokenLifetimeDays": None}
    with pytest.raises(PermissionDenied, match="does not have required scopes: authentication"):
        list(w.tokens.list())
    with pytest.raises(ValueError, match="Scopes 'jobs' are not assigned"):
        by_oauth(client_secret=created.secret, scopes=["sql", "jobs"]).current_user.me()


def test_auto_scoping_narrows_a_token_to_what_it_used(server):
    admin = WorkspaceClient(host=server.host, token=server.admin_token)
    created = admin.tokens.create(autoscope_enabled=True)
    w = WorkspaceClient(host=server.host, token=created.token_value)
    w.workspace_conf.get_status("maxTokenLifetimeDays")
    server.own("POST", "/default/clock/advance", {"until": "token.autoscoped"})
    info = next(it for it in admin.token_management.list() if it.token_id == created.token_info.token_id)
    assert (info.autoscope_state, info.scopes, info.inferred_scopes) == (
        AutoscopeState.AUTOSCOPE_STATE_COMPLETED,
        ["settings"],
        ["settings"],
    )
    assert w.workspace_conf.get_status("maxTokenLifetimeDays") == {"maxTokenLifetimeDays": None}
    with pytest.raises(PermissionDenied):
        list(w.tokens.list())
