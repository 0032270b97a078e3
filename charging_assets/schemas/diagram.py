"""The ER diagram of all tables, with keys and references, as SVG.

`python -m charging_assets.schemas.diagram` writes `docs/er-diagram.svg`; a test fails if the file
is outdated.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from charging_assets.schemas.catalog import TABLES
from charging_assets.schemas.table import Reference, Table

TARGET = Path("docs/er-diagram.svg")

_WIDTH, _GUTTER, _MARGIN, _ROW, _GAP, _TOP = 250, 130, 30, 18, 22, 60
_TITLES = ("staging and ops", "history", "dimensions", "facts and marts")
_STYLE = (
    "text{font:12px monospace;fill:#222}.t{font-weight:bold;fill:#fff}.h{font-size:15px}"
    ".b{fill:#fff;stroke:#456}.k{fill:#246}path{fill:none;stroke:#789}.a{stroke-dasharray:5 3}"
)


@dataclass(frozen=True)
class _Box:
    table: Table
    lane: int
    x: int
    y: int
    rows: tuple[str, ...]

    @property
    def height(self) -> int:
        return _ROW * (len(self.rows) + 1) + 6

    def row_y(self, name: str) -> int:
        return self.y + _ROW * (self.rows.index(name) + 1) + _ROW // 2 + 3


def diagram() -> str:
    """The diagram as SVG; equal tables give equal text."""
    boxes = _boxes()
    width = 2 * _MARGIN + len(_TITLES) * _WIDTH + (len(_TITLES) - 1) * _GUTTER + 60
    height = max(box.y + box.height for box in boxes.values()) + 50
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fafafa"/>',
        *(
            f'<text class="h" x="{_MARGIN + lane * (_WIDTH + _GUTTER)}" y="36">{title}</text>'
            for lane, title in enumerate(_TITLES)
        ),
        *(_arrow(box, boxes, each) for box in boxes.values() for each in box.table.references),
        *(_draw_box(box) for box in boxes.values()),
        f'<text x="{_MARGIN}" y="{height - 18}">* key · arrows start at the referring columns · '
        "dashed: to the row that is valid at the time</text>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _boxes() -> dict[str, _Box]:
    below = [_TOP] * len(_TITLES)
    boxes = {}
    for table in TABLES:
        lane = _lane(table)
        referring = [name for each in table.references for name in each.columns]
        rows = tuple(dict.fromkeys([*table.key, *referring]))
        box = _Box(table, lane, _MARGIN + lane * (_WIDTH + _GUTTER), below[lane], rows)
        below[lane] += box.height + _GAP
        boxes[table.full_name] = box
    return boxes


def _lane(table: Table) -> int:
    if table.schema in {"staging", "ops"}:
        return 0
    if table.name.startswith("dim_"):
        return 2
    return 3 if table.name.startswith(("fact_", "mart_")) else 1


def _draw_box(box: _Box) -> str:
    lines = [
        f'<rect class="b" x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{box.height}"/>',
        f'<rect class="k" x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{_ROW + 2}"/>',
        f'<text class="t" x="{box.x + 8}" y="{box.y + 14}">{escape(box.table.full_name)}</text>',
    ]
    for name in box.rows:
        mark = "* " if name in box.table.key else "  "
        lines.append(
            f'<text xml:space="preserve" x="{box.x + 8}" y="{box.row_y(name) + 4}">'
            f"{mark}{escape(name)}</text>"
        )
    return "\n".join(lines)


def _arrow(box: _Box, boxes: dict[str, _Box], reference: Reference) -> str:
    target = boxes[reference.table]
    from_y, to_y = box.row_y(reference.columns[0]), target.row_y(reference.to_columns[0])
    right, far = box.x + _WIDTH, target.x + _WIDTH
    if target.lane == box.lane:  # around the right side of its own column
        bend = right + 50
        curve = f"M{right} {from_y}C{bend} {from_y} {bend} {to_y} {far} {to_y}"
    elif target.lane > box.lane:
        middle = (right + target.x) // 2
        curve = f"M{right} {from_y}C{middle} {from_y} {middle} {to_y} {target.x} {to_y}"
    else:
        middle = (far + box.x) // 2
        curve = f"M{box.x} {from_y}C{middle} {from_y} {middle} {to_y} {far} {to_y}"
    dashed = ' class="a"' if reference.as_of else ""
    return f'<path{dashed} d="{curve}" marker-end="url(#to)"/>'


if __name__ == "__main__":
    TARGET.write_text(diagram(), encoding="utf-8")
