"""Finds the `dapi-mock` program that belongs to this package."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path


class BinaryNotFound(FileNotFoundError):
    """The `dapi-mock` program is not installed, or DAPI_MOCK_BIN is wrong."""


def find_binary() -> str:
    """Return the path of the `dapi-mock` program.

    `DAPI_MOCK_BIN` takes precedence. Otherwise this is the program that the package installed, or else the first
    `dapi-mock` on PATH.
    """
    named = os.environ.get("DAPI_MOCK_BIN")
    if named:
        if os.access(named, os.X_OK):
            return named
        raise BinaryNotFound(f"DAPI_MOCK_BIN is not an executable file: {named}")
    for folder in _script_folders():
        program = folder / f"dapi-mock{sysconfig.get_config_var('EXE') or ''}"
        if program.is_file():
            return str(program)
    on_path = shutil.which("dapi-mock")
    if on_path:
        return on_path
    raise BinaryNotFound("no dapi-mock program found: install the dapi-mock wheel or set DAPI_MOCK_BIN")


def _script_folders() -> Iterator[Path]:
    yield Path(sysconfig.get_path("scripts"))
    # `pip install --user`.
    scheme = _user_scheme()
    if scheme:
        yield Path(sysconfig.get_path("scripts", scheme=scheme))
    # `pip install --target FOLDER` puts programs in FOLDER/bin.
    yield Path(__file__).resolve().parent.parent / "bin"


def _user_scheme() -> str | None:
    if sys.version_info >= (3, 10):
        return sysconfig.get_preferred_scheme("user")
    return "nt_user" if os.name == "nt" else "posix_user"
