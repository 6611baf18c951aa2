"""What lies at a path, and what is said where nothing does."""

from __future__ import annotations

import os

import pytest

from lazyzarr.errors import (
    ArrayNotFoundError,
    ContainsArrayAndGroupError,
    GroupNotFoundError,
    MetadataValidationError,
    NodeNotFoundError,
    NodeTypeValidationError,
)
from lazyzarr.format import metadata_v2, metadata_v3
from lazyzarr.format.dtypes import data_type_of
from lazyzarr.format.keys import join_path
from lazyzarr.format.lookup import child_names, children, find_array, find_group, not_found, read_node
from lazyzarr.format.metadata import CodecSpec
from lazyzarr.format.stores.local import LocalStore
from lazyzarr.format.stores.memory import MemoryStore

FORMATS = {2: metadata_v2, 3: metadata_v3}
BYTES = [CodecSpec("bytes", {"endian": "little"})]


def put(store, path, metadata):
    for key, value in metadata.keys().items():
        store.set(join_path(path, key), value)


@pytest.fixture(params=[2, 3])
def store(request):
    """A group of two arrays and a group in it."""
    store, of = MemoryStore(), FORMATS[request.param]
    put(store, "", of.build_group({"title": "x"}))
    put(store, "g", of.build_group())
    for path in ("t2m", "u10", "g/v"):
        put(store, path, of.build_array((4,), data_type_of("f4"), (2,), BYTES))
    store.set("t2m/c/0", b"")
    store.set("__reserved/zarr.json", b"{")
    return store


def find_node(store, path):
    """The node at a path, or the error that a function for either kind raises."""
    found = read_node(store, path)
    if found is None:
        raise not_found(store, path, "array or group")
    return found


def version(store):
    return 3 if store.exists("zarr.json") else 2


def test_nodes_are_found(store):
    assert find_group(store, "").attributes == {"title": "x"}
    assert find_array(store, "g/v").shape == (4,)
    assert find_node(store, "t2m").zarr_format == version(store)
    assert read_node(store, "nothing") is None
    assert child_names(store, "") == ["g", "t2m", "u10"]
    assert [name for name, _ in children(store, "")] == ["g", "t2m", "u10"]


def test_one_format_can_be_asked_for(store):
    here, other = version(store), 5 - version(store)
    assert read_node(store, "g", here) is not None
    assert read_node(store, "g", other) is None
    with pytest.raises(GroupNotFoundError, match=f"A v{here} node is there: leave zarr_format={other} out"):
        find_group(store, "g", other)


def test_not_found_names_what_there_is(store):
    url = store.url()
    with pytest.raises(ArrayNotFoundError) as caught:
        find_array(store, "t2n")
    text = f"no array at {url}/t2n. The v{version(store)} group holds g, t2m, u10. Did you mean t2m?"
    assert str(caught.value) == text
    with pytest.raises(NodeNotFoundError) as caught:
        find_node(store, "g/w/deep")
    assert str(caught.value) == f"no array or group at {url}/g/w/deep. The v{version(store)} group holds v."
    with pytest.raises(GroupNotFoundError, match=r"t2m is an array, \(4,\) float32; nothing lies below it"):
        find_group(store, "t2m/x")


def test_the_other_kind_of_node(store):
    with pytest.raises(NodeTypeValidationError, match=r"/g is a group, not an array.*holds v. open_group"):
        find_array(store, "g")
    with pytest.raises(NodeTypeValidationError, match=r"t2m is an array, \(4,\) float32, not a group"):
        find_group(store, "t2m")


def test_not_found_in_folders():
    for name in ("era5.zarr", "other"):
        put(LocalStore(name), "", metadata_v3.build_group())
    with pytest.raises(NodeNotFoundError) as caught:
        find_node(LocalStore("era.zarr"), "")
    assert str(caught.value) == (
        "no array or group at file://era.zarr. There is nothing at file://era.zarr. Did you mean era5.zarr?"
    )
    with pytest.raises(
        NodeNotFoundError, match=r"\. holds era5.zarr, other, but no metadata .*mean era5.zarr"
    ):
        find_node(LocalStore("."), "era5")
    with pytest.raises(NodeNotFoundError, match=r"The v3 group holds nothing\.$"):
        find_node(LocalStore("other"), "u")
    assert sorted(os.listdir()) == ["era5.zarr", "other"]


def test_many_names_are_cut():
    store = MemoryStore()
    put(store, "", metadata_v3.build_group())
    for i in range(40):
        put(store, f"a{i:02}", metadata_v3.build_group())
    with pytest.raises(NodeNotFoundError, match="a11 and 28 more"):
        find_node(store, "u")


def test_damaged():
    store = MemoryStore({"a/zarr.json": b"{", "b/zarr.json": b'{"zarr_format": 3, "node_type": "table"}'})
    with pytest.raises(MetadataValidationError, match=rf"{store.url()}/a/zarr.json is no valid JSON"):
        find_node(store, "a")
    with pytest.raises(NodeTypeValidationError, match=rf"{store.url()}/b: zarr.json describes 'table'"):
        find_node(store, "b")
    store.set("c/.zarray", b"{}")
    store.set("c/.zgroup", b"{}")
    with pytest.raises(ContainsArrayAndGroupError, match="delete the wrong one"):
        find_node(store, "c")
