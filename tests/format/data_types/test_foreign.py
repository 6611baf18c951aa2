"""Data types that a package registers for zarr-python; and zarr-python's data type objects as dtype=."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import ClassVar

import numpy as np
import pytest
import zarr

import lazyzarr as lz
from lazyzarr.errors import MetadataValidationError, UnknownDataTypeError
from lazyzarr.format.data_types import foreign
from lazyzarr.format.dtypes import data_type_of, parse_v3_data_type

pytestmark = [pytest.mark.peer, pytest.mark.filterwarnings("ignore:The data type:Warning")]


@dataclass(frozen=True)
class Celsius(zarr.dtype.Int16):
    """Temperatures in hundredths, as a third party could store them."""

    _zarr_v3_name: ClassVar[str] = "test.celsius"

    @classmethod
    def from_json(cls, data, *, zarr_format):
        if data != "test.celsius":
            raise ValueError("no configuration is known")
        return cls()

    def to_json(self, zarr_format):
        return "test.celsius"


@pytest.fixture
def registered(monkeypatch):
    points = [EntryPoint("celsius", f"{__name__}:Celsius", "zarr.data_type")]
    monkeypatch.setattr(EntryPoint, "load", lambda self: Celsius)
    monkeypatch.setattr(foreign, "entry_points", lambda group: points)


def test_registered(registered, tmp_path):
    z = lz.create_array(tmp_path / "z", shape=(3,), chunks=2, dtype={"name": "test.celsius"}, fill_value=-7)
    z[:2] = [100, -200]
    z = lz.open_array(tmp_path / "z")
    assert z[...].tolist() == [100, -200, -7]
    assert z.metadata.document.value["data_type"] == "test.celsius"
    assert lz.zeros_like(z).metadata.document.value["data_type"] == "test.celsius"
    with pytest.raises(MetadataValidationError, match="configuration"):
        parse_v3_data_type({"name": "test.celsius", "configuration": {"a": 1}})
    with pytest.raises(UnknownDataTypeError, match="zarr_format=3"):
        lz.zeros(3, dtype={"name": "test.celsius"}, zarr_format=2)


def test_not_registered():
    with pytest.raises(UnknownDataTypeError, match=r"test\.celsius"):
        parse_v3_data_type("test.celsius")


def test_a_package_that_does_not_load(monkeypatch):
    points = [EntryPoint("celsius", "no_such_module:Celsius", "zarr.data_type")]
    monkeypatch.setattr(foreign, "entry_points", lambda group: points)
    with pytest.raises(UnknownDataTypeError, match=r"celsius.*no_such_module"):
        parse_v3_data_type("test.fahrenheit")


@pytest.mark.parametrize(
    "given",
    ["Float32", "VariableLengthUTF8", "VariableLengthBytes", "Bool", "Complex64"],
)
def test_zarr_python_s_objects(given):
    theirs = getattr(zarr.dtype, given)()
    assert data_type_of(theirs).dtype == theirs.to_native_dtype()


def test_zarr_python_s_objects_with_a_configuration():
    assert data_type_of(zarr.dtype.DateTime64(unit="s", scale_factor=10)).dtype == np.dtype("M8[10s]")
    assert data_type_of(zarr.dtype.RawBytes(length=3)).v3_name == "r24"
    assert data_type_of(zarr.dtype.parse_dtype([("x", "f4")], zarr_format=3)).dtype == np.dtype([("x", "f4")])
