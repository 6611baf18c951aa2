"""CF packing: numbers that are stored by the attributes scale_factor, add_offset and _FillValue, both ways.

CF conventions, sections 2.5.1 (missing data) and 8.1 (packed data); where attributes are spelled in several ways, as
xarray writes and reads them.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lazyzarr.errors import DataTypeMismatchError, MetadataValidationError
from lazyzarr.format.array import Array
from lazyzarr.format.assign import checked_values
from lazyzarr.format.options import DEFAULT
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Constant, astype, ufunc, where
from lazyzarr.graph.ops.packing import Scale, packed

__all__ = [
    "FACTOR",
    "OFFSET",
    "UNSIGNED",
    "Packing",
    "decoded",
    "missing_words",
    "packing_of",
    "stored_attributes",
]

FACTOR, OFFSET, FILL, MISSING, UNSIGNED = (
    "scale_factor",
    "add_offset",
    "_FillValue",
    "missing_value",
    "_Unsigned",
)
# What packing writes, or takes the place of.
PACKING = (FACTOR, OFFSET, FILL, MISSING, UNSIGNED)


@dataclass(frozen=True)
class Packing:
    """How the values of a new array are packed."""

    dtype: np.dtype[Any]
    scale: Scale

    def node(self, node: Node, where: str) -> Node:
        """The values as they are stored at a place. Raises DataTypeMismatchError for what is no real number."""
        return packed(node, self.dtype, self.scale, where)

    def words(self, attributes: Mapping[str, Any] | None, zarr_format: int) -> dict[str, Any]:
        """The fill value and the attributes of the new array, beside others, for `create_array`."""
        fill = self.scale.fill
        if fill is None:
            # v2's fill value is what CF calls _FillValue: there is none. NaN of floats is missing by itself.
            fill = math.nan if self.dtype.kind == "f" else None if zarr_format == 2 else DEFAULT
        said = {name: value for name, value in (attributes or {}).items() if name not in PACKING}
        own = {FACTOR: self.scale.factor, OFFSET: self.scale.offset}
        said |= {name: value for name, value in own.items() if value is not None}
        if zarr_format == 3 and self.scale.fill is not None:
            said[FILL] = _as_xarray(self.scale.fill)
        return {"fill_value": fill, "attributes": said}


def missing_words(
    attributes: Mapping[str, Any], dtype: np.dtype[Any], zarr_format: int, named: bool
) -> dict[str, Any]:
    """The fill value and the attributes of a new array that say which values are missing, where that is to be said.

    What v3 says by the attribute _FillValue, as xarray spells it for the data type, is in v2 the array's fill value.
    Where axes have names, as xarray writes them, or values are scaled, a fill value of 0, False or "" would have these
    taken for missing there.
    """
    nothing = np.nan if dtype.kind in "fc" else None
    found = _fills_held(attributes, dtype)
    if found is None:
        apart = (named and dtype.kind in "biufcUST") or not {FACTOR, OFFSET}.isdisjoint(attributes)
        return {"fill_value": nothing} if zarr_format == 2 and apart else {}
    fill, rest = attributes[FILL], {name: value for name, value in attributes.items() if name != FILL}
    held = found[0] if found else nothing
    if zarr_format == 2:
        return {"fill_value": held, "attributes": rest}
    if held is None:
        return {"attributes": rest}  # no value of these is it
    as_it_is = dtype.kind in "iu" and isinstance(fill, int)
    return {"attributes": {**rest, FILL: fill if as_it_is else _as_xarray(np.asarray(held, dtype).item())}}


def _fills_held(attributes: Mapping[str, Any], dtype: np.dtype[Any]) -> list[Any] | None:
    """The value besides NaN that attributes say is missing, as a dtype holds it; None: they say none, or several."""
    if attributes.get(FILL) is None or dtype.kind not in "iufc":
        return None
    try:
        found = _missing(
            dtype, _meant(dtype, attributes.get(UNSIGNED)), {FILL: attributes[FILL]}, "_FillValue"
        )
    except MetadataValidationError:  # told where somebody asks for what is meant
        return None
    return None if len(found) > 1 else found


def packing_of(
    pack: Any, scale_factor: Any, add_offset: Any, fill_value: Any, attributes: Mapping[str, Any] | None
) -> Packing | None:
    """How values are packed, in the words of `to_zarr`; None where they are not.

    Raises ValueError for words that make no packing, and for attributes that say another one.
    """
    scale = {FACTOR: scale_factor, OFFSET: add_offset}
    if pack is None:
        given = [name for name, value in scale.items() if value is not None]
        if given:
            raise ValueError(f'{given[0]}= is how values are packed; say what they are stored as: pack="i2"')
        return None
    dtype = _dtype(pack)
    twice = [name for name in PACKING if name in (attributes or {})]
    if twice:
        raise ValueError(
            f"attributes= says {twice[0]!r}, and so does pack=, which writes it; leave it out, and say {FACTOR}=, "
            f"{OFFSET}= and fill_value="
        )
    factor, offset = (None if value is None else _finite(name, value) for name, value in scale.items())
    if factor == 0:
        raise ValueError(f"{FACTOR}=0 leaves nothing of any value; it is the step between two stored numbers")
    return Packing(dtype, Scale(factor, offset, None if fill_value is None else _fill(fill_value, dtype)))


def _dtype(pack: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(pack)
    except TypeError:
        dtype = np.dtype(bool)
    if dtype.kind not in "iuf" or pack is None:
        raise ValueError(f'pack={pack!r}: values are packed as integers or floats: pack="i2"')
    return dtype


def _finite(name: str, value: Any) -> float:
    """A number as attributes hold it, which is what values are packed with."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name}={value!r} is no finite number; one number is for the whole array")
    return number


