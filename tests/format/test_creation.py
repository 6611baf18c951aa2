"""Making arrays: every word, old ones too, what follows from the data, and that failures leave nothing."""

from __future__ import annotations

import inspect
import os

import numcodecs
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    BaseZarrError,
    ContainsArrayError,
    ContainsGroupError,
    MetadataValidationError,
    ShapeMismatchError,
    UnknownCodecError,
    UnknownDataTypeError,
)
from lazyzarr.format import options

MAKERS = [lz.create, lz.create_array, lz.zeros, lz.ones, lz.empty, lz.full, lz.array, lz.open_array]


def names(codecs):
    return [codec.name for codec in codecs]


# What is made.


def test_functions():
    assert lz.create((2, 3)).dtype == "f8"
    assert lz.create(5, dtype="i2").shape == (5,)
    np.testing.assert_array_equal(lz.zeros((2,))[:], [0, 0])
    np.testing.assert_array_equal(lz.ones((2,), dtype="i4")[:], [1, 1])
    np.testing.assert_array_equal(lz.full((2,), 7)[:], [7, 7])
    np.testing.assert_array_equal(lz.full((2,), fill_value=np.nan)[:], [np.nan] * 2)
    np.testing.assert_array_equal(lz.empty(2)[:], [0, 0])
    np.testing.assert_array_equal(lz.array([[1, 2]])[:], [[1, 2]])
    assert lz.array("abc").dtype == "U3"
    assert lz.array(b"abc")[()] == b"abc"
    assert lz.array(3.5).shape == ()


def test_data_decide_shape_and_dtype():
    z = lz.create_array({}, data=np.arange(6, dtype=">i2").reshape(2, 3))
    assert (z.shape, z.dtype) == ((2, 3), np.dtype("i2"))
    assert lz.create_array({}, data=[1, 2], dtype="f4")[1] == np.float32(2)
    assert lz.create_array({}, data=[1, 2], shape=2).shape == (2,)
    z = lz.create_array({}, data=[1, 2], write_data=False)
    assert list(z.store.list()) == ["zarr.json"]
    with pytest.raises(ShapeMismatchError, match=r"shape=\(3,\) is not that of data=, \(2,\)"):
        lz.create_array({}, data=[1, 2], shape=(3,))
    with pytest.raises(BaseZarrError, match="neither data= nor shape="):
        lz.create_array({})


def test_places():
    lz.zeros((2,), store="a.zarr", path="x/y")
    lz.create_array("a.zarr", name="z", shape=2)
    lz.create_array(lz.open("a.zarr")["x"], name="w", shape=2)
    lz.create_array(lz.open("a.zarr").store_path / "v", shape=2)
    assert [path for path, _ in lz.open("a.zarr").members(None)] == ["v", "x", "x/w", "x/y", "z"]
    assert lz.create_group("a.zarr", path="g", attributes={"a": np.float32(1)}).attrs == {"a": 1.0}
    assert lz.group("a.zarr").nmembers() == 4
    assert lz.group().store.url().startswith("memory://")


def test_the_format_is_that_of_the_group_around():
    lz.create_group("a.zarr", zarr_format=2)
    assert lz.zeros((2,), store="a.zarr", path="x/y").zarr_format == 2
    assert lz.open("a.zarr/x").zarr_format == 2
    assert lz.create_group("a.zarr/g").zarr_format == 2
    assert lz.zeros((2,)).zarr_format == 3
    with lz.config.set({"default_zarr_format": 2}):
        assert lz.zeros((2,)).zarr_format == 2


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_words(zarr_format):
    z = lz.create_array(
        {},
        shape=(10, 6),
        dtype="f4",
        chunks=(4, -1),
        compressors="gzip",
        fill_value=np.inf,
        order="F",
        zarr_format=zarr_format,
        attributes={"units": "K"},
        dimension_names=["t", "x"],
    )
    z[...] = np.arange(60).reshape(10, 6)
    again = lz.open_array(z.store)
    assert (again.chunks, again.fill_value, again.order) == ((4, 6), np.float32("inf"), "F")
    assert again.dimension_names == ("t", "x")
    assert again.attrs["units"] == "K"
    np.testing.assert_array_equal(again[...], np.arange(60).reshape(10, 6))


