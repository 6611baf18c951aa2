"""Texts of errors: what they tell to write works when it is written; lines are as long as a terminal is wide."""

from __future__ import annotations

import operator
import re

import numpy as np
import pytest

import lazyzarr as lz

SIGNS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "@": operator.matmul,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}


@pytest.mark.parametrize("store", ["a.zarr", None], ids=["folder", "memory"])
@pytest.mark.parametrize("sign", SIGNS)
def test_what_does_an_operators_work_in_place(sign, store):
    a = np.arange(1, 10).reshape(3, 3).astype("f8" if sign == "/" else "i8")
    other = a.copy() if sign == "@" else 2
    for line in (0, 1):
        z = lz.array(a, store=store, overwrite=True)
        names = {"z": z, "other": other}
        with pytest.raises(TypeError) as caught:
            exec(f"z {sign}= {'other' if sign == '@' else 2}", names)
        cures = re.findall(r"^  (z.*?)  ", str(caught.value), re.MULTILINE)
        assert len(cures) == 2
        exec(cures[line], names)
        np.testing.assert_array_equal(names["z"][...], SIGNS[sign](a, other))
