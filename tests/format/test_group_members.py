"""What a group holds: visited, moved, made at once, damaged in part, seen through consolidated metadata."""

from __future__ import annotations

import json
import threading
import warnings

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    ContainsArrayError,
    ContainsGroupError,
    ContainsNodeError,
    DamagedNodeWarning,
    InvalidKeyError,
    MetadataValidationError,
    NodeNotFoundError,
    NodeTypeValidationError,
    ReadOnlyStoreError,
    StoreError,
)
from lazyzarr.format.stores.local import LocalStore
from lazyzarr.format.stores.memory import MemoryStore
from lazyzarr.format.stores.wrappers import FaultStore

FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])
PLACES = pytest.mark.parametrize("place", ["a.zarr", None], ids=["local", "memory"])
META = {2: {"group": ".zgroup", "array": ".zarray"}, 3: {"group": "zarr.json", "array": "zarr.json"}}


def filled(place="a.zarr", zarr_format=3):
    root = lz.open_group(MemoryStore() if place is None else place, zarr_format=zarr_format)
    root.create_array("wind/u", data=np.arange(6), chunks=2, attributes={"units": "m/s"})
    root.create_array("wind/v", shape=(4,), dtype="f4")
    root.create_array("t", shape=(), dtype="i2")
    return root


def counted(group):
    """The group opened over a store that counts, and its calls."""
    calls = []
    store = FaultStore(group.store, lambda verb, key, n: calls.append((verb, key)))
    return store, calls


# Visits.


def test_visits():
    root = filled()
    paths = ["t", "wind", "wind/u", "wind/v"]
    seen, values, items = [], [], []
    assert root.visit(seen.append) is None
    assert seen == paths
    root.visitkeys(seen.append)
    assert seen == paths * 2
    root.visitvalues(values.append)
    assert [value.path for value in values] == paths
    root.visititems(lambda name, value: items.append((name, type(value).__name__)))
    assert items == [("t", "Array"), ("wind", "Group"), ("wind/u", "Array"), ("wind/v", "Array")]
    assert root.visit(lambda path: path if "/" in path else None) == "wind/u"
    assert root.visitvalues(lambda value: getattr(value, "ndim", None)) == 0
    assert root.visititems(lambda name, value: name if name.endswith("v") else None) == "wind/v"
    assert root["wind"].visit(lambda path: path) == "u"


def test_listing_as_zarr_python_2():
    root = filled()
    assert list(root.array_keys()) == ["t"]
    assert sorted(root.array_keys(recurse=True)) == ["t", "u", "v"]
    assert [name for name, _ in root.arrays(recurse=True)] == ["t", "u", "v"]
    assert [name for name, _ in root.groups()] == list(root.group_keys()) == ["wind"]
    items, values = root.items(), root.values()
    for _ in range(2):
        assert [name for name, _ in items] == ["t", "wind"]
        assert [value.path for value in values] == ["t", "wind"]
    assert len(items) == len(values) == 2
    assert dict(root) == dict(items)


def test_items_read_each_member_once():
    store, calls = counted(filled())
    group = lz.open_group(store)
    calls.clear()
    assert [name for name, _ in group.items()] == ["t", "wind"]
    assert [key for verb, key in calls if verb == "get"].count("t/zarr.json") == 1


def test_members_as_attributes():
    root = filled()
    assert root.wind.u.shape == (6,)
    assert root.t.ndim == 0
    assert root.name == "/"  # an attribute of every group comes first
    with pytest.raises(AttributeError, match="'Group' object has no attribute 'x'"):
        _ = root.x
    assert not hasattr(root, "_repr_png_")
    assert "../x" not in root
    assert 3 not in root
    assert {"wind", "t", "create_array"} <= set(dir(root))
    assert root["wind"].get_array("u").shape == (6,)
    assert root.get_group("wind").path == "wind"
    with pytest.raises(NodeTypeValidationError):
        root.get_array("wind")
    with pytest.raises(NodeTypeValidationError):
        root.get_group("t")
    with pytest.raises(lz.errors.ArrayNotFoundError, match=r"Did you mean wind\?"):
        root.get_array("wint")
    with pytest.raises(lz.errors.GroupNotFoundError):
        root.get_group("nowhere")


