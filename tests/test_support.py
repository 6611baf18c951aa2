"""docs/support.md: every cell of its tables is tried again, with the versions that it names."""

from __future__ import annotations

import pytest

from tests import support_table
from tests.support_table import (
    BOTH,
    CODECS,
    COLUMNS,
    DOCUMENT,
    DTYPES,
    UNDEFINED,
    Row,
    blocks,
    parsed,
    probed,
)

OURS = [column for column in COLUMNS if column.startswith("lazyzarr")]


@pytest.mark.peer
@pytest.mark.parametrize(("name", "rows"), [("dtypes", DTYPES), ("codecs", CODECS)])
def test_the_tables_are_true(name: str, rows: list[Row]) -> None:
    """`python tests/support_table.py` writes them."""
    text = DOCUMENT.read_text()
    said, found = parsed(blocks(text)[name]), probed(rows)
    missing = {row.label for row in rows if row.label not in found}
    assert list(said) == [row.label for row in rows]
    same = blocks(text)["versions"].strip() == support_table.versions()
    columns = COLUMNS if same else OURS
    for label, cells in found.items():
        assert {column: said[label][column] for column in columns} == {
            column: cells[column] for column in columns
        }
        assert {cells[column] for column in OURS} <= {BOTH, UNDEFINED}, label
    if not same or missing:
        pytest.skip(
            f"compared lazyzarr alone, as these are {support_table.versions()}"
            if not same
            else f"without {missing}"
        )


def test_every_codec_has_a_row() -> None:
    from lazyzarr.format.codecs.registry import CODECS as known

    labels = " ".join(row.label for row in CODECS)
    for name in known:
        assert f"`{name}`" in labels or name.startswith("v2.") or name == "endian"  # of old, for bytes
