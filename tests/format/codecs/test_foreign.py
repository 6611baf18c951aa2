"""Codecs of third parties: packages that register classes of zarr-python's, or of ours, under "zarr.codecs"."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ChunkDecodeError, MetadataValidationError, UnknownCodecError
from lazyzarr.format.codecs import foreign
from lazyzarr.format.codecs.gzip import GzipCodec
from lazyzarr.storage import MemoryStore

zarr = pytest.importorskip("zarr")
from zarr.abc.codec import ArrayArrayCodec, ArrayBytesCodec, BytesBytesCodec  # noqa: E402
from zarr.core.dtype import Int64  # noqa: E402

pytestmark = pytest.mark.peer
DATA = np.arange(30, dtype="i4").reshape(5, 6)


@dataclass(frozen=True)
class Xor(BytesBytesCodec):
    """Bytes against a mask, in coroutines as older zarr-pythons have them."""

    mask: int = 85
    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Xor:
        mask = data.get("configuration", {}).get("mask", 85)
        if not 0 <= mask < 256:
            raise ValueError("mask is no byte")
        return cls(mask)

    def to_dict(self) -> dict[str, Any]:
        return {"name": "example.xor", "configuration": {"mask": self.mask}}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        return input_byte_length

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        return await asyncio.to_thread(self._masked, chunk_bytes, chunk_spec)

    _encode_single = _decode_single

    def _masked(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        masked = (np.frombuffer(chunk_bytes.to_bytes(), "u1") ^ self.mask).tobytes()
        return chunk_spec.prototype.buffer.from_bytes(masked)


@dataclass(frozen=True)
class Wide(ArrayArrayCodec):
    """Elements as 64-bit ones, with one added."""

    is_fixed_size = True

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Wide:
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"name": "example.wide"}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        return 2 * input_byte_length

    def resolve_metadata(self, chunk_spec: Any) -> Any:
        return replace(chunk_spec, dtype=Int64(), fill_value=np.int64(chunk_spec.fill_value + 1))

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        wide = chunk_array.as_numpy_array().astype("i8") + 1
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(wide)

    async def _decode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        narrow = (chunk_array.as_numpy_array() - 1).astype("i4")
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(narrow)


@dataclass(frozen=True)
class Text(ArrayBytesCodec):
    """Numbers as text."""

    is_fixed_size = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Text:
        return cls()

    def to_dict(self) -> dict[str, Any]:
        return {"name": "example.text"}

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: Any) -> int:
        raise NotImplementedError

    async def _encode_single(self, chunk_array: Any, chunk_spec: Any) -> Any:
        text = " ".join(map(str, chunk_array.as_numpy_array().ravel().tolist())).encode()
        return chunk_spec.prototype.buffer.from_bytes(text)

    async def _decode_single(self, chunk_bytes: Any, chunk_spec: Any) -> Any:
        numbers = np.array(chunk_bytes.to_bytes().split(), "i4").reshape(chunk_spec.shape)
        return chunk_spec.prototype.nd_buffer.from_ndarray_like(numbers)


class Ours(GzipCodec):
    """One of this package's codecs under a name of its own."""

    name = "example.ours"


WORDS: dict[str, dict[str, Any]] = {
    "example.xor": {"compressors": [{"name": "example.xor", "configuration": {"mask": 7}}]},
    "example.wide": {"filters": ["example.wide"]},
    "example.text": {"serializer": "example.text", "compressors": ["gzip"]},
    "example.ours": {"compressors": ["example.ours"]},
}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a package with these entry points were installed."""
    module = __name__
    points = [
        EntryPoint("example.xor", f"{module}:Xor", "zarr.codecs"),
        EntryPoint("one", f"{module}:Wide", "zarr.codecs.example.wide"),
        EntryPoint("example.text", f"{module}:Text", "zarr.codecs"),
        EntryPoint("example.ours", f"{module}:Ours", "zarr.codecs"),
    ]
    monkeypatch.setattr(foreign, "_found", {})
    monkeypatch.setattr(foreign, "entry_points", lambda group: EntryPoints(points).select(group=group))
    monkeypatch.setattr(EntryPoint, "load", lambda self: globals()[self.attr])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("shards", [None, (4, 4)])
@pytest.mark.parametrize("name", WORDS)
def test_arrays_with_such_a_codec(name: str, shards: Any) -> None:
    array = lz.create_array(
        MemoryStore(), shape=DATA.shape, chunks=(2, 4), shards=shards, dtype="i4", fill_value=3, **WORDS[name]
    )
    assert (array[...] == 3).all()
    array[...] = DATA
    array[1:3, 2:] = -DATA[1:3, 2:]
    expected = DATA.copy()
    expected[1:3, 2:] *= -1
    assert (array[...] == expected).all()
    assert (lz.open_array(array.store)[...] == expected).all()
    assert name.split(".")[1] in str(array.info).lower()


@pytest.mark.usefixtures("installed")
def test_within_a_running_event_loop() -> None:
    async def run() -> np.ndarray:
        array = lz.create_array(MemoryStore(), shape=5, chunks=2, dtype="i4", **WORDS["example.xor"])
        array[...] = np.arange(5)
        return array[...]

    assert asyncio.run(run()).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("installed")
def test_zarr_python_reads_what_its_codecs_wrote_here(monkeypatch: pytest.MonkeyPatch) -> None:
    zarr.registry.register_codec("example.xor", Xor)
    array = lz.create_array(
        MemoryStore(), shape=DATA.shape, chunks=(2, 4), dtype="i4", **WORDS["example.xor"]
    )
    array[...] = DATA
    from zarr.core.buffer import cpu

    raw = {key: cpu.Buffer.from_bytes(bytes(array.store.get(key))) for key in array.store.list()}
    assert (zarr.open_array(zarr.storage.MemoryStore(raw))[...] == DATA).all()
    # what is registered there is known here without an entry point
    monkeypatch.setattr(foreign, "_found", {})
    monkeypatch.setattr(foreign, "entry_points", lambda group: [])
    assert (lz.open_array(array.store)[...] == DATA).all()


@pytest.mark.usefixtures("installed")
def test_errors_are_ours() -> None:
    with pytest.raises(UnknownCodecError, match=r"'example\.none'"):
        lz.create_array(MemoryStore(), shape=5, dtype="i4", compressors=["example.none"])
    with pytest.raises(MetadataValidationError, match="mask is no byte"):
        lz.create_array(
            MemoryStore(), shape=5, dtype="i4",
            compressors=[{"name": "example.xor", "configuration": {"mask": 256}}],
        )  # fmt: skip
    array = lz.create_array(MemoryStore(), shape=4, chunks=4, dtype="i4", **WORDS["example.text"])
    array[...] = 1
    import gzip

    for wrong in (b"1 2 x 4", b"1 2 3"):
        array.store.set("c/0", gzip.compress(wrong))
        with pytest.raises(ChunkDecodeError, match=r"example\.text"):
            array[...]
