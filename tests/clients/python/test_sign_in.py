"""Tests of OAuth U2M with the official SDK: `auth_type="external-browser"`, unmodified, with a browser that only
follows links and fills in forms."""

import json
import threading
import webbrowser
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests
from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import NotFound, PermissionDenied

ADMIN, ACCOUNT_ADMIN = "admin@example.com", "account-admin@example.com"
ACCOUNT_ID = "32743274-3274-4274-8274-327432743274"


class Form(HTMLParser):
    """Parses the page's second form; the first is the search."""

    def __init__(self, page):
        super().__init__()
        self.fields, self.people, self.name = {}, {}, None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            # The last one belongs to the choice.
            self.fields = {}
        if tag == "input":
            self.fields[attributes["name"]] = attributes.get("value", "")
        if tag == "button" and attributes.get("name") == "user":
            self.name = attributes["value"]

    def handle_data(self, data):
        if self.name and data.strip():
            self.people[data.strip()] = self.name

    def handle_endtag(self, tag):
        if tag == "button":
            self.name = None


class Browser(webbrowser.BaseBrowser):
    """Chooses `user` on the page, if there is one. It runs in a thread, because the client waits for the redirect."""

    def __init__(self, user=None, control_key=None):
        super().__init__("test")
        self.user, self.control_key, self.pages, self.failure = user, control_key, [], None

    def open(self, url, new=0, autoraise=True):
        threading.Thread(target=self.visit, args=[url], daemon=True).start()
        return True

    def visit(self, url):
        answer = requests.get(url, timeout=20)
        if "Who are you?" not in answer.text:
            return
        self.pages.append(answer)
        origin = "/".join(answer.url.split("/")[:3])
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        action = urljoin(answer.url, answer.url.split("?")[0])
        form = Form(answer.text)
        if "control_key" in form.fields:
            assert not form.people, "the page must not name anybody before it has the key"
            fields = {**form.fields, "control_key": self.control_key}
            form = Form(requests.post(action, fields, headers=headers, timeout=20).text)
        fields = {**form.fields, "user": form.people[self.user]}
        requests.post(action, fields, headers=headers, timeout=20)


@pytest.fixture
def sign_in(monkeypatch):
    """Signs in through the given browser, which replaces the system's."""

    def sign_in(server, browser, kind=WorkspaceClient, **settings):
        monkeypatch.setattr(webbrowser, "_tryorder", [])
        monkeypatch.setattr(webbrowser, "_browsers", {})
        webbrowser.register("test", None, browser, preferred=True)
        return kind(host=server.host, auth_type="external-browser", **settings)

    return sign_in


def test_a_person_signs_in_through_the_page(start_server, sign_in):
    server = start_server()
    browser = Browser("Workspace Admin")
    w = sign_in(server, browser)
    assert w.current_user.me().user_name == ADMIN
    assert len(browser.pages) == 1
    token = w.tokens.create(comment="by U2M", lifetime_seconds=3600)
    assert [t.comment for t in w.tokens.list()][-1] == "by U2M"

    w.workspace_conf.set_status({"enableTokensConfig": "false"})
    with pytest.raises(PermissionDenied):
        WorkspaceClient(host=server.host, token=token.token_value).current_user.me()
    assert w.current_user.me().user_name == ADMIN, "OAuth must work while tokens are disabled"
    with pytest.raises(NotFound, match="Tokens are disabled."):
        w.tokens.create()
    # The SDK has no cached token for these scopes.
    other = sign_in(server, Browser("Account Admin"), scopes=["all-apis", "sql"])
    assert other.current_user.me().user_name == ACCOUNT_ADMIN


def test_a_setting_signs_in_without_the_page(start_server, sign_in):
    server = start_server(options=["--sign-in-as", ADMIN])
    browser = Browser()
    assert sign_in(server, browser).current_user.me().user_name == ADMIN
    assert browser.pages == []


def cached():
    [path] = Path("~/.config/databricks-sdk-py/oauth").expanduser().iterdir()
    return path


def test_the_sdk_refreshes_or_signs_in_again(start_server, sign_in):
    server = start_server(options=["--sign-in-as", ADMIN])
    first = sign_in(server, Browser())
    assert first.current_user.me().user_name == ADMIN
    server.own("POST", "/default/clock/advance", {"by": "1h"})
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        first.current_user.me()

    # The SDK uses its own clock, so the test marks the cached token as expired. The SDK then refreshes it.
    stored = json.loads(cached().read_text())
    stored["token"]["expiry"] = "2020-01-01T00:00:00"
    cached().write_text(json.dumps(stored))
    no_browser = Browser("the browser must not open")
    second = sign_in(server, no_browser)
    assert second.current_user.me().user_name == ADMIN
    assert no_browser.pages == []

    # The refresh token in this file has already been used. Reusing it revokes everything from that sign-in.
    cached().write_text(json.dumps(stored))
    third = sign_in(server, Browser())
    assert third.current_user.me().user_name == ADMIN
    with pytest.raises(PermissionDenied, match="Invalid access token."):
        second.current_user.me()


def test_a_shared_server_asks_for_its_control_key(start_server, sign_in):
    server = start_server(options=["--control-key", "secret", "--sign-in-as", ADMIN])
    browser = Browser("Workspace Admin", control_key="secret")
    w = sign_in(server, browser)
    assert w.current_user.me().user_name == ADMIN
    assert len(browser.pages) == 1


def test_the_account(start_server, sign_in):
    server = start_server()
    a = sign_in(server, Browser("Account Admin"), AccountClient, account_id=ACCOUNT_ID)
    [principal] = sign_in(server, Browser("Account Admin")).service_principals.list()
    assert len(list(a.service_principal_secrets.list(principal.id))) == 1
