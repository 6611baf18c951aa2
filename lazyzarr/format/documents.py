"""JSON documents kept as they were written: an edit changes the members it names and no other byte.

Unknown members, the spelling of numbers, NaN tokens, the order of members and the white space survive.
What is newly written is standard JSON (RFC 8259): NaN and infinities become the strings "NaN",
"Infinity" and "-Infinity", the format's own spelling of them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import MetadataValidationError

__all__ = ["Document", "loads", "new_document"]

_MAX_DEPTH = 100
_CONTAINERS = frozenset((dict, list))
_INDENT = "  "
_BLANKS = " \t\n\r"
_SPACE = re.compile(f"[{_BLANKS}]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A JSON object and the text that spells it.

    >>> loads(b'{"a": 1.50, "b": {"c": 1E5}}', "zarr.json").edited({"a": 1.5, "b": {"c": 2}})
    Document('{"a": 1.50, "b": {"c": 2}}')
    """

    text: str
    """The JSON text."""
    value: dict[str, Any]
    """What the text says; not to be changed."""

    def __repr__(self) -> str:
        return f"Document({self.text!r})"

    def to_bytes(self) -> bytes:
        """The document as it is stored."""
        return self.text.encode()

    def edited(self, value: Mapping[str, Any]) -> Document:
        """The document that says `value`, in this one's words wherever it says the same.

        Raises MetadataValidationError for what JSON cannot hold.
        """
        body = self.text.strip(_BLANKS)
        before, _, after = self.text.partition(body)
        text = (
            before + _rewritten(body, self.value, value, "", _leading_space(self.text) or _INDENT, "") + after
        )
        return self if text == self.text else loads(text.encode(), "the edited document")

    def members(self) -> dict[str, Document]:
        """The members that are objects themselves, each as a document in the words of this one."""
        return {
            member.name: Document(self.text[member.start : member.stop], self.value[member.name])
            for member in _members(self.text)
            if isinstance(self.value[member.name], dict)
        }


def loads(raw: Any, key: str) -> Document:
    """The document that the stored bytes under `key` hold.

    Python's NaN, Infinity and -Infinity tokens are understood. Raises MetadataValidationError for
    what is no JSON object.

    >>> loads(b'{"a": NaN}', "zarr.json").value
    {'a': nan}
    """
    try:
        text = bytes(raw).decode("utf-8-sig")
        value = json.loads(text)
        deep = isinstance(value, dict) and _is_too_deep(value)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise MetadataValidationError(
            f"{key} is no valid JSON: {reason}; the document is damaged, restore it from a copy"
        ) from error
    if deep:
        raise MetadataValidationError(f"{key} is nested deeper than {_MAX_DEPTH} levels")
    if not isinstance(value, dict):
        raise MetadataValidationError(f"{key} holds {_shown(value)} where a JSON object is expected")
    return Document(text, value)


def new_document(value: Mapping[str, Any]) -> Document:
    """A document that says `value`, which may hold documents, NumPy scalars and arrays.

    >>> print(new_document({"shape": (2, 3), "attributes": {"scale": np.float32(0.5)}}).text)
    {
      "shape": [2, 3],
      "attributes": {
        "scale": 0.5
      }
    }
    """
    text = _spelled(_plain(value, ""), "", _INDENT)
    return loads(text.encode(), "the new document")


