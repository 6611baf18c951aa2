"""Chunks through a store: selections against NumPy, chunks against the peers, damage, misses, threads."""

from __future__ import annotations

import itertools
import math
import os
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazyzarr.errors import (
    ArrayReplacedError,
    ChunkDecodeError,
    ChunkEncodeError,
    ChunkNotFoundError,
    StoreError,
)
from lazyzarr.format import chunk_loops, metadata_v2, metadata_v3, workers
from lazyzarr.format.chunk import ChunkReader, ChunkWriter
from lazyzarr.format.chunk_loops import read_selection, write_selection
from lazyzarr.format.codecs.parse import parse_codecs
from lazyzarr.format.dtypes import DataType
from lazyzarr.format.locks import array_lock
from lazyzarr.format.metadata import ArrayMetadata
from lazyzarr.format.selection import parse_basic
from lazyzarr.format.stores.local import LocalStore
from lazyzarr.format.stores.memory import MemoryStore
from lazyzarr.format.stores.protocol import Store


class Stored:
    """An array over a store, with what these tests need of the real one."""

    def __init__(self, store: Store, metadata: ArrayMetadata, path: str = "a", **how: Any) -> None:
        self.store, self.metadata, self.path = store, metadata, path
        for key, document in metadata.keys().items():
            store.set(f"{path}/{key}", document)
        self.open(**how)

    def open(self, missing: Any = "fill", write_empty_chunks: bool = False) -> None:
        self.reader = ChunkReader(self.store, self.path, self.metadata, missing)
        self.writer = ChunkWriter(self.store, self.path, self.metadata, write_empty_chunks)

    def __getitem__(self, selection: Any) -> np.ndarray:
        parsed = parse_basic(selection, self.metadata.shape)
        out = np.empty(parsed.out_shape, self.metadata.dtype)
        read_selection(self.reader, parsed, out)
        return out

    def __setitem__(self, selection: Any, value: Any) -> None:
        parsed = parse_basic(selection, self.metadata.shape)
        lock = array_lock(self.store, self.path)
        write_selection(self.writer, lock, parsed, np.asarray(value, self.metadata.dtype))

    @property
    def keys(self) -> list[str]:
        return sorted(key for key in self.store.list(self.path) if not key.endswith((".json", ".zarray")))


def metadata_of(
    shape: Any = (7, 10), chunks: Any = (3, 4), dtype: str = "f4", shards: Any = None, fill: Any = 0,
    zarr_format: Any = 3, **codecs: Any,
) -> ArrayMetadata:  # fmt: skip
    kind = np.dtype(dtype)
    specs = parse_codecs(
        dtype=kind, chunk_shape=chunks, shard_shape=shards, zarr_format=zarr_format, **codecs
    )
    build = metadata_v3.build_array if zarr_format == 3 else metadata_v2.build_array
    return build(shape, DataType(kind), shards or chunks, specs, fill_value=fill)


def stored(store: Any = None, **how: Any) -> Stored:
    return Stored(MemoryStore() if store is None else store, metadata_of(**how))


def damage(array: Stored, key: str, change: Any) -> None:
    found = bytearray(array.store.get(key) or b"")
    array.store.set(key, bytes(change(found)))


TRANSPOSE = {"name": "transpose", "configuration": {"order": [2, 0, 1]}}
LAYOUTS: list[dict[str, Any]] = [
    {"shape": (9, 10, 11), "chunks": (3, 5, 4)},
    {"shape": (9, 10, 11), "chunks": (3, 5, 4), "filters": [TRANSPOSE]},
    {"shape": (9, 10, 11), "chunks": (3, 5, 4), "order": "F", "zarr_format": 2, "compressors": "blosc-lz4"},
    {"shape": (9, 10, 11), "chunks": (3, 5, 2), "shards": (6, 5, 4)},
    {
        "shape": (9, 10, 11),
        "chunks": (3, 5, 2),
        "shards": (6, 5, 4),
        "filters": [TRANSPOSE],
        "compressors": None,
    },
    {"shape": (9, 10, 11), "chunks": (3, 5, 2), "shards": (6, 5, 4), "index_location": "start"},
    {"shape": (9, 10, 11), "chunks": (9, 10, 11), "compressors": "blosc-lz4"},
]


