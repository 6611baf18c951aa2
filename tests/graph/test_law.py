"""What bounds the time: the estimates are what the assumed rates come to, and the law is the largest."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.graph import law

SHAPE, CHUNKS = (64, 100, 100), (8, 100, 100)


def stored(name="u", values=None, **words):
    z = lz.create_array(f"data.zarr/{name}", shape=SHAPE, chunks=CHUNKS, dtype="f4", **words)
    z[...] = np.random.default_rng(0).normal(size=SHAPE).astype("f4") if values is None else values
    return lz.from_zarr(z)


def bound(lazy, **words):
    return lazy.explain(num_workers=2, memory="1GB").bound


def deep(x):
    for _ in range(30):
        x = np.sin(x)
    return x


LAWS = {
    "many bytes of a slow codec": (lambda: stored(compressors="gzip").sum(), "decode"),
    "noise that is not compressed": (lambda: stored(compressors=None).sum(), "disk"),
    "what is in memory already": (lambda: lz.from_array(np.ones((500, 500))) + 1, "memory"),
    "a long computation": (lambda: deep(stored(compressors=None)), "compute"),
    "lines to be sorted": (lambda: np.sort(lz.from_array(np.ones((500, 500))), axis=0), "compute"),
}


@pytest.mark.parametrize(("make", "name"), LAWS.values(), ids=LAWS)
def test_the_law_that_bounds(make, name):
    found = bound(make())
    assert found.law == name
    assert str(found).startswith(f"bound by {name}: ")


def test_a_write_is_bound_by_its_codec():
    made = (stored() * 2).to_zarr("out.zarr", compressors="gzip", compute=False, num_workers=2)
    assert made.bound.law == "encode"
    assert "s at 0.04 GB/s a core (gzip); then " in str(made.bound)


def test_seconds_are_what_the_rates_come_to():
    z = stored(compressors="gzip")
    found = bound(z.sum())
    tasks = z.sum().explain(num_workers=2, memory="1GB").tasks
    assert found.seconds["decode"] == pytest.approx(z.nbytes / law.DECODE["gzip"] / min(2, tasks))
    files = [lz.open_array("data.zarr/u").store.size(f"u/c/{i}/0/0") for i in (0, 2, 3, 5)]
    disk = z.nbytes * sum(files) / (4 * z.nbytes / 8) / law.DISK + 8 * law.OPENED
    assert found.seconds["disk"] == pytest.approx(disk)
    assert found.seconds["encode"] == found.seconds["network"] == 0
    assert found.total == pytest.approx(sum(found.seconds.values()))


def test_chunks_that_are_not_stored_are_not_decoded():
    z = lz.create_array("data.zarr", shape=SHAPE, chunks=CHUNKS, dtype="f4")
    found = bound(lz.from_zarr(z).sum())
    assert found.seconds["decode"] == found.seconds["disk"] == 0


def test_a_store_in_memory_has_no_disk():
    z = lz.create_array({}, shape=(8, 8), chunks=(4, 4), dtype="f4")
    z[...] = 1
    assert bound(lz.from_zarr(z).sum()).seconds["disk"] == 0


def test_users_functions_are_named():
    def detrend(block):
        return block

    found = bound(stored().map_blocks(detrend, dtype="f4"))
    assert found.unknown == ("detrend",)
    assert str(found).endswith("; besides detrend, of unknown cost")


def test_nothing_to_do_is_bound_by_nothing():
    plan = lz.from_array(np.ones((0, 3))).explain()
    assert plan.bound is None
    assert "bound by" not in str(plan)