def test_datasets():
    root = lz.group()
    a = root.create_dataset("a", (4, 6), "i4", chunks=(2, 3), fill_value=5)
    assert (a.shape, a.dtype, a.chunks, a[0, 0]) == ((4, 6), np.dtype("i4"), (2, 3), 5)
    b = root.create_dataset("b", data=np.arange(3), compressor=None)
    np.testing.assert_array_equal(b[...], np.arange(3))
    assert root.require_dataset("a", (4, 6), "i4", True).path == "a"
    assert root.require_dataset("c", shape=(2,), dtype="f4").dtype == np.dtype("f4")
    with pytest.raises(lz.errors.ShapeMismatchError):
        root.require_dataset("a", (4, 5))
    with pytest.raises(lz.errors.DataTypeMismatchError):
        root.require_dataset("a", (4, 6), "i8", exact=True)
    assert [g.path for g in root.create_groups("x", "y/z")] == ["x", "y/z"]
    with pytest.raises(ContainsGroupError):
        root.create_groups("x")


def test_group_as_context():
    with lz.open_group("a.zarr") as root:
        root["x"] = np.arange(3)
    assert list(lz.open("a.zarr")) == ["x"]
    with lz.open("a.zarr/x") as x:
        assert x[1] == 1
    assert x[2] == 2  # the next use opens it again


def test_info_complete():
    root = filled()
    counts = [row[1] for row in root.info.rows if row[0].startswith("No.")]
    assert counts == ["2", "1", "1"]
    assert [row[1] for row in root.info_complete().rows if row[0].startswith("No.")] == ["4", "3", "1"]


def test_group_open_and_from_store():
    made = lz.Group.from_store("a.zarr", attributes={"a": 1}, zarr_format=2)
    assert (made.zarr_format, dict(lz.Group.open("a.zarr").attrs)) == (2, {"a": 1})
    assert made.synchronizer is None
    with pytest.raises(lz.errors.GroupNotFoundError):
        lz.Group.open("b.zarr")
    with pytest.raises(ContainsGroupError):
        lz.Group.from_store("a.zarr")


# Damaged members.


@FORMATS
@pytest.mark.parametrize("damage", [b"{", b"[]", b'{"zarr_format": 4}'])
def test_damaged_member_leaves_the_others_listed(zarr_format, damage):
    root = filled(zarr_format=zarr_format)
    root.store.set(f"wind/u/{META[zarr_format]['array']}", damage)
    with pytest.warns(DamagedNodeWarning, match="wind/u.*left out of the group's members"):
        assert list(root["wind"]) == ["v"]
    with pytest.warns(DamagedNodeWarning):
        assert [path for path, _ in root.members(None)] == ["t", "wind", "wind/v"]
    with pytest.warns(DamagedNodeWarning):
        assert "v (4,)" in repr(root.tree())
    with pytest.raises(MetadataValidationError, match="wind/u"):
        root["wind/u"]
    assert "wind/u" in root
    with pytest.raises(ContainsNodeError, match="cannot be read"):
        root.create_array("wind/u", shape=1)
    root.create_array("wind/u", shape=1, overwrite=True)
    assert list(root["wind"]) == ["u", "v"]


# Moves.


@PLACES
@FORMATS
def test_move(place, zarr_format):
    root = filled(place, zarr_format)
    root.move("wind/u", "deep/er/w")
    np.testing.assert_array_equal(root["deep/er/w"][...], np.arange(6))
    assert dict(root["deep/er/w"].attrs) == {"units": "m/s"}
    assert [path for path, _ in root.members(None)] == ["deep", "deep/er", "deep/er/w", "t", "wind", "wind/v"]
    root["deep"].move("er", "/wind/er")
    assert [path for path, _ in root.members(None)] == ["deep", "t", "wind", "wind/er", "wind/er/w", "wind/v"]
    assert not [key for key in root.store.list() if "__" in key]


@PLACES
def test_what_cannot_be_moved_stays(place):
    root = filled(place)
    before = sorted(root.store.list())
    for source, dest, error in [
        ("x", "y", NodeNotFoundError),
        ("wind", "t", ContainsArrayError),
        ("t", "wind", ContainsGroupError),
        ("wind", "wind/u/w", lz.errors.BaseZarrError),
        ("wind", "wind/w", InvalidKeyError),
        ("wind", "t/w", ContainsArrayError),
        ("wind", "__w", InvalidKeyError),
        ("/", "w", InvalidKeyError),
    ]:
        with pytest.raises(error):
            root.move(source, dest)
        assert sorted(root.store.list()) == before
    with pytest.raises(ReadOnlyStoreError):
        lz.open_group(root.store, mode="r").move("t", "s")
    root.move("t", "t")
    assert sorted(root.store.list()) == before


