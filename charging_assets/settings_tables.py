"""Write the tables of settings in the documentation, from the fields of the models.

`python -m charging_assets.settings_tables` rewrites them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from charging_assets.settings import Settings
from charging_assets.sources.feeds import SETTINGS, FeedTable

DOCS = Path(__file__).resolve().parent.parent / "docs"
_ENVIRONMENT, _FEEDS = DOCS / "deployment.md", DOCS / "feeds" / "settings.md"
_OF_AWS = re.compile("CHARGING_(LAKE|S3_|REDSHIFT_)|AWS_")


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head, *body = [f"| {' | '.join(row)} |" for row in [columns, *rows]]
    return "\n".join([head, f"|{'---|' * len(columns)}", *body])


def environment_table(*, of_aws: bool) -> str:
    """The variables of the deployment `aws`, or all others, with default and meaning."""
    rows = []
    for field in Settings.model_fields.values():
        about: Any = field.json_schema_extra
        default = about["shown"] or (f"`{field.default}`" if field.default else "none")
        if bool(_OF_AWS.match(str(field.alias))) is of_aws:
            rows.append([f"`{field.alias}`", default, str(field.description)])
    return _table(["variable", "default", "meaning"], rows)


def feeds_table() -> str:
    """The settings of a feed's TOML table."""
    rows = []
    for name in SETTINGS:
        field = FeedTable.model_fields[name]
        about: Any = field.json_schema_extra
        default = "required" if field.is_required() else _toml(field.default)
        row = [f"`{name}`", default, about["allowed"], f"`{about['example']}`"]
        rows.append([*row, str(field.description)])
    return _table(["setting", "default", "allowed", "example", "meaning"], rows)


def _toml(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return "`[]`" if value == () else f"`{value}`"


def pages() -> dict[Path, str]:
    """Each page with the tables of the present code between its markers.

    Raises:
        ValueError: a page lacks the markers of a table.
    """
    tables = {
        "application settings": (_ENVIRONMENT, environment_table(of_aws=False)),
        "aws settings": (_ENVIRONMENT, environment_table(of_aws=True)),
        "feed settings": (_FEEDS, feeds_table()),
    }
    texts = {path: path.read_text("utf-8") for path, _ in tables.values()}
    for name, (path, table) in tables.items():
        start, end = f"<!-- {name}: start -->\n", f"\n<!-- {name}: end -->"
        before, found, rest = texts[path].partition(start)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise ValueError(f"{path} lacks the comments {start.strip()} and {end.strip()}")
        texts[path] = f"{before}{start}{table}{end}{after}"
    return texts


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
