"""Texts of errors: what they tell to write works when it is written; lines are as long as a terminal is wide."""

from __future__ import annotations

import inspect
import operator
import re

import numpy as np
import pytest
from hypothesis import given, settings

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import BaseZarrError, ContainsArrayError, SelectionError
from lazyzarr.graph.check import cure_lines
from lazyzarr.graph.cures import Cure
from lazyzarr.graph.methods import Methods
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


# --- what a lazy array is asked for and has not


@pytest.fixture
def x():
    return lz.from_array(np.arange(12.0).reshape(4, 3), chunks=2, dims=("time", "x"))


SELECTED = {
    "the name of a dimension": ("time", r"'time' is a dimension: .* x\.mean\('time'\), and x\[:5\] picks"),
    "that of the second": ("x", r"x\.mean\('x'\), and x\[:, :5\] picks"),
    "a name among others": ((0, "x"), r"'x' is a dimension"),
    "no name": ("q", r"there is no field 'q'; the elements have none$"),
    "a float": (1.5, r"not by 1\.5; x\.oindex\[\.\.\.\] takes"),
    "a mapping": ({"time": 1}, r"not by \{'time': 1\}"),
}


@pytest.mark.parametrize(("selection", "said"), SELECTED.values(), ids=SELECTED)
def test_what_picks_nothing_says_what_does(selection, said, x):
    with pytest.raises(SelectionError, match=said) as caught:
        x[selection]
    assert "z." not in str(caught.value)
    for spelled in re.findall(r"x\.mean\([^)]*\)|x\[[:, 5]+\]", str(caught.value)):
        eval(spelled, {"x": x}).compute()


def test_slices_of_no_integers_are_told_as_such(x):
    with pytest.raises(SelectionError, match="is no slice of integers"):
        x[1.5:]


@pytest.mark.parametrize(("shape", "said"), [((4, 3), "more than one element"), ((0, 3), "empty array")])
def test_many_values_are_no_truth_value(shape, said):
    x = lz.from_array(np.ones(shape))
    with pytest.raises(ValueError, match=f"The truth value of an .*{said}") as caught:
        bool(x)
    cures = re.findall(r"x\.any\(\)|x\.all\(\)|x\.size > 0|x is not None", str(caught.value))
    assert [bool(eval(cure, {"x": x})) for cure in cures] == [x.size > 0, True, x.size > 0, True]


def test_two_stored_arrays_are_compared_by_their_places():
    a, b = (lz.create_array(f"{name}.zarr", data=np.ones(3)) for name in "ab")
    with pytest.raises(ValueError, match=r"a\.store_path == b\.store_path") as caught:
        assert a == b
    cure = str(caught.value).rpartition(": ")[2]
    assert not eval(cure, {"a": a, "b": b})
    assert eval(cure, {"a": a, "b": lz.open("a.zarr")})


def test_an_axis_that_is_nearly_named():
    x = lz.from_array(np.ones((4, 3)), dims=("time", None))
    with pytest.raises(
        ValueError, match=r"no dimension is named 'tme'; this array has time\. Did you mean time\?"
    ):
        x.mean("tme")


def test_an_array_that_is_there_is_written_into_as_its_refusal_says():
    x = lz.from_array(np.ones((4, 3)))
    x.to_zarr("there.zarr")
    with pytest.raises(ContainsArrayError, match='mode="r\\+"') as caught:
        (x + 1).to_zarr("there.zarr")
    assert "region=" in str(caught.value)
    assert (x + 1).to_zarr("there.zarr", mode="r+")[...].sum() == 24


@pytest.mark.parametrize(
    ("labels", "how", "said"),
    [
        (np.arange(3), "mean", r"4 integers, .*; these are int64, of shape \(3,\)"),
        (np.ones(4), "mean", r"4 integers, .*; these are float64, of shape \(4,\)"),
        (np.arange(4), "meen", r"how='meen': sum, mean, .*\. Did you mean mean\?"),
    ],
)
def test_what_is_wrong_with_labels(labels, how, said):
    with pytest.raises(ValueError, match=said):
        lz.from_array(np.ones((4, 3))).groupby_reduce(labels, how)


def test_a_search_goes_by_numpys_name():
    found = np.searchsorted(np.arange(3), lz.from_array(np.ones(4), chunks=2))
    assert found.explain().stages[0].name.startswith("searchsorted")


