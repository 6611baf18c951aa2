"""What notebooks show: pictures with chunks to scale, facts, plans and drawings; sound HTML whatever the names are."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.graph import drawing
from lazyzarr.graph.display import plan_html
from lazyzarr.graph.outline import outline
from lazyzarr.graph.picture import picture
from lazyzarr.graph.plan import Output, plan_stages
from lazyzarr.graph.stage import Budget

EVIL = '<script>"alert"</script>&'


def cuts(n, chunk):
    return np.unique(np.append(np.arange(0, n, chunk), n)) if n else np.array([0])


def shapes(svg, tag):
    return ET.fromstring(svg).findall(f".//{{http://www.w3.org/2000/svg}}{tag}")


def words(svg):
    return [text.text for text in shapes(svg, "text")]


CASES = {
    "no axes": ([], 0, 1, []),
    "one axis": ([cuts(100, 30)], 3, 1, ["100"]),
    "a million chunks": ([cuts(10**6, 1)], 12, 1, ["1,000,000"]),
    "two axes": ([cuts(180, 45), cuts(360, 90)], 6, 1, ["360", "180"]),
    "three axes": ([cuts(365, 73), cuts(180, 90), cuts(360, 90)], 2 * (4 + 1 + 3), 3, ["365", "360", "180"]),
    "four axes": ([cuts(4, 2)] * 4, 1 + 2 * 3, 1 + 3, ["4"] * 4),
    "seven axes": ([cuts(4, 2)] * 7, 1 + 2 * 2 * 3, 1 + 2 * 3, ["4"] * 7),
    "nothing along an axis": ([cuts(0, 1), cuts(5, 5)], 0, 1, ["5", "0"]),
    "nobody knows how many": ([np.array([0, np.nan])], 0, 1, ["?"]),
}


@pytest.mark.parametrize(("axes", "lines", "faces", "said"), CASES.values(), ids=CASES)
def test_pictures(axes, lines, faces, said):
    svg = picture(axes)
    assert len(shapes(svg, "line")) == lines
    assert len(shapes(svg, "polygon")) == faces
    assert words(svg) == said


def test_chunks_are_to_scale():
    svg = picture([np.array([0, 3, 10, 100]), np.array([0, 50])], ("y", "x"))
    ((left, top), _, (right, bottom), _) = [
        tuple(map(float, corner.split(","))) for corner in shapes(svg, "polygon")[0].get("points").split()
    ]
    assert (right - left) / (bottom - top) == pytest.approx(50 / 100, abs=0.01)
    heights = [float(line.get("y1")) / bottom for line in shapes(svg, "line")]
    assert heights == pytest.approx([0.03, 0.10], abs=0.002)
    assert words(svg) == ["x 50", "y 100"]


def test_everything_lies_on_the_canvas():
    """However long a name is, nothing is cut off at the left or above."""
    for ndim in range(1, 5):
        svg = picture([cuts(7, 2)] * ndim, ["a very long name indeed"] * ndim)
        left, top, width, height = map(float, ET.fromstring(svg).get("viewBox").split())
        for text in shapes(svg, "text"):
            x, y = float(text.get("x")), float(text.get("y"))
            length = 6.6 * len(text.text)
            first = x - {"start": 0, "middle": length / 2, "end": length}[text.get("text-anchor")]
            assert left <= first
            assert first + length <= left + width
            assert top < y < top + height


KNOWN = set("div p table thead tbody tr th td details summary pre svg polygon line text rect path".split())
VOID = set("polygon line rect path".split())


def test_a_label_keeps_clear_of_the_drawing_before():
    svg = picture([cuts(4, 2)] * 4, ["bar", "a long name for an axis", "y", "x"])
    bar = shapes(svg, "polygon")[0].get("points").split()
    label = next(text for text in shapes(svg, "text") if text.text == "a long name for an axis 4")
    assert label.get("text-anchor") == "end"
    assert float(label.get("x")) - 6.6 * len(label.text) >= max(float(c.split(",")[0]) for c in bar)


class Strict(HTMLParser):
    """HTML whose tags are closed in order, and which has no other than the known ones."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag in KNOWN
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def evil():
    """An array that bears an evil name, as do its folder and its axes."""
    folder = "b&<i>.zarr"
    z = lz.create_array(folder, shape=(8, 6), chunks=(4, 3), dtype="f4", dimension_names=(EVIL, '"><b'))
    return z.lazy()