class PlainStore(FaultStore):
    """A store that cannot move a path in one step, as object stores cannot."""

    renames = False


def test_move_key_by_key():
    order = []
    root = filled(None)
    store = PlainStore(
        root.store, lambda verb, key, n: verb in ("set", "delete") and order.append((verb, key))
    )
    lz.open_group(store).move("wind", "w")
    assert [path for path, _ in root.members(None)] == ["t", "w", "w/u", "w/v"]
    np.testing.assert_array_equal(root["w/u"][...], np.arange(6))
    sets = [key for verb, key in order if verb == "set" and key.startswith("w/")]
    deletes = [key for verb, key in order if verb == "delete" and key.startswith("wind/")]
    assert sets[-1] == "w/zarr.json"  # there when all that it holds is
    assert deletes[0] == "wind/zarr.json"


# Many nodes at once.


def metadata(**words):
    return lz.zeros((4, 6), chunks=(2, 3), dtype="i2", **words).metadata


@PLACES
@FORMATS
def test_create_hierarchy(place, zarr_format):
    store = MemoryStore() if place is None else place
    u = metadata(zarr_format=zarr_format, attributes={"a": 1})
    group = lz.group(zarr_format=zarr_format, attributes={"title": "x"}).metadata
    made = lz.create_hierarchy(store=store, nodes={"a/b/u": u, "a": group, "v": u})
    root = lz.open_group(store)
    assert [path for path, _ in made] == ["", "a", "a/b", "a/b/u", "v"]
    assert [path for path, _ in root.members(None)] == ["a", "a/b", "a/b/u", "v"]
    assert dict(root["a"].attrs) == {"title": "x"}
    assert dict(root["a/b/u"].attrs) == {"a": 1}
    root["a/b/u"][1] = 3
    assert lz.open(root.store, path="a/b/u")[1, 2] == 3
    assert [path for path, _ in root["a"].create_hierarchy({"c/d": u, "b/w": u})] == ["b/w", "c", "c/d"]


def test_hierarchy_from_documents_and_zarr_python():
    zarr = pytest.importorskip("zarr")
    peer = zarr.create_array({}, shape=(4,), chunks=(2,), dtype="f4", attributes={"x": 1}).metadata
    old = zarr.create_array({}, shape=(4,), chunks=(2,), dtype="f4", zarr_format=2, attributes={"y": 1})
    document = json.loads(metadata().keys()["zarr.json"])
    dict(lz.create_hierarchy(store="a.zarr", nodes={"peer": peer, "document": document}))
    dict(lz.create_hierarchy(store="b.zarr", nodes={"old": old.metadata, "g": {"zarr_format": 2}}))
    assert dict(zarr.open("a.zarr")["peer"].attrs) == {"x": 1}
    assert lz.open("a.zarr/document").chunks == (2, 3)
    assert dict(zarr.open_group("b.zarr", mode="r")["old"].attrs) == {"y": 1}
    assert list(lz.open("b.zarr")) == ["g", "old"]


@pytest.mark.parametrize(
    ("nodes", "error"),
    [
        ({"t": "u"}, ContainsArrayError),
        ({"wind": "u"}, ContainsGroupError),
        ({"t/x": "u"}, ContainsArrayError),
        ({"new": "u", "new/x": "u"}, ContainsArrayError),
        ({"new": "u", "__x": "u"}, InvalidKeyError),
        ({"new": "u", "../x": "u"}, InvalidKeyError),
        ({"new": {"zarr_format": 3}}, MetadataValidationError),
        ({"new": {"zarr_format": 2, "x": 1}, "y": 3}, MetadataValidationError),
        ({"new": "u", "wind/u": "u"}, ContainsArrayError),
    ],
)
def test_hierarchies_that_cannot_be_made(nodes, error):
    root, u = filled(), metadata()
    before = sorted(root.store.list())
    wanted = {path: u if node == "u" else node for path, node in nodes.items()}
    with pytest.raises(error):
        lz.create_hierarchy(store="a.zarr", nodes=wanted)
    assert sorted(root.store.list()) == before


