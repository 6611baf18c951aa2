"""Documents: what an edit does not name stays as it was spelled; what is written is standard JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyzarr.errors import MetadataValidationError
from lazyzarr.format.documents import Document, loads, new_document

NUMBERS = [
    "0",
    "-0",
    "-0.0",
    "1.50",
    "1E5",
    "1e+05",
    "100000000000000000000",
    "0.1000000000000000055",
    "1e400",
]
TOKENS = [
    *NUMBERS,
    "NaN",
    "Infinity",
    "-Infinity",
    "true",
    "false",
    "null",
    '"a"',
    '"\\u00e9"',
    '"\\/"',
    '"é"',
    '"{"',
]
NAMES = st.sampled_from(['"a"', '"b"', '"c,"', '"\\u0064"', '"e}"'])
SPACE = st.sampled_from(["", " ", "\n  ", "\t"])


def lists(items):
    return st.builds(
        lambda items, space: "[" + ("," + space).join(items) + space + "]", st.lists(items, max_size=3), SPACE
    )


def objects(items):
    def spell(members, space, after):
        return "{" + ",".join(f"{space}{k}{after}:{after}{v}" for k, v in members.items()) + space + "}"

    return st.builds(spell, st.dictionaries(NAMES, items, max_size=4), SPACE, SPACE)


VALUES = st.recursive(st.sampled_from(TOKENS), lambda items: lists(items) | objects(items), max_leaves=12)


def tokens(text):
    """The document with its numbers as they are spelled."""
    return json.loads(text, parse_float=lambda s: ("#", s), parse_int=lambda s: ("#", s), parse_constant=str)


def paths(value, path=()):
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from paths(value[name], (*path, name))


def changed(value, path, edit):
    if not path:
        return edit(value)
    return {k: changed(v, path[1:], edit) if k == path[0] else v for k, v in value.items()}


@given(objects(VALUES), st.data())
def test_an_edit_leaves_the_rest_as_it_was_spelled(text, data):
    document = loads(text.encode(), "zarr.json")
    path = data.draw(st.sampled_from(list(paths(document.value))))
    target = document.value
    for name in path:
        target = target[name]
    if isinstance(target, dict):
        names = data.draw(st.sets(st.sampled_from([*target, "new"])))

        def edit(value):
            added = {"new": ["#", "7"]} if "new" in names else {}
            return {k: v for k, v in value.items() if k not in names} | added
    else:

        def edit(value):
            return ["#", "7"]

    edited = document.edited(changed(document.value, path, edit))
    assert tokens(edited.text) == changed(tokens(text), path, edit)
    assert list(tokens(edited.text)) == list(changed(tokens(text), path, edit))


@given(objects(VALUES))
def test_saying_the_same_changes_nothing(text):
    document = loads(text.encode(), "zarr.json")
    assert document.edited(json.loads(text)) is document
    assert document.to_bytes() == text.encode()


@given(objects(VALUES), objects(VALUES))
def test_any_edit_says_what_was_asked(text, other):
    wanted = json.loads(other)
    got = loads(text.encode(), "zarr.json").edited(wanted).value
    assert repr(sort(got, text)) == repr(sort(wanted, text))


def sort(value, text):
    """Members sorted, since an edit keeps the old order; infinities as strings, as new ones are written."""
    if isinstance(value, dict):
        return {k: sort(value[k], text) for k in sorted(value)}
    if isinstance(value, list):
        return [sort(item, text) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def test_repeated_names():
    document = loads(b'{"a": {"x": 1}, "a": {"y": 2, "y": 3.0}, "b": 0}', "zarr.json")
    assert document.edited({"a": {"y": 4}, "b": 0}).value == {"a": {"y": 4}, "b": 0}
    assert document.edited({"a": {"y": 3.0, "z": 1}, "b": 0}).value == {"a": {"y": 3.0, "z": 1}, "b": 0}


def test_new_lines_follow_the_document():
    text = '{\n    "a": {\n        "x": 1\n    }\n}'
    document = loads(text.encode(), "zarr.json").edited({"a": {"x": 1, "y": {"z": [{"w": 1}]}}, "b": {}})
    assert document.text == (
        '{\n    "a": {\n        "x": 1,\n        "y": {\n            "z": [\n                {\n'
        '                    "w": 1\n                }\n            ]\n        }\n    },\n    "b": {}\n}'
    )
    assert loads(b'{"a":1}', "").edited({"a": 1, "b": [1, 2]}).text == '{"a":1,"b": [1, 2]}'


def test_white_space_stays():
    document = loads(b' { "a" : 1 ,\t"b":{ } ,"c" : [1 , 2] } ', "zarr.json")
    assert document.edited({"a": 2, "b": {}, "c": [1, 2]}).text == (' { "a" : 2 ,\t"b":{ } ,"c" : [1 , 2] } ')
    assert document.edited({"a": 1, "b": {}}).text == ' { "a" : 1 ,\t"b":{ } } '
    assert document.edited({"b": {}, "c": [1, 2]}).text == ' { "b":{ } ,"c" : [1 , 2] } '
    assert document.edited({"a": 1, "b": {}, "c": [1, 2], "d": 0}).text == (
        ' { "a" : 1 ,\t"b":{ } ,"c" : [1 , 2],"d": 0 } '
    )


def test_documents_within_documents():
    inner = loads(b'{"x": 1.50}', "a/zarr.json")
    outer = new_document({"metadata": {"b": {"y": 1}}}).edited({"metadata": {"b": {"y": 1}, "a": inner}})
    assert '"a": {"x": 1.50}' in outer.text
    found = outer.members()["metadata"].members()
    assert found["a"].text == '{"x": 1.50}'
    assert found["b"].value == {"y": 1}


def test_new_documents_are_standard_json():
    value = {
        "f": np.float32(0.1),
        "i": np.int64(3),
        "b": np.bool_(True),
        "s": np.str_("x"),
        "a": np.arange(3),
        "t": (1, 2.5),
        "n": math.nan,
        "inf": [math.inf, -np.inf],
        "long": np.longdouble(0.5),
        "half": np.float16(0.1),
        "é\ud800": "é\ud800",
        3: None,
    }
    document = new_document(value)
    parsed = json.loads(document.text, parse_constant=lambda token: pytest.fail(f"{token} is not JSON"))
    assert parsed == document.value
    assert document.value["f"] == float(np.float32(0.1))
    assert document.value["a"] == [0, 1, 2]
    assert document.value["n"] == "NaN"
    assert document.value["inf"] == ["Infinity", "-Infinity"]
    assert document.value["b"] is True
    assert document.value["3"] is None
    assert document.value["é\ud800"] == "é\ud800"


@pytest.mark.parametrize(
    "value",
    [{1, 2}, b"x", 1j, np.complex64(1), np.datetime64("2020"), object(), {None: 1}, {b"x": 1}, {True: 1}],
)
def test_what_json_cannot_hold(value):
    with pytest.raises(MetadataValidationError, match=r"units\.x|units"):
        new_document({"units": {"x": value}})


def test_numbers_too_long_to_spell():
    with pytest.raises(MetadataValidationError):
        new_document({"a": 10**5000})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"a": }',
        b"[1]",
        b"1",
        b"null",
        b"\xff\xfe{}",
        b'{"a": 1} x',
        b'{"a": ' + b"9" * 5000 + b"}",
    ]
    + [b'{"a":' * n + b"1" + b"}" * n for n in (150, 2000, 200_000)]
    + [b'{"a":' + b"[" * n + b"]" * n + b"}" for n in (150, 2000, 200_000)],
    ids=lambda raw: repr(raw[:20]) + str(len(raw)),
)
def test_damaged_documents(raw):
    with pytest.raises(MetadataValidationError, match=r"u/zarr\.json"):
        loads(raw, "u/zarr.json")


def test_deep_but_not_too_deep():
    document = loads(b'{"a":' * 100 + b"1" + b"}" * 100, "zarr.json")
    assert document.edited({**document.value, "b": 1}).value["b"] == 1
    with pytest.raises(MetadataValidationError, match="deeper than 100"):
        new_document({"a": json.loads('{"a":' * 100 + "1" + "}" * 100)})


def test_buffers_and_byte_order_marks():
    assert loads(memoryview(b"\xef\xbb\xbf{}"), "zarr.json").value == {}
    assert loads(bytearray(b' {"a": NaN} '), "zarr.json").text == ' {"a": NaN} '


@given(st.binary(max_size=30) | objects(VALUES).map(lambda text: text.encode()[:-1]))
def test_only_our_own_error(raw):
    try:
        assert isinstance(loads(raw, "zarr.json"), Document)
    except MetadataValidationError as error:
        if "zarr.json" not in str(error):
            raise
