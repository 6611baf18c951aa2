"""What zarr-python 2.18.3 itself wrote of objects, records and raw bits, read and written over.

Of json2 and msgpack2 in F order zarr-python 2 read its own chunks transposed; here they are read as they were written.
"""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

import lazyzarr as lz
from tests import source

DATA = source.ROOT / "tests" / "data" / "zarr-python-2" / "arrays.json"
ARRAYS = json.loads(DATA.read_text())["arrays"]
OBJECTS = {
    "json2": [{"a": [1, None]}, [1, 2], None, "é", 3.5, True],
    "msgpack2": [{"a": [1, None]}, [1, 2], None, "é", 3.5, b"b"],
    "pickle": [{"a": 1}, [1, 2], None, "é", 3.5, "x"],
    "categorize": ["x", "yy", "", "x", "x", "yy"],
    "vlen-array": [list(range(n)) for n in (0, 3, 3, 1, 0, 5)],
    "vlen-utf8": ["x", "yy", "", "é𝄞", "x\0y", "q"],
    "vlen-bytes": [b"a", b"", b"\0", b"bb", b"c\0", b"d"],
    "text in part": ["x", "yy", "é", "", "", ""],
}
RECORDS = {
    "packed": [("x", "<f4"), ("n", ">i2"), ("s", "S3")],
    "nested": [("x", "<f4"), ("p", [("k", "u1"), ("t", "<M8[s]")])],
    "arrays": [("x", "<f4"), ("z", "<i2", (2, 2))],
}


def records(name):
    values = np.zeros((2, 3), RECORDS[name])
    values["x"] = [[1.5, 2, 3], [4, 5, 6]]
    if name == "packed":
        values["n"], values["s"] = values["x"] * 100, b"ab"
    elif name == "nested":
        values["p"]["k"], values["p"]["t"] = 7, np.arange(6).reshape(2, 3)
    else:
        values["z"] = np.arange(24).reshape(2, 3, 2, 2)
    return values


def lists(values):
    return [lists(item) for item in values] if isinstance(values, list | np.ndarray) else values


@pytest.mark.parametrize("name", ARRAYS)
def test_read_and_written_over(name):
    kind = name[:-2]
    if kind == "msgpack2":
        pytest.importorskip("msgpack")
    store = {key: base64.b64decode(value) for key, value in ARRAYS[name].items()}
    z = lz.open_array(store, config={"allow_pickle": True})
    for array in (z, over(z)):
        values = array[...]
        if kind in OBJECTS:
            items = OBJECTS[kind]
            assert lists(values) == [items[:3], items[3:]]
        elif kind in RECORDS:
            assert values.dtype == np.dtype(RECORDS[kind])
            assert values.tobytes() == records(kind).tobytes()
        else:
            assert values.tobytes() == bytes(range(18))


def over(z):
    """The array, after each of its elements was read and stored by itself."""
    for index in np.ndindex(z.shape):
        value = z[index]
        z[index] = value
    return z
