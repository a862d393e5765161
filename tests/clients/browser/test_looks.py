"""Checks every page with axe and saves its picture in docs/images: wide, on a phone, and in dark mode."""

import json
import urllib.error
import urllib.request

import pytest

from conftest import ACCOUNT_ADMIN, WORKSPACE_ADMIN, follow

LOOKS = {
    "": {"width": 1100},
    "-narrow": {"width": 360},
    "-dark": {"width": 1100, "scheme": "dark"},
}
looks = pytest.mark.parametrize("look", LOOKS)


def call(site, path: str, body: bytes | None = None, token: str | None = None) -> dict:
    headers = {
        "Authorization": f"Bearer {token or site.admin_token}",
        "User-Agent": "databricks-sdk-py/0.162.0 python/3.11.7",
    }
    with urllib.request.urlopen(urllib.request.Request(site.host + path, body, headers), timeout=20) as answer:
        return json.load(answer)


@looks
def test_settings(visit, sign_in, looks_well, look):
    page = visit("/", **LOOKS[look])
    looks_well(page, f"home{look}")
    follow(page.get_by_role("link", name="Workspace settings"))
    looks_well(page, f"sign-in{look}")
    follow(page.get_by_role("button", name=WORKSPACE_ADMIN))
    looks_well(page, f"settings-advanced{look}")
    follow(page.get_by_role("switch"))
    looks_well(page, f"settings-advanced-confirm{look}")
    page.goto("/settings/workspace/advanced/permissions")
    looks_well(page, f"settings-permissions{look}")
    follow(page.get_by_role("button", name="Remove users"))
    looks_well(page, f"settings-permissions-confirm{look}")
    page = sign_in("erin.engineer", "/settings/user/developer/access-tokens", **LOOKS[look])
    page.get_by_label("Comment").fill("my laptop")
    follow(page.get_by_role("button", name="Generate"))
    # Hides the random value, so that the picture is the same each time.
    page.get_by_label("Token value").evaluate("field => { field.value = 'dapi…' }")
    looks_well(page, f"settings-access-tokens{look}")


@looks
def test_token_report(sign_in, looks_well, look):
    report = "/account-console/security/token-report"
    # Leaves out the admin token, which the first start created at the real time.
    page = sign_in(ACCOUNT_ADMIN, f"{report}?created_to=2026-11-01&sort=owner", **LOOKS[look])
    looks_well(page, f"token-report{look}")
    page.get_by_role("checkbox").nth(1).check()
    follow(page.get_by_role("button", name="Revoke"))
    looks_well(page, f"token-report-confirm{look}")
    page.goto(f"{report}?created_from=yesterday")
    looks_well(page, f"token-report-refused{look}")


@looks
def test_console(site, visit, looks_well, look):
    # The first start created the admin token at the real time. This revokes it and then tries to use it.
    [admin_token] = [token for token in site.own("GET", "/default/tokens")["tokens"] if "admin" in token["comment"]]
    call(site, "/api/2.0/token/delete", json.dumps({"token_id": admin_token["token_id"]}).encode())
    site.own("DELETE", "/default/requests")
    with pytest.raises(urllib.error.HTTPError):
        call(site, "/api/2.0/token/list")
    page = visit("/_mock/", **LOOKS[look])
    looks_well(page, f"console-clock{look}")
    for name in ("requests", "tokens?state=live", "audit", "faults", "workspaces"):
        page.goto(f"/_mock/console/default/{name}")
        looks_well(page, f"console-{name.split('?')[0]}{look}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_in_the_readme(site, visit, keep, scheme):
    """Shows why a token that was not used for 90 days is refused."""
    made = call(site, "/api/2.0/token/create", json.dumps({"comment": "nightly job"}).encode())
    site.own("POST", "/default/clock/advance", {"by": "90d"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(site, "/api/2.0/token/list", token=made["token_value"])
    page = visit(f"/_mock/console/default/requests/{refused.value.headers['X-Request-Id']}", scheme=scheme)
    # Hides what differs between runs: the system's time, the duration and the request's id.
    page.locator("dl").evaluate("facts => facts.remove()")
    edge = page.get_by_role("region", name="Checks, in order").bounding_box()
    height = edge["y"] + edge["height"] + 16
    keep(page, f"refused-{scheme}", clip={"x": 0, "y": 0, "width": 1100, "height": height})
