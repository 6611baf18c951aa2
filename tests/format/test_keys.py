"""Keys: what is refused, what is normalised, and that chunk keys are those zarr-python writes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyzarr.errors import InvalidKeyError, MetadataValidationError
from lazyzarr.format.keys import (
    RESERVED_PREFIX,
    ChunkKeyEncoding,
    is_reserved,
    join_path,
    normalize_path,
    validate_key,
    validate_node_name,
)

ENCODINGS = [ChunkKeyEncoding(name, separator) for name in ("default", "v2") for separator in "/."]


@pytest.mark.parametrize(
    ("path", "normal"), [("", ""), ("/", ""), ("a//b/", "a/b"), ("/a", "a"), ("a b/ü", "a b/ü")]
)
def test_normalize_path(path, normal):
    assert normalize_path(path) == normal


@pytest.mark.parametrize("path", ["..", "a/../b", "./a", "a/.", "a\\b", "a\0b", "a/\ud800", "/.."])
def test_paths_that_could_leave_the_store(path):
    with pytest.raises(InvalidKeyError, match="not valid"):
        normalize_path(path)
    with pytest.raises(InvalidKeyError):
        validate_key(path)


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b"])
def test_keys_are_canonical(key):
    with pytest.raises(InvalidKeyError):
        validate_key(key)


@pytest.mark.parametrize("key", ["a", "zarr.json", ".zarray", "c/0/1", "a..b/...", "a/.b"])
def test_valid_keys(key):
    assert validate_key(key) == key


def test_only_strings_are_keys():
    with pytest.raises(InvalidKeyError):
        validate_key(b"a")
    with pytest.raises(InvalidKeyError):
        normalize_path(None)


@pytest.mark.parametrize("name", ["", "a/b", "...", "__x", "zarr.json", ".zattrs", RESERVED_PREFIX + "1"])
def test_node_names(name):
    with pytest.raises(InvalidKeyError):
        validate_node_name(name)
    assert validate_node_name("_" + name.replace("/", "").replace(".", "").strip("_")) is not None


def test_join_and_reserved():
    assert join_path("", "zarr.json") == "zarr.json"
    assert is_reserved("__lazyzarr-1")
    assert not is_reserved("__other")


@given(st.text(alphabet="ab/.\\\0_", max_size=8))
def test_normal_paths_are_keys(path):
    try:
        normal = normalize_path(path)
    except InvalidKeyError:
        return
    assert normalize_path(normal) == normal
    assert normal == "" or validate_key(normal) == normal


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("coords", [(), (0,), (1, 23), (4, 0, 1099511627776)])
def test_chunk_keys(encoding, coords):
    from zarr.core.chunk_key_encodings import DefaultChunkKeyEncoding, V2ChunkKeyEncoding

    peer = {"default": DefaultChunkKeyEncoding, "v2": V2ChunkKeyEncoding}[encoding.name]
    key = encoding.encode(coords)
    assert key == peer(separator=encoding.separator).encode_chunk_key(coords)
    assert encoding.decode(key, len(coords)) == coords


@given(st.sampled_from(ENCODINGS), st.integers(0, 3), st.text(alphabet="c01/.٣-+ ", max_size=6))
def test_decode_only_takes_what_encode_gives(encoding, ndim, key):
    coords = encoding.decode(key, ndim)
    assert coords is None or encoding.encode(coords) == key


def test_decode_is_the_inverse():
    for encoding, ndim in itertools.product(ENCODINGS, range(3)):
        for coords in itertools.product((0, 7, 10), repeat=ndim):
            assert encoding.decode(encoding.encode(coords), ndim) == coords


@pytest.mark.parametrize(("name", "separator"), [("zarrs.default_suffix", "/"), ("default", "-"), ("v2", "")])
def test_unknown_encodings(name, separator):
    with pytest.raises(MetadataValidationError):
        ChunkKeyEncoding(name, separator)


@pytest.mark.parametrize("name", ["\n", "a\n", "a\tb", "\x7f"])
def test_control_characters_are_named(name):
    with pytest.raises(InvalidKeyError, match=r"holds the control character '\\"):
        validate_node_name(name)
    assert validate_key(name) == name  # others' nodes can be read


def test_names_that_no_file_system_takes():
    assert validate_node_name("é" * 127)
    with pytest.raises(InvalidKeyError, match=r"has 256 bytes, and file systems take 255; choose a shorter"):
        validate_node_name("é" * 128)
