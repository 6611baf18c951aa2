"""Calls logged and counted; calls made again where they failed for a while, and nothing done twice."""

from __future__ import annotations

import errno
import logging
import random

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ReadOnlyStoreError, StoreError
from lazyzarr.format.stores import FaultStore, LoggingStore, MemoryStore, RetryStore, is_transient
from lazyzarr.format.stores.calls import CallStore


class Busy(Exception):
    status_code = 503


def failing(times, error=None, verbs=None):
    """A FaultStore's script: the first calls fail with a StoreError that `error` caused."""
    left, error = [times], error or ConnectionResetError("reset")

    def script(verb, key, n):
        if left[0] and (verbs is None or verb in verbs):
            left[0] -= 1
            raise StoreError(f"could not {verb} {key}", key) from error

    return script


@pytest.fixture(autouse=True)
def naps(monkeypatch):
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


@pytest.mark.parametrize(
    "act",
    [
        lambda s: s.get("a"),
        lambda s: s.get("a", (0, 1)),
        lambda s: s.get_known("a"),
        lambda s: s.get_ranges("a", [(0, 1)]),
        lambda s: s.set("b", (part for part in [b"1", b"2"])),
        lambda s: s.set_if("b", b"1", None),
        lambda s: s.delete("a"),
        lambda s: s.delete_prefix("a"),
        lambda s: list(s.list()),
        lambda s: s.list_dir(),
        lambda s: s.exists("a"),
        lambda s: s.size("a"),
        lambda s: s.generation("a"),
        lambda s: s.chunk_files("").read("a", bytearray(9)),
        lambda s: s.chunk_files("").read_ranges("a", [(0, 1)]),
        lambda s: s.chunk_files("").write("b", (part for part in [b"1", b"2"])),
        lambda s: s.chunk_files("").delete("a"),
        lambda s: s.chunk_files("").generation(),
    ],
)
def test_each_call_is_made_again(act):
    expected, inner = MemoryStore({"a": b"123"}), MemoryStore({"a": b"123"})
    wanted = act(expected)
    found = act(RetryStore(FaultStore(inner, failing(3)), attempts=4))
    if not hasattr(wanted, "place") and not isinstance(wanted, tuple):
        assert found == wanted
    assert inner._contents == expected._contents
    with pytest.raises(StoreError, match="could not"):
        act(RetryStore(FaultStore(MemoryStore({"a": b"123"}), failing(4)), attempts=4))


def test_waits_grow_and_differ(naps):
    with pytest.raises(StoreError):
        RetryStore(FaultStore(MemoryStore(), failing(99)), attempts=8, wait=1, most=16).get("a")
    assert len(naps) == 7
    assert all(low / 2 <= nap <= low for nap, low in zip(naps, [1, 2, 4, 8, 16, 16, 16], strict=True))
    assert len(set(naps)) == 7


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (OSError(errno.EHOSTUNREACH, "x"), True),
        (OSError(errno.ENOSPC, "x"), False),
        (PermissionError(), False),
        (ReadOnlyStoreError("x"), False),
        (Busy(), True),
        (ValueError(), False),
    ],
)
def test_what_passes(error, passes, naps):
    told = StoreError("x")
    told.__cause__ = error
    assert is_transient(told) is passes
    store = RetryStore(FaultStore(MemoryStore({"a": b"1"}), failing(1, error)))
    if passes:
        assert store.get("a") == b"1"
    else:
        with pytest.raises(StoreError):
            store.get("a")
        assert naps == []


def test_the_user_says_what_passes():
    store = RetryStore(FaultStore(MemoryStore({"a": b"1"}), failing(1, ValueError())), transient=always)
    assert store.get("a") == b"1"
    assert store.wrap(MemoryStore()).transient is always


def always(error):
    return True


def test_a_swap_is_not_repeated():
    """Done twice it is undone: its failure is raised."""
    store = RetryStore(FaultStore(MemoryStore({"a/x": b"1"}), failing(1, verbs=["swap_prefix"])))
    with pytest.raises(StoreError):
        store.swap_prefix("a", "b", replace=True)
    assert list(store.list()) == ["a/x"]


class LostAnswers(CallStore):
    """A store that does what it is told, and says the first time that it failed."""

    def __init__(self, store):
        super().__init__(store)
        self.told = False

    def call(self, verb, key, function):
        found = function()
        if verb in ("set", "set_if") and not self.told:
            self.told = True
            raise StoreError("no answer") from ConnectionResetError()
        return found


def test_a_lost_answer_of_a_conditional_write():
    store = RetryStore(LostAnswers(MemoryStore()))
    assert store.set_if("a", [b"ours"], None)
    assert not RetryStore(MemoryStore({"a": b"equal"})).set_if("a", b"equal", None)
    other = LostAnswers(MemoryStore({"a": b"theirs"}))
    assert not RetryStore(other).set_if("a", b"ours", None)
    assert other.get("a") == b"theirs"


def test_buffers_that_come_once_are_stored_again():
    inner = MemoryStore()
    RetryStore(LostAnswers(inner)).set("a", (part for part in [b"1", b"2"]))
    RetryStore(LostAnswers(inner)).chunk_files("").write("b", (part for part in [b"1", b"2"]))
    assert (inner.get("a"), inner.get("b")) == (b"12", b"12")


def test_a_flaky_store_under_arrays():
    """A fifth of the calls fail: values are right, and no chunk is read as fill."""
    rng = random.Random(3)

    def flaky(verb, key, n):
        if verb != "swap_prefix" and rng.random() < 0.2:
            raise StoreError("could not") from TimeoutError()

    store = RetryStore(FaultStore(MemoryStore(), flaky), attempts=20)
    values = np.arange(400).reshape(20, 20)
    z = lz.create_array(store, shape=(20, 20), chunks=(3, 7), dtype="i4")
    z[...] = values
    for row in range(20):
        z[row, 5] = values[row, 5] = -row
        assert (z[row] == values[row]).all()
    assert (lz.open(store)[...] == values).all()


def test_logging(caplog):
    store = LoggingStore(MemoryStore({"a": b"123"}), "INFO")
    with caplog.at_level("INFO"):
        store.get("a")
        store.get("b")
        store.list_dir()
        store.chunk_files("").write("c", [b"1"])
        with pytest.raises(Exception, match="not valid"):
            store.get("../x")
    said = [record.getMessage() for record in caplog.records]
    assert [text.split()[0] for text in said] == ["get", "get", "list_dir", "set", "get"]
    assert "/a: 3 bytes, " in said[0]
    assert "/b: none, " in said[1]
    assert "failed after" in said[4]
    assert store.counter == {"get": 3, "list_dir": 1, "set": 1}
    assert {record.name for record in caplog.records} == {"lazyzarr.storage"}


def test_logging_to_a_handler():
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(record)

    store = LoggingStore(MemoryStore(), log_level="DEBUG", log_handler=Handler())
    lz.create_array(store, data=[1, 2])
    assert "set" in store.counter
    assert any("zarr.json" in record.getMessage() for record in records)
