"""Fixtures for all tests: nothing is left in the settings, in the working folder, or running."""

from __future__ import annotations

import copy
import os
import platform
from importlib.metadata import version

import hypothesis
import pytest

from lazyzarr import settings
from tests import source

# Processes that a test starts, workers or examples, import this checkout.
os.environ["PYTHONPATH"] = str(source.ROOT)

hypothesis.settings.register_profile(
    "lazyzarr", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("lazyzarr")


@pytest.fixture(autouse=True)
def default_settings():
    """Each test starts from the default settings, whatever the one before changed."""
    config = settings.load_config()
    before = copy.deepcopy(config.config)
    yield
    config.config.clear()
    config.config.update(before)


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    """Relative paths in a test mean its own temporary folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def open_files():
    """The number of open file descriptors now, as a function."""
    return lambda: len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def pytest_terminal_summary(terminalreporter):
    """Says how many of the peer tests ran and how many were skipped, and with which versions."""
    counts = {
        outcome: sum("peer" in report.keywords for report in terminalreporter.stats.get(outcome, []))
        for outcome in ("passed", "failed", "skipped")
    }
    if any(counts.values()):
        names = ("zarr", "numcodecs", "tensorstore", "numpy")
        versions = ", ".join([f"python {platform.python_version()}", *(f"{n} {version(n)}" for n in names)])
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        terminalreporter.write_line(f"peer tests: {said}; {versions}")
