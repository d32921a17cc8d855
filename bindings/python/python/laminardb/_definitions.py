"""Schemas of Python as definitions of SQL."""

import re
from collections.abc import Mapping
from typing import Any

from laminardb import codes
from laminardb._errors import make_error

_SIMPLE = {
    "bool": "BOOLEAN",
    "boolean": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INT",
    "int64": "BIGINT",
    "uint8": "TINYINT UNSIGNED",
    "uint16": "SMALLINT UNSIGNED",
    "uint32": "INT UNSIGNED",
    "uint64": "BIGINT UNSIGNED",
    "float": "REAL",
    "float32": "REAL",
    "double": "DOUBLE",
    "float64": "DOUBLE",
    "string": "VARCHAR",
    "utf8": "VARCHAR",
    "large_string": "VARCHAR",
    "large_utf8": "VARCHAR",
    "string_view": "VARCHAR",
    "binary": "BYTEA",
    "large_binary": "BYTEA",
    "binary_view": "BYTEA",
    "date": "DATE",
    "date32": "DATE",
    "date32[day]": "DATE",
    "time64": "TIME",
    "time64[ns]": "TIME",
    "timestamp": "TIMESTAMP",
    "month_day_nano_interval": "INTERVAL",
}
"""What Arrow calls a type, and what SQL calls it."""

_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, *(?:tz=)?([^\]]+))?\]")
_DECIMAL = re.compile(r"decimal(?:128|256)?\((\d+), *(-?\d+)\)")
_LIST = re.compile(r"(?:large_)?list<(?:\w+: )?(.+?)(?: not null)?>")


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(column: str, arrow_type: object) -> str:
    """The type of SQL for a type of Arrow, or for its name.

    Raises SchemaError with code INVALID_SCHEMA for types that have none.
    """
    name = str(arrow_type).strip()
    lower = name.lower()
    if simple := _SIMPLE.get(lower):
        return simple
    if match := _TIMESTAMP.fullmatch(name):
        unit, zone = match.groups()
        if zone in (None, "UTC", "+00:00"):
            return f"TIMESTAMP({_DIGITS[unit]})" + (" WITH TIME ZONE" if zone else "")
    if match := _DECIMAL.fullmatch(lower):
        return f"DECIMAL({match[1]}, {match[2]})"
    if match := _LIST.fullmatch(name):
        return sql_type(column, match[1]) + "[]"
    raise make_error(
        f"LDB-2301: column `{column}` cannot have the type `{name}`: give the name of a type of "
        "Arrow such as int64, float64, string, bool, date32, timestamp[ms] or decimal128(10, 2), "
        "or create the source by SQL",
        codes.INVALID_SCHEMA,
        "LDB-2301",
        None,
        None,
    )


def create_source(name: str, schema: Any) -> str:
    """The statement that creates a source with these columns."""
    if isinstance(schema, Mapping):
        columns = [(column, arrow_type, True) for column, arrow_type in schema.items()]
    else:
        columns = [(field.name, field.type, bool(field.nullable)) for field in schema]
    texts = [
        f"{quoted(column)} {sql_type(column, arrow_type)}" + ("" if nullable else " NOT NULL")
        for column, arrow_type, nullable in columns
    ]
    return f"CREATE SOURCE {quoted(name)} ({', '.join(texts)})"
