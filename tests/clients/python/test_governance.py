"""Manages tokens with the official SDK, following the article "Monitor and manage access to personal access tokens"."""

import time

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.common.types.fieldmask import FieldMask
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
    ResourceConflict,
    ResourceDoesNotExist,
)
from databricks.sdk.service import iam
from databricks.sdk.service.iam import Patch, PatchOp
from databricks.sdk.service.settings import (
    RestrictWorkspaceAdminsMessage,
    RestrictWorkspaceAdminsMessageStatus,
    RestrictWorkspaceAdminsSetting,
    TokenAccessControlRequest,
    TokenInfo,
    TokenPermissionLevel,
)

CLIENT_ID = "32743274-3274-4274-8274-327432743275"
DAY = 86_400
CAN_USE = TokenPermissionLevel.CAN_USE
USE = ("CAN_USE", False)
MANAGE = ("CAN_MANAGE", False)
# The SDK's enum of token permissions lacks CAN_MANAGE, so the SDK drops it; the generic enum has it.
UNNAMED = (None, False)


@pytest.fixture
def w(server):
    """The workspace admin, with a token."""
    return WorkspaceClient()


@pytest.fixture
def by_oauth(server):
    """The admin service principal, or another one, with OAuth: disabling tokens does not lock it out."""

    def client(client_id=CLIENT_ID, client_secret=server.client_secret):
        # auth_type is needed because the environment of the other clients has a token.
        return WorkspaceClient(
            host=server.host, client_id=client_id, client_secret=client_secret, auth_type="oauth-m2m"
        )

    return client


def blocked(token, text):
    with pytest.raises(PermissionDenied) as caught:
        WorkspaceClient(token=token).current_user.me()
    assert text in str(caught.value)


def works(token):
    return WorkspaceClient(token=token).current_user.me()


def holders(permissions):
    found = {}
    for entry in permissions.access_control_list:
        [permission] = entry.all_permissions
        name = entry.user_name or entry.group_name or entry.service_principal_name
        level = permission.permission_level
        found[name] = (level.value if level else None, permission.inherited)
    return found


def test_the_articles_listing(w):
    ci = w.service_principals.create(display_name="ci")
    w.token_management.create_obo_token(ci.application_id, lifetime_seconds=7 * DAY)
    time.sleep(0.002)  # Gives the next token another creation time.
    w.tokens.create(comment="second", lifetime_seconds=DAY)

    tokens_list = [token.as_dict() for token in w.token_management.list()]
    tokens = sorted(tokens_list, key=lambda x: x["creation_time"])

    assert [token["comment"] for token in tokens] == ["dapi-mock admin token", "", "second"]
    me = w.current_user.me()
    assert [token["owner_id"] for token in tokens] == [int(me.id), int(ci.id), int(me.id)]
    for token in tokens:
        assert token["created_by_id"] == int(me.id)
        assert token["created_by_username"] == me.user_name
        assert token["workspace_id"] == w.get_workspace_id()
        assert token["creation_time"] < token["expiry_time"] <= token["creation_time"] + 730 * DAY * 1000
    # Only the calling token has been used.
    assert [token.get("last_used_day", 1) % (DAY * 1000) for token in tokens] == [0, 1, 1]


def test_filters_by_creator(w):
    me = w.current_user.me()
    ci = w.service_principals.create(display_name="ci")
    w.token_management.create_obo_token(ci.application_id)
    assert len(list(w.token_management.list(created_by_id=int(me.id)))) == 2
    assert len(list(w.token_management.list(created_by_username=me.user_name))) == 2
    assert list(w.token_management.list(created_by_id=int(ci.id))) == []
    assert list(w.token_management.list(created_by_username="nobody@example.com")) == []


