"""The write lock: what excludes what, between threads and processes; kills, forks, replaced arrays."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

from lazyzarr.errors import ArrayReplacedError, LockUnavailableError
from lazyzarr.format import commit, gates, locks, os_calls
from lazyzarr.format.locks import array_lock
from lazyzarr.format.stores import FaultStore, LocalStore, MemoryStore
from lazyzarr.settings import load_config
from tests.format.small import FILL, FailingCalls, array_metadata, numbers, read, write, writing

WAYS = ["whole", "partial", "alone"]
FORKS = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
SOON, LATE = 0.15, 30  # seconds: long enough to see that one waits, and to call it hung


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    store = MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "data.zarr")
    commit.create_array(store, "u", array_metadata())
    return store


@pytest.fixture
def local(tmp_path):
    store = LocalStore(tmp_path / "data.zarr")
    commit.create_array(store, "u", array_metadata())
    return store


def hold(store, way):
    return getattr(array_lock(store, "u"), way)()


class Attempt:
    """A thread that takes the lock and keeps it until `done` is set."""

    def __init__(self, store, way):
        self.inside, self.done, self.error = threading.Event(), threading.Event(), None
        self.thread = threading.Thread(target=self._run, args=(store, way), daemon=True)
        self.thread.start()

    def _run(self, store, way):
        try:
            with hold(store, way):
                self.inside.set()
                self.done.wait(LATE)
        except Exception as error:
            self.error = error

    def finish(self):
        self.done.set()
        self.thread.join(LATE)
        assert not self.thread.is_alive()


@pytest.mark.parametrize(("first", "second"), list(itertools.product(WAYS, WAYS)))
def test_what_excludes_what_between_threads(store, first, second):
    together = first == second != "alone"
    one = Attempt(store, first)
    assert one.inside.wait(LATE)
    other = Attempt(store, second)
    assert other.inside.wait(LATE if together else SOON) == together
    one.done.set()
    assert other.inside.wait(LATE)
    one.finish()
    other.finish()


def _hold_in_child(root, way, pipe):
    with hold(LocalStore(root), way):
        pipe.send("inside")
        pipe.recv()


@contextlib.contextmanager
def child_that_holds(root, way, method="spawn"):
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    child = context.Process(target=_hold_in_child, args=(root, way, there))
    child.start()
    try:
        yield child, here
    finally:
        child.kill()
        child.join()


@pytest.mark.parametrize(("first", "second"), list(itertools.product(WAYS, WAYS)))
@FORKS
def test_what_excludes_what_between_processes(local, first, second):
    together = first == second == "whole"
    with child_that_holds(local.root, first, "fork") as (_, pipe):
        assert pipe.recv() == "inside"
        attempt = Attempt(local, second)
        assert attempt.inside.wait(LATE if together else SOON) == together
        pipe.send("go")
        assert attempt.inside.wait(LATE)
        attempt.finish()


@pytest.mark.parametrize("way", WAYS)
def test_a_kill_frees_it(local, way):
    with child_that_holds(local.root, way) as (child, pipe):
        assert pipe.recv() == "inside"
        attempt = Attempt(local, "alone")
        assert not attempt.inside.wait(SOON)
        os.kill(child.pid, signal.SIGKILL)
        assert attempt.inside.wait(LATE)
        attempt.finish()


@pytest.mark.parametrize("way", WAYS)
def test_it_leaves_nothing_in_the_store(local, way, open_files):
    before, files = sorted(local.list()), open_files()
    with hold(local, way):
        assert sorted(os.listdir(local.directory("u"))) == ["zarr.json"]
    assert sorted(local.list()) == before
    assert open_files() == files


def test_an_error_inside_frees_it(store):
    for way in WAYS:
        with pytest.raises(ZeroDivisionError), hold(store, way):
            raise ZeroDivisionError
    with hold(store, "alone"):
        pass


def test_who_waits_for_another_way_comes_next(store):
    """Writers of whole units that keep coming do not keep a change of metadata waiting."""
    stop = threading.Event()

    def writer():
        while not stop.is_set():
            with hold(store, "whole"):
                time.sleep(0.001)

    threads = [threading.Thread(target=writer, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for way in ("alone", "partial") * 5:
        attempt = Attempt(store, way)
        assert attempt.inside.wait(LATE)
        attempt.finish()
    stop.set()
    for thread in threads:
        thread.join(LATE)


def test_an_interrupted_waiter_does_not_keep_its_turn(store, monkeypatch):
    kept = array_lock(store, "u")  # a gate lasts as long as someone has a lock through it
    with kept.whole():
        pass
    first = Attempt(store, "whole")
    assert first.inside.wait(LATE)

    gate = kept.found()
    wait_for = gate._changed.wait_for

    def interrupted(admits):
        threading.Thread(target=first.finish).start()
        wait_for(lambda: not gate._inside)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gate._changed, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt), hold(store, "alone"):
            pass
    attempt = Attempt(store, "partial")
    assert attempt.inside.wait(LATE)
    attempt.finish()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["flock", "enter", "leave"])
def test_an_interrupt_between_two_steps_frees_the_lock(local, monkeypatch, way, step):
    """Ctrl-C as the flock was got, before it is known to be; between entering and leaving; on the way out."""

    def after(function):
        calls = itertools.count()

        def interrupted(*args):
            function(*args)
            if next(calls) == 0:
                raise KeyboardInterrupt

        return interrupted

    kept = array_lock(local, "u")
    with monkeypatch.context() as patch:
        if step == "flock":
            patch.setattr(os_calls.calls, "flock", after(os_calls.calls.flock))
        elif step == "enter":
            patch.setattr(gates.Gate, "enter", after(gates.Gate.enter))
        else:
            patch.setattr(locks._Hold, "__exit__", after(lambda *_: None))
        with pytest.raises(KeyboardInterrupt), getattr(kept, way)():
            pass
    path = local.directory("u")
    with open_folder(path) as folder:  # another descriptor is excluded as another process would be
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    attempt = Attempt(local, "alone")
    assert attempt.inside.wait(LATE)
    attempt.finish()


@contextlib.contextmanager
def open_folder(path):
    folder = os.open(path, os.O_RDONLY)
    yield folder
    os.close(folder)


def test_the_holder_alone_writes_within(store):
    lock = array_lock(store, "u")
    with lock.alone() as held, held.whole(), held.partial(), held.unit((0, 0)):
        pass


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_an_array_that_was_replaced_is_not_locked(store, way, change):
    lock = array_lock(store, "u")
    with getattr(lock, way)():
        pass
    if change == "deleted":
        commit.delete_node(store, "u")
    else:
        commit.create_array(store, "u", array_metadata(), overwrite=True)
    for _ in range(2):
        with pytest.raises(ArrayReplacedError, match="open it again"), getattr(lock, way)():
            pass


def test_an_array_that_is_replaced_while_one_waits(local):
    lock = array_lock(local, "u")
    with lock.whole():
        pass
    raised = []

    def wait():
        try:
            with lock.partial():
                raised.append(None)
        except ArrayReplacedError as error:
            raised.append(error)

    with array_lock(local, "u").alone():
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(SOON)
        local.set("new/zarr.json", local.get("u/zarr.json"))
        local.swap_prefix("new", "u", replace=True)
    thread.join(LATE)
    assert [type(error) for error in raised] == [ArrayReplacedError]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EBADF])
def test_a_filesystem_without_flock(local, number, monkeypatch):
    class NoFlock(FailingCalls):
        def flock(self, fd, operation):
            raise OSError(number, "made to fail")

    monkeypatch.setattr(os_calls, "calls", NoFlock())
    write(local, "u", ..., numbers((5, 6)))
    for act in (
        lambda: write(local, "u", 0, 1),
        lambda: commit.edit_attributes(local, "u", lambda a: {"a": 1}),
        lambda: commit.resize(local, "u", (1, 1)),
    ):
        with pytest.raises(LockUnavailableError, match=r'config.set\(\{"locking": "process"\}\)'):
            act()
    assert (read(local, "u") == numbers((5, 6))).all()
    with load_config().set({"locking": "process"}):
        write(local, "u", 0, 1)
        commit.edit_attributes(local, "u", lambda a: {"a": 1})
    assert (read(local, "u", 0) == 1).all()


@FORKS
def test_a_forked_child_takes_locks_of_its_own(local):
    """A child neither holds nor frees what its parent holds; and the parent's death frees it."""
    reading, writing_end = os.pipe()
    lock = array_lock(local, "u")
    with lock.partial():
        child = os.fork()
        if child == 0:
            try:
                with lock.partial():
                    os.write(writing_end, b"inside")
            finally:
                os._exit(0)
        os.set_blocking(reading, False)
        time.sleep(SOON)
        with pytest.raises(BlockingIOError):
            os.read(reading, 10)
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"inside"
    os.close(reading)
    os.close(writing_end)


