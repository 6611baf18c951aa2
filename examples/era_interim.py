"""Real data: ERA-Interim winds, packed as int16, are decoded, averaged and turned into wind speed.

usage: era_interim.py [v2.zarr or v3.zarr] [target.zarr]
"""

import sys
import tempfile
from pathlib import Path

import lazyzarr as lz

HERE = Path(__file__).resolve().parent
source = sys.argv[1] if len(sys.argv) > 1 else HERE.parent / "tests/data/eraint/v2.zarr"
target = sys.argv[2] if len(sys.argv) > 2 else Path(tempfile.mkdtemp()) / "speed.zarr"


def decoded(array):
    """The physical values of a packed array, lazily."""
    return lz.from_zarr(array) * array.attrs["scale_factor"] + array.attrs["add_offset"]


group = lz.open_group(source, mode="r")
u, v, z = (decoded(group[name]) for name in "uvz")
speed = (u**2 + v**2) ** 0.5

# four means, and each chunk of u, v and z is decoded once
means = lz.compute(u.mean(), v.mean(), z.mean(), speed.mean())
for name, mean in zip(("u", "v", "z", "speed"), means, strict=True):
    print(f"mean {name:5s} {mean:.12g}")

out = speed.astype("f4").to_zarr(target, attributes={"units": "m s**-1", "long_name": "wind speed"})
print(out)
