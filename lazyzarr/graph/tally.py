"""Tallies: how far a run has come, what it has in memory, and how that is said in one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from lazyzarr.graph.plan import Stages
from lazyzarr.settings import format_bytes, memory_at_most, memory_in_use

__all__ = ["Meter", "Snapshot", "Tally", "bar_line", "duration", "last_line", "log_line"]

# Between what is done and what is not; for terminals that lack these letters, others.
_BLOCKS, _PLAIN = ("━", "╸", "─"), ("#", "#", "-")
_LEAST_BAR = 8
# Where all is decoded and a block is not done, as it still sorts what it has.
NEARLY = 0.99
WIDTH = 100


class Meter:
    """Memory of this process over what it had at the start; `None` where the system does not say."""

    def __init__(self) -> None:
        self._start, self._before = memory_in_use(), memory_at_most()
        self._most = 0

    def now(self) -> int | None:
        """Bytes in use now."""
        used = memory_in_use()
        if used is None or self._start is None:
            return None
        self._most = max(self._most, used - self._start)
        return max(0, used - self._start)

    def peak(self) -> int | None:
        """Bytes in use at the most: measured by the system, or seen by `now` where it had more before the start."""
        most = memory_at_most()
        if self.now() is None or self._start is None:
            return None
        return most - self._start if most > self._before else self._most


@dataclass(frozen=True)
class Snapshot:
    """How far a run has come at one moment."""

    title: str
    stage: int
    """The number of the stage that runs, from 1 on."""
    stages: int
    done: float
    """Bytes of the stage: decoded, or written where nothing is decoded."""
    total: float
    chunks: int
    all_chunks: int
    rate: float
    """Bytes a second since the start."""
    left: float | None
    """Seconds until the end, at this rate; None before anything is done."""
    memory: int | None
    allowed: int


class Tally:
    """Counts the blocks that are done, by the stage's number; may be told by several threads."""

    def __init__(self, planned: Stages) -> None:
        self._planned, self._start = planned, time.perf_counter()
        self._stages = [stage for stage in planned.stages if stage.layout.tasks]
        self._numbers = {planned.stages.index(stage): position for position, stage in enumerate(self._stages)}
        self._bytes = [float(max(stage.decode or stage.write, 1)) for stage in self._stages]
        self._chunks = [stage.chunks for stage in self._stages]
        self._tasks = [stage.layout.tasks for stage in self._stages]
        self._done = [0] * len(self._stages)
        self._lock = threading.Lock()
        self.meter = Meter()
        self.watch: Callable[[], list[int] | None] | None = None
        """Asked now and then how many blocks of each stage of the plan are done, where nobody tells."""
        self.decoded: Callable[[int], int] | None = None
        """Asked how many bytes the blocks of a stage of the plan have decoded, those that are not done as well."""
        self.elsewhere = False
        """Whether the work is done in other processes, whose memory is not seen here."""

    def advance(self, number: int) -> None:
        """A block of a stage is done."""
        with self._lock:
            self._done[self._numbers[number]] += 1

    def ask(self) -> None:
        """Counts what is done elsewhere."""
        counts = self.watch() if self.watch is not None else None
        for number, count in enumerate(counts or ()):
            if number in self._numbers:
                position = self._numbers[number]
                self._done[position] = max(self._done[position], min(count, self._tasks[position]))

    @property
    def _away(self) -> bool:
        return self.elsewhere or self.watch is not None

    def peak(self) -> int | None:
        """Bytes in use at the most, measured; None where others do the work."""
        return None if self._away else self.meter.peak()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return max(time.perf_counter() - self._start, 1e-9)

    @property
    def total(self) -> float:
        """Bytes of all stages."""
        return sum(self._bytes) if self._stages else 0.0

    def _share(self, number: int, position: int) -> float:
        """How much of a stage is done: its blocks, or what they have decoded where that is more."""
        blocks = self._done[position] / self._tasks[position]
        if blocks == 1 or self.decoded is None or not self._planned.stages[number].decode:
            return blocks
        return max(blocks, min(self.decoded(number) / self._bytes[position], NEARLY))

    def snapshot(self) -> Snapshot:
        """How far the run is."""
        shares = [self._share(number, position) for number, position in self._numbers.items()]
        done = [share * nbytes for share, nbytes in zip(shares, self._bytes, strict=True)]
        # Stages run one after the other, or at once where neither waits for the other: the last that has begun.
        at = max((i for i, share in enumerate(shares) if share), default=0)
        rate = sum(done) / self.seconds
        return Snapshot(
            title=title(self._planned),
            stage=at + 1,
            stages=len(self._stages),
            done=done[at] if done else 0,
            total=self._bytes[at] if done else 0,
            chunks=round(shares[at] * self._chunks[at]) if done else 0,
            all_chunks=self._chunks[at] if done else 0,
            rate=rate,
            left=(self.total - sum(done)) / rate if rate else None,
            memory=None if self._away else self.meter.now(),
            allowed=self._planned.memory,
        )


