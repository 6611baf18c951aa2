"""Random chains, shards in shards among them: kept here, and read and written alike by zarr-python and tensorstore."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.format.codecs.chain import build_chain
from lazyzarr.storage import MemoryStore

FILL = 7
Chain = tuple[list[dict[str, Any]], tuple[int, ...], str]


def named(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration} if configuration else {"name": name}


COMPRESSORS = [
    named("gzip", level=1),
    named("zstd", level=0, checksum=True),
    named("blosc", typesize=2, cname="lz4", clevel=5, shuffle="shuffle", blocksize=0),
    named("crc32c"),
]
ENDIAN = st.sampled_from([named("bytes", endian="little"), named("bytes", endian="big")])


@st.composite
def codecs(draw: st.DrawFn, shape: tuple[int, ...], depth: int, peers: bool) -> list[dict[str, Any]]:
    """A chain for chunks of that shape."""
    chain, before = [], shape
    if draw(st.booleans()):
        order = draw(st.permutations(range(len(shape))))
        chain.append(named("transpose", order=list(order)))
        shape = tuple(shape[axis] for axis in order)
    if not peers and draw(st.booleans()):
        step, shape = draw(elements(shape))
        chain.append(step)
    sharded = depth > 0 and draw(st.integers(0, 2)) > 0
    if sharded:
        # zarr-python compares inner chunks with the shape before it is transposed, too
        edges = map(math.gcd, shape, before) if peers else shape
        inner = tuple(
            draw(st.sampled_from([n for n in range(1, edge + 1) if edge % n == 0])) for edge in edges
        )
        index = [draw(ENDIAN), named("crc32c")] if peers or draw(st.booleans()) else [draw(ENDIAN)]
        chain.append(
            named(
                "sharding_indexed",
                chunk_shape=list(inner),
                codecs=draw(codecs(inner, depth - 1, peers)),
                index_codecs=index,
                index_location=draw(st.sampled_from(["start", "end"])),
            )
        )
    else:
        chain.append(draw(ENDIAN))
    if peers and sharded:  # tensorstore takes no codecs behind shards
        return chain
    return chain + draw(st.lists(st.sampled_from(COMPRESSORS), max_size=2))


@st.composite
def elements(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[dict[str, Any], tuple[int, ...]]:
    """A codec that changes elements, and the shape after it."""
    first, rest = shape[0], math.prod(shape[1:])
    return draw(
        st.sampled_from(
            [
                (named("reshape", shape=[-1]), (first * rest,)),
                (named("reshape", shape=[[0], -1]), (first, rest)),
                (named("reshape", shape=[1, [0], *[[axis] for axis in range(1, len(shape))]]), (1, *shape)),
                (named("cast_value", data_type="float64"), shape),
                (named("scale_offset", offset=-3), shape),
                (named("numcodecs.delta"), shape),
            ]
        )
    )


@st.composite
def chains(draw: st.DrawFn, peers: bool) -> Chain:
    shape = tuple(draw(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=3)))
    return (
        draw(codecs(shape, 2, peers)),
        shape,
        draw(st.sampled_from(["i2", "u4"] if peers else ["i2", "i4"])),
    )


def sample(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Numbers, half of the chunk being fill."""
    data = (np.arange(math.prod(shape)) % 100).astype(dtype).reshape(shape)
    data[: (shape[0] + 1) // 2] = FILL
    return data


@given(chain=chains(peers=False))
@settings(max_examples=100)
def test_chunks_come_back(chain: Chain) -> None:
    documents, shape, dtype = chain
    data = sample(shape, dtype)
    bound = build_chain(documents, shape, np.dtype(dtype), np.array(FILL, dtype))
    stored = b"".join(map(bytes, bound.encode(data)))
    assert bound.size.exact in (None, len(stored))
    assert len(stored) <= bound.size.limit
    out = np.empty(shape, dtype, order="F")
    bound.decode_into(stored, out)
    assert (out == data).all()


@given(chain=chains(peers=False))
@settings(max_examples=25)
def test_parts_of_arrays(chain: Chain) -> None:
    documents, chunk, dtype = chain
    shape = tuple(2 * edge + edge // 2 for edge in chunk)
    document = json.dumps(metadata(documents, chunk, shape, dtype)).encode()
    array = lz.open_array(MemoryStore({"zarr.json": document}), mode="r+")
    expected = np.full(shape, FILL, dtype)
    assert (array[...] == expected).all()
    for start, stop, step in [(0, 1, 1), (1, None, 1), (0, None, 2), (-1, None, 1)]:
        where = tuple(slice(start, stop, step) for _ in shape)
        array[where] = expected[where] = np.arange(expected[where].size).reshape(expected[where].shape)
        assert (array[...] == expected).all()
    assert (
        array[tuple(slice(None, None, -1) for _ in shape)] == expected[(slice(None, None, -1),) * len(shape)]
    ).all()


def metadata(documents: Any, chunk: tuple[int, ...], shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": np.dtype(dtype).name,
        "chunk_grid": named("regular", chunk_shape=list(chunk)),
        "chunk_key_encoding": named("default", separator="/"),
        "fill_value": FILL,
        "codecs": documents,
        "attributes": {},
    }


class ByZarrPython:
    """A store of its own, by way of its objects."""

    def __init__(self, document: bytes) -> None:
        from zarr.core.buffer import cpu

        self._cpu = cpu
        self._raw: dict[str, Any] = {"zarr.json": cpu.Buffer.from_bytes(document)}

    def put(self, key: str, value: bytes) -> None:
        self._raw[key] = self._cpu.Buffer.from_bytes(value)

    def get(self, key: str) -> bytes | None:
        return self._raw[key].to_bytes() if key in self._raw else None

    def open(self) -> Any:
        import zarr

        return zarr.open_array(zarr.storage.MemoryStore(self._raw), mode="r+")

    def read(self) -> np.ndarray:
        return self.open()[...]

    def write(self, data: np.ndarray) -> None:
        self.open()[...] = data


class ByTensorstore:
    """A store of its own, by way of its kvstore."""

    def __init__(self, document: bytes) -> None:
        import tensorstore

        self._context = tensorstore.Context()
        self._ts = tensorstore
        self._kvs = tensorstore.KvStore.open({"driver": "memory"}, context=self._context).result()
        self.put("zarr.json", document)

    def put(self, key: str, value: bytes) -> None:
        self._kvs.write(key, value).result()

    def get(self, key: str) -> bytes | None:
        found = self._kvs.read(key).result()
        return bytes(found.value) if found.state == "value" else None

    def open(self) -> Any:
        spec = {"driver": "zarr3", "kvstore": {"driver": "memory"}}
        return self._ts.open(spec, context=self._context).result()

    def read(self) -> np.ndarray:
        return self.open().read().result()

    def write(self, data: np.ndarray) -> None:
        self.open().write(data).result()


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec:UserWarning")
@pytest.mark.parametrize("peer", [ByZarrPython, ByTensorstore])
@given(chain=chains(peers=True))
@settings(max_examples=25)
def test_peers(peer: Any, chain: Chain) -> None:
    """Each reads what the other stored: the whole, with fill among it."""
    documents, shape, dtype = chain
    data = sample(shape, dtype)
    theirs = peer(json.dumps(metadata(documents, shape, shape, dtype)).encode())
    bound = build_chain(documents, shape, np.dtype(dtype), np.array(FILL, dtype))
    key = "/".join(["c", *("0" for _ in shape)])
    theirs.put(key, b"".join(map(bytes, bound.encode(data))))
    assert (theirs.read() == data).all()
    other = data + np.array(1, dtype)
    theirs.write(other)
    out = np.empty(shape, dtype)
    bound.decode_into(theirs.get(key), out)
    assert (out == other).all()


def test_the_chains_are_many() -> None:
    """What is drawn covers what is meant: shards in shards, both places of an index, all codecs."""
    seen: set[str] = set()

    @given(chain=chains(peers=False))
    @settings(max_examples=150, database=None, derandomize=True)
    def look(chain: Chain) -> None:
        text = json.dumps(chain[0])
        seen.update(
            name for name in ("reshape", "cast_value", "delta", '"start"', '"end"', '"big"') if name in text
        )
        seen.update(str(n) for n in range(1, 4) if text.count("sharding_indexed") == n)

    look()
    assert seen >= {"reshape", "cast_value", "delta", '"start"', '"end"', '"big"', "1", "2"}
