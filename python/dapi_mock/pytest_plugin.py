"""The pytest plugin: a server for the run, a fresh workspace for each test.

    def test_a_token_expires(workspace_client, databricks_clock):
        token = workspace_client.tokens.create(lifetime_seconds=60)
        databricks_clock.advance(by="61s")
        ...

`docs/pytest.md` has every fixture, the marker and the options.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ._control import ControlError, ServerUnreachable
from ._server import Server
from ._workspace import Clock, Faults, Json, Workspace

if TYPE_CHECKING:
    from databricks.sdk import AccountClient, WorkspaceClient

# These variables can point a client elsewhere than DATABRICKS_HOST: the SDKs also read cloud credentials.
_FOREIGN_PREFIXES = ("DATABRICKS_", "ARM_")
_FOREIGN_NAMES = ("GOOGLE_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS")
# A killed run leaves its workspace on a shared server, which deletes it after this time.
_TIME_TO_LIVE = "6h"
_MAX_REFUSALS = 10
_MARKER_OPTIONS = ("template", "seed", "tier", "conf")

_workspace_key = pytest.StashKey[Workspace]()
_suspects_key = pytest.StashKey[int]()
_server_key = pytest.StashKey[Server]()
_shared_server_key = pytest.StashKey[Server]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("databricks-mock", "dapi-mock")
    group.addoption(
        "--databricks-mock-url",
        metavar="URL",
        help="Use the dapi-mock server at URL instead of starting one (set DAPI_MOCK_CONTROL_KEY to its control key)",
    )
    group.addoption(
        "--databricks-mock-log",
        metavar="PATH",
        help="Append the server's log to this file",
    )
    group.addoption(
        "--databricks-mock-shared",
        action="store_true",
        help="Share one server between all pytest-xdist workers instead of starting one in each",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "databricks(template=None, seed=None, tier=None, conf=None): the workspace that this test gets from "
        "databricks_workspace: a template or seed, the plan (premium or standard) and workspace configuration",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a pytest-xdist worker about the shared server."""
    config = node.config
    if not config.getoption("databricks_mock_shared") or config.getoption("databricks_mock_url"):
        return
    if _shared_server_key not in config.stash:
        config.stash[_shared_server_key] = Server(log=config.getoption("databricks_mock_log")).start()
    node.workerinput["databricks_mock_url"] = config.stash[_shared_server_key].url


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_shared_server_key, None)
    if server:
        server.stop()


def _url(config: pytest.Config) -> str | None:
    handed_on: str | None = getattr(config, "workerinput", {}).get("databricks_mock_url")
    given: str | None = config.getoption("databricks_mock_url")
    return given or handed_on


def _log(config: pytest.Config) -> str | None:
    path: str | None = config.getoption("databricks_mock_log")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if path and worker:
        # Each worker has its own server, and therefore its own log.
        file = Path(path)
        return str(file.with_name(f"{file.stem}-{worker}{file.suffix}"))
    return path


