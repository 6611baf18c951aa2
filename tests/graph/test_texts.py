"""Texts of errors: what they tell to write works when it is written; lines are as long as a terminal is wide."""

from __future__ import annotations

import operator
import re

import numpy as np
import pytest
from hypothesis import given, settings

import lazyzarr as lz
from lazyzarr.graph.check import cure_lines
from lazyzarr.graph.cures import Cure
from tests.graph.laws.machine import expressions

SIGNS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}


@pytest.mark.parametrize("store", ["a.zarr", None], ids=["folder", "memory"])
@pytest.mark.parametrize("sign", SIGNS)
def test_what_does_an_operators_work_in_place(sign, store):
    a = np.arange(1, 10).reshape(3, 3).astype("f8" if sign == "/" else "i8")
    other = a.copy() if sign == "@" else 2
    for line in (0, 1):
        z = lz.array(a, store=store, overwrite=True)
        names = {"z": z, "other": other}
        with pytest.raises(TypeError) as caught:
            exec(f"z {sign}= {'other' if sign == '@' else 2}", names)
        cures = re.findall(r"^  (z.*?)  ", str(caught.value), re.MULTILINE)
        assert len(cures) == 2
        exec(cures[line], names)
        np.testing.assert_array_equal(names["z"][...], SIGNS[sign](a, other))


# --- lines of plans and refusals

NAMES = ("time_of_observation", "pressure_level", "latitude", "longitude")
SHAPE, CHUNKS = (48, 2, 60, 90), (8, 1, 60, 90)
WIDTH = 100


def _detrended(block):
    return block - block.mean(axis=0)


@pytest.fixture
def temperature_at_two_metres():
    """2.1 MB by a long name, with long names of axes; nothing is stored but the metadata."""
    path = "data.zarr/temperature_at_two_metres"
    return lz.from_zarr(lz.create_array(path, shape=SHAPE, chunks=CHUNKS, dtype="f4", dimension_names=NAMES))


EXPRESSIONS = {
    "all": lambda t: t,
    "whole chunks": lambda t: t.rechunk(-1).map_blocks(_detrended, dtype="f4"),
    "whole lines": lambda t: t.rechunk({0: -1}).map_blocks(_detrended, dtype="f4").mean(),
    "two passes": lambda t: (t - t.mean(0)) / t.std(0),
    "a mean": lambda t: t.mean((0, 1)),
    "a median": lambda t: np.median(t, axis=0),
    "a window": lambda t: t.map_overlap(_detrended, depth={0: 3, 2: 4}, boundary="reflect", dtype="f4"),
    "a running total": lambda t: np.cumsum(t, axis=0),
    "neighbours": lambda t: t[1:] - t[:-1],
    "turned": lambda t: t.T,
    "flat": lambda t: t.reshape(-1),
    "groups": lambda t: t.groupby_reduce(np.arange(48) % 12, "mean", axis=0),
    "coarse": lambda t: t.coarsen(np.mean, {2: 7, 3: 8}, trim_excess=True),
}
HOW = {
    "computed": lambda y, **words: y.explain(**words),
    "written": lambda y, **words: y.to_zarr("out.zarr/result", compute=False, **words),
}


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
@pytest.mark.parametrize("memory", ["1MB", "37MB"])
@pytest.mark.parametrize("make", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_no_line_is_wider_than_a_terminal(make, memory, how, temperature_at_two_metres):
    y = make(temperature_at_two_metres)
    plan = how(y, memory=memory, num_workers=2)
    for text in (str(plan), plan.problem):
        assert [line for line in text.splitlines() if len(line) > WIDTH] == []
    assert plan.fits or not plan.problem.startswith("this needs") or "What fits:" in plan.problem


@pytest.mark.parametrize("memory", ["1MB", "45MB"])
@given(pool=expressions())
@settings(max_examples=12, derandomize=True)
def test_no_line_of_any_plan_is_wider_than_a_terminal(memory, pool):
    outputs = [value.lazy for value in pool.values[-1:]]
    for y in outputs:
        plan = y.explain(memory=memory, num_workers=2)
        words = y.__lazyzarr_node__.place
        assert words is None or len(words.text) < WIDTH
        assert [line for line in f"{plan}\n{plan.problem}".splitlines() if len(line) > WIDTH] == []


def test_cures_that_are_long_are_cut_where_they_can_be_pasted():
    names = [f"a_rather_long_name_{i}" for i in range(4)]
    chunks = ", ".join(f'"{name}": {n}' for n, name in enumerate(names))
    lines = cure_lines(
        [
            Cure(f"x.rechunk({{{chunks}}})", "peak 2.1 GB, two stages"),
            Cure('memory="12.2GB"', "21.8 GB are free here"),
        ]
    )
    assert [len(line) <= WIDTH for line in lines] == [True] * 4
    pasted = " ".join(line[14:] for line in lines[:2]).strip()
    assert eval(pasted, {"x": Recorder()}) == {name: n for n, name in enumerate(names)}
    assert lines[3].index("21.8 GB") == lines[2].index("peak ")


class Recorder:
    """What its rechunk is given."""

    def rechunk(self, chunks):
        return chunks


def test_a_path_that_is_too_long_has_a_line_of_its_own(temperature_at_two_metres):
    path = f"{'a' * 60}.zarr/{'b' * 30}"
    plan = ((temperature_at_two_metres - 273.15) / 2).to_zarr(path, compute=False, memory="1GB")
    assert str(plan).splitlines()[:2] == [f"{path} <-", "  (temperature_at_two_metres - 273.15) / 2"]
