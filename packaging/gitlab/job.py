"""Prints the GitLab job of a page (job.py extract PAGE), or runs it (job.py run FILE BINARY).

The program takes the place of the service's image, with the variables that the image and the job set.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60
REAL_LOOKING = "dapi" + hashlib.md5(b"production").hexdigest()


def extract(page: str) -> None:
    print(next(text for text in re.findall(r"^```yaml\n(.*?)^```$", Path(page).read_text(), re.M | re.S) if "services:" in text))


def image_variables() -> dict[str, str]:
    """Returns what the image sets with ENV. The data folder in it exists only in the image."""
    text = re.search(r"^ENV (.*?[^\\])$", (ROOT / "Dockerfile").read_text(), re.M | re.S)[1]
    return dict(pair.split("=", 1) for pair in text.replace("\\\n", " ").split())


def run(file: str, binary: str) -> None:
    job = YAML(typ="safe").load(Path(file))["test"]
    (service,) = job["services"]
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder, "ready.json")
        env = {"PATH": os.environ["PATH"], "HOME": folder, **image_variables(), **service["variables"]}
        command = [binary, "serve", "--port", "0", "--ready-file", ready]
        with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                deadline = time.monotonic() + SECONDS
                while not ready.exists():
                    assert server.poll() is None and time.monotonic() < deadline, "the service did not start"
                    time.sleep(0.02)
                port = json.loads(ready.read_text())["host"].rsplit(":", 1)[1]
                reach_by_alias(service["alias"], port, service["variables"]["DAPI_MOCK_CONTROL_KEY"])
                steps(job, service["alias"], port, folder)
            finally:
                server.terminate()


def reach_by_alias(alias: str, port: str, key: str) -> None:
    """Checks that the control API accepts the name that the service has on GitLab."""
    headers = {"Host": f"{alias}:3274", "Authorization": f"Bearer {key}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_mock/v1/workspaces", headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=SECONDS) as answer:
        assert answer.status == 200


def steps(job: dict, alias: str, port: str, folder: str) -> None:
    variables = {name: value.replace(f"{alias}:3274", f"127.0.0.1:{port}") for name, value in job["variables"].items()}
    assert variables != job["variables"], "no variable has the name of the service"
    env = {"PATH": os.environ["PATH"], "HOME": folder, "NO_PROXY": "127.0.0.1", **variables}

    def passes(token: str) -> bool:
        tests = Path(folder, "run-tests")
        tests.write_text(f'#!/bin/sh\ncurl -sS -H "Authorization: Bearer {token}" "$DATABRICKS_HOST/api/2.0/token/list"\n')
        tests.chmod(0o755)
        # GitLab's runner runs all lines in one shell and stops at the first failure.
        script = "set -eo pipefail\n" + "\n".join(job["script"])
        ended = subprocess.run(["bash", "-c", script], cwd=folder, env=env, stdout=subprocess.PIPE, text=True, timeout=SECONDS)
        assert ("token_infos" in ended.stdout) == (token == variables["DATABRICKS_TOKEN"]), ended.stdout
        return ended.returncode == 0

    assert passes(variables["DATABRICKS_TOKEN"])
    assert not passes(REAL_LOOKING)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["extract", page]:
            extract(page)
        case ["run", file, binary]:
            run(file, binary)
        case _:
            sys.exit(__doc__)
