"""The examples of the README run as they are printed."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


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


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 5
