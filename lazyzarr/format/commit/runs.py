"""The folders in which runs build aside: `__lazyzarr-<run>`, beside where the result belongs.

1. Begin: make the folder and lock it (flock), until the run ends or this process does. Who finds such a
   folder and can lock it knows that its owner is dead.
2. Sweep, before each begin: what dead owners left beside it is removed.
3. Trade: `node` in the run's folder and the target trade places, in one step where the filesystem can
   (RENAME_EXCHANGE). Where it cannot: note the target's name in the run's folder (`target`), move the target
   to `old` there, and `node` to the target. A kill in between leaves nothing at the target, until `repair`
   moves `old` back: of the next sweep beside it, or of who finds nothing there.
4. End: remove the folder, free its lock.

A store without folders (MemoryStore) dies with its owner, and has nothing to sweep.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid

from ...errors import StoreError
from .. import os_calls
from ..keys import RESERVED_PREFIX, is_reserved, join_path
from ..stores.protocol import Store

__all__ = ["begin_run", "end_run", "new_run", "repair", "trade"]

_NOTE, _OLD = "target", "old"
_TRIES = 16  # others may sweep a folder between its making and its locking

_owned: dict[str, int] = {}  # the folders of this process's runs, and the descriptors that lock them


def new_run(beside: str) -> str:
    """A path for a run's folder below another one, which nobody else comes to."""
    return join_path(beside, f"{RESERVED_PREFIX}{uuid.uuid4().hex[:16]}")


def begin_run(store: Store, target: str, chosen: str | None = None) -> str:
    """The path of a new run's folder beside a target (`chosen`, from `new_run`, if that was asked before).

    It is the run's own until `end_run` or the process's end.
    """
    _forget_ended()
    beside, _, name = target.rpartition("/")
    for folder, run in _runs(store, beside):
        _sweep(store, folder, run)
    for _ in range(_TRIES):
        run = chosen or new_run(beside)
        note = join_path(run, _NOTE)
        try:
            store.set(note, name.encode())
            if _own(store.directory(run)) and store.exists(note):
                return run
        except BaseException as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                with contextlib.suppress(StoreError):
                    end_run(store, run)
                raise
            # swept between its making and the note in it
    raise StoreError(f"{store.url(beside)}: others remove what is made there", beside)


def end_run(store: Store, run: str) -> None:
    """Remove a run's folder and all in it."""
    try:
        store.delete_prefix(run)
    finally:  # what could not be removed is nobody's: the next run beside it sweeps it
        fd = _owned.pop(store.directory(run) or "", None)
        if fd is not None:
            os_calls.calls.close(fd)


def trade(store: Store, node: str, target: str) -> bool:
    """Let a run's node and the target trade places; whether the target got it."""
    try:
        return store.swap_prefix(node, target, replace=True)
    except NotImplementedError:
        return _trade_in_two(store, node, target)


def _trade_in_two(store: Store, node: str, target: str) -> bool:
    old = join_path(node.rpartition("/")[0], _OLD)
    store.delete_prefix(old)
    store.swap_prefix(target, old, replace=False)
    try:
        return store.swap_prefix(node, target, replace=False)
    except BaseException:
        store.swap_prefix(old, target, replace=False)
        raise


def repair(store: Store, path: str) -> bool:
    """Put back what a kill between two moves left without its place; whether there was such."""
    if store.read_only:
        return False
    base, target = store.beside(path)
    beside, _, name = target.rpartition("/")
    swept = [_sweep(base, folder, run, name) for folder, run in _runs(base, beside)]
    return any(swept)


def _runs(store: Store, beside: str) -> list[tuple[str, str]]:
    """The folders of runs at a path: where they are, and their paths in the store."""
    folder = store.directory(beside)
    if folder is None:
        return []
    try:
        entries = os_calls.calls.scandir(folder)
    except OSError:  # not there yet, or not to be listed: then there is nothing to sweep
        return []
    runs = [entry for entry in entries if is_reserved(entry.name) and entry.is_dir(follow_symlinks=False)]
    return [(entry.path, join_path(beside, entry.name)) for entry in runs]


def _sweep(store: Store, folder: str, run: str, name: str | None = None) -> bool:
    """Remove the folder of a run whose owner is dead, if it is one of `name` (None: of any target).

    What cannot be locked or removed stays. Returns whether something was put back.
    """
    fd = _lock_dead(folder)
    if fd is None:
        return False
    try:
        note = store.get(join_path(run, _NOTE))
        target = None if note is None else bytes(note).decode()
        if name not in (None, target):
            return False
        put_back = target is not None and _put_back(store, run, target)
        store.delete_prefix(run)
        return put_back
    except StoreError:
        return False
    finally:
        os_calls.calls.close(fd)


def _put_back(store: Store, run: str, name: str) -> bool:
    """Move what a run had moved out of its place back there, if nothing took the place since."""
    old = join_path(run, _OLD)
    target = join_path(run.rpartition("/")[0], name)
    return bool(store.list_dir(old)) and store.swap_prefix(old, target, replace=False)


def _lock_dead(folder: str) -> int | None:
    """A descriptor that locks a run's folder, or None while its owner lives."""
    calls = os_calls.calls
    try:
        fd = calls.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        calls.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        calls.close(fd)
        return None
    return fd


def _own(folder: str | None) -> bool:
    """Lock a run's folder for this process; whether it is there still.

    Without flock it stays unlocked, and as nobody else can lock it, nobody takes its owner for dead.
    """
    if folder is None:
        return True
    calls = os_calls.calls
    try:
        _owned[folder] = fd = calls.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with contextlib.suppress(OSError):
        calls.flock(fd, fcntl.LOCK_EX)
    return True


def _forget_ended() -> None:
    """Let go of the runs of this process that another one ended."""
    for folder, fd in list(_owned.items()):
        if not os.path.exists(folder) and _owned.pop(folder, None) is not None:
            os_calls.calls.close(fd)