def test_sharding():
    z = lz.create_array({}, shape=(10, 10), shards=(6, 4), chunks=(3, 2), dtype="i4")
    assert (z.shards, z.chunks) == ((6, 4), (3, 2))
    auto = lz.zeros((4000, 4000), shards=(2000, 2000), dtype="f8")
    assert all(shard % chunk == 0 for shard, chunk in zip(auto.shards, auto.chunks, strict=True))
    with pytest.raises(MetadataValidationError, match="v2 has no shards"):
        lz.zeros((4,), shards=(2,), zarr_format=2)
    with pytest.raises(MetadataValidationError):
        lz.zeros((4,), shards=(3,), chunks=(2,))


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (5, (5, 5)),
        ((5, 3), (5, 3)),
        ([5, np.int8(3)], (5, 3)),
        (np.array([5, 3]), (5, 3)),
        ((-1, 3), (100, 3)),
        ((None, 3), (100, 3)),
        (-1, (100, 50)),
        (False, (100, 50)),
        ("auto", (100, 50)),
        (True, (100, 50)),
        (None, (100, 50)),
        ((1000, 1000), (1000, 1000)),
    ],
)
def test_chunks(chunks, expected):
    assert lz.zeros((100, 50), chunks=chunks).chunks == expected


def test_automatic_chunks_are_near_4_mib():
    z = lz.zeros((1461, 721, 1440), dtype="f4")
    assert 1 << 20 <= np.prod(z.chunks) * 4 <= 8 << 20
    assert lz.zeros((0, 5)).chunks == (1, 5)
    assert lz.zeros(()).chunks == ()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"chunks": 0}, "chunks=0 holds a length below 1; give 1 or more"),
        ({"chunks": (2, 0)}, r"chunks=\(2, 0\) holds a length below 1"),
        ({"chunks": (2, -2)}, "below 1"),
        ({"chunks": (2,)}, r"chunks=\(2,\) has 1 lengths, the shape \(4, 4\) has 2"),
        ({"chunks": (2.5, 2)}, "no integer"),
        ({"chunks": (True, 2)}, "True and False are no lengths"),
        ({"chunks": "large"}, 'chunks=.large. is no length; give .* or "auto"'),
        ({"shards": (0, 4)}, "shards=.*below 1"),
        ({"shape": (-1, 4)}, "shape=.*below 0"),
        ({"shape": "ab"}, "no integer"),
        ({"dtype": object}, "dtype=object does not say how"),
        ({"dtype": "f16"}, "cannot be stored"),
        ({"dtype": "nonsense"}, "no data type"),
        ({"fill_value": "x"}, "fill_value='x' is no float64 value"),
        ({"fill_value": 300, "dtype": "u1"}, "fill_value=300 is no uint8 value"),
        ({"order": "A"}, 'order=.A. is neither "C" nor "F"'),
        ({"zarr_format": 4}, "zarr_format=4 is not known"),
        ({"compressors": "lz77"}, '"zstd"'),
        ({"compressors": {"name": "lz77"}}, "lz77"),
        ({"dimension_names": ["t"]}, "dimension_names"),
        ({"attributes": {"a": object()}}, "cannot be written as JSON"),
        ({"chunk_key_encoding": 3}, "chunk_key_encoding=3 is not known"),
        ({"config": {"colour": 1}}, "config=.*is not known"),
        ({"config": 3}, "config=3 is not known"),
        ({"object_codec": numcodecs.JSON()}, "object_codec.*stores Python objects, not float64"),
        ({"meta_array": "cupy"}, "meta_array"),
        ({"compressor": None, "compressors": "gzip"}, "says one thing twice"),
    ],
)
def test_wrong_words_make_nothing(words, text):
    with pytest.raises(BaseZarrError, match=text) as caught:
        lz.create_array("a.zarr", name="g/u", **{"shape": (4, 4)} | words)
    if not {"object_codec", "meta_array", "compressor"} & words.keys():
        assert "file://a.zarr/g/u" in str(caught.value)
    assert os.listdir() == []


def test_errors_keep_their_kind():
    with pytest.raises(UnknownCodecError):
        lz.zeros((2,), compressors={"name": "lz77"})
    with pytest.raises(UnknownDataTypeError):
        lz.zeros((2,), dtype=object)


# Words of zarr-python 2 and 3.0.


def test_compressor():
    for zarr_format in (2, 3):
        assert lz.zeros((2,), compressor=None, zarr_format=zarr_format).compressors == ()
        assert len(lz.zeros((2,), compressor="auto", zarr_format=zarr_format).compressors) == 1
    assert lz.zeros((2,), compressor=numcodecs.Zlib(2), zarr_format=2).compressor == numcodecs.Zlib(2)
    assert names(lz.zeros((2,), compressor=numcodecs.Blosc("lz4")).compressors)[0] == "blosc"


