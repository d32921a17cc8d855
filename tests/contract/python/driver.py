"""Runs contract scenarios through laminardb: `driver.py scenario.json...`; see ../README.md."""

import datetime
import decimal
import json
import math
import os
import queue
import sys
import threading

import laminardb

WAIT_S = 10
"""How long something is waited for that is to come."""

UTC = datetime.timezone.utc


def check(condition, *what):
    """Fails with what was found; asserts would go under -O."""
    if not condition:
        raise AssertionError(" ".join(map(str, what)))


def native(value):
    """A value of a scenario as Python has it."""
    if isinstance(value, list):
        return [native(item) for item in value]
    if not isinstance(value, dict):
        return value
    (tag, text), *others = value.items() or [("", None)]
    if others or not tag.startswith("@"):
        return {name: native(item) for name, item in value.items()}
    match tag:
        case "@int":
            return int(text)
        case "@float":
            return float(text)
        case "@decimal":
            return decimal.Decimal(text)
        case "@bytes":
            return bytes.fromhex(text)
        case "@date":
            return datetime.date.fromisoformat(text)
        case "@time":
            return datetime.time.fromisoformat(text)
        case "@timestamp":
            return datetime.datetime.fromisoformat(text)
        case "@instant":
            return datetime.datetime.fromisoformat(text).replace(tzinfo=UTC)
    raise AssertionError(f"there is no value {tag}")


