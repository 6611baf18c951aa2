"""What `.info` and notebooks show of a node: rows of label and value, as text and as an HTML table."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["Info", "byte_count"]


class Info:
    """A summary of a node: labelled rows that print as aligned text and show as an HTML table.

    >>> Info([("Type", "Array"), ("Shape", "(4,)")])
    Type  : Array
    Shape : (4,)
    """

    __slots__ = ("rows",)

    def __init__(self, rows: Iterable[tuple[str, object]]) -> None:
        self.rows = tuple((label, str(value)) for label, value in rows)

    def __repr__(self) -> str:
        width = max((len(label) for label, _ in self.rows), default=0)
        return "\n".join(f"{label:<{width}} : {value}" for label, value in self.rows)

    def _repr_html_(self) -> str:
        cells = "".join(
            f'<tr><th style="text-align: left">{escape(label)}</th>'
            f'<td style="text-align: left">{escape(value)}</td></tr>'
            for label, value in self.rows
        )
        return f"<table><tbody>{cells}</tbody></table>"


def byte_count(size: int) -> str:
    """A number of bytes, with binary units beside it where it is long, as zarr-python's info prints it.

    >>> byte_count(100), byte_count(400_000_000)
    ('100', '400000000 (381.5M)')
    """
    value, unit = float(size), ""
    for unit in ("", "K", "M", "G", "T", "P"):
        if value < 1024 or unit == "P":
            break
        value /= 1024
    return f"{size} ({value:.1f}{unit})" if unit else str(size)