def test_hierarchy_that_replaces():
    root, u = filled(), metadata()
    made = dict(root.create_hierarchy({"wind/u": u, "t": u, "w": u}, overwrite=True))
    assert list(made) == ["t", "w", "wind/u"]
    assert root["wind/u"].shape == root["t"].shape == (4, 6)
    assert "wind/v" in root
    dict(root.create_hierarchy({"wind": u}, overwrite=True))
    assert root["wind"].shape == (4, 6)


def test_hierarchy_that_fails_leaves_nothing():
    store = MemoryStore()
    count = []

    def script(verb, key, n):
        count.append(key) if verb == "set" else None
        if verb == "set" and len(count) == 5:
            raise StoreError("no room", key)

    with pytest.raises(StoreError, match="no room"):
        lz.create_hierarchy(store=FaultStore(store, script), nodes={f"g/a{i}": metadata() for i in range(9)})
    assert list(store.list()) == []


# Consolidated metadata.


@PLACES
@FORMATS
def test_consolidate(place, zarr_format):
    root = filled(place, zarr_format)
    group = lz.consolidate_metadata(root.store)
    store, calls = counted(root)
    found = lz.open_consolidated(store)
    calls.clear()
    for opened in (group, found):
        assert [path for path, _ in opened.members(None)] == ["t", "wind", "wind/u", "wind/v"]
        assert opened["wind/u"].shape == (6,)
        assert dict(opened["wind"]["u"].attrs) == {"units": "m/s"}
        assert "wind/x" not in opened
    assert "u (6,) int64" in repr(found.tree())
    assert calls == []
    np.testing.assert_array_equal(found["wind/u"][...], np.arange(6))


@pytest.mark.peer
@FORMATS
@pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning")
def test_zarr_python_reads_what_was_consolidated(zarr_format):
    import zarr

    filled(zarr_format=zarr_format)
    lz.consolidate_metadata("a.zarr")
    peer = zarr.open_consolidated("a.zarr")
    assert sorted(path for path, _ in peer.members(max_depth=None)) == ["t", "wind", "wind/u", "wind/v"]
    assert dict(peer["wind/u"].attrs) == {"units": "m/s"}


def said(node):
    """What the documents of an array or group say."""
    return {key: document.value for key, document in node.metadata.documents.items()}


@FORMATS
def test_each_change_keeps_it_true(zarr_format):
    root = filled(zarr_format=zarr_format)
    lz.consolidate_metadata("a.zarr")

    def seen():
        found = dict(lz.open_consolidated("a.zarr").members(None))
        truth = dict(lz.open_group("a.zarr").members(None))
        assert {path: said(node) for path, node in found.items()} == {
            path: said(node) for path, node in truth.items()
        }
        return set(found)

    root["new"] = np.arange(3)
    assert "new" in seen()
    root["new"].append([3])
    root["wind/u"].resize(2)
    root["wind"].attrs["a"] = 1
    seen()
    root.move("wind", "w/ind")
    assert seen() == {"t", "new", "w", "w/ind", "w/ind/u", "w/ind/v"}
    dict(root.create_hierarchy({"h/x": metadata(zarr_format=zarr_format)}))
    lz.copy(root["t"], root, name="t2")
    lz.copy_store("a.zarr/h", "a.zarr/k")
    del root["new"]
    assert seen() == {"t", "t2", "h", "h/x", "k", "k/x", "w", "w/ind", "w/ind/u", "w/ind/v"}
    with lz.open_group("a.zarr/w") as inner:
        inner.create_group("empty")
    assert "w/empty" in seen()


@PLACES
@FORMATS
def test_readers_beside_a_writer_see_nothing_torn_or_stale(place, zarr_format):
    root = filled(place, zarr_format)
    lz.consolidate_metadata(root.store)
    done, errors = [0], []

    def read():
        try:
            while done[0] < 40:
                least = done[0]  # what was complete before the look
                found = lz.open_consolidated(root.store)["wind/u"].attrs.get("n", 0)
                truth = lz.open_group(root.store)["wind/u"].attrs.get("n", 0)
                if found < least or truth < least:
                    errors.append((least, found, truth))
        except Exception as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for n in range(1, 41):
        root["wind/u"].attrs["n"] = n
        done[0] = n
    for reader in readers:
        reader.join()
    assert errors == []