@FORKS
def test_leaving_in_a_forked_child_frees_nothing_of_the_parent(local):
    with array_lock(local, "u").partial():
        child = os.fork()
        if child == 0:
            os._exit(0)  # the descriptor that it had of the parent's lock is closed
        os.waitpid(child, 0)
        with child_that_holds(local.root, "partial", "fork") as (_, pipe):
            assert not pipe.poll(SOON)


@FORKS
def test_a_killed_parent_frees_it_though_its_child_lives(local):
    reading, writing_end = os.pipe()
    parent = os.fork()
    if parent == 0:
        with array_lock(local, "u").alone():
            grandchild = os.fork()
            if grandchild == 0:
                time.sleep(LATE)
                os._exit(0)
            os.write(writing_end, str(grandchild).encode())
            time.sleep(LATE)
        os._exit(0)
    grandchild = int(os.read(reading, 20))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    attempt = Attempt(local, "alone")
    got_it = attempt.inside.wait(LATE / 3)
    os.kill(grandchild, signal.SIGKILL)
    attempt.finish()
    assert got_it
    os.close(reading)
    os.close(writing_end)


# Writers of parts of one chunk: every write is kept.

SHAPE = (32, 64)  # one chunk


def _write_rows(store, first, step, times):
    for value in range(1, times + 1):
        for row in range(first, SHAPE[0], step):
            write(store, "v", (row, slice(None)), value * 100 + row)


