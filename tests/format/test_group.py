"""Groups: a mapping from names to nodes, how nodes are made in it, what it shows."""

from __future__ import annotations

import os
import pickle
import threading

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    ContainsArrayError,
    ContainsGroupError,
    DataTypeMismatchError,
    InvalidKeyError,
    NodeNotFoundError,
    NodeTypeValidationError,
    ReadOnlyStoreError,
    ShapeMismatchError,
)


@pytest.fixture(params=["memory-2", "memory-3", "folder-2", "folder-3"])
def root(request):
    """wind/u, wind/v, t and an empty group, in each format and kind of store."""
    place, zarr_format = request.param.split("-")
    root = lz.create_group({} if place == "memory" else "data.zarr", zarr_format=int(zarr_format))
    root.create_array("wind/u", shape=(4,), dtype="f4")
    root.create_array("wind/v", data=np.arange(3))
    root["t"] = np.ones((2, 2))
    root.create_group("empty")
    return root


def test_mapping(root):
    assert list(root) == ["empty", "t", "wind"]
    assert len(root) == 3
    assert list(root.keys()) == list(root.keys()) == ["empty", "t", "wind"]
    values, items = root.values(), root.items()
    for _ in range(2):
        assert [type(value) for value in values] == [lz.Group, lz.Array, lz.Group]
        assert [name for name, _ in items] == ["empty", "t", "wind"]
    assert root["wind"]["u"].path == root["wind/u"].path == root["/wind/u"].path == "wind/u"
    assert root["wind"]["/t"].path == "t"
    assert root.get("wind/u").shape == (4,)
    assert root.get("nothing") is None
    assert root._ipython_key_completions_() == ["empty", "t", "wind"]


def test_contains(root):
    assert "t" in root
    assert "wind/u" in root
    assert "/wind/u" in root["wind"]
    assert "nothing" not in root
    assert "wind/u/c" not in root
    assert 3 not in root


def test_members_are_of_the_groups_format(root):
    for _, member in root.members(None):
        assert member.zarr_format == root.zarr_format


def test_missing_keys(root):
    with pytest.raises(KeyError) as caught:
        root["wing"]
    assert isinstance(caught.value, NodeNotFoundError)
    assert str(caught.value).endswith("group holds empty, t, wind. Did you mean wind?")
    with pytest.raises(KeyError):
        del root["wing"]
    with pytest.raises(InvalidKeyError):
        root["../x"]
    with pytest.raises(InvalidKeyError):
        root[3]


def test_listing(root):
    assert [path for path, _ in root.members()] == ["empty", "t", "wind"]
    assert [path for path, _ in root.members(1)] == ["empty", "t", "wind", "wind/u", "wind/v"]
    assert [path for path, _ in root.members(max_depth=None)] == ["empty", "t", "wind", "wind/u", "wind/v"]
    assert (root.nmembers(), root.nmembers(None)) == (3, 5)
    assert list(root.array_keys()) == [name for name, _ in root.arrays()] == ["t"]
    assert list(root.group_keys()) == [name for name, _ in root.groups()] == ["empty", "wind"]
    assert [array.path for array in root["wind"].array_values()] == ["wind/u", "wind/v"]
    assert [group.path for group in root.group_values()] == ["empty", "wind"]


def test_deleting(root):
    wind = root["wind"]
    del wind["u"]
    assert list(wind) == ["v"]
    del root["wind"]
    assert list(root) == ["empty", "t"]
    assert not any("wind" in key for key in root.store.list())


def test_replacing(root):
    root["t"] = np.arange(5)
    np.testing.assert_array_equal(root["t"][...], np.arange(5))
    root["wind"] = 3.5
    assert root["wind"][()] == 3.5
    assert list(root) == ["empty", "t", "wind"]


def test_names_that_are_taken(root):
    with pytest.raises(
        ContainsArrayError, match=r"/t already holds an array, \(2, 2\) float64.*overwrite=True"
    ):
        root.create_array("t", shape=(3,))
    with pytest.raises(ContainsGroupError, match="/wind already holds a group"):
        root.create_group("wind")
    with pytest.raises(ContainsGroupError):
        root.zeros("wind", shape=3)
    with pytest.raises(ContainsArrayError, match="nothing can be made below"):
        root.create_array("t/x", shape=(3,))
    with pytest.raises(InvalidKeyError, match="reserved"):
        root.create_group("__x")
    assert [path for path, _ in root.members(None)] == ["empty", "t", "wind", "wind/u", "wind/v"]
    assert root.create_group("wind", overwrite=True).nmembers() == 0


def test_requiring(root):
    assert root.require_group("wind") == root["wind"]
    assert root.require_group("deep/er", attributes={"a": 1}).attrs == {"a": 1}
    assert [group.path for group in root.require_groups("a", "wind")] == ["a", "wind"]
    with pytest.raises(NodeTypeValidationError, match="is an array"):
        root.require_group("t")

    t = root.require_array("t", shape=(2, 2), dtype="f4")
    assert t.dtype == "f8"
    assert root.require_array("new", shape=3, dtype="i2", chunks=(2,)).chunks == (2,)
    with pytest.raises(ShapeMismatchError, match=r"/t is there with the shape \(2, 2\), required was \(3,\)"):
        root.require_array("t", shape=3)
    with pytest.raises(DataTypeMismatchError, match="required was complex128"):
        root.require_array("t", shape=(2, 2), dtype="c16")
    with pytest.raises(DataTypeMismatchError):
        root.require_array("t", shape=(2, 2), dtype="f4", exact=True)
    with pytest.raises(NodeTypeValidationError, match="is a group"):
        root.require_array("wind", shape=3)


