"""Doctests run in a folder of their own, with `np` and `lz` at hand."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def doctest_folder(request, tmp_path, monkeypatch, doctest_namespace):
    """A doctest may write data.zarr: it lands in the test's temporary folder."""
    if isinstance(request.node, pytest.DoctestItem):
        import lazyzarr as lz

        monkeypatch.chdir(tmp_path)
        doctest_namespace.update(np=np, lz=lz)
