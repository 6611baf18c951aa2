"""save and load: one array, several, and what is there already."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import zarr

import lazyzarr as lz
from lazyzarr.errors import (
    BaseZarrError,
    ContainsArrayError,
    ContainsGroupError,
    ContainsNodeError,
    InvalidKeyError,
    NodeNotFoundError,
    NodeTypeValidationError,
    ShapeMismatchError,
    UnknownDataTypeError,
)
from lazyzarr.format import commit


class FakeStored:
    """What a lazy array is to the format half."""

    shape = (2,)
    dtype = np.dtype("i4")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_array(zarr_format):
    values = np.arange(12, dtype="f4").reshape(3, 4)
    lz.save("a.zarr", values, zarr_format=zarr_format)
    loaded = lz.load("a.zarr")
    assert loaded.dtype == values.dtype
    np.testing.assert_array_equal(loaded, values)
    lz.save("b.zarr", values, path="x/y")
    np.testing.assert_array_equal(lz.load("b.zarr", path="x/y"), values)
    np.testing.assert_array_equal(lz.load("b.zarr/x/y"), values)


def test_several_arrays():
    lz.save("a.zarr", [1, 2], np.ones(2), wind=np.zeros(3))
    loaded = lz.load("a.zarr")
    assert list(loaded) == ["arr_0", "arr_1", "wind"]
    np.testing.assert_array_equal(loaded["wind"], np.zeros(3))
    lz.save("a.zarr", more=[1])
    lz.save_group("a.zarr", path="g", t=[3])
    assert list(lz.load("a.zarr")) == ["arr_0", "arr_1", "g/t", "more", "wind"]


def test_what_is_there_stays():
    lz.save("a.zarr", np.arange(3))
    for save in (lz.save, lz.save_array):
        with pytest.raises(ContainsArrayError, match=r"file://a.zarr already holds an array"):
            save("a.zarr", np.arange(4))
    with pytest.raises(NodeTypeValidationError, match="is an array"):
        lz.save("a.zarr", x=[1])
    np.testing.assert_array_equal(lz.load("a.zarr"), np.arange(3))
    lz.save_array("a.zarr", np.arange(4), overwrite=True, chunks=(2,))
    np.testing.assert_array_equal(lz.load("a.zarr"), np.arange(4))

    lz.save("g.zarr", x=[1])
    with pytest.raises(ContainsNodeError, match=r"file://g.zarr/x is there already, so nothing was saved"):
        lz.save("g.zarr", a=[1], x=[2])
    assert list(lz.load("g.zarr")) == ["x"]
    with pytest.raises(ContainsGroupError):
        lz.save("g.zarr", [1])


def test_nothing_to_save():
    with pytest.raises(BaseZarrError, match="no array was given"):
        lz.save("a.zarr")
    assert os.listdir() == []


def test_nothing_to_load():
    lz.save("a.zarr", x=[1])
    with pytest.raises(NodeNotFoundError, match=r"Did you mean x\?"):
        lz.load("a.zarr", path="xx")
    with pytest.raises(NodeNotFoundError):
        lz.load("b.zarr")
    assert os.listdir() == ["a.zarr"]


def test_tree():
    lz.save("a.zarr", x=[1], y=np.ones((2, 2)))
    assert repr(lz.tree(lz.open_group("a.zarr"))) == "/\n├── x (1,) int64\n└── y (2, 2) float64"


BAD = [
    ({"x": np.ones(3), "y": object()}, UnknownDataTypeError, r"file://a.zarr/y: dtype=object does not say"),
    ({"x": np.ones(3), "a/../b": np.ones(2)}, InvalidKeyError, "could lead out of the store"),
    ({"x": np.ones(3), "__y": np.ones(2)}, InvalidKeyError, "begins with '__'"),
    ({"x": np.ones(3), "y": [[1], [2, 3]]}, ShapeMismatchError, "file://a.zarr/y: the value is no array"),
    ({"x": [1], "x/y": [2]}, InvalidKeyError, "'x' takes its place"),
    ({"x/y": [1], "x": [2]}, InvalidKeyError, "'x/y' takes its place"),
    ({"x": [1], "/": [2]}, InvalidKeyError, "it is empty"),
]


@pytest.mark.parametrize(("arrays", "error", "text"), BAD)
@pytest.mark.parametrize("there", [False, True])
def test_all_arrays_or_none(arrays, error, text, there):
    if there:
        lz.save("a.zarr", old=[1])
    with pytest.raises(error, match=text):
        lz.save("a.zarr", **arrays)
    if there:
        assert list(lz.load("a.zarr")) == ["old"]
        assert sorted(os.listdir("a.zarr")) == ["old", "zarr.json"]
    else:
        assert os.listdir() == []


class Unreadable(FakeStored):
    """A lazy array that fails when it is computed."""

    def __lazyzarr_store__(self, target, selection, url=None):
        raise ZeroDivisionError


@pytest.mark.parametrize("there", [False, True])
def test_a_failure_while_data_are_written_leaves_nothing(there):
    if there:
        lz.save("a.zarr", old=[1])
    before = sorted(map(str, Path().rglob("*")))
    with pytest.raises(ZeroDivisionError):
        lz.save("a.zarr", **{"x": [1], "g/y": [2], "z": Unreadable()})
    assert sorted(map(str, Path().rglob("*"))) == before


def test_a_new_group_appears_with_all_its_arrays():
    seen = []

    class Watching(FakeStored):
        def __lazyzarr_store__(self, target, selection, url=None):
            seen.append(os.path.exists("a.zarr"))

    lz.save("a.zarr", **{"x": [1], "g/h/y": Watching()})
    assert seen == [False]
    assert [path for path, _ in lz.open("a.zarr").members(None)] == ["g", "g/h", "g/h/y", "x"]


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_saving_below_consolidated_metadata(zarr_format):
    root = lz.create_group("a.zarr", zarr_format=zarr_format)
    root.create_array("x", data=[1])
    zarr.consolidate_metadata("a.zarr", zarr_format=zarr_format)
    lz.save("a.zarr", path="g", **{"h/y": [2]})
    lz.save("a.zarr", path="g", z=[3])
    below = zarr.open_consolidated("a.zarr", zarr_format=zarr_format).members(None)
    assert sorted(path for path, _ in below) == ["g", "g/h", "g/h/y", "g/z", "x"]


def test_several_processes_may_save_into_one_new_group(monkeypatch):
    make = commit.create_filled_group

    def late(store, path, *rest):
        monkeypatch.setattr(commit, "create_filled_group", make)
        lz.save("a.zarr", y=[2])
        make(store, path, *rest)

    monkeypatch.setattr(commit, "create_filled_group", late)
    lz.save("a.zarr", x=[1])
    assert list(lz.load("a.zarr")) == ["x", "y"]


@pytest.mark.parametrize("word", [{"overwrite": True}, {"mode": "w"}, {"chunks": (1, 2)}, {"dtype": "f4"}])
def test_options_are_not_taken_for_arrays(word):
    with pytest.raises(BaseZarrError, match=r"nothing was saved; lz.save_array takes .*= as an option"):
        lz.save("a.zarr", [1], **word)
    assert os.listdir() == []
    lz.save("a.zarr", chunks=np.ones(2))
    assert list(lz.load("a.zarr")) == ["chunks"]


def test_what_replaces_is_named():
    for there in ([1], [1]):
        lz.save_array("a.zarr", there, overwrite=True)
        with pytest.raises(ContainsArrayError, match=r"write lz.save_array\(store, x, overwrite=True\)"):
            lz.save("a.zarr", [2])


def test_a_name_given_twice():
    with pytest.raises(InvalidKeyError, match="'arr_0' takes its place"):
        lz.save("a.zarr", [1], [2], arr_0=[3])
