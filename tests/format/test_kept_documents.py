"""Through every edit that the public calls make, a document keeps all bytes but those of what is edited.

Unknown members, NaN payloads, number spellings, the order of members and white space: each edit's document is the
one before it with one member's text replaced.
"""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyzarr as lz

SHAPE = "[ 4.0 , 6]"
ATTRIBUTES = (
    '{"b": 1.50, "a": [NaN, -0, 1E5, 100000000000000000000, 0.1000000000000000055], "\\u0065": "\\/"}'
)
V3 = {
    "fill_value": '"0x7fc00001"',
    "zarr_format": "3",
    "node_type": '"array"',
    "data_type": '{"name": "float32"}',
    "attributes": ATTRIBUTES,
    "codecs": '[{"configuration": {"endian": "little"}, "name": "bytes"}, "crc32c", {"name": "zstd", '
    '"configuration": {"level": 0, "checksum": false}, "must_understand": true}]',
    "chunk_key_encoding": '"default"',
    "shape": SHAPE,
    "chunk_grid": '{"name": "regular",\t"configuration": {"chunk_shape": [2.0, 3]}}',
    "dimension_names": '["y", null]',
    "storage_transformers": "[]",
    "some.extension": '{"must_understand": false, "size": 1E2, "list": [ ]}',
}
V2 = {
    "zarr_format": "2.0",
    "order": '"C"',
    "shape": SHAPE,
    "chunks": "[2,3.0]",
    "fill_value": "-0.0",
    "dtype": '"<f4"',
    "filters": "[]",
    "compressor": '{"id": "blosc", "typesize": 4, "cname": "lz4", "clevel": 5, "shuffle": -1, "blocksize": 0}',
    "dimension_separator": "null",
    "_nczarr_array": '{"dimrefs": ["/y", "/x"], "storage": "chunked", "n": 1E0}',
}
GROUP = {
    "node_type": '"group"',
    "another.extension": '{"must_understand":false,"x":NaN}',
    "attributes": ATTRIBUTES,
    "zarr_format": "3",
}
STYLES = [("{", ": ", ", ", "}"), ("{\n    ", ": ", ",\n    ", "\n}\n"), (" {", " :\t", " , ", " }\r\n\r\n")]


def spelled(members, style, seed=0):
    """The document, its members in a random order."""
    names = list(members)
    random.Random(seed).shuffle(names)
    start, colon, comma, end = style
    return start + comma.join(f'"{name}"{colon}{members[name]}' for name in names) + end


def text(contents, key):
    return bytes(contents[key]).decode()


EDITS = {
    "resize": (lambda z: z.resize(9, 6), SHAPE, "[9, 6]"),
    "append": (lambda z: z.append(np.ones((2, 6), "f4")), SHAPE, "[6, 6]"),
    "attrs": (lambda z: z.attrs.update(b=172839), "1.50", "172839"),
    "attrs.put": (lambda z: z.attrs.put({**z.attrs.asdict(), "b": {"x": None}}), "1.50", '{"x": null}'),
    "delete": (lambda z: z.attrs.__delitem__("b"), '"b": 1.50, ', ""),
    "the same": (lambda z: z.attrs.update(b=1.5), "", ""),
    "the same shape": (lambda z: z.resize(4, 6), "", ""),
}


@pytest.mark.parametrize("style", STYLES, ids=["line", "lines", "odd"])
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_edits_of_arrays(zarr_format, edit, style, seed):
    contents = {"zarr.json": spelled(V3, style, seed).encode()}
    if zarr_format == 2:
        contents = {".zarray": spelled(V2, style, seed).encode(), ".zattrs": (ATTRIBUTES + "\n").encode()}
    before = {key: text(contents, key) for key in contents}
    change, old, new = EDITS[edit]
    change(lz.open(contents))
    assert {
        key: text(contents, key).replace(new, old, 1) if new else text(contents, key) for key in before
    } == {key: raw if new or not old else raw.replace(old, new) for key, raw in before.items()}
    again = lz.open(contents)
    if zarr_format == 3:
        assert again.fill_value.tobytes() == bytes.fromhex("0100c07f")
        assert again[-1, -1].tobytes() == bytes.fromhex("0100c07f") or edit == "append"
    else:
        assert np.signbit(again.fill_value)


