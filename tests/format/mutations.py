"""Metadata documents that something broke: mutations of good ones, the same for the same seed on every machine."""

from __future__ import annotations

import copy
import json

MEMBERS = [
    *"name configuration must_understand id dtype data_type codecs chunk_shape chunk_shapes order endian".split(),
    *"storage_transformers consolidated_metadata attributes dimension_names fill_value filters metadata".split(),
    *"kind fields length_bytes unit separator node_type zarr_format zz \ud800 __proto__ zarr.json ..".split(),
]
NUMBERS = [0, 1, -1, 2, 3, 7, 1.5, 4.0, -0.0, 1e400, float("nan"), 2**31, 2**32, 2**33, 2**62, 2**63, 2**64]
NUMBERS += [2**80, 10**400, -(2**63), 5e-324]
WORDS = [
    *"x NaN Infinity -Infinity +Infinity NaT 0x7fc00001 0x 0xffffffffffffffffff / . C F little big AAAA YQ== =".split(),
    *"regular rectilinear default v2 bytes zstd gzip blosc transpose crc32c sharding_indexed packbits".split(),
    *"cast_value scale_offset bitround reshape vlen-utf8 vlen-bytes numcodecs.delta numcodecs.zlib".split(),
    *"numcodecs.pickle pickle json2 vlen-array categorize delta start end inline array group".split(),
    *"bool int8 uint64 float16 float64 complex64 complex_float32 string binary r8 r24 r1 r9999999 int4".split(),
    *"bfloat16 float8_e4m3 float4_e2m1fn structured struct raw_bytes null_terminated_bytes".split(),
    *"|b1 <f2 >f8 <c16 |S5 |S0 |S2147483648 <U4 <U99999999999 |V8 |V0 |O <M8 <M8[ns] <M8[0ns] >m8[25µs]".split(),
    *"<f16 i4 <i3 \x00 \ud800 🐟".split(),
    "",
    " ",
    "x" * 1000,
]
COMPOUNDS = [
    [],
    [[]],
    {},
    [0],
    [0, 0],
    [1, 2],
    [1, 2, 3],
    [-1, 4],
    [4.0, 4],
    [True, 4],
    [[4, 2], 3],
    [[[4, 2]], [3, 3, 4]],
    [[[1, 2**40]], 4],
    [2**40, 2**40],
    [None],
    ["bytes", "zstd"],
    [["a", "<i4"]],
    [["a", "<i4"], ["a", "<f8", [2, 2]]],
    [["a", [["b", "|V3"]]]],
    [["a", "|V8", [2**31, 2**31]]],
    {"name": "x"},
    {"name": "bytes"},
    {"name": None},
    {"must_understand": False},
    {"name": "bytes", "configuration": {"endian": "big"}, "must_understand": False},
    {"name": "bytes", "configuration": None},
    {"name": "transpose", "configuration": {"order": [1, 0]}},
    {"name": "transpose", "configuration": {"order": [0, 0]}},
    {"name": "reshape", "configuration": {"shape": [[0, 1], -1]}},
    {"name": "cast_value", "configuration": {"data_type": "int8", "out_of_range": "wrap"}},
    {"name": "scale_offset", "configuration": {"scale": 0, "offset": "NaN"}},
    {"name": "packbits", "configuration": {"padding_encoding": "first_byte", "first_bit": 9}},
    {"name": "numcodecs.delta", "configuration": {"dtype": "<i4", "astype": "|O"}},
    {"name": "numcodecs.fixedscaleoffset", "configuration": {"dtype": "<f4", "offset": "x", "scale": None}},
    {"id": "zlib"},
    {"id": "zlib", "level": "x"},
    {"id": "pickle"},
    {"id": "delta", "dtype": "f4"},
    {"id": "delta", "dtype": "|O"},
    {"id": "vlen-array", "dtype": "<i4"},
    {"id": "categorize", "labels": ["a"], "dtype": "|O", "astype": "u1"},
    {"id": "json2"},
    {"name": "numpy.datetime64", "configuration": {"unit": "xx", "scale_factor": 0}},
    {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 2**31 - 1}},
    {"name": "fixed_length_utf32", "configuration": {"length_bytes": 2**31 - 4}},
    {"name": "struct", "configuration": {"fields": [{"name": "x", "data_type": "int8"}]}},
    {"name": "struct", "configuration": {"fields": [{"name": "x", "data_type": "string"}] * 2}},
    {"name": "structured", "configuration": {"fields": [["x", "float32"], ["y", "uint8"]]}},
    {"name": "raw_bytes", "configuration": {"length_bytes": -1}},
    {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [[[2, 3]], 5]}},
    {"name": "rectilinear", "configuration": {"kind": "inline", "chunk_shapes": [[[1, 2**50]], 5]}},
]
ATOMS = [None, True, False, *NUMBERS, *WORDS, *COMPOUNDS]


