"""Progress: silent unless asked, lines for logs, a bar for terminals, and nothing of it in the way of a failure."""

from __future__ import annotations

import io
import re
import threading
import time

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr import settings
from lazyzarr.graph import progress, run, spreading, storing, tally
from lazyzarr.graph.plan import Output, plan_stages
from lazyzarr.graph.stage import Budget
from lazyzarr.graph.tally import NEARLY, Meter, Snapshot, Tally, bar_line, log_line


@pytest.fixture(autouse=True)
def _many_blocks(monkeypatch):
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 256)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)


@pytest.fixture
def x():
    z = lz.create_array("data.zarr", shape=(12, 10), chunks=(4, 5), dtype="f8")
    z[...] = np.arange(120).reshape(12, 10)
    return z.lazy()


class Terminal(io.StringIO):
    """A stream that says it is one."""

    encoding = "utf-8"

    def isatty(self):
        return True


def test_nothing_is_said_unless_asked(x, capsys):
    x.sum().compute()
    x.to_zarr("out.zarr")
    assert capsys.readouterr() == ("", "")


LAST = r"{}: 960 B in \d+\.\d s \([\d.]+ [kM]?B/s decoded\){}, peak [\d.]+ [kM]?B of 1\.0 GB\n"


def test_the_last_line(x, capsys):
    x.sum().compute(progress=True, memory="1GB")
    assert re.fullmatch(LAST.format("sum-data", ""), capsys.readouterr().err)
    with lz.config.set(progress=True):
        out = x.to_zarr("out.zarr/y", memory="1GB")
        stored = settings.format_bytes(out.nbytes_stored)
        assert re.fullmatch(LAST.format("out.zarr/y", f", {stored} stored"), capsys.readouterr().err)
        x.sum().compute(progress=False)
    assert capsys.readouterr() == ("", "")


def test_what_is_written_but_not_read_is_said_to_be_written(capsys):
    lz.from_array(np.zeros((4, 4))).to_zarr("out.zarr", progress=True)
    assert "/s written), " in capsys.readouterr().err


