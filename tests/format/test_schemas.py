"""What is written is what the specification and the extension registry say: each document against their JSON schemas.

The registry's schemas are kept in tests/data/zarr-extensions. Of what the core specification defines itself there are
none to be had: those below are in its words, as strict as readers of version 3.0 need them (no short-hand names, no
`must_understand` but where it must be).
"""

from __future__ import annotations

import json

import jsonschema
import numpy as np
import pytest

import lazyzarr as lz
from tests import source

REGISTRY = source.ROOT / "tests" / "data" / "zarr-extensions"
NAME = {"type": "string", "pattern": "^[a-z][a-z0-9-_.]+$"}
LENGTHS = {"type": "array", "items": {"type": "integer", "minimum": 1}}


def extension(name, required=(), **members):
    """The schema of an extension's object: name and configuration, and nothing else."""
    configuration = {
        "type": "object",
        "properties": members,
        "required": list(required),
        "additionalProperties": False,
    }
    properties = {"name": {"const": name}, "configuration": configuration}
    needed = ["name", "configuration"] if required else ["name"]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


ANY_EXTENSION = {"type": "object", "properties": {"name": NAME}, "required": ["name"]}
SEPARATOR = {"enum": ["/", "."]}
BLOSC = {
    "cname": {"enum": ["lz4", "lz4hc", "blosclz", "zstd", "snappy", "zlib"]},
    "clevel": {"type": "integer", "minimum": 0, "maximum": 9},
    "shuffle": {"enum": ["noshuffle", "shuffle", "bitshuffle"]},
    "typesize": {"type": "integer", "minimum": 1},
    "blocksize": {"type": "integer", "minimum": 0},
}
SHARDING = {
    "chunk_shape": LENGTHS,
    "codecs": {"type": "array", "items": ANY_EXTENSION, "minItems": 1},
    "index_codecs": {"type": "array", "items": ANY_EXTENSION, "minItems": 1},
    "index_location": {"enum": ["start", "end"]},
}
CORE = {
    "chunk-grids": {"regular": extension("regular", ["chunk_shape"], chunk_shape=LENGTHS)},
    "chunk-key-encodings": {name: extension(name, separator=SEPARATOR) for name in ("default", "v2")},
    "codecs": {
        "gzip": extension("gzip", ["level"], level={"type": "integer", "minimum": 0, "maximum": 9}),
        "blosc": extension("blosc", ["cname", "clevel", "shuffle", "blocksize"], **BLOSC),
        "crc32c": extension("crc32c"),
        "sharding_indexed": extension(
            "sharding_indexed", ["chunk_shape", "codecs", "index_codecs"], **SHARDING
        ),
    },
    "data-types": {
        name: {"const": name}
        for name in "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 "
        "complex128 r8 r16 r24 r48".split()
    },
}
UNREGISTERED = {
    # zarr-python's own names, which it wrote before there was a registry
    "data-types": {
        "null_terminated_bytes": extension("null_terminated_bytes", ["length_bytes"], length_bytes={})
    },
    "codecs": {},
}
DOCUMENT = {
    "type": "object",
    "properties": {
        "zarr_format": {"const": 3},
        "node_type": {"const": "array"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "data_type": {"anyOf": [NAME, ANY_EXTENSION]},
        "chunk_grid": ANY_EXTENSION,
        "chunk_key_encoding": ANY_EXTENSION,
        "fill_value": {"not": {"type": "null"}},
        "codecs": {"type": "array", "items": ANY_EXTENSION, "minItems": 1},
        "attributes": {"type": "object"},
        "storage_transformers": {"const": []},
        "dimension_names": {"type": "array", "items": {"type": ["string", "null"]}},
    },
    "required": "zarr_format node_type shape data_type chunk_grid chunk_key_encoding fill_value codecs".split(),
    "additionalProperties": False,
}


def schema_of(kind, name):
    if name.startswith("numcodecs."):  # not registered yet; zarr-python insists on the configuration
        return {"required": ["name", "configuration"], "properties": {"configuration": {"type": "object"}}}
    known = CORE[kind].get(name) or UNREGISTERED.get(kind, {}).get(name)
    return known or json.loads((REGISTRY / kind / f"{name}.json").read_text())


def check(kind, value):
    name = value if isinstance(value, str) else value["name"]
    jsonschema.Draft202012Validator(schema_of(kind, name)).validate(value)
    configuration = {} if isinstance(value, str) else value.get("configuration", {})
    for codec in [*configuration.get("codecs", []), *configuration.get("index_codecs", [])]:
        check("codecs", codec)
    for field in configuration.get("fields", []):
        check("data-types", field["data_type"])
    if kind == "codecs" and "data_type" in configuration:
        check("data-types", configuration["data_type"])


def check_document(document):
    jsonschema.Draft202012Validator(DOCUMENT).validate(document)
    check("data-types", document["data_type"])
    check("chunk-grids", document["chunk_grid"])
    check("chunk-key-encodings", document["chunk_key_encoding"])
    for codec in document["codecs"]:
        check("codecs", codec)
    assert len(document.get("dimension_names", document["shape"])) == len(document["shape"])


def written(**words):
    contents = {}
    lz.create_array(contents, **{"shape": (5, 6), "chunks": (2, 3), "dtype": "i4"} | words)
    return json.loads(
        bytes(contents["zarr.json"]), parse_constant=lambda token: pytest.fail(f"{token} is not JSON")
    )


SMALL = (
    "int2 int4 uint2 uint4 bfloat16 float4_e2m1fn float6_e2m3fn float6_e3m2fn float8_e3m4 float8_e4m3 float8_e5m2 "
    "float8_e4m3b11fnuz float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu"
).split()
PLAIN = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 M8[ns] M8[10s] m8[us] M8 S5 U4 V3 string bytes".split()
RECORDS = [
    [("x", "f4"), ("y", "u1")],
    [("x", ">f4"), ("n", [("a", "i2"), ("b", "M8[s]")])],
    {"names": ["x", "y"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 24},
]


@pytest.mark.parametrize("dtype", [*PLAIN, *SMALL, *RECORDS], ids=str)
def test_data_types(dtype):
    try:
        document = written(dtype=dtype, attributes={"x": np.nan, "y": np.float32(1)})
    except TypeError:
        document = written(dtype=np.dtype(dtype))
    check_document(document)


CODECS = {
    "defaults": {},
    "none": {"compressors": None},
    "gzip": {"compressors": "gzip"},
    "blosc": {"compressors": "blosc-lz4"},
    "zstd": {"compressors": {"name": "zstd", "configuration": {"level": 3}}},
    "short-hand names": {
        "serializer": {"name": "bytes", "configuration": {"endian": "big"}},
        "compressors": ["crc32c"],
    },
    "transpose": {"filters": [lz.codecs.TransposeCodec(order=(1, 0))]},
    "order": {"order": "F"},
    "shards": {"shards": (4, 6)},
    "shards in F": {
        "shards": (4, 6),
        "filters": [lz.codecs.TransposeCodec(order=(1, 0))],
        "compressors": "gzip",
    },
    "packbits": {"dtype": "?", "serializer": lz.codecs.PackBits(), "compressors": None},
    "cast_value": {"filters": [{"name": "cast_value", "configuration": {"data_type": "int16"}}]},
    "scale_offset": {
        "dtype": "f8",
        "filters": [{"name": "scale_offset", "configuration": {"scale": 2, "offset": 1}}],
    },
    "bitround": {"dtype": "f4", "filters": [{"name": "bitround", "configuration": {"keepbits": 3}}]},
    "reshape": {"filters": [{"name": "reshape", "configuration": {"shape": [[0, 1]]}}]},
    "numcodecs": {"compressors": [{"name": "numcodecs.zlib", "configuration": {"level": 1}}]},
    "numcodecs without configuration": {"compressors": [{"name": "numcodecs.adler32"}]},
    "v2 keys": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "names": {"dimension_names": ("y", None)},
    "nan": {"dtype": "f4", "fill_value": np.frombuffer(b"\1\0\xc0\x7f", "<f4")[0]},
}


@pytest.mark.parametrize("case", CODECS)
def test_codecs_grids_and_keys(case):
    check_document(written(**CODECS[case]))


def test_rectilinear_grids():
    document = written(chunks=((2, 3), (1, 1, 4)))
    assert document["chunk_grid"]["name"] == "rectilinear"
    check_document(document)


def test_documents_that_are_edited():
    contents = {}
    z = lz.create_array(contents, shape=(5, 6), chunks=(2, 3), dtype="f4", shards=(4, 6))
    z.attrs.update(a=np.int64(3), b=[np.nan])
    z.append(np.ones((3, 6), "f4"))
    z.resize(2, 9)
    check_document(json.loads(bytes(contents["zarr.json"])))


def test_what_the_schemas_refuse():
    good = written()
    for name, value in {
        "data_type": "float33",
        "codecs": ["bytes"],
        "fill_value": None,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 1]}},
        "zz": 1,
    }.items():
        with pytest.raises((jsonschema.ValidationError, FileNotFoundError)):
            check_document(good | {name: value})
