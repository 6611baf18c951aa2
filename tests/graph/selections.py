"""Selections of every kind that NumPy has, for arrays whose axes have three elements."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

indices = st.one_of(
    st.integers(-3, 2),
    st.slices(3),
    st.lists(st.integers(-3, 2), min_size=1, max_size=4),
    npst.arrays(np.int64, st.sampled_from([(2,), (2, 2), (1, 2), ()]), elements=st.integers(-3, 2)),
    npst.arrays(bool, (3,)),
)
"""What may stand for one axis."""
