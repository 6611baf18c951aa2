"""What a lazy array has not: names that NumPy's, dask.array's and xarray's arrays have, and what does the same."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lazyzarr.graph.numpy_dispatch import FUNCTIONS
from lazyzarr.meant import meant

__all__ = ["cure", "near"]

_LABELLED = "xr.DataArray(x, dims=['time', 'lat', 'lon'], name='x') has"
_CURES = {
    "apply": "x.map_blocks(f) calls f chunk by chunk",
    "assign_coords": f"{_LABELLED} it",
    "chunk": "x.rechunk({0: 100}) does it",
    "compute_chunk_sizes": "x.chunks are known",
    "coords": f"{_LABELLED} them",
    "fillna": "np.where(np.isnan(x), 0, x) does it",
    "groupby": "x.groupby_reduce(labels, 'mean', axis=0) reduces by group",
    "isel": "x[:5] picks by number along the first axis, x[:, :5] along the second",
    "isnull": "np.isnan(x) does it",
    "load": "x.compute() gives the values, x.persist() a lazy array that holds them",
    "map": "x.map_blocks(f) calls f chunk by chunk",
    "name": f"{_LABELLED} one",
    "notnull": "~np.isnan(x) does it",
    "partitions": "x.blocks[...] picks chunks",
    "percentile": "np.percentile(x, 50) does it",
    "quantile": "np.quantile(x, 0.5) does it",
    "resample": "x.groupby_reduce(labels, 'mean', axis=0) reduces by group, x.coarsen(np.mean, {0: 24}) by window",
    "rolling": "lnp.sliding_window_view(x, 3, axis=0).mean(-1) does it, with import lazyzarr.numpy as lnp",
    "save": "lz.save('x.zarr', x) does it",
    "sel": f"{_LABELLED} it, once it has coordinates",
    "sizes": "dict(zip(x.dims, x.shape)) does it",
    "store": "x.to_zarr('x.zarr') and lz.store(x, 'x.zarr') do it; dask.array's functions take x.to_dask_array()",
    "to_dataset": f"{_LABELLED} it",
    "to_delayed": "x.to_dask_array().to_delayed() does it",
    "to_hdf5": "x.to_dask_array().to_hdf5('x.hdf5', '/x') does it",
    "to_netcdf": f"{_LABELLED} it",
    "to_numpy": "x.compute() gives the values",
    "to_svg": "x.visualize('plan.svg') draws the plan",
    "values": "x.compute() gives the values",
    "where": "np.where(condition, x, np.nan) does it",
}
_FUNCTIONS = frozenset(function.__name__ for function in FUNCTIONS)


def cure(name: str) -> str:
    """What to write instead of an attribute that lazy arrays have not; empty where there is nothing.

    >>> cure("median"), cure("values"), cure("partition"), cure("frobnicate")
    ('np.median(x) does it', 'x.compute() gives the values', 'x.compute().partition works in memory', '')
    """
    if name in _CURES:
        return _CURES[name]
    if name in _FUNCTIONS or isinstance(getattr(np, name, None), np.ufunc):
        return f"np.{name}(x) does it"
    return f"x.compute().{name} works in memory" if hasattr(np.ndarray, name) else ""


def near(name: str, names: Iterable[str]) -> str:
    """Which of the public names was meant; empty where none is near.

    >>> near("maen", ["max", "mean", "_men"]), near("frobnicate", ["mean"])
    ('did you mean mean?', '')
    """
    close = None if name.startswith("_") else meant(name, [n for n in names if not n.startswith("_")])
    return f"did you mean {close}?" if close else ""
