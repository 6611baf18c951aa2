"""Chunks of several lengths: documents, elements against NumPy and zarr-python, growth, lazy arrays, hostile lists."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.errors import BaseZarrError, ChunkDecodeError, MetadataValidationError
from lazyzarr.format import metadata_v3
from lazyzarr.format.chunk_grids import edges_to_json, grid_of, merged, parse_edges
from lazyzarr.format.grid import RegularGrid

zarr_knows = pytest.mark.skipif(
    zarr.config.get("array.rectilinear_chunks", None) is None,
    reason="this zarr-python has no rectilinear grids",
)


@pytest.fixture(autouse=True, scope="module")
def allowed():
    """zarr-python takes these grids only where it is told to."""
    with zarr.config.set({"array.rectilinear_chunks": True}):
        yield


@st.composite
def edges_for(draw, n, multiple=1):
    """Lengths of chunks along an axis of length n: one, or a list that reaches its end or beyond."""
    if draw(st.booleans()):
        return multiple * draw(st.integers(1, 4))
    edges, reach = [], 0
    while reach < n or not edges:
        edges.append(multiple * draw(st.integers(1, 4)))
        reach += edges[-1]
    return tuple(edges + [multiple * edge for edge in draw(st.lists(st.integers(1, 3), max_size=1))])


@st.composite
def layouts(draw):
    """Words for an array of two axes, sharded or not."""
    shape = draw(st.tuples(st.integers(0, 9), st.integers(1, 9)))
    if draw(st.booleans()):
        inner = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        shards = tuple(draw(edges_for(n, edge)) for n, edge in zip(shape, inner, strict=True))
        return {"shape": shape, "chunks": inner, "shards": shards}
    return {"shape": shape, "chunks": tuple(draw(edges_for(n)) for n in shape)}


def filled(layout, store=None, **more):
    values = np.arange(np.prod(layout["shape"]), dtype="i4").reshape(layout["shape"])
    z = lz.create_array({} if store is None else store, dtype="i4", fill_value=-7, **layout, **more)
    z[...] = values
    return values, z


def on(shape, data):
    return tuple(data.draw(st.slices(n)) for n in shape)


@given(st.data(), layouts())
def test_reading_and_writing(data, layout):
    """Slices, lists, points and blocks give and set what they do in NumPy."""
    values, z = filled(layout)
    np.testing.assert_array_equal(z[...], values)
    index = on(values.shape, data)
    np.testing.assert_array_equal(z[index], values[index])
    new = -np.arange(values[index].size, dtype="i4").reshape(values[index].shape)
    z[index] = values[index] = new
    if values.size:
        rows = data.draw(st.lists(st.integers(0, values.shape[0] - 1), min_size=1, max_size=4))
        columns = data.draw(st.lists(st.integers(0, values.shape[1] - 1), min_size=1, max_size=4))
        np.testing.assert_array_equal(z.oindex[rows, columns], values[np.ix_(rows, columns)])
        z.oindex[rows, columns] = 5
        values[np.ix_(rows, columns)] = 5
        points = rows[:1] * len(columns), columns
        z.vindex[points] = 6
        values[points] = 6
        np.testing.assert_array_equal(z.vindex[points], values[points])
        np.testing.assert_array_equal(z.blocks[0], values[: z.write_chunk_sizes[0][0]])
    np.testing.assert_array_equal(z[...], values)
    assert tuple(map(sum, z.read_chunk_sizes)) == values.shape


@zarr_knows
@settings(max_examples=25)
@given(layouts())
def test_zarr_python_reads_ours_and_we_read_its(layout):
    if not layout["shape"][0]:
        return
    values, z = filled(layout, "ours.zarr", overwrite=True)
    peer = zarr.open_array("ours.zarr", mode="r+")
    np.testing.assert_array_equal(peer[...], values)
    assert peer.read_chunk_sizes == z.read_chunk_sizes
    assert peer.write_chunk_sizes == z.write_chunk_sizes
    peer[1:, :2] = values[1:, :2] = -1
    np.testing.assert_array_equal(z[...], values)
    # zarr-python makes no array whose last chunks reach beyond it; it writes to one
    lz.create_array("theirs.zarr", dtype="i4", overwrite=True, **layout)
    theirs = zarr.open_array("theirs.zarr", mode="r+")
    theirs[...] = values
    read = lz.open_array("theirs.zarr", mode="r+")
    np.testing.assert_array_equal(read[...], values)
    read[:1] = 3
    assert (theirs[:1] == 3).all()


@given(st.lists(st.integers(1, 3), min_size=1, max_size=12).map(tuple), st.integers(0, 3))
def test_documents(edges, short):
    n = max(0, sum(edges) - short)
    document = edges_to_json((edges, 4))
    assert parse_edges(document["configuration"]["chunk_shapes"], (n, 9)) == (edges, 4)
    assert sum(merged((edges,))[0:1] == (axis,) for axis in (edges, edges[0])) >= 1


def test_spellings():
    """The registry's own example, and what reads the same."""
    specs = [4, [1, 2, 3], [[4, 2]], [[1, 3], 3], [4, 4, 4]]
    found = parse_edges(specs, (6, 6, 6, 6, 6))
    assert found == (4, (1, 2, 3), (4, 4), (1, 1, 1, 3), (4, 4, 4))
    assert parse_edges([4.0, [[2.0, 2]]], (4, 4)) == (4, (2, 2))
    assert isinstance(grid_of((4, 4), (2, 3)), RegularGrid)


