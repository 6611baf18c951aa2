"""Nodes made, edited and deleted: what may take which place, and what is left alone."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    ArrayReplacedError,
    ContainsArrayError,
    ContainsGroupError,
    ContainsNodeError,
    InvalidKeyError,
    MetadataValidationError,
    NodeNotFoundError,
)
from lazyzarr.format import commit
from lazyzarr.format.chunk import ChunkReader, ChunkWriter
from lazyzarr.format.chunk_loops import write_selection
from lazyzarr.format.locks import array_lock
from lazyzarr.format.lookup import find_array, read_node
from lazyzarr.format.selection import parse_basic
from lazyzarr.format.stores import LocalStore, MemoryStore
from tests.format.small import FILL, array_metadata, group_metadata, numbers, read, state, write, writing


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "data.zarr")


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("path", ["", "u", "a/b/u"])
def test_create(store, path, zarr_format):
    """The array and the groups above it, and nothing else."""
    commit.create_array(store, path, array_metadata(zarr_format=zarr_format))
    array, group = (".zarray", ".zgroup") if zarr_format == 2 else ("zarr.json", "zarr.json")
    groups = {"": [], "u": [""], "a/b/u": ["", "a/", "a/b/"]}[path]
    assert sorted(store.list()) == sorted(
        [f"{path}/{array}".lstrip("/"), *(above + group for above in groups)]
    )
    assert (read(store, path) == FILL).all()


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("path", ["", "a/u"])
def test_create_with_data_and_attributes(store, path, zarr_format):
    metadata = array_metadata(zarr_format=zarr_format, attributes={"a": 1})
    commit.create_array(store, path, metadata, write_data=writing(numbers()))
    assert (read(store, path) == numbers()).all()
    assert read_node(store, path).attributes == {"a": 1}


@pytest.mark.parametrize("path", ["", "a/u"])
def test_nobody_sees_an_array_before_its_data(store, path):
    seen = []

    def write_data(staged, where):
        write(staged, where, ..., numbers())
        seen.append((read_node(store, path), list(store.list(path))))

    commit.create_array(store, path, array_metadata(), write_data=write_data)
    assert seen == [(None, [])]


@pytest.mark.parametrize("path", ["", "u"])
def test_a_failing_write_leaves_nothing(store, path, tmp_path):
    def write_data(staged, where):
        write(staged, where, 0, 1)
        raise ValueError("the data cannot be had")

    with pytest.raises(ValueError, match="the data cannot"):
        commit.create_array(store, path, array_metadata(), write_data=write_data)
    assert list(store.list()) == []
    assert [name for _, _, names in os.walk(tmp_path) for name in names] == []


@pytest.mark.parametrize("new", [array_metadata(), group_metadata()])
@pytest.mark.parametrize(
    ("old", "error"), [(array_metadata, ContainsArrayError), (group_metadata, ContainsGroupError)]
)
@pytest.mark.parametrize("path", ["", "u"])
def test_what_is_there_refuses(store, old, error, new, path):
    make(store, path, old())
    before = state(store)
    with pytest.raises(error, match="already holds") as raised:
        make(store, path, new)
    assert store.url(path) in str(raised.value)
    assert 'mode="w"' in str(raised.value)
    assert state(store) == before


@pytest.mark.parametrize(
    "new", [array_metadata((2, 2), (1, 1)), group_metadata(), array_metadata(zarr_format=2)]
)
@pytest.mark.parametrize("old", [array_metadata(), group_metadata(), array_metadata(zarr_format=2)])
@pytest.mark.parametrize("path", ["", "a/u"])
def test_overwrite(store, old, new, path):
    """Whatever was there is gone with all that it held."""
    make(store, path, old)
    if old.document.value.get("node_type") == "group":
        commit.create_array(store, f"{path}/below".lstrip("/"), array_metadata())
    else:
        write(store, path, ..., 1)
    make(store, path, new, overwrite=True)
    found = read_node(store, path)
    assert found.keys() == new.keys()
    assert set(store.list(path)) == {f"{path}/{key}".lstrip("/") for key in new.documents}


def make(store, path, metadata, **arguments):
    create = commit.create_array if hasattr(metadata, "shape") else commit.create_group
    create(store, path, metadata, **arguments)


@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_made_below_an_array(store, overwrite):
    commit.create_array(store, "a/u", array_metadata())
    before = state(store)
    for path in ("a/u/v", "a/u/v/w"):
        with pytest.raises(ContainsArrayError, match="a/u is an array"):
            commit.create_array(store, path, array_metadata(), overwrite=overwrite)
        with pytest.raises(ContainsArrayError):
            commit.create_array(store, path, array_metadata(), write_data=writing(numbers()))
    assert state(store) == before


@pytest.mark.parametrize("name", ["__x", "...", "a/zarr.json", "a/.zarray/b", "..", "a/./b", "a\\b"])
def test_names_that_nodes_may_not_have(store, name):
    with pytest.raises(InvalidKeyError):
        commit.create_array(store, name, array_metadata())
    with pytest.raises(InvalidKeyError):
        commit.stage_array(store, name, array_metadata(), "w")
    assert list(store.list()) == []


def test_a_damaged_node_refuses_and_can_be_replaced(store):
    store.set("u/zarr.json", b"{ damaged")
    with pytest.raises(ContainsNodeError, match="damaged"):
        commit.create_array(store, "u", array_metadata())
    commit.create_array(store, "u", array_metadata(), overwrite=True)
    assert (read(store, "u") == FILL).all()


def test_chunks_left_over_do_not_become_data(store):
    store.set("u/c/0/0", b"left over by another program")
    for arguments in ({}, {"write_data": writing(numbers())}):
        with pytest.raises(ContainsNodeError, match=r"holds c/0/0 and no metadata.*overwrite=True"):
            commit.create_array(store, "u", array_metadata(), **arguments)
    assert store.exists("u/c/0/0")
    store.set("u/README", b"mine")
    commit.create_array(store, "u", array_metadata(), overwrite=True)
    assert (read(store, "u") == FILL).all()
    assert bytes(store.get("u/README")) == b"mine"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("data", [None, writing(numbers())])
@pytest.mark.parametrize("path", ["", "u"])
def test_what_is_no_zarr_is_kept(store, overwrite, data, path):
    """A folder with files becomes an array around them."""
    for name in ("README", "photos/2024", "a.b/c"):
        store.set(f"{path}/{name}".lstrip("/"), b"mine")
    before = set(store.list())
    commit.create_array(
        store, path, array_metadata(attributes={"a": 1}), overwrite=overwrite, write_data=data
    )
    assert (read(store, path) == (FILL if data is None else numbers())).all()
    assert before <= set(store.list())
    assert read_node(store, path).attributes == {"a": 1}


def test_stores_in_a_folder_are_kept(store):
    """overwrite deletes a node, never what lies in a folder that is none."""
    commit.create_array(store, "data/a.zarr", array_metadata(), write_data=writing(numbers()))
    store.delete("data/zarr.json")
    before = set(store.list())
    for act in (
        lambda: commit.create_group(store, "data", group_metadata(), overwrite=True),
        lambda: commit.create_array(store, "data", array_metadata(), overwrite=True),
        lambda: commit.create_array(store, "data", array_metadata()),
    ):
        with pytest.raises(ContainsNodeError, match=r"a\.zarr/zarr\.json lies below"):
            act()
    assert set(store.list()) == before
    commit.create_group(store, "data", group_metadata())
    assert (read(store, "data/a.zarr") == numbers()).all()


def test_an_empty_folder_is_taken(tmp_path):
    for data in (None, writing(numbers())):
        (folder := tmp_path / f"{data}"[:3]).mkdir()
        commit.create_array(LocalStore(folder), "", array_metadata(), write_data=data)
        assert read_node(LocalStore(folder), "") is not None


def test_a_store_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.zarr").symlink_to("disk")
    store = LocalStore(tmp_path / "link.zarr")
    for start in (0, 100):
        commit.create_array(
            store, "", array_metadata(), overwrite=True, write_data=writing(numbers(start=start))
        )
        assert (read(store) == numbers(start=start)).all()
    assert (tmp_path / "link.zarr").is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["disk", "link.zarr"]


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("kind", [array_metadata, group_metadata])
def test_edit_attributes(store, kind, zarr_format):
    make(store, "u", kind(zarr_format=zarr_format, attributes={"a": 1}))
    found = commit.edit_attributes(store, "u", lambda a: {**a, "b": [1, 2]})
    assert found.attributes == read_node(store, "u").attributes == {"a": 1, "b": [1, 2]}
    commit.edit_attributes(store, "u", lambda a: {})
    assert read_node(store, "u").attributes == {}


def test_an_edit_sees_what_others_stored(store):
    """What is changed is what is stored now, not what was read when the array was opened."""
    commit.create_array(store, "u", array_metadata())
    commit.edit_attributes(store, "u", lambda a: {**a, "a": 1})
    commit.edit_attributes(store, "u", lambda a: {**a, "b": 2})
    assert read_node(store, "u").attributes == {"a": 1, "b": 2}


def test_a_refused_edit_changes_nothing(store):
    commit.create_array(store, "u", array_metadata())
    before = bytes(store.get("u/zarr.json"))
    with pytest.raises(MetadataValidationError):
        commit.edit_attributes(store, "u", lambda a: {"a": object()})
    with pytest.raises(KeyError):
        commit.edit_attributes(store, "u", lambda a: a["none"])
    assert bytes(store.get("u/zarr.json")) == before


def test_an_edit_keeps_what_is_not_known_here(store):
    commit.create_array(store, "u", array_metadata())
    document = json.loads(bytes(store.get("u/zarr.json")))
    document["mine"] = {"must_understand": False, "x": 1}
    store.set("u/zarr.json", json.dumps(document).encode())
    commit.edit_attributes(store, "u", lambda a: {"a": 1})
    commit.resize(store, "u", (7, 7))
    assert json.loads(bytes(store.get("u/zarr.json")))["mine"] == {"must_understand": False, "x": 1}


@pytest.mark.parametrize("path", ["", "a", "a/u"])
def test_delete(store, path, tmp_path):
    commit.create_array(store, "a/u", array_metadata(), write_data=writing(numbers()))
    commit.delete_node(store, path)
    assert [key for key in store.list() if key.startswith(path)] == []
    assert read_node(store, path) is None
    for act in (commit.delete_node, lambda s, p: commit.edit_attributes(s, p, dict)):
        with pytest.raises(NodeNotFoundError, match="deleted"):
            act(store, path)
    if isinstance(store, LocalStore) and path:
        assert sorted(os.listdir(tmp_path)) == ["data.zarr"]


@pytest.mark.parametrize("change", ["delete", "replace", "replace with the same"])
@pytest.mark.parametrize("path", ["", "u"])
def test_an_open_reader_is_told_that_its_array_was_replaced(store, change, path):
    """Not fill, and not the new one's elements for the old one's."""
    commit.create_array(store, path, array_metadata(), write_data=writing(numbers()))
    metadata = find_array(store, path)
    reader = ChunkReader(store, path, metadata)
    scratch, chunk = reader.new_scratch(), reader.new_chunk()
    assert reader.read_into((0, 0), chunk, scratch)
    if change == "delete":
        commit.delete_node(store, path)
    else:
        new = array_metadata() if change == "replace with the same" else array_metadata((3, 3), (3, 3))
        commit.create_array(store, path, new, overwrite=True)
    scratch = reader.new_scratch()
    assert not reader.read_into((1, 1), chunk, scratch)
    with pytest.raises(ArrayReplacedError, match="open it again"):
        reader.check(scratch)


@pytest.mark.parametrize(
    "new", [array_metadata(dtype="f4"), array_metadata((5, 6), (3, 2)), array_metadata((4, 6))]
)
def test_a_reader_that_is_made_late_is_told_too(store, new):
    """A handle is opened without a look, and reads chunks that are there without one."""
    commit.create_array(store, "u", array_metadata(), write_data=writing(numbers()))
    metadata = find_array(store, "u")
    commit.edit_attributes(store, "u", lambda a: {"a": 1})
    commit.resize(store, "u", (9, 9))
    ChunkReader(store, "u", metadata)
    commit.create_array(store, "u", new, overwrite=True, write_data=writing(1))
    with pytest.raises(ArrayReplacedError, match="open it again"):
        ChunkReader(store, "u", metadata)


@pytest.mark.parametrize("change", ["delete", "replace"])
def test_an_open_writer_writes_nothing_into_the_array_that_replaced_its_own(store, change):
    commit.create_array(store, "u", array_metadata(), write_data=writing(numbers()))
    metadata = read_node(store, "u")
    writer, lock = ChunkWriter(store, "u", metadata), array_lock(store, "u")
    parsed = parse_basic(..., metadata.shape)
    write_selection(writer, lock, parsed, numbers())
    if change == "delete":
        commit.delete_node(store, "u")
    else:
        commit.create_array(store, "u", metadata, overwrite=True)
    before = state(store)
    with pytest.raises(ArrayReplacedError):
        write_selection(writer, lock, parsed, numbers(start=500))
    assert state(store) == before


def test_deleting_a_link_leaves_what_it_leads_to(tmp_path):
    lz.save(tmp_path / "a.zarr", np.arange(6))
    group = lz.open_group(tmp_path / "g.zarr", mode="w")
    (tmp_path / "g.zarr" / "link").symlink_to(tmp_path / "a.zarr")
    assert group["link"][2] == 2
    del group["link"]
    assert list(group.keys()) == []
    assert lz.load(tmp_path / "a.zarr").tolist() == [0, 1, 2, 3, 4, 5]
    assert sorted(os.listdir(tmp_path / "g.zarr")) == ["zarr.json"]
