"""Groups on servers: listed where that can be, described by consolidated metadata where not, read side by side."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import NodeNotFoundError, StoreError

pytest.importorskip("obstore", reason="comes with the extra lazyzarr[cloud]")


@pytest.fixture
def served(files, request):
    """A group with two arrays, on a server of files that lists nothing: its folder and URL."""
    folder = files.folder / f"{request.node.name}.zarr".replace("[", "-").replace("]", "")
    root = lz.open_group(folder, mode="w")
    root["wind/u"] = np.arange(6)
    root["t"] = np.arange(3)
    return folder, f"{files.url}/{folder.name}"


def test_consolidated_metadata_lists_what_a_server_of_files_cannot(served, files):
    folder, url = served
    lz.consolidate_metadata(folder)
    root = lz.open(url, mode="r")
    assert [path for path, _ in root.members(None)] == ["t", "wind", "wind/u"]
    assert list(root["wind"]) == list(root.wind.keys()) == ["u"]
    assert list(pickle.loads(pickle.dumps(root["wind"]))) == ["u"]
    assert "u (6,) int64" in repr(root.tree())
    np.testing.assert_array_equal(root["wind/u"][...], np.arange(6))
    files.control()
    root.tree()
    assert files.control()["requests"] == {}


def test_without_it_members_are_opened_by_name(served):
    _, url = served
    root = lz.open_group(url, mode="r")
    np.testing.assert_array_equal(root["wind/u"][...], np.arange(6))
    with pytest.raises(StoreError, match=r"cannot be listed over HTTP.*consolidate_metadata"):
        list(root)
    assert "members" in dir(root)
    with pytest.raises(NodeNotFoundError, match="no array or group at http"):
        root["x"]
    with pytest.raises(lz.errors.NodeTypeValidationError):
        lz.open_array(f"{url}/wind", mode="r")


def test_documents_are_read_side_by_side(s3, bucket, options):
    root = lz.open_group(bucket, mode="w", storage_options=options)
    u = lz.zeros((4,), chunks=(2,)).metadata
    made = root.create_hierarchy({f"a{i:02}": u for i in range(40)})
    assert sum(1 for _ in made) == 40
    s3.control(latency=0.05)
    assert [name for name, _ in root.members()] == [f"a{i:02}" for i in range(40)]
    seen = s3.control()
    assert seen["most"] >= 20
    assert seen["requests"]["GET"] <= 45


def test_copies_and_moves_on_a_server(s3, bucket, options):
    root = lz.open_group(bucket, mode="w", storage_options=options)
    root.create_array("a/u", data=np.arange(6), chunks=2)
    lz.consolidate_metadata(root.store, root.path)
    root.move("a/u", "b/v")
    dest = lz.group()
    assert lz.copy(f"{bucket}/b", dest, storage_options=options).n_copied == 2
    assert lz.copy_all(dest, f"{bucket}/all", storage_options=options).n_copied == 2
    del root["all"]
    lz.copy(dest["b"], root, name="c")
    assert [path for path, _ in root.members(None)] == ["a", "b", "b/v", "c", "c/v"]
    again = lz.open_consolidated(bucket, storage_options=options)
    assert [path for path, _ in again.members(None)] == ["a", "b", "b/v", "c", "c/v"]
    np.testing.assert_array_equal(again["c/v"][...], np.arange(6))