def test_requiring_from_many_threads():
    root = lz.group()
    found = []
    threads = [threading.Thread(target=lambda: found.append(root.require_group("a/b"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [root["a/b"]] * 8


def test_makers_of_arrays():
    root = lz.group()
    assert root.empty("a", (2,))[0] == 0
    assert root.zeros("b", shape=(2,), dtype="i4")[0] == 0
    assert root.ones("c", (2,))[0] == 1
    assert root.full("d", (2,), 7, dtype="i2")[0] == 7
    assert root.array("e", [1, 2])[1] == 2
    assert root.create("f", shape=3, chunks=2).chunks == (2,)
    model = lz.zeros((4, 6), chunks=(2, 3), dtype="i4", compressors="gzip")
    for name, value in (("zeros_like", 0), ("ones_like", 1), ("empty_like", 0)):
        made = getattr(root, name)(name, model)
        assert (made.chunks, made.dtype, made.compressors, made[0, 0]) == (
            (2, 3),
            "i4",
            model.compressors,
            value,
        )
    assert root.full_like("g", np.zeros((2, 2), "f4"), 3)[1, 1] == np.float32(3)
    with pytest.raises(
        TypeError, match=r"Group.zeros\(\) got an unexpected keyword argument 'chunk'; did you mean"
    ):
        root.zeros("h", shape=2, chunk=3)
    assert "h" not in root


def test_tree():
    root = lz.group()
    for name in ("b/x", "b/y/z", "a"):
        root.zeros(name, shape=(2, 3), dtype="i4")
    root.create_group("c")
    assert repr(root.tree()) == (
        "/\n├── a (2, 3) int32\n├── b\n│   ├── x (2, 3) int32\n│   └── y\n│       └── z (2, 3) int32\n└── c"
    )
    assert repr(root["b"].tree()).splitlines()[0] == "/b"
    assert repr(root.tree(level=1)) == "/\n├── a (2, 3) int32\n├── b\n└── c"
    assert "more than 2" in repr(root.tree(max_nodes=2))
    assert root.tree()._repr_html_().startswith("<pre>/")
    assert repr(lz.group().tree()) == "/"


def test_a_deep_tree():
    root = lz.group()
    root.create_group("/".join("a" * 60))
    assert len(repr(root.tree()).splitlines()) == 61
    assert root.nmembers(None) == 60


def test_what_it_says_of_itself(root):
    assert repr(root) == str(root) == f"<Group {root.store.url()}>"
    assert (root.name, root.path, root.basename) == ("/", "", "")
    assert (root["wind"].name, root["wind"].basename) == ("/wind", "wind")
    assert f"Zarr format : {root.zarr_format}\n" in repr(root.info)
    assert "No. members : 3\nNo. arrays  : 1\nNo. groups  : 2" in repr(root.info)


def test_equality_and_pickling(root):
    wind = root["wind"]
    assert wind == root["wind"] != root
    assert len({wind, root["wind"], root}) == 2
    again = pickle.loads(pickle.dumps(wind))
    assert list(again) == ["u", "v"]
    with root as same:
        assert same is root


def test_read_only(root):
    opened = lz.open_group(root.store, mode="r")
    assert opened.read_only
    assert opened["wind"].read_only
    assert opened["wind/u"].read_only
    before = sorted(root.store.list())
    for write in (
        lambda: opened.create_group("x"),
        lambda: opened.zeros("x", shape=3),
        lambda: opened.__setitem__("t", 3),
        lambda: opened.__delitem__("t"),
        lambda: opened.attrs.update(a=1),
        lambda: opened["t"].__setitem__(0, 1),
        lambda: opened["t"].resize(3, 3),
        lambda: opened["t"].append(np.ones((1, 2))),
        lambda: opened["t"].attrs.put({}),
        lambda: opened.require_group("x"),
    ):
        with pytest.raises(ReadOnlyStoreError, match=r'opened read-only.*mode="r\+"'):
            write()
    assert sorted(root.store.list()) == before


def test_foreign_files_are_no_members(root):
    root.store.set("notes.txt", b"x")
    root.store.set("stray/c/0", b"x")
    assert list(root) == ["empty", "t", "wind"]
    assert "notes.txt" not in root


def test_nothing_of_ours_is_left(root):
    root["t"] = np.arange(5)
    root["t"].attrs["a"] = 1
    root["t"].append([1])
    del root["empty"]
    if isinstance(root.store, lz.storage.LocalStore):
        left = [name for _, folders, files in os.walk(".") for name in folders + files]
        assert not [name for name in left if name.startswith("__")]


@pytest.mark.parametrize("name", ["", "/", "//", "/a", "/a/b"])
def test_a_group_does_not_delete_or_replace_itself(name):
    top = lz.create_group("g.zarr")
    group = top.create_group("a/b")
    group.create_array("x", data=[1])
    for each in [group, top] if name in ("", "/") else [group]:
        with pytest.raises(InvalidKeyError, match=r"(this group itself|a group around).*nothing was changed"):
            del each[name]
        with pytest.raises(InvalidKeyError, match=r"nothing was changed"):
            each[name] = [2]
    assert [path for path, _ in top.members(None)] == ["a", "a/b", "a/b/x"]
    del group["/a/b/x"], top["/a"]
    assert list(top) == []
