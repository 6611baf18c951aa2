"""Shards: their layout against the specification and the peers, and indexes that no writer makes."""

from __future__ import annotations

import itertools
from typing import Any

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyzarr.errors import ChunkDecodeError, MetadataValidationError
from lazyzarr.format.codecs.blosc import BloscCodec
from lazyzarr.format.codecs.bytes import BytesCodec
from lazyzarr.format.codecs.chain import CodecChain, build_chain
from lazyzarr.format.codecs.crc32c import Crc32cCodec
from lazyzarr.format.codecs.gzip import GzipCodec
from lazyzarr.format.codecs.sharding import ABSENT, Shard, ShardingCodec
from lazyzarr.format.codecs.transpose import TransposeCodec

SHAPE, INNER = (4, 6, 4), (2, 3, 4)


def chain_of(
    shape: tuple[int, ...] = SHAPE, before: Any = (), after: Any = (), **sharding: Any
) -> CodecChain:
    codec = ShardingCodec(**{"chunk_shape": INNER, **sharding})
    return build_chain([*before, codec, *after], shape, np.dtype("f4"), np.float32(0))


def noise(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("f4")


def encoded(chain: CodecChain, data: np.ndarray) -> bytes:
    return b"".join(chain.encode(data))


def decoded(chain: CodecChain, raw: bytes) -> np.ndarray:
    out = np.empty(chain.shape, chain.dtype)
    chain.decode_into(raw, out)
    return out


@pytest.mark.parametrize("where", ["start", "end"])
def test_the_layout_is_the_specifications(where: Any) -> None:
    data = noise()
    data[:2, :3] = 0  # the first inner chunk is left out
    raw = encoded(chain_of(index_location=where), data)
    index, body = (raw[:68], raw[68:]) if where == "start" else (raw[-68:], raw[:-68])
    assert google_crc32c.value(index[:64]) == int.from_bytes(index[64:], "little")
    first = 68 if where == "start" else 0  # offsets count from the shard's start in both
    entries = np.frombuffer(index[:64], "<u8").reshape(2, 2, 1, 2)
    assert entries[:, :, 0].tolist() == [
        [[ABSENT, ABSENT], [first, 96]],
        [[first + 96, 96], [first + 192, 96]],
    ]
    assert body[:96] == data[:2, 3:].tobytes()


INNER_CODECS: list[list[Any]] = [
    [BytesCodec()],
    [BytesCodec(endian="big"), BloscCodec(cname="lz4")],
    [TransposeCodec(order=(1, 2, 0)), BytesCodec(), GzipCodec(level=1), Crc32cCodec()],
    [ShardingCodec(chunk_shape=(1, 3, 2), codecs=[TransposeCodec(order=(2, 0, 1)), BytesCodec()])],
]


@pytest.mark.parametrize("inner", INNER_CODECS)
@pytest.mark.parametrize("where", ["start", "end"])
def test_any_inner_chain_comes_back(inner: Any, where: Any) -> None:
    for before, after in itertools.product(
        [[], [TransposeCodec(order=(2, 0, 1))]], [[], [GzipCodec(level=1)]]
    ):
        shape = (6, 4, 4) if before else SHAPE
        chain = chain_of(shape, before, after, codecs=inner, index_location=where)
        data = noise(shape)
        data[:, :3] = 0
        assert (decoded(chain, encoded(chain, data)) == data).all()
        assert (decoded(chain, encoded(chain, data * 0)) == 0).all()


def test_inner_chains_see_the_arrays_axes() -> None:
    chain = chain_of((6, 4, 4), [TransposeCodec(order=(2, 0, 1))])
    assert chain.inner_chain().shape == (3, 4, 2)  # type: ignore[union-attr]
    assert chain_of(after=[GzipCodec()]).inner_chain() is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"chunk_shape": (2, 3)},
        {"chunk_shape": (3, 3, 4)},
        {"chunk_shape": (0, 3, 4)},
        {"chunk_shape": (2, 3, 4.0)},
        {"chunk_shape": 2},
        {"chunk_shape": "234"},
        {"codecs": []},
        {"codecs": "bytes"},
        {"codecs": [Crc32cCodec()]},
        {"codecs": [ShardingCodec(chunk_shape=(2, 2, 4))]},
        {"codecs": [ShardingCodec(chunk_shape=(1, 3, 4), codecs=[ShardingCodec(chunk_shape=(1, 2, 4))])]},
        {"index_codecs": [BytesCodec(), GzipCodec()]},
        {"index_codecs": [ShardingCodec(chunk_shape=(1, 1, 1, 2))]},
        {"index_location": "middle"},
    ],
)
def test_wrong_configurations_are_refused(wrong: Any) -> None:
    with pytest.raises(MetadataValidationError):
        chain_of(**wrong)