@pytest.fixture(scope="session")
def databricks_mock(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The server of this run: a `dapi_mock.Server`."""
    config = request.config
    url = _url(config)
    key = os.environ.get("DAPI_MOCK_CONTROL_KEY") if url else None
    server = Server(url=url, control_key=key, log=None if url else _log(config))
    with server:
        config.stash[_server_key] = server
        yield server
        del config.stash[_server_key]


def _marker_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    options: dict[str, Any] = {}
    # The closest marker wins, option by option.
    for marker in reversed(list(request.node.iter_markers("databricks"))):
        unknown = sorted(set(marker.kwargs) - set(_MARKER_OPTIONS))
        if marker.args or unknown:
            what = f"unknown option {unknown[0]!r}" if unknown else "positional arguments"
            raise pytest.UsageError(f"@pytest.mark.databricks: {what}: expected {', '.join(_MARKER_OPTIONS)}")
        options.update(marker.kwargs)
    return options


@pytest.fixture
def databricks_workspace(
    request: pytest.FixtureRequest,
    databricks_mock: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Workspace]:
    """A workspace for this test alone. Sets the environment variables that point official clients at it."""
    options = _marker_options(request)
    workspace = databricks_mock.create_workspace(ttl=_TIME_TO_LIVE, **options)
    for name in list(os.environ):
        if name.startswith(_FOREIGN_PREFIXES) or name in _FOREIGN_NAMES:
            monkeypatch.delenv(name)
    for name, value in workspace.env.items():
        monkeypatch.setenv(name, value)
    # Keeps the developer's own profiles away, even [DEFAULT].
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path_factory.getbasetemp() / "no-databrickscfg"))
    request.node.stash[_workspace_key] = workspace
    yield workspace
    try:
        workspace.delete()
    except ControlError as error:
        # The test may have deleted it.
        if error.status != 404:
            raise


@pytest.fixture
def databricks_clock(databricks_workspace: Workspace) -> Clock:
    """The clock of this test's workspace."""
    return databricks_workspace.clock


@pytest.fixture
def databricks_faults(databricks_workspace: Workspace) -> Faults:
    """Failures on demand in this test's workspace."""
    return databricks_workspace.faults


@pytest.fixture
def workspace_client(databricks_workspace: Workspace) -> WorkspaceClient:
    """A `WorkspaceClient` signed in as a workspace admin; its retries take no real time."""
    sdk = pytest.importorskip("databricks.sdk", reason="workspace_client needs the package databricks-sdk")
    config = _sdk_config(
        databricks_workspace,
        token=databricks_workspace.admin_token,
        workspace_id=databricks_workspace.id,
        auth_type="pat",
    )
    client: WorkspaceClient = sdk.WorkspaceClient(config=config)
    return client


@pytest.fixture
def account_client(databricks_workspace: Workspace) -> AccountClient:
    """An `AccountClient` for the account of this test's workspace, signed in as an account admin."""
    sdk = pytest.importorskip("databricks.sdk", reason="account_client needs the package databricks-sdk")
    config = _sdk_config(
        databricks_workspace,
        account_id=databricks_workspace.account_id,
        client_id=databricks_workspace.client_id,
        client_secret=databricks_workspace.client_secret,
        # The environment also has a token, and the SDK rejects an ambiguous configuration.
        auth_type="oauth-m2m",
    )
    client: AccountClient = sdk.AccountClient(config=config)
    return client


def _sdk_config(workspace: Workspace, **credentials: Any) -> Any:
    from databricks.sdk.config import Config

    return Config(host=workspace.host, clock=_retry_clock(workspace), **credentials)


def _retry_clock(workspace: Workspace) -> Any:
    from databricks.sdk.clock import Clock as SdkClock

    class RetryClock(SdkClock):
        """Advance the workspace's clock instead of waiting, so that a retry takes no real time."""

        def __init__(self) -> None:
            self._slept = 0.0

        def time(self) -> float:
            return time.time() + self._slept

        def sleep(self, seconds: float) -> None:
            self._slept += seconds
            workspace.clock.advance(by=f"{max(round(seconds * 1000), 1)}ms")

    return RetryClock()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    server = item.config.stash.get(_server_key, None)
    item.stash[_suspects_key] = _suspect_count(server)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when != "call":
        return report
    server = item.config.stash.get(_server_key, None)
    if server and _suspect_count(server) > item.stash.get(_suspects_key, 0):
        sent = _suspects_text(server)
        if report.outcome == "passed":
            report.outcome = "failed"
            report.longrepr = sent
        else:
            report.sections.append(("dapi-mock: suspected real credential", sent))
    workspace = item.stash.get(_workspace_key, None)
    if report.outcome == "failed" and workspace:
        refusals = _refusals_text(workspace)
        if refusals:
            report.sections.append(("dapi-mock: what was refused, and why", refusals))
    return report


def _suspects(server: Server) -> list[Json]:
    try:
        return server.suspected_credentials()
    except (ControlError, ServerUnreachable):
        # The test may have stopped the server.
        return []


def _suspect_count(server: Server | None) -> int:
    return sum(int(suspect["count"]) for suspect in _suspects(server)) if server else 0


def _suspects_text(server: Server) -> str:
    lines = [
        "A credential that looks like a real one was sent to dapi-mock. It was not stored; revoke it if it is real."
    ]
    lines += [f"  {suspect['kind']} by {suspect['client']}, last at {suspect['last']}" for suspect in _suspects(server)]
    return "\n".join(lines)


def _refusals_text(workspace: Workspace) -> str:
    try:
        refusals = workspace.requests.list(refused=True, limit=_MAX_REFUSALS)
    except (ControlError, ServerUnreachable):
        return ""
    return "\n".join(_refusal_text(workspace, refusal) for refusal in refusals)


def _refusal_text(workspace: Workspace, refusal: Mapping[str, Any]) -> str:
    caller = f" by {refusal['principal']}" if refusal.get("principal") else ""
    lines = [f"{refusal['method']} {refusal['path']} answered {refusal['status']}{caller}"]
    because, remedy = refusal.get("because"), None
    try:
        explanation = workspace.explain(str(refusal["request_id"]))
        because, remedy = explanation.get("because") or because, explanation.get("remedy")
    except (ControlError, ServerUnreachable):
        pass
    if because:
        lines.append(f"    because {because}")
    if remedy:
        lines.append(f"    remedy: {remedy}")
    return "\n".join(lines)
