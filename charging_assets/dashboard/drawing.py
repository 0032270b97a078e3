"""Render Altair charts as SVG and PNG, locally: no browser, no scripts, no network access."""

from __future__ import annotations

import json
import re
import zlib
from functools import lru_cache
from typing import Any

from charging_assets.schemas.palette import GRID, INK, QUIET
from charging_assets.warehouse.cancellation import raise_if_cancelled

# The locale, and the date format of axes (`%x`), which leaves out the year.
_LOCALES: dict[str, tuple[Any, str]] = {"en": ("en-GB", "%-d %b"), "de": ("de-DE", "%-d.%-m.")}
_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
_CONFIG = {
    "background": None,
    "font": _FONT,
    # Text is measured in the first font; a reader's fallback font may be wider.
    "padding": {"left": 26, "right": 14, "top": 5, "bottom": 5},
    "view": {"stroke": None},
    "axis": {
        "labelColor": QUIET, "titleColor": QUIET, "gridColor": GRID, "domainColor": QUIET,
        "tickColor": QUIET, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
        "labelSeparation": 9,
    },
    "legend": {
        "labelColor": INK, "titleColor": QUIET, "labelFontSize": 12, "titleFontSize": 12,
        "titleFontWeight": "normal", "orient": "bottom", "symbolSize": 110, "columns": 4,
        "labelLimit": 260, "columnPadding": 22,
    },
    "header": {"labelColor": INK, "labelFontSize": 12},
}  # fmt: skip

# Assistive technology gets the description of the whole chart and the table instead of thousands
# of marks; the label of each mark becomes its tooltip.
_MARK = re.compile(r'<(path|text|line|rect) aria-label="([^"]*)"([^>]*?)/>')
_ROLES = re.compile(r' (role|aria-[a-z]+)="[^"]*"')


def svg(chart: Any, language: str, description: str) -> str:
    """An inline SVG that scales with the page; to assistive technology it is one image."""
    raise_if_cancelled()
    spec = _spec(chart)
    svg_text = _render(spec, language)
    # Ids must be unique in the page, which has several charts.
    tag = f"v{zlib.crc32(spec.encode()):08x}-"
    svg_text = svg_text.replace(' id="', f' id="{tag}').replace("url(#", f"url(#{tag}")
    svg_text = _MARK.sub(r"<\1\3><title>\2</title></\1>", svg_text)
    svg_text = _ROLES.sub("", svg_text)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg_text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def png(svg_text: str, scale: float = 2.0) -> bytes:
    """An SVG as PNG, with `scale` pixels per SVG unit."""
    import vl_convert

    return bytes(vl_convert.svg_to_png(svg_text, scale=scale))


def warm_up() -> None:
    """Load the drawing libraries, so that the first chart does not wait for them."""
    import altair as alt

    point: Any = alt.InlineData(values=[{"x": 0}])
    svg(alt.Chart(point).mark_point().encode(x="x:Q"), "en", "")


def _spec(chart: Any) -> str:
    spec = chart.to_dict(validate=False)
    spec["config"] = {**spec.get("config", {}), **_CONFIG}
    return json.dumps(spec, sort_keys=True, default=str)


@lru_cache(maxsize=128)
def _render(spec: str, language: str) -> str:
    import vl_convert

    locale, day = _LOCALES[language]
    svg_text: str = vl_convert.vegalite_to_svg(
        json.loads(spec),
        allowed_base_urls=[],
        format_locale=locale,
        time_format_locale={**vl_convert.get_time_format_locale(locale), "date": day},
    )
    return svg_text
