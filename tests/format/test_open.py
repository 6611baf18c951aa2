"""Opening: modes, what is made and what never is, consolidated metadata."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    ArrayNotFoundError,
    BaseZarrError,
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    MetadataValidationError,
    NodeNotFoundError,
    NodeTypeValidationError,
    ReadOnlyStoreError,
)


@pytest.fixture
def stored():
    """data.zarr with the array u and the group g."""
    lz.create_array("data.zarr/u", data=np.arange(4), chunks=(2,))
    lz.create_group("data.zarr/g")
    return lz.storage.LocalStore("data.zarr")


def tree():
    return sorted(str(path) for path in Path().rglob("*"))


OPENERS = [lz.open, lz.open_array, lz.open_group]


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("mode", ["r", "r+", None])
def test_what_is_missing_is_not_made(opener, mode):
    if opener is lz.open_group and mode is None:
        return  # makes it, as in zarr-python
    with pytest.raises(FileNotFoundError, match=r"There is nothing at file://typo.zarr"):
        opener("typo.zarr", mode=mode)
    with pytest.raises(NodeNotFoundError):
        opener("typo.zarr/a/b", mode=mode)
    assert tree() == []


def test_each_opener_has_its_error(stored):
    with pytest.raises(ArrayNotFoundError):
        lz.open_array("data.zarr/x")
    with pytest.raises(GroupNotFoundError):
        lz.open_group("data.zarr/x", mode="r")
    with pytest.raises(NodeNotFoundError):
        lz.open("data.zarr/x")


@pytest.mark.parametrize("mode", ["r", "r+", "a", None])
def test_what_is_there_is_opened(stored, mode):
    before = tree()
    for target, path in (("data.zarr/u", None), ("data.zarr", "u"), (stored, "u"), (Path("data.zarr"), "/u")):
        for opener in (lz.open, lz.open_array):
            z = opener(target, mode=mode, path=path)
            np.testing.assert_array_equal(z[...], np.arange(4))
            assert z.read_only == (mode == "r")
            assert repr(z) == "<Array file://data.zarr/u shape=(4,) dtype=int64>"
    assert lz.open("data.zarr", mode=mode) == lz.open_group("data.zarr", mode=mode or "r+")
    assert tree() == before


def test_a_path_alone(stored):
    assert lz.open(path="data.zarr/u").shape == (4,)
    assert lz.open_array(path="data.zarr/u", mode="r").read_only
    assert lz.open_group(path="data.zarr", mode="r").path == ""


def test_the_other_kind(stored):
    with pytest.raises(NodeTypeValidationError, match=r"data.zarr/g is a group, not an array"):
        lz.open_array("data.zarr/g")
    for mode in ("r", "r+", "a"):
        with pytest.raises(
            NodeTypeValidationError, match=r"data.zarr/u is an array, \(4,\) int64, not a group"
        ):
            lz.open_group("data.zarr/u", mode=mode)
    with pytest.raises(NodeTypeValidationError):
        lz.open("data.zarr/g", mode="a", shape=(3,))


def test_a_missing_array_is_made_if_a_shape_says_which():
    for mode in (None, "a"):
        z = lz.open_array(f"{mode}.zarr", mode=mode, shape=(4,), chunks=(2,), dtype="i2", fill_value=7)
        assert (z.shape, z.chunks, z.dtype, z[0]) == ((4,), (2,), "i2", 7)
        z[0] = 1
        assert lz.open(f"{mode}.zarr", mode=mode, shape=(9,))[0] == 1
    with pytest.raises(ArrayNotFoundError):
        lz.open_array("other.zarr", mode="a")
    assert lz.open("data.zarr/v", data=[1, 2])[1] == 2


@pytest.mark.parametrize("opener", [lz.open, lz.open_array])
def test_replacing_an_array(stored, opener):
    z = opener("data.zarr/u", mode="w", shape=(2, 2), dtype="i4")
    assert z[...].tolist() == [[0, 0], [0, 0]]
    assert lz.open("data.zarr/u").shape == (2, 2)
    with pytest.raises(
        ContainsArrayError, match=r"file://data.zarr/u already holds an array, \(2, 2\) int32"
    ):
        opener("data.zarr/u", mode="w-", shape=(3,))
    with pytest.raises(ContainsGroupError):
        opener("data.zarr/g", mode="w-", shape=(3,))
    assert opener("data.zarr/new", mode="w-", shape=(3,)).shape == (3,)


@pytest.mark.parametrize("mode", ["w", "w-"])
def test_a_replacement_has_to_be_described(stored, mode):
    before = tree()
    with pytest.raises(
        BaseZarrError, match=rf'data.zarr/u: mode="{mode}" makes a new array, which needs a shape='
    ):
        lz.open_array("data.zarr/u", mode=mode)
    assert tree() == before


def test_making_groups(stored):
    assert lz.open_group("data.zarr").nmembers() == 2
    assert lz.open_group("data.zarr/new", attributes={"a": 1}).attrs == {"a": 1}
    assert lz.open("data.zarr/other", mode="a").path == "other"
    with pytest.raises(ContainsGroupError):
        lz.open_group("data.zarr", mode="w-")
    with pytest.raises(ContainsGroupError):
        lz.open("data.zarr", mode="w-")
    assert lz.open_group("data.zarr", mode="w").nmembers() == 0
    assert tree() == ["data.zarr", "data.zarr/zarr.json"]


def test_reading_never_writes(stored):
    z = lz.open("data.zarr/u", mode="r")
    with pytest.raises(ReadOnlyStoreError, match=r"file://data.zarr/u was opened read-only.*mode=.r\+"):
        z[0] = 1
    with pytest.raises(PermissionError):
        z.resize(2)


def test_unknown_words(stored):
    with pytest.raises(BaseZarrError, match="mode='rw' is not known"):
        lz.open("data.zarr", mode="rw")
    with pytest.raises(TypeError, match="'chunk'; did you mean chunks="):
        lz.open_array("data.zarr/u", chunk=(2,))
    with pytest.raises(TypeError, match="memroy"):
        lz.open("data.zarr/u", memroy=2)


def test_old_words(stored):
    z = lz.open_array(
        "data.zarr/u",
        mode="r",
        synchronizer=object(),
        cache_metadata=True,
        cache_attrs=False,
        chunk_store=None,
    )
    assert z[1] == 1
    g = lz.open_group("data.zarr", mode="r", synchronizer=object(), cache_attrs=True)
    assert "u" in g
    with pytest.raises(
        BaseZarrError, match=r"chunk_store=...\): where chunks lie is said when the store is opened"
    ):
        lz.open_group("data.zarr").create_array("v", shape=(2,), chunk_store={})


def test_formats(stored):
    lz.create_array("old.zarr", shape=(3,), zarr_format=2)
    assert lz.open("old.zarr").zarr_format == 2
    assert lz.open("old.zarr", zarr_format=2).zarr_format == 2
    with pytest.raises(NodeNotFoundError, match="A v2 node is there: leave zarr_format=3 out"):
        lz.open("old.zarr", zarr_format=3)


# Consolidated metadata.


def consolidate(path):
    """As zarr-python writes it into a v3 group."""
    entries = {
        str(file.parent.relative_to(path)): json.loads(file.read_text())
        for file in Path(path).rglob("zarr.json")
        if file.parent != Path(path)
    }
    document = json.loads(Path(path, "zarr.json").read_text())
    document["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": entries}
    Path(path, "zarr.json").write_text(json.dumps(document))


def test_consolidated_metadata_is_read():
    lz.create_array("data.zarr/g/u", data=np.arange(4))
    consolidate("data.zarr")
    for opened in (lz.open_consolidated("data.zarr"), lz.open("data.zarr", use_consolidated=True)):
        assert list(opened) == ["g"]
        assert list(opened["g"]) == ["u"]
        os.rename("data.zarr/g/u/zarr.json", "hidden")
        np.testing.assert_array_equal(opened["g/u"][...], np.arange(4))
        assert [path for path, _ in opened.members(None)] == ["g", "g/u"]
        assert repr(opened.tree()) == "/\n└── g\n    └── u (4,) int64"
        with pytest.raises(KeyError):
            opened["g/v"]
        os.rename("hidden", "data.zarr/g/u/zarr.json")


def test_consolidated_metadata_is_missing():
    lz.create_group("data.zarr")
    with pytest.raises(MetadataValidationError, match=r"file://data.zarr has no consolidated metadata"):
        lz.open_consolidated("data.zarr")


def test_stale_consolidated_metadata_is_not_believed_unasked():
    lz.create_group("data.zarr")
    consolidate("data.zarr")
    Path("data.zarr/u").mkdir()
    Path("data.zarr/u/zarr.json").write_bytes(lz.array([1, 2]).store.get("zarr.json"))
    assert list(lz.open_group("data.zarr")) == ["u"]
    assert list(lz.open_consolidated("data.zarr")) == []


def test_changes_below_keep_it_true():
    lz.create_array("data.zarr/g/u", data=np.arange(4))
    consolidate("data.zarr")
    z = lz.open("data.zarr/g/u")
    z.attrs["units"] = "K"
    z.append([4])
    lz.create_array("data.zarr/g/v", shape=(2,))
    lz.open_group("data.zarr").create_group("h")
    fresh = lz.open_consolidated("data.zarr")
    assert [path for path, _ in fresh.members(None)] == ["g", "g/u", "g/v", "h"]
    assert fresh["g/u"].attrs == {"units": "K"}
    assert fresh["g/u"].shape == (5,)
    del lz.open_group("data.zarr")["g"]
    assert list(lz.open_consolidated("data.zarr")) == ["h"]
