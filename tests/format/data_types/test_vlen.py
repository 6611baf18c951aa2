"""Text and bytes of any length: beside zarr-python in both formats, and what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.errors import (
    ChunkDecodeError,
    DataTypeMismatchError,
    MetadataValidationError,
    UnknownDataTypeError,
)
from lazyzarr.format.dtypes import BytesType, StringType, data_type_of, parse_v2_dtype, parse_v3_data_type

STRING = np.dtypes.StringDType()
WORDS = np.array([["a", "", "é𝄞"], ["x" * 300, "y\0z", "q"], ["a", "a", "a"]]).astype(STRING)
BLOBS = np.array([[b"a", b"", b"\0"], [b"zz\0", b"y" * 300, bytes(range(256))], [b"", b"", b""]], object)
SAMPLES = {"string": (str, WORDS, "string"), "bytes": (bytes, BLOBS, zarr.dtype.VariableLengthBytes())}

pytestmark = pytest.mark.filterwarnings("ignore:The data type:Warning")


@pytest.fixture(params=["string", "bytes"])
def sample(request):
    return SAMPLES[request.param]


@pytest.mark.peer
@pytest.mark.parametrize("compressors", ["auto", "blosc-lz4", None])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_python_reads_ours(tmp_path, sample, zarr_format, order, compressors):
    dtype, data, _ = sample
    if zarr_format == 2 and order == "F" and zarr.__version__ < "3.3":
        pytest.skip("zarr-python before 3.3.0 transposed text in F order (zarr-python#4116)")
    z = lz.create_array(
        tmp_path / "z", shape=(3, 3), chunks=(2, 2), dtype=dtype, zarr_format=zarr_format, order=order,
        compressors=compressors,
    )  # fmt: skip
    z[...] = data
    theirs = zarr.open_array(tmp_path / "z")
    assert theirs[...].tolist() == data.tolist() == z[...].tolist()
    assert theirs.dtype == z.dtype == data.dtype
    assert theirs.fill_value == z.fill_value


@pytest.mark.peer
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_we_read_zarr_python_s(tmp_path, sample, zarr_format):
    _, data, dtype = sample
    theirs = zarr.create_array(
        tmp_path / "z", shape=(3, 3), chunks=(2, 2), dtype=dtype, zarr_format=zarr_format
    )
    theirs[:2] = data[:2]
    z = lz.open_array(tmp_path / "z")
    assert z[...].tolist() == theirs[...].tolist()
    assert z[1, 0] == data[1, 0]
    assert type(z[1, 0]) is type(data.tolist()[0][0])


@pytest.mark.peer
@pytest.mark.parametrize("index_location", ["start", "end"])
def test_shards(tmp_path, sample, index_location):
    dtype, data, _ = sample
    codec = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [1, 2], "index_location": index_location,
            "codecs": [{"name": "vlen-utf8" if dtype is str else "vlen-bytes"}, {"name": "zstd"}],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        },
    }  # fmt: skip
    codec["configuration"]["codecs"][1]["configuration"] = {"level": 0, "checksum": False}
    z = lz.create_array(
        tmp_path / "z", shape=(3, 3), chunks=(2, 4), dtype=dtype, serializer=codec, compressors=None
    )
    z[...] = data
    z[1, 1:] = data[0, 1:]
    expected = data.copy()
    expected[1, 1:] = data[0, 1:]
    assert z[...].tolist() == expected.tolist()
    assert zarr.open_array(tmp_path / "z")[...].tolist() == expected.tolist()


@given(
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=12)
)
def test_any_text(words):
    z = lz.array(np.array(words, object), chunks=5)
    assert z.dtype == STRING
    assert z[...].tolist() == words


@given(words=st.lists(st.binary(max_size=20), min_size=1, max_size=12))
def test_any_bytes(words):
    z = lz.array(words, dtype=bytes, chunks=5, zarr_format=2)
    assert z[...].tolist() == words


def test_parts_appends_and_shapes(tmp_path):
    z = lz.array(["a", "bb", "ccc"], dtype=str, chunks=2, store=tmp_path / "z")
    z[1] = "changed"
    z[::2] = ["x", "y" * 1000]
    z.append(["new", ""])
    assert z[...].tolist() == ["x", "changed", "y" * 1000, "new", ""]
    z.resize(2)
    z.resize(4)
    assert z[...].tolist() == ["x", "changed", "", ""]
    assert z.oindex[[2, 0]].tolist() == ["", "x"]
    assert z.vindex[[1, 1]].tolist() == ["changed", "changed"]


def test_a_chunk_of_nothing_but_fill_is_not_stored(tmp_path):
    z = lz.full(4, "none", chunks=2, dtype=str, store=tmp_path / "z")
    z[...] = ["a", "none", "none", "none"]
    assert sorted(p.name for p in (tmp_path / "z" / "c").iterdir()) == ["0"]
    z[0] = "none"
    assert z[...].tolist() == ["none"] * 4


@pytest.mark.parametrize("dtype", [str, "str", "string", STRING, np.dtypes.StringDType])
def test_words_for_text(dtype):
    assert data_type_of(dtype) == StringType()


@pytest.mark.parametrize("dtype", [bytes, "bytes", "variable_length_bytes", "binary", {"name": "bytes"}])
def test_words_for_bytes(dtype):
    assert data_type_of(dtype) == BytesType()


def test_text_with_missing_strings_is_refused():
    with pytest.raises(UnknownDataTypeError, match="missing"):
        data_type_of(np.dtypes.StringDType(na_object=None))


def test_objects_tell_their_type():
    assert lz.array(np.array(["a", "b"], object)).dtype == STRING
    assert lz.array(np.array([b"a", b"b\0"], object))[1] == b"b\0"
    with pytest.raises(UnknownDataTypeError, match="object_codec"):
        lz.array(np.array(["a", 1], object))


@pytest.mark.parametrize("name", ["bytes", "variable_length_bytes", "binary"])
def test_aliases_of_bytes(name):
    assert parse_v3_data_type(name) == BytesType()


@pytest.mark.parametrize(
    ("spelled", "value"),
    [("", b""), ("AQI=", b"\1\2"), ([1, 2], b"\1\2"), ([], b""), (0, b"")],
)
def test_fills_of_bytes(spelled, value):
    assert BytesType().fill_from_json(spelled) == value
    assert BytesType().fill_from_json(BytesType().fill_to_json(value)) == value


@pytest.mark.parametrize("spelled", ["AQ", "é", [256], [-1], [True], [1.0], {}, 1, 1.5])
def test_bad_fills_of_bytes(spelled):
    with pytest.raises(MetadataValidationError):
        BytesType().fill_from_json(spelled)


@pytest.mark.parametrize(("spelled", "value"), [("", ""), ("é", "é"), (0, "")])
def test_fills_of_text(spelled, value):
    assert StringType().fill_from_json(spelled) == value


@pytest.mark.parametrize("spelled", [1, True, [], {}, "\ud800"])
def test_bad_fills_of_text(spelled):
    with pytest.raises(MetadataValidationError):
        StringType().fill_from_json(spelled)


@pytest.mark.parametrize(("fill", "read"), [(0, ""), (None, ""), ("", ""), ("x", "x")])
def test_fills_that_zarr_python_2_wrote(tmp_path, fill, read):
    (tmp_path / ".zarray").write_text(
        json.dumps(
            {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "compressor": None, "order": "C",
             "fill_value": fill, "filters": [{"id": "vlen-utf8"}]}
        )
    )  # fmt: skip
    assert lz.open_array(tmp_path)[...].tolist() == [read, read]


def test_fill_is_kept_by_an_attribute_edit(tmp_path):
    z = lz.create_array(tmp_path / "z", shape=(2,), dtype=bytes, fill_value=b"\1\2")
    document = json.loads((tmp_path / "z" / "zarr.json").read_text())
    document["fill_value"] = [1, 2]
    (tmp_path / "z" / "zarr.json").write_text(json.dumps(document))
    z = lz.open_array(tmp_path / "z")
    z.attrs["a"] = 1
    assert json.loads((tmp_path / "z" / "zarr.json").read_text())["fill_value"] == [1, 2]
    assert z[0] == b"\1\2"


@pytest.mark.parametrize(
    "value", [1, None, [1, 2], b"a", ["a", None], ["a", 1.5], np.array([b"a", b"b"]), "\ud800"]
)
def test_what_is_no_text_changes_nothing(value):
    z = lz.array(["a", "b"], dtype=str)
    with pytest.raises(DataTypeMismatchError):
        z[...] = value
    assert z[...].tolist() == ["a", "b"]


@pytest.mark.parametrize("value", [1, None, "a", [b"a", "b"], [1, 2]])
def test_what_are_no_bytes_changes_nothing(value):
    z = lz.array([b"a", b"b"], dtype=bytes)
    with pytest.raises(DataTypeMismatchError):
        z[...] = value
    assert z[...].tolist() == [b"a", b"b"]


def test_text_in_arrays_of_fixed_length():
    z = lz.zeros(2, dtype="U3")
    z[...] = np.array(["ab", "cde"], STRING)
    assert z[...].tolist() == ["ab", "cde"]
    with pytest.raises(DataTypeMismatchError):
        z[...] = np.array(["ab", "cdef"], STRING)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_damaged_chunks(zarr_format):
    store: dict = {}
    z = lz.create_array(store, shape=(2,), chunks=2, dtype=str, compressors=None, zarr_format=zarr_format)
    z[...] = ["ab", "cd"]
    key = "0" if zarr_format == 2 else "c/0"
    stored = bytes(store[key])
    for damaged in (b"", stored[:3], stored[:-1], b"\xff\xff\xff\xff" + stored[4:], b"\1" + stored[1:],
                    stored[:4] + b"\xff\xff\xff\x7f" + stored[8:], stored[:8] + b"\xff\xff" + stored[10:]):  # fmt: skip
        store[key] = damaged
        with pytest.raises(ChunkDecodeError):
            z[...]


def test_codecs_of_another_kind_are_refused():
    wrong = [(str, "bytes"), (bytes, "bytes"), ("i4", "vlen-utf8"), (str, "vlen-bytes"), (bytes, "vlen-utf8")]
    for dtype, serializer in wrong:
        with pytest.raises(MetadataValidationError):
            lz.create_array({}, shape=(2,), dtype=dtype, serializer={"name": serializer})
    store: dict = {}
    lz.create_array(store, shape=(2,), dtype=str)
    document = json.loads(bytes(store["zarr.json"]))
    document["codecs"] = [{"name": "bytes"}]
    store["zarr.json"] = json.dumps(document).encode()
    with pytest.raises(MetadataValidationError):
        lz.open_array(store)[...]


def test_copies_keep_the_type(tmp_path):
    for zarr_format in (2, 3):
        z = lz.array([b"a", b"b\0"], dtype=bytes, zarr_format=zarr_format)
        for copy in (
            lz.array(z),
            lz.from_array({}, data=z),
            lz.from_array({}, data=z, zarr_format=5 - zarr_format),
        ):
            assert copy[...].tolist() == [b"a", b"b\0"]
            assert copy.metadata.data_type == BytesType()
        assert lz.zeros_like(z)[...].tolist() == [b"", b""]
        assert lz.empty_like(lz.array(["a"], dtype=str))[0] == ""


def test_saved_and_loaded(tmp_path):
    lz.save(tmp_path / "g", words=WORDS, blobs=BLOBS)
    loaded = lz.load(tmp_path / "g")
    assert loaded["words"].tolist() == WORDS.tolist()
    assert loaded["blobs"].tolist() == BLOBS.tolist()
    assert loaded["words"].dtype == STRING


def test_v2_names():
    assert parse_v2_dtype("|O", [{"id": "vlen-utf8"}]) == (StringType(), "little")
    for filters in (None, [], [{"id": "zlib"}], [3], {"id": "vlen-utf8"}):
        with pytest.raises(MetadataValidationError, match="filter"):
            parse_v2_dtype("|O", filters)


def test_required_and_shown_as_another_type():
    group = lz.group()
    group.array("words", ["a", "b"], dtype=str)
    for dtype in (str, STRING, "string"):
        assert group.require_array("words", shape=(2,), dtype=dtype)[1] == "b"
    with pytest.raises(DataTypeMismatchError):
        group.require_array("words", shape=(2,), dtype=bytes)
    with pytest.raises(MetadataValidationError, match="lazy"):
        group["words"].astype("U3")
    assert group["words"].lazy().astype("U3").compute().tolist() == ["a", "b"]
    assert lz.array(["a", "b"]).astype("S2")[...].tolist() == [b"a", b"b"]
