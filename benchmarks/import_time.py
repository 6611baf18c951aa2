"""How much longer does `import lazyzarr` take than `import numpy, numcodecs`?"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from harness import HERE, arguments, save

GOAL = 60  # ms
BASE = "import numpy, numcodecs"
MORE = {  # what is added, and the goal for it
    "import lazyzarr": GOAL,
    "import lazyzarr; lazyzarr.open_array": None,
    "import lazyzarr; lazyzarr.open_array, lazyzarr.from_zarr": None,
}


def run_ms(code: str) -> float:
    """Wall-clock milliseconds of a fresh interpreter that runs this."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=HERE.parent)
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    options = arguments(__doc__)
    rounds = [
        {code: run_ms(code) for code in (BASE, *(f"{BASE}; {more}" for more in MORE))}
        for _ in range(options.rounds * 3)
    ]
    base = statistics.median(times[BASE] for times in rounds)
    lines = ["| a fresh interpreter | ms |", "| --- | ---: |", f"| `{BASE}` | {base:.0f} |"]
    for more, goal in MORE.items():
        added = statistics.median(times[f"{BASE}; {more}"] - times[BASE] for times in rounds)
        verdict = f" (goal {goal}{'' if added <= goal else ', missed'})" if goal else ""
        lines.append(f"| what `{more}` adds | {added:.0f}{verdict} |")
    print("\n".join(lines))
    save("import_time", options, {"table": "\n".join(lines), "records": rounds})


if __name__ == "__main__":
    main()
