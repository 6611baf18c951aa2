"""Codecs that change elements: cast_value, scale_offset, bitround, reshape, packbits; alone and in chains.

Oracles are zarr-python (with cast-value-rs), the registry's sample data, ml_dtypes and NumPy's packbits.
"""

from __future__ import annotations

import importlib.util
import itertools
from typing import Any

import numcodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.codecs import (
    BitRound,
    BytesCodec,
    CastValue,
    PackBits,
    Reshape,
    ScaleOffset,
    ShardingCodec,
    TransposeCodec,
)
from lazyzarr.errors import ChunkDecodeError, ChunkEncodeError, MetadataValidationError
from lazyzarr.format.codecs.casting import ROUNDINGS, CastError, cast
from lazyzarr.format.codecs.chain import build_chain
from lazyzarr.format.codecs.numbers import numbers_of
from lazyzarr.format.codecs.protocol import ArrayArrayCodec, ArrayBytesCodec
from lazyzarr.format.codecs.registry import codec_of
from lazyzarr.storage import MemoryStore

INTEGERS = "i1 i2 i4 i8 u1 u2 u4 u8".split()
FLOATS = "f2 f4 f8".split()


def through(codecs: list[Any], data: np.ndarray, fill: Any = 0) -> tuple[bytes, np.ndarray]:
    """The stored bytes of a chunk, and what comes back of them into an array of another layout."""
    chain = build_chain(codecs, data.shape, data.dtype, fill)
    stored = b"".join(map(bytes, chain.encode(data)))
    out = np.empty(data.shape, data.dtype, order="F")
    chain.decode_into(stored, out)
    return stored, out


