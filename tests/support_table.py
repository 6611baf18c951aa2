"""Writes docs/support.md: which data types and codecs lazyzarr, zarr-python and tensorstore read and write.

Each row is tried: lazyzarr makes a small array of it, and each library opens it, reads it (every bit has to be
right), writes it, and reads it again. `python tests/support_table.py` writes the document.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lazyzarr as lz
from tests import source

DOCUMENT = source.ROOT / "docs" / "support.md"
BOTH, BY_FIELD, READS, NONE, UNDEFINED = "yes", "by field", "reads", "no", ""
COLUMNS = [f"{name} v{v}" for name in ("lazyzarr", "zarr-python", "tensorstore") for v in (2, 3)]
BLOCK = re.compile(r"(<!-- (\w+) -->\n)(.*?)(<!-- end of \2 -->)", re.DOTALL)

Table = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Row:
    """A data type or a codec: an array that has it, as each version of the format spells it."""

    label: str
    values: Any
    words: Mapping[str, Any] = field(default_factory=dict)
    versions: tuple[int, ...] = (2, 3)
    v3_data_type: Any = None
    """The data type in the v3 document, where it is another spelling than the one that is written."""
    opened: Mapping[str, Any] = field(default_factory=dict)
    """What lazyzarr has to be told when it opens the array."""
    needs: str | None = None
    """A package without which there is nothing to try."""


def numbers(dtype: Any, size: int = 12) -> np.ndarray:
    """A few small numbers."""
    return (np.arange(size) % 5 % 3).astype(dtype)


def objects(*items: Any) -> np.ndarray:
    """An array of Python objects."""
    array = np.empty(len(items), object)
    for i, item in enumerate(items):
        array[i] = item
    return array


def small(name: str) -> Callable[[], np.ndarray]:
    """A few numbers of one of ml_dtypes' types."""

    def values() -> np.ndarray:
        import ml_dtypes

        dtype = np.dtype(getattr(ml_dtypes, name))
        return np.array([1, 1, 2, 1] if "e8m0" in name else [0, 1, 1, 0], "f4").astype(dtype)

    return values


PLAIN = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"
SMALL = """int2 int4 uint2 uint4 bfloat16 float8_e3m4 float8_e4m3 float8_e4m3b11fnuz float8_e4m3fnuz float8_e5m2
    float8_e5m2fnuz float8_e8m0fnu float6_e2m3fn float6_e3m2fn float4_e2m1fn"""
RECORD = np.array([(1, 2.5), (3, -4.5)], [("x", "i2"), ("y", "f4")])
NESTED = np.array([(1, (2.5, 3)), (4, (5.5, 6))], [("x", "i2"), ("n", [("a", "f4"), ("b", "u1")])])
SUBARRAY = np.array([(1, (2.5, 3.5)), (4, (5.5, 6.5))], [("x", "i2"), ("y", "f4", (2,))])
LEGACY = {"name": "structured", "configuration": {"fields": [["x", "int16"], ["y", "float32"]]}}
TEXT = objects("zero", "", "zwei 文")

