"""Follows the article's procedures in the workspace, with the labels that it names."""

import json
import urllib.request

import pytest
from playwright.sync_api import expect

from conftest import WORKSPACE_ADMIN, follow

ADVANCED = "/settings/workspace/advanced"
TOKENS = "/settings/user/developer/access-tokens"
HOSTILE = "\"><script>alert('x')</script><img src=x onerror=alert(1)>"


def works(site, token: str) -> bool:
    request = urllib.request.Request(
        f"{site.host}/api/2.0/preview/scim/v2/Me", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bool(json.load(answer)["userName"])
    except urllib.error.HTTPError as error:
        assert error.code == 403
        return False


@pytest.mark.parametrize("javascript", [True, False])
def test_personal_access_tokens_are_turned_off_and_on(site, sign_in, javascript):
    page = sign_in(WORKSPACE_ADMIN, ADVANCED, javascript=javascript)
    follow(page.get_by_role("switch", name="Personal Access Tokens"))
    expect(page.get_by_text("Partner Connect")).to_be_visible()
    expect(page.get_by_text("8 tokens of 5 owners")).to_be_visible()
    assert works(site, site.admin_token), "nothing may change before Confirm"
    follow(page.get_by_role("link", name="Cancel"))
    assert works(site, site.admin_token)

    follow(page.get_by_role("switch", name="Personal Access Tokens"))
    follow(page.get_by_role("button", name="Confirm"))
    expect(page.get_by_role("switch", name="Personal Access Tokens")).to_have_attribute("aria-checked", "false")
    assert not works(site, site.admin_token)

    follow(page.get_by_role("switch", name="Personal Access Tokens"))
    follow(page.get_by_role("button", name="Confirm"))
    expect(page.get_by_role("switch", name="Personal Access Tokens")).to_have_attribute("aria-checked", "true")
    assert works(site, site.admin_token)


@pytest.mark.parametrize("javascript", [True, False])
def test_who_may_use_tokens_is_chosen(site, sign_in, javascript):
    laptop = "dapi000000000000000000000000000000e1"
    page = sign_in(WORKSPACE_ADMIN, ADVANCED, javascript=javascript)
    follow(page.get_by_role("link", name="Permission Settings"))
    follow(page.get_by_role("button", name="Remove users"))
    expect(page.get_by_role("cell", name="erin.engineer@example.com")).to_be_visible()
    # Includes users without a token.
    lost = page.get_by_role("region", name="Who could no longer create or use tokens (5)")
    expect(lost.get_by_text("account-admin@example.com")).to_be_visible()
    assert works(site, laptop)
    follow(page.get_by_role("button", name="Confirm"))
    assert not works(site, laptop)

    page.get_by_label("Kind").select_option("Group")
    page.get_by_label("Name").fill("data-team")
    page.get_by_label("Permission", exact=True).select_option("Can Use")
    follow(page.get_by_role("button", name="Add"))
    follow(page.get_by_role("button", name="Confirm"))
    expect(page.get_by_role("button", name="Remove data-team")).to_be_visible()
    assert works(site, laptop)

    page.get_by_label("Name").fill("nobody@example.com")
    follow(page.get_by_role("button", name="Add"))
    expect(page.get_by_role("alert")).to_contain_text("nobody@example.com")
    expect(page.get_by_label("Name")).to_have_value("nobody@example.com")


@pytest.mark.parametrize("javascript", [True, False])
def test_a_shorter_maximum_lifetime_holds_for_new_tokens(sign_in, javascript):
    page = sign_in(WORKSPACE_ADMIN, ADVANCED, javascript=javascript)
    page.get_by_label("Maximum lifetime of new tokens, in days").fill("90")
    follow(page.get_by_role("button", name="Save"))
    follow(page.get_by_role("link", name="Access tokens"))
    page.get_by_label("Comment").fill("too long")
    page.get_by_label("Lifetime (days)").fill("91")
    follow(page.get_by_role("button", name="Generate"))
    expect(page.get_by_role("alert")).to_contain_text("90")
    expect(page.get_by_label("Comment")).to_have_value("too long")
    page.get_by_label("Lifetime (days)").fill("")
    follow(page.get_by_role("button", name="Generate"))
    expect(page.get_by_role("row", name="too long")).to_contain_text("90 days")


@pytest.mark.parametrize("javascript", [True, False])
def test_a_token_is_generated_shown_once_and_revoked(site, sign_in, javascript):
    page = sign_in(WORKSPACE_ADMIN, TOKENS, javascript=javascript)
    page.get_by_label("Comment").fill("from the page")
    page.get_by_label("Lifetime (days)").fill("30")
    follow(page.get_by_role("button", name="Generate"))
    value = page.get_by_label("Token value").input_value()
    assert works(site, value)
    expect(page.get_by_role("row", name="from the page")).to_contain_text("30 days")

    follow(page.get_by_role("link", name="Access tokens"))
    assert value not in page.content()
    page.go_back()
    assert value not in page.content(), "the browser's history must not have the token"
    page.goto(TOKENS)
    follow(page.get_by_role("button", name="Revoke from the page"))
    follow(page.get_by_role("button", name="Revoke"))
    expect(page.get_by_text("from the page")).to_have_count(0)
    assert not works(site, value)


def test_reloading_generates_no_second_token(sign_in):
    page = sign_in(WORKSPACE_ADMIN, TOKENS)
    page.get_by_label("Comment").fill("once")
    follow(page.get_by_role("button", name="Generate"))
    expect(page.get_by_label("Token value")).to_be_visible()
    page.reload()
    expect(page.get_by_role("row", name="once")).to_have_count(1)
    expect(page.get_by_label("Token value")).to_have_count(0)


def test_hostile_texts_do_nothing(site, sign_in):
    page = sign_in(WORKSPACE_ADMIN, TOKENS)
    for field in ("Comment", "Lifetime (days)", "Scopes"):
        page.get_by_label(field).fill(HOSTILE)
    follow(page.get_by_role("button", name="Generate"))
    expect(page.get_by_role("alert")).to_be_visible()
    for field in ("Lifetime (days)", "Scopes"):
        page.get_by_label(field).fill("")
    follow(page.get_by_role("button", name="Generate"))
    expect(page.get_by_role("row", name="<script>")).to_be_visible()
    follow(page.get_by_role("button", name="Revoke \"><script>"))
    expect(page.get_by_text("<script>")).to_be_visible()
    page.goto(f"{ADVANCED}/permissions")
    page.get_by_label("Name").fill(HOSTILE)
    follow(page.get_by_role("button", name="Add"))
    expect(page.get_by_role("alert")).to_contain_text("<script>")
    page.goto("/login?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&next=javascript:alert(1)")
    expect(page.get_by_label("Search users")).to_have_value('"><script>alert(1)</script>')


def test_the_pages_work_with_the_keyboard_alone(site, sign_in):
    page = sign_in(WORKSPACE_ADMIN, ADVANCED)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**#content")
    page.keyboard.press("Tab")
    expect(page.get_by_role("switch")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Disable personal access tokens?")).to_be_visible()
    page.get_by_role("button", name="Confirm").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "false")


def test_signing_out_ends_the_session(sign_in, visit):
    page = sign_in(WORKSPACE_ADMIN, ADVANCED)
    follow(page.get_by_role("button", name="Sign out"))
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()


def test_a_double_click_creates_one_token_and_shows_its_value(site, sign_in):
    page = sign_in("erin.engineer", TOKENS)
    page.get_by_label("Comment").fill("clicked twice")
    with page.expect_navigation():
        page.get_by_role("button", name="Generate").dblclick()
    assert works(site, page.get_by_label("Token value").input_value())
    assert made(site, "clicked twice") == 1


def test_without_javascript_resubmitting_a_form_creates_no_second_token(site, sign_in):
    page = sign_in("erin.engineer", TOKENS, javascript=False)
    page.get_by_label("Comment").fill("loaded again")
    follow(page.get_by_role("button", name="Generate"))
    value = page.get_by_label("Token value").input_value()
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("already sent")
    expect(page.get_by_role("row", name="loaded again")).to_be_visible()
    assert value not in page.content()
    assert made(site, "loaded again") == 1


def made(site, comment: str) -> int:
    return [token["comment"] for token in site.own("GET", "/default/tokens")["tokens"]].count(comment)
