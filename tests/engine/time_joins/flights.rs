//! The demo's year of flights with the weather of their airport, by ASOF.
//!
//! The reference is a sorted merge with the meaning of pandas' `merge_asof`: backward the last row
//! at or before, forward the first at or after, nearest the less far and of two equally far the one
//! before.

use std::collections::HashMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use laminar_db::LaminarDB;

use crate::support::database::{batches, created, execute, listed};
use crate::support::value::Value;

fn file(name: &str, columns: &str, order: &str) -> RecordBatch {
    let db = LaminarDB::open().unwrap();
    let path = format!("{}/../docs/demo/data/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
    let read = batches(&db, &format!("SELECT {columns} FROM '{path}' {order}"));
    concat_batches(&read[0].schema(), &read).unwrap()
}

fn integers(batch: &RecordBatch, name: &str) -> Vec<Option<i64>> {
    let column = cast(batch.column_by_name(name).unwrap(), &DataType::Int64).unwrap();
    column.as_primitive::<Int64Type>().iter().collect()
}

fn texts(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|text| text.map(str::to_string)).collect()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<u64>> {
    let column = cast(batch.column_by_name(name).unwrap(), &DataType::Float64).unwrap();
    column.as_primitive::<Float64Type>().iter().map(|x| x.map(f64::to_bits)).collect()
}

/// A flight's time, airport and number, and its weather's time and temperature (as bits).
type Joined = (i64, String, Option<i64>, Option<i64>, Option<u64>);

/// By airport the observations in the order of time: their times and temperatures.
type Weather = HashMap<String, Vec<(i64, Option<u64>)>>;

fn observed(weather: &RecordBatch) -> Weather {
    let mut by_airport = Weather::new();
    let rows = integers(weather, "ts").into_iter().zip(floats(weather, "temp"));
    for (airport, (time, temp)) in texts(weather, "origin").into_iter().zip(rows) {
        by_airport.entry(airport.unwrap()).or_default().push((time.unwrap(), temp));
    }
    by_airport.values_mut().for_each(|rows| rows.sort_by_key(|row| row.0));
    by_airport
}

/// What `merge_asof` gives in a direction, sorted.
fn merged(flights: &RecordBatch, weather: &Weather, direction: &str) -> Vec<Joined> {
    let (times, numbers) = (integers(flights, "ts"), integers(flights, "flight"));
    let airports = texts(flights, "origin");
    let mut rows: Vec<Joined> = (0..times.len())
        .map(|row| {
            let (time, airport) = (times[row].unwrap(), airports[row].clone().unwrap());
            let of_airport = weather.get(&airport).map_or(&[][..], Vec::as_slice);
            let back = of_airport.partition_point(|seen| seen.0 <= time).checked_sub(1);
            let ahead = of_airport.partition_point(|seen| seen.0 < time);
            let (back, ahead) = (back.map(|at| of_airport[at]), of_airport.get(ahead).copied());
            let found = match (direction, back, ahead) {
                ("backward", back, _) => back,
                ("forward", _, ahead) => ahead,
                (_, Some(back), Some(ahead)) if ahead.0 - time < time - back.0 => Some(ahead),
                (_, back, ahead) => back.or(ahead),
            };
            (time, airport, numbers[row], found.map(|found| found.0), found.and_then(|f| f.1))
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn flights_get_the_weather_that_merge_asof_gives_them() {
    let flights = file("flights", "ts, origin, flight", "");
    let weather = file("weather", "ts, origin, temp", "ORDER BY ts");
    let observed = observed(&weather);
    // Flights stand in the order of landing: up to 11 hours after their time.
    let db = created(&[
        "CREATE SOURCE f (ts TIMESTAMP(3) WITH TIME ZONE NOT NULL, origin VARCHAR, flight INT,
         WATERMARK FOR ts AS ts - INTERVAL '12' HOUR)",
        "CREATE SOURCE w (ts TIMESTAMP(3) WITH TIME ZONE NOT NULL, origin VARCHAR, temp DOUBLE,
         WATERMARK FOR ts AS ts - INTERVAL '1' HOUR)",
    ]);
    let directions = [
        ("backward", "f.ts >= w.ts"),
        ("forward", "f.ts <= w.ts"),
        ("nearest", "NEAREST(f.ts, w.ts)"),
    ];
    for (name, condition) in directions {
        execute(
            &db,
            &format!(
                "CREATE STREAM {name} WITH (retain_history = 400000) AS
                 SELECT f.ts, f.origin, f.flight, w.ts AS wts, w.temp FROM f
                 ASOF LEFT JOIN w MATCH_CONDITION ({condition}) ON f.origin = w.origin"
            ),
        );
    }
    db.start_blocking().unwrap();
    // Each source at its own pace: the weather a little ahead, then a little behind.
    let sources = ["f", "w"].map(|name| db.source_untyped(name).unwrap());
    let steps = 40;
    for step in 0..steps {
        let order = if step % 2 == 0 { [1, 0] } else { [0, 1] };
        for side in order {
            let batch = if side == 0 { &flights } else { &weather };
            let at = |step: usize| batch.num_rows() * step / steps;
            let piece = batch.slice(at(step), at(step + 1) - at(step));
            let piece = cast_to(&piece, &sources[side].schema());
            sources[side].push_arrow(piece).unwrap();
        }
    }
    let end_ms = 4_102_444_800_000;
    for source in &sources {
        source.watermark(end_ms).unwrap();
    }
    for (name, _) in directions {
        let held = batches(&db, &format!("SELECT * FROM {name}"));
        let held = concat_batches(&held[0].schema(), &held).unwrap();
        let (times, numbers) = (integers(&held, "ts"), integers(&held, "flight"));
        let (airports, found) = (texts(&held, "origin"), integers(&held, "wts"));
        let temps = floats(&held, "temp");
        let mut got: Vec<Joined> = (0..held.num_rows())
            .map(|row| {
                let airport = airports[row].clone().unwrap();
                (times[row].unwrap(), airport, numbers[row], found[row], temps[row])
            })
            .collect();
        got.sort();
        let mut expected = merged(&flights, &observed, name);
        // What pandas 3.1.1 answers over the same files: rows with a match, and the sum of the
        // matches' times in seconds.
        let matched = expected.iter().filter_map(|row| row.3);
        let seconds = matched.fold((0, 0), |(rows, sum), ms| (rows + 1, sum + ms / 1_000));
        let by_pandas = match name {
            "backward" => (336_776, 462_340_784_221_200),
            "forward" => (335_775, 460_952_136_982_800),
            _ => (336_776, 462_341_402_024_400),
        };
        assert_eq!(seconds, by_pandas, "the reference for {name}");
        assert_eq!(listed(&db, "SHOW STREAMS", name, "late_rows"), Value::Int(0));
        if name == "forward" {
            // No promise reaches past the last observation: the flights after it still wait.
            expected.retain(|row| row.3.is_some());
            got.retain(|row| row.3.is_some());
        }
        assert_eq!(got.len(), expected.len(), "{name}");
        assert!(got == expected, "{name}: {:?}", got.iter().zip(&expected).find(|(a, b)| a != b));
    }
}

fn cast_to(batch: &RecordBatch, schema: &arrow::datatypes::SchemaRef) -> RecordBatch {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).unwrap());
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}