DTYPES = [
    *(Row(f"`{name}`", numbers(name)) for name in PLAIN.split()),
    Row("`complex_float32` (alias)", numbers("c8"), versions=(3,), v3_data_type="complex_float32"),
    Row("`complex_float64` (alias)", numbers("c16"), versions=(3,), v3_data_type="complex_float64"),
    Row("`numpy.datetime64`", np.array(["2000-01-01", "NaT"], "M8[10ns]")),
    Row("`numpy.timedelta64`", np.array([5, "NaT"], "m8[10us]")),
    Row("`fixed_length_utf32`, v2 `<U`", np.array(["a", "文b"])),
    Row("`null_terminated_bytes`, v2 `S`", np.array([b"a", b"bcd"])),
    Row("`r*` raw bits, v2 `V`", np.array([b"abc", b"d\0\0"], "V3")),
    Row(
        "`raw_bytes`", np.array([b"abc", b"d\0\0"], "V3"), versions=(3,),
        v3_data_type={"name": "raw_bytes", "configuration": {"length_bytes": 3}},
    ),
    Row("`struct`, v2 structured", RECORD),
    Row("`structured` (legacy)", RECORD, versions=(3,), v3_data_type=LEGACY),
    Row("`struct` in `struct`", NESTED),
    Row("structured with subarrays", SUBARRAY, versions=(2,)),
    Row("`string`, v2 `vlen-utf8`", TEXT, {"dtype": "string"}),
    Row("`bytes`, v2 `vlen-bytes`", objects(b"zero", b"", b"\xff"), {"dtype": bytes}),
    *(
        Row(f"objects: `{id}`", values, {"dtype": object, "object_codec": {"id": id, **more}}, (2,), needs=needs)
        for id, values, more, needs in [
            ("json2", objects("a", 1, [2, None]), {}, None),
            ("msgpack2", objects("a", 1, [2, None]), {}, "msgpack"),
            ("vlen-array", objects(np.array([1, 2], "i4"), np.array([], "i4")), {"dtype": "<i4"}, None),
            ("categorize", objects("a", "b", "a"), {"labels": ["a", "b"], "dtype": "|O", "astype": "|u1"}, None),
        ]
    ),
    Row(
        "objects: `pickle` (if asked for)", objects("a", 1), {"dtype": object, "object_codec": {"id": "pickle"}},
        (2,), opened={"config": {"allow_pickle": True}},
    ),
    *(Row(f"`{name}`", small(name), versions=(3,), needs="ml_dtypes") for name in SMALL.split()),
]  # fmt: skip


def named(name: str, **configuration: Any) -> dict[str, Any]:
    """A codec as v3 spells it."""
    return {"name": name, "configuration": configuration} if configuration else {"name": name}


FLOATS, INTEGERS = np.linspace(0, 10, 12).astype("f4"), np.arange(12, dtype="i4")
OF_BYTES = {
    "blosc": {"cname": "zstd", "clevel": 3, "shuffle": 1, "blocksize": 0}, "zstd": {"level": 1},
    "gzip": {"level": 1}, "zlib": {"level": 1}, "bz2": {"level": 1}, "lzma": {}, "lz4": {"acceleration": 1},
    "shuffle": {"elementsize": 4}, "crc32": {}, "crc32c": {}, "adler32": {}, "fletcher32": {},
    "jenkins_lookup3": {}, "base64": {},
}  # fmt: skip
OF_ELEMENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "delta": (INTEGERS, {"dtype": "<i4"}),
    "fixedscaleoffset": (INTEGERS.astype("f4"), {"offset": 0, "scale": 2, "dtype": "<f4", "astype": "<i2"}),
    "quantize": (FLOATS, {"digits": 2, "dtype": "<f4"}),
    "bitround": (FLOATS, {"keepbits": 10}),
    "astype": (INTEGERS, {"encode_dtype": "<i2", "decode_dtype": "<i4"}),
    "packbits": (INTEGERS % 2 == 0, {}),
}
OF_NUMBERS = {"pcodec": {"level": 4}, "zfpy": {"mode": 4, "tolerance": 0.0}}


def v3(label: str, values: Any, **words: Any) -> Row:
    """A codec that only v3 has."""
    return Row(label, values, words, (3,))


def shard(codecs: list[Any], **more: Any) -> dict[str, Any]:
    """A sharding codec."""
    index = [named("bytes", endian="little"), named("crc32c")]
    return named("sharding_indexed", chunk_shape=[2], codecs=codecs, index_codecs=index, **more)