@pytest.mark.parametrize(
    ("specs", "said"),
    [
        ([3], "for each of the 2 axes"),
        ("3", "for each of the 2 axes"),
        ([3, [1, 2]], "are 3 elements together; the array has 4"),
        ([3, []], "are 0 elements together"),
        ([3, [0, 4]], "0 is no length of chunks along axis 1"),
        ([3, [True, 4]], "True is no length"),
        ([3, [2.5, 4]], "2.5 is no length"),
        ([3, [[4]]], "neither a length nor"),
        ([3, [[4, -1]]], "-1 is no length"),
        ([3, [[1, 10**15]]], "more than 1,000,000 chunks"),
        ([3, [2**62, 2**62]], "elements together"),
        ([2**70, 3], "is no length"),
    ],
)
def test_wrong_lists(specs, said):
    with pytest.raises(MetadataValidationError, match=said):
        parse_edges(specs, (4, 4))


def document_with(grid, shape=(6,), codecs=("bytes",)):
    return json.dumps(
        {
            "zarr_format": 3,
            "node_type": "array",
            "shape": shape,
            "data_type": "uint8",
            "chunk_grid": grid,
            "chunk_key_encoding": "default",
            "fill_value": 0,
            "codecs": codecs,
        }
    ).encode()


def parsed(*what, **more):
    return metadata_v3.parse_array({"zarr.json": document_with(*what, **more)})


def test_documents_of_other_kinds():
    with pytest.raises(MetadataValidationError, match="kind 'file' is not known"):
        parsed({"name": "rectilinear", "configuration": {"kind": "file", "chunk_shapes": [3]}})
    with pytest.raises(MetadataValidationError, match="'hexagonal' is not known"):
        parsed({"name": "hexagonal"})
    mixed = parsed({"name": "regular", "configuration": {"chunk_shape": [[4, 2]]}})
    assert mixed.grid.clipped_chunks() == ((4, 2),)
    assert json.loads(mixed.with_shape((7,)).keys()["zarr.json"])["chunk_grid"] == edges_to_json(((4, 2, 4),))
    even = parsed({"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [4]}})
    assert even.edges is None
    assert even.with_shape((9,)).grid.clipped_chunks() == ((4, 4, 1),)


def test_shards_that_inner_chunks_do_not_divide():
    sharding = {"name": "sharding_indexed", "configuration": {"chunk_shape": [2], "codecs": ["bytes"]}}
    grid = {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [[4, 3]]}}
    with pytest.raises(
        MetadataValidationError, match="along axis 0, inner chunks of 2 do not divide a shard of 3"
    ):
        parsed(grid, codecs=[sharding])


def test_words_for_new_arrays():
    assert lz.zeros((10, 10), chunks=((5, 5), (4, 4, 2))).chunks == (5, 4)
    assert lz.zeros((10, 10), chunks=[[1, 9], -1]).chunks == ((1, 9), (10,))
    assert lz.zeros((12,), shards=[[4, 8]]).chunks == (4,)
    like = lz.zeros_like(lz.zeros((4, 6), chunks=((1, 3), (2, 4))))
    assert like.chunks == ((1, 3), (2, 4))
    for wrong in ([[1, 2]], [[1, 0, 9]], [[5, 5], [5, 5]], [[]]):
        with pytest.raises(BaseZarrError, match="chunks"):
            lz.zeros((10,), chunks=wrong)
    with pytest.raises(BaseZarrError, match="v2 has no chunks of several lengths"):
        lz.zeros((10,), chunks=[[1, 9]], zarr_format=2)


@pytest.mark.parametrize("shards", [None, ((2, 4), (4, 2))])
@given(shapes=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 9)), min_size=1, max_size=4))
@settings(max_examples=40)
def test_resize(shards, shapes):
    """What a growth adds is fill, whatever lay in the chunks before."""
    layout = {"chunks": (2, 1), "shards": shards} if shards else {"chunks": ((2, 4), (1, 5))}
    values, z = filled({"shape": (5, 6), **layout})
    for shape in shapes:
        kept = tuple(slice(min(a, b)) for a, b in zip(values.shape, shape, strict=True))
        new = np.full(shape, -7, "i4")
        new[kept] = values[kept]
        values = new
        z.resize(shape)
        np.testing.assert_array_equal(z[...], values)


