"""Keys copied from one store to another as they are stored: nothing is decoded.

1. All keys are listed, and what is in the way is found, before anything is written.
2. Chunks first, then metadata, and that of groups after that of what they hold: a reader sees no array before
   its data, and after a kill `if_exists="skip"` goes on where it ended.
3. Consolidated metadata around the copy is made true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any, Literal

from ..errors import BaseZarrError, ContainsNodeError
from . import commit
from .copy_log import IF_EXISTS, CopyCount, CopyLog, checked_choice
from .keys import METADATA_KEYS, join_path, normalize_path
from .requests import at_once
from .resolve import StoreLike, is_remote, resolve
from .stores.protocol import Store

__all__ = ["copy_store"]

TURN = 256  # keys that are copied before the log is told

Patterns = str | re.Pattern[str] | Sequence[str | re.Pattern[str]] | None


def copy_store(
    source: StoreLike,
    dest: StoreLike,
    source_path: str = "",
    dest_path: str = "",
    excludes: Patterns = None,
    includes: Patterns = None,
    flags: int = 0,
    if_exists: Literal["raise", "replace", "skip"] = "raise",
    dry_run: bool = False,
    log: Any = None,
    storage_options: Mapping[str, Any] | None = None,
) -> CopyCount:
    """The numbers of keys copied and skipped, and of bytes, after a store's keys were copied as they are.

    Parameters
    ----------
    source, dest : path, Store, dict or open group
        Where the keys come from and go to.
    source_path, dest_path : str
        Only the keys below `source_path` are copied, to the same names below `dest_path`.
    excludes, includes : regular expressions
        Keys (with `source_path`) in which one of `excludes` is found are left out, but for those in which one
        of `includes` is found; `includes` alone: only such keys are copied.
    flags : int
        Of the module `re`.
    if_exists : "raise", "replace" or "skip"
        What is done where a key is there already; "raise" is done before anything is copied.
    dry_run : bool
        Only say what would be done.
    log : callable, path or text stream
        Where each key is said, and at the end the numbers.
    storage_options : mapping, optional
        Of remote stores that are given by URL.

    Raises ContainsNodeError for keys that are there, ReadOnlyStoreError, StoreError.

    >>> _ = lz.save_array("a.zarr", np.arange(4), compressors=None)
    >>> lz.copy_store("a.zarr", "b.zarr", log=print)
    copy c/0
    copy zarr.json
    all done: 2 copied, 0 skipped, 477 bytes copied
    CopyCount(n_copied=2, n_skipped=0, n_bytes_copied=477)
    """
    checked_choice(if_exists, IF_EXISTS)
    from_options, to_options = (storage_options if is_remote(place) else None for place in (source, dest))
    from_store, from_path = resolve(source, source_path, read_only=True, storage_options=from_options)
    to_store, to_path = resolve(dest, dest_path, storage_options=to_options)
    to_store.check_writable(to_path)
    wanted = _selector(excludes, includes, flags)
    start = from_path[: len(from_path) - len(normalize_path(source_path))].rstrip("/")
    keys = sorted(filter(lambda key: wanted(_below(key, start)), from_store.list(from_path)), key=_rank)
    pairs = [(key, join_path(to_path, _below(key, from_path))) for key in keys]
    there = set() if if_exists == "replace" else {new for _, new in pairs} & set(to_store.list(to_path))
    if there and if_exists == "raise":
        raise _in_the_way(to_store, sorted(there))
    with CopyLog(log, dry_run) as said:
        _copy(from_store, to_store, pairs, there, said, dry_run)
    if not dry_run and said.count.n_copied:
        commit.refresh_whole(to_store, to_path)
    return said.count


def _copy(
    source: Store,
    dest: Store,
    pairs: Iterable[tuple[str, str]],
    there: set[str],
    said: CopyLog,
    dry_run: bool,
) -> None:
    def copied(pair: tuple[str, str]) -> int | None:
        """The bytes of a key, copied; None where it is not."""
        old, new = pair
        value = None if dry_run or new in there else source.get(old)
        if value is None:  # also: deleted since it was listed
            return 0 if dry_run and new not in there else None
        dest.set(new, value)
        return memoryview(value).nbytes

    slow = max(source, dest, key=lambda store: store.in_flight)
    for old, new, nbytes in _in_turns(pairs, lambda turn: at_once(slow, copied, turn)):
        name = old if old == new else f"{old} -> {new}"
        if new in there:
            said.skipped(name)
        elif nbytes is not None:
            said.copied(name, nbytes)


def _in_turns(
    pairs: Iterable[tuple[str, str]], copy: Callable[[list[tuple[str, str]]], list[int | None]]
) -> Iterator[tuple[str, str, int | None]]:
    """Keys copied some at a time, each kind of them (chunks, documents of one depth) before the next."""
    for _, kind in groupby(pairs, key=lambda pair: _rank(pair[0])[:3]):
        while turn := list(islice(kind, TURN)):
            yield from ((*pair, nbytes) for pair, nbytes in zip(turn, copy(turn), strict=True))


def _selector(excludes: Patterns, includes: Patterns, flags: int) -> Callable[[str], bool]:
    """Whether a key is to be copied."""
    leave, take = _compiled(excludes, flags), _compiled(includes, flags)
    if take and not leave:
        return lambda key: any(pattern.search(key) for pattern in take)
    return lambda key: (
        not any(pattern.search(key) for pattern in leave) or any(pattern.search(key) for pattern in take)
    )


def _compiled(patterns: Patterns, flags: int) -> list[re.Pattern[str]]:
    given: Iterator[str | re.Pattern[str]] = iter(
        () if patterns is None else [patterns] if isinstance(patterns, str | re.Pattern) else patterns
    )
    try:
        return [re.compile(pattern, flags) if isinstance(pattern, str) else pattern for pattern in given]
    except re.error as error:
        raise BaseZarrError(
            f"{error.pattern!r} is no regular expression: {error}; nothing was copied"
        ) from error


def _rank(key: str) -> tuple[bool, int, bool, str]:
    """Chunks by name, then metadata, the deepest first, and last of a node what makes it one."""
    name = key.rpartition("/")[2]
    if name not in METADATA_KEYS:
        return False, 0, False, key
    return True, -key.count("/"), name not in (".zattrs", ".zmetadata"), key


def _below(key: str, path: str) -> str:
    return key[len(path) :].lstrip("/")


def _in_the_way(store: Store, keys: Sequence[str]) -> ContainsNodeError:
    more = f" and {len(keys) - 3:,} more keys" if len(keys) > 3 else ""
    listed = ", ".join(store.url(key) for key in keys[:3])
    return ContainsNodeError(
        f'{listed}{more} exist already, so nothing was copied; if_exists="replace" writes over them, '
        '"skip" leaves them'
    )
