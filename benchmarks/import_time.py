"""How much longer does `import lazyzarr` take than `import numpy, numcodecs`?"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from harness import HERE, arguments, save

GOAL = 60  # ms


def import_ms(names: str) -> float:
    """Wall-clock milliseconds of a fresh interpreter that imports these."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {names}"], check=True, cwd=HERE.parent)
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    options = arguments(__doc__)
    both = [
        (import_ms("numpy, numcodecs"), import_ms("numpy, numcodecs, lazyzarr"))
        for _ in range(options.rounds * 3)
    ]
    base, more = statistics.median(a for a, _ in both), statistics.median(b - a for a, b in both)
    table = "\n".join(
        [
            "| import | ms |",
            "| --- | ---: |",
            f"| a fresh interpreter, numpy and numcodecs | {base:.0f} |",
            f"| what lazyzarr adds | {more:.0f} (goal {GOAL}{'' if more <= GOAL else ', missed'}) |",
        ]
    )
    print(table)
    save("import_time", options, {"table": table, "records": both})


if __name__ == "__main__":
    main()