def test_other_old_words():
    z = lz.zeros((4, 4), chunk_shape=(2, 2), dimension_separator=".", write_empty_chunks=True)
    assert z.chunks == (2, 2)
    assert z.config.write_empty_chunks
    z[...] = 0
    assert "c.0.1" in list(z.store.list())
    z = lz.zeros((4, 4), chunks=2, dimension_separator="/", zarr_format=2)
    z[...] = 1
    assert "0/1" in list(z.store.list())
    with pytest.raises(lz.errors.ReadOnlyStoreError):
        lz.zeros((4,), read_only=True)[0] = 1
    z = lz.create(
        (4,), cache_metadata=True, cache_attrs=True, synchronizer=object(), cachesize=1, cache_type=dict
    )
    assert z.shape == (4,)
    assert lz.zeros((4,), config={"order": "F", "write_empty_chunks": True}).config.write_empty_chunks


def test_a_list_of_codecs():
    z = lz.create(
        (4, 4), codecs=[{"name": "bytes", "configuration": {"endian": "big"}}, lz.codecs.GzipCodec()]
    )
    assert z.serializer == lz.codecs.BytesCodec(endian="big")
    assert names(z.compressors) == ["gzip"]
    z = lz.create((4, 4), codecs=[lz.codecs.TransposeCodec(order=(1, 0)), lz.codecs.BytesCodec()])
    assert (z.order, names(z.filters), z.compressors) == ("F", ["transpose"], ())
    sharded = lz.create((4, 4), chunks=(4, 4), codecs=[lz.codecs.ShardingCodec(chunk_shape=(2, 2))])
    assert (sharded.shards, sharded.chunks) == ((4, 4), (2, 2))
    for wrong in ([lz.codecs.GzipCodec()], [lz.codecs.BytesCodec(), lz.codecs.TransposeCodec(order=(1, 0))]):
        with pytest.raises(BaseZarrError, match="first come those from array to array"):
            lz.create((4, 4), codecs=wrong)


@pytest.mark.parametrize(
    "encoding", [("v2", "."), {"name": "v2", "separator": "."}, "v2", {"name": "v2", "configuration": {}}]
)
def test_chunk_key_encodings(encoding):
    z = lz.zeros((4,), chunks=2, chunk_key_encoding=encoding)
    z[...] = 1
    assert "1" in list(z.store.list())


@pytest.mark.parametrize("function", MAKERS)
def test_unknown_words(function):
    first = {lz.create_array: ({},), lz.full: ((2,), 1)}.get(function, ((2,),))
    with pytest.raises(
        TypeError, match=rf"{function.__name__}\(\) got an unexpected keyword argument 'compresor'"
    ):
        function(*first, compresor=None)


def test_signatures_are_spelled_out():
    """Completion and help show every word, and what it means."""
    for function in (lz.Group.zeros, lz.Group.create_array, lz.save_array, *MAKERS):
        parameters = inspect.signature(function).parameters
        assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values()), function
        assert {"chunks", "dtype", "compressors", "order", "synchronizer"} <= parameters.keys(), function
        assert "the chunk shape" in function.__doc__
    assert options.WORDS.keys() == options.PlacedOptions.__annotations__.keys()
    assert repr(inspect.signature(lz.create_array).parameters["fill_value"].default) == "default"


# From other arrays.


MODELS = [
    {"chunks": (2, 3), "shards": (4, 6), "compressors": "blosc-lz4", "dimension_names": ("a", "b")},
    {"chunks": (2, 3), "order": "F", "fill_value": 5},
    {"chunks": (2, 3), "order": "F", "zarr_format": 2, "compressors": numcodecs.Zlib(2)},
    {"chunks": (2, 3), "zarr_format": 2, "filters": [numcodecs.Delta("i4")], "dimension_separator": "/"},
]


