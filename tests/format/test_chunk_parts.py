"""Parts of large chunks: what is read alone is what the whole chunk has there, and whatever is wrong is found."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc

import numpy as np
import pytest
from numcodecs import blosc

import lazyzarr as lz
from lazyzarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec
from lazyzarr.errors import ChunkDecodeError
from lazyzarr.format import chunk_parts
from lazyzarr.format.chunk_parts import PartsReader, in_parts
from lazyzarr.format.codecs.blosc_parts import EncodedBlocks, blosc_index
from lazyzarr.storage import LocalStore, MemoryStore

NAMES = ["lz4", "zstd", "blosclz", "zlib", "lz4hc"]
SHUFFLES = ["noshuffle", "shuffle", "bitshuffle"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Parts of chunks that are not large."""
    monkeypatch.setattr(chunk_parts, "LARGE", 100_000)
    monkeypatch.setattr(chunk_parts, "PART", 40_000)


def blosc_of(cname="lz4", shuffle="shuffle", blocksize=8192, clevel=5):
    return BloscCodec(cname=cname, clevel=clevel, shuffle=shuffle, blocksize=blocksize)


def values(dtype="f8", shape=(2060, 80)):
    rng = np.random.default_rng(4)
    return np.round(rng.normal(size=shape).cumsum(0) * 50).astype(dtype)


def made(data, compressors=None, chunks=(1200, 80), store=None, **words):
    z = lz.create_array(
        MemoryStore() if store is None else store,
        shape=data.shape,
        chunks=chunks,
        dtype=data.dtype,
        compressors=blosc_of() if compressors is None else compressors,
        **words,
    )
    z[...] = data
    return z


def rows(reader, order=None):
    """All parts, put where they belong, read in an order."""
    scratch = reader.new_scratch()
    out = np.empty(reader.grid.shape, reader.dtype)
    parts = list(np.ndindex(*reader.grid.grid_shape))
    for at in parts if order is None else order(parts):
        part = reader.new_chunk(at)
        reader.read_into(at, part, scratch)
        where = tuple(slice(*ends) for ends in reader.grid.extent(at))
        out[where] = part[tuple(slice(s.stop - s.start) for s in where)]
    reader.check(scratch)
    return out


def shuffled(parts):
    return [parts[i] for i in np.random.default_rng(0).permutation(len(parts))]


@pytest.mark.parametrize("cname", NAMES)
@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("dtype", ["f8", "f4", ">i4", "c16", "M8[s]"])
def test_every_part_is_what_the_chunk_has_there(cname, shuffle, dtype):
    data = values(dtype if dtype[0] != "M" else "i8").astype(dtype)
    reader = in_parts(made(data, blosc_of(cname, shuffle)).reader())
    assert isinstance(reader, PartsReader)
    assert reader.chunk_shape[0] < 1200
    for order in (None, lambda parts: parts[::-1], shuffled):
        np.testing.assert_array_equal(rows(reader, order), data)


@pytest.mark.parametrize("blocksize", [512, 8000, 8192, 70_000])
@pytest.mark.parametrize("n", [331, 600, 640, 997])
def test_blocks_of_any_length_and_a_last_one_that_is_shorter(blocksize, n):
    data = values(shape=(n * 2, 80))
    reader = in_parts(made(data, blosc_of("lz4", "shuffle", blocksize), chunks=(n, 80)).reader())
    for order in (None, lambda parts: parts[::-1], shuffled):
        np.testing.assert_array_equal(rows(reader, order), data)


@pytest.mark.parametrize("compressors", [(), blosc_of(clevel=0)], ids=["plain", "copied"])
def test_what_is_not_compressed_is_read_where_it_lies(compressors):
    data = values()
    reader = in_parts(made(data, compressors).reader())
    assert isinstance(reader, PartsReader)
    np.testing.assert_array_equal(rows(reader), data)


def test_rows_are_those_of_the_first_axis_that_a_chunk_has():
    data = values(shape=(3, 2, 640, 50))
    reader = in_parts(made(data, chunks=(1, 1, 640, 50)).reader())
    assert reader.chunk_shape[:2] == (1, 1)
    assert reader.chunk_shape[2] < 640
    np.testing.assert_array_equal(rows(reader), data)