def slices(n: int) -> Any:
    whole = st.tuples(st.none(), st.none(), st.sampled_from([None, 1, 2, 3, -1, -2]))
    part = st.tuples(
        st.integers(-n - 1, n + 1), st.integers(-n - 1, n + 1), st.sampled_from([None, 1, 2, -1, -3])
    )
    return st.one_of(st.integers(-n, n - 1), whole.map(lambda s: slice(*s)), part.map(lambda s: slice(*s)))


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_any_selection_reads_and_writes_as_numpy_does(data: Any) -> None:
    layout = data.draw(st.sampled_from(LAYOUTS))
    array = stored(**layout)
    expected = np.zeros(layout["shape"], "f4")
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    for _ in range(2):
        selection = data.draw(st.tuples(*map(slices, layout["shape"])))
        if data.draw(st.booleans()):
            at = data.draw(st.integers(0, 3))
            selection = (*selection[:at], None, *selection[at:])
        shape = expected[selection].shape
        value = rng.normal(size=shape) if data.draw(st.booleans()) else data.draw(st.sampled_from([0, 3]))
        array[selection] = value
        expected[selection] = value
        selection = data.draw(st.tuples(*map(slices, layout["shape"])))
        np.testing.assert_array_equal(array[selection], expected[selection])
    np.testing.assert_array_equal(array[...], expected)


