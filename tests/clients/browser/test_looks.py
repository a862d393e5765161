"""Every page as people see it: wide, on a telephone, in the dark; for axe, and as pictures in docs/images."""

import pytest

from conftest import WORKSPACE_ADMIN

ADVANCED = "/settings/workspace/advanced"
LOOKS = {
    "": {"width": 1100},
    "-narrow": {"width": 360},
    "-dark": {"width": 1100, "scheme": "dark"},
}


@pytest.mark.parametrize("look", LOOKS)
def test_settings(visit, sign_in, looks_well, look):
    page = visit("/", **LOOKS[look])
    looks_well(page, f"home{look}")
    page.get_by_role("link", name="Workspace settings").click()
    looks_well(page, f"sign-in{look}")
    page.get_by_role("button", name=WORKSPACE_ADMIN).click()
    looks_well(page, f"settings-advanced{look}")
    page.get_by_role("switch").click()
    looks_well(page, f"settings-advanced-confirm{look}")
    page.goto(f"{ADVANCED}/permissions")
    looks_well(page, f"settings-permissions{look}")
    page.get_by_role("button", name="Remove users").click()
    looks_well(page, f"settings-permissions-confirm{look}")
    page = sign_in("erin.engineer", "/settings/user/developer/access-tokens", **LOOKS[look])
    page.get_by_label("Comment").fill("my laptop")
    page.get_by_role("button", name="Generate").click()
    # A random value; the pictures are to be the same each time.
    page.get_by_label("Token value").evaluate("field => { field.value = 'dapi…' }")
    looks_well(page, f"settings-access-tokens{look}")
