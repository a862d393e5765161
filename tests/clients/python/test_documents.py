"""Runs the README and docs/, including their Python."""

import os
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parents[3] / "tests/documents/run"


def test_every_command_and_program_does_what_the_text_shows(binary):
    # Uses the server itself, because the test reads its log and the recording one logs in another format.
    environment = {"DAPI_MOCK_BIN": os.environ.get("RECORDED_BIN", binary), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, RUN, "--python"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Python" not in done.stdout, done.stdout
