"""Tests of armed faults and how the official SDK handles them."""

import json
import time

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from databricks.sdk.errors import BadRequest, DatabricksError, PermissionDenied

CLIENT_ID = "32743274-3274-4274-8274-327432743275"


@pytest.fixture
def faults(own):
    """Arms a fault and returns a function that tells how often it was seen and fired."""

    def arm(name=None, **rule):
        status, armed = own("POST", "faults", {"name": name, **rule} if name else rule)
        assert status == 201, armed

        def counts():
            _, fault = own("GET", f"faults/{armed['id']}")
            return fault["seen"], fault["fired"]

        return counts

    arm.clear = lambda: own("DELETE", "faults")
    return arm


@pytest.fixture
def w(server):
    return WorkspaceClient()


@pytest.fixture
def hasty(server):
    """A client that gives up at its first failure."""
    return WorkspaceClient(config=Config(retry_timeout_seconds=1))


def comments(w):
    return sorted(token.comment for token in w.tokens.list() if token.comment != "dapi-mock admin token")


def test_two_rate_limits_and_then_success(w, faults):
    counts = faults("rate_limited", times=2, effect={"retry_after": 2}, match={"path": "/api/2.0/token/create"})
    began = time.monotonic()
    w.tokens.create(comment="third time lucky")
    assert time.monotonic() - began >= 4, "Retry-After is honoured, twice"
    assert counts() == (3, 2)
    assert comments(w) == ["third time lucky"]


def test_what_is_retried_and_what_is_not(w, hasty, faults):
    for name in ("rpc_bucket", "temporarily_unavailable"):
        counts = faults(name)
        w.current_user.me()
        assert counts() == (2, 1), name
        faults.clear()
    counts = faults(effect={"status": 500, "error_code": "INTERNAL_ERROR", "message": "An internal error occurred."})
    with pytest.raises(DatabricksError, match="An internal error occurred."):
        w.current_user.me()
    assert counts() == (1, 1)
    faults("rate_limited", times=None)
    with pytest.raises(TimeoutError):
        hasty.current_user.me()


def test_scim_overload(w, faults):
    faults("scim_overloaded")
    with pytest.raises(DatabricksError, match="REQUEST_LIMIT_EXCEEDED: Workspace exceeded the concurrent limit"):
        list(w.users.list())
    list(w.users.list())


def test_a_lost_response_and_a_retry_create_two_tokens(w, faults):
    counts = faults("reply_lost_after_create")
    w.tokens.create(comment="once")
    assert counts() == (2, 1)
    assert comments(w) == ["once", "once"], "the token whose response was lost, and that of the retry"


def test_a_lost_response_without_a_retry_leaves_a_token(w, hasty, faults):
    faults("reply_lost_after_create")
    with pytest.raises(TimeoutError) as caught:
        hasty.tokens.create(comment="whose?")
    assert isinstance(caught.value.__cause__, requests.ConnectionError)
    assert comments(w) == ["whose?"]


def test_a_login_page_instead_of_json(w, faults):
    faults("login_html_page")
    with pytest.raises(ValueError) as caught:
        w.current_user.me()
    assert isinstance(caught.value, json.JSONDecodeError) or "html" in str(caught.value).lower()
    w.current_user.me()


def test_a_quota_and_a_token_revoked_mid_flight(w, faults):
    faults("quota_exceeded")
    with pytest.raises(BadRequest, match="The maximum of 600 tokens"):
        w.tokens.create()
    created = w.tokens.create(comment="doomed")
    faults("token_revoked_mid_flight", match={"token_id": created.token_info.token_id})
    doomed = WorkspaceClient(token=created.token_value)
    doomed.current_user.me()
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        doomed.current_user.me()


def test_the_token_endpoint_is_unavailable(server, faults):
    counts = faults("oidc_down")

    def by_oauth():
        return WorkspaceClient(
            host=server.host, client_id=CLIENT_ID, client_secret=server.client_secret, auth_type="oauth-m2m"
        )

    with pytest.raises(ValueError, match="temporarily_unavailable: Authentication is temporarily unavailable"):
        by_oauth().current_user.me()
    assert by_oauth().current_user.me().user_name == CLIENT_ID
    assert counts() == (2, 1)


def test_a_truncated_body(w, faults):
    counts = faults("truncated_body")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        w.current_user.me()
    assert counts() == (1, 1), "the SDK must not retry"