def use_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the least work be shared by four threads."""
    monkeypatch.setattr(workers, "SMALL_WORK", 0)
    monkeypatch.setattr(chunk_loops, "LEAST_WORK", 0)
    monkeypatch.setattr(workers, "cpu_count", lambda: 4)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("threads", [False, True])
def test_values_come_back_into_any_memory(
    layout: Any, threads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if threads:
        use_threads(monkeypatch)
    array = stored(**layout)
    data = np.random.default_rng(0).normal(size=layout["shape"]).astype("f4")
    for given_ in (data, np.asfortranarray(data), data[::-1], data.astype("f8")):
        array[...] = given_
        everything = parse_basic((), data.shape)
        for out in (
            np.empty_like(data),
            np.empty(data.shape, "f4", "F"),
            np.empty(data.shape, "f4")[:, ::-1],
        ):
            read_selection(array.reader, everything, out)
            np.testing.assert_array_equal(out, given_)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_0d_and_empty(zarr_format: Any) -> None:
    scalar = stored(shape=(), chunks=(), zarr_format=zarr_format)
    assert scalar[()] == 0
    scalar[...] = 3
    assert scalar[()] == 3
    assert scalar.keys == ["a/c" if zarr_format == 3 else "a/0"]
    nothing = stored(shape=(0, 5), chunks=(2, 5), zarr_format=zarr_format)
    nothing[...] = 1
    assert nothing[...].shape == (0, 5)
    sharded = stored(shape=(), chunks=(), shards=())
    sharded[...] = 4
    assert sharded[()] == 4


def test_a_missing_chunk_is_fill_or_an_error() -> None:
    array = stored(fill=7)
    array[:3, :4] = 1
    assert array[3:].tolist() == np.full((4, 10), 7).tolist()
    array.open(missing="raise")
    assert (array[:3, :4] == 1).all()
    with pytest.raises(ChunkNotFoundError, match=r"chunk c/0/1 = \[0:3, 4:8\] is not stored") as caught:
        array[:, 4:5]
    assert caught.value.key == "a/c/0/1"


@pytest.mark.parametrize("how", [{}, {"shards": (6, 8)}, {"shards": (6, 8), "compressors": None}])
def test_fill_is_compared_bit_by_bit(how: Any) -> None:
    array = stored(fill=0.0, **how)
    array[...] = 0.0
    assert array.keys == []
    array[...] = -0.0
    assert array.keys
    assert np.signbit(array[...]).all()
    array[...] = 0
    assert array.keys == []
    nan, other = np.array([0x7FC00000, 0x7FC00001], "u4").view("f4")
    array = stored(fill=nan, **how)
    array[...] = nan
    assert array.keys == []
    array[...] = other
    assert (array[...].view("u4") == 0x7FC00001).all()
    array[...] = nan
    array[5, 9] = 1
    assert len(array.keys) == 1
    array[5, 9] = nan
    assert array.keys == []


def test_empty_chunks_are_written_when_asked_for() -> None:
    array = stored()
    array.open(write_empty_chunks=True)
    array[...] = 0
    assert len(array.keys) == 9
    array.open(missing="raise")
    assert (array[...] == 0).all()
    sharded = stored(shards=(6, 8))
    sharded.open(write_empty_chunks=True)
    sharded[...] = 0
    sharded.open(missing="raise")
    assert (sharded[...] == 0).all()


@pytest.mark.parametrize("shards", [None, (6, 8), (12, 12)])
def test_what_lies_beyond_the_edge_is_fill(shards: Any) -> None:
    """Growing the array must not show what was never in it."""
    array = stored(compressors=None, shards=shards)
    array[...] = 5
    array.metadata = array.metadata.with_shape((9, 12))
    array.store.set("a/zarr.json", array.metadata.keys()["zarr.json"])
    array.open()
    assert array[7:].max() == array[:, 10:].max() == 0
    array[8:, 11:] = 6
    array.metadata = array.metadata.with_shape((7, 10))
    array.store.set("a/zarr.json", array.metadata.keys()["zarr.json"])
    array.open()
    array[6, 9] = 1  # a partial write takes what lies beyond away
    array.metadata = array.metadata.with_shape((9, 12))
    array.store.set("a/zarr.json", array.metadata.keys()["zarr.json"])
    array.open()
    assert array[8, 11] == 0


def test_a_shard_is_changed_in_part() -> None:
    array = stored(shards=(6, 8))
    expected = np.zeros((7, 10), "f4")
    for selection in [(2, 3), (slice(4, 7), slice(None)), (slice(None), 9)]:
        array[selection] = expected[selection] = 1 + expected.max()
        np.testing.assert_array_equal(array[...], expected)


def test_what_a_change_does_not_touch_is_kept_as_it_is_stored() -> None:
    array = stored(shape=(20, 10), chunks=(2, 5), shards=(12, 10), compressors="blosc-lz4")
    data = np.random.default_rng(0).normal(size=(20, 10)).astype("f4")
    array[...] = data
    damage(
        array, "a/c/0/0", lambda raw: raw[:40] + bytes([raw[40] ^ 1]) + raw[41:]
    )  # in the first inner chunk
    array[5:9, 3:] = 7
    data[5:9, 3:] = 7
    assert (array[2:] == data[2:]).all()
    with pytest.raises(ChunkDecodeError, match="crc32c"):
        array[0, 0]
    with pytest.raises(ChunkDecodeError, match="nothing was written"):
        array[1, 1] = 3
    assert (array[2:] == data[2:]).all()


def test_parts_without_a_step_or_without_elements() -> None:
    array = stored(shards=(6, 8))
    array[...] = 1
    scratch = array.writer.new_scratch()
    array.writer.update_unit((0, 0), (slice(1, 2), slice(0, 8)), np.full((1, 8), 5), scratch)
    assert (array[1, :8] == 5).all()
    assert array[...].sum() == 70 + 8 * 4
    before = array.store.get("a/c/1/1")
    assert array.writer.update_unit((1, 1), (slice(0, 0), slice(0, 0)), array.writer.fill, scratch)
    assert array.store.get("a/c/1/1") == before


class Spy(MemoryStore):
    """A memory store that says what was read."""

    def get(self, key: str, byte_range: Any = None) -> Any:
        found = super().get(key, byte_range)
        self.read = [*getattr(self, "read", []), (key, byte_range, len(found or b""))]
        return found


def test_a_shard_is_read_by_inner_chunks() -> None:
    array = stored(Spy(), shape=(64, 64), chunks=(8, 8), shards=(64, 64), compressors=None)
    array[...] = np.arange(4096).reshape(64, 64)
    array.store.read = []
    assert (array[8:16, 24:48] == np.arange(4096).reshape(64, 64)[8:16, 24:48]).all()
    index, data, tail = array.store.read  # type: ignore[misc]
    assert index == ("a/c/0/0", (-(64 * 16 + 4), None), 64 * 16 + 4)
    assert data[2] == 3 * 8 * 8 * 4  # three neighbours in one range
    assert tail == ("a/c/0/0", (-4, None), 4)


def test_inner_chunks_one_by_one_read_the_index_once() -> None:
    array = stored(Spy(), shape=(64, 64), chunks=(8, 8), shards=(64, 64))
    data = np.random.default_rng(0).normal(size=(64, 64)).astype("f4")
    array[...] = data
    array.store.read = []
    scratch, chunk = array.reader.new_scratch(), array.reader.new_chunk()
    for coords in np.ndindex(8, 8):
        assert array.reader.read_into(coords, chunk, scratch)
        i, j = coords
        assert (chunk == data[8 * i : 8 * i + 8, 8 * j : 8 * j + 8]).all()
    assert sum(byte_range == (-1028, None) for _, byte_range, _ in array.store.read) == 1


def test_a_shard_replaced_between_index_and_data_is_read_anew() -> None:
    array = stored(shape=(16,), chunks=(4,), shards=(16,), compressors=None)
    array[...] = np.repeat([0, 1, 2, 3], 4)
    scratch, chunk = array.reader.new_scratch(), array.reader.new_chunk()
    array.reader.read_into((1,), chunk, scratch)
    array[...] = np.repeat([5, 6, 7, 8], 4)  # each inner chunk lies 16 bytes further now
    assert array.reader.read_into((2,), chunk, scratch)
    assert (chunk == 7).all()
    array[...] = 0
    assert not array.reader.read_into((3,), chunk, scratch)
    assert (chunk == 0).all()


def test_a_shard_replaced_while_it_is_read_is_old_or_new(monkeypatch: pytest.MonkeyPatch) -> None:
    array = stored(Spy(), shape=(16,), chunks=(4,), shards=(16,), compressors=None)
    array[...] = np.repeat([5, 6, 7, 8], 4)
    new = array.store.get("a/c/0")
    array[...] = np.repeat([0, 1, 2, 3], 4)
    get = Spy.get

    def replaced_after_the_index(self: Spy, key: str, byte_range: Any = None) -> Any:
        found = get(self, key, byte_range)
        if byte_range == (-68, None):
            self.set("a/c/0", new)
        return found

    monkeypatch.setattr(Spy, "get", replaced_after_the_index)
    assert array[4:12].tolist() == [6] * 4 + [7] * 4


@pytest.mark.parametrize("how", [{}, {"compressors": "blosc-lz4"}, {"compressors": None}, {"shards": (6, 8)}])
def test_damage_says_where_and_what(how: Any) -> None:
    array = stored(**how)
    array[...] = np.random.default_rng(0).normal(size=(7, 10))
    key = next(key for key in array.keys if key.endswith("1/1"))
    damage(array, key, lambda raw: raw[: len(raw) // 2])
    where = r"\[6:7, 8:10\]" if "shards" in how else r"\[3:6, 4:8\]"
    with pytest.raises(ChunkDecodeError, match=rf"^memory://.*/a chunk c/1/1 = {where}: ") as caught:
        array[...]
    assert caught.value.key == key
    assert caught.value.codec
    with pytest.raises(ChunkDecodeError, match="nothing was written"):
        array[6 if "shards" in how else 4, 8 if "shards" in how else 5] = 3
    array[3:, 4:] = 1  # replaced as a whole it is sound again
    assert (array[3:, 4:] == 1).all()


def test_an_empty_shard_is_damage_not_a_missing_one() -> None:
    array = stored(shards=(6, 8))
    array.store.set("a/c/0/0", b"")
    with pytest.raises(ChunkDecodeError, match="ends inside its index"):
        array[0, 0]


def test_a_directory_in_a_chunks_place_is_an_error(tmp_path: Any) -> None:
    array = stored(LocalStore(str(tmp_path / "x.zarr")))
    array[...] = 1
    os.remove(tmp_path / "x.zarr/a/c/1/1")
    os.mkdir(tmp_path / "x.zarr/a/c/1/1")
    with pytest.raises(StoreError, match="c/1/1"):
        array[...]


@pytest.mark.parametrize("shards", [None, (6, 8)])
def test_a_miss_is_not_believed_once_the_array_was_replaced(tmp_path: Any, shards: Any) -> None:
    store = LocalStore(str(tmp_path / "x.zarr"))
    array = stored(store, shards=shards)
    array[...] = 1
    assert (array[...] == 1).all()
    store.delete_prefix("a")
    with pytest.raises(ArrayReplacedError, match="was deleted"):
        array[...]
    fresh = stored(store, shards=shards)
    fresh[...] = 2
    with pytest.raises(ArrayReplacedError, match="was replaced"):
        array[...]
    with pytest.raises(ArrayReplacedError):
        array[...] = 3
    assert (fresh[...] == 2).all()


def test_an_edited_attribute_does_no_harm_but_a_smaller_shape_does() -> None:
    array = stored()
    array[:3] = 1
    edited = array.metadata.with_attributes({"a": 1})
    array.store.set("a/zarr.json", edited.keys()["zarr.json"])
    assert array[3:].max() == 0
    array[3:] = 2
    array.store.set("a/zarr.json", array.metadata.with_shape((9, 10)).keys()["zarr.json"])
    with pytest.raises(ArrayReplacedError, match=r"resized from \(7, 10\) to \(9, 10\)"):
        array[3:] = 3
    array[...] if not array.reader.new_scratch().empties else None
    array.store.delete("a/c/0/0")
    assert array[0, 0] == 0
    array.store.set("a/zarr.json", array.metadata.with_shape((2, 10)).keys()["zarr.json"])
    with pytest.raises(ArrayReplacedError, match="resized"):
        array[0, 0]


def test_the_first_failure_ends_the_other_threads_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cpu_count", lambda: 4)
    done: list[int] = []

    def batch(items: Any) -> None:
        for item in items:
            if item == 5:
                raise KeyError(item)
            done.append(item)
            threading.Event().wait(0.001)

    with pytest.raises(KeyError):
        workers.spread(batch, range(10_000), 10_000, 10**6)
    assert len(done) < 1000
    count = len(done)
    threading.Event().wait(0.02)
    assert len(done) == count


def test_an_interrupt_ends_the_work_of_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller waits for them, in vain or not; when it has got the interrupt none of them works."""
    monkeypatch.setattr(workers, "cpu_count", lambda: 4)
    done: list[int] = []

    def batch(items: Any) -> None:
        for item in items:
            done.append(item)
            threading.Event().wait(0.001)

    def interrupted(_: Any) -> None:
        threading.Event().wait(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        workers.spread(batch, range(10_000), 10_000, 10**6)
    assert 0 < len(done) < 1000
    count = len(done)
    threading.Event().wait(0.02)
    assert len(done) == count


def test_without_threads_the_caller_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(workers, "cpu_count", lambda: 4)
    monkeypatch.setattr(workers.ThreadPoolExecutor, "submit", none)
    done: list[int] = []
    workers.spread(done.extend, range(100), 100, 10**6)
    assert done == list(range(100))


def test_all_items_are_worked_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "cpu_count", lambda: 4)
    done: list[int] = []
    workers.spread(done.extend, range(1000), 1000, 10**6)
    assert sorted(done) == list(range(1000))
    done.clear()
    workers.spread(done.extend, range(1000), 1000, 10)
    assert done == list(range(1000))


