"""Follows the article's procedure for account admins: Security → Token report, its filters, buttons, export, revoke."""

import csv
import io
import re

import pytest
from playwright.sync_api import expect

from conftest import ACCOUNT_ADMIN, follow

REPORT = "/account-console/security/token-report"


def comments(page) -> list[str]:
    return [text.strip() for text in page.locator("table.report tbody td[data-label=Comment]").all_inner_texts()]


@pytest.mark.parametrize("javascript", [True, False])
def test_tokens_are_found_exported_and_revoked(site, sign_in, javascript):
    page = sign_in(ACCOUNT_ADMIN, "/account-console/login", javascript=javascript)
    follow(page.get_by_role("link", name="Token report"))
    expect(page.get_by_role("heading", name="Token report")).to_be_visible()
    assert len(comments(page)) == 9

    follow(page.get_by_role("button", name="Tokens of inactive principals"))
    assert comments(page) == ["cron"]
    follow(page.get_by_role("button", name="Tokens of inactive principals"))
    follow(page.get_by_role("button", name="Tokens with no expiration date"))
    assert sorted(comments(page)) == ["laptop", "partner integration, do not touch"]

    with page.expect_download() as started:
        page.get_by_role("link", name="Export CSV").click()
    rows = list(csv.DictReader(io.StringIO(started.value.path().read_text())))
    assert sorted(row["comment"] for row in rows) == sorted(comments(page)), "the export must have the filtered rows"

    follow(page.get_by_role("link", name="Clear"))
    page.get_by_label("Owner").fill("daniel.analyst@example.com")
    follow(page.get_by_role("button", name="Apply"))
    assert len(comments(page)) == 2
    page.get_by_label(re.compile("dashboards")).check()
    follow(page.get_by_role("button", name="Revoke"))
    expect(page.get_by_role("heading", name="Revoke 1 token?")).to_be_visible()
    follow(page.get_by_role("link", name="Cancel"))
    assert len(comments(page)) == 2, "nothing may change before Confirm"
    page.get_by_label(re.compile("dashboards")).check()
    follow(page.get_by_role("button", name="Revoke"))
    follow(page.get_by_role("button", name="Revoke"))
    expect(page.get_by_role("status")).to_contain_text("1 token revoked")
    assert len(comments(page)) == 1
    ended = site.own("GET", "/default/tokens?state=revoked_by_account_admin")["tokens"]
    assert [token["comment"] for token in ended] == ["dashboards"]


def test_the_url_sorts_pages_and_filters_the_report(sign_in):
    page = sign_in(ACCOUNT_ADMIN, f"{REPORT}?limit=4&sort=last_used&order=desc")
    expect(page.get_by_role("columnheader", name="Last used")).to_have_attribute("aria-sort", "descending")
    first = comments(page)
    follow(page.get_by_role("link", name="Next"))
    second = comments(page)
    assert len(first) == len(second) == 4 and not set(first) & set(second)
    follow(page.get_by_role("link", name="Previous"))
    assert comments(page) == first
    page.reload()
    assert comments(page) == first
    follow(page.get_by_role("link", name="Owner"))
    expect(page.get_by_role("columnheader", name="Owner")).to_have_attribute("aria-sort", "ascending")


def test_all_tokens_of_a_page_can_be_selected(sign_in):
    page = sign_in(ACCOUNT_ADMIN, REPORT)
    page.locator("input[data-all]").check()
    follow(page.get_by_role("button", name="Revoke"))
    expect(page.get_by_role("heading", name="Revoke 9 tokens?")).to_be_visible()


def test_only_account_admins_see_the_report(sign_in):
    page = sign_in(ACCOUNT_ADMIN, REPORT)
    follow(page.get_by_role("button", name="Sign out"))
    follow(page.get_by_role("button", name="olivia.admin"))
    page.goto(REPORT)
    expect(page.get_by_role("alert")).to_contain_text("account admin")
