"""The parser: quick help, wrong usage refused, one-line errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from charging_assets.cli import main
from charging_assets.settings import DeploymentError
from charging_assets_tests.cli.shell import Shell, in_a_process


@pytest.mark.parametrize("command", [[], ["load"], ["demo"], ["live"], ["doctor"]])
def test_help__imports_nothing_heavy(command: list[str], tmp_path: Path) -> None:
    output = in_a_process(
        tmp_path,
        f"""
        import sys
        from charging_assets.cli import main
        try:
            main({[*command, "--help"]!r})
        except SystemExit as end:
            assert end.code == 0
        heavy = {{"dagster", "pandas", "pyarrow", "duckdb", "numpy", "requests", "rich"}}
        print("HEAVY:", sorted(heavy & set(sys.modules)))
        """,
    )
    assert "usage: charging-assets" in output
    assert "HEAVY: []" in output


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ([], "required: COMMAND"),
        (["load", "--from", "yesterday"], "'yesterday' is not an hour; give UTC hours as"),
        (["simulate", "--hours", "0"], "'0' is not a whole number from 1"),
        (["simulate", "--hours", "1", "--scale", "nan"], "'nan' is not a number above 0"),
        (["ui", "--port", "99999"], "'99999' is not a port"),
    ],
)
def test_main__wrong_usage_is_refused(empty: Shell, arguments: list[str], output: str,
                                      capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert output in capsys.readouterr().err


def test_main__unknown_deployment_is_a_one_line_error(
    empty: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHARGING_DEPLOYMENT", "moon")
    assert empty.run("status") == 2
    assert (
        empty.err
        == "error: CHARGING_DEPLOYMENT names no deployment; this version has: local, aws\n"
    )


def test_main__debug_raises_the_error(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGING_DEPLOYMENT", "moon")
    with pytest.raises(DeploymentError):
        main(["status", "--debug"])
