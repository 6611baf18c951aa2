"""Jobs of daily life, written as their users would, with what they say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.format.stores.wrappers import FaultStore
from lazyzarr.storage import MemoryStore

SHAPE = (400, 9, 18)


@pytest.fixture
def reads():
    return Counter()


@pytest.fixture
def x(reads):
    """Three days more than a year, and how often each chunk of it is read."""

    def count(verb, key, number):
        reads[key] += verb == "get" and "/c/" in key

    source = lz.create_array(
        FaultStore(MemoryStore(), count),
        name="tas",
        data=np.random.default_rng(0).normal(280, 9, SHAPE).astype("f4"),
        chunks=(73, 9, 9),
        dimension_names=("time", "lat", "lon"),
    )
    reads.clear()
    return lz.from_zarr(source)


def test_standardise_and_write_a_region(x, reads, capsys):
    out = lz.create_array("z.zarr", like=x, chunks={"time": 24, "lat": 9, "lon": 6}, dtype="f4")
    mu, sd = lz.compute(x.mean("time"), x.std("time"))  # one pass
    assert {n for n in reads.values() if n} == {1}
    assert (out.shape, out.dtype, out.chunks) == (SHAPE, "f4", (24, 9, 6))
    assert out.dimension_names == ("time", "lat", "lon")

    region = {"time": slice(0, 365)}
    plan = ((x[:365] - mu) / sd).to_zarr(out, region=region, compute=False)
    said = "region time 0:365 ends inside chunk 15 (360:384): read, merged and written by one task"
    assert said in " ".join(str(plan).split())

    out[365:] = 7
    ((x[:365] - mu) / sd).to_zarr(out, region=region, progress=True)
    assert "z.zarr" in capsys.readouterr().err
    values = x.compute()
    expected = (values[:365] - values.mean(0, "f8")) / values.std(0, "f8")
    np.testing.assert_allclose(out[:365], expected, rtol=1e-4, atol=1e-5)
    assert (out[365:] == 7).all()  # also within chunk 15

    out[:365] = (x[:365] - mu) / sd * 2
    np.testing.assert_allclose(out[:365], expected * 2, rtol=1e-4, atol=1e-5)
    assert (out[365:] == 7).all()