def test_names_are_escaped(evil):
    lazy = evil * 2
    made = lazy.to_zarr("<u>.zarr", compute=False, memory="1GB")
    for html in (lazy._repr_html_(), made._repr_html_(), made.visualize()._repr_html_()):
        text = " ".join(Strict(html).words)
        assert "b&<i>" in text
    assert EVIL in " ".join(Strict(lazy._repr_html_()).words)
    assert "<u>.zarr" in " ".join(Strict(made._repr_html_()).words)


def test_an_array_shows_its_facts_its_picture_and_its_plan():
    z = lz.create_array(
        "data.zarr/u", shape=(240, 20, 30), chunks=(24, 20, 30), dtype="f4", dimension_names=("t", "y", "x")
    )
    y = z.lazy() - z.lazy().mean("t")
    html = y._repr_html_()
    facts = dict(re.findall(r"<tr><th[^>]*>(\w+)</th><td[^>]*>(.*?)</td></tr>", html))
    assert re.fullmatch(
        r"z\.lazy\(\) - z\.lazy\(\)\.mean\(&quot;t&quot;\), test_display\.py:\d+", facts["Array"]
    )
    assert facts["Shape"] == "(t: 240, y: 20, x: 30) float32"
    assert facts["Chunks"] == "(24, 20, 30), 10 of 57.6 kB"
    assert facts["Bytes"] == "576.0 kB"
    assert facts["Sources"] == "u"
    assert facts["Decodes"] == "1.2 MB, 2.00 times what is needed"
    assert re.fullmatch(r"[\d.]+ MB of [\d.]+ [GM]B", facts["Peak"])
    assert html.count("<svg") == 1
    assert "<details><summary>Plan: 2 stages, " in html


def test_a_plan_shows_its_target_and_is_unfolded(evil):
    made = evil.to_zarr("out.zarr/y", chunks=(2, 2), compute=False, memory="1GB")
    html = made._repr_html_()
    facts = dict(re.findall(r"<tr><th[^>]*>(\w+)</th><td[^>]*>(.*?)</td></tr>", html))
    assert facts["Target"] == "out.zarr/y"
    assert facts["Chunks"] == "(2, 2), 12 of 16 B"
    assert "<details open>" in html
    assert html.count("<line") == 3 + 2


def test_a_plan_that_does_not_fit_says_what_would(evil):
    html = evil.explain(memory="1MB")._repr_html_()
    assert " of 1.0 MB: does not fit" in html
    assert "What fits:" in html


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (1,) * 6], ids=str)
def test_all_shapes_are_shown(shape):
    Strict(lz.from_array(np.zeros(shape))._repr_html_())


def test_shapes_and_counts_are_spelled_as_they_are_read():
    html = lz.from_array(np.zeros(100))._repr_html_()
    assert ">(100,) float64<" in html
    assert "<summary>Plan: one stage, 1 task</summary>" in html
    assert ">(t: 100) float64<" in lz.from_array(np.zeros(100), dims=["t"])._repr_html_()


def test_what_a_mask_picks_and_different_values_show_what_is_known(evil):
    mask = evil > 0
    picked = evil[mask]
    html = picked._repr_html_()
    facts = dict(re.findall(r"<tr><th[^>]*>([\w ]+)</th><td[^>]*>(.*?)</td></tr>", html))
    assert facts["Where"] == "evil &gt; 0"
    assert facts["Shape"] == "(nan,) float32, of (8, 6)"
    assert facts["Elements"] == "compute_chunk_sizes() counts them; compute() picks them"
    assert "(0,) float32" in picked.compute_chunk_sizes()._repr_html_()
    values, counts = np.unique(evil * 2, return_counts=True)
    assert "Different values of" in values._repr_html_()
    assert "evil * 2" in counts._repr_html_()
    for each in (picked, values, counts):
        Strict(each._repr_html_())


