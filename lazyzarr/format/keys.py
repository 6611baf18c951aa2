"""Store keys: which are legal, and how a chunk's coordinates are spelled as one.

Specifications: Zarr v3 core, "Node names" and "Chunk key encoding"; Zarr v2, "Storage".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import InvalidKeyError, MetadataValidationError

__all__ = [
    "METADATA_KEYS",
    "RESERVED_PREFIX",
    "ChunkKeyEncoding",
    "is_reserved",
    "join_path",
    "normalize_path",
    "validate_key",
    "validate_node_name",
]

METADATA_KEYS = frozenset({"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"})

# Staging directories and temporary files begin with it, so that they can be told from data,
# are never listed, and (as names beginning with "__" are reserved) never collide with a node.
RESERVED_PREFIX = "__lazyzarr-"

_FORBIDDEN = re.compile(r"[\\\x00]|(?:^|/)\.{1,2}(?:/|\Z)|[\ud800-\udfff]")
_NOT_CANONICAL = re.compile(r"^\Z|//|^/|/\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_NAME = 255  # bytes, of what file systems take


def is_reserved(segment: str) -> bool:
    """Whether a key's segment names something of lazyzarr's own that is not data.

    >>> is_reserved("__lazyzarr-17-3"), is_reserved("temperature")
    (True, False)
    """
    return segment.startswith(RESERVED_PREFIX)


def normalize_path(path: str) -> str:
    """A node's path as keys spell it: no slash at the ends, single ones between; the root is "".

    Raises InvalidKeyError for ".", "..", a backslash or NUL.

    >>> normalize_path("/a//b/"), normalize_path("/")
    ('a/b', '')
    """
    if not isinstance(path, str):
        raise InvalidKeyError(f"a node's path is a string, not {path!r}")
    _refuse_forbidden(path, "path")
    return "/".join(segment for segment in path.split("/") if segment)


def join_path(*parts: str) -> str:
    """The normal paths joined, empty ones (the root) left out.

    >>> join_path("", "a/b", "zarr.json")
    'a/b/zarr.json'
    """
    return "/".join(part for part in parts if part)


def validate_key(key: str) -> str:
    """The key itself, if it is one: relative, not empty, without ".", "..", "//", backslash or NUL.

    >>> validate_key("a/c/0/1")
    'a/c/0/1'
    """
    if not isinstance(key, str):
        raise InvalidKeyError(f"a store's key is a string, not {key!r}")
    _refuse_forbidden(key, "key")
    if _NOT_CANONICAL.search(key):
        raise InvalidKeyError(
            f"the key {key!r} is not valid: keys are not empty, do not begin or end with '/', "
            "and have no empty segment"
        )
    return key


def validate_node_name(name: str) -> str:
    """The name itself, if a new node may bear it (Zarr v3 core, "Node names").

    >>> validate_node_name("temperature")
    'temperature'
    """
    validate_key(name)
    if "/" in name:
        raise InvalidKeyError(f"the node name {name!r} holds a '/'; a name is one segment of a path")
    if not name.strip("."):
        raise InvalidKeyError(f"the node name {name!r} is only dots; choose another name")
    if match := _CONTROL.search(name):
        raise InvalidKeyError(
            f"the node name {name!r} holds the control character {match[0]!r}; leave it out, as with "
            "name.strip() for the end of a line"
        )
    if len(name.encode()) > _LONGEST_NAME:
        raise InvalidKeyError(
            f"the node name {name[:20]!r}... has {len(name.encode())} bytes, and file systems take "
            f"{_LONGEST_NAME}; choose a shorter name"
        )
    if name.startswith("__"):
        raise InvalidKeyError(
            f"the node name {name!r} begins with '__', which is reserved; choose another name"
        )
    if name in METADATA_KEYS:
        raise InvalidKeyError(f"the node name {name!r} is a metadata document's; choose another name")
    return name


def _refuse_forbidden(text: str, what: str) -> None:
    if match := _FORBIDDEN.search(text):
        raise InvalidKeyError(
            f"the {what} {text!r} is not valid: {match[0].strip('/') or match[0]!r} could lead out of the "
            "store or mean something else on another system; write it with '/' between plain names"
        )


@dataclass(frozen=True, slots=True)
class ChunkKeyEncoding:
    """How chunk coordinates become keys: "default" (c/0/1) or "v2" (0.1), with "/" or "." between.

    >>> ChunkKeyEncoding("default", "/").encode((1, 23)), ChunkKeyEncoding("v2", ".").encode((1, 23))
    ('c/1/23', '1.23')
    """

    name: str
    separator: str

    def __post_init__(self) -> None:
        if self.name not in ("default", "v2"):
            raise MetadataValidationError(
                f"the chunk key encoding {self.name!r} is not known; 'default' and 'v2' are"
            )
        if self.separator not in ("/", "."):
            raise MetadataValidationError(
                f"the separator {self.separator!r} of chunk keys is neither '/' nor '.'"
            )

    def encode(self, coords: Iterable[int]) -> str:
        """The key of one chunk, relative to its array."""
        coords = tuple(coords)
        return self.encoder(len(coords))(coords)

    def encoder(self, ndim: int) -> Callable[[tuple[int, ...]], str]:
        """A function from a tuple of `ndim` coordinates to the key: one C call a chunk.

        >>> ChunkKeyEncoding("default", "/").encoder(0)(())
        'c'
        """
        if ndim == 0:
            key = "c" if self.name == "default" else "0"
            return lambda coords: key
        places = ["%d"] * ndim
        if self.name == "default":
            places.insert(0, "c")
        return self.separator.join(places).__mod__

    def decode(self, key: str, ndim: int) -> tuple[int, ...] | None:
        """The coordinates that an array-relative key spells, or None where it is no chunk's key.

        >>> ChunkKeyEncoding("v2", "/").decode("1/23", 2), ChunkKeyEncoding("v2", "/").decode("1.23", 2)
        ((1, 23), None)
        """
        parts = key.split(self.separator)
        if self.name == "default" and parts.pop(0) != "c":
            return None
        if ndim == 0:
            return () if parts == ([] if self.name == "default" else ["0"]) else None
        if len(parts) != ndim or not all(map(_is_canonical_integer, parts)):
            return None
        return tuple(map(int, parts))


def _is_canonical_integer(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
