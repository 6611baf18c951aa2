"""v2's arrays of Python objects, as zarr-python 2 wrote them: numcodecs made the bytes."""

from __future__ import annotations

import json
import pickle

import numcodecs
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    ChunkDecodeError,
    DataTypeMismatchError,
    MetadataValidationError,
    PickleCodecDisabledError,
    UnknownDataTypeError,
)

ANY = [{"a": [1, None]}, [1, 2], None, "é", 3.5, True]
WORDS = ["x", "yy", "", "x", "x", "yy"]
RAGGED = [np.arange(n, dtype="<i4") for n in (0, 3, 3, 1, 0, 5)]
CODECS = {
    "json2": (numcodecs.JSON(), ANY),
    "msgpack2": (None, [*ANY, b"b"][1:]),
    "pickle": (numcodecs.Pickle(), [*ANY[:5], (1, 2)]),
    "categorize": (numcodecs.Categorize(["x", "yy"], dtype=object), WORDS),
    "vlen-array": (numcodecs.VLenArray("<i4"), RAGGED),
    "vlen-utf8": (numcodecs.VLenUTF8(), WORDS),
    "vlen-bytes": (numcodecs.VLenBytes(), [b"a", b"", b"\0", b"bb", b"c\0", b"d"]),
}


@pytest.fixture(params=CODECS)
def sample(request):
    codec, items = CODECS[request.param]
    if codec is None:
        pytest.importorskip("msgpack")
        codec = numcodecs.MsgPack()
    data = np.empty(6, object)
    for i, item in enumerate(items):
        data[i] = item
    return codec, data.reshape(2, 3)


def plain(values):
    """Nested lists without NumPy in them, to be compared."""
    return [plain(item) for item in values] if isinstance(values, list | np.ndarray) else values


def config_of(codec):
    """The codec's document; JSON has no tuples."""
    return json.loads(json.dumps(codec.get_config()))


def trusting(codec):
    return {"allow_pickle": True} if codec.codec_id == "pickle" else None


