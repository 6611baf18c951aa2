"""Consolidated metadata: read as zarr-python writes it, refreshed so that zarr-python reads the truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from zarr.storage import MemoryStore

import lazyzarr as lz
from lazyzarr.errors import MetadataValidationError
from lazyzarr.format import metadata_v2, metadata_v3
from lazyzarr.format.consolidated import consolidate, parse_node, read_consolidated, refresh
from lazyzarr.format.dtypes import data_type_of
from lazyzarr.format.metadata import ArrayMetadata, CodecSpec, GroupMetadata

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")]
BYTES = (CodecSpec("bytes", {"endian": "little"}),)


def peer_hierarchy(zarr_format):
    """A consolidated hierarchy, as zarr-python writes it: a store and its contents."""
    store = MemoryStore()
    root = zarr.create_group(store, zarr_format=zarr_format, attributes={"title": "winds"})
    root.create_group("a", attributes={"x": float("nan")})
    root.create_array("a/b/u", shape=(5, 6), chunks=(2, 3), dtype="f4")
    root.create_array("v", shape=(3,), chunks=(3,), dtype="i2", fill_value=7)
    zarr.consolidate_metadata(store)
    return store


def stored(store):
    return {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}


def root_of(store):
    return parse_node({key: raw for key, raw in stored(store).items() if "/" not in key})


def put(store, metadata, path=""):
    from zarr.core.buffer import cpu

    for key, raw in metadata.keys().items():
        store._store_dict[f"{path}/{key}" if path else key] = cpu.Buffer.from_bytes(raw)


def new_array(zarr_format, **options):
    build = {2: metadata_v2, 3: metadata_v3}[zarr_format].build_array
    return build((4, 4), data_type_of("f8"), (2, 2), BYTES, **options)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_zarr_python_consolidated(zarr_format):
    found = read_consolidated(root_of(peer_hierarchy(zarr_format)))
    assert sorted(found.documents) == ["a", "a/b", "a/b/u", "v"]
    assert found.names() == ["a", "v"]
    assert found.names("a") == ["b"]
    assert found.below("a").names() == ["b"]
    assert found.below("a").below("b").names() == ["u"]
    assert found.below("").documents == found.documents
    assert found.names("v") == found.names("nowhere") == []
    u = found.node("a/b/u")
    assert isinstance(u, ArrayMetadata)
    assert (u.shape, u.chunk_shape, u.dtype) == ((5, 6), (2, 3), np.dtype("f4"))
    a = found.node("a")
    assert isinstance(a, GroupMetadata)
    assert np.isnan(a.attributes["x"])
    assert a.consolidated is None
    assert found.node("w") is None


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_refreshed_entry_is_what_zarr_python_reads(zarr_format):
    store = peer_hierarchy(zarr_format)
    root = root_of(store)
    grown = read_consolidated(root).node("v").with_shape((9,))
    new = new_array(zarr_format, attributes={"units": "m"})
    build_group = {2: metadata_v2, 3: metadata_v3}[zarr_format].build_group
    group = build_group({"kind": "new"})
    for path, metadata in {"v": grown, "c": group, "c/w": new, "a/b/new": new}.items():
        root = refresh(root, path, metadata.documents)
        put(store, metadata, path)
    put(store, root)
    opened = zarr.open_consolidated(store)
    assert opened["v"].shape == (9,)
    assert opened["c/w"].attrs["units"] == "m"
    assert opened["c"].attrs["kind"] == "new"
    assert sorted(dict(opened.members(max_depth=None))) == ["a", "a/b", "a/b/new", "a/b/u", "c", "c/w", "v"]
    assert sorted(dict(opened["c"].members())) == ["w"]
    assert sorted(dict(opened["a/b"].members())) == ["new", "u"]
    assert opened.attrs["title"] == "winds"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_deleted_node_takes_those_below_with_it(zarr_format):
    store = peer_hierarchy(zarr_format)
    root = refresh(root_of(store), "a", None)
    assert sorted(read_consolidated(root).documents) == ["v"]
    put(store, root)
    assert sorted(zarr.open_consolidated(store)) == ["v"]
    assert root.attributes["title"] == "winds"


def test_deleted_attributes_leave_v2s_document():
    root = root_of(peer_hierarchy(2))
    array = new_array(2, attributes={"x": 1})
    root = refresh(root, "w", array.documents)
    assert read_consolidated(root).node("w").attributes == {"x": 1}
    root = refresh(root, "w", new_array(2).documents)
    assert read_consolidated(root).node("w").attributes == {}
    assert "w/.zattrs" not in root.consolidated["metadata"]


def test_v2_says_the_groups_own_attributes_again():
    root = root_of(peer_hierarchy(2)).with_attributes({"title": "waves"})
    root = refresh(root, "", root.documents)
    assert json.loads(root.keys()[".zmetadata"])["metadata"][".zattrs"] == {"title": "waves"}
    assert sorted(read_consolidated(root).documents) == ["a", "a/b", "a/b/u", "v"]


def test_an_attribute_edit_keeps_v3s_consolidated_metadata():
    root = root_of(peer_hierarchy(3)).with_attributes({"title": "waves"})
    assert sorted(read_consolidated(root).documents) == ["a", "a/b", "a/b/u", "v"]
    assert refresh(root, "", root.documents) is root


def test_other_entries_keep_their_spelling():
    text = '{"zarr_format":3,"node_type":"group","x":{"must_understand":false},"consolidated_metadata":{"kind":"inline","must_understand":false,"metadata":{"u": {"zarr_format":3.0,"node_type":"group","attributes":{"n":1E2}}}}}'  # fmt: skip  # noqa: E501
    root = parse_node({"zarr.json": text.encode()})
    added = refresh(root, "v", new_array(3).documents)
    assert '"u": {"zarr_format":3.0,"node_type":"group","attributes":{"n":1E2}}' in added.document.text
    assert '"x":{"must_understand":false}' in added.document.text
    assert refresh(added, "v", None).document.text == text


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_group_without_stays_without(zarr_format):
    group = {2: metadata_v2, 3: metadata_v3}[zarr_format].build_group({"x": 1})
    assert read_consolidated(group) is None
    assert refresh(group, "u", new_array(zarr_format).documents) is group


@pytest.mark.parametrize(
    "member", ["null", '{"metadata": null}', '{"metadata": [1]}', '{"metadata": {"a": 1}}', "{}"]
)
def test_other_forms(member):
    text = f'{{"zarr_format": 3, "node_type": "group", "consolidated_metadata": {member}}}'
    group = parse_node({"zarr.json": text.encode()})
    if member == "null":
        assert read_consolidated(group) is None
    else:
        with pytest.raises(MetadataValidationError, match="consolidate"):
            read_consolidated(group)
    if '{"a": 1}' not in member:
        assert refresh(group, "u", new_array(3).documents) is group


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_consolidate_from_nothing(zarr_format):
    build_group = {2: metadata_v2, 3: metadata_v3}[zarr_format].build_group
    root = consolidate(
        build_group({"x": 1}), {"g": build_group().keys(), "g/u": new_array(zarr_format).documents}
    )
    assert read_consolidated(root).names("g") == ["u"]
    store = MemoryStore()
    put(store, root)
    opened = zarr.open_consolidated(store)
    assert opened["g/u"].shape == (4, 4)
    assert opened.attrs["x"] == 1


def test_parse_node_says_what_and_where():
    assert parse_node({}) is None
    with pytest.raises(MetadataValidationError, match=r"file://x\.zarr/u"):
        parse_node({"zarr.json": b"{"}, "file://x.zarr/u")
    with pytest.raises(MetadataValidationError, match=r"file://x\.zarr/u"):
        parse_node({"zarr.json": b'{"zarr_format": 3}'}, "file://x.zarr/u")
    with pytest.raises(MetadataValidationError, match=r"file://x\.zarr/u"):
        parse_node({".zarray": b'{"zarr_format": 2}'}, "file://x.zarr/u")


# What changes below a group with consolidated metadata.


def names_in(path):
    return sorted(name for name, _ in lz.open_consolidated(path).members(max_depth=None))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_node_in_anothers_place_has_none_of_its_members(zarr_format):
    group = lz.create_group("g.zarr", zarr_format=zarr_format)
    group.create_array("a/b/u", data=[1])
    group.create_array("v", data=[1])
    lz.consolidate_metadata("g.zarr")
    lz.create_group("g.zarr/a", overwrite=True)
    assert names_in("g.zarr") == ["a", "v"]
    lz.save_group("g.zarr/a", x=[1])
    assert names_in("g.zarr") == ["a", "a/x", "v"]
    lz.create_array("g.zarr/a", data=[1], overwrite=True)
    assert names_in("g.zarr") == ["a", "v"]
    assert sorted(name for name, _ in zarr.open_consolidated("g.zarr").members(max_depth=None)) == ["a", "v"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_nodes_of_the_other_format_are_left_out(zarr_format):
    group = lz.create_group("g.zarr", zarr_format=zarr_format)
    group.create_array("u", data=[1])
    lz.consolidate_metadata("g.zarr")
    lz.create_array("g.zarr/v", data=[1], zarr_format=5 - zarr_format)
    assert names_in("g.zarr") == ["u"]
    assert list(zarr.open_consolidated("g.zarr")) == ["u"]


def test_lazy_arrays_are_written_in_the_format_around_them():
    lz.create_group("g.zarr", zarr_format=2)
    assert lz.from_array(np.arange(3)).to_zarr("g.zarr/u").metadata.zarr_format == 2
    assert lz.from_array(np.arange(3)).to_zarr("g.zarr/v", zarr_format=3).metadata.zarr_format == 3
