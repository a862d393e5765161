"""A dapi-mock server: one that this process starts, or one that is already running."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, Any

from ._binary import find_binary
from ._control import Control
from ._workspace import Json, Workspace

_READY = b"dapi-mock ready "

# Seconds.
_STOP_TIMEOUT = 10
_MAX_COMPLAINTS = 100

# A forked child that outlives its parent must not hold the pipe that keeps the server alive.
_lifelines: weakref.WeakSet[IO[bytes]] = weakref.WeakSet()


def _cut_lifelines() -> None:
    for lifeline in list(_lifelines):
        os.close(lifeline.fileno())
    _lifelines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_cut_lifelines)


class StartFailed(RuntimeError):
    """The server did not start. The text includes what it printed."""


class Server:
    """A server that runs during the `with` block, on a free port and in memory unless `options` say otherwise.

    `options` are those of `dapi-mock serve`, such as `["--profile", "lab"]`. The server appends its log to the file
    `log`, if given. It stops when this process ends, even if the process is killed.

    With `url` it starts nothing and uses the server that runs there.
    """

    def __init__(
        self,
        options: Sequence[str] = (),
        *,
        url: str | None = None,
        control_key: str | None = None,
        log: str | os.PathLike[str] | None = None,
        start_timeout: float = 60.0,
    ):
        if url and options:
            raise ValueError("give either url or options: a running server already has its options")
        self._options = list(options)
        self._key = control_key
        self._log = log
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: IO[bytes] | None = None
        self._readers: list[threading.Thread] = []
        self._control: Control | None = Control(url, control_key) if url else None
        self.admin_token: str | None = None
        self.client_id: str | None = None
        self.client_secret: str | None = None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The server's URL, such as `http://127.0.0.1:3274`."""
        return self._running().url

    @property
    def pid(self) -> int | None:
        """The server's process id; None if this process did not start it."""
        return self._process.pid if self._process else None

    def start(self) -> Server:
        """Start the server and wait until it is ready; raise `StartFailed` if it does not start."""
        if self._control:
            return self
        with tempfile.TemporaryDirectory(prefix="dapi-mock-") as folder:
            ready = self._start(os.path.join(folder, "ready.json"))
        self._control = Control(ready["host"], self._key)
        self.admin_token, self.client_id, self.client_secret = ready["token"], ready["client_id"], ready["client_secret"]
        return self

    def _start(self, ready_file: str) -> Json:
        command = [find_binary(), "serve", "--profile", "test", "--port", "0", "--until-stdin-closes"]
        command += [*self._options, "--ready-file", ready_file]
        if self._key:
            command += ["--control-key", self._key]
        # Keeps settings away that the developer's shell exports for other servers.
        env = {name: value for name, value in os.environ.items() if not name.startswith("DAPI_MOCK_")}
        env.pop("PORT", None)
        stderr: int | IO[bytes] = open(self._log, "ab") if self._log else subprocess.PIPE
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, env=env)
        finally:
            if not isinstance(stderr, int):
                stderr.close()
        self._process, self._lifeline = process, process.stdin
        if process.stdin:
            _lifelines.add(process.stdin)
        self._wait_until_ready(process)
        with open(ready_file, "rb") as file:
            ready: Json = json.load(file)
        return ready

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        lines: queue.Queue[bytes | None] = queue.Queue()
        complaints: list[bytes] = []

        def read_stdout() -> None:
            assert process.stdout
            with process.stdout as stdout:
                for line in stdout:
                    lines.put(line)
            lines.put(None)

        def read_stderr() -> None:
            assert process.stderr
            # Reads to the end, so that the pipe never fills up, but keeps only the beginning.
            with process.stderr as stderr:
                for line in stderr:
                    if len(complaints) < _MAX_COMPLAINTS:
                        complaints.append(line)

        self._readers = [threading.Thread(target=read_stdout, daemon=True)]
        if process.stderr:
            self._readers.append(threading.Thread(target=read_stderr, daemon=True))
        for reader in self._readers:
            reader.start()
        line: bytes | None = b""
        while line is not None and not line.startswith(_READY):
            try:
                line = lines.get(timeout=self._start_timeout)
            except queue.Empty:
                self.stop()
                raise StartFailed(f"dapi-mock was not ready after {self._start_timeout:g} s") from None
        if line is None:
            self.stop()
            said = b"".join(complaints).decode(errors="replace") if not self._log else f"see {self._log}"
            raise StartFailed(f"dapi-mock exited with {process.returncode}: {said}")

    def stop(self) -> int | None:
        """Stop the server and return its exit code; None if this process did not start it."""
        process, self._process = self._process, None
        if not process:
            return None
        self._control = None
        if self._lifeline:
            _lifelines.discard(self._lifeline)
            self._lifeline.close()
        try:
            code = process.wait(timeout=_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        for reader in self._readers:
            reader.join(timeout=_STOP_TIMEOUT)
        return code

    def create_workspace(
        self,
        *,
        template: str | None = None,
        seed: Mapping[str, Any] | None = None,
        tier: str | None = None,
        conf: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Workspace:
        """Create an isolated workspace in its own account.

        `template` names a world that comes with the server (`"leaky"`), `seed` describes one. `tier` is `"premium"` or
        `"standard"`, `conf` is workspace configuration. Other options are those of the control API, such as
        `ttl="1h"`, `port=0` or `entropy_seed=7`.
        """
        body: Json = {name: value for name, value in (("template", template), ("seed", seed)) if value is not None}
        body.update(options)
        if tier is not None:
            body["behaviour"] = {**body.get("behaviour", {}), "tier": tier}
        workspace = Workspace(self._running(), self._running().call("POST", "/workspaces", body))
        if conf:
            workspace.configure(conf)
        return workspace

    @property
    def default_workspace(self) -> Workspace:
        """The workspace that the first start created."""
        workspace: Json = self._running().call("GET", "/workspaces/default")
        known: dict[str, str | None] = {
            "host": self.url,
            "admin_token": self.admin_token,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }
        env = {"DATABRICKS_HOST": self.url, "DATABRICKS_WORKSPACE_ID": str(workspace["id"])}
        if self.admin_token:
            env["DATABRICKS_TOKEN"] = self.admin_token
        return Workspace(self._running(), {**workspace, **known, "env": env})

    def suspected_credentials(self) -> list[Json]:
        """Return the suspected real credentials that were sent here: kind, client, count, first and last time."""
        suspects: list[Json] = self._running().call("GET", "/tripwire")["strangers"]
        return suspects

    def _running(self) -> Control:
        if not self._control:
            raise RuntimeError("the server is not running: call start() or use it in a with block")
        return self._control