def _write_rows_of(root, first, step, times):
    _write_rows(LocalStore(root), first, step, times)


def expected(times):
    return np.broadcast_to(times * 100 + np.arange(SHAPE[0])[:, None], SHAPE)


@pytest.mark.parametrize("chunks", [SHAPE, (32, 3)])
def test_eight_threads_write_disjoint_rows_of_one_chunk(store, chunks):
    commit.create_array(store, "v", array_metadata(SHAPE, chunks))
    threads = [threading.Thread(target=_write_rows, args=(store, n, 8, 3)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (read(store, "v") == expected(3)).all()


def test_the_same_threads_lose_writes_without_the_lock(store, monkeypatch):
    """The harness sees what the lock is for."""
    commit.create_array(store, "v", array_metadata(SHAPE, SHAPE))
    slow = FaultStore(store, lambda verb, key, n: time.sleep(0.002) if verb == "set" else None)

    class NoLock:
        whole = partial = lambda self: contextlib.nullcontext()
        unit = lambda self, coords: contextlib.nullcontext()  # noqa: E731

    monkeypatch.setattr("tests.format.small.array_lock", lambda store, path: NoLock())
    threads = [threading.Thread(target=_write_rows, args=(slow, n, 8, 1)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (read(store, "v") == FILL).any()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@FORKS
def test_four_processes_write_disjoint_rows_of_one_chunk(local, method):
    commit.create_array(local, "v", array_metadata(SHAPE, SHAPE))
    context = multiprocessing.get_context(method)
    children = [context.Process(target=_write_rows_of, args=(local.root, n, 4, 10)) for n in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert (read(local, "v") == expected(10)).all()


def _change(root, n, times):
    store = LocalStore(root)
    for i in range(times):
        commit.edit_attributes(store, "u", lambda a, i=i: {**a, f"{n}-{i}": i})
        commit.append(store, "u", np.full((1, 6), n * 1000 + i, "i4"), 0)


@FORKS
def test_processes_edit_and_append_and_nothing_is_lost(local):
    commit.create_array(
        local, "u", array_metadata((0, 6), (4, 3)), overwrite=True, write_data=writing(numbers((0, 6)))
    )
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_change, args=(local.root, n, 25)) for n in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    values = read(local, "u")
    assert sorted(values[:, 0]) == sorted(n * 1000 + i for n in range(4) for i in range(25))
    assert (values == values[:, :1]).all()
    metadata = commit.edit_attributes(local, "u", lambda a: a)
    assert dict(metadata.attributes) == {f"{n}-{i}": i for n in range(4) for i in range(25)}


def _hold_over_and_over(root, way, threads):
    """Threads that overlap, so that their process never lets go by itself."""
    lock = array_lock(LocalStore(root), "u")

    def run():
        while True:
            with getattr(lock, way)():
                time.sleep(0.02)

    for _ in range(threads):
        threading.Thread(target=run, daemon=True).start()
        time.sleep(0.007)
    time.sleep(LATE)


@FORKS
@pytest.mark.parametrize(("theirs", "mine"), [("whole", "alone"), ("whole", "partial"), ("partial", "whole")])
def test_a_process_that_waits_is_not_passed_for_ever(local, theirs, mine):
    """Three processes of three threads each hold it all the time; one that asks for it gets it soon."""
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=_hold_over_and_over, args=(local.root, theirs, 3), daemon=True)
        for _ in range(3)
    ]
    for child in children:
        child.start()
    try:
        for _ in range(5):
            attempt = Attempt(local, mine)
            assert attempt.inside.wait(LATE / 3)
            attempt.finish()
    finally:
        for child in children:
            child.kill()
            child.join()


@FORKS
def test_who_waits_in_the_queue_may_be_killed(local):
    with hold(local, "whole"):
        with child_that_holds(local.root, "alone", "fork") as (_, pipe):
            assert not pipe.poll(SOON)  # it waits, and keeps others from passing it
        with child_that_holds(local.root, "whole", "fork") as (_, pipe):
            assert pipe.recv() == "inside"


@FORKS
def test_a_fork_while_one_waits_does_not_keep_the_queue(local):
    """A child that was forked meanwhile has the descriptor, and outlives the one who waited."""
    reading, writing_end = os.pipe()
    with hold(local, "whole"):
        parent = os.fork()
        if parent == 0:
            threading.Thread(target=lambda: hold(local, "alone").__enter__(), daemon=True).start()
            time.sleep(SOON)
            grandchild = os.fork()
            if grandchild == 0:
                time.sleep(LATE)
                os._exit(0)
            os.write(writing_end, str(grandchild).encode())
            time.sleep(LATE)
            os._exit(0)
        grandchild = int(os.read(reading, 20))
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        try:
            with child_that_holds(local.root, "whole", "fork") as (_, pipe):
                assert pipe.poll(LATE / 3)
        finally:
            os.kill(grandchild, signal.SIGKILL)
    os.close(reading)
    os.close(writing_end)