def edges(dtype: str) -> np.ndarray:
    """Numbers at which casts differ: ends of ranges, powers of two and their neighbours, ties, random bits."""
    kind, rng = np.dtype(dtype), np.random.default_rng(3)
    noise = rng.integers(0, 256, 60 * kind.itemsize, dtype="u1").view(kind)
    if kind.kind == "f":
        some = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, 127.5, 128, 255.5, -128.5, 32767.5]
        some += [65504, 65519, 65520, 65536, 2.0**31 - 0.5, 2.0**32, 2.0**63, 2.0**64, -(2.0**63), 3.5e38]
        some += [1e-40, -1e-46, 6e-8, 2.0**-25, np.inf, -np.inf, np.nan]
        with np.errstate(all="ignore"):
            return np.concatenate([noise, np.array(some).astype(kind)])
    info = np.iinfo(kind)
    powers = [2**k + d for k in range(1, 64) for d in (-1, 0, 1, 2 ** (k // 2))]
    some = [info.min, info.max, info.max - 1, 0, *powers, *(-n for n in powers)]
    return np.concatenate([noise, np.array([n for n in some if info.min <= n <= info.max], kind)])


@pytest.mark.peer
@pytest.mark.parametrize("target", INTEGERS + FLOATS)
@pytest.mark.parametrize("source", INTEGERS + FLOATS)
def test_casts_are_those_of_cast_value_rs(source: str, target: str) -> None:
    peer = pytest.importorskip("cast_value_rs", reason="zarr-python's casts are not installed")
    ours, theirs = numbers_of(np.dtype(source)), numbers_of(np.dtype(target))
    assert ours is not None
    assert theirs is not None
    numbers = edges(source)
    for rounding, beyond in itertools.product(ROUNDINGS, (None, "clamp", "wrap")):
        if beyond == "wrap" and target in FLOATS:
            continue
        for i in range(0, numbers.size, 5 if beyond else 3):
            part = numbers[i : i + 1]
            try:
                expected = peer.cast_array(
                    part, target_dtype=np.dtype(target), rounding_mode=rounding, out_of_range_mode=beyond
                )
            except ValueError:
                with pytest.raises(CastError):
                    cast(part, ours, theirs, rounding, beyond)
                continue
            got = cast(part, ours, theirs, rounding, beyond)
            assert got.dtype == expected.dtype
            nans = np.isnan(got) & np.isnan(expected) if target in FLOATS else False
            assert got.tobytes() == expected.tobytes() or np.all(nans), (part, rounding, beyond)


SMALL = "bfloat16 float8_e3m4 float8_e4m3b11fnuz float8_e5m2 float6_e2m3fn float6_e3m2fn float4_e2m1fn"


@pytest.mark.parametrize("name", SMALL.split())
def test_casts_to_small_floats_are_those_of_ml_dtypes(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype, rng = np.dtype(getattr(ml_dtypes, name)), np.random.default_rng(0)
    f8, small = numbers_of(np.dtype("f8")), numbers_of(dtype)
    assert f8 is not None
    assert small is not None
    most = small.values[-1]  # type: ignore[union-attr]
    numbers = rng.normal(size=2000) * 10.0 ** rng.integers(-6, 3, 2000)
    numbers = numbers[np.abs(numbers) <= most]
    assert (
        cast(numbers, f8, small, "nearest-even", None).astype(float) == numbers.astype(dtype).astype(float)
    ).all()
    with pytest.raises(CastError):
        cast(np.array([most * 2]), f8, small, "nearest-even", None)


def test_casts_to_integers_of_less_than_a_byte() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    int4, i8 = numbers_of(np.dtype(ml_dtypes.int4)), numbers_of(np.dtype("i8"))
    assert int4 is not None
    assert i8 is not None
    assert cast(np.array([-8, 7, 9, -9]), i8, int4, "nearest-even", "wrap").astype("i1").tolist() == [
        -8,
        7,
        -7,
        7,
    ]
    stored = cast(np.array([-8, 7, -1]), i8, int4, "nearest-even", None)
    assert stored.tobytes() == np.array([-8, 7, -1]).astype(int4.dtype).tobytes()
    assert cast(np.array([-80, 80]), i8, int4, "nearest-even", "clamp").astype("i1").tolist() == [-8, 7]
    with pytest.raises(CastError):
        cast(np.array([8]), i8, int4, "nearest-even", None)


MAP = {"encode": [["NaN", 0]], "decode": [[0, "NaN"]]}


def test_the_registrys_example_of_scale_offset_and_cast_value() -> None:
    data = np.array([[0.0, 2540.0, np.nan]])
    codecs = [ScaleOffset(offset=-10, scale=0.1), CastValue(data_type="uint8", scalar_map=MAP), "bytes"]
    stored, out = through(codecs, data, np.nan)
    assert stored == bytes([1, 255, 0])
    assert np.array_equal(out, data, equal_nan=True)


def test_of_two_equal_keys_of_a_map_the_first_counts() -> None:
    codec = CastValue(data_type="uint8", scalar_map={"encode": [[1.0, 7], [1.0, 8]], "decode": [[7, 1.0]]})
    assert through([codec, "bytes"], np.array([1.0, 3.0]))[0] == bytes([7, 3])


@pytest.mark.parametrize(
    ("codec", "fill"),
    [
        (CastValue(data_type="uint8"), -1),  # has no place there
        (CastValue(data_type="uint8"), 0.5),  # would come back as 0
        (CastValue(data_type="uint8"), np.nan),
        (CastValue(data_type="float32"), 1e300),
        (ScaleOffset(offset=-1e308, scale=10), 1e308),
    ],
)
def test_a_fill_value_that_does_not_pass_is_refused(codec: Any, fill: Any) -> None:
    with pytest.raises(MetadataValidationError, match="fill value"):
        build_chain([codec, BytesCodec()], (4,), np.dtype("f8"), np.float64(fill))
    with pytest.raises(MetadataValidationError, match="fill value"):
        lz.create_array(MemoryStore(), shape=8, chunks=4, dtype="f8", fill_value=fill, filters=[codec])


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"data_type": "string"},
        {"data_type": "complex64"},
        {"data_type": "bool"},
        {"data_type": "uint8", "rounding": "up"},
        {"data_type": "uint8", "out_of_range": "wrong"},
        {"data_type": "float32", "out_of_range": "wrap"},
        {"data_type": "uint8", "scalar_map": {"both": []}},
        {"data_type": "uint8", "scalar_map": {"encode": [[1]]}},
        {"data_type": "uint8", "scalar_map": {"encode": [["x", 1]]}},
        {"data_type": "uint8", "scalar_map": {"encode": [[1, 256]]}},
        {"data_type": "uint8", "new_member": 1},
    ],
)
def test_wrong_casts_are_refused(configuration: dict[str, Any]) -> None:
    with pytest.raises(MetadataValidationError):
        build_chain(
            [{"name": "cast_value", "configuration": configuration}, "bytes"],
            (4,),
            np.dtype("f8"),
            np.float64(0),
        )


def test_elements_without_a_rule_are_errors_of_the_chunk() -> None:
    chain = build_chain([CastValue(data_type="int8"), "bytes"], (2,), np.dtype("i4"), np.int32(0))
    with pytest.raises(ChunkEncodeError, match="300 is beyond int8"):
        chain.encode(np.array([1, 300], "i4"))
    chain = build_chain([CastValue(data_type="int16"), BytesCodec()], (1,), np.dtype("i1"), np.int8(0))
    with pytest.raises(ChunkDecodeError, match="300 is beyond int8"):
        chain.decode_into(np.array([300], "<i2").tobytes(), np.empty(1, "i1"))


@pytest.mark.parametrize("dtype", INTEGERS)
@given(data=st.data())
@settings(max_examples=40)
def test_integers_are_scaled_exactly_or_not_at_all(dtype: str, data: st.DataObject) -> None:
    info = np.iinfo(dtype)
    number = st.integers(int(info.min), int(info.max)) | st.integers(0, 3)
    values = data.draw(st.lists(number, min_size=1, max_size=4))
    offset, scale = data.draw(number), data.draw(number.filter(bool))
    array = np.array(values, dtype)
    codecs = [ScaleOffset(offset=offset, scale=scale), BytesCodec()]

    def fits(*numbers: int) -> bool:
        return all(info.min <= n <= info.max for n in numbers)

    if not all(fits(n - offset, (n - offset) * scale) for n in [*values, offset]):
        with pytest.raises(ChunkEncodeError):
            through(codecs, array, np.array(offset, dtype))
        return
    stored, out = through(codecs, array, np.array(offset, dtype))
    assert np.frombuffer(stored, np.dtype(dtype).newbyteorder("<")).tolist() == [
        (n - offset) * scale for n in values
    ]
    assert (out == array).all()


def test_what_no_scaling_gives_is_damage() -> None:
    chain = build_chain([ScaleOffset(offset=100, scale=3), "bytes"], (1,), np.dtype("u1"), np.uint8(100))
    for stored in (b"\x01", b"\xff"):  # no multiple; 85 + 100 fits, so only the first is wrong
        out = np.empty(1, "u1")
        if stored == b"\x01":
            with pytest.raises(ChunkDecodeError, match="no multiple of 3"):
                chain.decode_into(stored, out)
        else:
            chain.decode_into(stored, out)
            assert out[0] == 185
    chain = build_chain([ScaleOffset(offset=200), "bytes"], (1,), np.dtype("u1"), np.uint8(200))
    with pytest.raises(ChunkDecodeError, match="256 is no uint8"):
        chain.decode_into(bytes([56]), np.empty(1, "u1"))
    floats = build_chain([ScaleOffset(scale=10), BytesCodec()], (1,), np.dtype("f4"), np.float32(0))
    with pytest.raises(ChunkEncodeError, match="become infinite"):
        floats.encode(np.array([3e38], "f4"))
    turned = build_chain([ScaleOffset(offset=-100, scale=-1), "bytes"], (1,), np.dtype("i1"), np.int8(0))
    with pytest.raises(ChunkEncodeError, match="28 becomes 128"):  # if -128 in the end
        turned.encode(np.array([28], "i1"))
    with pytest.raises(MetadataValidationError, match="nothing can be divided"):
        build_chain([ScaleOffset(scale=0), "bytes"], (1,), np.dtype("u1"), np.uint8(0))


# The registry's sample data, codecs/bitround/sample_data.
ROUNDED = {
    "f4": (
        [0.0, 0.1, 1.2, 12.3, 123.4, 1234.5, np.nan, np.inf, -np.inf],
        "00000000 0000d03d 0000a03f 00004041 0000f042 0000a044 0000c07f 0000807f 000080ff",
    ),
    "u1": ([0, 1, 10, 11, 100, 123, 200, 208, 209, 255], "00 01 0a 0c 60 80 c0 c0 e0 e0"),
}


@pytest.mark.parametrize("dtype", ROUNDED)
def test_the_registrys_samples_of_bitround(dtype: str) -> None:
    values, stored = ROUNDED[dtype]
    codecs = [BitRound(keepbits=3), BytesCodec()]
    assert through(codecs, np.array(values, dtype))[0] == bytes.fromhex(stored)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("keepbits", [1, 5, 10])
def test_floats_are_rounded_as_by_numcodecs(dtype: str, keepbits: int) -> None:
    data = np.random.default_rng(0).normal(size=500).astype(dtype)
    expected = numcodecs.BitRound(keepbits).encode(data).tobytes()
    assert through([BitRound(keepbits=keepbits), BytesCodec()], data)[0] == expected


def test_what_else_is_rounded() -> None:
    integers = np.array([-1, -11, -128, -127, 127, 11], "i1")
    assert through([BitRound(keepbits=3), "bytes"], integers)[1].tolist() == [-1, -12, -128, -128, 112, 12]
    nan = np.array([0x7FFFFFFF], "u4").view("f4")  # rounded it would be -0.0
    assert through([BitRound(keepbits=3), BytesCodec()], nan)[1].tobytes() == nan.tobytes()
    times = np.array([1001, "NaT"], "M8[s]")
    assert through([BitRound(keepbits=4), BytesCodec()], times, times[1])[1].astype("i8").tolist()[0] == 1024
    pair = np.array([1.2 + 123.4j], "c8")
    assert through([BitRound(keepbits=3), BytesCodec()], pair)[1].tolist() == [1.25 + 120j]
    with pytest.raises(MetadataValidationError):
        BitRound(keepbits=0)
    with pytest.raises(MetadataValidationError):
        build_chain([BitRound(keepbits=3), "bytes"], (1,), np.dtype("S3"), np.bytes_(b""))


@pytest.mark.parametrize(
    ("shape", "chunk", "stored"),
    [
        ([[0, 1], [2], 3], (4, 5, 6, 3), (20, 6, 3)),
        ([[0, 1], 10, -1], (4, 5, 20), (20, 10, 2)),
        ([-1], (4, 5), (20,)),
        ([-1], (), (1,)),
        ([1, [0], 1], (7,), (1, 7, 1)),
        ([[], [0]], (7,), (1, 7)),
        ([10, 2], (4, 5), (10, 2)),
    ],
)
def test_shapes(shape: list[Any], chunk: tuple[int, ...], stored: tuple[int, ...]) -> None:
    codec = Reshape(shape=shape)
    assert codec.lengths(chunk) == stored
    assert Reshape.from_config(codec.configuration()) == codec


@pytest.mark.parametrize(
    ("shape", "chunk"),
    [
        ([[1], [0]], (4, 5)),
        ([[1, 0]], (4, 5)),
        ([[0], [0]], (4, 5)),
        ([-1, -1], (4, 5)),
        ([3, -1], (4, 5)),
        ([0], (4, 5)),
        ([[2]], (4, 5)),
        ([[1], 4], (4, 5)),  # axis 1 is not the first
        ([[0], 2], (4, 5)),
        ([True, 20], (4, 5)),
        ("20", (4, 5)),
        (20, (4, 5)),
    ],
)
def test_shapes_that_do_not_fit(shape: Any, chunk: tuple[int, ...]) -> None:
    with pytest.raises(MetadataValidationError):
        Reshape(shape=shape).lengths(chunk)


@pytest.mark.parametrize("shape", [[[1], [0]], [[1, 0]], [[0], [0]], [-1, -1], [0], [True], "20", 20, [None]])
def test_shapes_that_fit_nothing(shape: Any) -> None:
    with pytest.raises(MetadataValidationError):
        Reshape(shape=shape)


def test_packed_booleans_begin_with_the_lowest_bit() -> None:
    data = np.random.default_rng(0).random((3, 7)) < 0.5
    expected = np.packbits(data.reshape(-1), bitorder="little").tobytes()
    for padding, stored in [
        ("none", expected),
        ("first_byte", b"\x03" + expected),
        ("last_byte", expected + b"\x03"),
    ]:
        got, out = through([PackBits(padding_encoding=padding)], data)  # type: ignore[arg-type]
        assert got == stored
        assert (out == data).all()


def test_packed_bits_of_an_example() -> None:
    # 5 = 101, 3 = 011, 6 = 110, lowest bits first: 101 110 01|1
    stored, out = through([PackBits(last_bit=2)], np.array([5, 3, 6], "u2"))
    assert stored == bytes([0b10011101, 0b1])
    assert out.tolist() == [5, 3, 6]


@pytest.mark.parametrize("dtype", "i1 i2 i4 i8 u1 u2 u4 u8".split())
@given(data=st.data())
@settings(max_examples=40)
def test_packed_bits_of_integers(dtype: str, data: st.DataObject) -> None:
    width = 8 * np.dtype(dtype).itemsize
    first = data.draw(st.integers(0, width - 1))
    last = data.draw(st.integers(first, width - 1))
    count = data.draw(st.integers(1, 40))
    raw = np.random.default_rng(count).integers(0, 256, count * width // 8, dtype="u1").view(dtype)
    stored, out = through([PackBits(first_bit=first, last_bit=last)], raw)
    assert len(stored) == -(-count * (last - first + 1) // 8)
    for number, back in zip(raw.tolist(), out.tolist(), strict=True):
        kept = (number >> first) & ((1 << last - first + 1) - 1)
        if dtype[0] == "i" and kept >> (last - first):
            kept -= 1 << (last - first + 1)
        assert back == kept << first


def test_packed_bits_of_many_elements_and_other_types() -> None:
    many = np.arange(50_000, dtype="i4").reshape(100, 500)
    assert (through([PackBits(last_bit=16), "zstd"], many)[1] == many).all()
    for dtype in ("f2", "f4", "f8", "c8", "c16"):
        data = np.random.default_rng(0).normal(size=9).astype(dtype)
        stored, out = through([PackBits()], data)
        assert stored == data.tobytes()
        assert out.tobytes() == stored
    ml_dtypes = pytest.importorskip("ml_dtypes")
    for name, bits in [
        ("int4", 4),
        ("uint2", 2),
        ("float4_e2m1fn", 4),
        ("float6_e2m3fn", 6),
        ("bfloat16", 16),
    ]:
        dtype = np.dtype(getattr(ml_dtypes, name))
        numbers = np.array([0, 1, 2, 3, 1], "f4").astype(dtype)
        stored, out = through([PackBits()], numbers, np.zeros((), dtype))
        assert len(stored) == -(-5 * bits // 8)
        assert out.astype("f4").tolist() == [0, 1, 2, 3, 1]


@pytest.mark.parametrize(
    "configuration",
    [
        {"padding_encoding": "both"},
        {"first_bit": -1},
        {"first_bit": 9, "last_bit": 8},
        {"last_bit": 16},
        {"first_bit": "0"},
        {"bits": 3},
    ],
)
def test_wrong_bits_are_refused(configuration: dict[str, Any]) -> None:
    with pytest.raises(MetadataValidationError):
        build_chain(
            [{"name": "packbits", "configuration": configuration}], (4,), np.dtype("u2"), np.uint16(0)
        )


def test_packed_bits_that_are_damaged() -> None:
    chain = build_chain([PackBits(padding_encoding="first_byte")], (3,), np.dtype("?"), np.bool_(False))
    for wrong in (b"", b"\x05", b"\x04\x01", b"\x05\x01\x00"):
        with pytest.raises(ChunkDecodeError):
            chain.decode_into(wrong, np.empty(3, "?"))
    registered = {"padding_encoding": "start_byte", "start_bit": 0, "end_bit": None}  # its schema's spelling
    assert PackBits.from_config(registered) == PackBits(padding_encoding="first_byte", first_bit=0)


# Chains: what each codec gives is what the next one gets, its fill value too.
CHAINS: dict[str, list[Any]] = {
    "cast and shards": [
        CastValue(data_type="int16"),
        ShardingCodec(chunk_shape=(2, 3, 2), codecs=(BytesCodec(endian="big"), "zstd")),
    ],
    "a 3-cycle, then another shape, then shards": [
        TransposeCodec(order=(2, 0, 1)),
        Reshape(shape=[[0], [1, 2]]),
        ShardingCodec(chunk_shape=(2, 6), codecs=(TransposeCodec(order=(1, 0)), BytesCodec(), "crc32c")),
        "crc32c",
    ],
    "shards of shards of scaled casts": [
        ShardingCodec(
            chunk_shape=(4, 3, 4),
            codecs=(
                TransposeCodec(order=(1, 2, 0)),
                ShardingCodec(
                    chunk_shape=(3, 2, 2),
                    codecs=(
                        ScaleOffset(offset=5, scale=2),
                        CastValue(data_type="float64"),
                        TransposeCodec(order=(2, 0, 1)),
                        BytesCodec(),
                        "gzip",
                    ),
                    index_location="start",
                ),
            ),
        )
    ],
    "packed": [Reshape(shape=[-1]), PackBits(last_bit=20), "gzip", "crc32c"],
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("fill", [0, 5, 7])
def test_chains(name: str, fill: int) -> None:
    data = np.arange(8 * 6 * 4, dtype="i4").reshape(8, 6, 4) % 50
    data[:4] = fill
    data[6:, 3:] = fill
    assert (through(CHAINS[name], data, np.int32(fill))[1] == data).all()


def test_each_codec_gets_the_shape_that_the_one_before_gives() -> None:
    data = np.arange(8 * 6 * 4, dtype="i4").reshape(8, 6, 4)
    codecs = [
        TransposeCodec(order=(2, 0, 1)),
        Reshape(shape=[[0], [1, 2]]),
        TransposeCodec(order=(1, 0)),
        BytesCodec(),
    ]
    expected = data.transpose(2, 0, 1).reshape(4, 48).T.astype("<i4").tobytes()
    assert through(codecs, data)[0] == expected


def test_each_codec_gets_the_fill_value_that_the_one_before_gives() -> None:
    """Inner chunks of what the fill value becomes are not stored, and read as it again."""
    shard = ShardingCodec(chunk_shape=(2, 3), codecs=(BytesCodec(),))
    codecs = [ScaleOffset(offset=1000, scale=2), CastValue(data_type="uint8"), shard]
    stored, out = through(codecs, np.full((4, 6), 1010.0), 1010.0)
    assert len(stored) == 4 * 16 + 4
    assert (out == 1010).all()
    stored, out = through(codecs, np.full((4, 6), 1000.0), 1010.0)  # 0 is the fill value of nothing
    assert len(stored) == 4 * 16 + 4 + 24
    assert (out == 1000).all()


@pytest.mark.parametrize(
    "codec",
    [
        CastValue(data_type="int16"),
        ScaleOffset(offset=2),
        BitRound(keepbits=9),
        Reshape(shape=[1]),
        TransposeCodec(order=()),
    ],
)
def test_chunks_without_axes(codec: Any) -> None:
    assert through([codec, BytesCodec()], np.array(300, "i4"), np.int32(5))[1] == 300
    assert through([codec, PackBits(last_bit=9), "crc32c"], np.array(300, "i4"), np.int32(5))[1] == 300


@pytest.mark.parametrize(
    "shape", [(200_000,), (2, 3, 40_000), (1, 70_000), (300, 300), (70_000, 1), (5, 1, 65_537)]
)
def test_chunks_of_many_elements(shape: tuple[int, ...]) -> None:
    """They are worked on part by part."""
    data = (np.arange(np.prod(shape)) % 1000).astype("i4").reshape(shape)
    codecs = [
        ScaleOffset(offset=5),
        CastValue(data_type="float64"),
        BitRound(keepbits=20),
        BytesCodec(),
        "zstd",
    ]
    stored, out = through(codecs, data, np.int32(5))
    assert (out == data).all()
    whole = build_chain(["bytes", "zstd"], (data.size * 8,), np.dtype("u1"), np.uint8(0))
    raw = np.empty(data.size * 8, "u1")
    whole.decode_into(stored, raw)
    assert (raw.view("f8") == data.reshape(-1) - 5).all()


def test_what_codecs_work_with_is_planned_for() -> None:
    """A plan counts the chunk that a codec's elements are decoded to, and no more than codecs that copy take."""
    chunk = np.zeros((1000, 500), "f4")
    plain, cast_, copied = (
        lz.create_array(MemoryStore(), shape=chunk.shape, chunks=chunk.shape, dtype="f4", **words)
        for words in (
            {},
            {"filters": [CastValue(data_type="float64")]},
            {"compressors": ["numcodecs.lz4"]},
        )
    )
    assert plain.reader().chain.working_nbytes == 0
    for words in (
        {"compressors": "blosc-lz4"},
        {"compressors": ["gzip", "crc32c"]},
        {"shards": (2000, 1000)},
    ):
        common = lz.create_array(MemoryStore(), shape=(2000, 1000), chunks=(1000, 500), dtype="f4", **words)
        assert common.reader().chain.working_nbytes == 0
    assert cast_.reader().chain.working_nbytes == 2 * chunk.nbytes
    assert copied.reader().chain.working_nbytes == 2 * chunk.nbytes
    peaks = [lz.from_zarr(array).sum().explain().peak_memory for array in (plain, cast_)]
    assert peaks[1] >= peaks[0] + 2 * chunk.nbytes


@pytest.mark.parametrize("name", CHAINS)
def test_arrays_of_such_chains(name: str) -> None:
    """Parts read, parts written, edge chunks: as of any array."""
    objects = [codec_of(codec) for codec in CHAINS[name]]
    filters = [codec for codec in objects if isinstance(codec, ArrayArrayCodec)]
    (serializer,) = [codec for codec in objects if isinstance(codec, ArrayBytesCodec)]
    array = lz.create_array(
        MemoryStore(),
        shape=(13, 7, 11),
        chunks=(8, 6, 4),
        dtype="i4",
        fill_value=5,
        filters=filters,
        serializer=serializer,
        compressors=objects[len(filters) + 1 :],
    )
    expected = np.full((13, 7, 11), 5, "i4")
    assert (array[...] == expected).all()
    rng = np.random.default_rng(0)
    for where in [np.s_[:5, :2, 3:9], np.s_[2:3, :, :], np.s_[:, 6:, 10:], np.s_[:, :, :]]:
        array[where] = expected[where] = rng.integers(0, 100, expected[where].shape)
        assert (array[...] == expected).all()
        assert (array[1:12:3, ::-1, 4] == expected[1:12:3, ::-1, 4]).all()
    again = lz.open_array(array.store)
    assert (again[...] == expected).all()


@pytest.mark.peer
@pytest.mark.parametrize("shards", [None, (4, 6)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "i8"])
def test_zarr_pythons_scale_offset_and_cast_value(dtype: str, shards: Any) -> None:
    peers = pytest.importorskip("zarr.codecs")
    if not hasattr(peers, "CastValue"):
        pytest.skip("zarr-python has cast_value and scale_offset from 3.3 on")
    if importlib.util.find_spec("cast_value_rs") is None:
        pytest.skip("zarr-python's casts are not installed")
    import zarr

    data = np.arange(8 * 9).reshape(8, 9).astype(dtype) + 1000
    data[:2, :3] = 1000  # one inner chunk of a shard is not stored
    store = zarr.storage.MemoryStore()
    filters = [
        peers.ScaleOffset(offset=1000, scale=2),
        peers.CastValue(data_type="uint8", out_of_range="clamp"),
    ]
    theirs = zarr.create_array(
        store, shape=data.shape, chunks=(2, 3), shards=shards, dtype=dtype, fill_value=1000, filters=filters
    )
    theirs[...] = data
    raw = {key: value.to_bytes() for key, value in store._store_dict.items()}
    assert (lz.open_array(MemoryStore(dict(raw)))[...] == theirs[...]).all()
    ours = lz.create_array(
        MemoryStore(), shape=data.shape, chunks=(2, 3), shards=shards, dtype=dtype, fill_value=1000,
        filters=[ScaleOffset(offset=1000, scale=2), CastValue(data_type="uint8", out_of_range="clamp")],
    )  # fmt: skip
    ours[...] = data
    raw = {key: bytes(ours.store.get(key)) for key in ours.store.list()}
    back = zarr.open_array(
        zarr.storage.MemoryStore({k: zarr.core.buffer.cpu.Buffer.from_bytes(v) for k, v in raw.items()})
    )
    assert (back[...] == theirs[...]).all()
