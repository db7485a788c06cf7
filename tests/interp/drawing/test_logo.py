"""Logos: letters stand where the numbers say, fit exactly, and the drawing survives any label."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from l2g_interp.drawing.logo import COLORS, OUTLINES, draw_logo, letters, logo_svg, value_range

SVG = "{http://www.w3.org/2000/svg}"


def heights(**columns):
    """A (4, width) array from one list of values per base."""
    width = max(map(len, columns.values()))
    return np.array([columns.get(base, [0.0] * width) for base in "ACGT"])


def bounding_boxes(path: str) -> list[tuple[int, int, int, int]]:
    """left, top, right, bottom of each letter, from its on-curve points; arcs reach at most to their neighbours."""
    boxes = []
    for outline in re.findall(r"M[^M]*", path):
        x = y = first_x = first_y = 0
        points = []
        for command, text in re.findall(r"([Mmlhvaz])([^Mmlhvaz]*)", outline):
            numbers = [int(n) for n in re.findall(r"-?\d+", text)]
            if command == "M":
                x, y = numbers
            elif command == "m":
                x, y = first_x + numbers[0], first_y + numbers[1]
            elif command == "h":
                x += numbers[0]
            elif command == "v":
                y += numbers[0]
            elif command == "z":
                x, y = first_x, first_y
            else:
                x, y = x + numbers[-2], y + numbers[-1]
            if command in "Mm":
                first_x, first_y = x, y
            points.append((x, y))
        xs, ys = zip(*points, strict=True)
        boxes.append((min(xs), min(ys), max(xs), max(ys)))
    return boxes


@pytest.mark.parametrize("base", "AT")
@pytest.mark.parametrize("value", [1.0, -1.0])
def test_a_letter_fills_its_box_exactly(base, value):
    path = re.search(r' d="(.*?)"', letters(heights(**{base: [0.0, value]}), 100, 300.0, 500.0)).group(1)
    (box,) = bounding_boxes(path)
    top, bottom = (200, 500) if value > 0 else (500, 800)
    assert box == (103, top, 197, bottom)


@pytest.mark.parametrize("base", "CG")
def test_round_letters_touch_top_and_bottom(base):
    path = re.search(r' d="(.*?)"', letters(heights(**{base: [1.0]}), 100, 300.0, 300.0)).group(1)
    radii = [int(n) for n in re.search(r"a(\d+) (\d+)", path).groups()]
    assert radii == [round(0.54 * 94), 150]  # half of the box's height


def test_negative_letters_hang_upside_down():
    def points(value):
        path = re.search(r' d="(.*?)"', letters(heights(T=[value]), 100, 100.0, 0.0)).group(1)
        return bounding_boxes(path)[0], re.search(r"M-?\d+ (-?\d+)", path).group(1)

    assert points(1.0) == ((3, -100, 97, 0), "-100")  # the bar, where a T begins, is on top ...
    assert points(-1.0) == ((3, 0, 97, 100), "100")  # ... and at the bottom when it hangs


def test_the_tallest_letter_is_outermost():
    drawn = ET.fromstring(f"<g>{letters(heights(A=[0.5, -1.0], T=[1.0, -0.5]), 100, 100.0, 200.0)}</g>")
    boxes = {path.get("class"): bounding_boxes(path.get("d")) for path in drawn}
    assert [box[1::2] for box in boxes["A"]] == [(150, 200), (250, 350)]
    assert [box[1::2] for box in boxes["T"]] == [(50, 150), (200, 250)]


def test_stacks_are_as_high_as_their_sums():
    values = np.random.default_rng(0).normal(size=(4, 30))
    drawn = ET.fromstring(f"<g>{letters(values, 100, 1000.0, 0.0)}</g>")
    assert sum(path.get("d").count("M") for path in drawn) == values.size
    low, high = value_range(values)
    assert high == pytest.approx(np.maximum(values, 0).sum(axis=0).max())
    assert low == pytest.approx(np.minimum(values, 0).sum(axis=0).min())


def test_letters_too_low_to_read_become_bars_or_nothing():
    drawn = letters(heights(C=[0.05, 0.0001]), 100, 100.0, 0.0)
    assert re.search(r' d="(.*?)"', drawn).group(1) == "M3 0h94v-5h-94z"


def test_an_empty_logo_is_still_a_picture():
    drawn = ET.fromstring(logo_svg(np.zeros((4, 3)), "nothing"))
    assert [child.get("class") for child in drawn] == ["axis"]
    assert ET.fromstring(logo_svg(np.zeros((4, 0)), "no column")).get("width") == "0"


def test_the_drawing_is_valid_xml_whatever_the_label_says():
    label = "<script>\"'&🧬" * 50
    drawn = ET.fromstring(logo_svg(heights(A=[1.0], C=[0.5], G=[-0.2], T=[0.1]), label, shade=(0, 1)))
    assert drawn.get("aria-label") == label
    assert {path.get("class"): path.get("fill") for path in drawn if path.get("class") in COLORS} == COLORS


def test_one_scale_for_several_logos():
    one = heights(T=[1.0])
    alone, shared = (ET.fromstring(logo_svg(one, "x", limits=limits)) for limits in (None, (0.0, 2.0)))
    tall = [bounding_boxes(s.find(f"{SVG}path[@class='T']").get("d"))[0] for s in (alone, shared)]
    assert [box[3] - box[1] for box in tall] == [400, 200]


def test_every_base_has_an_outline_in_the_unit_box():
    assert set(OUTLINES) == set("ACGT")
    for outline in OUTLINES.values():
        assert all(0 <= float(number) <= 1 for number in re.findall(r"[\d.]+", outline))


def test_draw_logo_hands_the_heights_to_logomaker():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    values = heights(A=[1.0, -0.5], G=[0.25, 0.0])
    figure, ax = plt.subplots()
    try:
        logo = draw_logo(values, ax)
        assert logo.ax is ax
        np.testing.assert_array_equal(logo.df.to_numpy(), values.T)
        assert list(logo.df.columns) == list("ACGT")
    finally:
        plt.close(figure)
