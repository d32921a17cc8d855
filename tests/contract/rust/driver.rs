//! Runs contract scenarios through laminar-client: `contract scenario.json...`; see ../README.md.

#[path = "functions.rs"]
mod functions;
#[path = "waits.rs"]
mod waits;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use laminar_client::{
    Batch, Database, Encoding, Error, Executed, Gatherer, Polled, RowBuffer, Schema, Source,
    Subscription, TimeUnit, Value,
};
use serde_json::{Value as Json, json};

use crate::waits::{Log, Wake};

/// Why a step failed: the library's answer, or what the scenario did not expect.
enum Failure {
    Answer(Error),
    Unexpected(String),
}

type Outcome<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Answer(error)
    }
}

fn fail<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Failure::Unexpected(what.into()))
}

fn check(condition: bool, what: impl FnOnce() -> String) -> Outcome {
    if condition { Ok(()) } else { fail(what()) }
}

/// A producer by itself, or one that gathers.
enum Producer {
    Source(Source),
    Writer(Gatherer),
}

impl Producer {
    fn source(&mut self) -> &mut Source {
        match self {
            Producer::Source(source) => source,
            Producer::Writer(writer) => writer.source(),
        }
    }

    fn flush(&mut self) -> Outcome<u64> {
        match self {
            Producer::Source(_) => Ok(0),
            Producer::Writer(writer) => Ok(writer.flush()?),
        }
    }
}

/// A row as it came, with its weight.
type Came = (Vec<Json>, i64);

struct Session {
    db: Arc<Database>,
    producers: HashMap<String, Producer>,
    subscriptions: HashMap<String, Subscription>,
    wakes: HashMap<String, Arc<Wake>>,
    log: Arc<Log>,
    saved: HashMap<String, String>,
}

impl Session {
    fn new(scenario: &Json) -> Outcome<Self> {
        let db = Arc::new(open(scenario)?);
        if scenario["started"] != json!(false) {
            db.start()?;
        }
        let (producers, subscriptions, wakes, log, saved) = Default::default();
        Ok(Self { db, producers, subscriptions, wakes, log, saved })
    }

    fn step(&mut self, step: &Json) -> Outcome {
        let mut filled = step.to_string();
        for (name, value) in &self.saved {
            filled = filled.replace(&format!("\"{{{{{name}}}}}\""), value);
            filled = filled.replace(&format!("{{{{{name}}}}}"), value);
        }
        let step: Json = serde_json::from_str(&filled).map_err(unexpected)?;
        let wanted = &step["error"];
        match self.call(&step) {
            Err(Failure::Answer(error)) if !wanted.is_null() => check_error(wanted, &error),
            Err(failure) => Err(failure),
            Ok(_) if !wanted.is_null() => fail("it did not fail"),
            Ok(counted) => {
                let same = step["count"].is_null() || step["count"] == json!(counted);
                check(same, || format!("the count is {counted}"))
            }
        }
    }

