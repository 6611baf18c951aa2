"""The lazy namespace: public names alone, NumPy's and dask.array's habits, and the cure for what is not lazy."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.graph.functions.unique import Unique


@pytest.fixture
def x():
    return lz.from_array(np.arange(6.0).reshape(2, 3), chunks=1)


def test_only_public_names_are_there():
    inner = (
        "memory lift part lines operator functools gufunc grouping as_node full_node Node annotations numpy"
    )
    assert [name for name in inner.split() if hasattr(lnp, name)] == []
    assert [name for name in vars(lnp) if not name.startswith("_") and name not in lnp.__all__] == []
    assert dir(lnp) == lnp.__all__
    assert [name for name in lnp.__all__ if not callable(getattr(lnp, name))] == []
    assert {"abs", "concat", "concatenate", "from_zarr", "map_blocks", "rechunk", "zeros"} <= set(lnp.__all__)


def test_other_names_of_numpys_functions(x):
    assert lnp.concat([x, x]).shape == (4, 3)
    assert lnp.permute_dims(x, (1, 0)).shape == (3, 2)
    assert (
        lnp.astype(x, "i4").compute().tolist()
        == np.astype(x, "i4").compute().tolist()
        == [[0, 1, 2], [3, 4, 5]]
    )
    assert lnp.abs(-x).compute().tolist() == lnp.array([[0, 1, 2], [3, 4, 5]]).compute().tolist()


def test_the_habits_of_dask_array(x):
    assert lnp.rechunk(x, (2, 3)).chunks == ((2,), (3,))
    assert lnp.rechunk(np.zeros(4), 3).chunks == ((3, 1),)
    stored = lnp.store(lnp.from_array(np.arange(4), chunks=2), "a.zarr")
    assert lnp.compute(lnp.from_zarr("a.zarr").sum(), lnp.map_blocks(np.negative, stored).max()) == (6, 0)


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("blockwise", "x.map_blocks"),
        ("linalg", r"x.to_dask_array\(\)"),
        ("fft", r"x.to_dask_array\(\)"),
        ("random", "dask.array.random"),
        ("ma", r"where=~mask"),
        ("emath", "x.map_blocks"),
        ("nonzero", r"numpy.nonzero\(x.compute\(\)\)"),
        ("to_zarr", r"x.to_zarr\("),
        ("concatenat", r"did you mean concatenate\?"),
    ],
)
def test_what_is_not_lazy_names_the_cure(name, cure):
    with pytest.raises(AttributeError, match=cure):
        getattr(lnp, name)


def test_what_concerns_no_values_is_numpys_own():
    assert lnp.issubdtype is np.issubdtype
    assert lnp.exceptions is np.exceptions
    assert lnp.newaxis is None
    assert not hasattr(lnp, "__path__")


def test_functions_say_what_their_users_see():
    assert (
        str(inspect.signature(lnp.concatenate)) == "(arrays: 'Any', axis: 'Axis | None' = 0) -> 'LazyArray'"
    )
    assert (lnp.sqrt.__module__, lnp.sum.__module__, lnp.concat.__name__) == ("lazyzarr.numpy",) * 2 + (
        "concat",
    )
    assert pickle.loads(pickle.dumps(lnp.mean)) is lnp.mean


def test_what_gives_no_array_is_handed_on(x):
    assert isinstance(lnp.unique(x), Unique)
    assert lnp.shape(x) == (2, 3)
    assert [part.shape for part in lnp.split(x, 2)] == [(1, 3), (1, 3)]
    assert lnp.add.outer([1, 2], [3, 4]).compute().tolist() == [[4, 5], [5, 6]]


@pytest.mark.parametrize("name", ["concatenate", "mean", "arange", "map_blocks"])
def test_the_top_level_says_where_they_are(name):
    with pytest.raises(AttributeError, match=f"import lazyzarr.numpy as lnp; lnp.{name}"):
        getattr(lz, name)
    assert lz.numpy is lnp
    assert "numpy" not in lz.__all__
