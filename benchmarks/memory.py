"""Does a job stay below the memory it was given? 4 GiB of noise, memory="256MB", two threads.

Each job runs in a process of its own; its peak is VmHWM at the end less VmRSS after imports and opening.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys

from harness import HERE, arguments, save

MEMORY = 256_000_000
JOBS = {
    "x.mean(axis=0)": "x.mean(axis=0).compute(**job)",
    "x.std()": "x.std().compute(**job)",
    "(x*2).to_zarr()": "(x * 2).to_zarr(out, **job)",
}
CHILD = """
import json, sys, time
import lazyzarr as lz
source, out, work, memory = sys.argv[1:]

def status(name):
    lines = (line.split() for line in open("/proc/self/status"))
    return next(int(words[1]) * 1024 for words in lines if words[0] == name + ":")

x = lz.from_zarr(source)
job = {"scheduler": "threads", "num_workers": 2, "memory": int(memory)}
before = status("VmRSS")
start = time.perf_counter()
eval(work)
seconds = time.perf_counter() - start
print(json.dumps({"peak": status("VmHWM") - before, "seconds": seconds}))
"""


def make_noise(path: str, side: int) -> str:
    """A float32 array of noise, which no codec makes small, in chunks of 4 MiB."""
    import numpy as np
    import roofline

    shape, chunks = (side,) * 3, (64, 128, 128)
    files, rng = roofline.Files(path, shape, chunks, create=True), np.random.default_rng(0)
    for index in files.indices():
        files.write(index, rng.random(math.prod(chunks), dtype="f4").reshape(chunks))
    files.close()
    return path


def run(source: str, out: str, work: str) -> dict:
    command = [sys.executable, "-c", CHILD, source, out, work, str(MEMORY)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parent)
    shutil.rmtree(out, ignore_errors=True)
    return json.loads(answer.stdout)


def main() -> None:
    options = arguments(__doc__)
    try:
        source = make_noise(f"{options.root}/noise.zarr", 512 if options.quick else 1024)
        found = {name: run(source, f"{options.root}/out.zarr", work) for name, work in JOBS.items()}
    finally:
        shutil.rmtree(options.root, ignore_errors=True)
    lines = ["| job | peak MB | of allowed 256 MB | s |", "| --- | ---: | ---: | ---: |"]
    for name, got in found.items():
        share = f"{got['peak'] / MEMORY:.0%}{'' if got['peak'] <= MEMORY else ', missed'}"
        lines.append(f"| {name} | {got['peak'] / 1e6:.0f} | {share} | {got['seconds']:.1f} |")
    print("\n".join(lines))
    save("memory", options, {"table": "\n".join(lines), "records": found})


if __name__ == "__main__":
    main()
