"""Memory: too small a budget is refused, with what would fit; another is kept, by the peak of the process itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import MemoryBudgetError, PlanError
from lazyzarr.format.stores import FaultStore, LocalStore
from lazyzarr.graph.node import walk
from lazyzarr.graph.ops.products import Product
from tests.format.conftest import fast_path  # noqa: F401


@pytest.fixture
def x():
    """200 MB in chunks of 4 MB each; nothing is stored but the metadata."""
    z = lz.create_array("data.zarr/u", shape=(50, 1000, 1000), chunks=(1, 1000, 1000), dtype="f4")
    return lz.from_zarr(z)


REFUSED = {
    "a result too large": (lambda x, **how: (x * 2).compute(**how), "100MB", "multiply-u"),
    "a chunk too large": (lambda x, **how: x.sum().compute(**how), "36MB", "sum-u"),
    "accumulators too large": (lambda x, **how: x.std(axis=0).compute(**how), "50MB", "std-u"),
    "one step of two": (
        lambda x, **how: (x - x.mean(axis=0)).to_zarr("out.zarr", chunks=(50, 1000, 1000), **how),
        "100MB",
        "subtract-u",
    ),
    "a block of a user's function": (
        lambda x, **how: x.rechunk(-1).map_blocks(np.sort, dtype="f4").sum().compute(**how),
        "300MB",
        "sum-",
    ),
    "a write unit too large": (
        lambda x, **how: x.to_zarr("out.zarr", shards=(50, 1000, 1000), **how),
        "100MB",
        "read-u",
    ),
}


@pytest.mark.parametrize(("run", "memory", "step"), REFUSED.values(), ids=REFUSED)
def test_too_small_a_budget_is_refused_with_the_step_and_what_fits(x, run, memory, step):
    with pytest.raises(MemoryBudgetError) as caught:
        run(x, memory=memory, num_workers=2)
    text = str(caught.value)
    assert re.match(
        rf"this needs [0-9.]+ [MG]B at its peak; memory= allows {memory[:-2]}.0 MB\.\n  {step}", text
    )
    assert isinstance(caught.value, (PlanError, MemoryError))
    budget = re.search(r'memory="([0-9.]+)MB"', text)[1]
    # A hundredth less does not do; what the text says does. What it runs on is sparse, and quickly done.
    with pytest.raises(MemoryBudgetError):
        run(x, memory=float(budget) * 0.99e6, num_workers=2)
    run(x, memory=f"{budget}MB", num_workers=2)


def test_a_result_that_alone_is_too_large_is_better_written(x):
    with pytest.raises(MemoryBudgetError, match=r"y\.to_zarr\(\.\.\.\) instead of y\.compute\(\)"):
        (x * 2).compute(memory="150MB")
    with pytest.raises(MemoryBudgetError) as caught:
        x.sum().compute(memory="33MB")
    assert "to_zarr" not in str(caught.value)


def test_a_refused_run_reads_and_leaves_nothing(x):
    calls = []
    store = FaultStore(LocalStore("data.zarr"), lambda verb, key, n: calls.append((verb, key)))
    y = lz.from_zarr(store, "u") * 2
    with pytest.raises(MemoryBudgetError):
        y.to_zarr("data.zarr", "y", memory="35MB")
    assert not any("c/" in key for _, key in calls)
    assert list(lz.open_group("data.zarr")) == ["u"]
    assert sorted(os.listdir("data.zarr")) == ["u", "zarr.json"]


def test_fewer_workers_are_used_where_more_do_not_fit(x):
    roomy = x.sum().explain(memory="1GB", num_workers=4)
    tight = x.sum().explain(memory=roomy.peak_memory - 10**6, num_workers=4)
    assert tight.fits
    assert tight.workers < roomy.workers == 4


def test_the_setting_is_a_budget_too(x):
    with lz.config.set(memory="35MB"), pytest.raises(MemoryBudgetError, match=r"allows 35\.0 MB"):
        x.sum().compute()
    with lz.config.set(memory="1GB"):
        assert x.explain().memory == 10**9
        assert x.explain(memory="2GiB").memory == 2 * 2**30


BUDGET = 64_000_000
JOB = """
import sys
import numpy as np
import lazyzarr as lz

