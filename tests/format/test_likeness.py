"""New arrays like others, and chunks by the names of dimensions."""

from __future__ import annotations

import asyncio
import functools
import os
import pathlib
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr import codecs
from lazyzarr.errors import BaseZarrError
from lazyzarr.format import likeness

FACTS = "chunks shards filters compressors serializer order zarr_format dimension_names dtype shape fill_value".split()
MODELS = [
    {"chunks": (2, 3)},
    {"chunks": (2, 3), "shards": (4, 6), "dimension_names": ("lat", "lon"), "fill_value": 7},
    {"chunks": ((5, 3), (4, 8))},
    {"compressors": "gzip", "order": "F"},
    {"filters": [codecs.TransposeCodec(order=(1, 0))], "serializer": codecs.BytesCodec(endian="big")},
    {"zarr_format": 2, "order": "F", "compressors": None, "fill_value": None},
    {"zarr_format": 2, "dimension_names": ("lat", "lon"), "dimension_separator": "/"},
]


def facts(z):
    return {name: getattr(z, name) for name in FACTS}


@pytest.mark.parametrize("words", MODELS)
def test_a_stored_array_is_taken_over_with_its_layout(words):
    model = lz.create((8, 12), dtype="i4", attributes={"units": "K", "scale_factor": 0.1}, **words)
    model[...] = 5
    made = lz.create_array("new.zarr", like=model)
    assert facts(made) == facts(model)
    assert made.attrs == model.attrs
    assert made.metadata.codecs == model.metadata.codecs
    assert made.metadata.chunk_key_encoding == model.metadata.chunk_key_encoding
    assert made.nchunks_initialized == 0


def test_what_is_given_wins():
    model = lz.create((8, 12), dtype="i4", chunks=(2, 3), shards=(4, 6), attributes={"a": 1}, fill_value=3)
    made = lz.create_array(
        {}, like=model, chunks=(2, 2), shards=None, compressors="gzip", attributes={"b": 2}, fill_value=9
    )
    assert (made.chunks, made.shards, made.fill_value, made.attrs) == ((2, 2), None, 9, {"b": 2})
    assert [type(codec).__name__ for codec in made.compressors] == ["GzipCodec"]
    assert lz.create_array({}, like=model, attributes={}).attrs == {}
    assert lz.create_array({}, like=model, shape=(80, 24)).shape == (80, 24)
    assert (
        lz.create_array({}, like=model, data=np.ones((3, 2)), chunks=1, shards=None)[...].tolist()
        == [[1] * 2] * 3
    )
    assert lz.create_array({}, like=model, dtype=None, zarr_format=None).dtype == "i4"


def test_words_of_zarr_python_2_win_too():
    model = lz.zeros((8, 12), zarr_format=2, compressors="zstd")
    for made in (
        lz.create_array({}, like=model, compressor=None),
        lz.zeros_like(model, compressor=None),
        lz.group(zarr_format=2).zeros_like("u", model, compressor=None),
    ):
        assert made.compressors == ()


def test_packing_goes_with_another_data_type():
    packed = lz.create(
        (4,),
        dtype="i2",
        fill_value=-9,
        attributes={"scale_factor": 0.1, "_FillValue": -9, "valid_range": [0, 5], "units": "K"},
    )
    assert lz.create_array({}, like=packed, dtype="i2").attrs == packed.attrs
    floats = lz.create_array({}, like=packed, dtype="f4")
    assert (floats.attrs, floats.fill_value) == ({"units": "K"}, 0)
    assert lz.create_array({}, like=packed, dtype="i4").fill_value == -9
    assert lz.create_array({}, like=packed, dtype="u1").fill_value == 0
    missing = lz.create((4,), dtype="f8", fill_value=np.nan)
    assert np.isnan(lz.create_array({}, like=missing, dtype="f4").fill_value)
    assert lz.create_array({}, like=lz.create((4,), dtype="f8", fill_value=1e300), dtype="f4").fill_value == 0


@pytest.mark.parametrize(
    "words",
    [
        {"filters": ["delta"], "zarr_format": 2},
        {"filters": [codecs.BitRound(keepbits=3), codecs.TransposeCodec(order=(1, 0))]},
        {"serializer": codecs.BytesCodec(endian="big")},
        {"compressors": "blosc-lz4"},
    ],
)
def test_codecs_of_elements_go_with_another_data_type(words):
    if words.get("filters") == ["delta"]:
        words = {**words, "filters": [{"id": "delta", "dtype": "<f8"}]}
    model = lz.create((4, 6), dtype="f8", chunks=(2, 3), **words)
    for made in (lz.create_array({}, like=model, dtype="u1"), lz.zeros_like(model, dtype="u1")):
        made[...] = np.arange(24).reshape(4, 6)
        assert made[...].tolist() == np.arange(24).reshape(4, 6).tolist()
        assert (made.chunks, made.order) == ((2, 3), model.order)
    if words.get("compressors"):
        assert made.compressors[0].typesize == 1


