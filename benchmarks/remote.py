"""How long does it take to read 1,000 chunks over HTTP when each answer takes 20 ms, and to write them to a bucket?

Float32, 8 KiB a chunk, zstd, from a server of files on this machine that waits before each answer; written to moto's
S3, whose own work shows there. Peers read what lazyzarr wrote: zarr-python through obstore, tensorstore through its
HTTP driver, both with as many requests at once as they choose.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable

import numpy as np
from harness import HERE, arguments, save

sys.path.insert(0, str(HERE.parent))

import lazyzarr as lz
from tests.servers import Server

GOAL = 1000  # ms
LATENCY = 0.02
SIGNED = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"


def peers(url: str) -> dict[str, Callable[[], float]]:
    """What each peer does, and the sum that comes of it."""
    z = lz.open_array(f"{url}/x.zarr", mode="r")
    s = lz.open_array(f"{url}/s.zarr", mode="r")
    works = {
        "lazyzarr, z[...]": lambda: float(z[...].sum()),
        "lazyzarr, from_zarr(z).sum()": lambda: float(lz.from_zarr(z).sum().compute()),
        "lazyzarr, z[...] in 100 shards": lambda: float(s[...].sum()),
    }
    return works | _zarr(url) | _tensorstore(url)


def _zarr(url: str) -> dict[str, Callable[[], float]]:
    import obstore
    import zarr

    client = obstore.store.from_url(f"{url}/x.zarr", client_options={"allow_http": True})
    array = zarr.open_array(zarr.storage.ObjectStore(client, read_only=True), mode="r")
    return {"zarr-python, z[...]": lambda: float(array[...].sum())}


def _tensorstore(url: str) -> dict[str, Callable[[], float]]:
    import tensorstore

    spec = {"driver": "zarr3", "kvstore": {"driver": "http", "base_url": url, "path": "/x.zarr/"}}
    array = tensorstore.open(spec, read=True, recheck_cached=False).result()
    return {"tensorstore, read()": lambda: float(array.read().result().sum())}


def writes(url: str, data: np.ndarray) -> dict[str, Callable[[], float]]:
    """Writing to a bucket, each time to another place."""
    options = {"endpoint_url": url, "key": "x", "secret": "y", "region": "us-east-1"}
    numbers = iter(range(10_000))

    def place() -> str:
        return f"s3://bucket/{next(numbers)}.zarr/u"

    def eager() -> float:
        z = lz.create_array(
            place(), shape=data.shape, chunks=(1, data.shape[1]), dtype="f4", storage_options=options
        )
        z[...] = data
        return float(data.sum())

    def lazy() -> float:
        x = lz.from_array(data, chunks=(1, data.shape[1]))
        x.to_zarr(place(), storage_options=options)
        return float(data.sum())

    return {"lazyzarr, z[...] = data, to S3": eager, "lazyzarr, to_zarr, to S3": lazy}


def bucket() -> Server:
    server = Server("s3")
    headers = {"Host": "s3.amazonaws.com", "Authorization": SIGNED}
    urllib.request.urlopen(
        urllib.request.Request(f"{server.url}/bucket", method="PUT", headers=headers)
    ).close()
    return server


def main() -> None:
    options = arguments(__doc__)
    count = 50 if options.quick else 1000
    data = np.random.default_rng(0).integers(0, 1000, (count, 2048)).astype("f4")
    with tempfile.TemporaryDirectory() as folder:
        lz.create_array(f"{folder}/x.zarr", data=data, chunks=(1, 2048))
        lz.create_array(f"{folder}/s.zarr", data=data, chunks=(1, 2048), shards=(10, 2048))
        files, s3 = Server("files", folder), bucket()
        try:
            works = peers(files.url) | writes(s3.url, data)
            for server in (files, s3):
                server.control(latency=LATENCY)
            rounds = [
                {name: _ms(work, float(data.sum())) for name, work in works.items()}
                for _ in range(options.rounds)
            ]
        finally:
            files.close()
            s3.close()
    lines = [f"| {count} chunks, 20 ms an answer | ms |", "| --- | ---: |"]
    for name in works:
        took = statistics.median(times[name] for times in rounds)
        goal = f" (goal {GOAL}{'' if took <= GOAL else ', missed'})" if name in _GOALS else ""
        lines.append(f"| {name} | {took:.0f}{goal} |")
    print("\n".join(lines))
    save("remote", options, {"table": "\n".join(lines), "rounds": len(rounds), "records": rounds})


_GOALS = ("lazyzarr, z[...]", "lazyzarr, from_zarr(z).sum()")


def _ms(work: Callable[[], float], expected: float) -> float:
    start = time.perf_counter()
    got = work()
    took = (time.perf_counter() - start) * 1e3
    if not np.isclose(got, expected):
        raise SystemExit(f"wrong values: {got} is not {expected}")
    return took


if __name__ == "__main__":
    main()