def test_progress_names_the_place_that_was_asked_for(x, capsys):
    with lz.config.set(progress=True):
        lz.save("s.zarr", x)
        lz.save_group("g.zarr", a=x)
        lz.create_array("c.zarr", data=x)
    assert [line.partition(": ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "s.zarr",
        "g.zarr/a",
        "c.zarr",
    ]


def test_bytes_are_not_counted_where_that_takes_long(x, capsys, monkeypatch):
    monkeypatch.setattr(storing, "MOST_COUNTED", 5)
    x.to_zarr("out.zarr", progress=True)
    assert "stored" not in capsys.readouterr().err


NOW = Snapshot("anom.zarr/tas", 2, 2, 8.2e9, 13.3e9, 102, 165, 231e6, 22.1, 600_000_000, 4_000_000_000)
LINES = {
    "a wide terminal": (
        lambda: bar_line(NOW, 120),
        "anom.zarr/tas 2/2 ━━━━━━━━━━━╸─────── 62% 102/165 chunks 8.2/13.3 GB 231.0 MB/s 22 s left 0.6/4.0 GB",
    ),
    "a narrow one": (
        lambda: bar_line(NOW, 80),
        "anom.zarr/tas 2/2 ━━━━━━━━───── 62% 8.2/13.3 GB 231.0 MB/s 22 s left 0.6/4.0 GB",
    ),
    "a very narrow one": (lambda: bar_line(NOW, 40), "anom.zarr/tas 2/2 62% 8.2/13.3 GB 231.0"),
    "few letters": (
        lambda: bar_line(NOW, 80, letters=False),
        "anom.zarr/tas 2/2 ########----- 62% 8.2/13.3 GB 231.0 MB/s 22 s left 0.6/4.0 GB",
    ),
    "a log": (
        lambda: log_line(NOW, "12:04:31"),
        "12:04:31 anom.zarr/tas stage 2/2 62% 102/165 chunks 8.2/13.3 GB 231.0 MB/s 22 s left 0.6/4.0 GB",
    ),
    "one stage, nothing done, no memory known": (
        lambda: log_line(Snapshot("sum-u", 1, 1, 0, 960, 0, 6, 0, None, None, 10**9), "12:04:31"),
        "12:04:31 sum-u 0% 0/6 chunks 0/960 B 0 B/s",
    ),
    "nothing to do": (
        lambda: bar_line(Snapshot("sum", 1, 0, 0, 0, 0, 0, 0, None, None, 10**9), 60),
        "sum ──────────────────────────────────────── 0% 0/0 B 0 B/s",
    ),
}


@pytest.mark.parametrize(("line", "expected"), LINES.values(), ids=LINES)
def test_lines(line, expected):
    assert line() == expected
    assert len(line()) <= 100


def planned(lazy, workers=2):
    return plan_stages([Output(lazy.__lazyzarr_node__)], Budget(10**9, workers))


def test_a_tally_counts_bytes_and_chunks_of_the_stage_that_runs(x):
    made = planned(x - x.mean())
    first, second = (each.layout.tasks for each in made.stages)
    counted = Tally(made)
    assert (counted.snapshot().chunks, counted.snapshot().left) == (0, None)
    for _ in range(first):
        counted.advance(0)
    now = counted.snapshot()
    assert (now.stage, now.stages, now.done, now.total, now.chunks, now.all_chunks) == (1, 2, 960, 960, 6, 6)
    counted.advance(1)
    now = counted.snapshot()
    assert (now.stage, now.done, now.all_chunks) == (2, 960 / second, 6)
    assert now.chunks == round(6 / second)
    assert now.left == pytest.approx((960 - 960 / second) / now.rate)


def test_a_tally_counts_what_blocks_have_decoded_before_they_are_done(x):
    made = planned(x - x.mean())
    first = made.stages[0].layout.tasks
    counted = Tally(made)
    decoded = [0, 0]
    counted.decoded = lambda number: decoded[number]
    done = []
    for decoded[0] in (0, 100, 500, 960, 2000):
        done.append(counted.snapshot().done)
    assert done == pytest.approx([0, 100, 500, 960 * NEARLY, 960 * NEARLY])
    for _ in range(first):
        counted.advance(0)
    assert counted.snapshot().done == 960
    decoded[1] = 96
    assert (counted.snapshot().stage, counted.snapshot().done) == (2, pytest.approx(96))


def test_what_decodes_nothing_counts_its_blocks():
    made = planned(lz.from_array(np.zeros(100), chunks=10) + 1)
    counted = Tally(made)
    counted.decoded = lambda number: 10**9
    assert counted.snapshot().done == 0


@pytest.mark.parametrize("scheduler", ["threads", "sync"])
def test_one_block_moves_the_bar(x, scheduler, monkeypatch, capsys):
    tallies, done = [], []
    follow = run._follow
    monkeypatch.setattr(run, "_follow", lambda *args: (tallies.append(args[2]), follow(*args)))

    def looked(block):
        done.append(tallies[-1].snapshot().done)
        return block

    z = x.map_blocks(looked, dtype=x.dtype)
    z.compute(progress=True, num_workers=1, scheduler=scheduler, memory="1GB")
    assert len(tallies) == 1
    assert done == sorted(done)
    assert len(set(done)) == len(done) == 6
    assert 0 < done[0] < done[-2] < 960
    capsys.readouterr()


def test_a_tally_asks_where_nobody_tells(x):
    made = planned(x - x.mean())
    counted = Tally(made)
    answers = [[2, 0], None, [1, 1]]
    counted.watch = lambda: answers.pop(0)
    done = []
    for _ in range(3):
        counted.ask()
        now = counted.snapshot()
        done.append((now.stage, now.done))
        assert now.memory is None
    first, second = (each.layout.tasks for each in made.stages)
    assert done == [(1, 960 * 2 / first), (1, 960 * 2 / first), (2, 960 / second)]


def test_memory_is_what_is_used_above_the_start(monkeypatch):
    used, most = [100, 180, 150], [500, 500]
    monkeypatch.setattr(tally, "memory_in_use", lambda: used.pop(0))
    monkeypatch.setattr(tally, "memory_at_most", lambda: most.pop(0))
    meter = Meter()
    assert meter.now() == 80
    # The process had more before: what was seen counts.
    assert meter.peak() == 80
    used, most = [100, 180], [500, 640]
    meter = Meter()
    assert meter.peak() == 540
    monkeypatch.setattr(tally, "memory_in_use", lambda: None)
    monkeypatch.setattr(tally, "memory_at_most", lambda: 1)
    meter = Meter()
    assert (meter.now(), meter.peak()) == (None, None)


def test_logs_get_lines_on_the_way(x, monkeypatch):
    """Each block waits for a line."""
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    monkeypatch.setattr(progress, "METER_SECONDS", 0.001)
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)

    def wait(block):
        seen, end = stream.getvalue().count("\n"), time.monotonic() + 10
        while stream.getvalue().count("\n") == seen and time.monotonic() < end:
            time.sleep(0.001)
        return block

    y = x.map_blocks(wait, dtype="f8")
    (y - x.mean()).compute(progress=True, num_workers=2)
    *lines, last = stream.getvalue().splitlines()
    assert last.startswith("subtract-")
    parts = [
        re.fullmatch(
            r"\d\d:\d\d:\d\d subtract-\w+ stage ([12])/2 (\d+)% \d+/\d+ chunks \d+/\d+ B [^/]+/s"
            r"( .* left)? [\d.]+/[\d.]+ GB",
            line,
        )
        for line in lines
    ]
    assert all(parts), lines
    order = [(int(part[1]), int(part[2])) for part in parts]
    assert order == sorted(order)
    assert len({share for number, share in order if number == 2}) >= 2


