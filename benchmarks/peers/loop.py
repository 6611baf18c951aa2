"""The hand-written loop of roofline.py, on as many threads as LOOP_THREADS says."""

from __future__ import annotations

import os
from functools import partial

import roofline

THREADS = int(os.environ.get("LOOP_THREADS", "1"))

open_array = open_lazy = roofline.Files.open
write = partial(roofline.write, threads=THREADS)
read = partial(roofline.read, threads=THREADS)
total = partial(roofline.total, threads=THREADS)
mean0 = partial(roofline.mean0, threads=THREADS)
quad = partial(roofline.quad, threads=THREADS)
map_write = partial(roofline.map_write, threads=THREADS)
