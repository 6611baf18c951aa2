"""Settings: known names in every spelling, those that zarr-python has, and what is no setting."""

from __future__ import annotations

import pytest

import lazyzarr as lz
from lazyzarr.settings import DEFAULTS


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"memroy": "1GB"}, r"no setting 'memroy'; did you mean memory\? It has memory, scheduler, "),
        ({"foo": 1}, r"no setting 'foo'; It has memory, "),
        ({"array.ordr": "F"}, r"no setting 'array.ordr'; did you mean array.order\?"),
        ({"array": {"ordr": "F"}}, r"no setting 'array.ordr'; did you mean array.order\?"),
        ({"array": "F"}, "no setting 'array'"),
    ],
)
def test_what_is_no_setting_is_refused(given, said):
    before = dict(lz.config.config)
    with pytest.raises(ValueError, match=said):
        lz.config.set({"progress": True} | given)
    assert lz.config.config == before


def test_keywords_are_refused_alike():
    with pytest.raises(ValueError, match=r"did you mean memory\?"):
        lz.config.set(memroy="1GB")
    with pytest.raises(ValueError, match=r"did you mean async.concurrency\?"):
        lz.config.set(async__concurency=2)


@pytest.mark.parametrize(
    "given", [{"array.order": "F"}, {"array": {"order": "F"}}, {"array": {"order": "C"}, "array.order": "F"}]
)
def test_settings_hold_within_a_with(given):
    with lz.config.set(given, num_workers=3):
        assert lz.config.get("array.order") == "F"
        assert lz.config.get("array.write_empty_chunks") is False  # what is beside it stays
        assert lz.config.get("num_workers") == 3
    assert lz.config.config == DEFAULTS


def test_each_spelling():
    lz.config.set({"num-workers": 2}, array__order="F")
    assert (lz.config.get("num_workers"), lz.config.get("array.order")) == (2, "F")


def test_all_settings_may_be_set():
    lz.config.set(DEFAULTS)
    assert lz.config.config == DEFAULTS


def test_settings_of_zarr_python_may_be_set():
    zarr = pytest.importorskip("zarr")
    for settings in zarr.config.defaults:
        lz.config.set(settings)
    lz.config.set({"codecs.mine": "package.Mine", "async": {"timeout": 3}})
    assert lz.config.get("async.timeout") == 3
