"""Metadata that something broke: an error of ours or an array that works, in little time and memory.

`LAZYZARR_DOCUMENTS` says how many documents are tried, `make faults` tries 100,000. Each comes from a number alone,
so that a failure's can be tried again: `broken(1234)`.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import random
import resource
import time
import traceback
from pathlib import Path

import numcodecs
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import LazyzarrError
from tests.format.mutations import mutated

pytestmark = pytest.mark.filterwarnings("ignore::lazyzarr.errors.DamagedNodeWarning")

DOCUMENTS = int(os.environ.get("LAZYZARR_DOCUMENTS", "2000"))
PARTS = 4
SECONDS, BYTES = 1.0, 100 << 20
SMALL = 1 << 20  # a document may rightly ask for more: what it says takes more is not read
METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
VALUES = np.arange(60, dtype="i4").reshape(6, 10)


def made(values=VALUES, **words):
    contents = {}
    lz.create_array(contents, data=values, **words)
    return contents


def hierarchy(zarr_format):
    contents = {}
    group = lz.create_group(
        contents, zarr_format=zarr_format, attributes={"title": "winds", "x": [1.50, None]}
    )
    group.create_array("a/u", data=VALUES, chunks=(4, 4), attributes={"units": "m"})
    group.create_array("v", data=VALUES[0], chunks=(4,))
    if zarr_format == 3:
        node = {path: json.loads(bytes(contents[f"{path}/zarr.json"])) for path in ("a", "a/u", "v")}
        root = json.loads(bytes(contents["zarr.json"]))
        root["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": node}
        contents["zarr.json"] = json.dumps(root).encode()
    else:
        nodes = {key: json.loads(bytes(raw)) for key, raw in contents.items() if key.endswith(METADATA)}
        document = {"zarr_consolidated_format": 1, "metadata": nodes}
        contents[".zmetadata"] = json.dumps(document).encode()
    return contents


def handwritten(**members):
    """A v3 array that holds nothing, of a kind that writers rarely make."""
    document = {"zarr_format": 3, "node_type": "array", "shape": [6, 10], "data_type": "int32"}
    document["chunk_grid"] = {"name": "regular", "configuration": {"chunk_shape": [4, 4]}}
    document["chunk_key_encoding"] = {"name": "default"}
    document |= {"fill_value": 0, "codecs": ["bytes"], "attributes": {}}
    return {"zarr.json": json.dumps(document | members).encode()}


def handwritten_v2(**members):
    document = {"zarr_format": 2, "shape": [6, 10], "chunks": [4, 4], "dtype": "<i4", "compressor": None}
    document |= {"fill_value": 0, "order": "C", "filters": None}
    return {".zarray": json.dumps(document | members).encode()}


def configured(name, **configuration):
    return {"name": name, "configuration": configuration}


@functools.cache
def bases():
    """The documents that are broken: of each kind there is, with their chunks."""
    delta, blosc = numcodecs.Delta("i4"), numcodecs.Blosc()
    little = configured("bytes", endian="little")
    times = VALUES.view("M8[s]") if VALUES.itemsize == 8 else VALUES.astype("M8[s]")
    nested = configured(
        "sharding_indexed", chunk_shape=[2, 2], codecs=[little], index_codecs=[little, "crc32c"]
    )
    fields = [
        {"name": "x", "data_type": "float32"},
        {"name": "y", "data_type": configured("struct", fields=[])},
    ]
    return [
        made(chunks=(4, 4)),
        made(chunks=(2, 2), shards=(4, 4)),
        made(chunks=(4, 4), order="F", compressors="blosc-lz4", fill_value=3),
        made(chunks=(4, 4), compressors="gzip", dimension_names=["a", None], attributes={"x": {"y": 1.50}}),
        made(VALUES.astype("f8"), chunks=(4, 4), fill_value=np.nan),
        made(VALUES.astype("c8"), chunks=(4, 4), fill_value=complex(np.nan, -0.0)),
        made(VALUES.astype("U3"), chunks=(4, 4), fill_value="a"),
        made(chunks=(4, 4), zarr_format=2),
        made(chunks=(4, 4), zarr_format=2, compressors=[blosc], filters=[delta], order="F"),
        made(times, chunks=(4, 4), zarr_format=2, attributes={"_ARRAY_DIMENSIONS": ["a", "b"]}),
        made(VALUES.astype("S3"), chunks=(4, 4), zarr_format=2, fill_value=b"a"),
        hierarchy(2),
        hierarchy(3),
        handwritten(codecs=[configured("transpose", order=[1, 0]), nested]),
        handwritten(chunk_grid=configured("rectilinear", kind="inline", chunk_shapes=[[[2, 3]], [4, 6]])),
        handwritten(data_type="string", fill_value="", codecs=[{"name": "vlen-utf8"}]),
        handwritten(data_type="bytes", fill_value="", codecs=["vlen-bytes", configured("zstd", level=0)]),
        handwritten(data_type="r24", fill_value=[0, 1, 2]),
        handwritten(data_type="bfloat16", fill_value="0x7fc0", codecs=[little]),
        handwritten(data_type=configured("struct", fields=fields), fill_value={"x": 0, "y": {}}),
        handwritten(data_type="bool", fill_value=True, codecs=[{"name": "packbits"}]),
        handwritten(codecs=[configured("cast_value", data_type="int8", out_of_range="clamp"), "bytes"]),
        handwritten(codecs=[configured("scale_offset", offset=1, scale=2), little]),
        handwritten(
            codecs=[configured("reshape", shape=[[0, 1]]), little, configured("numcodecs.zlib", level=1)]
        ),
        handwritten_v2(dtype=[["x", "<f4"], ["y", "|V3"], ["z", "<i2", [2, 2]]], fill_value=None),
        handwritten_v2(dtype="|O", filters=[{"id": "vlen-utf8"}], fill_value=0),
        handwritten_v2(dtype="|O", filters=[{"id": "json2"}, {"id": "zlib", "level": 1}], fill_value=""),
        handwritten_v2(filters=[{"id": "fixedscaleoffset", "scale": 2, "offset": 1, "dtype": "<i4"}]),
    ]


def broken(number):
    """The contents of a store with one broken document, and that document's key."""
    rng = random.Random(number)
    contents = dict(rng.choice(bases()))
    key = rng.choice([key for key in contents if key.rpartition("/")[2] in METADATA])
    contents[key] = mutated(bytes(contents[key]), rng)
    return contents, key