def test_an_admin_gets_updates_and_revokes_any_token(w):
    ci = w.service_principals.create(display_name="ci")
    created = w.token_management.create_obo_token(ci.application_id, comment="nightly", lifetime_seconds=3600)
    token_id = created.token_info.token_id
    assert works(created.token_value).user_name == ci.application_id

    info = w.token_management.get(token_id).token_info
    [row] = [token for token in w.token_management.list() if token.token_id == token_id]
    assert info == row
    assert (info.comment, info.owner_id) == ("nightly", int(ci.id))
    assert info.expiry_time - info.creation_time == 3_600_000

    updated = w.token_management.update_token_management(token_id, TokenInfo(comment="daily"), FieldMask(["comment"]))
    assert updated.comment == "daily"
    assert w.token_management.get(token_id).token_info.comment == "daily"

    w.token_management.delete(token_id)
    blocked(created.token_value, "Invalid access token.")
    for call in (w.token_management.get, w.token_management.delete):
        with pytest.raises(ResourceDoesNotExist, match=f"Token with ID {token_id} does not exist"):
            call(token_id)


def test_only_admins_manage_tokens(w):
    ci = w.service_principals.create(display_name="ci")
    token = w.token_management.create_obo_token(ci.application_id).token_value
    mine = WorkspaceClient(token=token)
    text = f"Requesting user '{ci.application_id}' is not an admin."
    for call in (
        lambda: list(mine.token_management.list()),
        lambda: mine.token_management.create_obo_token(ci.application_id),
        lambda: mine.token_management.set_permissions(),
        lambda: mine.workspace_conf.get_status("maxTokenLifetimeDays"),
        lambda: mine.workspace_conf.set_status({"maxTokenLifetimeDays": "90"}),
    ):
        with pytest.raises(PermissionDenied) as caught:
            call()
        assert text in str(caught.value)


def test_the_maximum_lifetime(w):
    assert w.workspace_conf.get_status("maxTokenLifetimeDays") == {"maxTokenLifetimeDays": None}
    old = w.tokens.create(lifetime_seconds=400 * DAY)
    assert w.workspace_conf.set_status({"maxTokenLifetimeDays": "90"}) is None
    assert w.workspace_conf.get_status("maxTokenLifetimeDays") == {"maxTokenLifetimeDays": "90"}

    info = w.tokens.create().token_info
    assert info.expiry_time - info.creation_time == 90 * DAY * 1000
    with pytest.raises(InvalidParameterValue, match="90 days"):
        w.tokens.create(lifetime_seconds=90 * DAY + 1)
    assert w.token_management.get(old.token_info.token_id).token_info.expiry_time == old.token_info.expiry_time
    works(old.token_value)

    w.workspace_conf.set_status({"maxTokenLifetimeDays": "0"})
    info = w.tokens.create().token_info
    assert info.expiry_time - info.creation_time == 730 * DAY * 1000


def test_invalid_configuration_is_refused(w):
    with pytest.raises(BadRequest) as caught:
        w.workspace_conf.get_status("enableTokensConfig,enableNothing")
    assert str(caught.value) == 'Invalid keys: ["enableNothing"]'
    with pytest.raises(BadRequest) as caught:
        w.workspace_conf.set_status({"enableNothing": "true", "maxTokenLifetimeDays": "30"})
    assert str(caught.value) == 'Invalid keys: ["enableNothing"]'
    with pytest.raises(BadRequest) as caught:
        w.workspace_conf.set_status({"enableTokensConfig": "false", "maxTokenLifetimeDays": "731"})
    assert str(caught.value) == 'Some values are not allowed: {"maxTokenLifetimeDays":"731"}'
    keys = "enableTokensConfig,maxTokenLifetimeDays"
    assert w.workspace_conf.get_status(keys) == {"enableTokensConfig": None, "maxTokenLifetimeDays": None}


