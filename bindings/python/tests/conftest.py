"""A database for each test."""

from collections.abc import Iterator

import pytest

import laminardb


@pytest.fixture
def conn() -> Iterator[laminardb.Connection]:
    """A database in memory that was started."""
    with laminardb.open() as connection:
        connection.start()
        yield connection


@pytest.fixture
def sensors(conn: laminardb.Connection) -> laminardb.Connection:
    """The same with a source of sensors' readings."""
    conn.execute("CREATE SOURCE sensors (ts BIGINT, device VARCHAR, value DOUBLE)")
    return conn