LITTLE = named("bytes", endian="little")
CODECS = [
    v3("`bytes`", INTEGERS, serializer=named("bytes", endian="big")),
    v3("`transpose`", INTEGERS.reshape(2, 6), filters=[named("transpose", order=[1, 0])]),
    v3("`gzip`", INTEGERS, compressors=[named("gzip", level=1)]),
    v3("`zstd`", INTEGERS, compressors=[named("zstd", level=1, checksum=False)]),
    v3("`zstd` with a checksum", INTEGERS, compressors=[named("zstd", level=1, checksum=True)]),
    v3(
        "`blosc`", INTEGERS,
        compressors=[named("blosc", typesize=4, cname="lz4", clevel=5, shuffle="shuffle", blocksize=0)],
    ),
    v3("`crc32c`", INTEGERS, compressors=[named("crc32c")]),
    v3("`sharding_indexed`", INTEGERS, serializer=shard([LITTLE], index_location="end"), compressors=None),
    v3(
        "`sharding_indexed`, index first", INTEGERS,
        serializer=shard([LITTLE, named("crc32c")], index_location="start"), compressors=None,
    ),
    v3(
        "`sharding_indexed`, nested", INTEGERS,
        serializer=shard([shard([LITTLE], index_location="end")], index_location="end"), compressors=None,
    ),
    v3("`vlen-utf8`", TEXT, dtype="string"),
    v3("`vlen-bytes`", objects(b"a", b"bc"), dtype=bytes),
    v3("`packbits`", INTEGERS % 2 == 0, serializer=named("packbits")),
    v3("`cast_value`", INTEGERS, filters=[named("cast_value", data_type="int16")]),
    v3("`scale_offset`", FLOATS, filters=[named("scale_offset", offset=2, scale=4)]),
    v3("`bitround`", FLOATS, filters=[named("bitround", keepbits=10)]),
    v3("`reshape`", INTEGERS.reshape(2, 6), filters=[named("reshape", shape=[[0, 1]])]),
    *(
        Row(f"v2 compressor `{id}`", FLOATS, {"compressors": {"id": id, **members}}, (2,))
        for id, members in OF_BYTES.items()
    ),
    *(
        Row(f"v2 compressor `{id}`", FLOATS, {"compressors": {"id": id, **members}}, (2,), needs=id)
        for id, members in OF_NUMBERS.items()
    ),
    *(
        Row(f"v2 filter `{id}`", values, {"filters": [{"id": id, **members}]}, (2,))
        for id, (values, members) in OF_ELEMENTS.items()
    ),
    *(
        v3(f"`numcodecs.{id}`", values, filters=[named(f"numcodecs.{id}", **members)])
        for id, (values, members) in OF_ELEMENTS.items()
    ),
    *(
        v3(f"`numcodecs.{id}`", FLOATS, compressors=[named(f"numcodecs.{id}", **members)])
        for id, members in OF_BYTES.items()
    ),
    *(
        Row(
            f"`numcodecs.{id}`", FLOATS,
            {"serializer": named(f"numcodecs.{id}", **members), "compressors": None}, (3,), needs=id,
        )
        for id, members in OF_NUMBERS.items()
    ),
]  # fmt: skip


def same(left: Any, right: Any) -> bool:
    """Whether two arrays hold the same elements, bit for bit."""
    left, right = np.asarray(left), np.asarray(right)
    if left.shape != right.shape:
        return False
    if left.dtype.hasobject or right.dtype.hasobject or left.dtype.kind == "T" or right.dtype.kind == "T":
        return all(np.array_equal(a, b) for a, b in zip(left.flat, right.flat, strict=True))
    return (
        left.astype(left.dtype.newbyteorder("="), order="C").tobytes()
        == right.astype(right.dtype.newbyteorder("="), order="C").tobytes()
    )


def tried(reads: Callable[[], Any], writes: Callable[[Any], Any], expected: Any) -> str:
    """What a library makes of an array that holds these values."""
    try:
        found = reads()
    except Exception:
        return NONE
    if not same(found, expected):
        return NONE
    try:
        writes(found)
        return BOTH if same(reads(), expected) else READS
    except Exception:
        return READS


def by_lazyzarr(path: Path, row: Row, v: int, expected: Any) -> str:
    """Opened anew."""
    array = lz.open_array(path, mode="r+", **row.opened)
    return tried(lambda: array[...], lambda values: array.__setitem__(..., values), expected)


