"""Lines longer than memory, sorted in runs that are stored and merged: exactly as NumPy sorts, within the budget."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import ArrayReplacedError, ChunkDecodeError, MemoryBudgetError
from lazyzarr.format.stores import MemoryStore
from lazyzarr.graph import long_lines
from lazyzarr.graph import plan as planning
from lazyzarr.graph.ops import ranks
from lazyzarr.graph.ops.runs import RunForm
from lazyzarr.graph.ops.stored_runs import StoredRuns
from lazyzarr.settings import parse_bytes
from tests.format.conftest import fast_path  # noqa: F401

LENGTH, CHUNK = 20_000, 700
DTYPES = "? i1 u2 i4 u8 f2 f4 f8 c8 c16 M8[s] m8[ns] S5 U3 >f4 >i8".split()


@pytest.fixture
def tiny(monkeypatch):
    """Budgets of kilobytes: what a process needs besides is not counted."""
    monkeypatch.setattr(planning, "BASE", 0)


def drawn(rng, shape, dtype, kinds):
    """Values of a dtype, `kinds` of them different at most, with NaN, NaT and both zeros."""
    dtype, n = np.dtype(dtype), int(np.prod(shape))
    integers = rng.integers(0, kinds, n) - (kinds // 2 if dtype.kind in "ifcmM" else 0)
    if dtype.kind in "mM":
        found = integers.astype("i8").view(dtype)
    elif dtype.kind == "c":
        found = (integers + 1j * rng.integers(-2, 2, n)).astype(dtype)
    else:
        found = integers.astype(str).astype(dtype) if dtype.kind in "SU" else integers.astype(dtype)
    some = rng.random(n)
    if dtype.kind in "fcmM":
        found[some < 0.05] = "NaT" if dtype.kind in "mM" else np.nan
    if dtype.kind == "c":
        found.imag[some > 0.95] = np.nan
    if dtype.kind in "fc":
        found[(some > 0.5) & (some < 0.52)] = -0.0
    return found.reshape(shape)


def stored(values, chunks):
    z = lz.create_array(MemoryStore(), shape=values.shape, chunks=chunks, dtype=values.dtype, zarr_format=2)
    z[...] = values
    return lz.from_zarr(z)


def planned(y, memory, chunks=None, **how):
    """The plan of a write of what is sorted, in two stages."""
    how = {"num_workers": 1, "memory": memory} | how
    plan = y.to_zarr(MemoryStore(), chunks=chunks or "keep", compute=False, **how)
    assert plan.fits, plan
    assert "sorted-runs" in [stage.name for stage in plan.stages if stage.kind == "spill"], plan
    return plan


def budget(dtype, length=LENGTH):
    """Bytes in which a line does not fit, tasks' fixed costs included."""
    return 220_000 + length * (2 * dtype.itemsize + 1)


def assert_same(found, expected, bits=False):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)
    if bits:
        assert found.tobytes() == expected.tobytes()


