"""Tests of the mock's console: clock, requests, refusals, faults and workspaces."""

import json
import os
import re
import subprocess
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from conftest import follow

CONSOLE = "/_mock/console/default"


def ask(site, token: str, path: str = "/api/2.0/token/list") -> int:
    request = urllib.request.Request(site.host + path, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("javascript", [True, False])
def test_the_clock_moves(site, visit, javascript):
    page = visit("/", javascript=javascript)
    follow(page.get_by_role("link", name="Console").first)
    expect(page.get_by_role("heading", name="Clock", exact=True)).to_be_visible()
    expect(page.locator("p.reading")).to_contain_text("2026-12-01 09:30 UTC")
    expect(page.get_by_role("region", name="Upcoming events")).to_contain_text("old notebook")
    follow(page.get_by_role("button", name="30 days"))
    expect(page.get_by_role("status")).to_contain_text("old notebook")
    expect(page.locator("p.reading")).to_contain_text("2026-12-31 09:30 UTC")
    page.get_by_label("Duration or instant").fill("backwards")
    follow(page.get_by_role("button", name="Advance", exact=True))
    expect(page.get_by_role("alert")).to_contain_text("backwards")
    assert site.own("GET", "/default/clock")["now"]["rfc3339"] == "2026-12-31T09:30:00.000Z"
    if javascript:
        follow(page.get_by_role("button", name="1 day", exact=True))
        expect(page.get_by_role("status")).to_contain_text("No events became due")
        page.reload()
        assert site.own("GET", "/default/clock")["now"]["rfc3339"] == "2027-01-01T09:30:00.000Z", "advanced once"


def test_the_shown_curl_command_does_what_the_page_does(site, visit):
    page = visit(f"{CONSOLE}/clock")
    page.get_by_text("As curl").first.click()
    [command] = [line for line in page.locator("details[open] pre").inner_text().splitlines() if '"by":"90d"' in line]
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, env=dict(os.environ))
    assert json.loads(done.stdout)["now"]["rfc3339"] == "2027-03-01T09:30:00.000Z", done.stderr


def test_a_refused_request_appears_without_reloading_and_is_explained(site, visit):
    page = visit(f"{CONSOLE}/requests")
    expect(page.get_by_text("/api/2.0/token/list")).to_have_count(0)
    assert ask(site, "dapi" + "0" * 31 + "7") == 403
    row = page.get_by_role("row", name="/api/2.0/token/list")
    expect(row).to_be_visible()
    expect(row).to_contain_text("403")
    follow(row.get_by_role("link").first)
    expect(page.locator("tr.decided")).to_be_visible()
    expect(page.get_by_text("its history says how it ended")).to_be_visible()


def test_a_fault_is_armed(site, visit):
    page = visit(f"{CONSOLE}/faults")
    follow(page.get_by_role("button", name="Arm rate_limited"))
    expect(page.get_by_role("status")).to_contain_text("armed")
    assert [ask(site, site.admin_token), ask(site, site.admin_token)] == [429, 200]
    page.reload()
    expect(page.get_by_role("region", name="Armed faults")).to_contain_text("1")


def test_a_workspace_is_created_and_its_token_is_shown_once(site, visit):
    page = visit(f"{CONSOLE}/workspaces")
    page.get_by_label("Name").first.fill("from the page")
    follow(page.get_by_role("button", name="Create"))
    exports = dict(
        re.fullmatch(r"export (\w+)='(.*)'", line).groups()
        for line in page.locator("#exports").inner_text().splitlines()
        if line.startswith("export ")
    )
    assert ask(site, exports["DATABRICKS_TOKEN"]) == 200
    page.reload()
    assert exports["DATABRICKS_TOKEN"] not in page.content()
    expect(page.get_by_role("row", name="from the page")).to_be_visible()


def test_the_console_asks_for_the_control_key(start_server, chromium):
    server = start_server(options=["--control-key", "sesame"])
    page = chromium.new_context(base_url=server.host, ignore_https_errors=True).new_page()
    page.goto("/_mock/")
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    expect(page.get_by_role("button", name="Workspace Admin")).to_have_count(0)
    page.get_by_label("Control key").fill("wrong")
    follow(page.get_by_role("button", name="Continue"))
    expect(page.get_by_role("alert")).to_contain_text("Wrong control key")
    page.get_by_label("Control key").fill("sesame")
    follow(page.get_by_role("button", name="Continue"))
    follow(page.get_by_role("button", name="Workspace Admin"))
    expect(page.get_by_role("heading", name="Clock", exact=True)).to_be_visible()
    page.context.close()