def by_zarr_python(path: Path, row: Row, v: int, expected: Any) -> str:
    """Opened by zarr-python."""
    import zarr

    try:
        array = zarr.open_array(path, mode="r+", zarr_format=v)
    except Exception:
        return NONE
    return tried(lambda: array[...], lambda values: array.__setitem__(..., values), expected)


def by_tensorstore(path: Path, row: Row, v: int, expected: Any) -> str:
    """Opened by tensorstore: records field by field."""
    fields = expected.dtype.names
    found = {by_field(path, v, expected, name) for name in fields or [None]}
    worst = next(cell for cell in (NONE, READS, BOTH) if cell in found)
    return BY_FIELD if fields and worst == BOTH else worst


def by_field(path: Path, v: int, expected: Any, name: str | None) -> str:
    """One field of a record, or the elements of anything else."""
    import tensorstore

    spec = {"driver": "zarr" if v == 2 else "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    try:
        array = tensorstore.open(spec if name is None else {**spec, "field": name}).result()
    except Exception:
        return NONE
    wanted = expected if name is None else np.ascontiguousarray(expected[name])
    return tried(lambda: array.read().result(), lambda values: array.write(values).result(), wanted)


LIBRARIES = {"lazyzarr": by_lazyzarr, "zarr-python": by_zarr_python, "tensorstore": by_tensorstore}


def made(path: Path, row: Row, v: int) -> Any:
    """What an array of the row holds, after lazyzarr made it: codecs may round."""
    values = row.values() if callable(row.values) else row.values
    words = {"shape": values.shape, "chunks": values.shape, "dtype": values.dtype, **row.words}
    array = lz.create_array(path, zarr_format=v, **words)
    array[...] = values
    if row.v3_data_type is not None:
        document = json.loads((path / "zarr.json").read_text())
        document["data_type"] = row.v3_data_type
        if row.v3_data_type == LEGACY or "raw_bytes" in str(row.v3_data_type):
            document["fill_value"] = "AAAAAAAA" if row.v3_data_type == LEGACY else "AAAA"
        (path / "zarr.json").write_text(json.dumps(document))
    return lz.open_array(path, **row.opened)[...]


def probed(rows: list[Row]) -> Table:
    """What each library does with each row; a row whose package is missing is left out."""
    table: Table = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, row in enumerate(rows):
            if row.needs is None or importlib.util.find_spec(row.needs):
                cells = table.setdefault(row.label, dict.fromkeys(COLUMNS, UNDEFINED))
                for v in row.versions:
                    for name, library in LIBRARIES.items():
                        path = Path(folder, f"{number}-{v}-{name}.zarr")
                        cells[f"{name} v{v}"] = library(path, row, v, made(path, row, v))
    return table


def versions() -> str:
    """The libraries that were tried."""
    return ", ".join(f"{name} {version(name)}" for name in ("zarr", "tensorstore", "numcodecs"))


def rendered(table: Table, what: str) -> str:
    """A Markdown table."""
    lines = [f"| {what} | {' | '.join(COLUMNS)} |", "| --- |" + " --- |" * len(COLUMNS)]
    lines += [f"| {label} | {' | '.join(cells[c] for c in COLUMNS)} |" for label, cells in table.items()]
    return "\n".join([*lines, ""])


def parsed(text: str) -> Table:
    """The table of Markdown."""
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in text.strip().splitlines()
    ]
    return {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows[2:]}


def blocks(text: str) -> dict[str, str]:
    """What stands between the marks of the document, by name."""
    return {match[2]: match[3] for match in BLOCK.finditer(text)}


if __name__ == "__main__":
    new = {
        "dtypes": rendered(probed(DTYPES), "data type"),
        "codecs": rendered(probed(CODECS), "codec"),
        "versions": versions() + "\n",
    }
    DOCUMENT.write_text(BLOCK.sub(lambda match: match[1] + new[match[2]] + match[4], DOCUMENT.read_text()))
