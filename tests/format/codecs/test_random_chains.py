"""Random chains of v3 codecs: what is written is read, whole and in parts, and nothing is stored of a chunk of fill.

`LAZYZARR_CHAINS` says how many are tried. Each comes from a number alone: `chain(1234)`.
"""

from __future__ import annotations

import os
import random

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import LazyzarrError

CHAINS = int(os.environ.get("LAZYZARR_CHAINS", "150"))
DTYPES = "? i1 u1 i2 u4 i8 f2 f4 f8 c8 M8[s]".split()


def named(name, **configuration):
    return {"name": name, "configuration": configuration}


def permutation(rng, ndim):
    order = list(range(ndim))
    rng.shuffle(order)
    return order


def elementwise(rng, dtype, shape):
    """Codecs of elements, none of which loses any of the values below; the shape and dtype that they leave."""
    codecs = []
    if len(shape) > 1 and rng.random() < 0.5:
        order = permutation(rng, len(shape))
        codecs.append(named("transpose", order=order))
        shape = [shape[axis] for axis in order]
    if len(shape) > 1 and rng.random() < 0.25:
        codecs.append(named("reshape", shape=[[0, 1], *([axis] for axis in range(2, len(shape)))]))
        shape = [shape[0] * shape[1], *shape[2:]]
    if dtype.kind in "iu" and rng.random() < 0.3:
        codecs.append(named("numcodecs.delta", dtype=dtype.str))
    if dtype.kind in "iu" and dtype.itemsize < 4 and rng.random() < 0.3:
        dtype = np.dtype(rng.choice(["int64", "float64"]))
        codecs.append(named("cast_value", data_type=dtype.name))
    if dtype == "f8" and rng.random() < 0.3:
        codecs.append(named("scale_offset", offset=2, scale=4))
    return codecs, dtype, shape


def of_bytes(rng, dtype):
    """Up to three compressors and checksums."""
    blosc = {
        "cname": rng.choice(["lz4", "zstd", "zlib"]),
        "clevel": 5,
        "blocksize": 0,
        "typesize": dtype.itemsize,
    }
    choices = [
        named("zstd", level=rng.choice([0, 1, -3])),
        named("gzip", level=1),
        {"name": "crc32c"},
        named("blosc", **blosc, shuffle=rng.choice(["shuffle", "noshuffle", "bitshuffle"])),
        *(
            named(f"numcodecs.{name}")
            for name in ("zlib", "bz2", "lz4", "lzma", "adler32", "crc32", "fletcher32")
        ),
    ]
    return [rng.choice(choices) for _ in range(rng.choice([0, 1, 1, 2, 3]))]


def sharding(rng, shape, serializer, compressors, depth=0):
    """A shard of inner chunks, transposed within or shards themselves at times."""
    inner = [rng.choice([d for d in range(1, n + 1) if n % d == 0]) for n in shape]
    order = permutation(rng, len(inner))
    turned = rng.random() < 0.4
    before = [named("transpose", order=order)] if turned else []
    stored = [inner[axis] for axis in order] if turned else inner
    nested = depth < 2 and rng.random() < 0.3
    tail = (
        [sharding(rng, stored, serializer, compressors, depth + 1)] if nested else [serializer, *compressors]
    )
    index = [named("bytes", endian=rng.choice(["little", "big"])), *rng.choice([[], [{"name": "crc32c"}]])]
    place = rng.choice(["start", "end"])
    return named(
        "sharding_indexed", chunk_shape=inner, codecs=before + tail, index_codecs=index, index_location=place
    )


def chain(number):
    """The words for an array, and its values."""
    rng = random.Random(number)
    chunks = [rng.choice([1, 2, 3, 4, 6]) for _ in range(rng.choice([0, 1, 2, 2, 3]))]
    shape = [rng.choice([1, 2, 5, 7, 9]) for _ in chunks]
    dtype = np.dtype(rng.choice(DTYPES))
    filters, stored, inner = elementwise(rng, dtype, chunks)
    serializer = (
        named("bytes", endian=rng.choice(["little", "big"])) if stored.itemsize > 1 else {"name": "bytes"}
    )
    if stored.kind == "b" and rng.random() < 0.5:
        serializer = named("packbits", padding_encoding=rng.choice(["none", "first_byte", "last_byte"]))
    compressors = of_bytes(rng, stored)
    if rng.random() < 0.4:
        serializer, compressors = (
            sharding(rng, inner, serializer, compressors),
            rng.choice([[], [{"name": "crc32c"}]]),
        )
    values = np.random.default_rng(number).integers(0, 5, shape).astype("i8").astype(dtype)
    words = {"shape": shape, "chunks": chunks, "dtype": dtype, "filters": filters, "serializer": serializer}
    return words | {
        "compressors": compressors,
        "fill_value": np.asarray(rng.choice([0, 1])).astype(dtype)[()],
    }, values


def check(number):
    words, values = chain(number)
    rng = random.Random(number)
    contents = {}
    array = lz.create_array(contents, **words)
    array[...] = values
    np.testing.assert_array_equal(lz.open(contents)[...], values, strict=True)
    if values.ndim:
        part = tuple(slice(rng.randrange(n), None, rng.choice([1, 2])) for n in values.shape)
        values[part] = values[part][::-1]
        array[part] = values[part]
        np.testing.assert_array_equal(array[...], values)
        points = tuple(np.array([rng.randrange(n) for _ in range(4)]) for n in values.shape)
        np.testing.assert_array_equal(lz.open(contents).vindex[points], values[points])
    array[...] = words["fill_value"]
    assert list(contents) == ["zarr.json"]


@pytest.mark.parametrize("part", range(3))
def test_random_chains(part):
    for number in range(part, CHAINS, 3):
        try:
            check(number)
        except (AssertionError, LazyzarrError) as error:
            raise AssertionError(f"chain({number}): {chain(number)[0]}") from error