def plain(value):
    """A value of Python as scenarios expect it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isfinite(value):
                return value
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case decimal.Decimal():
            return format(value, "f")
        case bytes():
            return value.hex()
        case datetime.datetime():
            value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return trimmed(value.isoformat())
        case datetime.time():
            return trimmed(value.isoformat())
        case datetime.date():
            return value.isoformat()
        case list():
            return [plain(item) for item in value]
        case (months, days, nanoseconds):
            return {"months": months, "days": days, "nanoseconds": nanoseconds}
        case dict():
            return {name: plain(item) for name, item in value.items()}
    raise AssertionError(f"there is no value {value!r}")


def trimmed(text):
    return text.rstrip("0") if "." in text else text


def equal(wanted, got):
    if isinstance(wanted, str) and type(got) is int:
        return wanted == str(got)
    if isinstance(wanted, list):
        return (
            isinstance(got, list)
            and len(wanted) == len(got)
            and all(map(equal, wanted, got))
        )
    if isinstance(wanted, dict):
        return (
            isinstance(got, dict)
            and wanted.keys() == got.keys()
            and all(equal(wanted[name], got[name]) for name in wanted)
        )
    return wanted == got and isinstance(wanted, bool) == isinstance(got, bool)


def compare(step, result):
    """In any order unless `ordered`, as SQL promises none."""
    weights = getattr(result, "weights", None) or [1] * result.num_rows
    rows = [plain(list(row)) for row in result.fetchall()]
    got = list(zip(rows, weights, strict=True))
    shown = str(got)
    expected_weights = step.get("weights") or [1] * len(step["rows"])
    for wanted, weight in zip(step["rows"], expected_weights, strict=True):
        among = got[:1] if step.get("ordered") else got
        same = (came for came in among if came[1] == weight and equal(wanted, came[0]))
        found = next(same, None)
        check(found is not None, "row", wanted, "is not in", shown)
        got.remove(found)
    check(not got, "there are more rows than expected:", shown)


class Listener:
    """What a callback heard."""

    def __init__(self, db, step):
        self.batches = queue.Queue()
        self.errors = []
        self.handle = db.subscribe_stream_callback(
            step["to"], self.batches.put, self.errors.append, **step.get("options", {})
        )

    def cancel(self):
        self.handle.cancel()


class Log:
    """Lines of the log, as they come."""

    LEVELS = ["error", "warn", "info", "debug"]

    def __init__(self, db, level):
        self.lines = []
        self.changed = threading.Condition()
        db.on_log(self.tell, self.LEVELS.index(level) + 1)

    def tell(self, level, line):
        with self.changed:
            self.lines.append((self.LEVELS[level - 1], line))
            self.changed.notify_all()

    def has(self, level, says):
        found = lambda: any(  # noqa: E731
            level == own and all(part in line for part in says) for own, line in self.lines
        )
        with self.changed:
            return self.changed.wait_for(found, WAIT_S)


def twice(number):
    if number == 13:
        raise ValueError("no 13 here")
    return None if number is None else 2 * number


class Total:
    """The sum of what is not NULL."""

    def __init__(self):
        self.total = None

    def update(self, number):
        if number is not None:
            self.total = (self.total or 0) + number

    def merge(self, other):
        self.update(other.total)

    def evaluate(self):
        return self.total


class Session:
    def __init__(self, scenario):
        self.db = self.open(scenario)
        self.handles = {}
        self.saved = {}
        if scenario.get("started", True):
            self.db.start()

    @staticmethod
    def open(step):
        config = dict(step.get("config", {}))
        path = config.pop("path", ":memory:")
        return laminardb.open(path, laminardb.LaminarConfig(**config))

    def step(self, step):
        text = json.dumps(step)
        for name, value in self.saved.items():
            text = text.replace('"{{' + name + '}}"', str(value))
            text = text.replace("{{" + name + "}}", str(value))
        step = json.loads(text)
        wanted = step.get("error")
        try:
            counted = getattr(self, "call_" + step["call"])(step)
        except laminardb.LaminarError as error:
            if wanted is None:
                raise
            check(error.code == wanted["code"], error.code, error)
            check(error.ldb_code == wanted["ldb"], error.code, error)
            if "line" in wanted:
                place = (error.line, error.column)
                check(place == (wanted["line"], wanted["column"]), "at", place, error)
            for part in wanted.get("says", []):
                check(part in str(error), part, "is not in", error)
            return
        check(wanted is None, "it did not fail")
        if "count" in step:
            check(counted == step["count"], "the count is", counted)

    def rows(self, step):
        return [native(row) for row in step["rows"]]

    def call_open(self, step):
        self.db = self.open(step)

    def call_start(self, step):
        self.db.start()

    def call_close(self, step):
        self.db.close()

    def call_execute(self, step):
        result = self.db.execute(step["sql"])
        check(step.get("kind") in (None, result.result_type), "its kind is", result.result_type)
        check(step.get("object") in (None, result.ddl_object), "its object is", result.ddl_object)
        return result.rows_affected

    def call_query(self, step):
        result = self.db.query(step["sql"])
        check(step.get("columns") in (None, result.columns), "the columns are", result.columns)
        if "save" in step:
            self.saved[step["save"]] = result.fetchall()[0][0]
        else:
            compare(step, result)

    def call_cancelled_query(self, step):
        batches = self.db.stream(step["sql"])
        batches.cancel()
        next(batches)

    def call_explain(self, step):
        plan = self.db.explain(step["sql"])
        for part in step["says"]:
            check(part in plan, "the plan is", plan)

    def call_insert(self, step):
        return self.db.insert(step["into"], self.rows(step))

    def call_insert_json(self, step):
        return self.db.insert_json(step["into"], step["text"], **step.get("options", {}))

    def call_insert_csv(self, step):
        return self.db.insert_csv(step["into"], step["text"], **step.get("options", {}))

    def call_copy(self, step):
        return self.db.insert(step["into"], self.db.query(step["sql"]))

    def call_source(self, step):
        self.handles[step["as"]] = self.db.source(step["of"])

    def call_writer(self, step):
        self.handles[step["as"]] = self.db.writer(step["of"])

    def call_clone(self, step):
        self.handles[step["as"]] = self.handles[step["by"]].clone()

    def call_push(self, step):
        return self.handles[step["by"]].push(self.rows(step))

    def call_write(self, step):
        return self.handles[step["by"]].insert(self.rows(step))

    def call_flush(self, step):
        return self.handles[step["by"]].flush()

    def call_watermark(self, step):
        self.handles[step["by"]].watermark(step["ts_ms"])

    def call_end_of_input(self, step):
        self.handles[step["by"]].end_of_input()

    def call_release(self, step):
        self.handles.pop(step["by"]).close()

    def call_pending(self, step):
        return self.handles[step["by"]].pending

    def call_capacity(self, step):
        return self.handles[step["by"]].capacity

    def call_subscribe(self, step):
        to, options = step["to"], step.get("options", {})
        follow = self.db.subscribe if " " in to else self.db.subscribe_stream
        self.handles[step["as"]] = follow(to, **options)

    def call_try_push(self, step):
        return self.handles[step["by"]].try_push(self.rows(step)) or 0

    def call_push_copy(self, step):
        return self.handles[step["by"]].push(self.db.query(step["sql"]))

    def call_checkpoint(self, step):
        # None stands for there being none; what is asked for all the same says why.
        check(self.db.checkpoint() is None, "there was a checkpoint")
        self.db.take_checkpoint()

    def call_metrics(self, step):
        metrics = self.db.metrics()
        came = (metrics.total_events_ingested, metrics.total_events_emitted)
        check(came == (step["ingested"], step["emitted"]), "the metrics are", metrics)

    def call_list(self, step):
        names = [found.name for found in getattr(self.db, step["of"])()]
        check(names == step["names"], "the names are", names)

    def call_schema(self, step):
        names = self.db.schema(step["of"]).names
        check(names == step["columns"], "the columns are", names)

    def call_listen(self, step):
        self.handles[step["as"]] = Listener(self.db, step)

    def call_heard(self, step):
        listener = self.handles[step["by"]]
        for event in step["answers"]:
            if event == {"end": True}:
                check(listener.handle.wait(WAIT_S), "it did not end")
                check(not listener.handle.is_active, "it is active")
            else:
                compare(event, listener.batches.get(timeout=WAIT_S))
        check(listener.batches.empty(), "it heard more")
        check(not listener.errors, "it heard", listener.errors)

    def call_listen_ipc(self, step):
        self.call_subscribe(step)

    def call_forward(self, step):
        change = self.handles[step["by"]].try_next()
        check(change is not None, "nothing has come")
        return self.db.insert(step["into"], change)

    def call_listen_log(self, step):
        self.log = Log(self.db, step["level"])

    def call_logged(self, step):
        check(self.log.has(step["level"], step["says"]), "the log is", self.log.lines)

    def call_register(self, step):
        def intruder(number):
            try:
                self.handles[step["by"]].try_push({"a": number})
            except laminardb.LaminarError as error:
                return error.code
            return 0

        one = ["int64"]
        match step["function"]:
            case "twice":
                self.db.register_function("twice", twice, one, "int64")
            case "seven":
                self.db.register_function("seven", lambda: 7, [], "int64")
            case "total":
                self.db.register_aggregate("total", Total, one, "int64", retractable=True)
            case "intruder":
                self.db.register_function("intruder", intruder, one, "int64")
            case other:
                check(False, "there is no function", other)

    def call_forked_query(self, step):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            answer = None
            try:
                self.db.query(step["sql"])
            except laminardb.LaminarError as error:
                answer = [str(error), error.code, error.ldb_code, error.line, error.column]
            finally:
                os.write(write, json.dumps(answer).encode())
                # Nothing of the parent's is ended here.
                os._exit(0)
        os.close(write)
        with os.fdopen(read) as pipe:
            answer = json.load(pipe)
        os.waitpid(child, 0)
        if answer is not None:
            raise laminardb.LaminarError(*answer)

    def call_cancel(self, step):
        self.handles[step["by"]].cancel()

    def call_poll(self, step):
        subscription = self.handles[step["by"]]
        wanted = iter(step["answers"])
        timeout_ms = step.get("timeout_ms", 0)
        while True:
            try:
                change = subscription.next_timeout(timeout_ms)
                timeout_ms = 0
            except laminardb.SubscriptionError as error:
                if error.code != laminardb.codes.SUBSCRIPTION_LAGGED:
                    raise
                event = next(wanted, None)
                check(event == {"lagged": subscription.lagged}, "lagged", subscription.lagged)
                continue
            if change is None:
                break
            event = next(wanted, None)
            check(event is not None and "rows" in event, "rows came:", change.fetchall())
            check(event.get("reset", False) == change.is_reset, "reset:", change.is_reset)
            compare(event, change)
            if "save" in step:
                self.saved[step["save"]] = change.epoch
        if not subscription.is_active:
            check(next(wanted, None) == {"end": True}, "it is at its end")
        missing = next(wanted, None)
        check(missing is None, "it did not answer", missing)


def main(files):
    passed = 0
    for name in files:
        at = 0
        try:
            with open(name, encoding="utf-8") as file:
                scenario = json.load(file)
            session = Session(scenario)
            for step in scenario["steps"]:
                at += 1
                session.step(step)
            session.db.close()
            passed += 1
        except Exception as error:
            print(f"FAILED {name}, step {at}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {len(files) - passed} failed")
    return passed != len(files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