    fn call(&mut self, step: &Json) -> Outcome<u64> {
        let (by, sql, into) = (text(&step["by"]), text(&step["sql"]), text(&step["into"]));
        match text(&step["call"]) {
            "open" => self.db = Arc::new(open(step)?),
            "start" => self.db.start()?,
            "close" => self.db.close()?,
            "execute" => return self.execute(step),
            "query" => self.query(step)?,
            "cancelled_query" => {
                let mut query = self.db.query(sql)?;
                query.canceller().cancel();
                query.next_batch()?;
            }
            "explain" => {
                let plan = self.db.explain(sql)?;
                for part in list(&step["says"]) {
                    check(plan.contains(text(part)), || format!("the plan is {plan}"))?;
                }
            }
            "insert" => {
                let schema = self.db.source(into)?.schema().clone();
                let batch = rows(&schema, &step["rows"])?.batch()?;
                return Ok(self.db.insert(into, batch, None)?);
            }
            "insert_json" | "insert_csv" => {
                let options = step.get("options").map(Json::to_string);
                let form = match text(&step["call"]) {
                    "insert_json" => Encoding::Json(options.as_deref()),
                    _ => Encoding::Csv(options.as_deref()),
                };
                let bytes = text(&step["text"]).as_bytes();
                return Ok(self.db.insert_encoded(into, form, bytes)?);
            }
            "copy" => {
                let bytes = self.db.query(sql)?.ipc()?;
                return Ok(self.db.insert_encoded(into, Encoding::Ipc, &bytes)?);
            }
            "source" => {
                let source = self.db.source(text(&step["of"]))?;
                self.producers.insert(text(&step["as"]).into(), Producer::Source(source));
            }
            "writer" => {
                let writer = Gatherer::new(self.db.source(text(&step["of"]))?);
                self.producers.insert(text(&step["as"]).into(), Producer::Writer(writer));
            }
            "clone" => {
                let clone = self.producer(by)?.source().try_clone()?;
                self.producers.insert(text(&step["as"]).into(), Producer::Source(clone));
            }
            "push" => {
                let source = self.producer(by)?.source();
                let batch = rows(source.schema(), &step["rows"])?.batch()?;
                return Ok(source.push(batch, None)?);
            }
            "write" => {
                let Producer::Writer(writer) = self.producer(by)? else {
                    return fail("this is no writer");
                };
                let buffer = rows(&writer.source().schema().clone(), &step["rows"])?;
                return Ok(writer.gather(buffer, usize::MAX)?);
            }
            "flush" => return self.producer(by)?.flush(),
            "watermark" => {
                let ts_ms = step["ts_ms"].as_i64().unwrap_or_default();
                let producer = self.producer(by)?;
                producer.flush()?;
                producer.source().watermark(ts_ms)?;
            }
            "end_of_input" => {
                let producer = self.producer(by)?;
                producer.flush()?;
                producer.source().end_of_input()?;
            }
            "release" => {
                self.producer(by)?.flush()?;
                self.producers.remove(by);
            }
            "pending" => return Ok(self.producer(by)?.source().pending()),
            "capacity" => return Ok(self.producer(by)?.source().capacity()),
            "subscribe" => self.subscribe(step)?,
            "cancel" => {
                if let Some(subscription) = self.subscriptions.get(by) {
                    subscription.canceller().cancel();
                }
            }
            "poll" => self.poll(step, None)?,
            "listen" => {
                self.subscribe(step)?;
                let name = text(&step["as"]);
                self.watch(name, name)?;
            }
            "heard" => {
                let wake = Arc::clone(self.wake(by)?);
                self.poll(step, Some(&wake))?;
            }
            "watch" => self.watch(by, text(&step["as"]))?,
            "woken" => return Ok(self.wake(by)?.count()),
            "listen_ipc" => self.subscribe(step)?,
            "forward" => {
                let Polled::Batch { rows, .. } = self.subscription(by)?.poll_ipc(0)? else {
                    return fail("nothing has come");
                };
                return Ok(self.db.insert_encoded(into, Encoding::Ipc, &rows)?);
            }
            "try_push" => {
                let source = self.producer(by)?.source();
                let batch = rows(source.schema(), &step["rows"])?.batch()?;
                return Ok(source.try_push(batch, None)?.unwrap_or(0));
            }
            "push_copy" => {
                let bytes = self.db.query(sql)?.ipc()?;
                return Ok(self.producer(by)?.source().push_encoded(Encoding::Ipc, &bytes)?);
            }
            "checkpoint" => return Ok(self.db.checkpoint()?),
            // Metrics and the catalogue are SQL here.
            "metrics" => {
                let sql = "SELECT total_rows_ingested, total_rows_emitted FROM laminar_metrics";
                self.query(&json!({"sql": sql, "rows": [[step["ingested"], step["emitted"]]]}))?;
            }
            "list" => {
                let sql = format!("SELECT name FROM laminar_{}", text(&step["of"]));
                let names: Vec<Json> =
                    list(&step["names"]).iter().map(|name| json!([name])).collect();
                self.query(&json!({"sql": sql, "rows": names}))?;
            }
            "schema" => {
                let sql = format!("SELECT * FROM {} LIMIT 0", text(&step["of"]));
                self.query(&json!({"sql": sql, "columns": step["columns"], "rows": []}))?;
            }
            "listen_log" => Log::listen(&self.log, &self.db, text(&step["level"]))?,
            "logged" => {
                let says: Vec<&str> = list(&step["says"]).iter().map(text).collect();
                let is_there = self.log.has(text(&step["level"]), &says);
                check(is_there, || format!("the log is {:?}", self.log))?;
            }
            "register" => functions::register(&self.db, text(&step["function"]))?,
            other => return fail(format!("there is no call {other}")),
        }
        Ok(0)
    }

