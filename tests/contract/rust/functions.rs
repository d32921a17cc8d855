//! The functions of SQL that there are to register.

use std::sync::{Arc, Weak};

use laminar_client::{
    AggregateFunction, Array, Batch, Database, Encoding, Refused, Result, RowBuffer, Schema, Value,
};

/// What a function answers, or why it does not.
type Answer<T> = std::result::Result<T, Refused>;

/// Registers a function by its name.
pub fn register(db: &Arc<Database>, name: &str) -> Result<()> {
    // The types of the library come as those of queries: one BIGINT.
    let one = Arc::clone(db.query("SELECT CAST(NULL AS BIGINT) AS n LIMIT 0")?.schema());
    let (arguments, result) = (one.export(), one.export().into_column(0));
    match name {
        "total" => {
            let options = Some("{\"retractable\": true}");
            let total = Box::new(Total(Arc::clone(&one)));
            db.register_aggregate(name, &arguments, &one.export(), &result, options, total)
        }
        "seven" => {
            let none = Schema::empty();
            let call = move |arguments: Array| {
                numbers(&one, (0..arguments.raw().length).map(|_| Ok(Some(7))))
            };
            db.register_scalar(name, &none.export(), &result, None, Box::new(call))
        }
        _ => {
            let each: Box<dyn Fn(i64) -> Answer<i64> + Send + Sync> =
                if name == "twice" { Box::new(twice) } else { intruder(Arc::downgrade(db)) };
            let call = move |arguments: Array| {
                let given = read(&one, arguments)?;
                numbers(&one, given.into_iter().map(|number| number.map(&each).transpose()))
            };
            db.register_scalar(name, &arguments, &result, None, Box::new(call))
        }
    }
}

fn twice(number: i64) -> Answer<i64> {
    if number == 13 { Err("no 13 here".into()) } else { Ok(2 * number) }
}

/// Inserts into `other`; answers the number of the error.
fn intruder(db: Weak<Database>) -> Box<dyn Fn(i64) -> Answer<i64> + Send + Sync> {
    Box::new(move |number| {
        let db = db.upgrade().ok_or("the database is gone")?;
        let row = format!("{{\"a\": {number}}}");
        let inserted = db.insert_encoded("other", Encoding::Json(None), row.as_bytes());
        Ok(inserted.map_or_else(|error| error.status().into(), |_| 0))
    })
}

/// The sum of what is not NULL, in a state of one BIGINT.
struct Total(Arc<Schema>);

impl Total {
    fn sum(&self, arrays: Vec<Array>) -> Answer<Array> {
        let mut sum = None;
        for array in arrays {
            for number in read(&self.0, array)?.into_iter().flatten() {
                sum = Some(sum.unwrap_or(0) + number);
            }
        }
        rows(&self.0, [Ok(sum)].into_iter())
    }
}

impl AggregateFunction for Total {
    fn update(&self, state: Option<Array>, rows: Array) -> Answer<Array> {
        self.sum(state.into_iter().chain([rows]).collect())
    }

    fn merge(&self, state: Array, other: Array) -> Answer<Array> {
        self.sum(vec![state, other])
    }

    fn evaluate(&self, state: Option<Array>) -> Answer<Array> {
        Ok(self.sum(state.into_iter().collect())?.into_column(0))
    }
}

/// The numbers in the only column.
fn read(schema: &Arc<Schema>, array: Array) -> Answer<Vec<Option<i64>>> {
    let batch = Batch::new(Arc::clone(schema), array).map_err(|error| error.to_string())?;
    let column = batch.column(0);
    let number = |row| match column.value(row) {
        Ok(Value::Int(number)) => Ok(Some(number)),
        Ok(_) => Ok(None),
        Err(error) => Err(error.to_string()),
    };
    (0..batch.num_rows()).map(number).collect()
}

/// Rows of one column of numbers.
fn rows(schema: &Arc<Schema>, numbers: impl Iterator<Item = Answer<Option<i64>>>) -> Answer<Array> {
    let mut rows = RowBuffer::new(schema);
    for number in numbers {
        let value = number?.map_or(Value::Null, Value::Int);
        rows.set(0, &value).and_then(|()| rows.end_row()).map_err(|error| error.to_string())?;
    }
    rows.batch().map_err(|error| error.to_string())
}

/// The same as the column alone.
fn numbers(
    schema: &Arc<Schema>,
    numbers: impl Iterator<Item = Answer<Option<i64>>>,
) -> Answer<Array> {
    Ok(rows(schema, numbers)?.into_column(0))
}
