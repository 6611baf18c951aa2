"""Real input: ERA-Interim winds as v2, v3, sharded v3, and an array of tensorstore's, averaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

import lazyzarr as lz
from tests import source

DATA = source.ROOT / "tests" / "data" / "eraint"
EXPECTED = json.loads((DATA / "expected.json").read_text())
SHARDS = (1, 3, 124, 240)

pytestmark = pytest.mark.peer


def write_v3(path, **layout):
    """The v2 group again as v3 by zarr-python, in another layout."""
    old, new = zarr.open_group(DATA / "v2.zarr", mode="r"), zarr.open_group(path, mode="w", zarr_format=3)
    for name in "uvz":
        z = old[name]
        attributes = {key: value for key, value in z.attrs.items() if key != "_ARRAY_DIMENSIONS"}
        made = new.create_array(
            name, shape=z.shape, dtype=z.dtype, attributes=attributes, **{"chunks": z.chunks, **layout}
        )
        made[...] = z[...]
    return path


@pytest.fixture(scope="module", params=["v2", "v3", "sharded"])
def store(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("eraint") / "data.zarr"
    if request.param == "v2":
        return DATA / "v2.zarr"
    if request.param == "v3":
        return write_v3(path, compressors=zarr.codecs.ZstdCodec(level=3))
    codec = zarr.codecs.BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
    return write_v3(path, shards=SHARDS, chunks=(1, 1, 31, 60), compressors=codec)


def decoded(array):
    return lz.from_zarr(array) * array.attrs["scale_factor"] + array.attrs["add_offset"]


def test_means_in_one_pass(store):
    group = lz.open_group(store, mode="r")
    u, v, z = (decoded(group[name]) for name in "uvz")
    speed = (u**2 + v**2) ** 0.5
    found = lz.compute(u.mean(), v.mean(), z.mean(), speed.mean())
    expected = [EXPECTED["means"][name] for name in "uvz"] + [EXPECTED["wind_speed_mean"]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_values_are_zarr_pythons(store):
    theirs = zarr.open_group(store, mode="r")
    for name in "uvz":
        ours = lz.open_array(f"{store}/{name}", mode="r")
        np.testing.assert_array_equal(ours[...], theirs[name][...])


def test_the_array_of_tensorstore():
    x = lz.from_zarr(DATA / "u-float32-tensorstore.zarr")
    assert x.dims == ("month", "level", "latitude", "longitude")
    assert x.mean(dtype="f8").compute() == pytest.approx(EXPECTED["means"]["u"], rel=1e-9)


def test_wind_speed_is_written_for_zarr_python(store, tmp_path):
    group = lz.open_group(store, mode="r")
    u, v = (decoded(group[name]) for name in "uv")
    speed = (u**2 + v**2) ** 0.5
    speed.to_zarr(tmp_path / "speed.zarr", chunks=(2, 1, 50, 480), attributes={"units": "m s**-1"})
    theirs = zarr.open_array(tmp_path / "speed.zarr", mode="r")
    assert (theirs.metadata.zarr_format, theirs.chunks) == (3, (2, 1, 50, 480))
    assert theirs.attrs.asdict() == {"units": "m s**-1"}
    np.testing.assert_array_equal(theirs[...], speed.compute())
    assert theirs[...].mean() == pytest.approx(EXPECTED["wind_speed_mean"], rel=1e-9)
