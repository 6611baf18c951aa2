"""What was set in an archive and is not in it yet: a nameless file, whose room is used again.

The room of a value that was overwritten is free when nobody holds its entry any more: not while one reads it.
"""

from __future__ import annotations

from collections import deque

from .zip_format import DiskFile, Entry

__all__ = ["Spool", "Spooled"]


class Spool(DiskFile):
    """A file in which room is reserved and freed; `reserve` by one thread at a time, `free` by any."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._end = 0
        self._free: list[
            tuple[int, int]
        ] = []  # (offset, bytes), in their order, with something between any two
        self._freed: deque[tuple[int, int]] = deque()

    def reserve(self, size: int) -> int:
        """The offset of so many bytes that nothing lies in."""
        if self._freed:
            self._collect()
        for i, (at, room) in enumerate(self._free):
            if room >= size:
                self._free[i : i + 1] = [(at + size, room - size)] if room > size else []
                return at
        at, self._end = self._end, self._end + size
        return at

    def free(self, at: int, size: int) -> None:
        """Give room back; it is called wherever an entry ends, so it takes no lock."""
        if size:
            self._freed.append((at, size))

    def _collect(self) -> None:
        gaps = self._free
        while self._freed:
            gaps.append(self._freed.popleft())
        self._free = []
        for at, room in sorted(gaps):
            if self._free and sum(self._free[-1]) == at:
                at, room = self._free[-1][0], self._free.pop()[1] + room
            self._free.append((at, room))
        if self._free and sum(self._free[-1]) == self._end:
            self._end = self._free.pop()[0]


class Spooled(Entry):
    """A member whose bytes lie in the spool; at its end their room is free."""

    __slots__ = ()

    def __del__(self) -> None:
        if isinstance(self.file, Spool):
            self.file.free(self.data, self.stored)
