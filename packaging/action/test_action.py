"""Runs the action's two steps as GitHub's runner would: test_action.py BINARY RELEASES"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import urllib.error
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ruamel.yaml import YAML

ACTION = Path(__file__).resolve().parent
BINARY, RELEASES = Path(sys.argv[1]), Path(sys.argv[2])
DEFINITION = YAML(typ="safe").load(ACTION / "action.yml")
VERSION = json.loads((ACTION / "../npm/package.json").read_text())["version"]
ARCHIVE = next((RELEASES / f"v{VERSION}").glob("*.tar.gz")).name
# Lacks the mark of dapi-mock's own tokens, so it looks real.
REAL_LOOKING = "dapi" + hashlib.md5(b"production").hexdigest()
SECONDS = 60


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Job:
    """The variables and files of a job, and what its steps reported to the runner."""

    def __init__(self, folder: Path, **inputs: str):
        self.folder = folder
        defaults = {name: one["default"] for name, one in DEFINITION["inputs"].items() if "default" in one}
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert given.keys() <= DEFINITION["inputs"].keys(), given
        self.inputs = {f"INPUT_{name.upper()}": value for name, value in {**defaults, **given}.items()}
        self.state: dict[str, str] = {}
        self.env: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.path: list[str] = []
        self.summary = ""
        self.text = ""

    def step(self, name: str) -> int:
        files = {}
        for variable in ("GITHUB_STATE", "GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"):
            files[variable] = self.folder / f"{name}-{variable}"
            files[variable].touch()
        env = {
            **os.environ,
            **self.inputs,
            **self.env,
            **{f"STATE_{key}": value for key, value in self.state.items()},
            **{variable: str(path) for variable, path in files.items()},
            "RUNNER_TEMP": str(self.folder),
        }
        result = subprocess.run(
            ["node", ACTION / DEFINITION["runs"][name]],
            cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=SECONDS,
        )
        self.text = result.stdout
        self.state |= self._entries(files["GITHUB_STATE"])
        self.env |= self._entries(files["GITHUB_ENV"])
        self.outputs |= self._entries(files["GITHUB_OUTPUT"])
        self.path += files["GITHUB_PATH"].read_text().splitlines()
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        return result.returncode

    @staticmethod
    def _entries(path: Path) -> dict[str, str]:
        return dict(line.split("=", 1) for line in path.read_text().splitlines())

    def masks(self) -> set[str]:
        return set(re.findall(r"^::add-mask::(.*)$", self.text, re.M))

    def ask(self, path: str, body: dict | None = None, token: str | None = None) -> int:
        """Call the server as a client of a later step would; return the status."""
        request = urllib.request.Request(
            f"{self.env['DATABRICKS_HOST']}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token or self.env['DATABRICKS_TOKEN']}",
                "Content-Type": "application/json",
                "X-Databricks-Org-Id": self.env["DATABRICKS_WORKSPACE_ID"],
            },
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def is_gone(self) -> bool:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            try:
                self.ask("livez")
            except OSError:
                return True
            time.sleep(0.05)
        return False


class ActionTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def serve(self, folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return f"http://127.0.0.1:{server.server_port}"

    def start(self, **inputs: str) -> Job:
        job = Job(self.folder, **inputs)
        self.assertEqual(job.step("main"), 0, job.text)
        self.addCleanup(self.kill, int(job.state["pid"]))
        return job

    @staticmethod
    def kill(pid: int):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass

    def refused(self, message: str, **inputs: str):
        job = Job(self.folder, **inputs)
        self.assertEqual(job.step("main"), 1)
        self.assertRegex(job.text, f"(?m)^::error::.*{message}")
        self.assertEqual((job.env, job.outputs, job.state), ({}, {}, {}))
        self.assertEqual(job.step("post"), 0, "nothing was started, so post has nothing to report")
        self.assertEqual((job.text, job.summary), ("", ""))

    def test_a_release_is_downloaded_started_reported_and_stopped(self):
        job = self.start(releases=self.serve(RELEASES))
        self.assertIn(f"dapi-mock {VERSION} is ready at {job.env['DATABRICKS_HOST']}", job.text)
        self.assertEqual(job.masks(), {job.outputs["token"], job.outputs["client-secret"]})
        self.assertEqual(job.outputs.keys(), DEFINITION["outputs"].keys())
        self.assertEqual(job.outputs["token"], job.env["DATABRICKS_TOKEN"])
        self.assertEqual(job.ask("api/2.0/token/list"), 200)
        for _ in range(2):
            self.assertEqual(job.ask("api/2.0/token/create", {"lifetime_seconds": 731 * 86400}), 400)
        self.assertEqual(job.ask("api/2.0/token/list", token="dapi" + "0" * 32), 403)
        command = [Path(job.path[0], "dapi-mock"), "explain", "--last"]
        explained = subprocess.run(command, env={**os.environ, **job.env}, stdout=subprocess.PIPE, text=True, timeout=SECONDS)
        self.assertIn("has no such token", explained.stdout)

        self.assertEqual(job.step("post"), 0, job.text)
        rows = [line for line in job.summary.splitlines() if line.startswith("| 2 |")]
        self.assertEqual(len(rows), 1, job.summary)
        self.assertRegex(rows[0], r"POST /api/2.0/token/create \| 400 \| admin@example.com \| .*lifetime.* \| .*63072000")
        self.assertIn("| 1 | GET /api/2.0/token/list | 403 |", job.summary)
        self.assertTrue(job.is_gone())

    def test_the_workflow_of_the_docs_runs(self):
        page = (ACTION / "../../docs/ci.md").read_text()
        block = next(text for text in re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S) if "uses:" in text)
        (self.folder / "workflow.yml").write_text(block)
        check = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.github-workflows"]
        subprocess.run([*check, self.folder / "workflow.yml"], check=True, stdout=subprocess.DEVNULL)
        _, uses, run = YAML(typ="safe").load(block)["jobs"]["test"]["steps"]
        self.assertEqual(uses["uses"], f"dapi-mock/dapi-mock/packaging/action@v{VERSION}")
        job = self.start(releases=self.serve(RELEASES), **uses["with"])
        tests = self.folder / "run-tests"
        tests.write_text('#!/bin/sh\ncurl -sSf -H "Authorization: Bearer $DATABRICKS_TOKEN" "$DATABRICKS_HOST/api/2.0/token/list"\n')
        tests.chmod(0o755)
        env = {**os.environ, **job.env, "NO_PROXY": "127.0.0.1"}
        result = subprocess.run(["bash", "-ec", run["run"]], cwd=self.folder, env=env, stdout=subprocess.PIPE, timeout=SECONDS)
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"token_infos", result.stdout)
        self.assertEqual(job.step("post"), 0, job.text)

    def test_without_refusals_the_summary_says_so(self):
        job = self.start(binary=str(BINARY))
        self.assertEqual(job.step("post"), 0, job.text)
        self.assertEqual(job.summary, "## dapi-mock\n\nNo request was refused.\n")

    def test_a_wrong_checksum_is_refused(self):
        releases = self.folder / "releases"
        shutil.copytree(RELEASES, releases)
        with (releases / f"v{VERSION}" / ARCHIVE).open("ab") as archive:
            archive.write(b"\0")
        self.refused("does not have the checksum in SHA256SUMS", releases=self.serve(releases))

    def test_an_archive_without_a_checksum_is_refused(self):
        releases = self.folder / "releases"
        shutil.copytree(RELEASES, releases)
        (releases / f"v{VERSION}" / "SHA256SUMS").write_text(f"{hashlib.sha256(b'').hexdigest()}  another.tar.gz\n")
        self.refused("has no checksum for", releases=self.serve(releases))

    def test_a_missing_release_is_reported(self):
        self.refused("could not download .*/v9.9.9/SHA256SUMS: 404", version="9.9.9", releases=self.serve(RELEASES))

    def test_a_server_that_cannot_start_says_why(self):
        self.refused("dapi-mock exited with 2.*--tier", binary=str(BINARY), options="--tier=gold")
        self.refused("could not run dapi-mock: .*ENOENT", binary="no-such-program")

    def test_a_program_on_path_a_seed_options_and_a_control_key(self):
        (self.folder / "bin").mkdir()
        (self.folder / "bin/dapi-mock").symlink_to(BINARY)
        path = unittest.mock.patch.dict(os.environ, PATH=f"{self.folder}/bin:{os.environ['PATH']}")
        path.start()
        self.addCleanup(path.stop)
        (self.folder / "seed.yaml").write_text("workspaces:\n  - users: [{user_name: ann@example.com}]\n")
        token = "dapi00000000000000000000000000000001"
        job = self.start(
            binary="dapi-mock",
            seed="seed.yaml",
            options=f"--admin-token={token}\n--tier=standard\n",
            control_key="k1",
        )
        self.assertIn("k1", job.masks())
        self.assertEqual(job.env["DATABRICKS_TOKEN"], token)
        self.assertEqual(job.ask("api/2.0/token-management/tokens"), 404, "the standard tier has no token management")
        self.assertEqual(job.ask("_mock/v1/workspaces"), 401)
        self.assertEqual(job.ask("_mock/v1/workspaces/default/tokens?owner=ann@example.com", token="k1"), 200)
        self.assertEqual(job.step("post"), 0, job.text)
        self.assertIn("GET /api/2.0/token-management/tokens", job.summary)

    def test_a_control_key_from_the_environment_is_used(self):
        job = Job(self.folder, binary=str(BINARY))
        job.env["DAPI_MOCK_CONTROL_KEY"] = "k2"
        self.assertEqual(job.step("main"), 0, job.text)
        self.addCleanup(self.kill, int(job.state["pid"]))
        self.assertIn("k2", job.masks())
        self.assertEqual(job.ask("_mock/v1/workspaces"), 401)
        self.assertEqual(job.step("post"), 0, job.text)

    def test_a_suspected_real_credential_fails_the_job(self):
        job = self.start(binary=str(BINARY))
        job.ask("api/2.0/token/list", token=REAL_LOOKING)
        self.assertEqual(job.step("post"), 1)
        self.assertRegex(job.text, "(?m)^::error::dapi-mock received 1 suspected real credential")
        self.assertIn("### Suspected real credentials", job.summary)
        self.assertNotIn(REAL_LOOKING, job.summary + job.text)
        self.assertTrue(job.is_gone())

    def test_a_suspected_real_credential_can_be_a_warning_only(self):
        job = self.start(binary=str(BINARY), fail_on_suspected_credentials="false")
        job.ask("api/2.0/token/list", token=REAL_LOOKING)
        self.assertEqual(job.step("post"), 0)
        self.assertRegex(job.text, "(?m)^::warning::dapi-mock received 1 suspected real credential")

    def test_a_stopped_server_fails_the_job(self):
        job = self.start(binary=str(BINARY))
        os.kill(int(job.state["pid"]), 9)
        self.assertTrue(job.is_gone())
        self.assertEqual(job.step("post"), 1)
        self.assertRegex(job.text, "(?m)^::error::no dapi-mock server answers at .*log")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