def kilobytes(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))

x = lz.from_zarr("x.zarr")
how = {"memory": int(sys.argv[2]), "num_workers": 2}
# A first run of everything, on a few bytes, loads what is loaded on first use.
(lz.from_zarr("small.zarr") - 1).to_zarr("warm.zarr", mode="w", **how)
before, planned = kilobytes("VmRSS"), 0
exec(sys.argv[1])
print((kilobytes("VmHWM") - before) * 1024, planned)
"""

RUNS = {
    "mean": "x.mean(axis=0).compute(**how)",
    "std": "x.std().compute(**how)",
    "a write": "(x * 2).to_zarr('out.zarr', mode='w', **how)",
    "a sort through temporary arrays": "np.sort(x, axis=1).to_zarr('out.zarr', mode='w', chunks=(16, 128, 256), **how)",
    "an anomaly, to other chunks": "(x - x.mean(axis=0)).to_zarr('out.zarr', mode='w', chunks=(64, 128, 128), **how)",
}


@pytest.fixture
def noise(fast_path, monkeypatch):  # noqa: F811
    """268 MB of noise, in the current folder."""
    monkeypatch.chdir(fast_path)
    z = lz.create_array(
        "x.zarr", shape=(64, 1024, 1024), chunks=(16, 128, 256), dtype="f4", compressors="blosc-lz4"
    )
    noise = np.random.default_rng(0)
    for start in range(0, 64, 16):
        z[start : start + 16] = noise.random((16, 1024, 1024), "f4")
    lz.save("small.zarr", np.ones((4, 4), "f4"))


def measured(text, memory):
    """The peak of a process that does what the text says, over what it held before; and what was planned."""
    command = [sys.executable, "-c", JOB, text, str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    peak, planned = map(int, done.stdout.split())
    return peak, planned


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_process_stays_within_the_budget(noise):
    """2 threads, 64 MB: the peak of the process over what it held before."""
    peaks = {name: measured(text, BUDGET)[0] for name, text in RUNS.items()}
    print("peaks of 64 MB:", {name: f"{peak / 1e6:.0f} MB" for name, peak in peaks.items()})
    assert max(peaks.values()) <= BUDGET, peaks
    assert min(peaks.values()) > 4_000_000, peaks  # else nothing was measured


PLANNED = {
    "a sort to large units, cut by the edge": "np.sort(x, axis=0).to_zarr('out.zarr', chunks=(64, 600, 256), {how})",
    "an argsort": "np.argsort(x, axis=1).to_zarr('out.zarr', chunks=(64, 1024, 64), {how})",
    "a median": "np.median(x, axis=0).to_zarr('out.zarr', {how})",
    "large units, blosc": "(x + 1).to_zarr('out.zarr', chunks=(64, 1024, 192), compressors='blosc-lz4', {how})",
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_process_takes_no_more_than_was_planned(noise):
    """Units of 33 to 50 MB, two at once: their copies on the way to the store are more than what is not counted."""
    how = "mode='w', compute=False, **how"
    found = {}
    for name, text in PLANNED.items():
        work = f"plan = {text.format(how=how)}; planned = plan.peak_memory; plan.run()"
        found[name] = measured(work, 500_000_000)
    print({name: f"{peak / 1e6:.0f} of {planned / 1e6:.0f} MB" for name, (peak, planned) in found.items()})
    assert all(peak <= planned for peak, planned in found.values()), found


def test_products_count_what_they_multiply_with():
    """One product lies beside the sum of those before, and boxes are copied into the order that BLAS takes."""
    x = lz.from_array(np.ones((48, 512, 512), "f4"), chunks=(24, 128, 256))
    for y in (x.mT @ x, np.tensordot(x, x, ((0, 1), (0, 1)))):
        (node,) = {each for each in walk([y.__lazyzarr_node__]) if isinstance(each, Product)}
        block = np.prod([max(sizes) for sizes in node.chunks]) * 4
        assert node.working_bytes >= block
        assert block <= 8_000_000