def mutated(raw, rng):
    """The bytes of a document, changed in its structure or in its text."""
    if rng.random() < 0.15:
        return _flipped(raw, rng)
    value = json.loads(raw)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        _change(value, rng)
    # Python's own tokens (NaN, Infinity) and lone surrogates are among what writers have left
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return _respelled(text, rng) if rng.random() < 0.1 else text


def _change(value, rng):
    """One member or item of a document removed, replaced, added, moved or repeated."""
    places = list(_places(value))
    if not places:
        return
    holder, key = rng.choice(places)
    kind = rng.random()
    if kind < 0.15:
        del holder[key]
    elif kind < 0.3 and isinstance(holder, dict):
        holder[rng.choice(MEMBERS)] = _atom(rng)
    elif kind < 0.35 and isinstance(holder, list):
        holder.insert(rng.randint(0, len(holder)), _atom(rng))
    elif kind < 0.45:
        other, name = rng.choice(places)
        holder[key] = copy.deepcopy(other[name])
    elif kind < 0.5 and isinstance(holder, list):
        holder.extend(copy.deepcopy(holder) * rng.choice([1, 1, 40]))
    elif kind < 0.53:
        holder[key] = _nested(holder[key], rng.choice([1, 3, 120]), rng)
    elif isinstance(holder[key], int) and kind < 0.75:
        n = int(holder[key])
        holder[key] = rng.choice(
            [n * 1000, -n, n + 1, n - 1, n + 0.0 if abs(n) < 2**70 else n, str(n), 2**33, 2**62, 2**80]
        )
    else:
        holder[key] = _atom(rng)


def _places(value):
    """Every holder in the document with each of its keys."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in list(items):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _atom(rng):
    return copy.deepcopy(rng.choice(ATOMS))


def _nested(value, depth, rng):
    wrap = rng.choice([lambda v: [v], lambda v: {"a": v}, lambda v: {"name": "struct", "configuration": v}])
    for _ in range(depth):
        value = wrap(value)
    return value


def _flipped(raw, rng):
    """Bits flipped, bytes moved, the end cut off."""
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(changed))
        changed[at] ^= 1 << rng.randrange(8)
    if rng.random() < 0.3:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)


def _respelled(text, rng):
    """The same values in other words: white space, escapes, number spellings, repeated members."""
    return rng.choice(
        [
            lambda: text.replace(b": ", b"\t:\r\n"),
            lambda: b"\xef\xbb\xbf" + text,
            lambda: text.replace(b"a", b"\\u0061"),
            lambda: text.replace(b"0", b"0.0e0"),
            lambda: text.replace(b"{", b'{"name": "x", ', 1),
            lambda: text[:-1] + b', "shape": [1], "shape": [2]}',
            lambda: text + b"\n\x00",
            lambda: text.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass"),
            lambda: text.replace(b"1", b"1" * 5000, 1),
        ]
    )()