def title(planned: Stages) -> str:
    """The target's name, or that of the last stage."""
    urls = [output.sink.url for output in planned.outputs if output.sink]
    if urls:
        return urls[0].removeprefix("file://")
    return planned.stages[-1].name if planned.stages else "nothing"


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(0.34), duration(22), duration(112), duration(7384)
    ('0.3 s', '22 s', '1 min 52 s', '2 h 03 min')
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _part(part: float, whole: float) -> str:
    """A part of a size, in the unit of the whole.

    >>> _part(8_200_000_000, 13_300_000_000)
    '8.2/13.3 GB'
    """
    number, unit = format_bytes(whole).split()
    scale = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "PB": 1e15}[unit]
    return f"{part / scale:.{0 if unit == 'B' else 1}f}/{number} {unit}"


def _facts(now: Snapshot, chunks: bool = True) -> list[str]:
    """What is said of a moment."""
    found = [
        f"{now.done / now.total:.0%}" if now.total else "0%",
        f"{now.chunks:,}/{now.all_chunks:,} chunks" if chunks and now.all_chunks else "",
        _part(now.done, now.total),
        f"{format_bytes(now.rate)}/s",
        f"{duration(now.left)} left" if now.left is not None else "",
        _part(now.memory, now.allowed) if now.memory is not None else "",
    ]
    return [fact for fact in found if fact]


def bar_line(now: Snapshot, width: int, letters: bool = True) -> str:
    """A line for a terminal of this width, with a bar that takes what the words leave."""
    head = f"{now.title} {now.stage}/{now.stages} " if now.stages > 1 else f"{now.title} "
    for chunks in (True, False):
        words = " ".join(_facts(now, chunks))
        room = min(width - 1, WIDTH) - len(head) - len(words) - 1
        if room >= _LEAST_BAR:
            break
    else:
        return f"{head}{words}"[: width - 1]
    full, half, rest = _BLOCKS if letters else _PLAIN
    ends = 2 * room * now.done / now.total if now.total else 0.0
    bar = full * (int(ends) // 2) + half * (int(ends) % 2)
    return f"{head}{bar}{rest * (room - len(bar))} {words}"


def log_line(now: Snapshot, clock: str) -> str:
    """A line for a log."""
    stage = f" stage {now.stage}/{now.stages}" if now.stages > 1 else ""
    return f"{clock} {now.title}{stage} {' '.join(_facts(now))}"


def last_line(planned: Stages, tally: Tally, stored: int | None) -> str:
    """What is said of a run that is over."""
    verb = "decoded" if any(stage.decode for stage in planned.stages) else "written"
    rate = f"{format_bytes(tally.total / tally.seconds)}/s {verb}"
    words = [f"{title(planned)}: {format_bytes(tally.total)} in {duration(tally.seconds)} ({rate})"]
    if stored is not None:
        words.append(f"{format_bytes(stored)} stored")
    peak = tally.peak()
    measured = (
        f"peak {format_bytes(peak)}"
        if peak is not None
        else f"plan's peak {format_bytes(planned.peak_memory)}"
    )
    return f"{', '.join(words)}, {measured} of {format_bytes(planned.memory)}"
