//! TPC-H's queries as materialized views over tables that are loaded, refreshed, corrected and
//! emptied: after every change each view holds what DataFusion answers over the tables as they are.
//!
//! The rows are those of the benchmark's own generator, in the shape of its crate `tpchgen`.

mod queries;

use arrow::array::RecordBatch;
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, SchemaRef};
use laminar_db::{LaminarDB, SubscribeOptions, UntypedSubscription};
use tpchgen::generators::*;
use tpchgen_arrow::*;

use crate::support::database::{batches, content, execute, started};
use crate::support::oracle::Oracle;
use crate::support::replay::Replay;
use crate::support::value::assert_same;
use queries::QUERIES;

/// Of the benchmark's smallest size: 6,000 lines of 1,500 orders.
const SCALE: f64 = 0.001;

/// The tables, their primary keys and their rows.
fn tables() -> Vec<(&'static str, &'static str, Vec<RecordBatch>)> {
    fn read(
        batches: impl Iterator<Item = Result<RecordBatch, arrow::error::ArrowError>>,
    ) -> Vec<RecordBatch> {
        batches.collect::<Result<_, _>>().unwrap()
    }
    vec![
        ("region", "r_regionkey", read(RegionArrow::new(RegionGenerator::new(SCALE, 1, 1)))),
        ("nation", "n_nationkey", read(NationArrow::new(NationGenerator::new(SCALE, 1, 1)))),
        ("part", "p_partkey", read(PartArrow::new(PartGenerator::new(SCALE, 1, 1)))),
        ("supplier", "s_suppkey", read(SupplierArrow::new(SupplierGenerator::new(SCALE, 1, 1)))),
        (
            "partsupp",
            "ps_partkey, ps_suppkey",
            read(PartSuppArrow::new(PartSuppGenerator::new(SCALE, 1, 1))),
        ),
        ("customer", "c_custkey", read(CustomerArrow::new(CustomerGenerator::new(SCALE, 1, 1)))),
        ("orders", "o_orderkey", read(OrderArrow::new(OrderGenerator::new(SCALE, 1, 1)))),
        (
            "lineitem",
            "l_orderkey, l_linenumber",
            read(LineItemArrow::new(LineItemGenerator::new(SCALE, 1, 1))),
        ),
    ]
}

fn create_table(name: &str, schema: &SchemaRef, key: &str) -> String {
    let columns = schema.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Int32 => "INT".to_string(),
            DataType::Int64 => "BIGINT".to_string(),
            DataType::Date32 => "DATE".to_string(),
            DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
            DataType::Utf8View => "VARCHAR".to_string(),
            other => panic!("{name} has a column of type {other}"),
        };
        format!("{} {kind}", field.name())
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!("CREATE TABLE {name} ({columns}, PRIMARY KEY ({key}))")
}

/// The rows in the types of their table.
fn rows_for(db: &LaminarDB, table: &str, rows: &[RecordBatch]) -> RecordBatch {
    let rows = concat_batches(&rows[0].schema(), rows).unwrap();
    let schema = db.source_untyped(table).unwrap().schema();
    let columns = rows.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).unwrap());
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

struct Views {
    db: LaminarDB,
    oracle: Oracle,
    told: Vec<(UntypedSubscription, Replay)>,
}

impl Views {
    fn check(&mut self, when: &str) {
        for (table, _, _) in tables() {
            let rows = batches(&self.db, &format!("SELECT * FROM {table}"));
            let schema = self.db.source_untyped(table).unwrap().schema();
            self.oracle.table(table, schema.clone(), rows);
        }
        for (index, query) in QUERIES.iter().enumerate() {
            let what = format!("q{} {when}", index + 1);
            let got = content(&self.db, &format!("q{}", index + 1));
            assert_same(&what, &got, &self.oracle.rows(query), 1e-9);
            let (subscription, replay) = &mut self.told[index];
            replay.drain(subscription);
            assert_eq!(replay.content(), got, "what {what} told adds up");
        }
    }

    /// The views that hold nothing.
    fn empty(&self) -> Vec<String> {
        let names = (1..=QUERIES.len()).map(|number| format!("q{number}"));
        names.filter(|name| content(&self.db, name).is_empty()).collect()
    }