    fn producer(&mut self, name: &str) -> Outcome<&mut Producer> {
        let missing = || Failure::Unexpected(format!("nothing is called {name}"));
        self.producers.get_mut(name).ok_or_else(missing)
    }

    fn subscription(&mut self, name: &str) -> Outcome<&mut Subscription> {
        let missing = || Failure::Unexpected(format!("nothing is called {name}"));
        self.subscriptions.get_mut(name).ok_or_else(missing)
    }

    fn wake(&self, name: &str) -> Outcome<&Arc<Wake>> {
        let missing = || Failure::Unexpected(format!("nothing is called {name}"));
        self.wakes.get(name).ok_or_else(missing)
    }

    fn subscribe(&mut self, step: &Json) -> Outcome {
        let options = step.get("options").map(Json::to_string);
        let made = self.db.subscribe(text(&step["to"]), options.as_deref())?;
        self.subscriptions.insert(text(&step["as"]).into(), made);
        Ok(())
    }

    fn watch(&mut self, subscription: &str, name: &str) -> Outcome {
        let wake = Arc::<Wake>::default();
        let told = Arc::clone(&wake);
        self.subscription(subscription)?.on_ready(move || told.tell())?;
        self.wakes.insert(name.into(), wake);
        Ok(())
    }

    fn execute(&self, step: &Json) -> Outcome<u64> {
        let (kind, object, count) = match self.db.execute(text(&step["sql"]))? {
            Executed::Rows(rows) => ("query", String::new(), rows.num_rows() as u64),
            Executed::Statement { statement, object, rows_affected } => {
                let kind = match statement.split(' ').next() {
                    Some("CREATE" | "DROP" | "ALTER") => "ddl",
                    Some("INSERT" | "UPDATE" | "DELETE") => "dml",
                    _ => "utility",
                };
                (kind, object, rows_affected)
            }
        };
        let same = |name: &str, got: &str| step[name].is_null() || step[name] == json!(got);
        check(same("kind", kind), || format!("its kind is {kind}"))?;
        check(same("object", &object), || format!("its object is {object}"))?;
        Ok(count)
    }

    fn query(&mut self, step: &Json) -> Outcome {
        let rows = self.db.query(text(&step["sql"]))?.collect()?;
        let names: Vec<&str> = rows.schema().fields().iter().map(|field| field.name()).collect();
        let same = step["columns"].is_null() || step["columns"] == json!(names);
        check(same, || format!("the columns are {names:?}"))?;
        let mut came = Vec::new();
        for batch in rows.batches() {
            came.extend(cells(batch, None)?);
        }
        if let Some(name) = step.get("save") {
            let value = came.first().and_then(|(row, _)| row.first()).cloned().unwrap_or_default();
            self.saved.insert(text(name).into(), value.to_string());
            return Ok(());
        }
        compare(step, came)
    }

    /// With `wake` what has not come yet is waited for, and no longer than for the last answer.
    fn poll(&mut self, step: &Json, wake: Option<&Wake>) -> Outcome {
        let by = text(&step["by"]);
        let Some(subscription) = self.subscriptions.get_mut(by) else {
            return fail(format!("nothing is called {by}"));
        };
        let mut wanted = list(&step["answers"]).iter();
        let mut is_reset = false;
        let mut timeout_ms = step["timeout_ms"].as_i64().unwrap_or(0);
        loop {
            match subscription.poll(std::mem::take(&mut timeout_ms))? {
                Polled::Nothing if wanted.len() > 0 && wake.is_some_and(Wake::wait) => {}
                Polled::Nothing => break,
                Polled::Reset => is_reset = true,
                Polled::End => {
                    let same = wanted.next().is_some_and(|event| event["end"] == json!(true));
                    check(same, || "it is at its end".into())?;
                    break;
                }
                Polled::Lagged(missed) => {
                    let same = wanted.next().is_some_and(|event| event["lagged"] == json!(missed));
                    check(same, || format!("it lagged by {missed}"))?;
                }
                Polled::Batch { rows, epoch, weights } => {
                    let came = cells(&rows, weights)?;
                    let event = wanted.next().unwrap_or(&Json::Null);
                    check(event.get("rows").is_some(), || format!("rows came: {came:?}"))?;
                    let same = (event["reset"] == json!(true)) == is_reset;
                    check(same, || format!("reset: {is_reset}"))?;
                    is_reset = false;
                    compare(event, came)?;
                    if let Some(name) = step.get("save") {
                        self.saved.insert(text(name).into(), epoch.to_string());
                    }
                }
            }
        }
        let missing = wanted.next();
        check(missing.is_none(), || format!("it did not answer {missing:?}"))
    }
}