def test_the_codec_to_bytes_goes_with_another_data_type():
    model = lz.create((4,), dtype="f8", serializer=codecs.BytesCodec(endian="big"))
    made = lz.create_array({}, like=model, dtype=str)
    made[...] = ["a", "bc", "", "d"]
    assert made[1] == "bc"


def test_another_number_of_axes():
    model = lz.create(
        (4, 6), dtype="f4", chunks=(2, 3), order="F", dimension_names=("y", "x"), attributes={"a": 1}
    )
    made = lz.create_array({}, like=model, shape=(5,))
    assert (made.shape, made.dtype, made.dimension_names, made.attrs) == ((5,), "f4", None, {"a": 1})
    made[...] = np.arange(5)
    assert made[...].tolist() == [0, 1, 2, 3, 4]
    old = lz.create((4, 6), zarr_format=2, dimension_names=("y", "x"))
    assert lz.create_array({}, like=old, shape=3).attrs == {}


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("words", MODELS[:2] + MODELS[3:])
def test_another_version_of_the_format(words, version):
    model = lz.create((8, 12), dtype="i4", attributes={"units": "K"}, **words)
    group = lz.create_group("data.zarr", zarr_format=version)
    values = np.arange(96).reshape(8, 12)
    for made in (
        group.create_array("a", like=model),
        lz.create_array("data.zarr/b", like=model),
        group.zeros_like("c", model),
    ):
        assert (made.zarr_format, made.chunks, made.dtype) == (version, model.chunks, model.dtype)
        assert made.dimension_names == model.dimension_names
        assert made.order == model.order
        made[...] = values
        np.testing.assert_array_equal(made[...], values)
    assert sorted(lz.open_group("data.zarr")) == ["a", "b", "c"]


CHANGED = [
    ({"zarr_format": 2, "filters": [{"id": "shuffle", "elementsize": 4}], "compressors": "zstd"}, 3),
    (
        {
            "zarr_format": 2,
            "filters": [{"id": "delta", "dtype": "<i4"}, {"id": "shuffle"}],
            "compressors": None,
        },
        3,
    ),
    ({"compressors": "blosc-lz4"}, 2),
    ({"compressors": "blosc-lz4", "shards": (4, 6)}, 2),
]


@pytest.mark.parametrize(("words", "version"), CHANGED)
def test_codecs_that_stand_elsewhere_in_the_other_version(words, version):
    """v2's filters of bytes are compressors in v3, and v2 has no codec for a checksum."""
    model = lz.create((8, 12), dtype="i4", chunks=(2, 3), **words)
    values = np.arange(96).reshape(8, 12)
    model[...] = values
    made = lz.create_array("data.zarr/a", like=model, zarr_format=version)
    made[...] = values
    assert made.zarr_format == version
    assert made.nchunks_initialized
    np.testing.assert_array_equal(lz.open("data.zarr/a")[...], values)
    copied = lz.from_array("data.zarr/b", data=model, zarr_format=version)
    np.testing.assert_array_equal(copied[...], values)
    kinds = [type(codec).__name__ for codec in model.compressors if "Crc" not in type(codec).__name__]
    assert str(kinds[-1:])[2:6].lower() in str(made.compressors).lower()


def test_what_is_no_array_is_told_so():
    group = lz.create_group("data.zarr")
    group.create_array("u", shape=(3,), dtype="f4")
    for path in ("data.zarr/u", pathlib.Path("data.zarr/u")):
        for make in (
            functools.partial(lz.create_array, {}, like=path),
            functools.partial(lz.zeros_like, path),
        ):
            with pytest.raises(BaseZarrError, match=r"'data\.zarr/u' is no array but names one") as caught:
                make()
            cure = re.search(r"lz\.open\(.*?\)", str(caught.value))[0]
            assert lz.create_array({}, like=eval(cure)).shape == (3,)
    for held, kind in ((group, "Group"), ({"u": 1}, "dict")):
        with pytest.raises(BaseZarrError, match=f"a {kind} is no array but may hold some; name one"):
            lz.create_array({}, like=held)
    x = lz.from_array(np.arange(5.0))
    with pytest.raises(BaseZarrError, match=r"not known before it is computed. Say it: shape=\(100,\)"):
        lz.create_array({}, like=x[x > 2])
    assert lz.create_array({}, like=x[x > 2], shape=(100,)).shape == (100,)


