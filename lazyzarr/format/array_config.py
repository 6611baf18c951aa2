"""What holds for one open array and is not stored with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import BaseZarrError
from ..settings import setting

__all__ = ["ArrayConfig", "array_config", "default_config"]


@dataclass(frozen=True, slots=True)
class ArrayConfig:
    """What holds for one open array and is not stored with it."""

    write_empty_chunks: bool = False
    """Store chunks of nothing but fill, too; else they are deleted."""
    read_missing_chunks: bool = True
    """Read missing chunks as fill; else they raise ChunkNotFoundError."""
    allow_pickle: bool = field(default=False, repr=False)
    """Read chunks that v2's pickle stored: that runs whatever code they hold, so only those of who is trusted."""


def default_config() -> ArrayConfig:
    """What the settings say for arrays opened from now on."""
    return ArrayConfig(setting("array.write_empty_chunks"), setting("array.read_missing_chunks"))


def array_config(given: Any, default: ArrayConfig | None = None) -> ArrayConfig:
    """The config of an open array from what a user gave: None, a mapping of some settings, or a config.

    Raises BaseZarrError for what is none of them.

    >>> array_config({"write_empty_chunks": True})
    ArrayConfig(write_empty_chunks=True, read_missing_chunks=True)
    """
    if isinstance(given, ArrayConfig):
        return given
    config = default_config() if default is None else default
    if given is None:
        return config
    if not isinstance(given, Mapping) or given.keys() - {*ArrayConfig.__slots__, "order"}:
        raise BaseZarrError(
            f"config={given!r} is not known; write "
            '{"write_empty_chunks": True or False, "read_missing_chunks": True or False, "allow_pickle": False}'
        )
    members = {name: bool(given.get(name, getattr(config, name))) for name in ArrayConfig.__slots__}
    return ArrayConfig(**members)
