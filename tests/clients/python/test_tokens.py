"""Tests of a token's life with the official SDK: `WorkspaceClient()` with only the two variables that the server's
banner prints."""

import time
from contextlib import contextmanager

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.common.types.fieldmask import FieldMask
from databricks.sdk.credentials_provider import credentials_strategy
from databricks.sdk.errors import (
    BadRequest,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
    ResourceDoesNotExist,
    Unauthenticated,
)
from databricks.sdk.service.settings import PublicTokenInfo

DAY = 86_400
QUOTA = 600

pytestmark = pytest.mark.usefixtures("server")


@contextmanager
def refused(kind, error_code, text):
    """Checks that the block raises exactly this class of the SDK, with the service's text."""
    with pytest.raises(kind) as caught:
        yield caught
    assert caught.type is kind
    assert caught.value.error_code == error_code
    assert text in str(caught.value)


def refused_as_invalid_token():
    # A number, as the real service sends it.
    return refused(PermissionDenied, 403, "Invalid access token.")


def ids(w):
    return [token.token_id for token in w.tokens.list()]


def test_create_use_list_update_delete():
    w = WorkspaceClient()
    created = w.tokens.create(comment="from the SDK", lifetime_seconds=3600)
    info = created.token_info
    assert created.token_value.startswith("dapi") and len(created.token_value) == 36
    assert info.comment == "from the SDK"
    assert info.expiry_time - info.creation_time == 3_600_000

    mine = WorkspaceClient(token=created.token_value)
    assert mine.current_user.me() == w.current_user.me()
    assert info.token_id in ids(mine)

    w.tokens.update(info.token_id, PublicTokenInfo(comment="renamed"), FieldMask(["comment"]))
    [row] = [token for token in w.tokens.list() if token.token_id == info.token_id]
    assert row.comment == "renamed"
    assert (row.creation_time, row.expiry_time) == (info.creation_time, info.expiry_time)

    w.tokens.delete(info.token_id)
    assert info.token_id not in ids(w)
    with refused_as_invalid_token():
        mine.current_user.me()


def test_a_token_can_revoke_itself():
    created = WorkspaceClient().tokens.create()
    mine = WorkspaceClient(token=created.token_value)
    mine.tokens.delete(created.token_info.token_id)
    with refused_as_invalid_token():
        list(mine.tokens.list())


def test_an_expired_token_is_refused_and_not_listed():
    w = WorkspaceClient()
    created = w.tokens.create(lifetime_seconds=1)
    mine = WorkspaceClient(token=created.token_value)
    mine.current_user.me()

    time.sleep(max(0, created.token_info.expiry_time / 1000 - time.time()))
    with refused_as_invalid_token():
        mine.current_user.me()
    assert created.token_info.token_id not in ids(w)


def test_an_unknown_token_is_refused():
    with refused_as_invalid_token():
        WorkspaceClient(token="dapi" + "0" * 32).current_user.me()


def test_no_credential_is_unauthenticated():
    @credentials_strategy("none", [])
    def no_credential(_):
        return dict

    w = WorkspaceClient(credentials_strategy=no_credential)
    with refused(Unauthenticated, 401, "Credential was not sent or was of an unsupported type for this API."):
        w.current_user.me()


def test_the_default_lifetime_is_730_days():
    info = WorkspaceClient().tokens.create().token_info
    assert info.expiry_time - info.creation_time == 730 * DAY * 1000


def test_the_longest_lifetime_is_730_days():
    w = WorkspaceClient()
    info = w.tokens.create(lifetime_seconds=730 * DAY).token_info
    assert info.expiry_time - info.creation_time == 730 * DAY * 1000
    for seconds in (730 * DAY + 1, 731 * DAY):
        with refused(InvalidParameterValue, "INVALID_PARAMETER_VALUE", "730"):
            w.tokens.create(lifetime_seconds=seconds)


def test_a_lifetime_of_zero_is_refused():
    with refused(InvalidParameterValue, "INVALID_PARAMETER_VALUE", "requirement failed: Invalid timeout: 0"):
        WorkspaceClient().tokens.create(lifetime_seconds=0)


def test_a_comment_has_up_to_255_characters():
    w = WorkspaceClient()
    longest = "é" * 255
    assert w.tokens.create(comment=longest).token_info.comment == longest
    with refused(InvalidParameterValue, "INVALID_PARAMETER_VALUE", "255"):
        w.tokens.create(comment=longest + "é")


def test_deleting_an_unknown_token_is_not_found():
    with refused(ResourceDoesNotExist, "RESOURCE_DOES_NOT_EXIST", "does not exist"):
        WorkspaceClient().tokens.delete("0" * 64)
    assert issubclass(ResourceDoesNotExist, NotFound)


def test_updating_an_unknown_token_is_not_found():
    with refused(NotFound, "NOT_FOUND", "does not exist"):
        WorkspaceClient().tokens.update("0" * 64, PublicTokenInfo(comment="x"), FieldMask(["comment"]))


def test_the_quota_is_600_live_tokens():
    w = WorkspaceClient()
    live = ids(w)
    live += [w.tokens.create().token_info.token_id for _ in range(QUOTA - len(live))]
    with refused(BadRequest, "QUOTA_EXCEEDED", "600"):
        w.tokens.create()

    w.tokens.delete(live[-1])
    w.tokens.create()
    assert len(ids(w)) == QUOTA


def test_an_endpoint_that_is_not_emulated_is_refused_by_name():
    with refused(NotFound, "ENDPOINT_NOT_FOUND", "/clusters/spark-versions") as caught:
        WorkspaceClient().clusters.spark_versions()
    assert "GET" in str(caught.value)


def test_a_token_reaches_only_what_its_scopes_cover():
    created = WorkspaceClient().tokens.create(scopes=["sql"])
    assert created.token_info.scopes == ["sql"]
    mine = WorkspaceClient(token=created.token_value)
    with refused(PermissionDenied, 403, "Provided access token does not have required scopes: authentication"):
        list(mine.tokens.list())
    with refused(PermissionDenied, 403, "Provided access token does not have required scopes: authentication"):
        mine.tokens.create()


def test_a_token_with_the_authentication_scope_mints_any_other():
    created = WorkspaceClient().tokens.create(scopes=["authentication"])
    minted = WorkspaceClient(token=created.token_value).tokens.create(scopes=["sql"])
    assert minted.token_info.scopes == ["sql"]
