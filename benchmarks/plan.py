"""How long does it take to plan a sum over a virtual terabyte in 1,000,000 chunks, and how much memory?"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys

from harness import HERE, arguments, save

CHILD = """
import json, sys, time
import lazyzarr as lz

def status(name):
    lines = (line.split() for line in open("/proc/self/status"))
    return next(int(words[1]) * 1024 for words in lines if words[0] == name + ":")

side = int(sys.argv[2])
lz.create_array(store=sys.argv[1], shape=(side,) * 3, chunks=(64, 64, 64), dtype="f4")
before, start = status("VmRSS"), time.perf_counter()
x = lz.from_zarr(sys.argv[1])
y = ((x * 2 + 1)[::2]).sum(axis=0)
built = time.perf_counter()
text = str(y.explain(memory="1GB"))
end = time.perf_counter()
found = {"build": built - start, "explain": end - built, "memory": status("VmHWM") - before, "text": text}
print(json.dumps(found))
"""


def run(root: str, side: int) -> dict:
    path = f"{root}/virtual.zarr"
    command = [sys.executable, "-c", CHILD, path, str(side)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE.parent)
    shutil.rmtree(path)
    return json.loads(answer.stdout)


def main() -> None:
    options = arguments(__doc__)
    found = [run(options.root, 640 if options.quick else 6400) for _ in range(options.rounds)]
    shutil.rmtree(options.root, ignore_errors=True)
    build, explain = (statistics.median(r[name] for r in found) for name in ("build", "explain"))
    memory, total = max(r["memory"] for r in found), build + explain
    table = "\n".join(
        [
            "| ((x\\*2 + 1)[::2]).sum(axis=0) over 1,000,000 chunks | |",
            "| --- | ---: |",
            f"| built | {build * 1e3:.1f} ms |",
            f"| planned and explained | {explain * 1e3:.1f} ms |",
            f"| together | {total:.2f} s (goal 1{'' if total <= 1 else ', missed'}) |",
            f"| memory | {memory / 1e6:.0f} MB (goal 100{'' if memory <= 1e8 else ', missed'}) |",
        ]
    )
    print(table, found[0]["text"], sep="\n\n")
    save("plan", options, {"table": table, "records": found})


if __name__ == "__main__":
    main()