def _fill(value: Any, dtype: np.dtype[Any]) -> Any:
    """The fill value as the dtype holds it, as a Python number."""
    try:
        return checked_values(value, dtype, "pack=").item()
    except (DataTypeMismatchError, ValueError):
        held = "" if dtype.kind == "f" else f": an integer of {np.iinfo(dtype).min} to {np.iinfo(dtype).max}"
        raise DataTypeMismatchError(
            f"fill_value={value!r} is stored where values are NaN, and has to be one number that {dtype} holds{held}"
        ) from None


def _as_xarray(fill: Any) -> Any:
    """A fill value as the attribute that xarray reads in v3: floats are the text of their bytes, complex ones two."""
    if isinstance(fill, complex):
        return [_as_xarray(fill.real), _as_xarray(fill.imag)]
    return base64.standard_b64encode(struct.pack("<d", fill)).decode() if isinstance(fill, float) else fill


# --- reading


def decoded(node: Node, array: Array) -> Node:
    """The values that an array's attributes say are meant: NaN for missing ones, else scaled; the node as it is where
    they say nothing, or where it holds no numbers.

    Raises MetadataValidationError for attributes that are no numbers.
    """
    if node.dtype.kind == "b" or not np.can_cast(node.dtype, np.clongdouble):
        return node
    attributes, place = array.attrs.asdict(), str(array.store_path)
    meant = _meant(node.dtype, attributes.get(UNSIGNED))
    missing = _missing(node.dtype, meant, _fills(array, attributes), place)
    scale = {name: _number(attributes[name], name, place) for name in (FACTOR, OFFSET) if name in attributes}
    values = astype(node, meant)
    if not scale and not missing:
        return values
    values = astype(values, np.result_type(meant, np.float64))
    for name, function in ((FACTOR, np.multiply), (OFFSET, np.add)):
        if name in scale:
            values = ufunc(function, values, Constant(scale[name]))
    for fill in missing:
        values = where(ufunc(np.not_equal, node, Constant(fill)), values, Constant(np.nan))
    return values