SHAPES = st.sampled_from(
    [
        ((LENGTH,), (CHUNK,), 0),
        ((LENGTH,), (LENGTH // 3,), 0),
        ((3, LENGTH), (2, CHUNK), 1),
        ((LENGTH, 2), (CHUNK, 2), 0),
        ((LENGTH, 3), (CHUNK, 2), -2),
        ((2, LENGTH, 2), (1, CHUNK, 2), 1),
        ((40, LENGTH // 40), (3, 211), None),
    ]
)
SORTS = {
    "sort": lambda a, axis, np: np.sort(a, axis=axis),
    "stable sort": lambda a, axis, np: np.sort(a, axis=axis, stable=True),
    "argsort": lambda a, axis, np: np.argsort(a, axis=axis, stable=True),
}


@given(
    where=SHAPES,
    dtype=st.sampled_from(DTYPES),
    name=st.sampled_from(sorted(SORTS)),
    kinds=st.sampled_from([1, 2, 30, 100_000]),
    runs=st.sampled_from([2000, 20_000, 10**9]),
    merged=st.sampled_from([3000, 30_000, 10**9]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
@example(((LENGTH,), (CHUNK,), 0), "f4", "argsort", 2, 2000, 3000, 0)
@example(((LENGTH,), (CHUNK,), 0), "c16", "sort", 30, 2000, 10**9, 0)
def test_long_lines_are_sorted_as_numpy_sorts(where, dtype, name, kinds, runs, merged, seed):
    shape, chunks, axis = where
    values = drawn(np.random.default_rng(seed), shape, dtype, kinds)
    y = SORTS[name](stored(values, chunks), axis, lnp)
    memory = budget(values.dtype) + LENGTH * 8 * (name == "argsort")
    sizes = {"MOST_RUN": runs * values.itemsize, "MOST_MERGED": merged * y.dtype.itemsize}
    with mock.patch.object(planning, "BASE", 0), mock.patch.multiple(long_lines, **sizes):
        found = planned(y, memory, tuple(min(n, 500) for n in y.shape)).run()[...]
    # NumPy's quicksort leaves float16 out of order where there are both zeros.
    sort = SORTS["stable sort" if name == "sort" else name]
    assert_same(
        found, sort(values, axis, np).astype(y.dtype), bits=name != "sort" and values.dtype.kind != "c"
    )


@given(
    runs=st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=40), min_size=1, max_size=8),
    distance=st.sampled_from([1, 2, 4, 16]),
    data=st.data(),
)
@settings(max_examples=300)
def test_runs_are_split_where_a_stable_sort_splits_them(runs, distance, data):
    sorted_runs = [np.sort(np.array(run, "f4")) for run in runs]
    sorted_runs = [np.where(run == 6, np.float32(np.nan), run) for run in sorted_runs]
    lengths = [len(run) for run in runs]
    reads = []

    def read(run, first, stop):
        reads.append(stop - first)
        return sorted_runs[run][first:stop]

    split = ranks.SortedRuns(lengths, [run[::distance] for run in sorted_runs], distance, read).split
    rank = data.draw(st.integers(0, sum(lengths)))
    owner = np.repeat(np.arange(len(runs)), lengths)
    first = owner[np.argsort(np.concatenate(sorted_runs), kind="stable")[:rank]]
    assert split(rank) == np.bincount(first, minlength=len(runs)).tolist()
    # For the value, and for where it begins and ends in each run.
    assert sum(reads) <= ranks.looked_at(len(runs), distance) + 2 * distance * len(runs)


@pytest.mark.usefixtures("tiny")
def test_positions_of_equal_values_stay_in_order(temporary):
    values = np.zeros(LENGTH, "i4")
    y = np.argsort(stored(values, (CHUNK,)), stable=True)
    found = planned(y, 400_000, (500,)).run()[...]
    assert_same(found, np.arange(LENGTH))


def test_runs_of_float16_are_in_order():
    """NumPy's quicksort leaves some out of order where there are both zeros, on processors with AVX-512."""
    form, rng = RunForm(np.dtype("f2"), 0, 40_000, 40_000, False, None), np.random.default_rng(0)
    for _ in range(100):
        values = rng.integers(-200, 200, form.length).astype("f2") / np.float16(4)
        values[rng.random(form.length) < 0.02] = -0.0
        row = np.empty(form.places[-1], np.uint8)
        form.fill(row, values)
        np.testing.assert_array_equal(row[: values.nbytes].view("f2"), np.sort(values, kind="stable"))


def parted(y):
    """Some of what is sorted, in ways that read it otherwise than it is made."""
    return {
        "a slice": y[..., 7000:9003],
        "from the end": y[..., ::-1][..., 5:4000:7],
        "one": y[..., 12_345],
        "more is done": (y[..., :3000] * 2 - 1).astype("f8"),
        "a sum": y.sum(axis=-1),
        "steps": np.diff(y)[..., 9000:9500],
        "picked": y[..., np.array([19_999, 3, 3, 700])],
    }


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("dtype", ["i4", "g"])
@pytest.mark.parametrize("function", [np.sort, np.argsort])
def test_parts_of_what_is_sorted(temporary, function, dtype):
    values = drawn(np.random.default_rng(1), (2, LENGTH), "i4", 10**6).astype(dtype)
    x = lz.from_array(values, chunks=(1, CHUNK)) if dtype == "g" else stored(values, (1, CHUNK))
    y, expected = function(x, axis=1, stable=True), function(values, axis=1, stable=True)
    memory = budget(values.dtype) + (250_000 if function is np.argsort or dtype == "g" else 50_000)
    for name, part in parted(y).items():
        plan = part.explain(memory=memory, num_workers=1)
        assert "sorted-runs" in [stage.name for stage in plan.stages], name
        assert_same(part.compute(memory=memory, num_workers=1), np.asarray(parted(expected)[name]))


@pytest.mark.usefixtures("tiny")
def test_several_sorts_at_once(temporary):
    values = drawn(np.random.default_rng(2), (LENGTH,), "f4", 10**6)
    x = stored(values, (CHUNK,))
    y = np.sort(x) - np.sort(-x)
    found = planned(y, 450_000, (500,)).run()[...]
    assert_same(found, np.sort(values) - np.sort(-values))
    again = np.sort(np.argsort(x, stable=True))
    assert_same(planned(again, 600_000, (500,)).run()[...], np.arange(LENGTH))


QUANTILES = {
    "median": lambda a, axis, np: np.median(a, axis),
    "nanmedian": lambda a, axis, np: np.nanmedian(a, axis),
    "quantile": lambda a, axis, np: np.quantile(a, 0.3, axis),
    "quantiles, kept": lambda a, axis, np: np.quantile(a, [0.0, 0.123, 0.5, 1.0], axis, keepdims=True),
    "a strong quantile": lambda a, axis, np: np.quantile(a, np.float64(0.3), axis),
    "hazen's": lambda a, axis, np: np.quantile(a, [0.1, 0.5], axis, method="hazen"),
    "one of them": lambda a, axis, np: np.nanpercentile(a, 30, axis, method="closest_observation"),
    "between two": lambda a, axis, np: np.percentile(a, [25, 50], axis, method="averaged_inverted_cdf"),
    "nanpercentile": lambda a, axis, np: np.nanpercentile(a, [[30, 77.5]], axis),
}


@given(
    where=SHAPES.filter(lambda where: where[2] is not None and len(where[0]) > 1),
    dtype=st.sampled_from("u2 i4 f2 f4 f8 >f4".split()),
    name=st.sampled_from(sorted(QUANTILES)),
    kinds=st.sampled_from([1, 30, 100_000]),
    nan=st.sampled_from(["some", "none", "one line"]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60)
@example(((3, LENGTH), (2, CHUNK), 1), "f4", "median", 30, "one line", 0)
@example(((3, LENGTH), (2, CHUNK), 1), "f2", "nanpercentile", 1, "one line", 0)
@pytest.mark.filterwarnings("ignore:All-NaN", "ignore:overflow", "ignore:invalid")
def test_medians_and_quantiles_of_long_lines_are_numpys(where, dtype, name, kinds, nan, seed):
    shape, chunks, axis = where
    values = drawn(np.random.default_rng(seed), shape, dtype, kinds)
    if values.dtype.kind == "f" and nan != "some":
        values = np.nan_to_num(values)
        if nan == "one line":
            np.moveaxis(values, axis, -1)[..., 0, :] = np.nan
    y = QUANTILES[name](stored(values, chunks), axis, lnp)
    memory = 200_000 + LENGTH * values.itemsize
    with mock.patch.object(planning, "BASE", 0):
        plan = y.explain(memory=memory, num_workers=1)
        assert "sorted-runs" in [stage.name for stage in plan.stages if stage.kind == "spill"], plan
        found = y.compute(memory=memory, num_workers=1)
    expected = QUANTILES[name](values, axis, np)
    if np.isnan(expected).any():
        # NumPy 2.4 gives several percentiles of float16 that dtype where the first line is nothing but NaN.
        found = found.astype(expected.dtype)
    assert_same(found, expected)


LONG = {"memory": "41MB", "num_workers": 2}


@pytest.fixture
def x(temporary):
    """12 MB of integers with ties, in a folder."""
    values = np.random.default_rng(0).integers(0, 10**6, 3_000_000).astype("i4")
    z = lz.create_array("x.zarr", shape=values.shape, chunks=(50_000,), dtype="i4", compressors=None)
    z[...] = values
    return lz.from_zarr("x.zarr"), values


@pytest.mark.parametrize("scheduler", ["threads", "synchronous", "processes"])
def test_wherever_tasks_run(x, scheduler):
    lazy, values = x
    z = np.sort(lazy).to_zarr("out.zarr", scheduler=scheduler, **LONG)
    assert z.chunks == (50_000,)
    assert_same(z[...], np.sort(values))
    part = np.argsort(lazy, stable=True)[1_000_000:1_000_100]
    expected = np.argsort(values, stable=True)[1_000_000:1_000_100]
    assert_same(part.compute(scheduler=scheduler, **LONG), expected)


def test_on_a_cluster(x, client):
    lazy, values = x
    lz.store({"out.zarr": np.argsort(lazy, stable=True)}, scheduler=client, memory="37MB")
    assert_same(lz.open_array("out.zarr")[...], np.argsort(values, stable=True))


def test_lines_that_fit_are_sorted_as_before(x):
    lazy, _ = x
    plan = np.sort(lazy).to_zarr("out.zarr", compute=False, memory="500MB", num_workers=2)
    assert [stage.kind for stage in plan.stages] == ["map"]


def test_the_plan_tells_of_runs_and_of_their_merging(x):
    lazy, _ = x
    plan = np.sort(lazy).to_zarr("out.zarr", compute=False, **LONG)
    text = str(plan)
    assert [(stage.kind, stage.name) for stage in plan.stages] == [("spill", "sorted-runs"), ("map", "sort")]
    assert "two stages, because sort alone would need" in text
    told = re.search(r"lines of 3,000,000 do not fit; each is\s+sorted in ([0-9,]+) runs of ([0-9,]+)", text)
    runs, length = (int(number.replace(",", "")) for number in told.groups())
    assert (runs - 1) * length < 3_000_000 <= runs * length
    assert re.search(r"needs 12\.\d MB", text)
    assert plan.stages[0].decode < 12_100_000  # each chunk of the source once
    assert plan.stages[1].decode < 13_000_000


def test_each_chunk_is_read_once_and_the_runs_by_stretches(x, monkeypatch):
    lazy, values = x
    splits, nbytes = [], []
    split, read = ranks.SortedRuns.split, StoredRuns._read

    def counted(self, rank):
        splits.append(rank)
        return split(self, rank)

    def measured(self, line, run, place, out):
        nbytes.append(out.nbytes)
        return read(self, line, run, place, out)

    monkeypatch.setattr(ranks.SortedRuns, "split", counted)
    monkeypatch.setattr(StoredRuns, "_read", measured)
    found = np.sort(lazy).to_zarr("out.zarr", **LONG | {"num_workers": 1})
    assert_same(found[...], np.sort(values))
    assert len(splits) == len(set(splits)) > 2
    assert values.nbytes <= sum(nbytes) < 1.3 * values.nbytes


def test_what_cannot_be_sorted_in_runs_is_refused_by_name(temporary):
    z = lz.create_array("text.zarr", shape=(3_000_000,), chunks=(50_000,), dtype=str)
    with pytest.raises(MemoryBudgetError, match=r"(?s)sort.*What fits:.*memory=") as caught:
        np.sort(lz.from_zarr(z)).to_zarr("out.zarr", **LONG)
    assert caught.value.cures


def test_a_budget_without_room_for_a_run_is_refused(x):
    lazy, _ = x
    with pytest.raises(MemoryBudgetError, match="sort"):
        np.sort(lazy).to_zarr("out.zarr", memory="32.2MB", num_workers=2)


def test_the_budget_that_is_named_is_one_for_runs(x):
    lazy, values = x
    with pytest.raises(MemoryBudgetError) as caught:
        np.sort(lazy).to_zarr("out.zarr", memory="32.2MB", num_workers=2)
    budget = re.search(r'memory="([0-9.]+MB)"', str(caught.value))[1]
    assert parse_bytes(budget) < lazy.nbytes + 32_000_000  # a line whole takes more
    found = np.sort(lazy).to_zarr("out.zarr", memory=budget, num_workers=2)
    assert_same(found[...], np.sort(values))


def test_lines_of_too_many_runs_are_refused_before_they_are_cut(temporary):
    z = lz.create_array("x.zarr", shape=(10**11,), chunks=(10**6,), dtype="f4")
    with pytest.raises(MemoryBudgetError, match="sort"):
        np.sort(lz.from_zarr(z)).to_zarr("out.zarr", memory="100MB", num_workers=2)
    plan = np.sort(lz.from_zarr(z)).to_zarr("out.zarr", memory="8GB", num_workers=2, compute=False)
    assert plan.stages[0].name == "sorted-runs"


def test_a_run_that_fails_leaves_nothing(x, temporary, monkeypatch):
    lazy, _ = x
    fill, calls = RunForm.fill, []

    def failing(self, row, values):
        calls.append(row)
        if len(calls) == 3:
            raise OSError("no more")
        fill(self, row, values)

    monkeypatch.setattr(RunForm, "fill", failing)
    with pytest.raises(OSError, match="no more"):
        np.sort(lazy).to_zarr("out.zarr", **LONG)
    assert list(temporary.iterdir()) == []
    assert not os.path.exists("out.zarr")


@pytest.mark.parametrize("harm", ["gone", "short"])
def test_a_run_that_is_lost_or_damaged_is_told(x, temporary, monkeypatch, harm):
    lazy, _ = x
    begin = StoredRuns.__init__

    def harmed(self, *runs):
        for run in [path for path in temporary.rglob("*") if path.name == "0.0"]:
            run.unlink(missing_ok=True) if harm == "gone" else os.truncate(run, 1000)
        begin(self, *runs)

    monkeypatch.setattr(StoredRuns, "__init__", harmed)
    error = ArrayReplacedError if harm == "gone" else ChunkDecodeError
    with pytest.raises(error, match="temporary-0"):
        np.sort(lazy).to_zarr("out.zarr", **LONG)


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import lazyzarr as lz
from lazyzarr.graph.ops.runs import RunForm
signal.signal(signal.SIGINT, signal.default_int_handler)
fill, calls = RunForm.fill, []
def slow(self, row, values):
    calls.append(0)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
    fill(self, row, values)
RunForm.fill = slow
try:
    np.sort(lz.from_zarr("x.zarr")).to_zarr("out.zarr", memory="41MB", num_workers=2, temp=sys.argv[1])
except KeyboardInterrupt:
    print("interrupted", os.listdir(sys.argv[1]), os.path.exists("out.zarr"))
"""


@pytest.mark.usefixtures("x")
def test_an_interrupt_leaves_nothing(temporary):
    command = [sys.executable, "-c", INTERRUPTED, str(temporary)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "interrupted [] False\n", done.stderr


BUDGET = 64_000_000
JOB = """
import sys
import numpy as np
import lazyzarr as lz

def kilobytes(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

how = {"memory": int(sys.argv[2]), "num_workers": 2, "temp": "."}
# A first run of everything, on a few bytes, loads what is loaded on first use.
np.sort(lz.from_zarr("small.zarr")).to_zarr("warm.zarr", mode="w", **how)
before = kilobytes("VmRSS")
y = getattr(np, sys.argv[1])(lz.from_zarr("long.zarr"))
plan = y.to_zarr("out.zarr", mode="w", compute=False, compressors=None, **how)
assert plan.stages[0].name == "sorted-runs", plan
z = plan.run()
print((kilobytes("VmHWM") - before) * 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_process_stays_within_the_budget(fast_path, monkeypatch):  # noqa: F811
    """2 threads, 64 MB, 80 MB of numbers in one line: the peak of the process over what it held before."""
    monkeypatch.chdir(fast_path)
    values = np.random.default_rng(0).random(20_000_000, "f4")
    lz.create_array("long.zarr", shape=values.shape, chunks=(500_000,), dtype="f4", compressors=None)[...] = (
        values
    )
    lz.save("small.zarr", np.ones(4, "f4"))
    peaks = {}
    for name in ("sort", "argsort"):
        command = [sys.executable, "-c", JOB, name, str(BUDGET)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        peaks[name] = int(done.stdout)
        found, expected = lz.open_array("out.zarr")[...], getattr(np, name)(values, stable=True)
        assert (found == expected).all()
    print("peaks of 64 MB:", {name: f"{peak / 1e6:.0f} MB" for name, peak in peaks.items()})
    assert max(peaks.values()) <= BUDGET, peaks
    assert min(peaks.values()) > 4_000_000, peaks  # else nothing was measured