@zarr_knows
def test_append():
    values, z = filled({"shape": (5, 6), "chunks": ((2, 4), (1, 5))}, "a.zarr")
    z.append(values[:3])
    z.append(values)
    assert z.chunks == ((2, 4, 4, 3), (1, 5))
    expected = np.concatenate([values, values[:3], values])
    np.testing.assert_array_equal(z[...], expected)
    np.testing.assert_array_equal(zarr.open_array("a.zarr")[...], expected)
    z.attrs["x"] = 1
    made = zarr.create_array("b.zarr", shape=(5, 6), chunks=[[2, 3], [1, 5]], dtype="i4")
    made[...] = values
    np.testing.assert_array_equal(lz.open_array("b.zarr")[...], values)
    np.testing.assert_array_equal(lz.open_array("a.zarr")[...], expected)


@settings(max_examples=25)
@given(st.data(), layouts(), layouts())
def test_lazy_arrays(data, layout, other):
    """Computed on, and written to chunks of other lengths, whole and in part."""
    values, z = filled(layout)
    x = lz.from_zarr(z)
    index = on(values.shape, data)
    np.testing.assert_array_equal((x[index] + 1).compute(scheduler="sync"), values[index] + 1)
    np.testing.assert_array_equal(x.sum(axis=0).compute(scheduler="sync"), values.sum(axis=0))
    target = np.full(other["shape"], -7, "i4")
    out = lz.create_array({}, dtype="i4", fill_value=-7, **other)
    rows, columns = map(min, target.shape, values.shape)
    out[:rows, :columns] = x[:rows, :columns] * 2
    target[:rows, :columns] = values[:rows, :columns] * 2
    np.testing.assert_array_equal(out[...], target)
    if values.size:
        x.to_zarr("out.zarr", mode="w", chunks=([1, *[2] * 5], [3, 1, 9]), scheduler="sync")
        np.testing.assert_array_equal(lz.open_array("out.zarr")[...], values)


def test_lazy_units_go_where_they_belong():
    """A chunk of the longest length that begins at a multiple of it need not be the one of that number."""
    x = lz.from_array(np.arange(12), chunks=4)
    x.to_zarr("out.zarr", chunks=[[4, 2, 2, 4]], scheduler="sync")
    out = lz.open_array("out.zarr")
    assert out.chunks == ((4, 2, 2, 4),)
    np.testing.assert_array_equal(out[...], np.arange(12))


def test_a_map_sees_the_chunks_once_each():
    values, z = filled({"shape": (6, 6), "chunks": ((1, 3, 4), (2, 4))})
    x = z.lazy()
    assert x.chunks == ((1, 3, 2), (2, 4))
    got = x.map_blocks(lambda block: block - block.min(), dtype="i4").compute(scheduler="sync")
    expected = np.block([[b - b.min() for b in np.split(row, [2], 1)] for row in np.split(values, [1, 4])])
    np.testing.assert_array_equal(got, expected)


def test_damage_is_located():
    _, z = filled({"shape": (5, 6), "chunks": ((2, 4), (1, 5))})
    z.store.set("c/1/1", b"nothing")
    with pytest.raises(ChunkDecodeError, match=r"chunk c/1/1 = \[2:5, 1:6\]"):
        z[...]


def test_a_huge_growth_lists_few_chunks():
    z = lz.zeros((5,), chunks=[[2, 3]], dtype="u1")
    z.resize(10**12)
    z[10**12 - 1] = 7
    assert z[-2:].tolist() == [0, 7]
    assert len(z.store.get("zarr.json")) < 2000
