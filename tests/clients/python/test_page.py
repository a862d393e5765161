"""Runs the examples in docs/clients/python.md."""

import subprocess
import sys

import pytest


@pytest.mark.usefixtures("server")
def test_the_example_of_the_page(examples):
    [program] = examples("python", "python")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    user_name, refusal = done.stdout.splitlines()
    assert user_name == "admin@example.com"
    assert refusal.startswith("Invalid access token.")