def hierarchy(style):
    """A group with consolidated metadata, in two spellings of its members: below it, and as its own."""
    array, group = spelled(V3, style, 1), spelled(GROUP, style, 2)
    inside = {"g": group, "g/u": array, "v": array}
    entries = "{" + ", ".join(f'"{path}": {raw.strip()}' for path, raw in inside.items()) + "}"
    member = '{"kind": "inline", "metadata": ' + entries + ', "must_understand": false, "written": 1E3}'
    root = spelled({**GROUP, "consolidated_metadata": member}, style, 3)
    return {"zarr.json": root.encode()} | {f"{path}/zarr.json": raw.encode() for path, raw in inside.items()}


@pytest.mark.parametrize("style", STYLES, ids=["line", "lines", "odd"])
@pytest.mark.parametrize("path", ["v", "g/u", "g", ""])
def test_edits_below_consolidated_metadata(path, style):
    contents = hierarchy(style)
    before = {key: text(contents, key) for key in contents}
    lz.open(contents, path=path).attrs["b"] = 17
    changed = {key for key in before if text(contents, key) != before[key]}
    assert changed == {"zarr.json", f"{path}/zarr.json".lstrip("/")}
    assert {key: text(contents, key).replace('"b": 17', '"b": 1.50') for key in before} == before
    assert "17" in text(contents, "zarr.json")


@pytest.mark.parametrize("style", STYLES, ids=["line", "lines", "odd"])
def test_nodes_made_and_deleted_below_consolidated_metadata(style):
    contents = hierarchy(style)
    before = {key: text(contents, key) for key in contents}
    lz.open_group(contents).create_group("w")
    assert (
        json.loads(text(contents, "zarr.json"))["consolidated_metadata"]["metadata"]["w"]["node_type"]
        == "group"
    )
    del lz.open_group(contents)["w"]
    assert {key: text(contents, key) for key in contents} == before


NUMBERS = st.sampled_from(
    "0 -0 -0.0 1.50 1E5 1e+05 100000000000000000000 0.1000000000000000055 1e400 NaN".split()
)
ITEMS = st.recursive(
    NUMBERS | st.sampled_from(['"a"', '"\\u00e9"', "null", "true"]),
    lambda items: st.lists(items, max_size=3).map(lambda found: f"[{', '.join(found)}]"),
    max_leaves=4,
)
NAMES = st.text('abc.é"\\', min_size=1, max_size=4)


@given(st.dictionaries(NAMES, ITEMS, max_size=4), st.dictionaries(NAMES, ITEMS, max_size=4), st.randoms())
def test_unknown_members_and_attributes(unknown, attributes, order):
    """Whatever a document holds besides, a change of one attribute and a new shape leave it."""

    def members(items):
        return ", ".join(f"{json.dumps(name)}: {item}" for name, item in items.items())

    known = {**V3, "attributes": "{" + members(attributes | {"mark": "1.50"}) + "}"}
    held = {
        f"x.{i}": '{"must_understand": false, "v": ' + item + "}" for i, item in enumerate(unknown.values())
    }
    names = [*known, *held]
    order.shuffle(names)
    raw = "{" + ", ".join(f'"{name}": {(known | held)[name]}' for name in names) + "}"
    contents = {"zarr.json": raw.encode()}
    z = lz.open(contents)
    z.attrs["mark"] = 2
    z.resize(8, 8)
    assert text(contents, "zarr.json") == raw.replace('"mark": 1.50', '"mark": 2').replace(SHAPE, "[8, 8]")
