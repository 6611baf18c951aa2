"""What the tests of the compute half share: one small cluster of worker processes."""

from __future__ import annotations

import dask
import pytest

CLUSTER = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}


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
