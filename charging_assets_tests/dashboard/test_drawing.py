"""Charts as SVG and PNG."""

from __future__ import annotations

import re
import struct

import altair as alt
import pytest

from charging_assets.dashboard.drawing import png, svg


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_png__has_the_size_of_the_svg_times_its_scale(scale: float) -> None:
    values = alt.InlineData(values=[{"x": n, "y": n % 7} for n in range(20)])
    drawn = svg(alt.Chart(values).mark_bar().encode(x="x:O", y="y:Q"), "en", "bars")
    sizes = re.search(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"', drawn)
    assert sizes is not None
    picture = png(drawn, scale)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    actual = struct.unpack(">II", picture[16:24])
    assert actual == pytest.approx([float(size) * scale for size in sizes.groups()], abs=scale)
