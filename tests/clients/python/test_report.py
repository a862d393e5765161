"""Tests of the account's token report with the credential of the SDK's AccountClient: JSON, CSV in Python's own reader,
revocation, and the same numbers as the usual loop over token management."""

import csv
import io
from collections import Counter

import pytest
import requests
from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import PermissionDenied

CLIENT_ID = "32743274-3274-4274-8274-327432743275"
ACCOUNT_ID = "32743274-3274-4274-8274-327432743274"
DAY = 86_400
NASTY = ["a,b", 'say "hi"', "two\nlines", "=1+1", "+1", "-1", "@x", "\ttab", "'quoted", "''", "ünïcode 🦀", ""]


@pytest.fixture
def w(server):
    return WorkspaceClient()


@pytest.fixture
def ask(server):
    """Requests the report as `databricks.sdk` would if it had the method."""
    account = AccountClient(
        host=server.host,
        account_id=ACCOUNT_ID,
        client_id=CLIENT_ID,
        client_secret=server.client_secret,
        auth_type="oauth-m2m",
    )

    def ask(rest="", method="GET", body=None, headers=None, status=200, **query):
        url = f"{server.host}/_mock/v1/accounts/{ACCOUNT_ID}/token-report{rest}"
        headers = account.config.authenticate() if headers is None else headers
        answer = requests.request(method, url, params=query, json=body, headers=headers, timeout=20)
        assert answer.status_code == status, answer.text
        return answer

    return ask


def exported(answer):
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), strict=True))


def unguarded(cell):
    return cell.removeprefix("'")


def test_the_same_numbers_as_the_loop_over_token_management(w, ask):
    for name in ("one", "two"):
        principal = w.service_principals.create(display_name=name)
        for days in (1, 100):
            w.token_management.create_obo_token(principal.application_id, lifetime_seconds=days * DAY)
    looped = {token.token_id: token for token in w.token_management.list()}
    report = ask(limit=1000).json()
    assert report["total"] == len(report["tokens"]) == len(looped) == 5
    assert Counter(row["owner_id"] for row in report["tokens"]) == Counter(t.owner_id for t in looped.values())
    for row in report["tokens"]:
        token = looped[row["token_id"]]
        for name in ("creation_time", "expiry_time", "last_used_day", "comment", "workspace_id", "created_by_username"):
            assert row[name] == getattr(token, name), name
        assert row["long_lived"] == (token.expiry_time - token.creation_time >= 90 * DAY * 1000)
    assert {row["owner_type"] for row in report["tokens"]} == {"user", "service_principal"}


def test_pages(w, ask):
    for n in range(7):
        w.tokens.create(comment=str(n), lifetime_seconds=DAY)
    whole = [row["token_id"] for row in ask(sort="expires", order="desc").json()["tokens"]]
    found, page_token = [], None
    while True:
        page = ask(sort="expires", order="desc", limit=3, page_token=page_token).json()
        found += [row["token_id"] for row in page["tokens"]]
        if not (page_token := page.get("next_page_token")):
            break
    assert found == whole and len(whole) == 8


def test_pythons_csv_module_reads_the_export(w, ask):
    for comment in NASTY:
        w.tokens.create(comment=comment, lifetime_seconds=DAY)
    answer = ask(".csv")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="token-report-')
    assert b"\r\n" in answer.content
    rows, report = exported(answer), ask(limit=1000).json()["tokens"]
    assert [row["token_id"] for row in rows] == [row["token_id"] for row in report]
    assert set(rows[0]) == set(report[0])
    assert {unguarded(row["comment"]) for row in rows} >= set(NASTY)
    assert not [cell for row in rows for cell in row.values() if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
    filtered = exported(ask(".csv", owner="admin@example.com", created_to="1999-12-31"))
    assert filtered == []


def test_revoking(w, ask):
    created = w.tokens.create(comment="long", lifetime_seconds=400 * DAY)
    [row] = [row for row in ask().json()["tokens"] if row["comment"] == "long"]
    selected = {"workspace_id": row["workspace_id"], "token_id": row["token_id"]}
    answer = ask("/revoke", "POST", {"tokens": [selected, {**selected, "token_id": "none"}]}).json()
    assert answer == {"revoked": [selected], "not_found": [{**selected, "token_id": "none"}]}
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        WorkspaceClient(token=created.token_value).current_user.me()
    assert row["token_id"] not in [row["token_id"] for row in ask().json()["tokens"]]


def test_a_personal_access_token_cannot_read_the_report(server, ask):
    refused = ask(headers={"Authorization": f"Bearer {server.admin_token}"}, status=401)
    assert "use OAuth" in refused.json()["error"]
    ask(headers={}, status=401)
    assert "unknown field `owners`" in ask(owners="x", status=400).json()["error"]