# From values to what JSON can say.


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """The value in JSON's types (and documents, to be written as they are)."""
    if depth > _MAX_DEPTH:
        raise MetadataValidationError(f"{where[:80]}... is nested deeper than {_MAX_DEPTH} levels")
    if value is None or (
        isinstance(value, bool | int | float | str | Document) and not isinstance(value, np.generic)
    ):
        return value
    if isinstance(value, Mapping):
        return {_name(key, where): _plain(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in "biufU":
        # longdouble has no Python number of its own: item() gives it back
        narrow = value.astype("f8") if value.dtype.kind == "f" and value.itemsize > 8 else value
        return narrow.tolist()
    raise MetadataValidationError(
        f"{where.lstrip('.')} = {_shown(value)} cannot be written as JSON; "
        "use numbers, strings, lists and dictionaries of them, None"
    )


def _name(key: Any, where: str) -> str:
    if isinstance(key, str):
        return str(key)
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        return str(int(key))
    raise MetadataValidationError(f"the key {key!r} in {where.lstrip('.') or 'the document'} is no string")


def _spelled(value: Any, margin: str | None, indent: str) -> str:
    """JSON text; lines after the first begin with `margin`, and None stands for all on one line."""
    if isinstance(value, Document):
        return value.text.strip()
    if isinstance(value, dict) and value:
        inner = None if margin is None else margin + indent
        items = [f"{json.dumps(key)}: {_spelled(item, inner, indent)}" for key, item in value.items()]
        return "{" + _lines(items, margin, indent) + "}"
    if isinstance(value, list):
        flat = margin is None or not any(isinstance(item, dict | list | Document) for item in value)
        inner = None if flat or margin is None else margin + indent
        items = [_spelled(item, inner, indent) for item in value]
        return "[" + _lines(items, None if flat else margin, indent) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
    try:
        return json.dumps(value)
    except ValueError as error:  # an integer of thousands of digits
        raise MetadataValidationError(f"a number cannot be written as JSON: {error}") from error


def _lines(items: list[str], margin: str | None, indent: str) -> str:
    if margin is None:
        return ", ".join(items)
    start = "\n" + margin + indent
    return start + f",{start}".join(items) + "\n" + margin


# Edits.


class _Member(NamedTuple):
    """Where a member of an object stands in the text, with the white space around it."""

    name: str
    lead: int
    begin: int
    start: int
    stop: int
    end: int


def _members(text: str) -> Iterator[_Member]:
    """The members of the object that a valid text spells, in its order; names may repeat."""
    end = text.index("{")
    while True:
        lead = end + 1
        begin = _after_space(text, lead)
        if text[begin] == "}":
            return
        name, colon = _DECODER.raw_decode(text, begin)
        start = _after_space(text, text.index(":", colon) + 1)
        _, stop = _DECODER.raw_decode(text, start)
        end = _after_space(text, stop)
        yield _Member(name, lead, begin, start, stop, end)
        if text[end] == "}":
            return


def _rewritten(text: str, old: Any, new: Any, margin: str | None, indent: str, where: str) -> str:
    """The text of `new`, given the text of `old`: what is the same keeps its words."""
    if new is old:
        return text
    if not (isinstance(new, Mapping) and isinstance(old, dict) and old):
        plain = _plain(new, where)
        same = not isinstance(plain, Document) and _is_same(old, plain)
        return text if same else _spelled(plain, margin, indent)
    # where a name is repeated, the last member is the one that counts
    members = list({member.name: member for member in _members(text)}.values())
    space = text[members[-1].lead : members[-1].begin]
    inner = space.rpartition("\n")[2] if "\n" in space else None
    items = {_name(name, where): item for name, item in new.items()}
    parts: list[tuple[str, str]] = []
    for member in members:
        if member.name in items:
            item, place = items.pop(member.name), f"{where}.{member.name}"
            value = text[member.start : member.stop]
            value = _rewritten(value, old[member.name], item, inner, indent, place)
            lead = (member if parts else members[0]).lead, (member if parts else members[0]).begin
            space_after = "" if member is members[-1] else text[member.stop : member.end]
            parts.append((text[slice(*lead)] + text[member.begin : member.start] + value, space_after))
    for name, item in items.items():
        value = _spelled(_plain(item, f"{where}.{name}"), inner, indent)
        parts.append((f"{space}{json.dumps(name)}: {value}", ""))
    if not parts:
        return "{}"
    *others, (last, _) = parts
    tail = text[members[-1].stop : members[-1].end]
    return "{" + "".join(f"{part}{after}," for part, after in others) + last + tail + "}"


def _is_same(old: Any, new: Any) -> bool:
    """Whether two values are the same in every bit and type; the order of members does not count."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(_is_same(old[key], new[key]) for key in old)
    if isinstance(old, list):
        return len(old) == len(new) and all(map(_is_same, old, new))
    return repr(old) == repr(new) if isinstance(old, float) else bool(old == new)


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _leading_space(text: str) -> str:
    """The indentation of the first member, where it stands on a line of its own."""
    match = re.match(r'\s*\{[ \t\r]*\n([ \t]+)"', text)
    return match[1] if match else ""


def _is_too_deep(value: Any) -> bool:
    """Whether containers are nested more than the limit; a loop, since this may be a hostile document."""
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        if not level:
            return False
        inside = (item.values() if isinstance(item, dict) else item for item in level)
        level = [item for items in inside for item in items if type(item) in _CONTAINERS]
    return True


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
