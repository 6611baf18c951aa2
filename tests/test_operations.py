"""docs/operations.md: every lazy operation has a row, and every cell of it is found again."""

from __future__ import annotations

import re

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from tests.operations_table import BLOCK, DOCUMENT, NONE, ROWS, Row, names_of, probed, table

WRITTEN = DOCUMENT.read_text()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.operations)
def test_the_table_is_true(row: Row) -> None:
    """`python tests/operations_table.py` writes it."""
    _, _, *lines = table({row: [probed(row, name) for name in names_of(row)]}).splitlines()
    assert [line for line in lines if line not in WRITTEN.splitlines()] == []


def test_every_operation_has_a_row() -> None:
    rows = {re.sub(r"^lz\.|\(.*", "", name) for row in ROWS for name in names_of(row)}
    # A function of several names has a row by one of them; ufuncs share a row.
    names = {getattr(np, name).__name__ if hasattr(np, name) else name for name in lnp.__all__}
    names -= {name for name in names if isinstance(getattr(np, name, None), np.ufunc)}
    names -= {"compute", "from_array", "from_zarr", "store"}
    names |= {name for name in dir(lz.LazyArray) if not name.startswith("_")}
    assert names - rows - NONE == set()
    assert len(BLOCK.findall(WRITTEN)) == 1
