"""Runs every benchmark and writes what they found into README.md beside this file.

usage: run.py [options that all benchmarks share]; --quick tries them without writing anything
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = ["eager", "sharding", "lazy", "coiled", "memory", "plan", "hierarchy", "remote", "import_time"]
HEAD = """# Benchmarks

`make bench` runs these and writes this file. Each peer is one process that lives through all rounds; the
peers take turns within a round, each run has a fresh output folder, and the values are compared between
peers in every round. A time is the median of the rounds in milliseconds; "of X" is the median of the
per-round ratios, our time divided by X's, so **below 1 we are faster**. Storage is memory-backed; two
cores; float32; blosc-lz4 (level 5), in shards zstd (level 3).

The peers: **loop** is the hand-written loop of `roofline.py` and `loops.py` on one or two threads, whichever is
faster in that row; **zarr** is zarr-python with its FusedCodecPipeline; **tensorstore** runs without fsync; **dask**
is dask.array, **dask-array** the package of that name, **xarray** xarray over dask.array, all over that same
zarr-python and with two threads, as is **cubed**; **blosc2** is python-blosc2 with two threads. Those that the tests do
not need come with `pip install 'lazyzarr[bench]'`; without it they are left out. `results/` holds every single time.
"""


def section(name: str) -> str:
    """The part of README.md for one benchmark, from its saved result."""
    result = json.loads((HERE / "results" / f"{name}.json").read_text())
    question = (HERE / f"{name}.py").read_text().split('"""')[1].strip()
    on = ", ".join(f"{key} {value}" for key, value in result["machine"].items())
    rounds = f"{result['rounds']} rounds. " if "rounds" in result else ""
    return f"## {name}.py\n\n{question}\n\n{result['table']}\n\n{rounds}Measured on: {on}\n"


def main() -> None:
    for name in SCRIPTS:
        print(f"== {name}.py", file=sys.stderr)
        subprocess.run([sys.executable, str(HERE / f"{name}.py"), *sys.argv[1:]], check=True)
    if "--quick" not in sys.argv:
        found = [name for name in SCRIPTS if (HERE / "results" / f"{name}.json").exists()]
        (HERE / "README.md").write_text("\n".join([HEAD, *map(section, found)]))


if __name__ == "__main__":
    main()
