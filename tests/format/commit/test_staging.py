"""Arrays built aside: invisible until published, swept when their owner is dead, told apart from live ones."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pickle
import signal
import threading

import pytest

import lazyzarr
from lazyzarr.errors import ContainsArrayError, ContainsGroupError, StoreError
from lazyzarr.format import commit, os_calls
from lazyzarr.format.keys import is_reserved
from lazyzarr.format.locks import array_lock
from lazyzarr.format.lookup import children, read_node
from lazyzarr.format.stores import FaultStore, LocalStore, MemoryStore
from tests.format.small import (
    FailingCalls,
    array_metadata,
    group_metadata,
    numbers,
    read,
    state,
    write,
    writing,
)

FORKS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "data.zarr")


@pytest.fixture
def local(tmp_path):
    return LocalStore(tmp_path / "data.zarr")


def hidden(folder):
    return sorted(path.name for path in folder.rglob("*") if is_reserved(path.name))


@pytest.mark.parametrize("path", ["", "u", "a/b/u"])
def test_nothing_is_seen_before_it_is_published(store, path, tmp_path):
    staged = commit.stage_array(store, path, array_metadata(), "w-")
    assert staged.url == store.url(path)
    write(staged.store, staged.path, ..., numbers())
    assert list(store.list()) == list(children(store, "")) == []
    assert read_node(store, path) is None
    staged.publish()
    assert (read(store, path) == numbers()).all()
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("path", ["", "a/u"])
def test_the_old_array_is_read_until_the_new_one_is_published(store, path, tmp_path):
    commit.create_array(store, path, array_metadata(), write_data=writing(numbers()))
    staged = commit.stage_array(store, path, array_metadata((3, 3), (2, 2)), "w")
    write(staged.store, staged.path, ..., 1)
    assert (read(store, path) == numbers()).all()
    staged.publish()
    assert (read(store, path) == 1).all()
    assert sorted(store.list(path)) == [
        f"{path}/{key}".lstrip("/") for key in ("c/0/0", "c/0/1", "c/1/0", "c/1/1", "zarr.json")
    ]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("path", ["", "a/u"])
@pytest.mark.parametrize("there", [False, True])
def test_discard_removes_what_was_built_and_nothing_else(store, path, there, tmp_path):
    if there:
        commit.create_array(store, path, array_metadata(), write_data=writing(numbers()))
    before = state(store)
    staged = commit.stage_array(store, path, array_metadata(), "w")
    write(staged.store, staged.path, ..., 1)
    staged.discard()
    staged.discard()
    assert state(store) == before
    assert hidden(tmp_path) == []


def test_mode_w_minus_refuses_what_is_there(store):
    commit.create_group(store, "g", group_metadata())
    commit.create_array(store, "g/u", array_metadata())
    with pytest.raises(ContainsArrayError):
        commit.stage_array(store, "g/u", array_metadata(), "w-")
    with pytest.raises(ContainsGroupError):
        commit.stage_array(store, "g", array_metadata(), "w-")


@pytest.mark.parametrize("path", ["", "u"])
def test_of_two_that_build_the_same_one_wins(store, path, tmp_path):
    one = commit.stage_array(store, path, array_metadata(), "w-")
    other = commit.stage_array(store, path, array_metadata(), "w-")
    write(one.store, one.path, ..., 1)
    write(other.store, other.path, ..., 2)
    other.publish()
    with pytest.raises(ContainsArrayError):
        one.publish()
    one.discard()
    assert (read(store, path) == 2).all()
    assert hidden(tmp_path) == []


def test_many_that_replace_the_same_all_succeed_and_one_is_there(store):
    commit.create_array(store, "u", array_metadata(), write_data=writing(numbers()))
    errors = []

    def replace(n):
        try:
            for _ in range(5):
                commit.create_array(store, "u", array_metadata(), overwrite=True, write_data=writing(n))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=replace, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    values = read(store, "u")
    assert (values == values[0, 0]).all()


@pytest.mark.parametrize("way", ["whole", "partial"])
@pytest.mark.parametrize("act", ["publish", "delete", "resize", "edit"])
def test_no_array_is_changed_under_its_writers(store, way, act):
    """What a writer was told is written is not in an array that was put away meanwhile."""
    commit.create_array(store, "u", array_metadata(), write_data=writing(numbers()))
    staged = commit.stage_array(store, "u", array_metadata(), "w")
    acts = {
        "publish": staged.publish,
        "delete": lambda: commit.delete_node(store, "u"),
        "resize": lambda: commit.resize(store, "u", (1, 1)),
        "edit": lambda: commit.edit_attributes(store, "u", lambda a: {"a": 1}),
    }
    before = state(store)
    thread = threading.Thread(target=acts[act])
    with getattr(array_lock(store, "u"), way)():
        thread.start()
        thread.join(0.15)
        assert thread.is_alive()
        assert state(store) == before
    thread.join()
    assert state(store) != before
    staged.discard()


def _publish(pickled):
    pickle.loads(pickled).publish()


@FORKS
def test_any_process_may_publish(local, tmp_path):
    staged = commit.stage_array(local, "u", array_metadata(), "w-")
    write(staged.store, staged.path, ..., numbers())
    child = multiprocessing.get_context("spawn").Process(target=_publish, args=(pickle.dumps(staged),))
    child.start()
    child.join()
    assert (read(local, "u") == numbers()).all()
    assert hidden(tmp_path) == []


def _stage_and_wait(root, pipe):
    commit.stage_array(LocalStore(root), "u", array_metadata(), "w-")
    pipe.send("staged")
    pipe.recv()


@FORKS
def test_what_a_dead_run_left_is_swept_by_the_next(local, tmp_path):
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_stage_and_wait, args=(local.root, there))
    child.start()
    assert here.recv() == "staged"
    left = hidden(tmp_path)
    assert len(left) == 1
    # while its owner lives, nobody touches it
    commit.create_array(local, "v", array_metadata(), write_data=writing(numbers()))
    assert hidden(tmp_path) == left
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert hidden(tmp_path) == left
    commit.create_array(local, "w", array_metadata(), write_data=writing(numbers()))
    assert hidden(tmp_path) == []
    assert sorted(state(local)) == ["", "v", "w"]


def test_runs_of_this_process_are_not_swept(local, tmp_path):
    staged = commit.stage_array(local, "u", array_metadata(), "w-")
    for name in ("v", "w"):
        commit.create_array(local, name, array_metadata(), write_data=writing(numbers()))
    write(staged.store, staged.path, ..., 5)
    staged.publish()
    assert (read(local, "u") == 5).all()


def test_no_descriptor_is_left(local, open_files):
    before = open_files()
    for _ in range(3):
        commit.create_array(local, "u", array_metadata(), overwrite=True, write_data=writing(numbers()))
        commit.delete_node(local, "u")
        commit.stage_array(local, "u", array_metadata(), "w-").discard()
    assert open_files() == before


def test_without_flock_nothing_is_swept(local, tmp_path, monkeypatch):
    """Who cannot lock a run's folder cannot know that its owner is dead."""
    staged = commit.stage_array(local, "u", array_metadata(), "w-")

    class NoFlock(FailingCalls):
        def flock(self, fd, operation):
            raise OSError(errno.ENOSYS, "made to fail")

    monkeypatch.setattr(os_calls, "calls", NoFlock())
    commit.create_array(local, "v", array_metadata(), write_data=writing(numbers()))
    assert len(hidden(tmp_path)) == 1
    staged.publish()


