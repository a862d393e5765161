"""Schemathesis generates valid and invalid requests from the OpenAPI document. No response may be a 5xx, and each must
have a status, a content type and a body that the document declares. The seed and the number of examples are fixed."""

import base64
import json
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

DOCUMENT = "/_mock/v1/compat/openapi.json"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Schemathesis reuses ids from responses, so these operations may delete the caller, and every later response would be a
# 403. They come last.
ENDING = r"\.(delete|patch|update\w*)(\.alias)?$"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def ask(url: str, token: str, form: dict | None = None) -> dict:
    body = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Authorization": token}), timeout=10) as answer:
        return json.load(answer)


def by_token(server) -> str:
    return f"Bearer {server.admin_token}"


def by_client_credentials(server) -> str:
    """Also signs in as the service principal that is an account admin."""
    client_id = "32743274-3274-4274-8274-327432743275"
    pair = base64.b64encode(f"{client_id}:{server.client_secret}".encode()).decode()
    form = {"grant_type": "client_credentials", "scope": "all-apis"}
    return f"Bearer {ask(f'{server.host}/oidc/v1/token', f'Basic {pair}', form)['access_token']}"


@pytest.mark.parametrize("credential", [by_token, by_client_credentials], ids=lambda credential: credential.__name__)
def test_responses_match_the_document(server, tmp_path, credential):
    authorization = credential(server)
    # Existing names for path segments, so that not every response is a 404.
    place = ask(f"{server.host}/api/2.0/tokens/introspect", authorization)["principal_context"]["authentication_scope"]
    service_principals = ask(f"{server.host}/api/2.0/preview/scim/v2/ServicePrincipals", authorization)["Resources"]
    config = tmp_path / "schemathesis.toml"
    config.write_text(
        "[parameters]\n"
        f'"path.account_id" = "{place["account_id"]}"\n'
        f'"path.workspace_id" = "{place["workspace_id"]}"\n'
        f'"path.sp_id" = "{service_principals[0]["id"]}"\n'
    )
    command = [SCHEMATHESIS, "--config-file", config, "run", f"{server.host}{DOCUMENT}", "--url", server.host]
    command += ["--header", f"Authorization: {authorization}", "--checks", CHECKS, "--continue-on-failure"]
    command += ["--phases", "coverage,fuzzing", "--max-examples", "10", "--seed", "3274", "--no-shrink"]
    command += ["--warnings", "off", "--suppress-health-check", "all", "--generation-database", "none"]
    for which in ["exclude", "include"]:
        options = [f"--{which}-operation-id-regex", ENDING]
        done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=240)
        print(f"\n{which} {ENDING}\n{done.stdout[done.stdout.rfind('= SUMMARY ='):]}")
        assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
        if which == "exclude":
            me = ask(f"{server.host}/api/2.0/preview/scim/v2/Me", authorization)
            assert me["active"], "the caller must have been an active admin to the end"
