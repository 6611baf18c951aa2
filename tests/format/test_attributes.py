"""Attributes: a dictionary that is stored with each change, whoever else changes it."""

from __future__ import annotations

import json
import multiprocessing
import threading

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import MetadataValidationError, NodeNotFoundError


@pytest.fixture(params=["array-2", "array-3", "group-2", "group-3"])
def node(request):
    kind, zarr_format = request.param.split("-")
    if kind == "array":
        return lz.create_array("data.zarr", name="u", shape=(4,), zarr_format=int(zarr_format))
    return lz.create_group("data.zarr", path="u", zarr_format=int(zarr_format))


def stored():
    return lz.open("data.zarr/u").attrs.asdict()


def test_dictionary(node):
    attrs = node.attrs
    assert dict(attrs) == {}
    attrs["units"] = "K"
    attrs.update({"a": 1}, b=[1, {"c": None}])
    assert stored() == dict(attrs) == {"units": "K", "a": 1, "b": [1, {"c": None}]}
    assert len(attrs) == 3
    assert list(attrs) == ["units", "a", "b"]
    assert "units" in attrs
    assert repr(attrs) == "{'units': 'K', 'a': 1, 'b': [1, {'c': None}]}"
    del attrs["a"]
    assert attrs.pop("units") == "K"
    assert attrs.setdefault("b", 3) == [1, {"c": None}]
    assert attrs.setdefault("d", 4) == 4
    assert stored() == {"b": [1, {"c": None}], "d": 4}
    attrs.put({"x": 1})
    assert stored() == {"x": 1}
    attrs.clear()
    assert stored() == {}
    for missing in (lambda: attrs["x"], lambda: attrs.__delitem__("x")):
        with pytest.raises(KeyError):
            missing()


def test_numpy_scalars(node):
    node.attrs.update(
        f4=np.float32(0.5),
        i8=np.int64(-3),
        b=np.bool_(True),
        s=np.str_("x"),
        a=np.arange(3),
        nested=[np.float64(2)],
    )
    expected = {"f4": 0.5, "i8": -3, "b": True, "s": "x", "a": [0, 1, 2], "nested": [2.0]}
    assert stored() == node.attrs.asdict() == expected


def test_nan_is_stored_as_standard_json_and_read_as_others_write_it(node):
    node.attrs.update(a=np.nan, b=[np.float32("inf")], c=-np.inf)
    assert stored() == node.attrs == {"a": "NaN", "b": ["Infinity"], "c": "-Infinity"}
    key = next(key for key in ("u/zarr.json", "u/.zattrs") if node.store.exists(key))
    text = bytes(node.store.get(key)).decode()
    json.loads(text, parse_constant=pytest.fail)
    node.store.set(key, text.replace('"NaN"', "NaN").encode())
    opened = lz.open("data.zarr/u")
    opened.attrs["d"] = 1
    assert np.isnan(opened.attrs["a"])
    assert b"NaN," in bytes(node.store.get(key))  # an edit leaves what it does not name


def test_what_json_cannot_hold_changes_nothing(node):
    node.attrs["a"] = 1
    for wrong in (object(), 1j, {1, 2}, np.complex64(1), np.array("2020", "M8[D]")):
        with pytest.raises(MetadataValidationError, match="cannot be written as JSON"):
            node.attrs["b"] = wrong
    assert stored() == node.attrs == {"a": 1}


def test_what_is_got_is_a_copy(node):
    node.attrs["a"] = {"b": [1]}
    node.attrs["a"]["b"].append(2)
    node.attrs.asdict()["a"]["b"].append(3)
    assert node.attrs["a"] == {"b": [1]}


def test_others_changes_are_kept(node):
    other = lz.open("data.zarr/u")
    other.attrs["a"] = 1
    node.attrs["b"] = 2
    assert stored() == node.attrs == {"a": 1, "b": 2}
    assert other.attrs == {"a": 1}
    assert node.update_attributes({"c": 3}) is node
    assert stored() == {"a": 1, "b": 2, "c": 3}


def test_refresh(node):
    other = lz.open("data.zarr/u")
    other.attrs["a"] = 1
    assert "a" not in node.attrs
    node.attrs.refresh()
    assert node.attrs == {"a": 1}
    kind = "array" if hasattr(node, "shape") else "group"
    assert node.metadata.node_type == kind
    assert node.metadata.to_dict()["attributes"] == {"a": 1}
    del lz.open_group("data.zarr")["u"]
    with pytest.raises(NodeNotFoundError):
        node.attrs.refresh()


def test_threads(node):
    def write(first):
        opened = lz.open("data.zarr/u")
        for n in range(first, 24, 4):
            opened.attrs[str(n)] = n

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored() == {str(n): n for n in range(24)}


def write_in_process(first):
    for n in range(first, 24, 4):
        lz.open("data.zarr/u").attrs[str(n)] = n


def test_processes(node):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_in_process, args=(n,)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert stored() == {str(n): n for n in range(24)}


def test_a_node_that_is_gone(node):
    del lz.open_group("data.zarr")["u"]
    with pytest.raises(NodeNotFoundError, match=r"file://data.zarr/u"):
        node.attrs["a"] = 1
    assert list(lz.open_group("data.zarr")) == []
