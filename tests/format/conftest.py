"""Fixtures for the format's tests."""

from __future__ import annotations

import os
import pathlib
import tempfile

import pytest


@pytest.fixture
def fast_path(tmp_path):
    """A temporary folder, in memory where there is one: for loops that make thousands of files."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        yield pathlib.Path(path)