def test_arrays_of_other_kinds():
    made = lz.create_array({}, like=np.ones((3, 4), "f4"))
    assert (made.shape, made.dtype, made[0, 0]) == ((3, 4), "f4", 0)
    assert lz.create_array({}, like=[[1, 2]]).shape == (1, 2)
    assert lz.create_array({}, like=np.float32(3)).shape == ()
    assert lz.create_array({}, like=np.array(["a", "bc"])).dtype == "U2"


def test_lazy_arrays(monkeypatch):
    x = lz.from_array(np.ones((9, 4), "f4"), chunks=(4, 2), dims=("time", None))
    for made in (lz.create_array({}, like=x), lz.group().create_array("u", like=x), lz.zeros_like(x)):
        assert (made.shape, made.dtype, made.chunks) == ((9, 4), "f4", (4, 2))
        assert made.dimension_names == ("time", None)
    assert made[0, 0] == 0
    uneven = x.rechunk(((2, 7), 4))
    assert lz.create_array({}, like=uneven).chunks == (9, 4)
    assert lz.create_array({}, like=x.rechunk({"time": -1}).mean("time")).chunks == (2,)
    monkeypatch.setattr(likeness, "MOST_CHUNK_BYTES", 4 * 2 * 4 - 1)
    assert lz.create_array({}, like=x).chunks == (9, 4)  # made for computing, not for storing
    words = lz.from_zarr(lz.array(["a", "bcd"], dtype=str))
    assert lz.create_array({}, like=words).dtype == words.dtype
    assert lz.create_array({}, like=x[x > 2].sum()).shape == ()


def test_xarrays_and_dasks_arrays():
    da = pytest.importorskip("dask.array")
    made = lz.create_array({}, like=da.ones((9, 4), chunks=(4, 2)))
    assert (made.shape, made.chunks, made.dimension_names) == ((9, 4), (4, 2), None)
    xr = pytest.importorskip("xarray")
    labelled = xr.DataArray(np.ones((9, 4), "f4"), dims=("time", "x"))
    made = lz.create_array({}, like=labelled, chunks={"time": 3})
    assert (made.dtype, made.chunks, made.dimension_names) == ("f4", (3, 4), ("time", "x"))
    assert lz.create_array({}, like=labelled.chunk({"time": 2})).chunks == (2, 4)


@pytest.mark.peer
def test_zarr_pythons_arrays():
    zarr = pytest.importorskip("zarr")
    theirs = zarr.create_array({}, shape=(6, 4), chunks=(2, 4), dtype="i2")
    made = lz.create_array({}, like=theirs)
    assert (made.shape, made.chunks, made.dtype) == ((6, 4), (2, 4), "i2")


def test_the_asynchronous_face():
    async def main():
        root = lz.AsyncGroup(lz.group())
        return await root.create_array("u", like=lz.zeros((4, 6), chunks=(2, 3)), dtype="i2")

    made = asyncio.run(main())
    assert (made.shape, made.chunks, made.dtype) == ((4, 6), (2, 3), "i2")


# --- chunks by name


def test_chunks_by_name():
    names = {"shape": (48, 9, 18), "dimension_names": ("time", "lat", "lon")}
    assert lz.create_array({}, **names, chunks={"time": 24, "lon": 6}).chunks == (24, 9, 6)
    assert lz.create_array({}, **names, chunks={0: 24, -1: -1}).chunks == (24, 9, 18)
    sharded = lz.create_array({}, **names, chunks={"time": 6, "lat": 3}, shards={"time": 24})
    assert (sharded.chunks, sharded.shards) == ((6, 3, 18), (24, 3, 18))
    assert lz.create_array({}, **names, chunks={"time": (8, 40)}).chunks == ((8, 40), (9,), (18,))
    assert lz.zeros((4, 6), chunks={1: 2}).chunks == (4, 2)
    assert lz.group().create_array("u", **names, chunks={"lat": 3}).chunks == (48, 3, 18)


