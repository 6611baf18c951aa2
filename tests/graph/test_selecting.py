"""Medians and quantiles of all values, found in passes over them: NumPy's, bit for bit, in little memory."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.graph.functions import lines
from lazyzarr.graph.ops.places import places_of
from lazyzarr.graph.ops.selecting import keys, value_of

DTYPES = ["?", "i1", "u1", "i2", "u4", "i8", "f2", "f4", "f8", ">f4"]


@pytest.fixture(autouse=True)
def short_lines_are_long(monkeypatch):
    monkeypatch.setattr(lines, "LINES", 100)


def values_of(dtype, size, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (rng.standard_normal(size) * 10.0 ** rng.integers(-3, 4, size)).astype(dtype)
    return (
        rng.integers(0, 256, (size, np.dtype(dtype).itemsize), "u1").astype("u1").view(dtype)[:, 0]
        if dtype != "?"
        else rng.random(size) < 0.3
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1000, 1001])
def test_medians_and_quantiles_are_numpys(dtype, size):
    values = values_of(dtype, size)
    x = lz.from_array(values.reshape(-1, 7, 11) if size == 1001 else values.reshape(10, 100), chunks=5)
    counts = [stage for stage in lnp.median(x).explain()._planned.stages if stage.kind == "reduce"]
    assert len(counts) == -(-values.dtype.itemsize // 2)
    same(lnp.median(x).compute(), np.median(values))
    if dtype != "?":
        same(lnp.quantile(x, 0.3).compute(), np.quantile(values, 0.3))
        same(lnp.percentile(x, [0, 12.5, 100]).compute(), np.percentile(values, [0, 12.5, 100]))


def same(found, expected):
    assert np.asarray(found).dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(found, expected)


METHODS = (
    "inverted_cdf averaged_inverted_cdf closest_observation interpolated_inverted_cdf hazen weibull linear "
    "median_unbiased normal_unbiased lower higher midpoint nearest"
).split()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4"])
def test_quantiles_lie_where_numpys_methods_place_them(method, dtype):
    for n in (1, 2, 3, 7, 10, 99):
        values = np.sort(values_of(dtype, n))
        for share in [0.0, 1.0, 0.1, 1 / 3, 0.7, 0, 1, *(np.arange(n + 1) / n), np.float32(0.3)]:
            for q in (share, [share]):
                ((place, between),) = places_of(np.quantile, q, method)
                low, high, distance = place(n)
                found = between(values[[low, high] if low != high else [low]], distance)
                expected = np.ravel(np.quantile(values, q, method=method))[0]
                assert np.asarray(found).astype(expected.dtype) == expected, (n, q)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["i8", "f4"])
def test_methods_of_one_long_line(method, dtype):
    values = values_of(dtype, 1003)
    values.flat[0] = np.iinfo("i8").max - 1 if dtype == "i8" else np.nan
    x = lz.from_array(values, chunks=100)
    stages = lnp.quantile(x, 0.3, method=method).explain()._planned.stages
    assert "reduce" in [stage.kind for stage in stages]
    q = [0.0, 0.3, 1.0]
    same(lnp.nanquantile(x, q, method=method).compute(), np.nanquantile(values, q, method=method))
    with pytest.raises(ValueError, match="not a valid method"):
        lnp.quantile(x, 0.3, method="middle")


def test_nan_is_given_or_passed_over():
    values = values_of("f4", 5000)
    values[::7] = np.nan
    values[1::7] = np.inf
    values[2::7] = -0.0
    x = lz.from_array(values, chunks=600)
    same(lnp.nanmedian(x).compute(), np.nanmedian(values))
    same(lnp.nanquantile(x, [0.1, 0.5]).compute(), np.nanquantile(values, [0.1, 0.5]))
    assert np.isnan(lnp.median(x).compute())
    assert np.isnan(lnp.nanmedian(lnp.full(1000, np.nan, chunks=100)).compute())


def test_axes_are_kept_and_several_shares_an_axis_of_their_own():
    values = values_of("f8", 600).reshape(20, 30)
    x = lz.from_array(values, chunks=(7, 30))
    same(lnp.median(x, keepdims=True).compute(), np.median(values, keepdims=True))
    wanted = [[0.1, 0.2], [0.3, 0.4]]
    same(lnp.quantile(x, wanted, axis=(0, 1)).compute(), np.quantile(values, wanted, axis=(0, 1)))
    same(np.median(x.ravel(), axis=0).compute(), np.median(values))


@pytest.mark.parametrize("scheduler", ["sync", "processes"])
def test_schedulers(scheduler):
    values = values_of("f4", 3000)
    same(lnp.median(lz.from_array(values, chunks=500)).compute(scheduler=scheduler), np.median(values))


def test_a_pass_for_each_16_digits_in_little_memory():
    z = lz.create_array("x.zarr", shape=(3_000_000_000,), chunks=(1_000_000,), dtype="f4")
    plan = lnp.median(lz.from_zarr(z)).explain(memory="100MB", num_workers=2)
    assert plan.fits
    assert sum(stage.decode >= z.nbytes for stage in plan._planned.stages) == 2
    assert plan.peak_memory < 100e6


@pytest.mark.parametrize("dtype", DTYPES)
def test_keys_are_in_the_order_of_the_values_and_lead_back(dtype):
    values = values_of(dtype, 300)
    found = keys(values)
    np.testing.assert_array_equal(values[np.argsort(found, kind="stable")], np.sort(values))
    for key, value in zip(found.tolist(), values, strict=True):
        assert value_of(key, values.dtype)[0] == value
