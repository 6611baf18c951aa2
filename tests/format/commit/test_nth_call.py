"""Each call that an operation makes fails in turn: afterwards the old state is there or the new one.

The calls are those to the store, and those to the operating system. The loop ends when none is left to fail.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil

import pytest

from lazyzarr.errors import ContainsNodeError, StoreError
from lazyzarr.format import commit, os_calls
from lazyzarr.format.lookup import read_node
from lazyzarr.format.metadata import ArrayMetadata
from lazyzarr.format.stores import FaultStore, LocalStore, MemoryStore, files
from tests.format.small import (
    FailingCalls,
    FailingScript,
    array_metadata,
    group_metadata,
    numbers,
    read,
    state,
    stray_keys,
    write,
    writing,
)

SHAPE, CHUNKS = (5, 6), (3, 4)


def array(**arguments):
    return array_metadata(SHAPE, CHUNKS, **arguments)


def create(store, path="g/u", metadata=None, **arguments):
    commit.create_array(store, path, metadata or array(), **arguments)


def stage_and_publish(store, path, mode):
    staged = commit.stage_array(store, path, array(attributes={"new": True}), mode)
    try:
        write(staged.store, staged.path, ..., numbers(SHAPE, 500))
        staged.publish()
    except BaseException:
        staged.discard()
        raise


def old_array(store):
    create(store, metadata=array(attributes={"a": 1}), write_data=writing(numbers(SHAPE)))


def nothing(store):
    pass


# operation: (what is there before, what is done)
OPERATIONS = {
    "create": (nothing, create),
    "create in v2": (nothing, lambda s: create(s, metadata=array(zarr_format=2, attributes={"a": 1}))),
    "create with data": (nothing, lambda s: create(s, write_data=writing(numbers(SHAPE)))),
    "create the root with data": (nothing, lambda s: create(s, "", write_data=writing(numbers(SHAPE)))),
    "create a group": (nothing, lambda s: commit.create_group(s, "g/h", group_metadata(attributes={"a": 1}))),
    "overwrite": (
        old_array,
        lambda s: create(
            s, metadata=array_metadata((3, 3), (2, 2)), overwrite=True, write_data=writing(numbers((3, 3)))
        ),
    ),
    "overwrite with nothing": (old_array, lambda s: create(s, overwrite=True)),
    "overwrite a group": (
        old_array,
        lambda s: commit.create_group(s, "g", group_metadata(attributes={"new": True}), overwrite=True),
    ),
    "edit attributes": (old_array, lambda s: commit.edit_attributes(s, "g/u", lambda a: {**a, "b": [1]})),
    "grow": (old_array, lambda s: commit.resize(s, "g/u", (8, 7))),
    "shrink": (old_array, lambda s: commit.resize(s, "g/u", (3, 2))),
    "grow and shrink": (old_array, lambda s: commit.resize(s, "g/u", (9, 2))),
    "append": (old_array, lambda s: commit.append(s, "g/u", numbers((4, 6)), 0)),
    "append along the last axis": (old_array, lambda s: commit.append(s, "g/u", numbers((5, 3)), -1)),
    "delete": (old_array, lambda s: commit.delete_node(s, "g/u")),
    "delete a group": (old_array, lambda s: commit.delete_node(s, "g")),
    "stage and publish": (nothing, lambda s: stage_and_publish(s, "g/u", "w-")),
    "stage and replace": (old_array, lambda s: stage_and_publish(s, "g/u", "w")),
    "stage and replace the root": (
        lambda s: create(s, "", write_data=writing(numbers(SHAPE))),
        lambda s: stage_and_publish(s, "", "w"),
    ),
}


class Loop:
    """Fails the calls of one operation, one after the other, on a store of its own each time."""

    def __init__(self, name, new_store):
        self.prepare, self.operate = OPERATIONS[name]
        self.new_store = new_store
        store = self.fresh()
        self.old = state(store)
        self.operate(store)
        self.new = state(store)
        assert self.new != self.old

    def fresh(self):
        store = self.new_store()
        self.prepare(store)
        return store

    def check(self, store, what):
        """Old or new, nothing stray is listed, and what is done next works."""
        found = state(store)
        assert found in (self.old, self.new), f"{what} failed: neither old nor new, but {found}"
        assert stray_keys(store) == []
        if found == self.old:
            self.operate(store)
        assert state(store) == self.new
        assert stray_keys(store) == []
        next_write(store)


def next_write(store):
    if isinstance(read_node(store, ""), ArrayMetadata):
        write(store, "", (0, 0), 1)
        assert read(store, "", (0, 0)) == 1
    else:
        create(store, "next")


@pytest.fixture
def local(fast_path):
    """Makes a new LocalStore in a folder of its own, the last one's removed."""
    count = itertools.count()

    def new_store():
        n = next(count)
        shutil.rmtree(fast_path / str(n - 1), ignore_errors=True)
        return LocalStore(fast_path / str(n) / "data.zarr")

    return new_store


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("kind", ["memory", "local"])
def test_store_calls(name, kind, local):
    loop = Loop(name, MemoryStore if kind == "memory" else local)
    for n in itertools.count(1):
        store, script = loop.fresh(), FailingScript(n)
        try:
            loop.operate(FaultStore(store, script))
        except (OSError, StoreError):
            assert script.failed
        else:
            assert script.failed is None, f"{script.failed} failed and went unnoticed"
            break
        loop.check(store, script.failed)
    assert n > 3


@pytest.mark.parametrize("name", OPERATIONS)
def test_os_calls(name, local, monkeypatch):
    fail_os_calls(Loop(name, local), monkeypatch)


@pytest.mark.parametrize("name", ["create with data", "append", "edit attributes", "stage and replace"])
def test_os_calls_without_nameless_files(name, local, monkeypatch):
    """Filesystems without O_TMPFILE: values are written to a hidden name first."""
    monkeypatch.setattr(files, "_NAMELESS", 0)
    fail_os_calls(Loop(name, local), monkeypatch)


def fail_os_calls(loop, monkeypatch):
    for n in itertools.count(1):
        store, calls = loop.fresh(), FailingCalls(n)
        with monkeypatch.context() as patch:
            patch.setattr(os_calls, "calls", calls)
            # what only tidies up may fail unnoticed; a create that landed may find itself there
            with contextlib.suppress(OSError, StoreError, ContainsNodeError):
                loop.operate(LocalStore(store.root))
        if calls.failed is None:
            break
        loop.check(store, f"os call {n}, {calls.failed},")
    assert n > 10
