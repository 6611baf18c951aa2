"""Hostile names: whatever they are called by, nothing outside the root of a store is read, made, changed or deleted.

`LAZYZARR_KEYS` says how many names are tried. Each comes from a number alone: `hostile(1234)`.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import fsspec
import obstore.store
import pytest
import zarr

import lazyzarr as lz
from lazyzarr import storage
from lazyzarr.errors import LazyzarrError
from lazyzarr.format.stores import local
from lazyzarr.format.stores.local import LocalStore

KEYS = int(os.environ.get("LAZYZARR_KEYS", "1000"))
PARTS = 4
SECRET = b"nobody may see this"

SEGMENTS = [
    *"a u c 0 .. . ... .... ~ ~root $HOME %2e%2e %2f %00 C: C:\\ con nul aux lpt1 -rf * ? [a] {} | ; & ' ` ! #".split(),
    *"zarr.json .zarray .zgroup .zattrs .zmetadata __x __lazyzarr-1 __lazyzarr-1-2 __lazyzarr-run secret".split(),
    *"outside link file dangling loop data.zarr .git c/0/0 0.0 -1 00 1e9 ..%2f ..\\ ..\\..\\ ．． ‥ ․․ ／ ∕".split(),
    "",
    " ",
    ".. ",
    " ..",
    "..\t",
    "..\n",
    "a\n",
    "\r",
    "..\0",
    "\0",
    "a\0/..",
    "\x7f",
    "\x1b[2J",
    "é",
    "e\u0301",
    "\u202e",
    "\u200b..",
    "..\u200b",
    "\ud800",
    "..\udc2e",
    "🐟",
    "x" * 255,
    "x" * 256,
    "é" * 128,
    "x" * 5000,
]
PREFIXES = [
    "",
    "",
    "",
    "/",
    "//",
    "./",
    "../",
    "../../",
    "a/../../",
    "file://",
    "memory://",
    "s3://a/",
    "\\\\?\\",
]


def hostile(number, outside="/etc"):
    """A name that was not meant well."""
    rng = random.Random(number)
    if rng.random() < 0.1:
        return rng.choice([outside, f"{outside}/secret", f"file://{outside}/secret", f"a/..{outside}/secret"])
    parts = [rng.choice(SEGMENTS) for _ in range(rng.choice([1, 1, 2, 3, 4]))]
    return rng.choice(PREFIXES) + "/".join(parts) + rng.choice(["", "", "/", "/.", "/..", "//secret"])


@pytest.fixture
def place(fast_path):
    """A store with a group and an array in a folder, around which lies what must not be touched."""
    root = fast_path / "middle" / "data.zarr"
    for folder in (fast_path, fast_path / "outside", fast_path / "middle"):
        folder.mkdir(exist_ok=True)
        Path(folder, "secret").write_bytes(SECRET)
        Path(folder, "zarr.json").write_bytes(
            b'{"zarr_format": 3, "node_type": "group", "attributes": {"s": 1}}'
        )
    group = lz.create_group(LocalStore(root))
    group.create_array("u", data=[1, 2, 3])
    (root / "file").write_bytes(b"")
    restored(fast_path, root)
    return fast_path, root


def around(folder, root):
    """Everything outside the root: names, kinds, bytes, times."""
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.path == str(root):
            continue
        stat = entry.stat(follow_symlinks=False)
        # a folder's own time changes with the names in it, which are compared themselves
        found.append((entry.name, stat.st_mode, stat.st_ino, *([] if entry.is_dir() else [stat.st_mtime_ns])))
        if entry.is_dir(follow_symlinks=False):
            found.append(around(entry.path, root))
    return found


def store_calls(store, key):
    """Every verb of a store."""
    return [
        lambda: store.get(key),
        lambda: store.get(key, (0, 4)),
        lambda: store.get_ranges(key, [(0, 4)]),
        lambda: store.exists(key),
        lambda: store.size(key),
        lambda: store.generation(key),
        lambda: store.list_dir(key),
        lambda: list(store.list(key)),
        lambda: store.set(key, b"x"),
        lambda: store.set_if(key, b"x", None),
        lambda: store.delete(key),
        lambda: store.delete_prefix(key),
        lambda: store.swap_prefix(key, "a", replace=True),
        lambda: store.swap_prefix("a", key, replace=True),
        lambda: store.directory(key),
        lambda: store.beside(key),
        lambda: store.chunk_files(key).read("secret", bytearray(40)) if key.strip("/") != "link" else None,
        lambda: store.chunk_files(key).write("0", [b"x"]) if key.strip("/") != "link" else None,
    ]


def node_calls(store, key):
    """What a user does with a name, in a store and below a group."""
    group = lz.open_group(store, mode="r+")
    return [
        lambda: group[key],
        lambda: key in group,
        lambda: group.create_group(key, overwrite=True),
        lambda: group.require_group(key),
        lambda: group.create_array(key, data=[1], overwrite=True),
        lambda: group.__setitem__(key, [1]),
        lambda: group.__delitem__(key),
        lambda: lz.open(store, path=key, mode="r"),
        lambda: lz.open_array(store, path=key, mode="a", shape=2),
        lambda: lz.open_group(store, path=key, mode="w"),
        lambda: lz.create_array(store, name=key, data=[1], overwrite=True),
        lambda: lz.save(store, [1], path=key),
        lambda: lz.load(store, path=key),
        lambda: lz.from_array([1]).to_zarr(store, path=key, overwrite=True),
    ]


def attempt(call, *arguments):
    """What the call gives; None where it is refused by an error of ours, or is none that the store can do."""
    try:
        return call(*arguments)
    except (LazyzarrError, NotImplementedError):
        return None


def through_a_link(key):
    """Whether a name leads through the link to a folder outside that is in the store: its owner wanted that."""
    return key.strip("/").startswith("link/")


def restored(folder, root):
    """The store as it was, whatever was rightly done inside it."""
    if not isinstance(attempt(lz.open, LocalStore(root)), lz.Group):
        LocalStore(root).delete_prefix("")
        lz.create_group(LocalStore(root))
    for name, target in (("link", folder / "outside"), ("dangling", folder / "nowhere"), ("loop", "loop")):
        if not (root / name).is_symlink():
            if (root / name).exists():
                LocalStore(root).delete_prefix(name)
            (root / name).symlink_to(target)


@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_keys(part, place):
    folder, root = place
    before = around(folder, root)
    for number in range(part, KEYS, PARTS):
        key = hostile(number, str(folder))
        if through_a_link(key):
            continue
        store = LocalStore(root)
        for calls in (store_calls, node_calls):
            restored(folder, root)
            for call in calls(store, key):
                assert SECRET.decode() not in repr(attempt(call)), (number, key)
        assert around(folder, root) == before, (number, key)


STORES = {
    "prefix": lambda root: storage.PrefixStore(LocalStore(root.parent), root.name),
    "cache": lambda root: storage.CacheStore(LocalStore(root)),
    "fsspec": lambda root: storage.FsspecStore(fsspec.filesystem("file", auto_mkdir=True), path=str(root)),
    "obstore": lambda root: storage.ObjectStore(obstore.store.LocalStore(str(root))),
    "zarr-python": lambda root: storage.ZarrPythonStore(zarr.storage.LocalStore(root)),
    "zip": lambda root: storage.ZipStore(root / "in.zip", mode="a"),
}


@pytest.mark.parametrize("kind", STORES)
def test_hostile_keys_of_other_stores(kind, place):
    folder, root = place
    before = around(folder, root)
    for number in range(KEYS // 10):
        key = hostile(number, str(folder))
        if key.strip("/").startswith("link"):  # to another library a link is the folder that it leads to
            continue
        with STORES[kind](root) as store:
            if kind == "zip" and not store.exists("zarr.json"):
                lz.create_group(store, overwrite=True)
            for calls in (store_calls, node_calls):
                if kind != "zip":
                    restored(folder, root)
                for call in attempt(calls, store, key) or []:
                    assert SECRET.decode() not in repr(attempt(call)), (number, key)
        assert around(folder, root) == before, (number, key)


@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_names_in_documents(part, place):
    """The same names as those of nodes in consolidated metadata, which anybody may have written."""
    folder, root = place
    before = around(folder, root)
    store = LocalStore(root)  # not the path: a group around the folder would be its root
    node = json.loads((root / "u" / "zarr.json").read_bytes())
    for number in range(part, KEYS // 4, PARTS):
        key = hostile(number, str(folder))
        member = {"kind": "inline", "must_understand": False, "metadata": {key: node}}
        document = {"zarr_format": 3, "node_type": "group", "consolidated_metadata": member}
        (root / "zarr.json").write_text(json.dumps(document))
        calls = [
            lambda key=key: use(lz.open_consolidated(store), key),
            lambda: lz.open_group(store)["u"].attrs.update(x=1),
            lambda: lz.open_group(store).create_group("b", overwrite=True),
        ]
        for call in calls:
            assert SECRET.decode() not in repr(attempt(call)), (number, key)
        assert around(folder, root) == before, (number, key)


def use(group, key):
    attempt(lambda: list(group.keys()))
    attempt(lambda: str(group.tree()))
    for name in (key, *key.split("/")):
        attempt(lambda name=name: group[name][...])
        attempt(lambda name=name: group[name].__setitem__(..., 5))
        attempt(lambda name=name: group[name].attrs.update(x=1))
        attempt(lambda name=name: group.__delitem__(name))


def test_the_harness_sees_what_is_touched(place, monkeypatch):
    """A store that checks no keys is caught, and the names are the same each time."""
    folder, root = place
    before = around(folder, root)
    monkeypatch.setattr(local, "validate_key", lambda key: key)
    monkeypatch.setattr(local, "normalize_path", lambda key: key)
    store = LocalStore(root)
    assert bytes(attempt(store.get, "../secret")) == SECRET
    attempt(store.delete_prefix, "../../outside")
    assert around(folder, root) != before
    assert [hostile(n) for n in range(50)] == [hostile(n) for n in range(50)]
