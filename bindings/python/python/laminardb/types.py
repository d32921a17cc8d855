"""What wraps the values of a database: schemas, changes, views and plain records."""

from collections.abc import Callable, Iterator, KeysView
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from laminardb._callback import CallbackSubscription, OnError
from laminardb._catalog import PipelineMetrics
from laminardb._definitions import quoted
from laminardb._laminardb import QueryResult

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow  # type: ignore[import-untyped]

    from laminardb._connection import Connection


@dataclass(frozen=True)
class Column:
    """A column of a schema."""

    name: str
    type: str
    """What Arrow calls its type."""
    nullable: bool = True


class Schema:
    """A pyarrow.Schema, column by column."""

    def __init__(self, schema: "pyarrow.Schema") -> None:
        self._schema = schema

    @property
    def columns(self) -> list[Column]:
        """The columns, in order."""
        return [Column(field.name, str(field.type), field.nullable) for field in self._schema]

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._schema.names)

    def to_arrow(self) -> "pyarrow.Schema":
        """The pyarrow.Schema."""
        return self._schema

    def __arrow_c_schema__(self) -> object:
        capsule: object = self._schema.__arrow_c_schema__()
        return capsule

    def __getitem__(self, key: str | int) -> Column:
        if isinstance(key, str):
            for column in self.columns:
                if column.name == key:
                    return column
            raise KeyError(key)
        return self.columns[key]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self._schema)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Schema):
            return self.columns == other.columns
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.columns))

    def __repr__(self) -> str:
        columns = ", ".join(f"{column.name}: {column.type}" for column in self.columns)
        return f"Schema({columns})"


@dataclass(frozen=True)
class TableStats:
    """The size of a table."""

    row_count: int
    size_bytes: int


@dataclass(frozen=True)
class Watermark:
    """How far event time has come, in milliseconds."""

    current: int
    lag_ms: int = 0
    """How far that is behind the clock."""


@dataclass(frozen=True)
class CheckpointStatus:
    """The last checkpoint, and whether there are any."""

    checkpoint_id: int | None
    enabled: bool


@dataclass(frozen=True)
class CheckpointResult:
    """A checkpoint that was taken. It is true, and its `int()` is its number."""

    checkpoint_id: int

    def __int__(self) -> int:
        return self.checkpoint_id

    def __index__(self) -> int:
        return self.checkpoint_id

    def __bool__(self) -> bool:
        return True


class Metrics:
    """The metrics of a database with what follows from them."""

    def __init__(self, metrics: PipelineMetrics) -> None:
        self._metrics = metrics

    @property
    def events_per_second(self) -> float:
        """Rows ingested for each second since the database was opened."""
        uptime = self._metrics.uptime_secs
        return self._metrics.total_events_ingested / uptime if uptime > 0 else 0.0

    @property
    def uptime_secs(self) -> float:
        """Time since the database was opened."""
        return self._metrics.uptime_secs

    @property
    def state(self) -> str:
        """``"created"`` before start(), then ``"running"``."""
        return self._metrics.state

    @property
    def total_events_ingested(self) -> int:
        """Rows that sources and tables took in."""
        return self._metrics.total_events_ingested

    def __repr__(self) -> str:
        return f"Metrics(state={self.state!r}, events_per_second={self.events_per_second:.1f})"


class ChangeRow:
    """A row that came or went."""

    op: Literal["insert", "delete"]

    def __init__(self, values: dict[str, Any], op: Literal["insert", "delete"]) -> None:
        self.op = op
        self._values = values

    def keys(self) -> KeysView[str]:
        """The names of the columns."""
        return self._values.keys()

    def to_dict(self) -> dict[str, Any]:
        """The values by the names of the columns."""
        return dict(self._values)

    def __getitem__(self, column: str) -> Any:
        return self._values[column]

    def __contains__(self, column: object) -> bool:
        return column in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ChangeRow):
            return self.op == other.op and self._values == other._values
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"ChangeRow({self._values!r}, op={self.op!r})"


class ChangeEvent:
    """A batch of changes, row by row. A row that came or went several times is there as often.

    The column `_weight` of EMIT CHANGES is told as the `op` of each row.
    """

    def __init__(self, result: QueryResult) -> None:
        self.result = result

    @property
    def epoch(self) -> int | None:
        """The epoch of the changes."""
        return self.result.epoch

    @property
    def is_reset(self) -> bool:
        """Whether changes were missed and these rows are the whole content to go on from."""
        return self.result.is_reset

    def df(self) -> "pandas.DataFrame":
        """The rows as a pandas.DataFrame."""
        return self.result.df()

    def pl(self) -> "polars.DataFrame":
        """The rows as a polars.DataFrame."""
        return self.result.pl()

    def arrow(self) -> "pyarrow.Table":
        """The rows as a pyarrow.Table."""
        return self.result.arrow()

    def __iter__(self) -> Iterator[ChangeRow]:
        columns, weights = self.result.columns, self.result.weights
        each = [1] * self.result.num_rows if weights is None else weights
        for row, weight in zip(self.result, each, strict=True):
            values = dict(zip(columns, row, strict=True))
            if weights is not None:
                values.pop("_weight", None)
            for _ in range(abs(weight)):
                yield ChangeRow(dict(values), "insert" if weight > 0 else "delete")

    def __len__(self) -> int:
        weights = self.result.weights
        return self.result.num_rows if weights is None else sum(map(abs, weights))

    def __repr__(self) -> str:
        return f"<laminardb.ChangeEvent {len(self)} rows>"


class MaterializedView:
    """A stream or a view, to be queried and followed. Made by `laminardb.mv`."""

    def __init__(self, connection: "Connection", name: str, sql: str | None = None) -> None:
        self.name = name
        self.sql = sql
        self._connection = connection

    def query(self, where: str | None = None) -> QueryResult:
        """Its rows now; with `where`, those that meet the condition of SQL."""
        return self._connection.query_stream(self.name, where)

    def schema(self) -> Schema:
        """Its columns."""
        return Schema(self._connection.schema(self.name))

    def subscribe(
        self, handler: Callable[[ChangeEvent], object], on_error: OnError | None = None
    ) -> CallbackSubscription:
        """Gives every change from now on to a function, on a daemon thread of its own."""
        return self._connection.subscribe_stream_callback(
            self.name, lambda result: handler(ChangeEvent(result)), on_error
        )

    def drop(self) -> None:
        """Drops the stream."""
        self._connection.execute(f"DROP STREAM {quoted(self.name)}")

    def __repr__(self) -> str:
        return f"<laminardb.MaterializedView {self.name!r}>"