fn open(step: &Json) -> Outcome<Database> {
    let config = step.get("config").map(Json::to_string);
    Ok(Database::open(config.as_deref())?)
}

fn check_error(wanted: &Json, error: &Error) -> Outcome {
    let mut same = wanted["code"] == json!(error.status()) && wanted["ldb"] == json!(error.code());
    if !wanted["line"].is_null() {
        let place = error.position().map(|(line, column)| json!([line, column]));
        same &= place == Some(json!([wanted["line"], wanted["column"]]));
    }
    for part in list(&wanted["says"]) {
        same &= error.message().contains(text(part));
    }
    check(same, || format!("it failed otherwise: {error:?}"))
}

/// In any order unless `ordered`, as SQL promises none.
fn compare(step: &Json, mut got: Vec<Came>) -> Outcome {
    let shown = format!("{got:?}");
    for (at, wanted) in list(&step["rows"]).iter().enumerate() {
        let weight = step["weights"].get(at).and_then(Json::as_i64).unwrap_or(1);
        let among = if step["ordered"] == json!(true) { got.len().min(1) } else { got.len() };
        let same = |(row, its): &Came| {
            *its == weight
                && list(wanted).len() == row.len()
                && list(wanted).iter().zip(row).all(|(wanted, got)| equal(wanted, got))
        };
        match got[..among].iter().position(same) {
            Some(found) => drop(got.remove(found)),
            None => return fail(format!("row {wanted} is not in {shown}")),
        }
    }
    check(got.is_empty(), || format!("there are more rows than expected: {shown}"))
}

fn equal(wanted: &Json, got: &Json) -> bool {
    match (wanted, got) {
        (Json::Number(wanted), Json::Number(got)) => wanted.as_f64() == got.as_f64(),
        (Json::String(wanted), Json::Number(got)) => *wanted == got.to_string(),
        (Json::Array(wanted), Json::Array(got)) => {
            wanted.len() == got.len() && wanted.iter().zip(got).all(|(a, b)| equal(a, b))
        }
        (Json::Object(wanted), Json::Object(got)) => {
            let same =
                |(name, value): (&String, &Json)| got.get(name).is_some_and(|b| equal(value, b));
            wanted.len() == got.len() && wanted.iter().all(same)
        }
        _ => wanted == got,
    }
}

fn cells(batch: &Batch, weights: Option<Vec<i64>>) -> Outcome<Vec<Came>> {
    let mut rows = Vec::new();
    for row in 0..batch.num_rows() {
        let mut cells = Vec::new();
        for column in 0..batch.schema().fields().len() {
            cells.push(plain(&batch.column(column).value(row)?));
        }
        let weight = weights.as_ref().map_or(1, |weights| weights[row]);
        rows.push((cells, weight));
    }
    Ok(rows)
}

/// A value as scenarios expect it.
fn plain(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::UInt(value) => json!(value),
        Value::Float(value) if value.is_finite() => json!(value),
        Value::Float(value) if value.is_nan() => json!("NaN"),
        Value::Float(value) => json!(if *value > 0.0 { "Infinity" } else { "-Infinity" }),
        Value::Decimal(text) | Value::Str(text) => json!(text),
        Value::Bytes(bytes) => {
            json!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        Value::Date(days) => json!(date_text(*days)),
        Value::Time(nanoseconds) => json!(time_text(*nanoseconds)),
        Value::Timestamp { value, unit, .. } => {
            let per_day = 86_400 * unit.per_second();
            let nanoseconds = value.rem_euclid(per_day) * (1_000_000_000 / unit.per_second());
            json!(format!("{}T{}", date_text(value.div_euclid(per_day)), time_text(nanoseconds)))
        }
        Value::Interval { months, days, nanoseconds } => {
            json!({"months": months, "days": days, "nanoseconds": nanoseconds})
        }
        Value::List(items) => items.iter().map(plain).collect(),
        Value::Struct(fields) => Json::Object(
            fields.iter().map(|(name, value)| (name.to_string(), plain(value))).collect(),
        ),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.to_text(), plain(value))).collect())
        }
        other => json!(format!("{other:?}")),
    }
}