def use(contents):
    """All that may be asked of what the documents say, each of which may be refused."""
    for opened in (lz.open, lz.open_consolidated):
        node = attempt(opened, contents)
        if node is not None:
            attempt(lambda node: repr(node) + str(node.info), node)
            attempt(lambda node: node.attrs.update(q=1), node)
        if isinstance(node, lz.Array):
            use_array(node)
        elif isinstance(node, lz.Group):
            use_group(node)


def use_group(group):
    attempt(lambda: list(group.keys()))
    attempt(lambda: str(group.tree()))
    for name in ("a/u", "v"):
        member = attempt(lambda name: group[name], name)
        if isinstance(member, lz.Array):
            use_array(member)
    attempt(lambda: group.create_array("w", data=VALUES, overwrite=True))


def use_array(array):
    for name in "fill_value order filters serializer compressors dimension_names nchunks nbytes".split():
        attempt(getattr, array, name)
    units = array.shards or array.chunks
    largest = [edge if isinstance(edge, int) else max(edge, default=0) for edge in units]
    if math.prod(largest) * array.dtype.itemsize > SMALL or array.nbytes > SMALL or array.nchunks > 1000:
        return
    values = attempt(lambda: array[...])
    values = np.zeros(array.shape, array.dtype) if values is None else values
    if array.size:
        first = (0,) * array.ndim
        attempt(lambda: array.__setitem__(first, values[first]))
    attempt(lambda: array.__setitem__(..., values))
    attempt(lambda: array.oindex[([0, 0], *[slice(None)] * (array.ndim - 1))])
    attempt(lambda: array.vindex[tuple([0, -1] for _ in array.shape)])
    attempt(lambda: str(array.info_complete()) + array.hexdigest())
    if array.dtype.names:
        attempt(lambda: array[array.dtype.names[0]])
    attempt(lambda: array.append(np.zeros((1, *array.shape[1:]), array.dtype)))
    attempt(lambda: array.resize(tuple(n // 2 for n in array.shape)))
    attempt(lambda: lz.from_zarr(array))


def attempt(action, *arguments):
    """What the action gives; None where it is refused by an error of ours."""
    try:
        return action(*arguments)
    except LazyzarrError:
        return None


def peak():
    """The most memory that this process has held, since `forget_peak` where the system can forget."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget_peak():
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def failure(number):
    """What is wrong with how one broken document was met, or None."""
    contents, key = broken(number)
    document = contents[key][:600]
    forget_peak()
    before, start = peak(), time.thread_time()
    try:
        use(contents)
    except Exception:
        last = "".join(traceback.format_exc(limit=-3).splitlines(keepends=True)[-12:])
        return f"broken({number}): {key} = {document}\n{last}"
    seconds, held = time.thread_time() - start, peak() - before
    if seconds > SECONDS or held > BYTES:
        return f"broken({number}) took {seconds:.1f} s and {held >> 20} MiB: {key} = {document}"
    return None


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_documents(part):
    bases()
    failures = []
    for number in range(part, DOCUMENTS, PARTS):
        if (found := failure(number)) is not None:
            failures.append(found)
            if len(failures) == 10:
                break
    assert not failures, "\n\n".join(failures)


def test_most_documents_are_refused_or_used():
    """The harness itself: a fair part of the documents opens, a fair part does not, and the same come again."""
    opened = [attempt(lz.open, broken(n)[0]) is not None for n in range(200)]
    assert 40 < sum(opened) < 180
    assert broken(7) == broken(7)


def test_a_foreign_error_is_seen(monkeypatch):
    """The harness itself: it would see a foreign error, and memory held."""
    monkeypatch.setattr(lz.Group, "keys", lambda group: [][0], raising=False)
    assert any("IndexError" in (failure(n) or "") for n in range(60))
    monkeypatch.undo()
    monkeypatch.setattr(lz.Array, "fill_value", property(lambda array: np.ones(BYTES + (30 << 20), "u1")))
    assert any("MiB" in (failure(n) or "") for n in range(60))