def test_terminals_get_a_bar(x, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", "90")

    def wait(block):
        end = time.monotonic() + 10
        while "━" not in stream.getvalue() and "─" not in stream.getvalue() and time.monotonic() < end:
            time.sleep(0.001)
        return block

    x.map_blocks(wait, dtype="f8").to_zarr("out.zarr/y", progress=True)
    drawn, last = stream.getvalue().rsplit("\r\x1b[K", 1)
    assert all(len(line) < 90 for line in drawn.replace("\x1b[K", "").split("\r"))
    assert re.match(r"\rout\.zarr/y [━╸─]+ \d+% ", drawn)
    assert re.fullmatch(r"out\.zarr/y: 960 B in .*\n", last)
    assert not any(thread.name == "lazyzarr-progress" for thread in threading.enumerate())


def test_processes_are_followed(x, monkeypatch):
    # Workers plan with the sizes that they know.
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 96_000_000)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 1_000_000)
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    counted = []
    monkeypatch.setattr(Tally, "advance", lambda self, number: counted.append(number))
    y = x - x.mean()
    y.compute(progress=True, scheduler="processes", num_workers=1)
    assert counted == [0, 1]
    assert ", plan's peak " in stream.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_failure_passes_through(x, terminal, monkeypatch):
    def fail(block):
        raise KeyError("sigma")

    stream = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with pytest.raises(KeyError, match="sigma"):
        x.map_blocks(fail, dtype="f8").compute(progress=True)
    assert stream.getvalue().endswith("\r\x1b[K" if terminal else "")
    assert not any(thread.name == "lazyzarr-progress" for thread in threading.enumerate())


def test_nothing_to_do_is_no_trouble(capsys):
    lz.from_array(np.ones((0, 3))).sum(axis=1).compute(progress=True)
    assert "sum" in capsys.readouterr().err
