"""What to say about a machine when something goes wrong on it, and what lazyzarr itself says."""

from __future__ import annotations

import logging
import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["print_debug_info", "set_format", "set_log_level"]

_REQUIRED = ("numpy", "numcodecs", "dask", "donfig")
_OPTIONAL = ("zarr", "fsspec", "obstore", "distributed", "xarray", "ml_dtypes", "rich")


def print_debug_info() -> None:
    """Print the versions of lazyzarr, Python, the system, and of the packages that matter to it."""
    lines = [
        f"platform: {platform.platform()}",
        f"python: {platform.python_version()}",
        f"lazyzarr: {_version('lazyzarr')}",
    ]
    for title, names in (("Required", _REQUIRED), ("Optional", _OPTIONAL)):
        lines += ["", f"{title} packages", *(f"{name}: {_version(name)}" for name in names)]
    print("\n".join(lines))  # noqa: T201  this is what it is for


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def set_log_level(level: str) -> None:
    """Say on standard error what lazyzarr logs, from a level on: "DEBUG", "INFO", "WARNING", "ERROR".

    Raises ValueError for another level.
    """
    _handler()
    logging.getLogger("lazyzarr").setLevel(level)


def set_format(log_format: str) -> None:
    """Say it in a format of `logging.Formatter`, as "%(asctime)s %(message)s"."""
    _handler().setFormatter(logging.Formatter(log_format))


def _handler() -> logging.Handler:
    """What writes to standard error; made once."""
    logger = logging.getLogger("lazyzarr")
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
    return logger.handlers[0]