@FORMATS
def test_a_group_opened_by_it_sees_its_own_changes(zarr_format):
    filled(zarr_format=zarr_format)
    root = lz.consolidate_metadata("a.zarr")
    wind = root["wind"]
    root["x/y"] = np.arange(3)
    wind.create_group("deep")
    assert [path for path, _ in root.members(None)] == [
        "t",
        "wind",
        "wind/deep",
        "wind/u",
        "wind/v",
        "x",
        "x/y",
    ]
    assert list(wind) == ["deep", "u", "v"]
    del root["wind/deep"]
    root.move("x", "z")
    dict(wind.create_hierarchy({"p/q": metadata(zarr_format=zarr_format)}))
    expected = ["t", "wind", "wind/p", "wind/p/q", "wind/u", "wind/v", "z", "z/y"]
    assert [path for path, _ in root.members(None)] == expected
    assert [path for path, _ in lz.open_consolidated("a.zarr").members(None)] == expected


def test_stale_entries_of_other_programs_are_not_believed_unasked():
    filled()
    lz.consolidate_metadata("a.zarr")
    raw = LocalStore("a.zarr")
    document = json.loads(raw.get("wind/u/zarr.json"))
    raw.set("wind/u/zarr.json", json.dumps(document | {"shape": [9]}).encode())
    raw.set("new/zarr.json", json.dumps(document).encode())
    root = lz.open_group("a.zarr")
    assert root["wind/u"].shape == dict(root.members(None))["wind/u"].shape == (9,)
    assert "new" in list(root)
    old = lz.open_consolidated("a.zarr")
    assert old["wind/u"].shape == (6,)
    for look in (old.__getitem__, old.get_array, old.get_group):
        with pytest.raises(
            NodeNotFoundError, match=r"stored after the metadata of file://a\.zarr was consolidated"
        ):
            look("new")


def test_entries_that_are_no_paths_are_left_out():
    filled()
    lz.consolidate_metadata("a.zarr")
    raw = LocalStore("a.zarr")
    document = json.loads(raw.get("zarr.json"))
    entries = document["consolidated_metadata"]["metadata"]
    for path in ("", "/", "a//b", "/t", "t/", "wind/", "..", "../x", "wind/../../x", "a\\b"):
        entries[path] = {"zarr_format": 3, "node_type": "group"}
    raw.set("zarr.json", json.dumps(document).encode())
    found = lz.open_consolidated("a.zarr")
    assert [path for path, _ in found.members(None)] == ["t", "wind", "wind/u", "wind/v"]


def test_damaged_entry_leaves_the_others_listed():
    filled()
    lz.consolidate_metadata("a.zarr")
    raw = LocalStore("a.zarr")
    document = json.loads(raw.get("zarr.json"))
    document["consolidated_metadata"]["metadata"]["t"] = {"zarr_format": 3}
    raw.set("zarr.json", json.dumps(document).encode())
    found = lz.open_consolidated("a.zarr")
    with pytest.warns(DamagedNodeWarning):
        assert list(found) == ["wind"]


def test_bad_calls_of_consolidate():
    with pytest.raises(lz.errors.GroupNotFoundError):
        lz.consolidate_metadata("nowhere.zarr")
    filled()
    with pytest.raises(NodeTypeValidationError):
        lz.consolidate_metadata("a.zarr/t")
    with pytest.raises(lz.errors.BaseZarrError, match="metadata_key"):
        lz.consolidate_metadata("a.zarr", metadata_key=".other")
    with pytest.raises(ReadOnlyStoreError):
        lz.consolidate_metadata(LocalStore("a.zarr", read_only=True))
    assert lz.consolidate_metadata("a.zarr", "wind").path == "wind"


def test_ten_thousand_arrays(monkeypatch):
    """A large hierarchy opens through one document, and none of its arrays is looked for or opened to draw it."""
    u = metadata()
    nodes = {f"g{i}/a{j}": u for i in range(100) for j in range(100)}
    root = lz.group()
    assert sum(1 for _ in root.create_hierarchy(nodes)) == 10_100
    lz.consolidate_metadata(root.store)
    store, calls = counted(root)
    found = lz.open_consolidated(store)
    assert calls == [("get", "zarr.json")]
    with monkeypatch.context() as patch:
        patch.setattr(lz.Array, "__init__", None)
        text = repr(found.tree(max_nodes=20_000))
    assert text.count("(4, 6) int16") == 10_000
    assert found["g7/a42"].chunks == (2, 3)
    assert found.nmembers(None) == 10_100
    assert calls == [("get", "zarr.json")]


def test_warnings_are_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(filled().members(None))