def test_disabled_tokens_are_blocked_and_come_back(w, by_oauth):
    admin = by_oauth()
    ci = w.service_principals.create(display_name="ci")
    token = w.token_management.create_obo_token(ci.application_id)
    before = {row.token_id for row in w.token_management.list()}

    w.workspace_conf.set_status({"enableTokensConfig": "false"})
    blocked(token.token_value, "Invalid access token.")
    for call in (
        lambda: list(WorkspaceClient(token=token.token_value).tokens.list()),
        lambda: admin.tokens.create(),
        lambda: admin.token_management.create_obo_token(ci.application_id),
    ):
        with pytest.raises(NotFound, match="Tokens are disabled.") as caught:
            call()
        assert caught.value.error_code == "FEATURE_DISABLED"
    assert {row.token_id for row in admin.token_management.list()} == before

    admin.workspace_conf.set_status({"enableTokensConfig": "true"})
    works(token.token_value)
    w.current_user.me()


def test_permissions(w):
    ann = w.users.create(user_name="ann@example.com")
    ci = w.service_principals.create(display_name="ci")
    team = w.groups.create(display_name="team", members=[iam.ComplexValue(value=ci.id)])

    got = w.token_management.get_permissions()
    assert (got.object_id, got.object_type) == ("/authorization/tokens", "tokens")
    assert holders(got) == {"users": USE, "admins": UNNAMED}
    levels = w.token_management.get_permission_levels().permission_levels
    assert [level.permission_level for level in levels] == [CAN_USE, None]

    # The SDK's enum of token permissions lacks CAN_MANAGE, so it cannot send a list that includes admins.
    request = [TokenAccessControlRequest(user_name=ann.user_name, permission_level=CAN_USE)]
    with pytest.raises(InvalidParameterValue, match="Cannot change permissions for group 'admins' to None."):
        w.token_management.set_permissions(access_control_list=request)
    admins = iam.AccessControlRequest(group_name="admins", permission_level=iam.PermissionLevel.CAN_MANAGE)
    entry = iam.AccessControlRequest(user_name=ann.user_name, permission_level=iam.PermissionLevel.CAN_USE)
    set_to = w.permissions.set("authorization", "tokens", access_control_list=[entry, admins])
    assert holders(set_to) == {ann.user_name: USE, "admins": MANAGE}
    with pytest.raises(PermissionDenied, match="does not have permission to use tokens"):
        w.token_management.create_obo_token(ci.application_id)
    request = [TokenAccessControlRequest(group_name=team.display_name, permission_level=CAN_USE)]
    assert holders(w.token_management.update_permissions(access_control_list=request)) == {
        ann.user_name: USE,
        "team": USE,
        "admins": UNNAMED,
    }
    token = w.token_management.create_obo_token(ci.application_id).token_value
    works(token)

    # The generic permissions API also has this object.
    generic = w.permissions.get("authorization", "tokens")
    assert (generic.object_id, generic.object_type) == ("/authorization/tokens", "tokens")
    assert holders(generic) == {ann.user_name: USE, "team": USE, "admins": MANAGE}
    levels = w.permissions.get_permission_levels("authorization", "tokens").permission_levels
    assert [level.permission_level.value for level in levels] == ["CAN_USE", "CAN_MANAGE"]
    entry = iam.AccessControlRequest(
        service_principal_name=ci.application_id, permission_level=iam.PermissionLevel.CAN_USE
    )
    set_to = w.permissions.set("authorization", "tokens", access_control_list=[entry, admins])
    assert holders(set_to) == {ci.application_id: USE, "admins": MANAGE}
    works(token)

    w.permissions.set("authorization", "tokens", access_control_list=[admins])
    blocked(token, "User does not have permission to use tokens.")
    entry = iam.AccessControlRequest(group_name="users", permission_level=iam.PermissionLevel.CAN_USE)
    w.permissions.update("authorization", "tokens", access_control_list=[entry])
    works(token)