def test_a_block_that_two_parts_need_is_decoded_once_in_order(monkeypatch):
    data = values(shape=(1190, 80))
    reader = in_parts(made(data, chunks=(1190, 80)).reader())
    decoded = []
    decode = EncodedBlocks.decode

    def counted(self, first, stop, room, out):
        decoded.extend(range(first, stop))
        decode(self, first, stop, room, out)

    monkeypatch.setattr(EncodedBlocks, "decode", counted)
    np.testing.assert_array_equal(rows(reader), data)
    count = -(-data.nbytes // reader.blocksize)
    assert count > 5
    # The last block is not full: it is told from others by the one before it, which may be decoded with it.
    assert sorted(set(decoded)) == list(range(count))
    assert len(decoded) <= count + 1


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_reading_parts_takes_what_is_counted(kind, tmp_path):
    """Of three columns of noise in turn, whose last part is shorter, each in the memory of the one before."""
    store = MemoryStore() if kind == "memory" else LocalStore(tmp_path / "a.zarr")
    data = np.random.default_rng(0).random((1190, 240))
    reader = in_parts(made(data, chunks=(1190, 80), store=store).reader())
    lengths = {reader.grid.stored_shape((i, 0))[0] for i in range(reader.grid.grid_shape[0])}
    assert len(lengths) == 2
    memory, out = reader.new_chunk((0, 0)), np.empty_like(data)
    tracemalloc.start()
    try:
        scratch = reader.new_scratch()
        for at in np.ndindex(*reader.grid.grid_shape):
            part = reader.as_chunk(memory, at)
            reader.read_into(at, part, scratch)
            out[tuple(slice(*ends) for ends in reader.grid.extent(at))] = part
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= reader.encoded_nbytes + reader.kept_nbytes + 20_000
    np.testing.assert_array_equal(out, data)


def test_a_chunk_that_is_not_stored_is_fill_and_is_asked_about():
    z = lz.create_array(
        MemoryStore(), shape=(2400, 80), chunks=(1200, 80), dtype="f8", fill_value=7, compressors=blosc_of()
    )
    z[1200:] = 1
    reader = in_parts(z.reader())
    scratch, part = reader.new_scratch(), reader.new_chunk((0, 0))
    assert not reader.read_into((0, 0), part, scratch)
    assert (part == 7).all()
    assert scratch.empties == 1
    stored = (reader.grid.grid_shape[0] - 1, 0)
    assert reader.read_into(stored, reader.new_chunk(stored), scratch)


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_a_chunk_that_was_replaced_is_read_anew(kind, tmp_path):
    store = MemoryStore() if kind == "memory" else LocalStore(tmp_path / "a.zarr")
    data = values()
    z = made(data, store=store)
    reader = in_parts(z.reader())
    np.testing.assert_array_equal(rows(reader), data)
    z[...] = data[::-1]
    np.testing.assert_array_equal(rows(reader), data[::-1])


def harmed(change):
    data = values(shape=(1200, 80))
    store = MemoryStore()
    z = made(data, store=store)
    reader = in_parts(z.reader())
    store.set("c/0/0", change(bytes(store.get("c/0/0"))))
    return reader


HARMS = {
    "cut off in the header": lambda b: b[:9],
    "cut off in the index": lambda b: b[:20],
    "cut off in the blocks": lambda b: b[: len(b) // 2],
    "the end missing": lambda b: b[:-1],
    "longer": lambda b: b + b"x",
    "another size": lambda b: b[:4] + struct.pack("<I", 99) + b[8:],
    "a block of nothing": lambda b: b[:8] + struct.pack("<I", 0) + b[12:],
    "a block beyond": lambda b: b[:16] + struct.pack("<i", 2**30) + b[20:],
    "a block before": lambda b: b[:16] + struct.pack("<i", -5) + b[20:],
    "another format": lambda b: b"\x05" + b[1:],
    "empty": lambda b: b"",
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_what_is_damaged_is_told_with_the_chunk(harm):
    reader = harmed(harm)
    with pytest.raises(ChunkDecodeError, match=r"chunk c/0/0 = \[0:1200, 0:80\]"):
        rows(reader)


def test_any_byte_may_be_another_and_nothing_else_happens_than_an_error_or_other_values():
    rng = np.random.default_rng(8)
    for _ in range(60):
        at, new = int(rng.integers(0, 400)), int(rng.integers(0, 256))
        reader = harmed(lambda b, at=at, new=new: b[:at] + bytes([new]) + b[at + 1 :])
        with contextlib.suppress(ChunkDecodeError):
            assert rows(reader).shape == (1200, 80)


def test_blocks_in_another_order_are_found():
    data = values(shape=(1200, 80))
    blosc.set_nthreads(1)
    whole = bytes(blosc.compress(data.tobytes(), b"lz4", 5, 1, 8192))
    index = blosc_index(whole, data.nbytes)
    starts, ends = index.bounds
    order = np.random.default_rng(1).permutation(len(starts))
    places, body = np.zeros(len(starts), np.int64), b""
    for i in order:
        places[i] = len(index.head) + len(body)
        body += whole[starts[i] : ends[i]]
    store = MemoryStore()
    z = made(data, store=store)
    store.set("c/0/0", index.head[:16] + places.astype("<i4").tobytes() + body)
    np.testing.assert_array_equal(z[...], data)
    np.testing.assert_array_equal(rows(in_parts(z.reader())), data)


WHOLE = {
    "small chunks": {"chunks": (100, 80)},
    "another codec": {"compressors": ZstdCodec()},
    "a checksum": {"compressors": [blosc_of(), Crc32cCodec()]},
    "shards": {"chunks": (600, 80), "shards": (1200, 80)},
    "another order": {"order": "F", "zarr_format": 2},
    "blocks as large as the chunk": {"compressors": blosc_of(blocksize=0)},
}


@pytest.mark.parametrize("words", WHOLE.values(), ids=WHOLE)
def test_what_cannot_be_read_so_is_read_whole(words):
    reader = made(values(), **words).reader()
    assert in_parts(reader) is reader


def test_a_plan_holds_parts_instead_of_chunks_and_gives_the_same(tmp_path):
    data = values(shape=(4800, 40))
    x = lz.from_zarr(made(data, chunks=(2400, 40), store=LocalStore(tmp_path / "a.zarr")))
    y = x[1:, 1:] - x[:-1, :-1] + np.roll(x, 3, 0)[1:, 1:]
    np.testing.assert_array_equal(y.compute(), data[1:, 1:] - data[:-1, :-1] + np.roll(data, 3, 0)[1:, 1:])
    z = y.to_zarr(tmp_path / "out.zarr", chunks=(1000, 13))
    np.testing.assert_array_equal(z[...], y.compute())
    np.testing.assert_allclose(x.mean(axis=0).compute(), data.mean(axis=0), rtol=1e-13)