class NoExchange(FailingCalls):
    """A filesystem on which two folders cannot trade names; `die_at` is the rename that kills the process."""

    def __init__(self, die_at=0):
        super().__init__()
        self.die_at, self.renames = die_at, 0

    def exchange(self, one, other):
        raise OSError(errno.EINVAL, "made to fail")

    def rename(self, source, target, **arguments):
        if "__lazyzarr" in f"{source}{target}" and os.path.isdir(source):
            self.renames += 1
            if self.renames == self.die_at:
                os._exit(9)
        os.rename(source, target, **arguments)


@pytest.mark.parametrize("path", ["", "a/u"])
def test_replace_where_two_folders_cannot_trade_names(local, path, monkeypatch, tmp_path):
    commit.create_array(local, path, array_metadata(), write_data=writing(numbers()))
    monkeypatch.setattr(os_calls, "calls", NoExchange())
    commit.create_array(local, path, array_metadata(), overwrite=True, write_data=writing(1))
    assert (read(local, path) == 1).all()
    assert hidden(tmp_path) == []


@FORKS
@pytest.mark.parametrize("path", ["", "a/u"])
@pytest.mark.parametrize("repair", ["by the next run", "by who finds nothing"])
def test_a_kill_between_two_renames_is_repaired(local, path, repair, monkeypatch, tmp_path):
    commit.create_array(local, path, array_metadata(), write_data=writing(numbers()))
    child = os.fork()
    if child == 0:
        try:
            os_calls.calls = NoExchange(die_at=2)
            commit.create_array(local, path, array_metadata(), overwrite=True, write_data=writing(1))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert read_node(local, path) is None
    if repair == "by who finds nothing":
        assert (lazyzarr.open_array(local, path=path, mode="r+")[...] == numbers()).all()
        assert not commit.repair(local, path)
    elif path:
        commit.create_array(local, "a/next", array_metadata(), write_data=writing(2))
    else:
        commit.create_array(LocalStore(tmp_path / "next.zarr"), "", array_metadata(), write_data=writing(2))
    assert (read(local, path) == numbers()).all()
    assert hidden(tmp_path) == []


def test_a_failed_second_rename_puts_the_old_array_back(local, monkeypatch, tmp_path):
    commit.create_array(local, "u", array_metadata(), write_data=writing(numbers()))

    class Fails(NoExchange):
        def rename(self, source, target, **arguments):
            if source.endswith("/node"):
                raise OSError(errno.EIO, "made to fail")
            os.rename(source, target, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os_calls, "calls", Fails())
        with pytest.raises(StoreError):
            commit.create_array(local, "u", array_metadata(), overwrite=True, write_data=writing(1))
    assert (read(local, "u") == numbers()).all()
    assert hidden(tmp_path) == []


def test_staging_goes_through_the_wrapper(tmp_path):
    """What a wrapper watches, it watches in the staging folder too."""
    keys = []
    store = FaultStore(LocalStore(tmp_path / "data.zarr"), lambda verb, key, n: keys.append(key))
    staged = commit.stage_array(store, "u", array_metadata(), "w-")
    write(staged.store, staged.path, ..., 1)
    assert any(key.startswith("__lazyzarr-") and key.endswith("c/0/0") for key in keys)
    staged.publish()
