"""NumPy's names, lazily: `import lazyzarr.numpy as lnp` computes with stored arrays as `numpy` does with its own.

Functions take arrays of any kind (lazy, stored, NumPy's, lists) and give lazy ones; what makes arrays takes
`chunks=`. Names that are no functions of arrays (dtypes, constants, `newaxis`) are NumPy's own. The verbs that
dask.array has beside NumPy's names are here, too: `lnp.from_zarr`, `lnp.rechunk`, `lnp.store`, `lnp.compute`.

>>> import lazyzarr.numpy as lnp
>>> lnp.concatenate([lnp.zeros(2), lnp.arange(3)]).compute()
array([0., 0., 0., 1., 2.])
"""

from typing import Any as _Any

from lazyzarr import numpy_names as _names
from lazyzarr.creating import arange as arange
from lazyzarr.creating import asarray as asarray
from lazyzarr.creating import empty as empty
from lazyzarr.creating import eye as eye
from lazyzarr.creating import full as full
from lazyzarr.creating import linspace as linspace
from lazyzarr.creating import ones as ones
from lazyzarr.creating import rechunk as rechunk
from lazyzarr.creating import zeros as zeros

__all__ = _names.NAMES


def __getattr__(name: str) -> _Any:
    # Not put among this module's globals, where `any` or `sum` would take the place of Python's.
    return _names.found(name)


def __dir__() -> list[str]:
    return list(__all__)
