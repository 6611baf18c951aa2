"""Bounded decoding: bombs, headers that lie and indexes that point anywhere take little memory and are errors.

What is measured is the process: libraries allocate where no Python tool sees it.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import importlib.util
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numcodecs
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr import errors
from lazyzarr.errors import ChunkDecodeError, LazyzarrError
from lazyzarr.format.codecs.chain import CodecChain, build_chain
from lazyzarr.storage import MemoryStore

MIB = 2**20
NBYTES = 8 * MIB  # of a chunk
ROOM = 3 * NBYTES
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
STATUS = Path("/proc/self/status")


def _status(field: str) -> int:
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


@contextlib.contextmanager
def little_memory(room: int = ROOM) -> Iterator[None]:
    """The process takes no more than so many bytes inside, at any time."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("this system does not tell how much memory a process took at most")
    before = _status("VmRSS:")
    yield
    assert _status("VmHWM:") - before < room


def named(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration}


def zeros(pack: Callable[[bytes], Any], nbytes: int = 8 * NBYTES) -> bytes:
    return bytes(pack(bytes(nbytes)))


def zfp_bomb(raw: bytes) -> bytes:
    """A header of an enormous array before the bits of a small one."""
    stored = bytearray(
        numcodecs.get_codec({"id": "zfpy", "mode": 4, "tolerance": 0.0}).encode(np.zeros(100, "f4"))
    )
    stored[4:11] = (int.from_bytes(stored[4:11], "little") | (2**26 - 1) << 4).to_bytes(7, "little")
    return bytes(stored)


def pcodec_bomb(raw: bytes) -> bytes:
    return numcodecs.get_codec({"id": "pcodec", "level": 1}).encode(np.frombuffer(raw, "f4"))