def stored_attributes(array: Array) -> dict[str, Any]:
    """An array's attributes, with what stands for missing values where v2 says it by the fill value.

    xarray takes it so, and names the axes of what it writes; a fill value of 0 is mostly what nobody has said.
    """
    attributes, fill = array.attrs.asdict(), array.fill_value
    if (
        array.metadata.zarr_format == 3
        or FILL in attributes
        or fill is None
        or array.dtype.kind not in "iufc"
    ):
        return attributes
    scaled = not {FACTOR, OFFSET}.isdisjoint(attributes)
    named = any(array.metadata.dimension_names or ())
    return {**attributes, FILL: np.asarray(fill).item()} if scaled or (named and fill != 0) else attributes


def _meant(dtype: np.dtype[Any], unsigned: Any) -> np.dtype[Any]:
    """The integers that stored ones are meant as: netCDF-3 knows no unsigned ones."""
    kind = {("i", "true"): "u", ("u", "false"): "i"}.get((dtype.kind, str(unsigned).lower()))
    return dtype if kind is None else np.dtype(f"{kind}{dtype.itemsize}")


def _fills(array: Array, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What stands for missing values, by the attribute that says it; in v2 that is the array's fill value, too."""
    fills = {name: attributes[name] for name in (FILL, MISSING) if attributes.get(name) is not None}
    if array.metadata.zarr_format == 2 and FILL not in fills and array.fill_value is not None:
        fills[FILL] = array.fill_value
    return fills


def _missing(dtype: np.dtype[Any], meant: np.dtype[Any], fills: Mapping[str, Any], place: str) -> list[Any]:
    """The stored values that are missing ones, as the dtype holds them; what it does not hold is nowhere."""
    found = {}
    for name, given in fills.items():
        for value in _several(given, dtype):
            number = _number(value, name, place, dtype)
            for scalar in _held(number, dtype, meant):
                found[scalar.tobytes()] = scalar
    return list(found.values())


def _several(given: Any, dtype: np.dtype[Any]) -> list[Any]:
    """The values of an attribute; xarray writes complex numbers as two texts."""
    if not isinstance(given, list | tuple):
        return [given]
    pair = dtype.kind == "c" and len(given) == 2 and all(isinstance(each, str) for each in given)
    return [complex(*map(_of_text, given))] if pair else list(given)


def _held(number: Any, dtype: np.dtype[Any], meant: np.dtype[Any]) -> Iterator[Any]:
    """A number as it is stored: of integers that are meant as others, as either."""
    if number != number:
        return
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            yield np.asarray(number).astype(dtype)[()]
        return
    for kind in dict.fromkeys((dtype, meant)):
        ends = np.iinfo(kind)
        if math.isfinite(number) and number == int(number) and ends.min <= number <= ends.max:
            yield np.array(int(number), kind).astype(dtype)[()]
            return


def _number(value: Any, name: str, place: str, dtype: np.dtype[Any] | None = None) -> Any:
    """The number that an attribute holds, be it in a list or as text. Raises MetadataValidationError."""
    one = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
    try:
        number = _of_text(one) if isinstance(one, str) else np.asarray(one).item()
        return float(number) if dtype is None else number + 0
    except (TypeError, ValueError):
        raise MetadataValidationError(
            f"{place}: the attribute {name!r} is {value!r}, which is no number; mend it "
            f"(z.attrs[{name!r}] = 1.0), or read what is stored: mask_and_scale=False"
        ) from None


def _of_text(text: str) -> Any:
    """A number that is spelled as text: in digits, or as xarray spells floats. Raises ValueError."""
    for read in (int, float, _of_bytes):
        try:
            return read(text)
        except (ValueError, binascii.Error, struct.error):
            continue
    raise ValueError(text)


def _of_bytes(text: str) -> float:
    number: float = struct.unpack("<d", base64.b64decode(text, validate=True))[0]
    return number
