"""Progress: silent unless asked, lines for logs, a bar for terminals, and nothing of it in the way of a failure."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.graph import progress, stage


@pytest.fixture(autouse=True)
def _many_blocks(monkeypatch):
    monkeypatch.setattr(stage, "BLOCK_BYTES", 256)
    monkeypatch.setattr(stage, "LEAST_BLOCK_BYTES", 32)


@pytest.fixture
def x():
    z = lz.create_array("data.zarr", shape=(12, 10), chunks=(4, 5), dtype="f8")
    z[...] = np.arange(120).reshape(12, 10)
    return z.lazy()


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


def test_nothing_is_said_unless_asked(x, capsys):
    x.sum().compute()
    x.to_zarr("out.zarr")
    assert capsys.readouterr() == ("", "")


LAST = r"{}: 960 B in \d+\.\d s \(.*/s decoded\), plan's peak [\d.]+ MB of 1\.0 GB\n"


def test_logs_get_a_last_line(x, capsys):
    x.sum().compute(progress=True, memory="1GB")
    assert re.fullmatch(LAST.format("sum-data"), capsys.readouterr().err)
    with lz.config.set(progress=True):
        x.to_zarr("out.zarr/y", memory="1GB")
        assert re.fullmatch(LAST.format("out.zarr/y"), capsys.readouterr().err)
        x.sum().compute(progress=False)
    assert capsys.readouterr() == ("", "")


def test_logs_get_lines_on_the_way(x, capsys, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    (x - x.mean()).compute(progress=True, num_workers=2)
    *lines, _ = capsys.readouterr().err.splitlines()
    made = (x - x.mean()).explain(num_workers=2)
    assert len(lines) == made.tasks
    parts = [
        re.fullmatch(r"\d\d:\d\d:\d\d subtract-data stage (\d)/2 (\d+)% .* s left", line) for line in lines
    ]
    assert [part[1] for part in parts] == ["1"] * made.stages[0].tasks + ["2"] * made.stages[1].tasks
    shares = [int(part[2]) for part in parts]
    assert shares == sorted(shares)
    assert shares[-1] == 100


def test_terminals_get_a_bar(x, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    x.to_zarr("out.zarr/y", progress=True)
    assert "out.zarr/y" in stream.getvalue()
    assert re.search(r"out\.zarr/y: 960 B in", stream.getvalue())


@pytest.mark.parametrize("terminal", [False, True])
def test_a_failure_passes_through(x, terminal, monkeypatch):
    def fail(block):
        raise KeyError("sigma")

    monkeypatch.setattr("sys.stderr", Terminal() if terminal else io.StringIO())
    with pytest.raises(KeyError, match="sigma"):
        x.map_blocks(fail, dtype="f8").compute(progress=True)


def test_nothing_to_do_is_no_trouble(capsys):
    lz.from_array(np.ones((0, 3))).sum(axis=1).compute(progress=True)
    assert "sum" in capsys.readouterr().err
