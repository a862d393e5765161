"""Tests of https with the official SDK, which trusts the mock's CA through the usual variable."""

import pytest
import requests
from databricks.sdk import WorkspaceClient

CLIENT_ID = "32743274-3274-4274-8274-327432743275"


@pytest.fixture
def https(server, tmp_path, monkeypatch):
    ca = tmp_path / "ca.pem"
    ca.write_text(requests.get(f"http://127.0.0.1:{server.port}/_mock/v1/tls/ca.pem").text)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca))
    host = f"https://127.0.0.1:{server.port}"
    monkeypatch.setenv("DATABRICKS_HOST", host)
    return host


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_tokens_over_https(https, name):
    w = WorkspaceClient(host=https.replace("127.0.0.1", name))
    created = w.tokens.create(comment="over https", lifetime_seconds=3600)
    token = WorkspaceClient(token=created.token_value)
    assert token.config.host == https
    assert token.current_user.me() == w.current_user.me()


def test_oauth_over_https(https, server, monkeypatch):
    monkeypatch.delenv("DATABRICKS_TOKEN")
    w = WorkspaceClient(client_id=CLIENT_ID, client_secret=server.client_secret)
    assert w.config.auth_type == "oauth-m2m"
    assert w.config.databricks_oidc_endpoints.token_endpoint == f"{https}/oidc/v1/token"
    assert w.current_user.me().user_name == CLIENT_ID


def test_a_client_without_the_ca_fails(https, server, monkeypatch):
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        requests.get(f"{https}/livez")
    assert requests.get(f"http://127.0.0.1:{server.port}/livez").ok
