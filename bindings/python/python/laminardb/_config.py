"""The configuration of a database."""

import dataclasses
import json
import os
import warnings


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaminarConfig:
    """Settings for `laminardb.open`. What is None has the library's default."""

    buffer_size: int = 65_536
    """Rows that a source is laid out for, and that a subscription holds until they are polled; a
    power of two."""
    max_queued_bytes: int | None = None
    """Bytes that wait before start() until inserts are refused (256 MiB)."""
    retain_history: int | str | None = None
    """Rows of its past that a source or a stream keeps for queries (65,536), or a size as ``"64 MB"``."""
    push_timeout_ms: int | None = None
    """How long an insert waits for room before it raises BACKPRESSURE (30,000)."""
    variables: dict[str, str] | None = None
    """The values of `${NAME}` in the strings of definitions; others come from the environment."""
    wait_strategy: str | None = None
    """How calls wait: ``"spin"``, ``"spin_yield"``, ``"spin_yield(N)"`` or ``"park"``."""
    workers: int | None = None
    """Partitions of operators by keys, from 1, the default, to 64."""
    validate_input: str | None = None
    """``"full"``, or ``"trusted"`` to skip the checks of the content of Arrow buffers."""
    storage_dir: str | os.PathLike[str] | None = None
    """Directory of a durable database; this version answers it with code UNSUPPORTED."""
    checkpoint_interval_ms: int | None = None
    """How often checkpoints are taken; needs a durable database, and warns without one."""
    table_spill_threshold: int = 1_000_000
    """Rows of a table above which a durable database may move them to disk. In memory it has no
    effect."""

    def to_json(self, path: str | os.PathLike[str] = ":memory:") -> str:
        """The form that the library reads. A path goes before `storage_dir`."""
        settings = dataclasses.asdict(self)
        directory = settings.pop("storage_dir")
        path = os.fspath(path)
        if path == ":memory:" and directory is not None:
            path = os.fspath(directory)
        settings["path"] = path
        del settings["table_spill_threshold"]
        if settings.pop("checkpoint_interval_ms") is not None and path == ":memory:":
            warnings.warn(
                "checkpoint_interval_ms has no effect on a database in memory", stacklevel=3
            )
        return json.dumps({key: value for key, value in settings.items() if value is not None})
