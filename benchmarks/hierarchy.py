"""How long does it take to open a hierarchy of 10,000 arrays through consolidated metadata, and to draw its tree?

100 groups of 100 arrays in a local folder, opened in a fresh interpreter each time, after a small one.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import HERE, arguments, save

GOAL = 1000  # ms
STEPS = {
    "open": "root = {}.open_consolidated({!r})",
    "one array": "root['g5/a5']",
    "tree": "root.tree(max_nodes=20_000)",
}
CODE = """
import time, {0}
{0}.open_consolidated({2!r}).tree()
for step in {1!r}:
    start = time.perf_counter()
    exec(step)
    print((time.perf_counter() - start) * 1e3)
"""


def make(folder: str, count: int) -> str:
    """The path of a new hierarchy of so many arrays in each of as many groups."""
    sys.path.insert(0, str(HERE.parent))
    import lazyzarr as lz

    path = str(Path(folder) / "h.zarr")
    u = lz.zeros((100, 100), chunks=(10, 10), dtype="f4", attributes={"units": "K"}).metadata
    root = lz.open_group(path, mode="w")
    root.create_hierarchy({f"g{i}/a{j}": u for i in range(count) for j in range(count)})
    for each in (path, f"{path}/g0"):
        lz.consolidate_metadata(each)
    return path


def times(package: str, path: str) -> list[float]:
    """Milliseconds of each step."""
    steps = [step.format(package, path) for step in STEPS.values()]
    command = [sys.executable, "-W", "ignore", "-c", CODE.format(package, steps, f"{path}/g0")]
    done = subprocess.run(command, check=True, cwd=HERE.parent, capture_output=True, text=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    options = arguments(__doc__)
    rounds: dict[str, list[list[float]]] = {"lazyzarr": [], "zarr": []}
    with tempfile.TemporaryDirectory() as folder:
        path = make(folder, 10 if options.quick else 100)
        for _ in range(options.rounds):
            for package, found in rounds.items():
                found.append(times(package, path))
    lines = ["| step | lazyzarr ms | zarr ms |", "| --- | ---: | ---: |"]
    for number, step in enumerate(STEPS):
        ours, theirs = (statistics.median(each[number] for each in found) for found in rounds.values())
        goal = f" (goal {GOAL}{'' if ours <= GOAL else ', missed'})" if step == "open" else ""
        lines.append(f"| {step} | {ours:.1f}{goal} | {theirs:.1f} |")
    print("\n".join(lines))
    save("hierarchy", options, {"table": "\n".join(lines), "rounds": options.rounds, "records": rounds})


if __name__ == "__main__":
    main()
