"""However many arrays are open, only so many file descriptors are."""

from __future__ import annotations

import lazyzarr as lz


def test_many_open_arrays_hold_few_descriptors(tmp_path, open_files):
    group = lz.open_group(tmp_path / "g.zarr", mode="w")
    arrays = [group.create_array(f"a{i}", shape=(4,), chunks=(2,), dtype="i4") for i in range(400)]
    before = open_files()
    for i, z in enumerate(arrays):
        z[:] = i
        z[1:3] = 7
        assert z[...].tolist() == [i, 7, 7, i]
    assert open_files() - before < 256
    for i, z in enumerate(arrays):  # those that were let go are opened again
        z[2] = 9
        assert z[...].tolist() == [i, 7, 9, i]
    assert open_files() - before < 256
