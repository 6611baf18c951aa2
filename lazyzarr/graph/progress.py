"""Progress: a bar in the terminal while a run goes on, a line now and then elsewhere, and a last line."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from lazyzarr.graph.plan import Stages
from lazyzarr.graph.tally import Tally, bar_line, last_line, log_line
from lazyzarr.settings import setting

__all__ = ["progress_shown", "progress_wanted", "say"]

# How often a log gets a line, a terminal's is drawn again, and memory is looked at.
LINE_SECONDS, BAR_SECONDS, METER_SECONDS = 10.0, 0.2, 0.05


def progress_wanted(wanted: bool | None) -> bool:
    """Whether progress is to be shown: as said, else as set."""
    return bool(setting("progress") if wanted is None else wanted)


def say(lines: Iterable[str]) -> None:
    """Prints lines where progress is shown."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress_shown(
    planned: Stages, wanted: bool | None, stored: Callable[[], int | None] | None = None
) -> Iterator[Tally | None]:
    """A tally to be told of each block, which is shown on standard error; None where no progress is wanted.

    `stored` is asked at the end how many bytes were stored.
    """
    if not progress_wanted(wanted):
        yield None
        return
    tally = Tally(planned)
    over = threading.Event()
    show = _bar(tally) if sys.stderr.isatty() else _lines(tally)
    painter = threading.Thread(target=_paint, args=(tally, show, over), name="lazyzarr-progress", daemon=True)
    painter.start()
    try:
        yield tally
    finally:
        over.set()
        painter.join()
        show(True)
    print(last_line(planned, tally, stored() if stored is not None else None), file=sys.stderr)


def _paint(tally: Tally, show: Callable[[bool], None], over: threading.Event) -> None:
    """Shows the tally until the run is over."""
    while not over.wait(METER_SECONDS):
        tally.meter.now()
        show(False)


def _bar(tally: Tally) -> Callable[[bool], None]:
    """Draws a bar where the last one stands; at the end it is removed."""
    stream, drawn = sys.stderr, time.perf_counter() - BAR_SECONDS
    letters = (stream.encoding or "").lower().startswith("utf")

    def show(over: bool) -> None:
        nonlocal drawn
        if over:
            stream.write("\r\x1b[K")
        elif time.perf_counter() - drawn >= BAR_SECONDS:
            tally.ask()
            drawn = time.perf_counter()
            stream.write(f"\r{bar_line(tally.snapshot(), shutil.get_terminal_size().columns, letters)}\x1b[K")
        stream.flush()

    return show


def _lines(tally: Tally) -> Callable[[bool], None]:
    """Prints a line each ten seconds, for logs and pipes."""
    stream, last = sys.stderr, time.perf_counter()

    def show(over: bool) -> None:
        nonlocal last
        if not over and time.perf_counter() - last >= LINE_SECONDS:
            last = time.perf_counter()
            tally.ask()
            print(log_line(tally.snapshot(), time.strftime("%H:%M:%S")), file=stream, flush=True)

    return show
