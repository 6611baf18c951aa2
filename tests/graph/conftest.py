"""What the tests of the compute half share: one small cluster of worker processes, and a stored array for it."""

from __future__ import annotations

import dask
import numpy as np
import pytest

import lazyzarr as lz

CLUSTER = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}

SHAPE, CHUNKS = (1000, 1000), (130, 210)  # 8 MB: eight tasks


def values():
    """The values of `x`."""
    return np.random.default_rng(5).integers(0, 1000, SHAPE).astype("f8")


@pytest.fixture
def x():
    """A stored array, as a lazy one."""
    z = lz.create_array("data.zarr/x", shape=SHAPE, chunks=CHUNKS, dtype="f8")
    z[...] = values()
    return lz.from_zarr("data.zarr/x")


@pytest.fixture
def temporary(tmp_path):
    """A temporary directory of the test's own for temporary arrays, empty afterwards."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    with lz.config.set(temporary_directory=str(directory)):
        yield directory
    assert list(directory.iterdir()) == []


@pytest.fixture(scope="session")
def client():
    """A Client of two worker processes, which is nobody's default; tests leave the workers as they were."""
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.admin.log-format": "%(message)s"}),
        distributed.LocalCluster(**CLUSTER, silence_logs=60) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client
