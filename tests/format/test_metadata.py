"""Metadata against zarr-python's documents: each reads the other, edits lose nothing, damage is named."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given
from hypothesis import strategies as st
from zarr.core.buffer import cpu
from zarr.storage import MemoryStore

from lazyzarr.errors import (
    LazyzarrError,
    MetadataValidationError,
    NodeTypeValidationError,
    ShapeMismatchError,
    UnknownDataTypeError,
)
from lazyzarr.format import metadata_v2, metadata_v3
from lazyzarr.format.consolidated import parse_node
from lazyzarr.format.dtypes import data_type_of
from lazyzarr.format.keys import ChunkKeyEncoding
from lazyzarr.format.metadata import CodecSpec, GroupMetadata

LITTLE = CodecSpec("bytes", {"endian": "little"})
DTYPES = ["?", "i1", "u2", "i8", "f2", "f4", "f8", "c8", "c16", "M8[10ns]", "m8[us]", "S5", "U4"]
UNSTABLE = pytest.mark.filterwarnings("ignore:The data type:Warning")
SHARDING = CodecSpec(
    "sharding_indexed",
    {
        "chunk_shape": [1, 3],
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
        "index_location": "end",
    },
)  # fmt: skip


def v3_text(**members):
    return json.dumps(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": [5, 6],
            "data_type": "float32",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        }
        | members
    ).encode()


def v2_text(**members):
    return json.dumps(
        {
            "zarr_format": 2,
            "shape": [5, 6],
            "chunks": [2, 3],
            "dtype": "<f4",
            "compressor": {"id": "zlib", "level": 1},
            "fill_value": 0,
            "order": "C",
            "filters": None,
        }
        | members
    ).encode()


def v3(**members):
    return metadata_v3.parse_array({"zarr.json": v3_text(**members)}, "file://x.zarr/u")


def v2(attributes=None, **members):
    documents = {".zarray": v2_text(**members)}
    if attributes is not None:
        documents[".zattrs"] = json.dumps(attributes).encode()
    return metadata_v2.parse_array(documents, "file://x.zarr/u")


def opened_by_zarr(metadata):
    store = MemoryStore({key: cpu.Buffer.from_bytes(raw) for key, raw in metadata.keys().items()})
    return zarr.open_array(store, mode="r")


def bits(scalar):
    return None if scalar is None else np.asarray(scalar).tobytes()


# zarr-python and tensorstore as oracles.


@pytest.mark.peer
@UNSTABLE
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_pythons_documents(zarr_format, name, order):
    store = MemoryStore()
    dtype = np.dtype(name).newbyteorder(">") if zarr_format == 2 else np.dtype(name)
    theirs = zarr.create_array(
        store,
        shape=(5, 6, 7),
        chunks=(2, 3, 7),
        dtype=dtype,
        zarr_format=zarr_format,
        **({"order": order} if zarr_format == 2 else {"dimension_names": ("a", None, "c")}),
        attributes={"units": "m"},
    )
    documents = {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}
    ours = parse_node(documents)
    assert (ours.shape, ours.chunk_shape, ours.dtype) == ((5, 6, 7), (2, 3, 7), np.dtype(name))
    assert ours.attributes == {"units": "m"}
    assert bits(np.asarray(ours.fill_value, name)) == bits(np.asarray(theirs.fill_value, name))
    assert ours.keys() == {key: documents[key] for key in ours.keys()}  # noqa: SIM118
    if zarr_format == 2:
        assert ours.order == order
        assert (ours.codecs[0].name == "transpose") == (order == "F")
        endian = {"endian": "big"} if ours.data_type.byte_ordered else {}
        assert [c.configuration for c in ours.codecs if c.name == "bytes"] == [endian]
        assert ours.codecs[-1].name == "v2.compressor"
    else:
        assert ours.dimension_names == ("a", None, "c")
        assert [codec.name for codec in ours.codecs] == ["bytes", "zstd"]


@pytest.mark.peer
@UNSTABLE
@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_zarr_python_reads_ours(zarr_format, name):
    build = {2: metadata_v2, 3: metadata_v3}[zarr_format].build_array
    ours = build(
        (5, 6),
        data_type_of(name),
        (2, 3),
        [CodecSpec("bytes", {"endian": "big"} if data_type_of(name).byte_ordered else {})],
        fill_value={"S": "ab", "U": "äö", "M": "2020-01-01", "c": 1 - 2j}.get(name[0], 1),
        attributes={"x": 1},
        dimension_names=("a", "b"),
    )
    theirs = opened_by_zarr(ours)
    assert (theirs.shape, theirs.chunks, theirs.dtype.newbyteorder("=")) == ((5, 6), (2, 3), ours.dtype)
    assert bits(np.asarray(theirs.fill_value, name)) == bits(np.asarray(ours.fill_value, name))
    assert theirs.attrs["x"] == 1
    assert ours.dimension_names == ("a", "b")
    assert theirs.metadata.dimension_names == ("a", "b") if zarr_format == 3 else True
    assert ours.attributes.get("_ARRAY_DIMENSIONS") == (["a", "b"] if zarr_format == 2 else None)


@pytest.mark.peer
@pytest.mark.parametrize("name", ["?", "i1", "u8", "f2", "f4", "c8", "c16"])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_tensorstore_reads_ours(zarr_format, name, tmp_path):
    fill = {"f": float("nan"), "c": 1 - 2j}.get(name[0], 1)
    build = {2: metadata_v2, 3: metadata_v3}[zarr_format].build_array
    endian = {"endian": "big"} if data_type_of(name).byte_ordered else {}
    ours = build((5, 6), data_type_of(name), (2, 3), [CodecSpec("bytes", endian)], fill_value=fill)
    for key, raw in ours.keys().items():
        (tmp_path / key).write_bytes(raw)
    driver = {2: "zarr", 3: "zarr3"}[zarr_format]
    theirs = tensorstore.open(
        {"driver": driver, "kvstore": {"driver": "file", "path": str(tmp_path)}}, open=True
    ).result()
    assert theirs.shape == (5, 6)
    assert bits(theirs.fill_value.astype(name)) == bits(ours.fill_value)
    assert bits(theirs.read().result()[0, 0]) == bits(ours.fill_value)


@pytest.mark.peer
def test_sharded_arrays_of_zarr_python():
    store = MemoryStore()
    zarr.create_array(store, shape=(8, 6), chunks=(2, 3), shards=(4, 6), dtype="f4")
    ours = parse_node({key: buffer.to_bytes() for key, buffer in store._store_dict.items()})
    assert (ours.chunk_shape, ours.read_chunk_shape, ours.shards) == ((4, 6), (2, 3), (4, 6))
    assert ours.grid.grid_shape == (2, 1)


# What the properties say.


def test_read_chunks_of_a_transposed_shard():
    transpose = {"name": "transpose", "configuration": {"order": [2, 0, 1]}}
    shard = {"name": "sharding_indexed", "configuration": {"chunk_shape": [1, 2, 3], "codecs": []}}
    array = v3(
        shape=[8, 9, 10],
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [4, 6, 5]}},
        codecs=[transpose, shard],
    )
    # axis 0 of what is stored is axis 2 of the array
    assert array.read_chunk_shape == (2, 3, 1)
    twice = v3(
        shape=[8, 9, 10],
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [4, 6, 5]}},
        codecs=[transpose, transpose, shard],
    )
    order = np.transpose(np.transpose(np.empty((4, 6, 5)), (2, 0, 1)), (2, 0, 1)).shape
    assert order == (6, 5, 4)
    assert twice.read_chunk_shape == (3, 1, 2)


@pytest.mark.parametrize(("order", "expected"), [([1, 0], "F"), ([0, 1], "C"), ("F", "F"), ("C", "C")])
def test_order(order, expected):
    codecs = [{"name": "transpose", "configuration": {"order": order}}, "bytes"]
    assert v3(codecs=codecs).order == expected
    assert v3().order == "C"


def test_fill_is_never_none():
    assert v2(fill_value=None).fill_value is None
    assert v2(fill_value=None).fill[()] == 0
    assert np.isnat(v2(fill_value=None, dtype="<M8[s]").fill[()])
    assert v3(fill_value=None).fill_value == 0
    fill = v3(fill_value="0x7fc00001").fill
    assert (fill.shape, fill.tobytes().hex(), fill.flags.writeable) == ((), "0100c07f", False)


def test_short_hand_names_and_old_names():
    array = v3(
        chunk_key_encoding="v2",
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2, 3]}, "must_understand": True},
        codecs=["bytes", {"name": "crc32c"}],
        data_type={"name": "float32"},
        storage_transformers=[],
        dimension_names=None,
        attributes=None,
    )
    assert array.chunk_key_encoding == ChunkKeyEncoding("v2", ".")
    assert array.codecs == (CodecSpec("bytes"), CodecSpec("crc32c"))
    assert v3(chunk_key_encoding={"name": "default"}).chunk_key_encoding.separator == "/"
    assert v2().chunk_key_encoding == v2(dimension_separator=None).chunk_key_encoding
    assert v2(dimension_separator="/").chunk_key_encoding.encode((1, 2)) == "1/2"


def test_v2_codecs():
    assert v2().codecs == (LITTLE, CodecSpec("v2.compressor", {"id": "zlib", "level": 1}))
    assert v2(compressor=None, filters=[]).codecs == (LITTLE,)
    array = v2(order="F", dtype=">i2", filters=[{"id": "delta", "dtype": ">i2"}], compressor=None)
    assert array.codecs == (
        CodecSpec("transpose", {"order": [1, 0]}),
        CodecSpec("v2.filters", {"filters": [{"id": "delta", "dtype": ">i2"}], "endian": "big"}),
    )
    again = metadata_v2.build_array(
        array.shape, array.data_type, array.chunk_shape, array.codecs, fill_value=0
    )
    assert again.codecs == array.codecs
    assert again.document.value["dtype"] == ">i2"
    assert again.order == "F"
    flat = metadata_v2.build_array((5,), data_type_of("f4"), (2,), [LITTLE])
    assert flat.order == "C"


def test_v2_dimension_names():
    assert v2({"_ARRAY_DIMENSIONS": ["a", "b"]}).dimension_names == ("a", "b")
    for other in (["a"], "ab", [1, 2], None):
        assert v2({"_ARRAY_DIMENSIONS": other}).dimension_names is None
    assert v2().dimension_names is None
    assert v2({"_ARRAY_DIMENSIONS": ["a", "b"]}).with_attributes({}).dimension_names is None


@pytest.mark.parametrize("edges", [[0, 3], [False, 3], [True, 3.0], [0.0, 3]])
def test_chunk_sizes_of_0_are_repaired(edges):
    for array in (
        v2(chunks=edges),
        v3(chunk_grid={"name": "regular", "configuration": {"chunk_shape": edges}}),
    ):
        assert array.chunk_shape == (1, 3)
    grown = v2(chunks=[0, 3], shape=[0, 6]).with_shape((4, 6))
    assert grown.document.value["chunks"] == [1, 3]
    grown = v3(chunk_grid={"name": "regular", "configuration": {"chunk_shape": [0, 3]}}).with_shape((4, 6))
    assert grown.document.value["chunk_grid"]["configuration"]["chunk_shape"] == [1, 3]
    sharded = v3(
        chunk_grid={"name": "regular", "configuration": {"chunk_shape": [0, 6]}},
        codecs=[{"name": "sharding_indexed", "configuration": {"chunk_shape": [2, 3]}}],
    )
    assert sharded.chunk_shape == (2, 6)


# Edits.


def test_an_attribute_edit_loses_nothing():
    text = '{"zarr_format":3, "node_type" : "array","shape":[5.0,6],"attributes":{"n":1E2,"nan":NaN},"fill_value":"0x7fc00001","data_type":"float32","x-ext":{"must_understand":false,"v":1.50},"chunk_grid":{"name":"regular","configuration":{"chunk_shape":[2,3]}},"chunk_key_encoding":"default","codecs":["bytes"]}'  # fmt: skip  # noqa: E501
    array = metadata_v3.parse_array({"zarr.json": text.encode()})
    edited = array.with_attributes({**array.attributes, "new": np.float32(0.5)})
    assert edited.keys() == {"zarr.json": text.replace('"nan":NaN', '"nan":NaN,"new": 0.5').encode()}
    assert bits(edited.fill_value) == bits(array.fill_value) == bytes.fromhex("0100c07f")
    assert edited.attributes["new"] == 0.5
    assert edited.with_attributes(array.attributes).document.text == text
    shrunk = edited.with_shape((3, 6))
    assert shrunk.shape == (3, 6)
    assert shrunk.document.text == edited.document.text.replace("[5.0,6]", "[3, 6]")


def test_v2_attribute_edits():
    array = v2(fill_value=-0.0)
    assert ".zattrs" not in array.keys()  # noqa: SIM118
    edited = array.with_attributes({"x": 1})
    assert json.loads(edited.keys()[".zattrs"]) == {"x": 1}
    assert edited.keys()[".zarray"] == array.keys()[".zarray"]
    assert edited.with_attributes({}).keys()[".zattrs"] == b"{}"
    assert array.with_attributes({}).attributes == {}
    assert bits(array.fill_value) == bits(np.float32(-0.0))


def test_attributes_that_json_cannot_hold():
    for array in (v2(), v3()):
        with pytest.raises(MetadataValidationError, match="units"):
            array.with_attributes({"units": object()})


@pytest.mark.parametrize("array", [v2(), v3()], ids=["v2", "v3"])
def test_shapes_of_another_rank(array):
    with pytest.raises(ShapeMismatchError, match="2"):
        array.with_shape((5,))
    with pytest.raises(MetadataValidationError):
        array.with_shape((5, -1))
    assert array.with_shape((np.int64(7), 6)).document.value["shape"] == [7, 6]


def test_metadata_pickles():
    for metadata in (v2({"x": 1}), v3(), metadata_v3.build_group({"x": 1})):
        again = pickle.loads(pickle.dumps(metadata))
        assert again.keys() == metadata.keys()
        assert again.attributes == metadata.attributes


# What is refused.


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_shape": (0, 3)},
        {"chunk_shape": (2,)},
        {"shape": (-1, 3)},
        {"fill_value": "x"},
        {"dimension_names": ("a",)},
        {"attributes": {"a": ...}},
    ],
    ids=str,
)
@pytest.mark.parametrize("version", [metadata_v2, metadata_v3])
def test_what_cannot_be_created(version, options):
    sound = {"shape": (5, 6), "data_type": data_type_of("f4"), "chunk_shape": (2, 3), "codecs": [LITTLE]}
    with pytest.raises(MetadataValidationError):
        version.build_array(**sound | options)


@pytest.mark.parametrize(
    "codecs",
    [
        [SHARDING],
        [LITTLE, CodecSpec("gzip", {"level": 1})],
        [CodecSpec("transpose", {"order": [0, 1]}), LITTLE],
    ],
)
def test_what_v2_cannot_say(codecs):
    with pytest.raises(MetadataValidationError, match="zarr_format=3"):
        metadata_v2.build_array((5, 6), data_type_of("f4"), (2, 3), codecs)
    with pytest.raises(MetadataValidationError, match="v2"):
        metadata_v2.build_array(
            (5,), data_type_of("f4"), (2,), [LITTLE], chunk_key_encoding=ChunkKeyEncoding("default", "/")
        )


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"x": 1}, "extension 'x'"),
        ({"x": {"must_understand": True}}, "must be understood"),
        ({"storage_transformers": [{"name": "sharding"}]}, "storage transformers"),
        ({"data_type": "float33"}, "float33"),
        ({"chunk_grid": {"name": "rectilinear", "configuration": {}}}, "rectilinear"),
        ({"chunk_key_encoding": {"name": "zarrs.default_suffix"}}, r"zarrs\.default_suffix"),
        ({"dimension_names": ["a"]}, "dimension_names"),
        ({"fill_value": "x"}, "fill_value 'x'"),
        ({"shape": [5]}, "chunks"),
        ({"zarr_format": 4}, "zarr_format is 4"),
        ({"attributes": []}, "attributes"),
        ({"codecs": [{"name": 5}]}, "codec"),
    ],
)
def test_v3_documents_that_are_refused(members, text):
    with pytest.raises(MetadataValidationError, match=text) as error:
        v3(**members)
    assert "file://x.zarr/u" in str(error.value)


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"dtype": "|O"}, r"\|O"),
        ({"dtype": [["a", "<i4", "x"]]}, "field"),
        ({"order": "A"}, "order"),
        ({"filters": {"id": "delta"}}, "filters"),
        ({"compressor": "zlib"}, "zlib"),
        ({"dimension_separator": "-"}, "separator"),
        ({"chunks": [2]}, "chunks"),
        ({"shape": [5, None]}, "shape"),
        ({"zarr_format": 3}, "zarr_format"),
    ],
)
def test_v2_documents_that_are_refused(members, text):
    with pytest.raises(MetadataValidationError, match=text) as error:
        v2(**members)
    assert "file://x.zarr/u" in str(error.value)


def test_a_missing_member_is_named():
    for name in ("shape", "chunks", "dtype", "compressor", "fill_value", "order", "filters"):
        document = json.loads(v2_text())
        del document[name]
        with pytest.raises(MetadataValidationError, match=name):
            metadata_v2.parse_array({".zarray": json.dumps(document).encode()})
    for name in ("shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs"):
        document = json.loads(v3_text())
        del document[name]
        with pytest.raises(MetadataValidationError, match=name):
            metadata_v3.parse_array({"zarr.json": json.dumps(document).encode()})


def test_nodes_of_another_type():
    with pytest.raises(NodeTypeValidationError, match="group"):
        metadata_v3.parse_group({"zarr.json": v3_text()})
    with pytest.raises(NodeTypeValidationError, match="array"):
        metadata_v3.parse_array({"zarr.json": b'{"zarr_format": 3, "node_type": "group"}'})
    with pytest.raises(NodeTypeValidationError):
        metadata_v2.parse_group({".zarray": v2_text()})
    with pytest.raises(UnknownDataTypeError):
        v3(data_type="float33")


# Damage.

NUMBERS = [0, 1, -1, 2**63, 2**70, 0.5, 1e300, float("nan")]
NAMES = ["name", "configuration", "chunk_shape", "id", "metadata", "a"]
JSON = st.recursive(
    st.sampled_from([None, True, False, *NUMBERS, "", "x", "C", "default", "/", "NaN", "0x7f"]),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.sampled_from(NAMES), items, max_size=3),
    max_leaves=6,
)


def mutate(value, data):
    """The value with one part, anywhere in it, replaced by any JSON or left out."""
    if isinstance(value, dict | list) and value and data.draw(st.booleans()):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
        key, item = data.draw(st.sampled_from(items))
        kept = {k: v for k, v in items if k != key}
        if data.draw(st.integers(0, 4)):
            kept[key] = mutate(item, data)
        return kept if isinstance(value, dict) else [kept[k] for k in sorted(kept)]
    return data.draw(JSON)


SECONDS = {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}
REVERSE = {"name": "transpose", "configuration": {"order": [1, 0]}}
CONSOLIDATED = {"kind": "inline", "metadata": {"a": json.loads(v3_text())}}
SOUND = [
    {"zarr.json": json.loads(v3_text(dimension_names=["a", None], codecs=[SHARDING.to_json()]))},
    {"zarr.json": json.loads(v3_text(data_type=SECONDS))},
    {"zarr.json": json.loads(v3_text(codecs=[REVERSE, "bytes"]))},
    {"zarr.json": {"zarr_format": 3, "node_type": "group", "consolidated_metadata": CONSOLIDATED}},
    {".zarray": json.loads(v2_text()), ".zattrs": {"_ARRAY_DIMENSIONS": ["a", "b"]}},
    {".zarray": json.loads(v2_text(order="F", dtype="<U3", fill_value="a", filters=[{"id": "delta"}]))},
    {".zgroup": {"zarr_format": 2}, ".zattrs": {"a": 1}},
]


@given(st.data(), st.sampled_from(SOUND))
def test_mutated_documents_raise_only_our_own_errors(data, documents):
    key = data.draw(st.sampled_from(list(documents)))
    texts = {name: json.dumps(document).encode() for name, document in documents.items()}
    texts[key] = json.dumps(mutate(documents[key], data)).encode()
    try:
        metadata = parse_node(texts, "u")
        metadata = metadata.with_attributes({**metadata.attributes, "new": 1})
        if not isinstance(metadata, GroupMetadata):
            _ = (
                metadata.grid,
                metadata.read_chunk_shape,
                metadata.order,
                metadata.fill,
                metadata.dimension_names,
            )
            metadata = metadata.with_shape([1] * metadata.ndim)
        assert parse_node(metadata.keys(), "u").attributes["new"] == 1
    except LazyzarrError:
        pass
