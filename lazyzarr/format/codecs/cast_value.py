"""`cast_value`: numbers stored as those of another data type.

Specification: https://github.com/zarr-developers/zarr-extensions/tree/main/codecs/cast_value
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...errors import ChunkDecodeError, ChunkEncodeError, MetadataValidationError
from ..dtypes import DataType, data_type_of, parse_v3_data_type
from .casting import OUT_OF_RANGE, ROUNDINGS, CastError, OutOfRange, Rounding, cast
from .numbers import Floats, Integers, numbers_of
from .protocol import ChunkSpec, ElementsCodec, check_configuration

__all__ = ["CastValue"]

MEMBERS = ("data_type", "rounding", "out_of_range", "scalar_map")


@dataclass(frozen=True, kw_only=True)
class CastValue(ElementsCodec):
    """Store numbers as those of `data_type`, by rules that leave nothing undefined.

    >>> CastValue(data_type="uint8", out_of_range="clamp").to_config()["configuration"]
    {'data_type': 'uint8', 'out_of_range': 'clamp'}
    """

    name = "cast_value"
    element_by_element = True

    data_type: Any
    """The stored data type: v3's name, or a NumPy dtype."""
    rounding: Rounding = "nearest-even"
    """What becomes of a number that lies between two."""
    out_of_range: OutOfRange | None = None
    """What becomes of one that is too large: None is an error."""
    scalar_map: Mapping[str, Any] | None = None
    """Numbers with a rule of their own: {"encode": [[from, to], ...], "decode": [[from, to], ...]}."""

    def __post_init__(self) -> None:
        if self.rounding not in ROUNDINGS:
            raise self._wrong(f"rounding is {self.rounding!r}; it is one of {', '.join(ROUNDINGS)}")
        if self.out_of_range not in (None, *OUT_OF_RANGE):
            raise self._wrong(f'out_of_range is {self.out_of_range!r}; it is "clamp" or "wrap"')
        numbers = numbers_of(self._data_type.dtype)
        if numbers is None:
            raise self._wrong(f"data_type {self.data_type!r} has no real numbers")
        if self.out_of_range == "wrap" and not isinstance(numbers, Integers):
            raise self._wrong(f'out_of_range "wrap" is for integers, and not for {self.data_type!r}')
        for direction in self.scalar_map or ():
            if direction not in ("encode", "decode"):
                raise self._wrong(f'scalar_map has {direction!r}; it has "encode" and "decode"')
            self._pairs(direction)

    def _wrong(self, what: str) -> MetadataValidationError:
        return MetadataValidationError(f'codec "{self.name}": {what}')

    @property
    def _data_type(self) -> DataType:
        given = self.data_type
        is_named = isinstance(given, (str, Mapping)) and not (isinstance(given, str) and given[:1] in "<>|=")
        return parse_v3_data_type(given) if is_named else data_type_of(given)

    @classmethod
    def from_config(cls, configuration: Mapping[str, Any]) -> Self:
        """The codec of a configuration."""
        check_configuration(cls.name, configuration, MEMBERS, ["data_type"])
        return cls(**configuration)

    def configuration(self) -> dict[str, Any]:
        """The data type, and what differs from the defaults."""
        configuration: dict[str, Any] = {"data_type": self._data_type.v3_name}
        if self.rounding != "nearest-even":
            configuration["rounding"] = self.rounding
        if self.out_of_range is not None:
            configuration["out_of_range"] = self.out_of_range
        if self.scalar_map is not None:
            configuration["scalar_map"] = {
                direction: [list(pair) for pair in self._pairs(direction)] for direction in self.scalar_map
            }
        return configuration

    def _pairs(self, direction: str) -> list[tuple[Any, Any]]:
        """The pairs of one direction, given as a list of them or as a mapping."""
        given = (self.scalar_map or {}).get(direction)
        pairs = list(given.items() if isinstance(given, Mapping) else _listed(given))
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            raise self._wrong(f"scalar_map {direction} is {given!r}; it is a list of [from, to]")
        return [tuple(pair) for pair in pairs]

    def bind(self, chunk: ChunkSpec) -> CastStep:
        """The cast of one kind of chunk; its fill value has to come back as it was."""
        inner = self._data_type
        outer = data_type_of(chunk.dtype)
        if numbers_of(outer.dtype) is None:
            raise self._wrong(f"the elements are {chunk.dtype}, which has no real numbers")
        encode = _Cast(self, outer, inner, self._pairs("encode"))
        decode = _Cast(self, inner, outer, self._pairs("decode"))
        try:
            fill = encode(chunk.fill)
            back = decode(fill)
        except CastError as error:
            raise self._wrong(f"the fill value {chunk.fill} cannot be cast: {error}") from error
        if not (back == chunk.fill or (back != back and chunk.fill != chunk.fill)):
            raise self._wrong(
                f"the fill value {chunk.fill} comes back as {back}; choose one that {inner.v3_name} can hold, "
                "or name it in scalar_map"
            )
        return CastStep(ChunkSpec(chunk.shape, inner.dtype, fill), encode, decode)


def _listed(given: Any) -> Iterable[Any]:
    if given is None:
        return ()
    return given if isinstance(given, (list, tuple)) else (given,)


class _Cast:
    """One direction of the codec."""

    def __init__(
        self, codec: CastValue, source: DataType, target: DataType, pairs: list[tuple[Any, Any]]
    ) -> None:
        self._source, self._target = _numbers(source), _numbers(target)
        self._rounding, self._out_of_range = codec.rounding, codec.out_of_range
        if self._out_of_range == "wrap" and not isinstance(self._target, Integers):
            self._out_of_range = None  # back from integers to floats nothing wraps
        # The first of two equal ones counts, so it is applied last.
        self._pairs = [(source.fill_from_json(a), target.fill_from_json(b)) for a, b in reversed(pairs)]

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        if not self._pairs:
            return cast(array, self._source, self._target, self._rounding, self._out_of_range)
        mapped = [((array != array) if a != a else (array == a), b) for a, b in self._pairs]
        named = np.logical_or.reduce([where for where, _ in mapped])
        # 1 stands for what is mapped, as a number that every data type has
        plain = np.where(named, array.dtype.type(1), array)
        out = np.array(cast(plain, self._source, self._target, self._rounding, self._out_of_range))
        for where, value in mapped:
            out[where] = value
        return out


def _numbers(data_type: DataType) -> Integers | Floats:
    numbers = numbers_of(data_type.dtype)
    assert numbers is not None
    return numbers


class CastStep:
    """The cast of one kind of chunk."""

    def __init__(self, encoded: ChunkSpec, encode: _Cast, decode: _Cast) -> None:
        self.encoded = encoded
        self._encode = encode
        self._decode = decode

    def encode(self, array: NDArray[Any]) -> NDArray[Any]:
        """The numbers as they are stored."""
        try:
            return self._encode(array)
        except CastError as error:
            raise ChunkEncodeError(f"{CastValue.name}: {error}", codec=CastValue.name) from error

    def decode(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """The stored numbers as the array's."""
        try:
            out[...] = self._decode(array)
        except CastError as error:
            raise ChunkDecodeError(f"{CastValue.name}: {error}", codec=CastValue.name) from error
