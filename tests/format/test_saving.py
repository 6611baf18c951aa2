"""save and load: one array, several, and what is there already."""

from __future__ import annotations

import os

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    BaseZarrError,
    ContainsArrayError,
    ContainsGroupError,
    ContainsNodeError,
    NodeNotFoundError,
    NodeTypeValidationError,
)


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
