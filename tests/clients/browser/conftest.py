"""Starts a server with a realistic workspace at a fixed time, and Chromium to look at it."""

import os
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[3]
IMAGES = REPOSITORY / "docs/images"
# The accounts and the workspace of a first start.
WORKSPACE_ADMIN, ACCOUNT_ADMIN = "Workspace Admin", "Account Admin"


def follow(link: Locator) -> None:
    """Clicks an element that leads to another page, and waits until that page and its scripts have loaded.

    A click alone returns earlier, so the next key or check could still reach the old page.
    """
    with link.page.expect_navigation():
        link.click()


@pytest.fixture
def site(start_server, tmp_path):
    """Starts a server with the training seed and a frozen clock, so that its pages look the same every day."""
    seed = (REPOSITORY / "docs/seeds/leaky-workspace.yaml").read_text()
    frozen = seed.replace("  - name: leaky\n", '  - name: leaky\n    frozen_at: "2026-12-01T09:30:00Z"\n')
    assert frozen != seed
    (tmp_path / "seed.yaml").write_text(frozen)
    return start_server(options=["--seed", str(tmp_path / "seed.yaml")])


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work as root.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(site, chromium):
    """visit(PATH, …): opens a page of the site. Any error of its scripts and any dialog fails the test."""
    contexts, complaints = [], []

    def open_page(path: str = "/", javascript: bool = True, width: int = 1100, scheme: str = "light") -> Page:
        context = chromium.new_context(
            base_url=site.host,
            java_script_enabled=javascript,
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            ignore_https_errors=True,
            accept_downloads=True,
        )
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}") or dialog.dismiss())
        # Chromium also reports the status of each refusal here; refusals are expected.
        refusals = "Failed to load resource: the server responded with a status of 4"
        page.on("console", lambda said: complaints.append(said.text) if refusals not in said.text else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def sign_in(visit):
    """sign_in(PERSON, PATH, …): opens a page that requires a sign-in, and signs in."""

    def choose(person: str, path: str, **options) -> Page:
        page = visit(path, **options)
        follow(page.get_by_role("button", name=person))
        return page

    return choose


@pytest.fixture
def keep():
    """keep(PAGE, NAME, …): saves a picture of the page in docs/images if it has changed, for people to look at."""

    def save(page: Page, name: str, **options) -> None:
        picture, kept = page.screenshot(full_page=True, animations="disabled", **options), IMAGES / f"{name}.png"
        if not kept.exists() or kept.read_bytes() != picture:
            IMAGES.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(picture)

    return save


@pytest.fixture
def looks_well(chromium, keep):
    """looks_well(PAGE, NAME): checks that axe finds nothing serious and the page fits; saves its picture."""
    axe = Axe()

    def check(page: Page, name: str) -> None:
        # axe requires JavaScript. The markup is the same without it.
        violations = axe.run(page).response["violations"]
        serious = [
            f"{found['id']}: {found['help']}: {[node['html'] for node in found['nodes']]}"
            for found in violations
            if found["impact"] in ("serious", "critical")
        ]
        assert not serious, f"{name}: {serious}"
        too_wide = page.evaluate("document.scrollingElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{name} is {too_wide} pixels too wide"
        keep(page, name)

    return check
