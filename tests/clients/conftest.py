"""Starts the built server for a test and points the Databricks clients at it."""

import json
import os
import re
import resource
import secrets
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("DAPI_MOCK_BIN", str(REPOSITORY / "target/release/dapi-mock"))
READY = re.compile(r"^dapi-mock ready host=(https?://127\.0\.0\.1:(\d+)) in=\S+$", re.MULTILINE)

# A thousand connections at once need more files than the usual soft limit, here and in the server.
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard > 0 else 8192, hard))


class Server:
    """A `dapi-mock serve` process. A test can `kill` it and `start` it again on the same database."""

    def __init__(self, folder: Path, database: str, options: list[str], port: int):
        self.admin_token = new_token_value()
        self.client_secret = f"dose{secrets.token_hex(16)}"
        self._folder = folder
        self._command = [BINARY, "serve", "--port", str(port), "--database", database]
        self._command += ["--admin-token", self.admin_token, "--admin-client-secret", self.client_secret, *options]
        self._process = None

    def start(self):
        out, err = self._folder / "stdout", self._folder / "stderr"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            self._process = subprocess.Popen(self._command, cwd=self._folder, stdout=stdout, stderr=stderr)
        deadline = time.monotonic() + 20
        while not (ready := READY.search(out.read_text())):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"The server did not start.\n{out.read_text()}\n{err.read_text()}")
            time.sleep(0.005)
        self.host, self.port = ready[1], int(ready[2])

    def ask(self, method: str, path: str, body: dict | None = None):
        """Calls the control API under `/workspaces`; returns status and body."""
        request = urllib.request.Request(
            f"{self.host}/_mock/v1/workspaces{path}",
            method=method,
            data=json.dumps(body or {}).encode() if method != "GET" else None,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def own(self, method: str, path: str, body: dict | None = None):
        """Calls the control API; the test fails unless the call succeeds."""
        status, answer = self.ask(method, path, body)
        assert status < 300, answer
        return answer

    def kill(self):
        """Kills the server, as a power cut would."""
        self._process.kill()
        self._process.wait()

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                code = self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.kill()
                pytest.fail("The server did not stop on SIGTERM.")
            assert code == 0, "the server must exit with 0 on SIGTERM"


def new_token_value() -> str:
    return f"dapi{secrets.token_hex(16)}"


@pytest.fixture(autouse=True)
def clean_environment(tmp_path, monkeypatch):
    """Keeps the developer's Databricks profile and proxy away."""
    for name in list(os.environ):
        if name.startswith(("DATABRICKS_", "DAPI_MOCK_")) or name == "NETRC":
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    return home


@pytest.fixture
def start_server(tmp_path):
    servers = []

    def start(database: str = "sqlite::memory:", options: list[str] = (), port: int = 0) -> Server:
        server = Server(tmp_path, database, options, port)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(start_server, monkeypatch):
    """A new server for each test. It starts in milliseconds, and no test sees another test's tokens."""
    server = start_server()
    monkeypatch.setenv("DATABRICKS_HOST", server.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", server.admin_token)
    return server


@pytest.fixture
def own(server):
    """Calls the control API of the default workspace; returns status and body."""
    return lambda method, path, body=None: server.ask(method, f"/default/{path}", body)


@pytest.fixture
def binary() -> str:
    return BINARY


@pytest.fixture
def examples():
    """examples(CLIENT, LANGUAGE): returns the fenced blocks of its page in docs/clients, which must work unchanged."""

    def blocks(client: str, language: str) -> list[str]:
        page = (REPOSITORY / f"docs/clients/{client}.md").read_text()
        found = [block.split("```")[0] for block in page.split(f"```{language}\n")[1:]]
        assert found
        return found

    return blocks


@pytest.fixture
def shell_examples(examples):
    """shell_examples(CLIENT, VARIABLE=…): runs the shell blocks in order and returns what they print."""

    def run(client: str, **variables: str) -> str:
        script = "".join(examples(client, "sh"))
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | variables)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
