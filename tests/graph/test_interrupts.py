"""A task that raises, or Ctrl-C: nothing is written after the call is over, and the next call works."""

from __future__ import annotations

import contextlib
import os
import signal
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


KILLED = """
import os, signal
import lazyzarr as lz

if __name__ == "__main__":
    x = lz.from_zarr("source.zarr") + 1
    assert x.max().compute(scheduler="processes", num_workers=2) == 2
    print("computed", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills a process")
def test_the_workers_of_a_process_that_was_killed_end_with_it(tmp_path):
    """They hold its standard output open: who reads that would wait for them."""
    lz.create_array("source.zarr", shape=SHAPE, chunks=CHUNKS, dtype="f8", fill_value=1)
    (tmp_path / "job.py").write_text(KILLED)
    with subprocess.Popen([sys.executable, "job.py"], stdout=subprocess.PIPE, start_new_session=True) as job:
        try:
            said, _ = job.communicate(timeout=60)
            assert (said, job.returncode) == (b"computed\n", -signal.SIGKILL)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
