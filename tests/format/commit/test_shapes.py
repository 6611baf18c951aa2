"""Arrays grown, shrunk and appended to: what was there stays, what is new is fill, whatever lay there."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from lazyzarr.errors import ArrayNotFoundError, BoundsCheckError, ShapeMismatchError
from lazyzarr.format import commit, metadata_v3
from lazyzarr.format.commit import shapes
from lazyzarr.format.dtypes import data_type_of
from lazyzarr.format.metadata import CodecSpec
from lazyzarr.format.stores import LocalStore, MemoryStore
from lazyzarr.format.stores.wrappers import FaultStore
from tests.format.small import FILL, array_metadata, numbers, read, write, writing

LENGTHS = st.tuples(st.integers(0, 9), st.integers(0, 9))
BYTES = CodecSpec("bytes", {"endian": "little"})


def sharded(shape, chunks):
    """Shards of 2 x 2 chunks."""
    inner = {"codecs": [BYTES.to_json()], "index_codecs": [BYTES.to_json(), {"name": "crc32c"}]}
    codec = CodecSpec("sharding_indexed", {"chunk_shape": list(chunks), "index_location": "end", **inner})
    shards = [2 * n for n in chunks]
    return metadata_v3.build_array(shape, data_type_of(np.dtype("i4")), shards, [codec], fill_value=FILL)


def resized(values, shape):
    out = np.full(shape, FILL, "i4")
    common = tuple(slice(min(n, m)) for n, m in zip(values.shape, shape, strict=True))
    out[common] = values[common]
    return out


@given(
    first=LENGTHS,
    others=st.lists(LENGTHS, max_size=4),
    chunks=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kind=st.sampled_from([array_metadata, sharded]),
    few=st.booleans(),
)
def test_resize(first, others, chunks, kind, few):
    store = MemoryStore()
    expected = numbers(first)
    commit.create_array(store, "u", kind(first, chunks), write_data=writing(expected))
    before = shapes._FEW
    shapes._FEW = 10_000 if few else 0  # one by one, or by a look at what is stored
    try:
        for shape in others:
            metadata = commit.resize(store, "u", shape)
            expected = resized(expected, shape)
            assert metadata.shape == shape
            assert (read(store, "u") == expected).all()
            assert set(store.list()) <= expected_keys(metadata)
    finally:
        shapes._FEW = before


def expected_keys(metadata):
    chunks = {f"u/c/{i}/{j}" for i, j in np.ndindex(metadata.grid.grid_shape)}
    return {"zarr.json", "u/zarr.json"} | chunks


@given(
    first=LENGTHS,
    appends=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), max_size=4),
    chunks=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kind=st.sampled_from([array_metadata, sharded]),
)
def test_append(first, appends, chunks, kind):
    store = MemoryStore()
    expected = numbers(first)
    commit.create_array(store, "u", kind(first, chunks), write_data=writing(expected))
    for axis, length in appends:
        new = list(expected.shape)
        new[axis] = length
        values = numbers(new, 1000)
        metadata = commit.append(store, "u", values, axis - 2 if length % 2 else axis)
        expected = np.concatenate([expected, values], axis)
        assert metadata.shape == expected.shape
        assert (read(store, "u") == expected).all()


@given(old=LENGTHS, new=LENGTHS, chunks=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_growing_brings_nothing_back(old, new, chunks):
    """What another program left beyond the edge, in chunks of its own or in those at the edge, is gone."""
    store = MemoryStore()
    large = (12, 12)
    commit.create_array(store, "u", array_metadata(large, chunks), write_data=writing(numbers(large)))
    # cut as zarr-python cuts: the metadata alone
    store.set("u/zarr.json", array_metadata(old, chunks).keys()["zarr.json"])
    commit.resize(store, "u", new)
    expected = np.full(new, FILL, "i4")
    common = tuple(slice(min(n, m)) for n, m in zip(old, new, strict=True))
    expected[common] = numbers(large)[common]
    assert (read(store, "u") == expected).all()


def test_an_append_into_chunks_that_are_left_over():
    """An append that was killed has written beyond the edge: the next one is right all the same."""
    store = MemoryStore()
    commit.create_array(store, "u", array_metadata((5, 6), (2, 3)), write_data=writing(numbers()))
    before = bytes(store.get("u/zarr.json"))
    commit.append(store, "u", np.full((4, 6), -1, "i4"), 0)
    store.set("u/zarr.json", before)
    commit.append(store, "u", np.full((2, 6), 1, "i4"), 0)
    commit.resize(store, "u", (12, 6))
    assert (read(store, "u", slice(5, 7)) == 1).all()
    assert (read(store, "u", slice(7, None)) == FILL).all()


def test_a_shrunk_array_reads_as_fill_when_it_grows_again(tmp_path):
    store = LocalStore(tmp_path / "data.zarr")
    commit.create_array(store, "", array_metadata((10,), (4,)), write_data=writing(numbers((10,))))
    commit.resize(store, "", (5,))
    assert sorted(store.list()) == ["c/0", "c/1", "zarr.json"]
    commit.resize(store, "", (9,))
    assert read(store).tolist() == [100, 101, 102, 103, 104, FILL, FILL, FILL, FILL]


def test_what_cannot_be(tmp_path):
    store = LocalStore(tmp_path / "data.zarr")
    commit.create_array(store, "u", array_metadata(), write_data=writing(numbers()))
    for shape in ((5,), (5, 6, 1), ()):
        with pytest.raises(ShapeMismatchError):
            commit.resize(store, "u", shape)
    for values in (numbers((2, 5)), numbers((6,)), numbers((1, 2, 6))):
        with pytest.raises(ShapeMismatchError, match="the other axes must be the same"):
            commit.append(store, "u", values, 0)
    for axis in (2, -3):
        with pytest.raises(BoundsCheckError):
            commit.append(store, "u", numbers(), axis)
    with pytest.raises(ArrayNotFoundError):
        commit.resize(MemoryStore(), "v", (1, 1))
    assert (read(store, "u") == numbers()).all()


def test_a_million_chunks_are_not_gone_through():
    """Growth and shrinking take the time of what is stored, not of what could be."""
    store = MemoryStore()
    commit.create_array(store, "u", array_metadata((10, 10), (1, 1)), write_data=writing(numbers((10, 10))))
    commit.resize(store, "u", (10**6, 10**6))
    assert (read(store, "u", (slice(10), slice(10))) == numbers((10, 10))).all()
    write(store, "u", (-1, -1), 5)
    commit.resize(store, "u", (3, 3))
    assert (read(store, "u") == numbers((10, 10))[:3, :3]).all()
    assert len(list(store.list("u"))) == 10


def test_a_million_chunks_at_the_edge_are_not_gone_through():
    """Of an edge that is cut by many chunks, those are cleared that are stored; an append touches its own rows."""
    seen = []
    store = FaultStore(MemoryStore(), lambda verb, key, n: seen.append((verb, key)))
    commit.create_array(store, "u", array_metadata((10**6, 10**6), (3, 3)))
    write(store, "u", (-1, -1), 5)
    assert 10**6 % 3
    seen.clear()
    commit.resize(store, "u", (10**6 + 1, 10**6 + 1))
    assert len(seen) < 40
    assert read(store, "u", (slice(-2, None), slice(-2, None))).tolist() == [[5, FILL], [FILL, FILL]]
    commit.create_array(store, "v", array_metadata((0, 4), (2, 4)))
    for n in range(20):
        seen.clear()
        commit.append(store, "v", np.full((2, 4), n, "i4"), 0)
        assert len(seen) < 12  # however long the array is
    assert read(store, "v")[::2, 0].tolist() == list(range(20))