    fn push(&self, table: &str, rows: RecordBatch) {
        self.db.source_untyped(table).unwrap().push_arrow(rows).unwrap();
    }
}

#[test]
fn tpch_views_follow_every_refresh() {
    let loaded = tables();
    let statements: Vec<String> =
        loaded.iter().map(|(name, key, rows)| create_table(name, &rows[0].schema(), key)).collect();
    let db = started(&statements.iter().map(String::as_str).collect::<Vec<_>>());
    let all: Vec<(&str, RecordBatch)> =
        loaded.iter().map(|(name, _, rows)| (*name, rows_for(&db, name, rows))).collect();
    let of = |table: &str| &all.iter().find(|(name, _)| *name == table).unwrap().1;
    // Half of the views are filled from tables that hold rows, half of them see the rows come.
    let create = |number: usize, query: &str| {
        execute(&db, &format!("CREATE MATERIALIZED VIEW q{number} AS {query}"));
    };
    for (index, query) in QUERIES.iter().enumerate().filter(|(index, _)| index % 2 == 0) {
        create(index + 1, query);
    }
    let (orders, lines) = (of("orders"), of("lineitem"));
    let (most_orders, most_lines) = (orders.num_rows() * 4 / 5, lines.num_rows() * 4 / 5);
    for (name, rows) in &all {
        let most = match *name {
            "orders" => most_orders,
            "lineitem" => most_lines,
            _ => rows.num_rows(),
        };
        db.source_untyped(name).unwrap().push_arrow(rows.slice(0, most)).unwrap();
    }
    for (index, query) in QUERIES.iter().enumerate().filter(|(index, _)| index % 2 == 1) {
        create(index + 1, query);
    }
    let told = (1..=QUERIES.len()).map(|number| {
        let whole = SubscribeOptions { snapshot: Some(true), ..SubscribeOptions::default() };
        (db.subscribe_with(&format!("q{number}"), whole).unwrap(), Replay::default())
    });
    let told = told.collect();
    let mut views = Views { db, oracle: Oracle::new(), told };
    views.check("after the load");
    assert!(views.empty().is_empty(), "nothing to be compared: {:?}", views.empty());

    // RF1: new orders with their lines, some lines before their order.
    views.push("lineitem", lines.slice(most_lines, lines.num_rows() - most_lines));
    views.push("orders", orders.slice(most_orders, orders.num_rows() - most_orders));
    views.check("after new orders");

    // RF2: old orders go.
    execute(&views.db, "DELETE FROM orders WHERE o_orderkey % 10 = 3");
    execute(&views.db, "DELETE FROM lineitem WHERE l_orderkey % 10 = 3");
    views.check("after old orders went");

    execute(
        &views.db,
        "UPDATE lineitem SET l_discount = 0.07, l_quantity = l_quantity + 3
            WHERE l_linenumber = 2 AND l_orderkey % 3 = 1",
    );
    execute(&views.db, "UPDATE lineitem SET l_receiptdate = l_commitdate WHERE l_partkey % 7 = 2");
    views.check("after lines were corrected");

    execute(&views.db, "UPDATE customer SET c_acctbal = -c_acctbal WHERE c_custkey % 4 = 0");
    execute(
        &views.db,
        "UPDATE supplier SET s_nationkey = (s_nationkey + 7) % 25 WHERE s_suppkey < 6",
    );
    execute(&views.db, "UPDATE nation SET n_name = 'GERMANY' WHERE n_name = 'PERU'");
    execute(
        &views.db,
        "UPDATE part SET p_size = 51 - p_size, p_type = 'PROMO BURNISHED BRASS' WHERE p_partkey % 5 = 0",
    );
    views.check("after dimensions changed");

    // Rows that are replaced by what they were.
    views.push("part", of("part").clone());
    views.push("orders", orders.slice(0, 200));
    views.push("lineitem", lines.slice(0, 700));
    views.check("after rows were put back");

    execute(&views.db, "DELETE FROM supplier WHERE s_suppkey > 4");
    execute(&views.db, "TRUNCATE lineitem");
    views.check("after the lines are gone");
}