def test_axes_that_are_not_named_keep_theirs():
    model = lz.create(
        (48, 9, 18), chunks=(6, 3, 9), shards=(12, 9, 18), dimension_names=("time", "lat", "lon")
    )
    made = lz.create_array({}, like=model, chunks={"time": 3})
    assert (made.chunks, made.shards) == ((3, 3, 9), (12, 9, 18))
    made = lz.create_array({}, like=model, shards={"time": 24})
    assert (made.chunks, made.shards) == ((6, 3, 9), (24, 9, 18))
    assert lz.create_array({}, like=model.lazy(), chunks={"lat": 9}).chunks == (6, 9, 9)
    plain = lz.create((48, 9, 18), chunks=(6, 3, 9), dimension_names=("time", "lat", "lon"))
    made = lz.create_array({}, like=plain, shards={"time": 24})
    assert (made.chunks, made.shards) == ((6, 3, 9), (24, 3, 9))
    renamed = lz.create_array({}, like=model, chunks={"t": 3}, dimension_names=("t", "y", "x"))
    assert (renamed.chunks, renamed.dimension_names) == ((3, 3, 9), ("t", "y", "x"))


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ({"tme": 2}, "no dimension is named 'tme'; this array has time, x"),
        ({"time": 2, 0: 3}, "names one axis twice"),
        ({5: 2}, "axis 5 is out of bounds"),
        ({"time": "many"}, "many"),
        ({"time": 0}, "below 1"),
    ],
)
def test_chunks_that_there_are_not(chunks, said):
    with pytest.raises(BaseZarrError, match=said) as error:
        lz.create_array("a.zarr", shape=(4, 6), dimension_names=("time", "x"), chunks=chunks)
    assert "file://a.zarr" in str(error.value)
    model = lz.create((4, 6), dimension_names=("time", "x"))
    with pytest.raises(BaseZarrError, match=said) as error:
        lz.create_array("a.zarr", like=model, chunks=chunks)
    assert "file://a.zarr" in str(error.value)


def test_names_without_names():
    with pytest.raises(BaseZarrError, match="dimension_names= names them"):
        lz.zeros((4, 6), chunks={"time": 2})


@given(st.data())
def test_chunks_by_name_are_those_in_order(data):
    """By whatever names, in whatever order, chunks are the lengths that a tuple would give."""
    shape = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple))
    names = tuple("abcd"[: len(shape)])
    chunks = {
        axis: data.draw(st.integers(1, 9)) for axis in data.draw(st.sets(st.sampled_from(range(len(shape)))))
    }
    said = {
        data.draw(st.sampled_from([axis, axis - len(shape), names[axis]])): n for axis, n in chunks.items()
    }
    one = lz.zeros(shape, chunks=said, dimension_names=names)
    other = lz.zeros(shape, chunks=[chunks.get(axis, -1) for axis in range(len(shape))])
    assert one.chunks == other.chunks


@pytest.mark.parametrize(
    "dtype", ["bool", "i1", ">i4", "f2", "c8", "M8[s]", "m8[ms]", "U3", "S3", str, bytes, "V3", "i4,f8"]
)
@pytest.mark.parametrize("other", ["bool", "<i4", "f8", "M8[s]", "U3", str, bytes, "i4,f8"])
def test_any_data_type_after_any_other(dtype, other):
    """As an array of that data type that is like none, but for the cut."""
    model = lz.create((4, 6), dtype=dtype, chunks=(2, 3), compressors="gzip")
    made = lz.create_array({}, like=model, dtype=other)
    plain = lz.create((4, 6), dtype=other, chunks=(2, 3), compressors="gzip")
    assert (made.dtype, made.chunks, made.compressors) == (plain.dtype, plain.chunks, plain.compressors)
    np.testing.assert_array_equal(made[...], plain[...])
    assert lz.create_array({}, like=model).dtype == model.dtype


def test_attributes_of_a_lazy_array_follow_as_they_do_to_what_it_is_written_to():
    lz.create_array(
        "packed.zarr", data=np.ones((8, 12), "i2"), attributes={"units": "K", "scale_factor": 0.1}
    )
    raw, meant = (lz.from_zarr("packed.zarr", mask_and_scale=scaled) for scaled in (False, True))
    for x in (raw, meant, meant - meant.mean(0), meant * meant):
        assert lz.create_array({}, like=x).attrs == x.to_zarr({}).attrs
    assert lz.create_array({}, like=raw, dtype="f4").attrs == {"units": "K"}
    assert lz.create_array({}, like=raw, attributes={}).attrs == {}


@pytest.mark.parametrize("path", ["there.zarr", pathlib.Path("there.zarr")])
def test_a_path_is_no_model(path):
    lz.create_array("there.zarr", shape=(8, 12), dtype="i4")
    with pytest.raises(BaseZarrError, match=r"lz.open\('there.zarr'\)") as caught:
        lz.create_array("new.zarr", like=path)
    assert not os.path.exists("new.zarr")
    cure = re.search(r"lz.open\([^)]*\)", str(caught.value)).group()
    assert lz.create_array("new.zarr", like=eval(cure)).shape == (8, 12)