@pytest.mark.parametrize(
    ("length", "count", "threads"), [(32_768, 32, 1), (32_768, 64, 4), (500_000, 2, 2), (1000, 500, 1)]
)
def test_threads_are_woken_for_reads_that_are_worth_it(
    length: int, count: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = stored(shape=(length * count,), chunks=(length,))
    monkeypatch.setattr(workers, "cpu_count", lambda: 4)
    monkeypatch.setattr(workers, "_submit", lambda work, count, pool: asked.append(count) or [])
    asked: list[int] = []
    assert not array[:].any()
    assert asked == [threads] * (threads > 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    use_threads(monkeypatch)
    array = stored()
    array[...] = 1
    child = os.fork()
    if not child:
        os._exit(0 if (array[...] == 1).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_disjoint_parts_of_one_chunk_from_many_threads(tmp_path: Any) -> None:
    array = stored(LocalStore(str(tmp_path / "x.zarr")), shape=(64, 8), chunks=(64, 8))

    def work(k: int) -> None:
        for i in range(k, 64, 8):
            array[i] = i + 1

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (array[:, 0] == np.arange(1, 65)).all()


def test_a_chunk_that_cannot_be_encoded_says_where() -> None:
    array = stored(compressors="blosc-lz4")

    def fail(*_: Any) -> Any:
        raise ValueError("no")

    object.__setattr__(array.writer._chain.tail[0], "encode", fail)
    with pytest.raises(ChunkEncodeError, match=r"c/0/0 = \[0:3, 0:4\]: blosc: no") as caught:
        array[...] = 1
    assert (caught.value.key, caught.value.codec) == ("a/c/0/0", "blosc")


def test_a_chunk_too_large_for_memory_reads_as_fill_where_it_is_missing() -> None:
    array = stored(shape=(2**50,), chunks=(2**50,), dtype="u1", fill=3)
    assert array[5:8].tolist() == [3, 3, 3]


PEER_LAYOUTS = [
    *(
        {"dtype": dtype, "zarr_format": version, "compressors": compressors, "order": order}
        for dtype, version, compressors, order in itertools.product(
            ["u1", "f4", "c16", "M8[ns]"], [2, 3], ["zstd", "blosc-lz4", "gzip", None], "CF"
        )
    ),
    *(
        {
            "dtype": dtype,
            "shards": (6, 10, 8),
            "compressors": compressors,
            "index_location": where,
            "filters": filters,
        }
        for dtype, compressors, where, filters in itertools.product(
            ["f4", "i2"], ["blosc-lz4", None], ["start", "end"], [None, [TRANSPOSE]]
        )
    ),
]


def full(layout: dict[str, Any]) -> dict[str, Any]:
    fill = np.datetime64("NaT") if layout["dtype"][0] == "M" else 0
    return {"shape": (9, 13, 11), "chunks": (3, 5, 4), "fill": fill} | layout


def values_of(dtype: str) -> np.ndarray:
    raw = np.random.default_rng(1).integers(0, 256, (9 * 13 * 11 * np.dtype(dtype).itemsize), "u1")
    values = raw.view(dtype).reshape(9, 13, 11).copy()
    values[:3] = np.zeros((), dtype) if np.dtype(dtype).kind != "M" else np.datetime64("NaT")
    return values


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # a peer compares signalling NaNs
@pytest.mark.filterwarnings("ignore:The .generic. unit:DeprecationWarning")  # zarr-python on NumPy 2.5
@pytest.mark.parametrize("layout", PEER_LAYOUTS, ids=lambda layout: "-".join(map(str, layout.values())))
def test_zarr_python_and_we_read_each_other(layout: dict[str, Any], tmp_path: Any) -> None:
    zarr = pytest.importorskip("zarr")
    array = stored(LocalStore(str(tmp_path / "x.zarr")), **full(layout))
    data = values_of(layout["dtype"])
    array[...] = data
    peer = zarr.open_array(str(tmp_path / "x.zarr/a"), mode="r+")
    assert np.ascontiguousarray(peer[...]).tobytes() == data.tobytes()
    peer[2:, 3:, 1:8] = data[:7, :10, :7]
    data[2:, 3:, 1:8] = data[:7, :10, :7].copy()
    assert array[...].tobytes() == data.tobytes()


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # a peer compares signalling NaNs
@pytest.mark.filterwarnings("ignore:The .generic. unit:DeprecationWarning")  # zarr-python on NumPy 2.5
@pytest.mark.parametrize("layout", PEER_LAYOUTS, ids=lambda layout: "-".join(map(str, layout.values())))
def test_tensorstore_and_we_read_each_other(layout: dict[str, Any], tmp_path: Any) -> None:
    tensorstore = pytest.importorskip("tensorstore")
    if layout["dtype"] == "M8[ns]":
        pytest.skip("tensorstore has no times")
    array = stored(LocalStore(str(tmp_path / "x.zarr")), **full(layout))
    data = values_of(layout["dtype"])
    array[...] = data
    driver = {2: "zarr", 3: "zarr3"}[layout.get("zarr_format", 3)]
    spec = {"driver": driver, "kvstore": {"driver": "file", "path": str(tmp_path / "x.zarr/a")}}
    peer = tensorstore.open(spec).result()
    assert np.ascontiguousarray(peer.read().result()).tobytes() == data.tobytes()
    peer[2:, 3:, 1:8].write(data[:7, :10, :7].copy()).result()
    data[2:, 3:, 1:8] = data[:7, :10, :7].copy()
    assert array[...].tobytes() == data.tobytes()


def test_sizes_are_worked_out_in_python_integers() -> None:
    metadata = metadata_of(shape=(2**40, 2**40), chunks=(2**20, 2**20), dtype="u1")
    reader = ChunkReader(MemoryStore(), "a", metadata)
    assert reader.nbytes == 2**40
    assert math.prod(reader.grid.grid_shape) == 2**40