def unsized_zstd(raw: bytes) -> bytes:
    """A frame that does not say its size: of blocks that repeat one byte."""
    block = (MIB // 8 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = bytes([block[0] | 1]) + block[1:]
    return b"\x28\xb5\x2f\xfd" + b"\x00\x58" + block * (8 * len(raw) // MIB - 1) + last


BOMBS: dict[str, Callable[[bytes], Any]] = {
    "gzip": lambda raw: gzip.compress(raw, 1),
    "zlib": lambda raw: zlib.compress(raw, 1),
    "bz2": bz2.compress,
    "lzma": lambda raw: lzma.compress(raw, preset=0),
    "zstd": lambda raw: numcodecs.Zstd(1).encode(raw),
    "zstd of unknown size": unsized_zstd,
    "blosc": lambda raw: numcodecs.Blosc("zstd", 1).encode(raw),
    "lz4": lambda raw: numcodecs.LZ4().encode(raw),
    "pcodec": pcodec_bomb,
    "zfpy": zfp_bomb,
}
MEMBERS = {"zfpy": {"mode": 4, "tolerance": 0.0}, "blosc": {"cname": "zstd"}}


@pytest.fixture(scope="module")
def bombs() -> dict[str, bytes]:
    """What each codec makes of eight chunks of zeros."""
    made = {}
    for name, pack in BOMBS.items():
        needed = {"zfpy": "zfpy", "pcodec": "pcodec"}.get(name)
        if needed is None or importlib.util.find_spec(needed):
            made[name] = zeros(pack)
    return made


def chains(name: str) -> dict[str, list[Any]]:
    """Where a codec can stand."""
    id = name.split()[0]
    members = MEMBERS.get(id, {})
    v2 = {"id": id, **members}
    found = {
        "v2 compressor": [BYTES, {"name": "v2.compressor", "configuration": v2}],
        "v2 filter": [named("v2.filters", filters=[v2])],
        "v2 filters": [named("v2.filters", filters=[{"id": "shuffle", "elementsize": 4}, v2])],
    }
    if id in ("pcodec", "zfpy"):
        found["v3"] = [named(f"numcodecs.{id}", **members)]
        found["v3, then another"] = [named(f"numcodecs.{id}", **members), "gzip"]
        return found
    v3 = named(f"numcodecs.{id}", **members)
    found |= {
        "v3": [BYTES, v3],
        "behind another dtype": [named("cast_value", data_type="int32"), BYTES, v3],
        "twice": [BYTES, v3, v3],
        "before a checksum": [BYTES, v3, "crc32c"],
        "after a checksum": [BYTES, "crc32c", v3],
        "after bits": ["packbits", v3],
    }
    if id in ("gzip", "zstd", "blosc"):
        found["v3 by its own name"] = [
            BYTES,
            named(id, **({"typesize": 4, **members} if id == "blosc" else {})),
        ]
    return found


CASES = [(name, place) for name in BOMBS for place in chains(name)]


def stored_by(place: str, bomb: bytes) -> bytes:
    """A bomb, where other codecs stand around it."""
    if place == "before a checksum":
        return bomb + google_crc32c.value(bomb).to_bytes(4, "little")
    return gzip.compress(bomb, 1) if place == "v3, then another" else bomb


@pytest.mark.parametrize(("name", "place"), CASES)
def test_bombs(bombs: dict[str, bytes], name: str, place: str) -> None:
    if name not in bombs:
        pytest.skip(f"the package of {name} is not installed")
    raw = stored_by(place, bombs[name])
    chain = build_chain(chains(name)[place], (NBYTES // 4,), np.dtype("f4"), np.float32(0))
    with little_memory():
        out = np.empty(NBYTES // 4, "f4")
        with pytest.raises(ChunkDecodeError):
            chain.decode_into(raw, out)


@pytest.mark.parametrize("nbytes", [0, 1, 1000, 300_000])
def test_frames_that_do_not_say_their_size(nbytes: int) -> None:
    """Streaming writers do not know it; behind another compressor only a bound is known."""
    zstandard = pytest.importorskip("zstandard")
    data = np.random.default_rng(0).integers(0, 4, nbytes).astype("u1")
    unsized = zstandard.ZstdCompressor(write_content_size=False)
    two = [data[: nbytes // 3].tobytes(), data[nbytes // 3 :].tobytes()]
    for middle in (gzip.compress(data.tobytes()), gzip.compress(two[0]) + gzip.compress(two[1])):
        stored = unsized.compress(middle[:20]) + unsized.compress(middle[20:])
        chain = build_chain(["bytes", "gzip", "zstd"], (nbytes,), np.dtype("u1"), np.uint8(0))
        out = np.empty(nbytes, "u1")
        chain.decode_into(stored, out)
        assert (out == data).all()
    with pytest.raises(ChunkDecodeError, match="zstd frames of"):
        chain.decode_into(unsized.compress(bytes(2 * nbytes + 500_000)), out)
    with pytest.raises(ChunkDecodeError, match="zstd"):
        chain.decode_into(stored[:-2], out)


def test_a_bomb_among_inner_chunks(bombs: dict[str, bytes]) -> None:
    inner = named("sharding_indexed", chunk_shape=[NBYTES // 8], codecs=[BYTES, "gzip"])
    outer = named("sharding_indexed", chunk_shape=[NBYTES // 4], codecs=[inner])
    chain = build_chain([outer], (NBYTES // 4,), np.dtype("f4"), np.float32(0))
    bomb, absent = bombs["gzip"], 2**64 - 1
    index = np.array([0, len(bomb), absent, absent], "<u8").tobytes()
    shard = bomb + index + google_crc32c.value(index).to_bytes(4, "little")
    index = np.array([0, len(shard)], "<u8").tobytes()
    raw = shard + index + google_crc32c.value(index).to_bytes(4, "little")
    with little_memory(), pytest.raises(ChunkDecodeError):
        chain.decode_into(raw, np.empty(NBYTES // 4, "f4"))


def blosc_chain() -> tuple[CodecChain, bytes, np.ndarray]:
    data = np.cumsum(np.ones(NBYTES // 4, "i4"))
    data = data.astype("i4")
    chain = build_chain([BYTES, named("blosc", typesize=4, cname="lz4")], data.shape, data.dtype, np.int32(0))
    return chain, b"".join(map(bytes, chain.encode(data))), data


@pytest.mark.parametrize("field", [4, 8, 12])  # nbytes, blocksize, cbytes
@pytest.mark.parametrize("value", [0, 1, 15, 16, 4096, NBYTES - 1, NBYTES + 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_blosc_headers_that_lie(field: int, value: int) -> None:
    chain, raw, data = blosc_chain()
    lying = raw[:field] + value.to_bytes(4, "little") + raw[field + 4 :]
    with little_memory():
        out = np.empty(data.shape, "i4")
        with pytest.raises(ChunkDecodeError):
            chain.decode_into(lying, out)


@pytest.mark.parametrize("cut", [0, 1, 15, 16, 17, 1000])
def test_blosc_buffers_that_end_early(cut: int) -> None:
    chain, raw, data = blosc_chain()
    for stored in (raw[:cut], raw[:12] + cut.to_bytes(4, "little") + raw[16:cut]):
        with pytest.raises(ChunkDecodeError):
            chain.decode_into(stored, np.empty(data.shape, "i4"))


CORRUPTED: dict[str, list[Any]] = {
    "blosc-" + cname: [BYTES, named("blosc", typesize=4, cname=cname, shuffle=shuffle, blocksize=block)]
    for cname, shuffle, block in [
        ("lz4", "shuffle", 256),
        ("blosclz", "bitshuffle", 0),
        ("zstd", "noshuffle", 256),
        ("zlib", "shuffle", 0),
    ]
} | {
    "zstd": [BYTES, "zstd"],
    "gzip": [BYTES, "gzip"],
    "lz4": [BYTES, "numcodecs.lz4"],
    "lzma": [BYTES, "numcodecs.lzma"],
    "bz2": [BYTES, "numcodecs.bz2"],
    "base64": [BYTES, "numcodecs.base64"],
    "packbits": [named("packbits", padding_encoding="last_byte"), "gzip"],
    "pcodec": ["numcodecs.pcodec"],
    "zfpy": [named("numcodecs.zfpy", mode=4, tolerance=0.1)],
    "shards": [named("sharding_indexed", chunk_shape=[500], codecs=[BYTES, "zstd"], index_location="start")],
}


@pytest.mark.parametrize("name", CORRUPTED)
def test_flipped_bits_give_our_error_or_elements(name: str) -> None:
    if name in ("pcodec", "zfpy"):
        pytest.importorskip(name)
    rng = np.random.default_rng(11)
    data = np.cumsum(rng.integers(0, 5, 5000)).astype("f4")
    chain = build_chain(CORRUPTED[name], data.shape, data.dtype, np.float32(0))
    raw = b"".join(map(bytes, chain.encode(data)))
    out = np.empty(data.shape, "f4")
    failed = 0
    with little_memory(32 * MIB):
        for _ in range(150):
            damaged = bytearray(raw)
            for _ in range(rng.integers(1, 4)):
                head = rng.random() < 0.6
                damaged[rng.integers(0, min(len(raw), 64) if head else len(raw))] = rng.integers(0, 256)
            if rng.random() < 0.1:
                del damaged[rng.integers(0, len(raw)) :]
            try:
                chain.decode_into(bytes(damaged), out)
            except ChunkDecodeError:
                failed += 1
    assert failed


WILD = [0, 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 2, 2**64 - 1, 10**12]


def test_wild_indexes_of_an_array() -> None:
    """Read and written in parts, eagerly and lazily: our error, or elements; where all is as it was, the right ones."""
    data = np.arange(4096, dtype="i4").reshape(64, 64)
    store = MemoryStore()
    lz.create_array(store, shape=(64, 64), chunks=(8, 8), shards=(64, 64), dtype="i4")[...] = data
    raw, rng = bytes(store.get("c/0/0")), np.random.default_rng(5)
    nbytes = 64 * 16 + 4
    entries = np.frombuffer(raw[-nbytes:-4], "<u8")
    wild = [*WILD, len(raw) - 1, len(raw), len(raw) + 1]
    failed = 0
    with little_memory(16 * MIB):
        for turn in range(120):
            changed = entries.copy()
            changed[rng.integers(0, 128)] = wild[turn % len(wild)]
            if turn % 2:
                changed[rng.integers(0, 128)] = changed[rng.integers(0, 128)]
            index = changed.tobytes()
            store.set("c/0/0", raw[:-nbytes] + index + google_crc32c.value(index).to_bytes(4, "little"))
            array = lz.open_array(store, mode="r+")
            where = [np.s_[:, :], np.s_[0:3, 5:60], np.s_[::9, ::7], np.s_[33, 2]][turn % 4]
            try:
                array[where]
                array[1:3, 1:3] = 5
            except LazyzarrError:
                failed += 1
            if turn % 20 == 0:
                with contextlib.suppress(LazyzarrError):
                    lz.from_zarr(array).sum().compute()
    assert failed
    index = entries.copy()
    index[1] = 0  # an inner chunk of nothing
    store.set(
        "c/0/0", raw[:-nbytes] + index.tobytes() + google_crc32c.value(index.tobytes()).to_bytes(4, "little")
    )
    with pytest.raises(ChunkDecodeError, match="impossible length"):
        lz.open_array(store)[...]


def test_an_index_that_no_memory_holds() -> None:
    """Metadata of a small file may ask for an index of terabytes."""
    store = MemoryStore()
    array = lz.create_array(store, shape=(64, 64), chunks=(32, 32), shards=(64, 64), dtype="u1")
    array[...] = 1
    document = json.loads(bytes(store.get("zarr.json")))
    document["shape"] = document["chunk_grid"]["configuration"]["chunk_shape"] = [2**24, 2**24]
    document["codecs"][0]["configuration"]["chunk_shape"] = [1, 1]
    store.set("zarr.json", json.dumps(document).encode())
    with little_memory(4 * MIB):
        for touch in (lambda z: z[:2, :2], lambda z: z[5, 5], lambda z: z.__setitem__((0, 0), 1)):
            with pytest.raises(LazyzarrError):
                touch(lz.open_array(store))


@pytest.mark.parametrize(
    "codec", ["numcodecs.astype", "numcodecs.delta", "numcodecs.packbits", "numcodecs.base64"]
)
def test_stored_sizes_that_the_codecs_exclude(codec: str) -> None:
    dtype = np.dtype("?" if "packbits" in codec else "i4")
    members = {"numcodecs.astype": {"encode_dtype": "i1", "decode_dtype": "<i4"}}.get(codec, {})
    before = [] if "base64" in codec else [named(codec, **members)]
    chain = build_chain([*before, BYTES, *([] if before else [codec])], (100,), dtype, dtype.type(0))
    raw = b"".join(map(bytes, chain.encode(np.ones(100, dtype))))
    for wrong in (raw[:-1], raw + b"\0", b"", raw * 50):
        with pytest.raises(ChunkDecodeError):
            chain.decode_into(wrong, np.empty(100, dtype))


def test_checksums_may_be_passed_over() -> None:
    """Where old writers left wrong ones, what is stored can be read all the same."""
    for codec in ("crc32c", *(f"numcodecs.{name}" for name in ("crc32", "crc32c", "adler32", "fletcher32"))):
        store = MemoryStore()
        array = lz.create_array(store, shape=6, chunks=6, dtype="i4", compressors=[codec])
        array[...] = np.arange(6)
        raw = bytearray(bytes(store.get("c/0")))
        first = codec in ("numcodecs.crc32", "numcodecs.adler32")
        raw[1 if first else -1] ^= 1
        store.set("c/0", bytes(raw))
        with pytest.raises(ChunkDecodeError):
            lz.open_array(store)[...]
        with lz.config.set({"array.verify_checksums": False}):
            assert lz.open_array(store)[...].tolist() == [0, 1, 2, 3, 4, 5]


def test_checksums_of_v2_and_of_shards_may_be_passed_over() -> None:
    v2 = lz.create_array(
        MemoryStore(), shape=6, chunks=6, dtype="i4", zarr_format=2, filters=[numcodecs.Adler32()]
    )
    v2[...] = 7
    array = lz.create_array(MemoryStore(), shape=6, chunks=3, shards=6, dtype="i4")
    array[...] = 7
    for store, key in ((v2.store, "0"), (array.store, "c/0")):
        raw = bytearray(bytes(store.get(key)))
        if key == "c/0":
            raw[-1] ^= 1
        else:
            inner = bytearray(numcodecs.Zstd().decode(bytes(raw)))
            inner[0] ^= 1
            raw = bytearray(numcodecs.Zstd().encode(bytes(inner)))
        store.set(key, bytes(raw))
        with pytest.raises(ChunkDecodeError):
            lz.open_array(store)[...]
        with lz.config.set({"array.verify_checksums": False}):
            assert (lz.open_array(store)[...] == 7).all()


def test_a_codec_that_needs_another_package_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(numcodecs.registry.codec_registry, "pcodec", raising=False)
    with pytest.raises(errors.UnknownCodecError, match=r"pip install 'lazyzarr\[codecs\]'"):
        build_chain(["numcodecs.pcodec"], (4,), np.dtype("f4"), np.float32(0))
