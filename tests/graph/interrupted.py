"""Writes that fail or are interrupted in the middle, and what is written after the call is over.

`python -m tests.graph.interrupted threads` works in the current folder, in which `source.zarr` is, and ends with an
error where a promise is broken. It leads its own process group, so that an interrupt reaches workers, too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import signal
import sys
import threading
import time

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.format.keys import is_reserved
from lazyzarr.format.stores import FaultStore, LocalStore

SHAPE, CHUNKS = (8, 125_000), (1, 12_500)  # eight tasks of ten writes each
LOG = "writes.log"


class Slowly:
    """A store's script: each write of a chunk takes a while, and says when it begins to take effect."""

    def __init__(self, log):
        self.log = log

    def __call__(self, verb, key, n):
        if verb == "set" and "c/" in key:
            say(self.log, "begin")
            time.sleep(0.05)
            say(self.log, "write")


def say(log, word):
    with open(log, "a") as lines:
        lines.write(f"{word}\n")


def fail_late(block, block_id):
    if block_id == (5, 3):
        raise KeyError("sigma")
    return block + 1


def interrupt(log):
    """As Ctrl-C in a terminal, when writes are under way."""
    while not os.path.exists(log) or len(pathlib.Path(log).read_text().split()) < 6:
        time.sleep(0.005)
    os.killpg(0, signal.SIGINT)


def state():
    """All that lies in the folder, and when it was changed."""
    return {str(path): path.stat().st_mtime_ns for path in sorted(pathlib.Path().rglob("*"))}


def attempt(act, write, seconds=0.0):
    """Lets a write fail in the middle, and watches the store for so long."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(LOG)
    if act == "interrupt":
        threading.Thread(target=interrupt, args=(os.path.abspath(LOG),)).start()
    with pytest.raises(KeyError if act == "raise" else KeyboardInterrupt) as caught:
        write()
    if act == "raise":
        assert type(caught.value) is KeyError
        assert "block (5, 3) = [5:6, 37500:50000] of float64" in caught.value.__notes__[0]
    at_once = state()
    time.sleep(seconds)
    assert state() == at_once, set(state().items()) ^ set(at_once.items())
    assert not any(is_reserved(pathlib.Path(path).name) for path in at_once)


def main(scheduler):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    lz.config.set({"scheduler": scheduler, "num_workers": 2})
    x = lz.from_zarr("source.zarr")
    store = FaultStore(LocalStore("out.zarr"), Slowly(os.path.abspath(LOG)))
    lz.create_array(store, name="old", shape=(3,), chunks=(3,), dtype="f8")[...] = 7
    z = lz.create_array(store, name="region", shape=SHAPE, chunks=CHUNKS, dtype="f8")
    for act, y in {"raise": x.map_blocks(fail_late, dtype="f8"), "interrupt": x + 1}.items():
        attempt(act, functools.partial(y.to_zarr, store, "old", mode="w"))
        assert lz.load("out.zarr/old").tolist() == [7, 7, 7]
        attempt(act, functools.partial(z.__setitem__, ..., y), seconds=1)
        # What ran it goes on to work.
        assert x.sum().compute() == np.prod(SHAPE)
    assert (x + 1).to_zarr("after.zarr")[...].min() == 2
    print("nothing was written after the call was over")


if __name__ == "__main__":
    if sys.argv[1] == "distributed":
        from distributed import Client, LocalCluster

        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0", "silence_logs": 60}
        with LocalCluster(**options) as cluster, Client(cluster):
            main(sys.argv[1])
    else:
        main(sys.argv[1])
