"""How a result looks in a terminal and in a notebook."""

import html as _html
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laminardb._laminardb import QueryResult

_MAX_WIDTH = 40
"""Characters of a cell that are shown."""
_MAX_HTML_ROWS = 20


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        return repr(value)
    text = str(value).replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return text if len(text) <= _MAX_WIDTH else text[: _MAX_WIDTH - 1] + "\u2026"


def _rows(result: "QueryResult", max_rows: int) -> list[tuple[object, ...]]:
    return list(itertools.islice(result, max_rows))


def _footer(result: "QueryResult", shown: int) -> str:
    total = result.num_rows
    rows = "1 row" if total == 1 else f"{total:,} rows"
    return rows if shown == total else f"{rows}, {shown:,} shown"


def text(result: "QueryResult", max_rows: int = 20) -> str:
    """The result as a table of text; numbers stand on the right."""
    rows = _rows(result, max_rows)
    columns = [_cell(name) for name in result.columns]
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [
        max([len(name), *(len(row[index]) for row in cells)]) for index, name in enumerate(columns)
    ]
    right = [
        any(isinstance(row[index], (int, float)) and row[index] is not True for row in rows)
        for index in range(len(columns))
    ]

    def line(texts: list[str]) -> str:
        padded = [
            value.rjust(width) if is_right else value.ljust(width)
            for value, width, is_right in zip(texts, widths, right, strict=True)
        ]
        return " \u2502 ".join(padded).rstrip()

    rule = "\u2500\u253c\u2500".join("\u2500" * width for width in widths)
    return "\n".join([line(columns), rule, *map(line, cells), f"({_footer(result, len(rows))})"])


def show(result: "QueryResult", max_rows: int = 20) -> None:
    """Prints the first rows."""
    print(text(result, max_rows))


def html(result: "QueryResult") -> str:
    """The first rows as a table of HTML, for notebooks."""
    rows = _rows(result, _MAX_HTML_ROWS)
    head = "".join(f"<th>{_html.escape(name)}</th>" for name in result.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_html.escape(_cell(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        f"<p>{_footer(result, len(rows))}</p>"
    )