def as_zarr_python_2(folder, codec, data, chunks=(2, 2), order="C", compressor=None, fill=None, more=()):
    """The files that zarr-python 2 left of an array: each chunk in its order, given to the filters."""
    document = {
        "zarr_format": 2, "shape": data.shape, "chunks": chunks, "dtype": "|O", "order": order, "fill_value": fill,
        "filters": [codec.get_config(), *(f.get_config() for f in more)],
        "compressor": compressor and compressor.get_config(),
    }  # fmt: skip
    (folder / ".zarray").write_text(json.dumps(document))
    for i, j in np.ndindex(*(-(-n // c) for n, c in zip(data.shape, chunks, strict=True))):
        chunk = np.empty(chunks, object, order=order)
        chunk.fill(data[0, 0])
        part = data[i * chunks[0] : (i + 1) * chunks[0], j * chunks[1] : (j + 1) * chunks[1]]
        for index in np.ndindex(part.shape):
            chunk[index] = part[index]
        encoded = codec.encode(chunk)
        for each in (*more, *([compressor] if compressor else ())):
            encoded = each.encode(encoded)
        (folder / f"{i}.{j}").write_bytes(bytes(memoryview(encoded).cast("B")))


@pytest.mark.parametrize(
    "compressor", [None, numcodecs.Zlib(1), numcodecs.Blosc()], ids=["none", "zlib", "blosc"]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_zarr_python_2_wrote(tmp_path, sample, order, compressor):
    codec, data = sample
    as_zarr_python_2(tmp_path, codec, data, order=order, compressor=compressor)
    z = lz.open_array(tmp_path, config=trusting(codec))
    assert plain(z[...]) == plain(data)
    assert plain(z[1, 2:]) == plain(data[1, 2:])


def test_filters_after_the_first(tmp_path, sample):
    codec, data = sample
    as_zarr_python_2(tmp_path, codec, data, more=[numcodecs.Zlib(1), numcodecs.CRC32()])
    z = lz.open_array(tmp_path, config=trusting(codec))
    assert plain(z[...]) == plain(data)
    z[0, 0] = data[1, 0]
    assert plain(lz.open_array(tmp_path, config=trusting(codec))[0, 0]) == plain(data[1, 0])


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_we_write_numcodecs_reads(tmp_path, sample, order):
    codec, data = sample
    z = lz.create_array(
        tmp_path / "z", shape=(2, 3), chunks=(2, 3), dtype=object, object_codec=codec, zarr_format=2, order=order,
        compressors=None,
    )  # fmt: skip
    z[...] = data
    stored = (tmp_path / "z" / "0.0").read_bytes()
    items = pickle.loads(stored) if codec.codec_id == "pickle" else codec.decode(stored)
    if items.ndim == 1:
        items = items.reshape((2, 3), order=order)
    assert plain(items) == plain(data) == plain(z[...])
    assert json.loads((tmp_path / "z" / ".zarray").read_text())["filters"] == [config_of(codec)]


def test_parts_and_fill(tmp_path, sample):
    codec, data = sample
    z = lz.create_array(
        tmp_path / "z", shape=(2, 3), chunks=(2, 2), dtype=object, object_codec=codec, zarr_format=2
    )
    missing = plain(z[1, 1])
    z[0, 0] = data[0, 1]
    assert plain(z[0, 0]) == plain(data[0, 1])
    assert plain(z[1, 1]) == missing
    z[...] = z[...]
    assert plain(z[1, 1]) == missing


def test_lists_are_elements_below_the_axes():
    z = (
        lz.zeros(3, dtype=object, object_codec=numcodecs.JSON(), zarr_format=2, fill_value=None)
        if False
        else None
    )
    z = lz.create_array({}, shape=(3,), dtype=object, object_codec=numcodecs.JSON(), zarr_format=2)
    z[...] = [[1, 2], [3], {}]
    assert z[...].tolist() == [[1, 2], [3], {}]
    z[1] = [4, 5]
    assert z[1] == [4, 5]
    z[:2] = [[1], [2]]
    assert z[...].tolist() == [[1], [2], {}]


def test_ragged_rows():
    z = lz.empty(3, dtype="array:i4", zarr_format=2)
    assert z[0].tolist() == []
    z[...] = [[1, 2], [], np.array([3], "u1")]
    assert [row.tolist() for row in z[...]] == [[1, 2], [], [3]]
    assert {row.dtype for row in z[...]} == {np.dtype("i4")}
    for wrong in ([[1.5], [], []], [[[1]], [], []], "abc"):
        with pytest.raises(DataTypeMismatchError):
            z[...] = wrong


def test_labels_only():
    z = lz.create_array(
        {}, shape=(2,), dtype=object, object_codec=numcodecs.Categorize(["x"], dtype=object), zarr_format=2
    )
    z[...] = ["x", ""]
    with pytest.raises(DataTypeMismatchError, match="labels"):
        z[0] = "y"
    assert z[...].tolist() == ["x", ""]


def test_pickle_is_read_where_the_call_says_so(tmp_path):
    lz.create_array(
        tmp_path / "z",
        data=np.array([1, (2,)], object),
        dtype=object,
        object_codec=numcodecs.Pickle(),
        zarr_format=2,
    )
    for array in (
        lz.open_array(tmp_path / "z"),
        lz.open(tmp_path / "z"),
        lz.open_array(tmp_path / "z", config={}),
    ):
        with pytest.raises(PickleCodecDisabledError, match="allow_pickle"):
            array[...]
    z = lz.open_array(tmp_path / "z", mode="r+", config={"allow_pickle": True})
    assert z[...].tolist() == [1, (2,)]
    assert pickle.loads(pickle.dumps(z))[1] == (2,)
    z.resize(3)
    assert z[...].tolist() == [1, (2,), None]


@pytest.mark.parametrize(
    ("codec", "fill", "read"),
    [
        ("json2", None, None), ("json2", 0, 0), ("json2", [1], [1]), ("json2", "", ""), ("json2", "NaN", "NaN"),
        ("vlen-array", None, []), ("vlen-array", 0, []), ("vlen-array", [1, 2], [1, 2]), ("categorize", 0, ""),
        ("categorize", "", ""), ("vlen-bytes", 0, b""), ("vlen-bytes", "", b""),
    ],
)  # fmt: skip
def test_fills(tmp_path, codec, fill, read):
    document = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "compressor": None, "order": "C",
                "fill_value": fill, "filters": [config_of(CODECS[codec][0])]}  # fmt: skip
    (tmp_path / ".zarray").write_text(json.dumps(document))
    z = lz.open_array(tmp_path)
    assert plain(z[0]) == read
    z.attrs["a"] = 1
    assert json.loads((tmp_path / ".zarray").read_text()) == document
    z[0] = CODECS[codec][1][1]
    assert plain(z[1]) == read


@pytest.mark.parametrize("codec", ["json2", "vlen-array", "vlen-utf8", "vlen-bytes", "categorize"])
def test_damaged_chunks(codec):
    store: dict = {}
    codec, items = CODECS[codec]
    z = lz.create_array(store, shape=(2,), dtype=object, object_codec=codec, zarr_format=2, compressors=None)
    z[...] = items[1:3]
    stored = bytes(store["0"])
    for damaged in (b"", stored[:-1], b"\xff\xff\xff\x7f" + stored[4:], stored[: len(stored) // 2]):
        store["0"] = damaged
        with pytest.raises(ChunkDecodeError):
            z[...]


@pytest.mark.parametrize(
    "text",
    ["[]", "3", '["a"]', '["a","b","|O",[3]]', '["a","b","|O",[-2]]', '["a","b","|O",2]', '["a","|O",[2]]',
     '[["a"],["b","c"],"|O",[2,1]]', '["a","b","|O",[1000000000000]]', '["a","b","|O",["2"]]', "[" * 100000],
)  # fmt: skip
def test_json_that_is_no_chunk(text):
    store: dict = {}
    z = lz.create_array(
        store, shape=(2,), dtype=object, object_codec={"id": "json2"}, zarr_format=2, compressors=None
    )
    store["0"] = text.encode()
    with pytest.raises(ChunkDecodeError):
        z[...]


def test_what_v3_cannot_store():
    with pytest.raises(UnknownDataTypeError, match="zarr_format=2"):
        lz.create_array({}, shape=(2,), dtype=object, object_codec=numcodecs.JSON())
    z = lz.create_array({}, shape=(2,), dtype=object, object_codec=numcodecs.VLenUTF8())
    assert z.dtype == np.dtypes.StringDType()


def test_object_codec_is_named():
    with pytest.raises(UnknownDataTypeError, match="object_codec"):
        lz.create_array({}, shape=(2,), dtype=object, zarr_format=2)
    for wrong in ("json", 3, {"id": "zlib"}):
        with pytest.raises(MetadataValidationError):
            lz.create_array({}, shape=(2,), dtype=object, object_codec=wrong, zarr_format=2)
    z = lz.create_array(
        {}, shape=(2,), dtype=object, filters=[numcodecs.VLenUTF8(), numcodecs.Zlib()], zarr_format=2
    )
    assert [f.codec_id for f in z.filters] == ["vlen-utf8", "zlib"]
    z[...] = ["a", "b"]
    assert lz.array(z)[...].tolist() == ["a", "b"]
