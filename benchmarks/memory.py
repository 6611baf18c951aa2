"""Does a job stay below the memory it was given, over noise at least ten times that large, with two threads?

The sources lie on disk, 4.3 GB for 256 MB and 10.7 GB for 1 GB, in chunks of 4 MiB; what is written goes beside them.
Each job runs in a process of its own; its peak is VmHWM at the end less VmRSS after imports and opening. In
`(x*x + y*y)` y is x under another name, which the planner does not see through.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile

import numpy as np
import roofline
from child import alone
from harness import arguments, save

LIMIT = 1800  # s a job
CHUNKS = (64, 128, 128)
BUDGETS = {256_000_000: (1024, 1024, 1024), 1_000_000_000: (2560, 1024, 1024)}
SETUP = """
import numpy as np
import lazyzarr as lz

x, y = lz.from_zarr({source!r}), lz.from_zarr({other!r})
out, job = {out!r}, {{"scheduler": "threads", "num_workers": 2, "memory": {memory}}}
"""
JOBS = {
    "x.sum()": "x.sum().compute(**job)",
    "x.mean(axis=0)": "x.mean(axis=0).compute(**job)",
    "((x*x + y*y)**0.5).mean()": "((x * x + y * y) ** 0.5).mean().compute(**job)",
    "x.mean(), .std(), .min(), .max()": "lz.compute(x.mean(), x.std(), x.min(), x.max(), **job)",
    "x*2 + 1 written": "(x * 2 + 1).to_zarr(out, **job)",
    "x - x.mean(axis=0) written": "(x - x.mean(axis=0)).to_zarr(out, **job)",
    "x in chunks (n, 32, 32) written": "x.to_zarr(out, chunks=(x.shape[0], 32, 32), **job)",
    "x[:, 100, 200]": "x[:, 100, 200].compute(**job)",
    "x[::10, ::4, ::4].mean()": "x[::10, ::4, ::4].mean().compute(**job)",
    "(x[1:] - x[:-1]).max()": "(x[1:] - x[:-1]).max().compute(**job)",
    "x[x > 0.5].mean()": "x[x > 0.5].mean().compute(**job)",
    "x.T written in x's chunks": f"x.T.to_zarr(out, chunks={CHUNKS}, **job)",
    "np.median(x, axis=0)": "np.median(x, axis=0).compute(**job)",
    "np.sort(x, axis=0) written": "np.sort(x, axis=0).to_zarr(out, **job)",
}


def make_noise(path: str, shape: tuple[int, ...]) -> str:
    """A float32 array of noise, which no codec makes small."""
    files = roofline.Files(path, shape, CHUNKS, create=True)

    def one(index: roofline.Index) -> None:
        noise = np.random.default_rng(index).random(math.prod(CHUNKS), dtype="f4")
        files.write(index, noise.reshape(CHUNKS))

    roofline.each(one, files.indices(), threads=2)
    files.close()
    return path


def run(folder: str, memory: int, shape: tuple[int, ...], rows: str) -> dict[str, dict]:
    """What each job gives under one budget."""
    source, other, out = (f"{folder}/{name}.zarr" for name in ("noise", "again", "out"))
    make_noise(source, shape)
    os.symlink(source, other)
    setup, found = SETUP.format(source=source, other=other, out=out, memory=memory), {}
    for name, work in JOBS.items():
        if rows in name:
            found[name] = alone(setup, work, limit=LIMIT)
            shutil.rmtree(out, ignore_errors=True)
            print(f"{memory / 1e6:.0f} MB, {name}: {found[name]}", file=sys.stderr)
    return found


def cells(got: dict, memory: int) -> list[str]:
    """The peak, its share of the budget, and the seconds; or why there are none."""
    if "error" in got:
        refused = "refused" if got["error"].startswith("MemoryBudgetError") else "failed"
        return [f"{refused}: {got['error'][:120]}", "", ""]
    share = f"{got['peak'] / memory:.0%}{'' if got['peak'] <= memory else ', missed'}"
    return [f"{got['peak'] / 1e6:.0f}", share, f"{got['seconds']:.1f}"]


def main() -> None:
    options = arguments(__doc__)
    budgets = dict.fromkeys(BUDGETS, (256, 256, 256)) if options.quick else BUDGETS
    found = {}
    for memory, shape in budgets.items():
        with tempfile.TemporaryDirectory(prefix="lazyzarr-bench-", dir=options.disk) as folder:
            found[memory] = run(folder, memory, shape, options.rows)
    head = ["job"]
    for memory in budgets:
        head += [f"MB of {memory / 1e6:.0f}", "share", "s"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [
        [name, *(cell for memory in budgets for cell in cells(found[memory][name], memory))]
        for name in next(iter(found.values()))
    ]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    print(table)
    save("memory", options, {"table": table, "records": {str(m): jobs for m, jobs in found.items()}})


if __name__ == "__main__":
    main()
