"""numcodecs' codecs in v2 and, by the names `numcodecs.<id>`, in v3: both directions with zarr-python, bit for bit."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import numcodecs
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ChunkDecodeError, MetadataValidationError, UnknownCodecError
from lazyzarr.format.codecs.chain import build_chain
from lazyzarr.format.codecs.registry import codec_of
from lazyzarr.storage import MemoryStore

zarr = pytest.importorskip("zarr")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr"),
    pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed` codec:UserWarning"),
]

SHAPE, CHUNKS = (9, 7), (4, 4)
FLOATS = np.linspace(0, 100, 63).astype("f4").reshape(SHAPE)
INTEGERS = np.arange(63, dtype="i4").reshape(SHAPE)
BOOLEANS = INTEGERS % 3 == 0

Case = tuple[np.ndarray, str, dict[str, Any]]
ELEMENTS: list[Case] = [
    (INTEGERS, "delta", {"dtype": "<i4"}),
    (INTEGERS, "delta", {"dtype": "<i4", "astype": "<i2"}),
    (FLOATS, "bitround", {"keepbits": 10}),
    (FLOATS, "fixedscaleoffset", {"offset": 1, "scale": 2, "dtype": "<f4", "astype": "|u1"}),
    (FLOATS, "quantize", {"digits": 2, "dtype": "<f4"}),
    (BOOLEANS, "packbits", {}),
    (INTEGERS, "astype", {"encode_dtype": "<i2", "decode_dtype": "<i4"}),
]
BYTES: list[Case] = [
    (FLOATS, name, members)
    for name, members in [
        ("blosc", {"cname": "zstd", "clevel": 3, "shuffle": 2, "blocksize": 0}),
        ("lz4", {}),
        ("zstd", {"level": 3}),
        ("zlib", {"level": 2}),
        ("gzip", {"level": 1}),
        ("bz2", {}),
        ("lzma", {}),
        ("shuffle", {"elementsize": 4}),
        ("crc32", {}),
        ("crc32c", {}),
        ("adler32", {}),
        ("fletcher32", {}),
        ("jenkins_lookup3", {}),
    ]
]
NUMBERS: list[Case] = [(FLOATS, "pcodec", {"level": 4}), (FLOATS, "zfpy", {"mode": 4, "tolerance": 0.01})]
BASE64: list[Case] = [(FLOATS, "base64", {})]  # zarr-python has it for v2 only


ALL = ELEMENTS + BYTES + NUMBERS
OF_ELEMENTS = {case[1] for case in ELEMENTS}
OF_NUMBERS = {case[1] for case in NUMBERS}


def ids(case: Any) -> str | None:
    return "-".join([case[1], *map(str, case[2].values())]) if isinstance(case, tuple) else None


def skip_unless_installed(id: str) -> None:
    if id in ("pcodec", "zfpy") and importlib.util.find_spec(id) is None:
        pytest.skip(f"{id} is not installed")


def theirs_of(raw: dict[str, bytes]) -> Any:
    """zarr-python's array of stored bytes."""
    from zarr.core.buffer import cpu

    return zarr.open_array(
        zarr.storage.MemoryStore({key: cpu.Buffer.from_bytes(value) for key, value in raw.items()})
    )


def ours_of(store: Any) -> lz.Array:
    """lazyzarr's array of zarr-python's store."""
    return lz.open_array(MemoryStore({key: value.to_bytes() for key, value in store._store_dict.items()}))


def stored(array: lz.Array) -> dict[str, bytes]:
    return {key: bytes(array.store.get(key)) for key in array.store.list()}


