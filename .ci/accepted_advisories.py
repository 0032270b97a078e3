"""Print pip-audit's options for the accepted advisories; exit 1 names entries that do not hold."""

import datetime
import pathlib
import sys
import tomllib

FILE = pathlib.Path(__file__).with_suffix(".toml")
FIELDS = {"id": str, "package": str, "reason": str, "expires": datetime.date}


def main() -> int:
    entries = tomllib.loads(FILE.read_text("utf-8")).get("advisory", [])
    problems = []
    for number, entry in enumerate(entries, 1):
        name = entry.get("id", f"entry {number}")
        for field, kind in FIELDS.items():
            if not isinstance(entry.get(field), kind) or not entry[field]:
                problems.append(f"{name}: {field} is missing or not a {kind.__name__}")
        expires = entry.get("expires")
        if isinstance(expires, datetime.date) and expires < datetime.date.today():
            problems.append(f"{name}: accepted until {expires}; update the package or renew it")
    for problem in problems:
        print(f"error: {FILE.name}: {problem}", file=sys.stderr)
    print(" ".join(f"--ignore-vuln {entry.get('id')}" for entry in entries))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
