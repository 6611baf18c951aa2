"""Runs that fail, are interrupted or killed: what was there before or nothing, nothing left behind, no late write.

LAZYZARR_KILLS is the number of kills: few in the usual run of the tests, thousands in a night.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import NodeNotFoundError, StoreError
from lazyzarr.format.keys import is_reserved
from lazyzarr.format.stores import FaultStore, LocalStore
from lazyzarr.graph import spreading
from lazyzarr.storage import MemoryStore
from tests.format.conftest import fast_path  # noqa: F401
from tests.format.small import FailingScript, state, stray_keys

KILLS = int(os.environ.get("LAZYZARR_KILLS", "12"))
SHAPE = (6, 8)


@pytest.fixture
def _interruptible():
    """Ctrl-C raises, even where the tests were started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def _small_blocks(monkeypatch):
    """Blocks of a few bytes, so that small arrays are written by several tasks."""
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 64)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 16)


def values(start=1):
    return np.arange(start, start + 48, dtype="i4").reshape(SHAPE)


def with_source(store):
    lz.create_array(store, name="g/source", shape=SHAPE, chunks=(2, 3), dtype="i4")[...] = values()


def with_old(store):
    with_source(store)
    lz.create_array(store, name="g/u", shape=(3,), chunks=(2,), dtype="i4")[...] = 7


def write_new(store, **options):
    """From chunks of one grid to those of another."""
    x = lz.from_zarr(store, "g/source")
    return (x * 2 + x.max()).to_zarr(store, "g/u", chunks=(4, 5), **options)


def leftovers(store):
    """Folders of ours below a local store, listed or not."""
    root = getattr(store, "root", None)
    return [] if root is None else [p for p in pathlib.Path(root).rglob("*") if is_reserved(p.name)]


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize(
    ("mode", "prepare", "scheduler"),
    [
        ("w-", with_source, "sync"),
        ("w", with_old, "sync"),
        ("w", with_source, "sync"),
        ("w", with_old, "threads"),
    ],
    ids=["new", "old", "w where nothing is", "old, threads"],
)
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_each_store_call_fails_in_turn(kind, mode, prepare, scheduler, fast_path):  # noqa: F811
    options = {"mode": mode, "scheduler": scheduler, "num_workers": 3}
    old, new = None, None
    for n in itertools.count(1):
        store = MemoryStore() if kind == "memory" else LocalStore(fast_path / f"{n}.zarr")
        prepare(store)
        if old is None:
            old = state(store)
        script = FailingScript(n)
        try:
            write_new(FaultStore(store, script), **options)
        except (OSError, StoreError):
            assert script.failed
        else:
            assert script.failed is None, f"{script.failed} failed and went unnoticed"
            new = state(store)
            break
        check_after(store, script.failed, old, options)
        if kind == "local":
            shutil.rmtree(store.root)
    assert n > 30
    assert new != old


def check_after(store, failed, old, options):
    """Old or new, nothing stray; and the next write works and leaves nothing."""
    found = state(store)
    if found != old:
        np.testing.assert_array_equal(found["g/u"][1][1], values() * 2 + 48, err_msg=f"{failed}")
        options = options | {"mode": "w"}
    assert stray_keys(store) == [], failed
    if failed[0] != "delete_prefix":  # which is what removes them
        assert leftovers(store) == [], failed
    out = write_new(store, **options)
    np.testing.assert_array_equal(out[...], values() * 2 + 48)
    assert leftovers(store) == [], failed
    assert stray_keys(store) == [], failed


class Mistake(Exception):
    """An error of a user's own, which takes two arguments."""

    def __init__(self, what, where):
        super().__init__(what, where)
        self.what = what


FAILURES = [
    Mistake("no such thing", 5),
    KeyError("sigma"),
    ZeroDivisionError("by hand"),
    MemoryError(),
    Warning("w"),
]


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_a_users_error_keeps_its_type_and_carries_the_block(error, scheduler):
    store = LocalStore("data.zarr")
    with_old(store)
    before = state(store)

    def smooth(block, block_id):
        if block_id == (2, 1):
            raise error
        return block

    y = lz.from_zarr(store, "g/source").map_blocks(smooth, dtype="i4")
    with pytest.raises(type(error)) as caught:
        y.to_zarr(store, "g/u", mode="w", scheduler=scheduler, num_workers=2)
    assert caught.value is error
    note, cure = error.__notes__
    error.__notes__.clear()
    assert cure == 'to step into it: y.blocks[2, 1].compute(scheduler="sync")'
    assert "map_blocks(smooth), test_run.py:" in note
    assert "block (2, 1) = [4:6, 3:6] of int32" in note
    assert state(store) == before
    assert leftovers(store) == []
    with pytest.raises(type(error)):
        y.compute(scheduler=scheduler)
    error.__notes__.clear()


def test_a_block_that_is_changed_in_place_is_told_the_cure():
    def clip(block):
        block[block < 3] = 0
        return block

    lz.create_array("data.zarr", shape=(4,), chunks=(2,), dtype="i4")
    for x in (lz.from_zarr("data.zarr"), lz.from_array(np.arange(4), chunks=2)):
        with pytest.raises(ValueError, match="read-only") as caught:
            x.map_blocks(clip, dtype="i4").compute()
        assert "copy()" in "".join(caught.value.__notes__)


class Slow:
    """A store's script: takes its time before a chunk is written, and logs what comes after the call is over."""

    def __init__(self):
        self.busy, self.over, self.late = threading.Event(), False, []

    def __call__(self, verb, key, n):
        if verb == "set" and "/c/" in key:
            self.busy.set()
            time.sleep(0.1)
        if self.over:
            self.late.append((verb, key))