def check_both(case: Case, words: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """An array written by each reads the same in both."""
    data = case[0]
    words = {"shape": SHAPE, "chunks": CHUNKS, "dtype": data.dtype, **words}
    store = zarr.storage.MemoryStore()
    peer = zarr.create_array(store, **words, **theirs)
    peer[...] = data
    expected = peer[...]
    assert ours_of(store)[...].tobytes() == expected.tobytes()
    array = lz.create_array(MemoryStore(), **words, **ours)
    array[...] = data
    assert array[...].tobytes() == expected.tobytes()
    assert theirs_of(stored(array))[...].tobytes() == expected.tobytes()


def place(case: Case, codec: Any) -> dict[str, Any]:
    """Where v3 has a codec of that kind."""
    if case[1] in OF_ELEMENTS:
        return {"filters": [codec]}
    if case[1] in OF_NUMBERS:
        return {"serializer": codec, "compressors": None}
    return {"compressors": [codec]}


@pytest.mark.parametrize("case", ELEMENTS + BYTES + NUMBERS, ids=ids)
def test_v3_names(case: Case) -> None:
    skip_unless_installed(case[1])
    pytest.importorskip("zarr.codecs.numcodecs", reason="zarr-python has these codecs from 3.1.3 on")
    document = {"name": f"numcodecs.{case[1]}", "configuration": case[2]}
    check_both(case, {}, place(case, document), place(case, document))
    # numcodecs' objects mean the same
    array = lz.create_array(
        MemoryStore(), shape=SHAPE, chunks=CHUNKS, dtype=case[0].dtype,
        **place(case, numcodecs.get_codec({"id": case[1], **case[2]})),
    )  # fmt: skip
    array[...] = case[0]
    assert theirs_of(stored(array))[...].tobytes() == array[...].tobytes()


def test_the_names_are_zarr_codecs_numcodecs() -> None:
    peer = pytest.importorskip("zarr.codecs.numcodecs", reason="zarr-python has these codecs from 3.1.3 on")
    names = [name for name in peer.__all__ if name[0] != "_"]
    assert set(lz.codecs.numcodecs.__all__) == set(names)
    for name in names:
        theirs = getattr(peer, name)
        members = next(members for _, id, members in ALL if f"numcodecs.{id}" == theirs.codec_name)
        assert getattr(lz.codecs.numcodecs, name)(**members).to_config() == theirs(**members).to_dict()
    enums = zarr.codecs
    for name in ("BloscCname", "BloscShuffle", "Endian", "ShardingCodecIndexLocation"):
        ours = {word for word in vars(getattr(lz.codecs, name)) if word[0] != "_"}
        assert ours == {getattr(getattr(lz.codecs, name), word) for word in ours}
        assert hasattr(enums, name)
    assert lz.codecs.BytesCodec(endian=lz.codecs.Endian.big).to_config()["configuration"] == {"endian": "big"}


@pytest.mark.parametrize("case", ELEMENTS + BYTES + NUMBERS + BASE64, ids=ids)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("as_filter", [True, False])
def test_v2(case: Case, order: str, as_filter: bool) -> None:
    skip_unless_installed(case[1])
    if not as_filter and case[1] in OF_ELEMENTS:
        pytest.skip("zarr-python's v2 compressors are not of elements")
    if order == "F" and case[1] == "zfpy":
        pytest.skip("zarr-python hands zfpy F order, which numcodecs refuses")
    if order == "F" and case[1] == "bitround":
        pytest.skip("zarr-python stores F order transposed there: seen with 3.4.2")
    if order == "F" and as_filter and tuple(map(int, zarr.__version__.split(".")[:2])) < (3, 3):
        pytest.skip("zarr-python stored F order with filters transposed until 3.3")
    codec = numcodecs.get_codec({"id": case[1], **case[2]})
    words = {"filters": [codec], "compressors": numcodecs.Zlib(1)} if as_filter else {"compressors": codec}
    check_both(case, {"zarr_format": 2, "order": order, **words}, {}, {})


def test_f_order_is_never_transposed_by_a_filter() -> None:
    array = lz.create_array(
        MemoryStore(), shape=SHAPE, chunks=CHUNKS, dtype="f4", zarr_format=2, order="F",
        filters=[numcodecs.BitRound(10)],
    )  # fmt: skip
    array[...] = FLOATS
    assert np.allclose(array[...], FLOATS, rtol=1e-3)
    assert np.allclose(theirs_of(stored(array))[...], FLOATS, rtol=1e-3)


@pytest.mark.parametrize("case", ELEMENTS + BYTES + NUMBERS, ids=ids)
def test_names_without_a_configuration(case: Case) -> None:
    """`"numcodecs.x"` and `{"name": "numcodecs.x"}` mean the defaults; what is written says them."""
    skip_unless_installed(case[1])
    for given in (f"numcodecs.{case[1]}", {"name": f"numcodecs.{case[1]}"}):
        words: dict[str, Any] = {
            "shape": SHAPE,
            "chunks": CHUNKS,
            "dtype": case[0].dtype,
            **place(case, given),
        }
        if case[1] in ("bitround", "fixedscaleoffset", "quantize", "astype"):
            with pytest.raises(MetadataValidationError, match="missing"):
                lz.create_array(MemoryStore(), **words)
            continue
        array = lz.create_array(MemoryStore(), **words)
        array[...] = case[0]
        np.testing.assert_array_equal(array[...], case[0])
        codecs = json.loads(stored(array)["zarr.json"])["codecs"]
        (entry,) = [codec for codec in codecs if codec["name"] == f"numcodecs.{case[1]}"]
        assert isinstance(entry["configuration"], dict)
        if case[1] == "shuffle":
            assert entry["configuration"] == {"elementsize": 4}


def test_within_shards_the_configuration_is_said_too() -> None:
    """zarr-python insists on one, if an empty one."""
    pytest.importorskip("zarr.codecs.numcodecs", reason="zarr-python has these codecs from 3.1.3 on")
    array = lz.create_array(
        MemoryStore(),
        shape=(8, 8),
        chunks=(4, 4),
        shards=(8, 8),
        dtype="f4",
        compressors=["numcodecs.fletcher32"],
    )
    array[...] = FLOATS[0, 1]
    assert (theirs_of(stored(array))[...] == FLOATS[0, 1]).all()


def test_the_fill_value_of_shards_behind_them_is_zarr_pythons() -> None:
    """It is not encoded: an inner chunk of stored threes is left out where the fill value is 3."""
    pytest.importorskip("zarr.codecs.numcodecs", reason="zarr-python has these codecs from 3.1.3 on")
    members = {"offset": 1, "scale": 2, "dtype": "<f4", "astype": "|u1"}
    shard = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [2],
            "codecs": [{"name": "bytes"}],
            "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
            "index_location": "end",
        },
    }
    array = lz.create_array(
        MemoryStore(), shape=8, chunks=8, dtype="f4", fill_value=3, compressors=None,
        filters=[{"name": "numcodecs.fixedscaleoffset", "configuration": members}], serializer=shard,
    )  # fmt: skip
    data = np.array([3, 3, 2.5, 2.5, 3, 3, 9, 9], "f4")
    array[...] = data
    assert (array[...] == data).all()
    peer = theirs_of(stored(array))
    assert (peer[...] == data).all()
    peer[...] = data
    assert (ours_of(peer.store)[...] == data).all()