@pytest.mark.parametrize(
    ("shards", "chunks", "said"),
    [
        (None, (2, 2), "\n  4 chunks written, one writer each"),
        (None, (4, 4), "\n  one chunk written, one writer each"),
        ((4, 2), (2, 2), "\n  2 shards written, one writer each"),
        ((4, 4), (2, 2), "\n  one shard written, one writer each"),
    ],
)
def test_plans_count_chunks_or_shards(shards, chunks, said):
    x = lz.from_array(np.ones((4, 4)))
    assert said in str(x.to_zarr("new.zarr", chunks=chunks, shards=shards, compute=False))


@pytest.mark.parametrize(
    "write",
    [lambda x, out: lz.store(x, out), lambda x, out: lz.store([x], [out]), lambda x, out: x.to_zarr(out)],
)
def test_an_array_in_memory_is_no_place_to_write_to(write, x):
    out = np.zeros((400, 300))
    with pytest.raises(
        BaseZarrError, match=r"^an array in memory, ndarray \(400, 300\) float64, names no store"
    ) as caught:
        write(x, out)
    (cure,) = re.findall(r"out\[\.\.\.\] = x\.compute\(\)", str(caught.value))
    exec(cure, {"x": lz.from_array(np.ones((400, 300))), "out": out})
    assert out.all()


AXES = {
    "mean": (lambda x: x.mean(dim="time"), "axis='time' says so"),
    "std": (lambda x: x.std(dim=("time", "x")), r"axis=\('time', 'x'\) says so"),
    "cumsum": (lambda x: x.cumsum(dim="x"), "axis='x' says so"),
    "a function": (lambda x: lnp.mean(x, dim="time"), "axis='time' says so"),
    "NaN": (lambda x: x.mean(skipna=True), r"np\.nanmean\(x\) passes over NaN"),
    "no NaN of it": (lambda x: x.any(skipna=True), "'skipna'$"),
}


@pytest.mark.parametrize(("attempt", "said"), AXES.values(), ids=AXES)
def test_xarrays_words_name_numpys(attempt, said, x):
    with pytest.raises(
        TypeError, match=rf"^(LazyArray\.)?\w+\(\) got an unexpected keyword argument .*{said}"
    ):
        attempt(x)


def test_xarrays_words_leave_signatures_as_they_are():
    assert list(inspect.signature(lz.LazyArray.mean).parameters) == [
        "self",
        "axis",
        "dtype",
        "keepdims",
        "where",
    ]
    assert lz.LazyArray.mean.__doc__ == Methods.mean.__doc__


def test_explain_takes_the_options_of_compute(x):
    options = list(inspect.signature(x.compute).parameters)
    assert list(inspect.signature(x.explain).parameters) == options
    assert x.explain(progress=True).fits


@pytest.mark.parametrize("name", ["size", "to_zarr", "nbytes", "chunks", "rechunk", "tolist"])
def test_what_a_mask_picks_says_how_it_is_counted_or_computed(name, x):
    picked = x[x > 4]
    assert not hasattr(picked, name)
    with pytest.raises(AttributeError, match=f"what a mask picks has no '{name}'; ") as caught:
        getattr(picked, name)
    assert re.search(r"x\.compute\(\)|x\.compute_chunk_sizes\(\)", str(caught.value))
    for spelled in re.findall(
        r"lz\.\w+\(.*\)|x\.compute_chunk_sizes\(\)", str(caught.value).partition("; x.")[0]
    ):
        eval(spelled.partition(";")[0], {"x": picked, "lz": lz})
    with pytest.raises(AttributeError, match=r"no 'frobnicate'$"):
        picked.frobnicate()


def test_what_a_mask_picks_has_a_size_once_it_is_counted(x):
    picked = x[x > 4]
    assert picked.compute_chunk_sizes().size == 7
    assert picked.shape == (7,)


def test_what_a_mask_picks_has_a_plan(x):
    plan = x[x > 4].explain(memory="1GB", num_workers=1)
    assert plan.fits
    assert len(plan.stages) == 1
    np.testing.assert_array_equal(plan.run(), np.arange(5.0, 12))
    assert not x[x > 4].explain(memory="1MB").fits
