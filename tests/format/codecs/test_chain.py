"""Chains of codecs against zarr-python and numcodecs, chunk by chunk, bit for bit."""

from __future__ import annotations

import contextlib
import itertools
import threading
import warnings
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyzarr.errors import ChunkDecodeError, ChunkEncodeError, MetadataValidationError, UnknownCodecError
from lazyzarr.format.codecs import blosc_decoder, zstd_decoder
from lazyzarr.format.codecs.blosc import BloscCodec
from lazyzarr.format.codecs.bytes import BytesCodec
from lazyzarr.format.codecs.chain import CodecChain, build_chain
from lazyzarr.format.codecs.crc32c import Crc32cCodec
from lazyzarr.format.codecs.gzip import GzipCodec
from lazyzarr.format.codecs.protocol import Spare
from lazyzarr.format.codecs.sharding import ShardingCodec
from lazyzarr.format.codecs.transpose import TransposeCodec
from lazyzarr.format.codecs.zstd import ZstdCodec, content_size
from lazyzarr.format.codecs.zstd_library import compress

zarr = pytest.importorskip("zarr")

SHAPE = (4, 6, 5)
DTYPES = "? i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16 M8[ns] m8[10us] S5 U3".split()


def noise(dtype: str, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    """Elements of every bit pattern that the dtype has."""
    kind, rng = np.dtype(dtype), np.random.default_rng(seed)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    if kind.kind in "SU":
        return np.array([str(n) for n in rng.integers(0, 999, int(np.prod(shape)))], kind).reshape(shape)
    raw = rng.integers(0, 256, int(np.prod(shape)) * kind.itemsize, dtype="u1")
    return raw.view(kind).reshape(shape)


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    assert left.dtype == right.dtype
    assert left.shape == right.shape
    return np.ascontiguousarray(left).tobytes() == np.ascontiguousarray(right).tobytes()


def chain_of(codecs: list[Any], like: np.ndarray, fill: Any = 0) -> CodecChain:
    return build_chain(codecs, like.shape, like.dtype, np.zeros((), like.dtype) if fill == 0 else fill)


def layouts(shape: tuple[int, ...], dtype: np.dtype) -> list[np.ndarray]:
    """Arrays to decode into: C order, F order, every second element, backwards."""
    wide = np.empty([2 * n for n in shape], dtype)
    return [
        np.empty(shape, dtype),
        np.empty(shape, dtype, "F"),
        wide[tuple(slice(0, 2 * n, 2) for n in shape)],
        np.empty(shape, dtype)[tuple(slice(None, None, -1) for _ in shape)],
        np.empty(shape[::-1], dtype).transpose(),
    ]


BEFORE: list[list[Any]] = [[], [TransposeCodec(order=(2, 0, 1))], [TransposeCodec(order=(2, 1, 0))]]
AFTER: list[list[Any]] = [
    [],
    [BloscCodec(cname="lz4")],
    [BloscCodec(cname="zstd", shuffle="bitshuffle"), Crc32cCodec()],
    [ZstdCodec(level=0, checksum=True)],
    [GzipCodec(level=1)],
    [Crc32cCodec()],
    [Crc32cCodec(), GzipCodec(level=1), ZstdCodec(level=1), BloscCodec(cname="lz4", shuffle="noshuffle")],
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("endian", ["little", "big"])
def test_what_is_encoded_comes_back_into_any_layout(dtype: str, endian: Any) -> None:
    data = noise(dtype)
    for before, after in itertools.product(BEFORE, AFTER):
        chain = chain_of([*before, BytesCodec(endian=endian), *after], data)
        stored = b"".join(chain.encode(data))
        assert stored == b"".join(chain.encode(np.asfortranarray(data)))
        assert len(stored) <= chain.size.limit
        assert chain.size.exact in (None, len(stored))
        for out in [*layouts(SHAPE, data.dtype), chain.new_chunk()]:
            chain.decode_into(memoryview(bytearray(stored)), out)
            assert same_bits(out, data), (before, after)


def peer_array(store: dict, data: np.ndarray, codecs: list[Any], zarr_format: int = 3, **how: Any) -> Any:
    """A zarr-python array of one chunk with these codecs."""
    if zarr_format == 3:
        position = next(i for i, codec in enumerate(codecs) if codec["name"] in ("bytes", "sharding_indexed"))
        how |= {
            "filters": codecs[:position],
            "serializer": codecs[position],
            "compressors": codecs[position + 1 :],
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dtypes without a final specification
        return zarr.create_array(
            zarr.storage.MemoryStore(store), shape=data.shape, chunks=data.shape, dtype=data.dtype,
            zarr_format=zarr_format, config={"write_empty_chunks": True}, **how,
        )  # fmt: skip


def documents(chain: CodecChain) -> list[Any]:
    return [codec.to_config() for codec in chain.codecs]


@pytest.mark.peer
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("endian", ["little", "big"])
def test_zarr_python_reads_ours_and_we_read_its(dtype: str, endian: Any) -> None:
    data = noise(dtype)
    for before, after in itertools.product(BEFORE, AFTER):
        chain = chain_of([*before, BytesCodec(endian=endian), *after], data)
        store: dict = {}
        peer = peer_array(store, data, documents(chain))
        peer[...] = data
        out = np.empty_like(data)
        chain.decode_into(memoryview(store["c/0/0/0"].to_bytes()), out)
        assert same_bits(out, data), (before, after)
        store["c/0/0/0"] = zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(
            b"".join(chain.encode(data))
        )
        assert same_bits(np.asarray(peer[...]), data), (before, after)


def test_0d_and_size_1() -> None:
    for shape in [(), (1,), (1, 1)]:
        data = np.full(shape, 3.5)
        for after in AFTER:
            chain = chain_of([BytesCodec(endian="big"), *after], data)
            out = np.empty(shape)
            chain.decode_into(b"".join(chain.encode(data)), out)
            assert same_bits(out, data)


def test_a_clipped_part_is_padded_with_fill() -> None:
    chain = build_chain(
        [TransposeCodec(order=(1, 0)), BytesCodec(), ZstdCodec()], (3, 4), np.dtype("f4"), np.nan
    )
    part, out = np.arange(6, dtype="f8").reshape(2, 3), np.empty((3, 4), "f4")
    chain.decode_into(b"".join(chain.encode(part)), out)
    assert (out[:2, :3] == part).all()
    assert np.isnan(out[2]).all()
    assert np.isnan(out[:, 3]).all()


def test_new_chunk_decodes_without_a_copy() -> None:
    chain = chain_of([TransposeCodec(order=(2, 0, 1)), BytesCodec(), ZstdCodec()], np.empty(SHAPE, "f4"))
    chunk = chain.new_chunk()
    assert chunk.shape == SHAPE
    assert chunk.transpose(2, 0, 1).flags.c_contiguous
    assert chain.stage(chunk, Spare(chain.new_chunk)).base is chunk.base


@pytest.mark.parametrize(
    "codecs",
    [
        [],
        ["crc32c", "bytes"],
        ["bytes", "bytes"],
        ["bytes", {"name": "transpose", "configuration": {"order": [0]}}],
        [{"name": "transpose", "configuration": {"order": [1, 0]}}, "bytes"],
        [{"name": "transpose", "configuration": {"order": [0, 0]}}, "bytes"],
        [{"name": "transpose", "configuration": {"order": "FC"}}, "bytes"],
        [{"name": "transpose"}, "bytes"],
        [{"name": "bytes"}],
        [{"name": "bytes", "configuration": {"endian": "middle"}}],
        [{"name": "bytes", "configuration": {"endian": "little", "padding": 3}}],
        [{"name": "bytes", "configuration": [1]}],
        [{"configuration": {}}],
        [3],
        ["bytes", {"name": "gzip", "configuration": {"level": 10}}],
        ["bytes", {"name": "gzip", "configuration": {"level": "5"}}],
        ["bytes", {"name": "zstd", "configuration": {"level": 23}}],
        ["bytes", {"name": "zstd", "configuration": {"checksum": 1}}],
        ["bytes", {"name": "blosc", "configuration": {"cname": "lz5"}}],
        ["bytes", {"name": "blosc", "configuration": {"shuffle": 1}}],
        ["bytes", {"name": "blosc", "configuration": {"clevel": True}}],
        ["bytes", {"name": "blosc", "configuration": {"typesize": 0}}],
        ["bytes", {"name": "blosc", "configuration": {"blocksize": -1}}],
    ],
)  # fmt: skip
def test_wrong_codecs_are_refused(codecs: list[Any]) -> None:
    given = [{"name": "bytes", "configuration": {"endian": "little"}} if c == "bytes" else c for c in codecs]
    with pytest.raises(MetadataValidationError):
        build_chain(given, (3,), np.dtype("f4"), 0)


def test_an_unknown_codec_is_named() -> None:
    with pytest.raises(UnknownCodecError, match=r"zfp.*known are .*zstd"):
        build_chain(["bytes", {"name": "zfp", "configuration": {}}], (3,), np.dtype("u1"), 0)


def test_older_spellings_are_read() -> None:
    endian = {"name": "endian", "configuration": {"endian": "big"}}
    order = {"name": "transpose", "configuration": {"order": "F"}}
    chain = build_chain([order, endian], (2, 3), np.dtype("i2"), 0)
    assert [codec.to_config()["configuration"] for codec in chain.codecs] == [
        {"order": [1, 0]},
        {"endian": "big"},
    ]


def test_blosc_learns_its_typesize_and_is_refused_beyond_2_gib() -> None:
    chain = build_chain([BytesCodec(), BloscCodec()], (3,), np.dtype("f8"), 0)
    assert chain.codecs[1].to_config()["configuration"] == {
        "typesize": 8, "cname": "zstd", "clevel": 5, "shuffle": "shuffle", "blocksize": 0,
    }  # fmt: skip
    assert (
        build_chain([BytesCodec(), BloscCodec()], (3,), np.dtype("u1"), 0).codecs[1].shuffle == "bitshuffle"
    )
    with pytest.raises(MetadataValidationError, match="2,147,483,"):
        build_chain([BytesCodec(), BloscCodec()], (2**29,), np.dtype("f4"), 0)


def test_an_encoder_that_fails_is_named() -> None:
    class Broken(Crc32cCodec):
        def encode(self, buffers: Any) -> Any:
            raise ValueError("no")

    with pytest.raises(ChunkEncodeError, match="crc32c: no") as caught:
        build_chain([BytesCodec(), Broken()], (3,), np.dtype("f8"), 0).encode(np.zeros(3))
    assert caught.value.codec == "crc32c"
    assert isinstance(caught.value.__cause__, ValueError)


DAMAGED = [*AFTER, [ShardingCodec(chunk_shape=(2, 3, 5), codecs=[BytesCodec(), BloscCodec(cname="lz4")])]]


@pytest.mark.parametrize("after", DAMAGED)
def test_every_truncation_is_noticed(after: list[Any]) -> None:
    data = noise("f4")
    sharded = isinstance(after[0] if after else None, ShardingCodec)
    chain = chain_of(after if sharded else [BytesCodec(), *after], data)
    stored = b"".join(chain.encode(data))
    out = np.empty_like(data)
    for n in range(len(stored)):
        with pytest.raises(ChunkDecodeError):
            chain.decode_into(memoryview(stored)[:n], out)
    with pytest.raises(ChunkDecodeError):
        chain.decode_into(stored + b"x", out)


@pytest.mark.parametrize(
    "after", [[ZstdCodec(checksum=True)], [GzipCodec()], [Crc32cCodec()], [BloscCodec(), Crc32cCodec()]]
)
def test_no_flipped_bit_of_a_checksummed_chunk_gives_wrong_elements(after: list[Any]) -> None:
    data = np.round(np.random.default_rng(0).normal(size=(8, 9)), 1)
    chain = chain_of([BytesCodec(), *after], data)
    stored = bytearray(b"".join(chain.encode(data)))
    noticed = 0
    for bit in range(8 * len(stored)):
        stored[bit // 8] ^= 1 << bit % 8
        out = np.empty_like(data)
        try:
            chain.decode_into(stored, out)
        except ChunkDecodeError:
            noticed += 1
        else:  # a bit that means nothing, such as the time in gzip's header
            assert same_bits(out, data), bit
        stored[bit // 8] ^= 1 << bit % 8
    assert noticed > 0.9 * 8 * len(stored)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_bytes_give_our_error_or_a_chunk(draw: Any) -> None:
    """No codec crashes, hangs or raises anything else on damage, however it is made."""
    after = draw.draw(st.sampled_from(DAMAGED))
    data = noise("f4")
    chain = chain_of(after if after and isinstance(after[0], ShardingCodec) else [BytesCodec(), *after], data)
    stored = bytearray(b"".join(chain.encode(data)))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(stored) - 1))
        piece = draw.draw(st.binary(max_size=8))
        stored[at : at + draw.draw(st.integers(0, 8))] = piece
        if not stored:
            break
    with contextlib.suppress(ChunkDecodeError):
        chain.decode_into(stored, np.empty_like(data))


@pytest.mark.parametrize("level", [-131072, -5, 0, 3, 9, 22])
@pytest.mark.parametrize("nbytes", [0, 3, 4096, 300_000])
def test_every_zstd_writes_frames_that_state_their_size(level, nbytes):
    """Python's library and numcodecs' do; the second frame of a compressor that is kept, too."""
    raw = np.random.default_rng(0).integers(0, 9, nbytes, "u1").tobytes()
    for checksum in (False, True, True):
        frame = bytes(compress(raw, level, checksum))
        assert content_size(frame) == nbytes
        assert not raw or bytes(numcodecs.Zstd().decode(frame)) == raw
        assert (frame[4] >> 2 & 1) == checksum
        if raw and checksum:
            damaged = frame[:-1] + bytes([frame[-1] ^ 1])
            with pytest.raises(RuntimeError):
                numcodecs.Zstd().decode(damaged)


def test_decoding_zstd_with_kept_contexts():
    """As numcodecs decodes: several frames, skippable ones, of unknown size; damage and wrong sizes are errors."""
    raw = np.random.default_rng(0).integers(0, 9, 5000, "u1")
    frame = numcodecs.Zstd(3, checksum=True).encode(raw)
    skippable = b"\x50\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc"
    damaged = frame[:-1] + bytes([frame[-1] ^ 1])
    for decode in (zstd_decoder.decode_into, zstd_decoder._by_context(zstd_decoder._Library())):
        for stored, expected in ((frame, raw), (memoryview(bytearray(frame)), raw)):
            out = np.zeros(len(expected), "u1")
            decode(stored, out)
            np.testing.assert_array_equal(out, expected)
        for stored, n in (
            (frame, 4999),
            (frame, 5001),
            (damaged, 5000),
            (frame[:-9], 5000),
            (b"nothing", 5000),
            (b"", 5),
        ):
            with pytest.raises((RuntimeError, ValueError)):
                decode(stored, np.zeros(n, "u1"))
        out = np.zeros(5000, "u1")
        decode(frame, out)  # the context serves on
        np.testing.assert_array_equal(out, raw)
    twice = np.zeros(10_000, "u1")
    ZstdCodec().decode_into(frame + skippable + frame, twice)
    np.testing.assert_array_equal(twice, np.concatenate([raw, raw]))


def test_decoding_blosc_by_the_library():
    """As numcodecs decodes, from any kind of buffer into any kind of elements; damage is an error."""
    raw = np.arange(6000, dtype="i8").reshape(20, 300)
    stored = numcodecs.Blosc("lz4", 5, 1).encode(raw)
    for decode in (blosc_decoder.decode_into, blosc_decoder._by_library()):
        for buffer in (stored, bytearray(stored), memoryview(stored), memoryview(bytearray(stored))):
            for dtype in ("i8", "M8[ns]", "V8", "c8"):
                out = np.zeros(raw.shape, dtype)
                decode(buffer, out)
                np.testing.assert_array_equal(out.view("i8"), raw)
        damaged = stored[:40] + bytes(len(stored) - 40)
        for wrong, n in ((damaged, 6000), (stored, 5999)):
            with pytest.raises(RuntimeError):
                decode(wrong, np.zeros(n, "i8"))
        fixed = np.zeros(raw.shape, "i8")
        fixed.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            decode(stored, fixed)
        assert not fixed.any()


def test_zstd_decoding_in_threads_that_come_and_go():
    raw = np.arange(30_000, dtype="u1")
    frame, wrong = numcodecs.Zstd(3).encode(raw), []

    def work():
        out = np.zeros_like(raw)
        for _ in range(20):
            out[:] = 0
            zstd_decoder.decode_into(frame, out)
            if not np.array_equal(out, raw):
                wrong.append(1)

    for _ in range(5):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