@pytest.mark.parametrize("case", ELEMENTS[:2] + ELEMENTS[3:], ids=ids)
def test_elements_before_shards(case: Case) -> None:
    """What a codec gives is what shards hold: its dtype, and its shape too."""
    shard = {
        "name": "sharding_indexed",
        "configuration": {"chunk_shape": [2, 2], "codecs": ["bytes", "zstd"]},
    }
    if case[1] == "packbits":
        shard["configuration"]["chunk_shape"] = [1]  # type: ignore[index]
    order = {"name": "bytes", "configuration": {"endian": "big"}}
    shard["configuration"]["codecs"] = [order, "zstd"]  # type: ignore[index]
    codecs = [{"name": f"numcodecs.{case[1]}", "configuration": case[2]}, shard]
    data = np.ascontiguousarray(case[0][:8, :4])
    chain = build_chain(codecs, data.shape, data.dtype, data.dtype.type(0))
    out = np.empty(data.shape, data.dtype)
    chain.decode_into(b"".join(map(bytes, chain.encode(data))), out)
    expected = numcodecs.get_codec({"id": case[1], **case[2]})
    assert out.tobytes() == expected.decode(expected.encode(data.copy())).tobytes()


@pytest.mark.parametrize(
    ("codec", "error"),
    [
        ({"name": "numcodecs.no-such"}, UnknownCodecError),
        ({"name": "numcodecs.vlen-utf8"}, UnknownCodecError),
        ({"name": "numcodecs.pickle"}, UnknownCodecError),
        ({"name": "numcodecs.zlib", "configuration": {"levels": 1}}, MetadataValidationError),
        ({"name": "numcodecs.zlib", "configuration": {"id": "bz2"}}, MetadataValidationError),
    ],
)
def test_refused(codec: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        codec_of(codec)


@pytest.mark.parametrize(
    ("codec", "dtype"),
    [
        ({"name": "numcodecs.delta", "configuration": {"dtype": "<i8"}}, "i4"),
        ({"name": "numcodecs.packbits"}, "i4"),
        ({"name": "numcodecs.quantize", "configuration": {"digits": 1, "dtype": "<i4"}}, "i4"),
    ],
)
def test_codecs_that_do_not_fit_the_elements(codec: Any, dtype: str) -> None:
    with pytest.raises(MetadataValidationError, match="numcodecs"):
        build_chain([codec, "bytes", "zstd"], (4,), np.dtype(dtype), 0)


class Tripled(numcodecs.abc.Codec):
    """A codec that a package might register with numcodecs: of arrays, and not of bytes."""

    codec_id = "tripled"

    def __init__(self, times: int = 3) -> None:
        self.times = times

    def encode(self, buf: Any) -> Any:
        array = numcodecs.compat.ensure_ndarray(buf)
        assert array.shape == CHUNKS  # of bytes the shape would be lost
        return array * self.times

    def decode(self, buf: Any, out: Any = None) -> Any:
        return numcodecs.compat.ensure_ndarray(buf).view("i4") // self.times


@pytest.mark.parametrize("as_filter", [True, False])
def test_third_parties_of_numcodecs(as_filter: bool) -> None:
    numcodecs.register_codec(Tripled)
    try:
        words = {"filters": [Tripled()], "compressors": None} if as_filter else {"compressors": Tripled()}
        array = lz.create_array(MemoryStore(), shape=SHAPE, chunks=CHUNKS, dtype="i4", zarr_format=2, **words)
        array[...] = INTEGERS
        assert np.frombuffer(stored(array)["0.0"], "<i4")[1] == 3
        assert (lz.open_array(array.store)[...] == INTEGERS).all()
        assert (theirs_of(stored(array))[...] == INTEGERS).all()
    finally:
        del numcodecs.registry.codec_registry["tripled"]


def test_more_elements_than_the_chunk_has_are_damage() -> None:
    pytest.importorskip("pcodec")
    chain = build_chain(["numcodecs.pcodec"], (100,), np.dtype("f4"), np.float32(0))
    for count in (0, 99, 101, 10_000):
        stored_ = numcodecs.get_codec({"id": "pcodec"}).encode(np.ones(count, "f4"))
        with pytest.raises(ChunkDecodeError):
            chain.decode_into(stored_, np.empty(100, "f4"))