@pytest.mark.parametrize(
    "entry, level, kind, text",
    [
        ({"user_name": "nobody@example.com"}, "CAN_USE", ResourceDoesNotExist, "nobody@example.com"),
        ({"group_name": "users"}, "CAN_MANAGE", InvalidParameterValue, "'admins' only"),
        ({"group_name": "admins"}, "CAN_USE", InvalidParameterValue, "for group 'admins'"),
        ({"group_name": "users"}, "CAN_RUN", InvalidParameterValue, "'CAN_RUN' is not a permission level of tokens"),
        ({}, "CAN_USE", InvalidParameterValue, "exactly one"),
    ],
)
def test_invalid_permissions_are_refused(w, entry, level, kind, text):
    before = w.token_management.get_permissions()
    request = iam.AccessControlRequest(**entry, permission_level=iam.PermissionLevel(level))
    # Without the admins, the list would be refused for that reason alone.
    admins = iam.AccessControlRequest(group_name="admins", permission_level=iam.PermissionLevel.CAN_MANAGE)
    entries = [request] if entry.get("group_name") == "admins" else [request, admins]
    with pytest.raises(kind) as caught:
        w.permissions.set("authorization", "tokens", access_control_list=entries)
    assert text in str(caught.value)
    assert w.token_management.get_permissions() == before


def test_restricting_workspace_admins(w, by_oauth):
    allow, restrict = (
        RestrictWorkspaceAdminsMessageStatus.ALLOW_ALL,
        RestrictWorkspaceAdminsMessageStatus.RESTRICT_TOKENS_AND_JOB_RUN_AS,
    )

    def update(client, status, etag):
        value = RestrictWorkspaceAdminsSetting(RestrictWorkspaceAdminsMessage(status), etag, "default")
        return client.settings.restrict_workspace_admins.update(True, value, "restrict_workspace_admins.status")

    account_admin = by_oauth()
    ci = w.service_principals.create(display_name="ci")
    start = w.settings.restrict_workspace_admins.get()
    assert start.restrict_workspace_admins.status == allow
    with pytest.raises(PermissionDenied, match="disabled for users without account admin status"):
        update(w, restrict, start.etag)

    restricted = update(account_admin, restrict, start.etag)
    assert w.settings.restrict_workspace_admins.get() == restricted
    assert restricted.restrict_workspace_admins.status == restrict
    with pytest.raises(PermissionDenied, match="Service Principal User role"):
        w.token_management.create_obo_token(ci.application_id)

    # As in the SDK's documentation: the error has the newest etag, which the next attempt uses.
    with pytest.raises(ResourceConflict) as caught:
        update(account_admin, allow, start.etag)
    newest = caught.value.get_error_details().error_info.metadata["etag"]
    assert newest == restricted.etag
    assert update(account_admin, allow, newest).restrict_workspace_admins.status == allow
    w.token_management.create_obo_token(ci.application_id)


def test_an_inactive_owners_tokens_are_blocked_and_come_back(w, by_oauth):
    admin = by_oauth()
    ci = w.service_principals.create(display_name="ci")
    secret = w.service_principal_secrets_proxy.create(ci.id).secret
    on_behalf_of = w.token_management.create_obo_token(ci.application_id).token_value
    own = by_oauth(ci.application_id, secret).tokens.create().token_value
    user = w.current_user.me()
    users_token = w.tokens.create().token_value

    for api, principal, tokens in [
        (admin.service_principals, ci, [on_behalf_of, own]),
        (admin.users, user, [users_token]),
    ]:
        for token in tokens:
            assert works(token).id == principal.id
        api.patch(principal.id, operations=[Patch(op=PatchOp.REPLACE, path="active", value="false")])
        for token in tokens:
            blocked(token, "Invalid access to Org")
        api.patch(principal.id, operations=[Patch(op=PatchOp.REPLACE, path="active", value="true")])
        for token in tokens:
            assert works(token).id == principal.id

    # Deleting a principal deletes its tokens permanently.
    admin.service_principals.delete(ci.id)
    blocked(on_behalf_of, "Invalid access token.")
    again = admin.service_principals.create(application_id=ci.application_id)
    assert again.id == ci.id
    blocked(own, "Invalid access token.")
    assert works(admin.token_management.create_obo_token(ci.application_id).token_value).id == ci.id
