"""Results as the data frames of other libraries, and those as input. Nothing here is required."""

import importlib
import importlib.util
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from laminardb._laminardb import QueryResult


def _library(name: str, what: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{what} needs {name}: pip install laminardb[{name}]") from error


class _SchemaCapsule:
    """A schema that hands itself out once."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_schema__(self) -> object:
        return self._capsule


def to_schema(capsule: object) -> Any:
    """The pyarrow.Schema of a schema in a capsule."""
    return _library("pyarrow", "schema").schema(_SchemaCapsule(capsule))


def to_arrow(result: "QueryResult") -> Any:
    """The result as a pyarrow.Table, sharing its memory."""
    return _library("pyarrow", "arrow()").table(result)


def to_pandas(result: "QueryResult") -> Any:
    """The result as a pandas.DataFrame, through pyarrow where it is there."""
    pandas = _library("pandas", "df()")
    if importlib.util.find_spec("pyarrow") is not None:
        return to_arrow(result).to_pandas()
    return pandas.DataFrame(result.to_dicts(), columns=result.columns)


def to_polars(result: "QueryResult", lazy: bool = False) -> Any:
    """The result as a polars.DataFrame or LazyFrame, sharing its memory where polars can."""
    frame = _library("polars", "pl()").DataFrame(result)
    return frame.lazy() if lazy else frame


def to_df(result: "QueryResult") -> Any:
    """The result in the first library that is there."""
    choices: tuple[tuple[str, Callable[["QueryResult"], Any]], ...] = (
        ("polars", to_polars),
        ("pandas", to_pandas),
        ("pyarrow", to_arrow),
    )
    for name, convert in choices:
        if importlib.util.find_spec(name) is not None:
            return convert(result)
    raise ImportError("to_df() needs one of polars, pandas and pyarrow")


def arrow_ready(data: Any) -> Any:
    """The data in a form whose `__arrow_c_stream__` has all columns and nothing else.

    An index of pandas is a column when it has a name, and only counts the rows when it has none.
    Without pyarrow pandas hands out no Arrow data, and its columns are taken one by one.
    """
    if type(data).__module__.partition(".")[0] != "pandas" or not hasattr(data, "reset_index"):
        return data
    data = data.reset_index(drop=all(name is None for name in data.index.names))
    if importlib.util.find_spec("pyarrow") is None:
        return data.to_dict("list")
    return data