fn rows(schema: &std::sync::Arc<Schema>, rows: &Json) -> Outcome<RowBuffer> {
    let mut buffer = RowBuffer::new(schema);
    for row in list(rows) {
        for (name, value) in row.as_object().into_iter().flatten() {
            let column = schema.index_of(name).unwrap_or(usize::MAX);
            buffer.set(column, &native(value)?)?;
        }
        buffer.end_row()?;
    }
    Ok(buffer)
}

/// A value of a scenario as the client has it.
fn native(value: &Json) -> Outcome<Value<'_>> {
    Ok(match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Value::Int(value),
            (None, value) => Value::Float(value.unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Str(text.into()),
        Json::Array(items) => Value::List(items.iter().map(native).collect::<Outcome<_>>()?),
        Json::Object(members) => {
            if let Some((tag, tagged)) =
                members.iter().next().filter(|(tag, _)| tag.starts_with('@'))
            {
                return tagged_value(tag, text(tagged));
            }
            let field = |(name, value): (&'_ String, _)| Ok((name.clone().into(), native(value)?));
            Value::Struct(members.iter().map(field).collect::<Outcome<_>>()?)
        }
    })
}

fn tagged_value<'a>(tag: &str, text: &'a str) -> Outcome<Value<'a>> {
    let unit = TimeUnit::Millisecond;
    Ok(match tag {
        "@int" if text.starts_with('-') => Value::Int(text.parse().map_err(unexpected)?),
        "@int" => match text.parse() {
            Ok(value) => Value::Int(value),
            Err(_) => Value::UInt(text.parse().map_err(unexpected)?),
        },
        "@float" => Value::Float(text.parse().map_err(unexpected)?),
        "@decimal" => Value::Decimal(text.into()),
        "@bytes" => {
            let byte = |at| u8::from_str_radix(&text[at..at + 2], 16);
            let bytes: Result<Vec<u8>, _> = (0..text.len()).step_by(2).map(byte).collect();
            Value::Bytes(bytes.map_err(unexpected)?.into())
        }
        "@date" => Value::Date(days_of(text)?),
        "@time" => Value::Time(milliseconds_of(text)? * 1_000_000),
        "@timestamp" | "@instant" => {
            let value = days_of(text)? * 86_400_000 + milliseconds_of(&text[11..])?;
            let zone = (tag == "@instant").then(|| "UTC".into());
            Value::Timestamp { value, unit, zone }
        }
        other => return fail(format!("there is no value {other}")),
    })
}

/// Days from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_of(text: &str) -> Outcome<i64> {
    let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().map_err(unexpected);
    let (month, day) = (part(5..7)?, part(8..10)?);
    let year = part(0..4)? - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    Ok(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

fn date_text(days: i64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = (shifted + 2) % 12 + 1;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    format!("{:04}-{month:02}-{day:02}", years + era * 400 + i64::from(month <= 2))
}

fn milliseconds_of(text: &str) -> Outcome<i64> {
    let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().map_err(unexpected);
    let fraction = format!("{:0<3}", text.get(9..).unwrap_or("0"));
    let seconds = part(0..2)? * 3_600 + part(3..5)? * 60 + part(6..8)?;
    Ok(seconds * 1_000 + fraction.parse::<i64>().map_err(unexpected)?)
}

fn time_text(nanoseconds: i64) -> String {
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{clock}.{rest:09}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

fn unexpected(error: impl std::fmt::Display) -> Failure {
    Failure::Unexpected(error.to_string())
}

/// Runs one scenario; where it failed and why.
fn run(file: &str) -> Result<(), (usize, Failure)> {
    let content = std::fs::read_to_string(file).map_err(|error| (0, unexpected(error)))?;
    let scenario: Json = serde_json::from_str(&content).map_err(|error| (0, unexpected(error)))?;
    let mut session = Session::new(&scenario).map_err(|failure| (0, failure))?;
    for (at, step) in list(&scenario["steps"]).iter().enumerate() {
        session.step(step).map_err(|failure| (at + 1, failure))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let mut passed = 0;
    for file in &files {
        match run(file) {
            Ok(()) => passed += 1,
            Err((at, Failure::Answer(error))) => {
                println!("FAILED {file}, step {at}: {}", error.message());
            }
            Err((at, Failure::Unexpected(what))) => println!("FAILED {file}, step {at}: {what}"),
        }
    }
    println!("{passed} passed, {} failed", files.len() - passed);
    ExitCode::from(u8::from(passed != files.len()))
}