def fail():
    raise Mistake("half way", 1)


def interrupt():
    """As Ctrl-C: the main thread is interrupted, wherever it is."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("_small_blocks", "_interruptible")
@pytest.mark.parametrize(("act", "raised"), [(fail, Mistake), (interrupt, KeyboardInterrupt)])
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_nothing_is_written_after_the_call_is_over(act, raised, kind):
    """One task fails while another one is in the middle of a write."""
    store = MemoryStore() if kind == "memory" else LocalStore("data.zarr")
    with_old(store)
    before = state(store)
    script = Slow()

    def work(block, block_id):
        if block_id[0] == 5:
            assert script.busy.wait(30)
            act()
        return block + 1

    x = lz.from_array(np.ones((16, 4), "i4"), chunks=(1, 4)).map_blocks(work, dtype="i4")
    with pytest.raises(raised):
        x.to_zarr(
            FaultStore(store, script), "g/u", mode="w", chunks=(1, 4), scheduler="threads", num_workers=2
        )
    script.over = True
    time.sleep(0.3)
    assert script.late == []
    assert state(store) == before
    assert stray_keys(store) == []
    assert not any(is_reserved(part) for key in store.list() for part in key.split("/"))
    assert leftovers(store) == []
    assert write_new(store, mode="w")[0, 0] == 50


@pytest.mark.usefixtures("_small_blocks")
def test_an_interrupt_while_all_is_read_here_leaves_nothing():
    """Without threads the interrupt lies in the middle of a block."""
    store = LocalStore("data.zarr")
    with_source(store)
    for n in range(0, 9, 4):
        blocks = itertools.count()

        def work(block, n=n, blocks=blocks):
            if next(blocks) == n:
                raise KeyboardInterrupt
            return block

        x = lz.from_zarr(store, "g/source").map_blocks(work, dtype="i4")
        with pytest.raises(KeyboardInterrupt):
            x.to_zarr(store, "g/u", scheduler="sync")
        with pytest.raises(NodeNotFoundError):
            lz.open(store, path="g/u")
        assert leftovers(store) == []
    np.testing.assert_array_equal(lz.from_zarr(store, "g/source").to_zarr(store, "g/u")[...], values())


def test_a_failed_answer_stops_the_other_tasks_soon():
    """Each of 8 tasks has 10 chunks; what runs beside the one that fails ends with its chunk, not with its task."""
    calls, both, failed = itertools.count(), threading.Event(), threading.Event()

    def work(block):
        if next(calls) == 0:
            assert both.wait(30)
            failed.set()
            raise Mistake("at once", 1)
        both.set()
        assert failed.wait(30)
        time.sleep(0.3)
        return block

    x = lz.from_array(np.ones((1_000_000,)), chunks=12_500).map_blocks(work, dtype="f8")
    assert x.explain(num_workers=2).tasks == 8
    with pytest.raises(Mistake):
        x.compute(num_workers=2)
    seen = next(calls)
    assert seen < 5
    time.sleep(0.4)
    assert next(calls) == seen + 1


JOB = """
import itertools, os, sys
import numpy as np
import lazyzarr as lz
from lazyzarr.graph import spreading

spreading.BLOCK_BYTES, spreading.LEAST_BLOCK_BYTES = 40_000, 10_000

def job(start):
    x = lz.from_zarr("data.zarr/ones")
    for i in itertools.count(start):
        (x * i).to_zarr("data.zarr/u", mode="w", chunks=(40, 60), num_workers=2, attributes={"value": i})
        (x * i).to_zarr(f"data.zarr/n{i}", chunks=(64, 64), num_workers=2, attributes={"value": i})
        os.write(1, b".")

# Forks have all imported, and no threads.
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            job(int(line))
        finally:
            os.write(1, b"!")
            os._exit(1)
    os.write(1, b"%d\\n" % child)
    os.waitpid(child, 0)
    os.write(1, b"\\n")
"""


def kill_at_random(forks, start, seconds):
    """Lets a child write for a moment, kills it; how often it had written."""
    forks.stdin.write(b"%d\n" % start)
    forks.stdin.flush()
    child = int(forks.stdout.readline())
    first = forks.stdout.read(1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    report = first + forks.stdout.readline().strip()
    assert set(report) == {ord(".")}, report
    return len(report)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forks")
def test_a_killed_write_leaves_the_old_array_or_none(fast_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(fast_path)
    ones = lz.create_array("data.zarr/ones", shape=(200, 200), chunks=(50, 50), dtype="i4")
    ones[...] = 1
    rng, done, rest = random.Random(7), 0, 0
    command = [sys.executable, "-c", JOB]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as forks:
        for _ in range(KILLS):
            done += kill_at_random(forks, 1000 * (done + 1), rng.uniform(0, 0.06))
            rest += bool(leftovers(LocalStore("data.zarr")))
            group = lz.open_group("data.zarr", mode="r+")
            for _, array in group.arrays():
                assert (array[...] == array.attrs.get("value", 1)).all()
            assert stray_keys(LocalStore("data.zarr")) == []
            for name in [name for name in group if name.startswith("n")]:
                del group[name]
            out = (ones.lazy() * 5).to_zarr("data.zarr/u", mode="w", attributes={"value": 5})
            assert (out[...] == 5).all()
            assert leftovers(LocalStore("data.zarr")) == []
        forks.stdin.close()
    assert done >= KILLS  # each child had written, else this proves nothing
    assert rest > 0  # and some were killed while they did
    print(f"kill9_to_zarr {KILLS}/{KILLS} torn 0 ({done} writes done, {rest} killed half way)")
