"""The programs of the README and of the guide run as they are printed."""

import pathlib
import re

import pytest

PYTHON = pathlib.Path(__file__).parent.parent
EXAMPLES = re.findall(r"```python\n(.*?)```", (PYTHON / "README.md").read_text(), re.DOTALL)
GUIDE = re.findall(
    r"```python\n(.*?)```\n```text\n(.*?)```",
    (PYTHON.parent.parent / "docs" / "PYTHON.md").read_text(),
    re.DOTALL,
)


@pytest.mark.parametrize("example", range(len(EXAMPLES)))
def test_readme(example: int, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLES[example], f"README.md[{example}]", "exec"), {})
    printed = capsys.readouterr().out
    expected = [
        ["sensor_b", "43.5", "44.1", "(2 rows)"],
        ["boiler_1", "105.3", "(1 row)"],
        ["answer", "2", "click", "view", "(2 rows)"],
        ["ACME", "100.9", "101.9", "102.9", "10"],
        ["ACME", "1.5", "(1 row)"],
    ][example]
    for text in expected:
        assert text in printed, printed


@pytest.mark.parametrize("program", range(len(GUIDE)))
def test_guide(program: int, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = GUIDE[program]
    exec(compile(code, f"PYTHON.md[{program}]", "exec"), {})
    assert capsys.readouterr().out == said


def test_there_are_programs() -> None:
    assert (len(EXAMPLES), len(GUIDE)) == (5, 6)
