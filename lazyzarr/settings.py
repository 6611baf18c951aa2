"""Settings (public as `lazyzarr.config`) and the limits of the machine: cores, memory, sizes in words.

Settings are read from `lazyzarr.config.set(...)`, from LAZYZARR_* in the environment, and from lazyzarr.yaml
where Dask looks for its own; the keys that zarr-python has too mean the same here.
"""

from __future__ import annotations

import functools
import os
import re
import resource
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .meant import meant

if TYPE_CHECKING:
    from donfig import Config

__all__ = [
    "DEFAULTS",
    "available_memory",
    "cpu_count",
    "format_bytes",
    "load_config",
    "memory_at_most",
    "memory_in_use",
    "parse_bytes",
    "setting",
]

DEFAULTS: dict[str, Any] = {
    "memory": None,  # bytes or "4GB"; None: half of what is available
    "scheduler": None,  # "threads" "sync" "processes"; None: a live Client, then dask.config, then threads
    "num_workers": None,
    "progress": False,
    "temporary_directory": None,
    "locking": "flock",  # "process": partial writes are safe within one process only, where flock is missing
    "array": {
        "order": "C",
        "write_empty_chunks": False,
        "read_missing_chunks": True,
        "verify_checksums": True,  # False: chunks are read whatever their crc32c, adler32, ... say
    },
    "async": {"concurrency": 64},  # requests to one remote store that are under way at once
    "default_zarr_format": 3,
}


# Settings of zarr-python, which programs may set and which mean nothing here; "codecs" and all below it likewise.
_ZARR_PYTHON: dict[str, Any] = {
    "array": dict.fromkeys(
        "allow_unsafe_pickle_decode rectilinear_chunks sharding_coalesce_max_bytes sharding_coalesce_max_gap_bytes "
        "target_shard_size_bytes v2_default_compressor v2_default_filters v3_default_compressors "
        "v3_default_filters v3_default_serializer".split()
    ),
    "async": {"timeout": None},
    "buffer": None,
    "codec_pipeline": dict.fromkeys(["batch_size", "max_workers", "path"]),
    "codecs": None,
    "json_indent": None,
    "ndbuffer": None,
    "threading": {"max_workers": None},
}


@functools.cache
def load_config() -> Config:
    """The settings object, public as `lazyzarr.config`.

    >>> with load_config().set({"array.write_empty_chunks": True}):
    ...     load_config().get("array.write_empty_chunks")
    True
    """
    import donfig  # loaded on first use: not every import of lazyzarr needs it

    class Settings(donfig.Config):  # type: ignore[misc]
        """Settings of known names."""

        def set(self, arg: Mapping[str, Any] | None = None, **words: Any) -> Any:
            """Sets settings, until the end of a `with` where it stands in one.

            Parameters
            ----------
            arg : mapping, optional
                Values by the settings' names: {"array.order": "F"}, or {"array": {"order": "F"}}.
            **words : optional
                The same as keywords, of which two underscores are a dot: array__order="F".

            Raises ValueError for unknown names.
            """
            given = {**(arg or {}), **{name.replace("__", "."): value for name, value in words.items()}}
            return super().set(dict(_known(given)))

    return Settings("lazyzarr", defaults=[DEFAULTS])


def _known(given: Mapping[str, Any], below: str = "") -> Iterator[tuple[str, Any]]:
    """Settings one by one, by their whole names. Raises ValueError for names that no setting has."""
    for key, value in given.items():
        name = f"{below}{key}"
        # Dask and donfig take either spelling.
        plain = name.replace("-", "_")
        if isinstance(value, Mapping) and plain in _GROUPS:
            yield from _known(value, f"{name}.")
        elif plain in _NAMES or plain.startswith("codecs."):
            yield name, value
        else:
            close = meant(plain, _NAMES)
            hint = f"did you mean {close}? " if close else ""
            raise ValueError(f"lz.config has no setting {name!r}; {hint}It has {', '.join(_names(DEFAULTS))}")


def _names(settings: Mapping[str, Any], below: str = "") -> list[str]:
    """The whole names of settings: "array.order"."""
    return [
        each
        for key, value in settings.items()
        for each in (_names(value, f"{below}{key}.") if isinstance(value, Mapping) else [f"{below}{key}"])
    ]


_NAMES = frozenset(_names(DEFAULTS) + _names(_ZARR_PYTHON))
_GROUPS = frozenset(name.rpartition(".")[0] for name in _NAMES) - {""}


def setting(key: str) -> Any:
    """The value of one setting.

    >>> setting("default_zarr_format")
    3
    """
    return load_config().get(key)


_UNITS = {"": 1, "B": 1} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("kMGTP", start=1)
    for suffix, base in (("", 1000), ("B", 1000), ("i", 1024), ("iB", 1024))
}
_UNITS |= {unit.upper(): value for unit, value in _UNITS.items()}


def parse_bytes(size: str | float) -> int:
    """The number of bytes that a size in words means; decimal units, binary ones as GiB.

    >>> parse_bytes("1.5GB"), parse_bytes("64 MiB"), parse_bytes(1e6)
    (1500000000, 67108864, 1000000)
    """
    if not isinstance(size, str):
        return int(size)
    match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([A-Za-z]*)\s*", size)
    unit = _UNITS.get(match[2], _UNITS.get(match[2].upper())) if match else None
    if match is None or unit is None:
        raise ValueError(f'{size!r} is no size in bytes; write it as 2e9, "2GB", "500 MB" or "2GiB"')
    return int(float(match[1]) * unit)


def format_bytes(size: float) -> str:
    """A size in words, decimal units.

    >>> format_bytes(13_300_000_000), format_bytes(4_100), format_bytes(12)
    ('13.3 GB', '4.1 kB', '12 B')
    """
    value, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if abs(value) < 999.95 or unit == "PB":
            break
        value /= 1000
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


@functools.cache
def cpu_count() -> int:
    """The number of cores this process may use: affinity and cgroup quota counted.

    >>> cpu_count() >= 1
    True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _first_line("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0] != "max":
        cores = min(cores, max(1, round(int(quota[0]) / int(quota[1]))))
    return cores


def available_memory() -> int:
    """Bytes that can still be used without swapping: cgroup limit, address-space limit, MemAvailable.

    >>> available_memory() > 0
    True
    """
    limits = [_meminfo_available()]
    limit, used = _first_line("/sys/fs/cgroup/memory.max"), _first_line("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and used.isdigit():
        limits.append(int(limit) - int(used))
    return max(1, min(limits))


def _meminfo_available() -> int:
    """Bytes the kernel calls available; where it does not say, half of the physical memory."""
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def memory_in_use() -> int | None:
    """Bytes of memory that this process has now; None where the system does not say.

    >>> memory_in_use() != 0
    True
    """
    return _status("VmRSS")


def memory_at_most() -> int:
    """Bytes of memory that this process has had at the most.

    >>> memory_at_most() != 0
    True
    """
    found = _status("VmHWM")
    if found is not None:
        return found
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _status(name: str) -> int | None:
    """What Linux counts for this process under a name, in bytes."""
    try:
        with open("/proc/self/status") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)
    except OSError:
        return None


def _first_line(path: str) -> str:
    """The first line of a file, or nothing where there is none to read."""
    try:
        with open(path) as lines:
            return lines.readline().strip()
    except OSError:
        return ""
