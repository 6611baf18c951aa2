"""What a copy says while it goes on, and what it counts: zarr-python 2's lines and numbers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, Self, TextIO

from ..errors import BaseZarrError

__all__ = ["IF_EXISTS", "CopyCount", "CopyLog", "checked_choice"]

IF_EXISTS = ("raise", "replace", "skip")


class CopyCount(NamedTuple):
    """What a copy did.

    >>> CopyCount(3, 0, 566)
    CopyCount(n_copied=3, n_skipped=0, n_bytes_copied=566)
    """

    n_copied: int
    """What was copied (with `dry_run`: would be): keys of `copy_store`, arrays and groups of `copy`."""
    n_skipped: int
    """What was left as it was at the destination."""
    n_bytes_copied: int
    """Bytes that were copied; 0 with `dry_run`."""


class CopyLog:
    """Where the lines of a copy go (a function, the path of a file, a text stream or None), and its counts.

    >>> with CopyLog(print, dry_run=True) as log:
    ...     log.copied("foo", 4)
    copy foo
    dry run: 1 copied, 0 skipped
    """

    def __init__(self, target: Any, dry_run: bool) -> None:
        self._file: TextIO | None = None
        self._write = self._writer(target)
        self._dry_run = dry_run
        self.count = CopyCount(0, 0, 0)

    def _writer(self, target: Any) -> Callable[[str], object]:
        if target is None:
            return lambda line: None
        if isinstance(target, str | os.PathLike):
            self._file = target = open(target, "w", encoding="utf-8")  # noqa: SIM115
        if hasattr(target, "write"):
            return lambda line: (target.write(f"{line}\n"), getattr(target, "flush", str)())
        if callable(target):
            write: Callable[[str], object] = target
            return write
        raise BaseZarrError(f"log={target!r} is no function, path or text stream; sys.stdout is one")

    def copied(self, what: str, nbytes: int) -> None:
        """One more was copied."""
        self._write(f"copy {what}")
        n_copied, n_skipped, total = self.count
        self.count = CopyCount(n_copied + 1, n_skipped, total + (0 if self._dry_run else nbytes))

    def skipped(self, what: str) -> None:
        """One more was left as it is."""
        self._write(f"skip {what}")
        self.count = self.count._replace(n_skipped=self.count.n_skipped + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *rest: object) -> None:
        try:
            if failure is None:
                self._write(self._summary())
        finally:
            if self._file is not None:
                self._file.close()

    def _summary(self) -> str:
        n_copied, n_skipped, nbytes = self.count
        done = "dry run" if self._dry_run else "all done"
        bytes_copied = "" if self._dry_run else f", {nbytes:,} bytes copied"
        return f"{done}: {n_copied:,} copied, {n_skipped:,} skipped{bytes_copied}"


def checked_choice(if_exists: str, choices: tuple[str, ...]) -> str:
    """What is to happen to what is there already, if it is one of the choices."""
    if if_exists not in choices:
        raise BaseZarrError(
            f"if_exists={if_exists!r} is not known; known are {', '.join(map(repr, choices))}"
        )
    return if_exists
