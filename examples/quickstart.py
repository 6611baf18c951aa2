"""The main job in thirty lines: write an array, compute on it lazily, write a derived one, read it back."""

import tempfile

import numpy as np

import lazyzarr as lz

folder = tempfile.mkdtemp()

# a stored array: written with NumPy assignment, in chunks, compressed, checksummed
z = lz.create_array(f"{folder}/demo.zarr/t", shape=(400, 360, 360), chunks=(40, 120, 120), dtype="f4")
for day in range(0, 400, 40):
    z[day : day + 40] = np.random.default_rng(day).normal(15, 8, (40, 360, 360))

# a lazy view: NumPy's words, and nothing is read yet
x = lz.from_zarr(f"{folder}/demo.zarr/t")
y = (x - x.mean(axis=0)) / x.std(axis=0)

# several answers in one pass over the chunks
low, high, mean = lz.compute(x.min(), x.max(), x.mean(), memory="150MB", progress=True)
print(f"from {low:.1f} to {high:.1f}, {mean:.2f} on average")

# a new array with other chunks, within the same memory: first what would happen, then it happens
plan = y.to_zarr(f"{folder}/demo.zarr/standardised", chunks=(200, 60, 60), memory="150MB", compute=False)
print(plan)
out = plan.run()
print(out)
print(np.allclose(out[:, 5, 7].std(), 1, atol=1e-3))