def test_a_document_without_what_is_needed_is_refused() -> None:
    with pytest.raises(MetadataValidationError, match="lacks the member 'codecs'"):
        ShardingCodec.from_config({"chunk_shape": [1]})
    with pytest.raises(MetadataValidationError, match="unknown member 'order'"):
        ShardingCodec.from_config({"chunk_shape": [1], "codecs": ["bytes"], "order": "C"})


def with_index(raw: bytes, entries: np.ndarray) -> bytes:
    """The shard with another index, whose checksum is right."""
    index = entries.astype("<u8").tobytes()
    return raw[: -len(index) - 4] + index + google_crc32c.value(index).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("position", "entry", "message"),
    [
        (0, (ABSENT, 96), "without a length"),
        (0, (0, ABSENT), "without a length"),
        (1, (0, 96), "overlap"),
        (1, (95, 96), "overlap"),
        (3, (384, 96), "beyond"),
        (3, (2**63, 96), "outside"),
        (3, (ABSENT - 1, 96), "outside"),
        (3, (288, 2**40), "length"),
        (3, (288, 95), "length"),
        (3, (300, 96), "beyond"),
    ],
)
def test_an_impossible_index_is_refused(position: int, entry: Any, message: str) -> None:
    chain = chain_of()
    entries = np.array([[0, 96], [96, 96], [192, 96], [288, 96]], "u8")
    raw = encoded(chain, noise())
    assert with_index(raw, entries) == raw
    entries[position] = entry
    with pytest.raises(ChunkDecodeError, match=message):
        decoded(chain, with_index(raw, entries))


@settings(max_examples=400)
@given(st.data())
def test_mutated_indexes_give_our_error_or_the_right_chunks(data: Any) -> None:
    """With blosc inside: what an index with a valid checksum names has to be a chunk, whole."""
    chain, values = chain_of(codecs=[BytesCodec(), BloscCodec(cname="lz4")]), noise()
    raw = encoded(chain, values)
    stored = np.frombuffer(raw[-68:-4], "<u8").reshape(4, 2)
    entries = stored.copy()
    for _ in range(data.draw(st.integers(1, 3))):
        value = data.draw(st.one_of(st.integers(0, len(raw) + 9), st.integers(0, 2**64 - 1), st.just(ABSENT)))
        entries[data.draw(st.integers(0, 3)), data.draw(st.integers(0, 1))] = value
    try:
        out = decoded(chain, with_index(raw, entries))
    except ChunkDecodeError:
        return
    regions = list(itertools.product((slice(2), slice(2, 4)), (slice(3), slice(3, 6))))
    # Of two chunks of one length the index alone tells which is which.
    named = {int(start): values[region] for (start, _), region in zip(stored, regions, strict=True)}
    for (start, _), region in zip(entries, regions, strict=True):
        expected = 0 if start == ABSENT else named[int(start)]
        assert (out[region] == expected).all()


def test_a_shard_is_written_with_one_inner_chunk_in_memory() -> None:
    """Every buffer is given away before the next inner chunk is encoded, and is not its memory."""
    chain = chain_of()
    shard = chain.serializer
    assert isinstance(shard, Shard)
    stream = shard.stream(noise().transpose(0, 1, 2)[:, :, ::-1])
    first = next(stream)
    kept = bytes(first)
    rest = b"".join(stream)
    assert first == kept
    assert (decoded(chain, kept + rest) == noise()[:, :, ::-1]).all()


def test_inner_chunks_beyond_the_arrays_edge_are_not_stored() -> None:
    chain = chain_of()
    raw = b"".join(chain.serializer.stream(noise()[:3, :2]))  # type: ignore[attr-defined]
    expected = np.zeros(SHAPE, "f4")
    expected[:3, :2] = noise()[:3, :2]
    assert (decoded(chain, raw) == expected).all()
    assert len(raw) == 2 * 96 + 68


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:Combining a .sharding_indexed.")
@pytest.mark.parametrize("inner", INNER_CODECS[:3])
@pytest.mark.parametrize("where", ["start", "end"])
def test_zarr_python_and_we_read_each_others_shards(inner: Any, where: Any) -> None:
    zarr = pytest.importorskip("zarr")
    data = noise((4, 6, 4))
    data[:2, :3] = 0
    for before in ([], [TransposeCodec(order=(2, 0, 1))]):
        # the stored shard is (4, 4, 6) then
        inner_shape = (4, 2, 2) if before else INNER  # zarr-python checks it against the array's axes too
        chain = chain_of(before=before, chunk_shape=inner_shape, codecs=inner, index_location=where)
        documents = [codec.to_config() for codec in chain.codecs]
        store: dict[str, Any] = {}
        peer = zarr.create_array(
            zarr.storage.MemoryStore(store), shape=SHAPE, chunks=SHAPE, dtype="f4",
            filters=documents[:-1], serializer=documents[-1], compressors=None,
        )  # fmt: skip
        peer[...] = data
        assert (decoded(chain, store["c/0/0/0"].to_bytes()) == data).all()
        raw = encoded(chain, data)
        store["c/0/0/0"] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(raw)
        assert (peer[...] == data).all()