@pytest.mark.parametrize("words", MODELS)
def test_copies_keep_the_layout(words):
    model = lz.create((8, 12), dtype="i4", attributes={"units": "K"}, **words)
    model[...] = np.arange(96).reshape(8, 12)
    for copied in (lz.from_array({}, data=model, name="u"), lz.array(model), lz.zeros_like(model)):
        for fact in "chunks shards filters compressors serializer order zarr_format dimension_names".split():
            assert getattr(copied, fact) == getattr(model, fact), fact
        assert copied.metadata.codecs == model.metadata.codecs
        assert copied.metadata.chunk_key_encoding == model.metadata.chunk_key_encoding
    copied = lz.from_array({}, data=model)
    np.testing.assert_array_equal(copied[...], model[...])
    assert copied.fill_value == model.fill_value
    assert copied.attrs == {"units": "K", **model.attrs}
    assert lz.zeros_like(model)[0, 1] == 0
    assert lz.ones_like(model)[0, 0] == 1
    assert lz.full_like(model, 9, shards=None, chunks=(8, 12))[0, 0] == 9
    assert lz.full_like(model).fill_value == model.fill_value


def test_copies_with_changes():
    model = lz.array(np.arange(96, dtype="i4").reshape(8, 12), chunks=(2, 3))
    copied = lz.from_array({}, data=model, chunks=(8, 1), compressors="gzip", dtype="f8", shards="keep")
    assert (copied.chunks, names(copied.compressors), copied.dtype) == ((8, 1), ["gzip"], "f8")
    np.testing.assert_array_equal(copied[...], model[...])
    old = lz.from_array({}, data=model, zarr_format=2)
    np.testing.assert_array_equal(old[...], model[...])
    assert (old.zarr_format, old.chunks) == (2, (2, 3))
    np.testing.assert_array_equal(lz.from_array({}, data=old, zarr_format=3)[...], model[...])
    assert lz.from_array({}, data=np.arange(3), chunks="keep")[2] == 2


def test_like_numpy():
    z = lz.ones_like(np.zeros((3, 4), "f4"))
    assert (z.shape, z.dtype, z[0, 0]) == ((3, 4), "f4", 1)
    assert lz.zeros_like([1, 2]).shape == (2,)
    assert lz.empty_like(z, dtype="i8").dtype == "i8"


def test_a_large_copy_goes_block_by_block(monkeypatch):
    monkeypatch.setattr("lazyzarr.format.making.BLOCK", 200)
    model = lz.array(np.arange(600, dtype="i4").reshape(20, 30), chunks=(3, 4))
    np.testing.assert_array_equal(lz.array(model)[...], model[...])
    np.testing.assert_array_equal(lz.array(lz.array(7))[...], 7)
    assert lz.array(lz.zeros((0, 3))).shape == (0, 3)


# What is there.


def test_what_is_there_stays():
    z = lz.create_array("a.zarr/u", data=np.arange(4))
    for make in (lambda: lz.create_array("a.zarr/u", shape=2), lambda: lz.zeros((2,), store="a.zarr/u")):
        with pytest.raises(ContainsArrayError, match=r"file://a.zarr/u already holds an array, \(4,\) int64"):
            make()
    with pytest.raises(ContainsGroupError, match=r"file://a.zarr already holds a group"):
        lz.create_array("a.zarr", shape=2)
    with pytest.raises(FileExistsError):
        lz.create_group("a.zarr")
    np.testing.assert_array_equal(z[...], np.arange(4))
    np.testing.assert_array_equal(lz.open("a.zarr/u")[...], np.arange(4))


def test_overwriting():
    lz.create_array("a.zarr/u", data=np.arange(4), chunks=(1,))
    z = lz.create_array("a.zarr/u", shape=2, chunks=(1,), overwrite=True)
    np.testing.assert_array_equal(z[...], [0, 0])
    assert list(z.store.list("u")) == ["u/zarr.json"]


def test_a_failure_while_data_are_written_leaves_what_was_there():
    class Failing:
        shape, dtype = (4,), np.dtype("i8")

        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("no data")

        @staticmethod
        def __lazyzarr_store__(value, array, selection, url=None):
            array[:2] = 9
            raise RuntimeError("no data")

    lz.create_array("a.zarr/u", data=np.arange(4))
    for place in ("a.zarr/u", "a.zarr/new", "b.zarr"):
        with pytest.raises(RuntimeError, match="no data"):
            lz.create_array(place, data=Failing(), overwrite=True)
    np.testing.assert_array_equal(lz.open("a.zarr/u")[...], np.arange(4))
    assert sorted(os.listdir("a.zarr")) == ["u", "zarr.json"]
    assert os.listdir() == ["a.zarr"]


def test_ragged_data_make_nothing():
    with pytest.raises(ShapeMismatchError, match=r"file://a.zarr: the value is no array"):
        lz.create_array("a.zarr", data=[[1], [2, 3]])
    assert os.listdir() == []