def test_a_group_shows_its_tree_and_its_attributes():
    root = lz.create_group("b&<i>.zarr", attributes={"<script>": [1, EVIL], "none": float("nan")})
    root.create_array("<b>", shape=(3,), dtype="f4")
    for name in range(100):
        root.create_group(f"g/{name}")
    html = root._repr_html_()
    words = " ".join(Strict(html).words)
    assert "b&<i>.zarr" in words
    assert "<b> (3,) float32" in words
    assert "<script>" in words
    assert json.dumps(EVIL) in words
    assert words.count("├──") + words.count("└──") < 65
    assert html.count("<details><summary>Attributes: 2</summary>") == 1
    assert "<details" not in lz.group()._repr_html_()


def test_a_group_that_is_gone_shows_itself():
    root = lz.create_group("gone.zarr")
    shutil.rmtree("gone.zarr")
    Strict(root._repr_html_())


def test_what_cannot_be_planned_is_shown_without_a_plan(evil):
    with lz.config.set(memory="no size"):
        html = evil._repr_html_()
    Strict(html)
    assert "Shape" in html
    assert "<details" not in html


def test_of_many_results_some_are_shown():
    x = lz.from_array(np.ones(4))
    planned = plan_stages([Output((x + k).__lazyzarr_node__) for k in range(11)], Budget(10**9, 1))
    html = plan_html(planned, outline(planned), ())
    Strict(html)
    assert html.count("<svg") == 8
    assert "and 3 more" in html


# --- drawings


def boxes(svg):
    """The first line of each box, with the lines below it."""
    texts = shapes(svg, "text")
    heads = [i for i, text in enumerate(texts) if text.get("font-weight")]
    ends = [*heads[1:], len(texts)]
    return {texts[i].text: [t.text for t in texts[i + 1 : end]] for i, end in zip(heads, ends, strict=True)}


def test_a_drawing_has_a_box_for_each_source_stage_and_target(evil):
    v = lz.from_array(np.ones(6, "f4"))
    made = (evil - evil.mean() + v).to_zarr("out.zarr/y", compute=False, memory="1GB", num_workers=1)
    svg = made.visualize().svg
    found = boxes(svg)
    assert list(found) == ["b&<i>", "array in memory", "mean-b&<i>", "add-b&<i>", "out.zarr/y"]
    assert found["b&<i>"] == ["(8, 6) float32, 192 B"]
    (tasks, peak) = found["add-b&<i>"]
    assert tasks == "1 task, 192 B decoded, 192 B written"
    assert re.fullmatch(r"peak [\d.]+ MB, test_display\.py:\d+", peak)
    # An arrow is a line and a head: u to both stages, the vector and the mean to the second, and on to the target.
    assert len(shapes(svg, "path")) == 2 * (2 + 1 + 1 + 1)


def test_boxes_do_not_overlap(evil):
    others = [lz.from_array(np.full((8, 6), k, "f4")) for k in range(9)]
    y = sum(others, evil - evil.mean(0)) + evil.std()
    svg = y.visualize().svg
    places = [[float(box.get(side)) for side in ("x", "y", "width", "height")] for box in shapes(svg, "rect")]
    for i, (x, y, w, h) in enumerate(places):
        for x2, y2, w2, h2 in places[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    assert "4 more" in boxes(svg)
    assert sum("array in memory" in name for name in words(svg)) == drawing.MOST_SOURCES - 1


def test_a_drawing_is_saved_as_svg(evil, tmp_path):
    shown = evil.sum().visualize(tmp_path / "plan.svg")
    saved = ET.parse(tmp_path / "plan.svg").getroot()
    assert saved.get("color") == "#222"
    assert len(saved.findall(".//{*}text")) == len(words(shown.svg))
    evil.explain().visualize("plan")
    assert (tmp_path / "plan.svg").exists()
    assert repr(shown).startswith("<Drawing of a plan, ")
    for name in ("plan.png", "plan.pdf"):
        with pytest.raises(ValueError, match=r"plan\.svg"):
            evil.visualize(name)
        assert not (tmp_path / name).exists()
