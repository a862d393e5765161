"""The README and docs/, with their Python."""

import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).resolve().parents[3] / "tests/documents/run"


def test_every_command_and_program_does_what_the_text_shows(binary):
    done = subprocess.run([sys.executable, RUN, "--python"], env={"DAPI_MOCK_BIN": binary, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Python" not in done.stdout, done.stdout
