"""Consolidated metadata above a change says, right after it, what is stored."""

from __future__ import annotations

import threading

import pytest

from lazyzarr.format import commit
from lazyzarr.format.consolidated import consolidate, read_consolidated
from lazyzarr.format.lookup import read_node
from lazyzarr.format.stores import LocalStore, MemoryStore
from tests.format.small import array_metadata, group_metadata, numbers, writing


@pytest.fixture(params=["memory", "local"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else LocalStore(tmp_path / "data.zarr")


def consolidated_above(store, path, nodes, zarr_format):
    """Give a group consolidated metadata for some nodes below it."""
    group = read_node(store, path)
    found = {name: read_node(store, f"{path}/{name}".lstrip("/")).documents for name in nodes}
    for key, raw in consolidate(group, found).keys().items():
        store.set(f"{path}/{key}".lstrip("/"), raw)


def said(store, path):
    """What a group's consolidated metadata says."""
    return plain(read_consolidated(read_node(store, path)).documents)


def true(store, path, names):
    """What is stored."""
    return plain({name: read_node(store, f"{path}/{name}".lstrip("/")).documents for name in names})


def plain(nodes):
    """The documents as values, without what groups say of nodes below."""
    leave = ("consolidated_metadata", ".zmetadata")
    return {
        name: {
            key: {member: value for member, value in document.value.items() if member not in leave}
            for key, document in documents.items()
            if key not in leave
        }
        for name, documents in nodes.items()
    }


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_it_is_kept_true(store, zarr_format):
    def array(**arguments):
        return array_metadata(zarr_format=zarr_format, **arguments)

    commit.create_array(store, "g/u", array(attributes={"a": 1}))
    consolidated_above(store, "", ["g", "g/u"], zarr_format)
    consolidated_above(store, "g", ["u"], zarr_format)

    def check(*below):
        assert said(store, "g") == true(store, "g", below)
        assert said(store, "") == true(store, "", ["g", *(f"g/{name}" for name in below)])

    check("u")
    commit.create_array(store, "g/v", array())
    check("u", "v")
    commit.create_array(store, "g/h/w", array(), write_data=writing(numbers()))
    check("u", "v", "h", "h/w")
    commit.edit_attributes(store, "g/u", lambda a: {"a": 2})
    commit.edit_attributes(store, "g", lambda a: {"title": "winds"})
    check("u", "v", "h", "h/w")
    commit.resize(store, "g/v", (9, 9))
    commit.append(store, "g/u", numbers((2, 6)), 0)
    check("u", "v", "h", "h/w")
    commit.create_array(store, "g/u", array(shape=(2, 2)), overwrite=True)
    check("u", "v", "h", "h/w")
    staged = commit.stage_array(store, "g/v", array(shape=(3, 3)), "w")
    check("u", "v", "h", "h/w")
    staged.publish()
    check("u", "v", "h", "h/w")
    commit.delete_node(store, "g/h")
    check("u", "v")


def test_where_there_is_none_none_is_made(store):
    commit.create_array(store, "g/u", array_metadata())
    commit.edit_attributes(store, "g/u", lambda a: {"a": 1})
    assert read_node(store, "").consolidated is None


def test_changes_side_by_side_are_all_in_it(store):
    commit.create_group(store, "", group_metadata())
    consolidated_above(store, "", [], 3)
    threads = [
        threading.Thread(
            target=lambda n=n: [commit.create_array(store, f"u{n}-{i}", array_metadata()) for i in range(5)]
        )
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said(store, "") == true(store, "", sorted(store.list_dir())[:-1])


def test_a_damaged_group_above_is_left_alone(store):
    commit.create_array(store, "g/u", array_metadata())
    store.set("zarr.json", b"damaged")
    commit.edit_attributes(store, "g/u", lambda a: {"a": 1})
    assert bytes(store.get("zarr.json")) == b"damaged"
