"""A task that raises, or Ctrl-C: nothing is written after the call is over, and the next call works."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lazyzarr as lz
from tests.graph.interrupted import CHUNKS, SHAPE


@pytest.mark.parametrize("scheduler", ["threads", "sync", "processes", "distributed"])
def test_nothing_is_written_after_the_call_is_over(scheduler, tmp_path):
    if scheduler == "distributed":
        pytest.importorskip("distributed")
    lz.create_array("source.zarr", shape=SHAPE, chunks=CHUNKS, dtype="f8", fill_value=1)
    command = [sys.executable, "-m", "tests.graph.interrupted", scheduler]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, start_new_session=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "nothing was written after the call was over\n"
