"""Exceptions, their classes and their numbers."""

import pickle

import pytest

import laminardb
from laminardb import codes

CLASSES = {
    1: laminardb.ConnectionError,
    2: laminardb.SchemaError,
    3: laminardb.IngestionError,
    4: laminardb.QueryError,
    5: laminardb.SubscriptionError,
    6: laminardb.StreamError,
    7: laminardb.CheckpointError,
    8: laminardb.ConnectorError,
    9: laminardb.InternalError,
}


def test_the_numbers_are_the_documented_ones() -> None:
    assert codes.CONNECTION_FAILED == 100
    assert codes.CONNECTION_CLOSED == 101
    assert codes.TABLE_NOT_FOUND == 200
    assert codes.TABLE_EXISTS == 201
    assert codes.SCHEMA_MISMATCH == 202
    assert codes.INGESTION_FAILED == 300
    assert codes.WRITER_CLOSED == 301
    assert codes.BACKPRESSURE == 303
    assert codes.QUERY_FAILED == 400
    assert codes.SQL_PARSE_ERROR == 401
    assert codes.UNSUPPORTED == 403
    assert codes.SUBSCRIPTION_FAILED == 500
    assert codes.SUBSCRIPTION_LAGGED == 503
    assert codes.INTERNAL_ERROR == 900
    for number, name in codes.NAMES.items():
        assert getattr(codes, name) == number


def test_every_number_has_a_class() -> None:
    for number in codes.NAMES:
        assert issubclass(CLASSES[number // 100], laminardb.LaminarError)
    for kind in CLASSES.values():
        assert kind.__module__ == "laminardb"


def test_sql_that_cannot_be_read(conn: laminardb.Connection) -> None:
    with pytest.raises(laminardb.QueryError) as caught:
        conn.query("INVALID SQL")
    assert caught.value.code == codes.SQL_PARSE_ERROR
    assert caught.value.ldb_code == "LDB-4101"
    assert str(caught.value).startswith("LDB-4101: ")
    assert caught.value.line == 1


def test_the_place_of_a_mistake(conn: laminardb.Connection) -> None:
    with pytest.raises(laminardb.QueryError) as caught:
        conn.execute("SELECT 1 +\n  , 2 FROM x")
    assert caught.value.line == 2
    assert caught.value.column is not None and caught.value.column > 1


def test_names(sensors: laminardb.Connection) -> None:
    with pytest.raises(laminardb.SchemaError) as caught:
        sensors.execute("CREATE SOURCE sensors (id BIGINT)")
    assert caught.value.code == codes.TABLE_EXISTS
    for call in (
        lambda: sensors.source("nothing"),
        lambda: sensors.writer("nothing"),
        lambda: sensors.subscribe_stream("nothing"),
        lambda: sensors.execute("DROP SOURCE nothing"),
    ):
        with pytest.raises(laminardb.LaminarError, match="nothing") as caught:
            call()
        assert caught.value.code == codes.TABLE_NOT_FOUND


def test_a_query_over_nothing(sensors: laminardb.Connection) -> None:
    with pytest.raises(laminardb.LaminarError, match="nothing") as caught:
        sensors.sql("SELECT *\nFROM nothing")
    assert caught.value.line == 2


def test_a_query_that_fails_as_it_runs(conn: laminardb.Connection) -> None:
    with pytest.raises(laminardb.QueryError) as caught:
        conn.sql("SELECT 1 / (x - x) FROM (SELECT 1 AS x UNION ALL SELECT 2) AS t")
    assert caught.value.code == codes.QUERY_FAILED


def test_errors_travel() -> None:
    with pytest.raises(laminardb.LaminarError) as caught:
        laminardb.sql("NO")
    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is type(caught.value)
    assert (error.code, str(error), error.line) == (
        caught.value.code,
        str(caught.value),
        caught.value.line,
    )


def test_arguments_of_a_wrong_type(sensors: laminardb.Connection) -> None:
    subscription = sensors.subscribe_stream("sensors")
    for call in (
        lambda: sensors.sql(7),  # type: ignore[arg-type]
        lambda: sensors.insert(7, {"ts": 1}),  # type: ignore[arg-type]
        lambda: subscription.next_timeout("soon"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(OverflowError):
        subscription.next_timeout(-1)
