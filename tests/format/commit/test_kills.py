"""Killed at a random instant (SIGKILL): old or new, nothing torn, nothing stray, and the next write works.

A child repeats an operation and reports each that is done; the parent kills it, and looks. LAZYZARR_KILLS is
the number of kills of each operation: few in the usual run of the tests, thousands in a night.
"""

from __future__ import annotations

import itertools
import os
import random
import select
import signal
import time

import numpy as np
import pytest

from lazyzarr.format import commit
from lazyzarr.format.keys import is_reserved
from lazyzarr.format.lookup import read_node
from lazyzarr.format.stores import LocalStore
from tests.format.small import FILL, array_metadata, read, stray_keys, write, writing

KILLS = int(os.environ.get("LAZYZARR_KILLS", "8"))
SHAPE, CHUNKS = (64, 512), (16, 256)  # eight chunks of 16 KiB


def constant(value):
    return np.full(SHAPE, value, "i4")


def metadata(value):
    return array_metadata(SHAPE, CHUNKS, attributes={"value": value})


class Rewrite:
    """Chunks written over and over: each is of one writing."""

    def start(self, store):
        commit.create_array(store, "g/u", metadata(0), write_data=writing(constant(0)))

    def step(self, store, i):
        write(store, "g/u", ..., constant(i))

    def check(self, store):
        values = read(store, "g/u")
        for rows, columns in itertools.product(range(0, 64, 16), range(0, 512, 256)):
            assert np.unique(values[rows : rows + 16, columns : columns + 256]).size == 1


class Update(Rewrite):
    """A column across all chunks, which are read, changed and written back."""

    def step(self, store, i):
        write(store, "g/u", (slice(None), i % 512), i)

    def check(self, store):
        values = read(store, "g/u")
        for rows in range(0, 64, 16):
            assert (values[rows : rows + 16] == values[rows]).all()


class Overwrite(Rewrite):
    """A whole new array each time: its metadata and its data are of one."""

    def step(self, store, i):
        commit.create_array(store, "g/u", metadata(i), overwrite=True, write_data=writing(constant(i)))

    def check(self, store):
        value = read_node(store, "g/u").attributes["value"]
        assert (read(store, "g/u") == value).all()


class OverwriteTheRoot(Overwrite):
    """The same, of an array that is a store's root."""

    def start(self, store):
        commit.create_array(store, "", metadata(0), write_data=writing(constant(0)))

    def step(self, store, i):
        staged = commit.stage_array(store, "", metadata(i), "w")
        write(staged.store, staged.path, ..., constant(i))
        staged.publish()

    def check(self, store):
        assert (read(store) == read_node(store, "").attributes["value"]).all()


class DeleteAndCreate(Overwrite):
    """There with all its data, or not there."""

    def step(self, store, i):
        if read_node(store, "g/u") is not None:
            commit.delete_node(store, "g/u")
        else:
            commit.create_array(store, "g/u", metadata(i), write_data=writing(constant(i)))

    def check(self, store):
        if read_node(store, "g/u") is not None:
            super().check(store)


class Append:
    """Rows that say which they are: as many as the shape says, all of them right."""

    def start(self, store):
        commit.create_array(store, "g/u", array_metadata((0, 512), CHUNKS))

    def step(self, store, i):
        start = read_node(store, "g/u").shape[0]
        if start > 300:
            commit.resize(store, "g/u", (start := 0, 512))
        rows = np.arange(start, start + 5, dtype="i4")[:, None]
        commit.append(store, "g/u", np.repeat(rows, 512, axis=1), 0)

    def check(self, store):
        values = read(store, "g/u")
        assert (values == np.arange(len(values))[:, None]).all()
        assert len(values) % 5 == 0


class Resize:
    """Shrunk and grown: what was cut off does not come back."""

    def start(self, store):
        commit.create_array(store, "g/u", metadata(0), write_data=writing(constant(0)))

    def step(self, store, i):
        if read_node(store, "g/u").shape == SHAPE:
            commit.resize(store, "g/u", (37, 300))
        else:
            commit.resize(store, "g/u", SHAPE)

    def check(self, store):
        values = read(store, "g/u")
        assert values.shape in (SHAPE, (37, 300))
        assert (values[:37, :300] == 0).all()
        beyond = np.unique(np.concatenate([values[37:].ravel(), values[:, 300:].ravel()]))
        assert beyond.tolist() in ([], [FILL], [0])  # 0: before the first shrinking


class Attributes:
    """An attribute that counts."""

    def start(self, store):
        commit.create_array(store, "g/u", array_metadata(attributes={"count": 0}))

    def step(self, store, i):
        commit.edit_attributes(store, "g/u", lambda a: {"count": a["count"] + 1, "again": a["count"] + 1})

    def check(self, store):
        attributes = read_node(store, "g/u").attributes
        assert attributes.get("again", 0) == attributes["count"]


KINDS = [Rewrite, Update, Overwrite, OverwriteTheRoot, DeleteAndCreate, Append, Resize, Attributes]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_kills(kind, fast_path):
    operation = kind()
    store = LocalStore(fast_path / "data.zarr")
    operation.start(store)
    done, rng = 0, random.Random(kind.__name__)
    for _ in range(KILLS):
        done += kill_at_random(operation, store.root, done, rng)
        again = LocalStore(store.root)
        operation.check(again)
        assert stray_keys(again) == []
        operation.step(again, done + 1)
        operation.check(again)
    assert done >= KILLS  # the child did work each time, else this proves nothing
    commit.create_array(store, "" if kind is OverwriteTheRoot else "g/u", metadata(1), overwrite=True)
    assert hidden_folders(fast_path) == []


def kill_at_random(operation, root, start, rng):
    """Let a child repeat the operation for a moment, kill it; how often it was done."""
    reading, writing_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            store = LocalStore(root)
            for i in itertools.count(start + 1):
                operation.step(store, i)
                os.write(writing_end, b".")
        finally:
            os.write(writing_end, b"!")
            os._exit(1)
    os.close(writing_end)
    try:
        assert select.select([reading], [], [], 60)[0], "the child does nothing"
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        report = os.read(reading, 100_000)
    finally:
        os.close(reading)
    assert set(report) == {ord(".")}, "the child failed"
    return len(report)


def hidden_folders(folder):
    """What runs left: none once another one has begun beside them."""
    return [path for path in folder.rglob("*") if is_reserved(path.name) and path.is_dir()]
