//! What an operator holds can be taken and put back: a stream runs half way over random input, a
//! snapshot of every node is taken, and the stream goes on to the end. The snapshot put into nodes
//! that were planned anew, these must then say exactly what the first ones said, delta for delta.
//!
//! Every kind of operator there is must occur, so one that is added must be added here.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use laminar_dataflow::graph::Audience;
use laminar_dataflow::state::Snapshot;
use laminar_dataflow::{Changes, EventTime, Graph, NodeId, StepOutput, Traits};
use laminar_sql::catalog::Catalog;
use laminar_sql::parser::parse_one;
use laminar_sql::parser::statement::Statement;
use laminar_sql::plan::InputRef;
use laminar_sql::planner::Planner;
use laminar_types::{
    Change, Delta, ErrorKind, Frontier, Result, RowBlock, RowLayout, TimeUnit, Weights,
};

use super::support::random::{Random, for_seeds};

/// Queries over `s` and `r`, which only grow, the former with lists, the latter given as blocks of
/// rows, and `u`, whose rows come, change and go.
const QUERIES: &[&str] = &[
    // Stateless.
    "SELECT k, v + 1 AS w, ts FROM s WHERE v > 0",
    "SELECT k, unnest(l) AS e FROM s",
    "SELECT k, v, ts FROM s UNION ALL SELECT k, v, ts FROM u",
    // Rows that are there from the beginning.
    "SELECT s.k, s.v, c.x FROM s JOIN (VALUES (1, 'a'), (2, 'b'), (2, 'c')) AS c (y, x) ON s.v = c.y",
    // Groups, of every accumulator.
    "SELECT k, count(*) AS n, count(v) AS c, sum(v) AS s, avg(x) AS a, min(v) AS mi, max(t) AS ma,
            sum(x) AS sx, avg(v) AS av FROM r GROUP BY k",
    "SELECT t, bool_and(b) AS ba, bool_or(b) AS bo, bit_or(v) AS o, bit_xor(v) AS e,
            stddev(x) AS d, corr(x, v) AS co, min(t) AS mt, sum(CAST(v AS DECIMAL(12, 2))) AS sd,
            avg(CAST(v AS DECIMAL(12, 2))) AS ad FROM s GROUP BY t",
    "SELECT k, first_value(t) AS f, last_value(v) AS la, median(v) AS m, array_agg(v) AS aa,
            string_agg(t, ',') AS sa, nth_value(v, 2) AS nv, count(DISTINCT v) AS dv,
            sum(DISTINCT x) AS dx, approx_distinct(v) AS ap, max(l) AS ml FROM s GROUP BY k",
    "SELECT k, count(*) AS n, sum(v) AS s, avg(x) AS a, min(v) AS mi, max(t) AS ma, sum(x) AS sx,
            bit_and(v) AS ba, bit_or(v) AS bo, bool_and(b) AS bb, var(x) AS va FROM u GROUP BY k",
    "SELECT k, t, median(x) AS m, array_agg(v ORDER BY v, id) AS aa, count(DISTINCT v) AS dv,
            first_value(v ORDER BY x, id) AS f, max(x) FILTER (WHERE b) AS mx FROM u GROUP BY k, t",
    "SELECT count(*) AS n, max(v) AS m FROM u",
    // What waits until it is final.
    "SELECT k, v, ts FROM u EMIT ON WINDOW CLOSE",
    "SELECT k, sum(n) AS n FROM (SELECT k, t, count(*) AS n FROM s GROUP BY k, t) GROUP BY k",
    "SELECT k, t, sum(v) AS s FROM u GROUP BY GROUPING SETS ((k), (t), (k, t), ())",
    "SELECT DISTINCT k, t FROM u",
    // Windows.
    "SELECT k, window_end, count(*) AS n, max(v) AS m, median(v) AS d, last_value(t) AS la,
            approx_distinct(t) AS ap FROM s GROUP BY k, tumble(ts, INTERVAL '10' MILLISECOND)",
    "SELECT k, window_end, sum(x) AS n, count(DISTINCT v) AS d, array_agg(v) AS aa FROM s
     GROUP BY k, hop(ts, INTERVAL '20' MILLISECOND, INTERVAL '8' MILLISECOND)",
    "SELECT window_end, sum(x) AS s, count(*) AS n FROM s
     GROUP BY hop(ts, INTERVAL '40' MILLISECOND, INTERVAL '4' MILLISECOND)",
    "SELECT window_end, count(*) AS n, avg(x) AS a FROM u
     GROUP BY cumulate(ts, INTERVAL '5' MILLISECOND, INTERVAL '20' MILLISECOND) EMIT CHANGES",
    "SELECT k, window_end, min(v) AS m FROM s
     GROUP BY k, hop(ts, INTERVAL '20' MILLISECOND, INTERVAL '10' MILLISECOND)
     EMIT CHANGES ALLOW LATENESS INTERVAL '10' MILLISECOND",
    "SELECT k, window_start, window_end, count(*) AS n, max(t) AS m, first_value(v) AS f FROM s
     GROUP BY k, session(ts, INTERVAL '6' MILLISECOND)",
    "SELECT k, window_start, window_end, count(*) AS n, sum(v) AS m FROM s
     GROUP BY k, session(ts, INTERVAL '6' MILLISECOND) EMIT CHANGES",
    "SELECT b, window_start, window_end, count(*) AS n, max(v) AS m FROM u
     GROUP BY b, session(ts, INTERVAL '3' MILLISECOND) EMIT CHANGES",
    // Joins of every way to keep a side.
    "SELECT s.k, s.v, r.t, r.v AS w FROM s JOIN r ON s.k = r.k AND s.v < r.v",
    "SELECT s.k, s.v, u.t FROM s LEFT JOIN u ON s.k = u.k AND s.t = u.t",
    "SELECT a.id, b.id AS other FROM u a FULL JOIN u b ON a.k = b.v",
    "SELECT k, v FROM u WHERE k IN (SELECT v FROM s)",
    "SELECT k, v FROM u WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.k = u.v)",
    "SELECT s.v, u.x FROM s JOIN u ON s.k = u.id",
    "SELECT k, t FROM u INTERSECT ALL SELECT k, t FROM s",
    "SELECT k, t FROM u EXCEPT ALL SELECT k, t FROM r",
    // Joins in time.
    "SELECT s.k, s.ts, r.v FROM s ASOF JOIN r MATCH_CONDITION (s.ts >= r.ts) ON s.k = r.k",
    "SELECT s.k, s.ts, r.v FROM s ASOF LEFT JOIN r MATCH_CONDITION (s.ts < r.ts) ON s.k = r.k
     EMIT ON WINDOW CLOSE",
    "SELECT u.k, u.ts, r.v FROM u ASOF JOIN r MATCH_CONDITION (u.ts >= r.ts) ON u.k = r.k
     EMIT CHANGES",
    "SELECT s.k, s.ts, u.v FROM s JOIN u FOR SYSTEM_TIME AS OF s.ts ON s.k = u.id",
    "SELECT s.k, s.v, u.v AS w FROM s LEFT JOIN u FOR SYSTEM_TIME AS OF proctime() ON s.k = u.k",
    "SELECT s.k, s.ts, r.v FROM s LEFT JOIN r ON s.k = r.k
     AND r.ts BETWEEN s.ts - INTERVAL '4' MILLISECOND AND s.ts + INTERVAL '6' MILLISECOND",
    "SELECT k, v, ts FROM s WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.k = s.k
     AND r.ts BETWEEN s.ts - INTERVAL '2' MILLISECOND AND s.ts + INTERVAL '2' MILLISECOND)",
    "SELECT s.k, p.offset_ms, p.probe_ts, r.v FROM s TEMPORAL PROBE LEFT JOIN r ON (k)
     TIMESTAMPS (ts, ts) LIST (-4, 0, 6) AS p",
    "SELECT a.k, a.n, b.n AS m FROM (SELECT k, ts, count(*) AS n FROM s GROUP BY k, ts) a
     FULL JOIN (SELECT k, ts, count(*) AS n FROM r GROUP BY k, ts) b
     ON a.k = b.k AND b.ts - a.ts BETWEEN INTERVAL '-4' MILLISECOND AND INTERVAL '6' MILLISECOND",
    "SELECT a.k, a.n, b.n AS m FROM (SELECT k, ts, count(*) AS n FROM s GROUP BY k, ts) a
     ASOF JOIN (SELECT k, ts, count(*) AS n FROM r GROUP BY k, ts) b
     MATCH_CONDITION (a.ts >= b.ts) ON a.k = b.k EMIT CHANGES",
    // What forgets.
    "SELECT s.k, s.v, r.v AS w FROM s JOIN r ON s.k = r.k WITH (state_ttl = 20)",
    "SELECT s.k, s.v, u.v AS w FROM s LEFT JOIN u ON s.k = u.k WITH (state_ttl = 20)",
    "SELECT k, count(*) AS n, max(v) AS v FROM s GROUP BY k WITH (state_ttl = 20)",
    "SELECT k, count(*) AS n, sum(v) AS s FROM u GROUP BY k WITH (state_ttl = 20)",
    // In an order.
    "SELECT k, v, n FROM (SELECT k, v, row_number() OVER (PARTITION BY k ORDER BY v DESC) AS n
     FROM s) WHERE n <= 3",
    "SELECT k, v, n FROM (SELECT k, v, rank() OVER (PARTITION BY k ORDER BY v) AS n FROM u)
     WHERE n <= 2",
    "SELECT k, id, v, sum(v) OVER w AS total, max(t) OVER w AS highest, lag(v) OVER w AS before
     FROM u WINDOW w AS (PARTITION BY k ORDER BY ts, id)",
    "SELECT k, ts, sum(v) OVER (PARTITION BY k ORDER BY ts) AS total,
            dense_rank() OVER (PARTITION BY k ORDER BY ts) AS place FROM s",
    "SELECT k, id, stddev(v) OVER w AS s, first_value(t) IGNORE NULLS OVER w AS f,
            nth_value(v, 2) OVER w AS n FROM u WINDOW w AS (PARTITION BY k ORDER BY ts, id)",
    "SELECT k, avg(x) OVER (PARTITION BY k ORDER BY ts ROWS BETWEEN 3 PRECEDING AND CURRENT ROW)
     AS a FROM s",
    // In an order, until an event time is over.
    "SELECT ts, id, v, n FROM (SELECT *, row_number() OVER (PARTITION BY ts ORDER BY v DESC, id)
     AS n FROM s) WHERE n <= 2 EMIT ON WINDOW CLOSE",
    "SELECT ts, id, v, sum(v) OVER (PARTITION BY ts ORDER BY id) AS total FROM s
     EMIT ON WINDOW CLOSE",
    "SELECT window_end, k, n, p FROM (SELECT *, rank() OVER (PARTITION BY window_end ORDER BY n)
     AS p FROM (SELECT k, window_end, count(*) AS n FROM s
     GROUP BY k, tumble(ts, INTERVAL '10' MILLISECOND)) AS w) WHERE p <= 2",
    // Divided by keys.
    "SELECT k, count(*) AS n, sum(v) AS s, avg(x) AS a, min(v) AS mi, max(t) AS ma FROM r GROUP BY k
     WITH (workers = 3)",
    "SELECT k, count(*) AS n, sum(x) AS s, max(t) AS ma FROM u GROUP BY k WITH (workers = 2)",
    "SELECT k, t, window_end, count(*) AS n, sum(x) AS s FROM s
     GROUP BY k, t, tumble(ts, INTERVAL '10' MILLISECOND) WITH (workers = 3)",
    "SELECT k, window_end, min(v) AS m FROM u GROUP BY k, tumble(ts, INTERVAL '20' MILLISECOND)
     EMIT CHANGES ALLOW LATENESS INTERVAL '10' MILLISECOND WITH (workers = 2)",
    "SELECT k, window_end, sum(v) AS s FROM u GROUP BY k, tumble(ts, INTERVAL '10' MILLISECOND)
     EMIT ON WINDOW CLOSE WITH (workers = 3)",
    "SELECT k, window_end, count(*) AS n FROM s GROUP BY k, session(ts, INTERVAL '4' MILLISECOND)
     WITH (workers = 2)",
    "SELECT s.id, u.id AS other, s.v, u.x FROM s FULL JOIN u ON s.k = u.k WITH (workers = 3)",
    "SELECT a.id, b.id AS other FROM s a FULL JOIN r b
     ON a.k = b.k AND b.ts - a.ts BETWEEN INTERVAL '-4' MILLISECOND AND INTERVAL '6' MILLISECOND
     WITH (workers = 2)",
    "SELECT a.id, b.v FROM s a ASOF LEFT JOIN r b MATCH_CONDITION (a.ts <= b.ts) ON a.k = b.k
     WITH (workers = 3)",
    "SELECT k, v, n FROM (SELECT k, v, rank() OVER (PARTITION BY k ORDER BY v) AS n FROM u)
     WHERE n <= 2 WITH (workers = 2)",
    "SELECT k, id, sum(v) OVER (PARTITION BY k ORDER BY ts, id) AS total FROM u WITH (workers = 3)",
];

const INPUTS: [&str; 3] = ["s", "r", "u"];

fn schema(name: &str) -> SchemaRef {
    let time = DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond, None);
    let mut fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("k", DataType::Int64, true),
        Field::new("ts", time, false),
        Field::new("v", DataType::Int64, true),
        Field::new("x", DataType::Float64, true),
        Field::new("b", DataType::Boolean, true),
        Field::new("t", DataType::Utf8, true),
    ];
    if name == "s" {
        let item = Arc::new(Field::new_list_field(DataType::Int64, true));
        fields.push(Field::new("l", DataType::List(item), true));
    }
    Arc::new(Schema::new(fields))
}

/// A row but for its list, which follows from it.
#[derive(Clone)]
struct Row {
    id: i64,
    k: Option<i64>,
    ts: i64,
    v: Option<i64>,
    x: Option<f64>,
    b: Option<bool>,
    t: Option<String>,
}

impl Row {
    fn random(random: &mut Random, id: i64, now: i64) -> Self {
        let texts = ["a", "b", "a text that is longer than a cell", ""];
        let there = |random: &mut Random| !random.chance(10);
        Self {
            id,
            k: there(random).then(|| random.range(0, 8)),
            ts: now + random.range(-8, 9),
            v: there(random).then(|| random.range(-9, 10)),
            x: there(random).then(|| random.range(-99, 99) as f64 / 7.0),
            b: there(random).then(|| random.chance(50)),
            t: there(random).then(|| random.pick(&texts).to_string()),
        }
    }

    fn batch(name: &str, rows: &[Self]) -> RecordBatch {
        let lists = rows.iter().map(|row| {
            let list = |v: i64| (0..v.rem_euclid(4)).map(|n| Some(n * v)).collect::<Vec<_>>();
            row.v.map(list)
        });
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.id))),
            Arc::new(rows.iter().map(|row| row.k).collect::<Int64Array>()),
            Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.ts))),
            Arc::new(rows.iter().map(|row| row.v).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.x).collect::<Float64Array>()),
            Arc::new(rows.iter().map(|row| row.b).collect::<BooleanArray>()),
            Arc::new(rows.iter().map(|row| row.t.as_deref()).collect::<StringArray>()),
        ];
        if name == "s" {
            columns.push(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists)));
        }
        RecordBatch::try_new(schema(name), columns).unwrap()
    }
}

struct Relations;

impl Catalog for Relations {
    fn relation(&self, name: &str) -> Option<Traits> {
        INPUTS.contains(&name).then(|| Traits {
            changes: if name == "u" { Changes::Retract } else { Changes::AppendOnly },
            unique_key: (name == "u").then(|| vec![0]),
            times: vec![EventTime {
                column: 2,
                unit: TimeUnit::Millisecond,
                settled: name != "u",
                closed: false,
            }],
            declared_watermark: true,
            ..Traits::append_only(schema(name))
        })
    }

    fn names(&self) -> Vec<String> {
        INPUTS.map(String::from).to_vec()
    }
}

/// What comes in one step.
struct Step {
    rows: Vec<(&'static str, Delta)>,
    frontiers: Vec<(&'static str, Frontier)>,
}

fn steps(random: &mut Random, count: usize) -> Vec<Step> {
    let mut table: BTreeMap<i64, Row> = BTreeMap::new();
    let (mut now, mut next_id) = (0, 0);
    let mut step = || {
        now += random.range(0, 6);
        let (mut rows, mut frontiers) = (Vec::new(), Vec::new());
        for name in INPUTS {
            if random.chance(60) {
                let delta = match name {
                    "u" => change(random, &mut table, now),
                    _ => {
                        let rows: Vec<Row> = (0..random.range(1, 9))
                            .map(|_| {
                                next_id += 1;
                                Row::random(random, next_id, now)
                            })
                            .collect();
                        Delta::insert(Row::batch(name, &rows))
                    }
                };
                rows.push((name, delta));
            }
            if random.chance(40) {
                frontiers.push((name, Frontier::before(now - 6, TimeUnit::Millisecond)));
            }
        }
        Step { rows, frontiers }
    };
    (0..count).map(|_| step()).collect()
}

/// Rows of the table that change, go and come, by their ids.
fn change(random: &mut Random, table: &mut BTreeMap<i64, Row>, now: i64) -> Delta {
    let ids: BTreeSet<i64> = (0..random.range(1, 7)).map(|_| random.range(0, 12)).collect();
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    for id in ids {
        gone.extend(table.remove(&id));
        if random.chance(70) {
            let row = Row::random(random, id, now);
            table.insert(id, row.clone());
            come.push(row);
        }
    }
    let mut weights = vec![-1; gone.len()];
    weights.resize(gone.len() + come.len(), 1);
    gone.extend(come);
    Delta::weighted(Row::batch("u", &gone), Weights::from(weights))
}

/// The operators of a query and their inputs.
struct Stream {
    graph: Graph,
    inputs: BTreeMap<&'static str, NodeId>,
    nodes: Vec<NodeId>,
    block: RowBlock,
}

/// What came of a step: changes of the result, and what failed.
type Said = (Vec<(RecordBatch, Option<Weights>)>, Vec<String>);

impl Stream {
    fn new(planner: &Planner, query: &str) -> Self {
        let statement = parse_one(&format!("CREATE STREAM q AS {query}")).unwrap();
        let Statement::CreateStream(stream) = statement else { panic!("a stream: {query}") };
        let plan = planner.plan_stream(&Relations, &stream.query, &[]);
        let plan = plan.unwrap_or_else(|error| panic!("{error}: {query}"));
        let mut graph = Graph::new();
        let mut inputs = BTreeMap::new();
        for name in INPUTS {
            inputs.insert(name, graph.add_source(Relations.relation(name).unwrap()));
        }
        let mut nodes: Vec<NodeId> = Vec::new();
        for node in plan.nodes {
            let read = node.inputs.iter().map(|input| match input {
                InputRef::Relation(name) => inputs[name.as_str()],
                InputRef::Node(index) => nodes[*index],
            });
            let read: Vec<NodeId> = read.collect();
            nodes.push(graph.add_operator(node.operator, node.traits, read, None));
        }
        graph.tap(nodes[nodes.len() - 1], 0);
        let block = RowBlock::new(&RowLayout::new(&schema("r")).unwrap());
        Self { graph, inputs, nodes, block }
    }

    /// Runs a step and tells what came of it.
    fn run(&mut self, epoch: u64, step: &Step) -> Said {
        for (name, delta) in &step.rows {
            let input = self.inputs[name];
            if *name == "r" && self.graph.takes_rows(input) {
                self.block.clear();
                assert!(self.block.append_batch(&delta.batch, None).unwrap());
                self.graph.push_rows(input, &self.block, Audience::Running).unwrap();
            } else {
                self.graph.push(input, delta, Audience::Running);
            }
        }
        for (name, frontier) in &step.frontiers {
            self.graph.advance(self.inputs[name], &[*frontier], Audience::Running);
        }
        let mut out = StepOutput::default();
        self.graph.run(epoch, &mut out);
        let delta = |(_, change): (u32, Change)| {
            let delta = change.into_delta().unwrap();
            (delta.batch, delta.weights)
        };
        let failures = out.failures.iter().map(|(_, failure)| failure.to_string());
        (out.deltas.into_iter().map(delta).collect(), failures.collect())
    }

    fn all(&self) -> Vec<NodeId> {
        self.inputs.values().chain(&self.nodes).copied().collect()
    }

    fn snapshot(&mut self) -> Vec<Snapshot> {
        let nodes = self.all();
        nodes.into_iter().map(|node| self.graph.snapshot(node).unwrap()).collect()
    }

    fn restore(&mut self, snapshots: &[Snapshot]) {
        self.try_restore(snapshots).unwrap();
    }

    fn try_restore(&mut self, snapshots: &[Snapshot]) -> Result<()> {
        let mut nodes = self.all().into_iter().zip(snapshots);
        nodes.try_for_each(|(node, snapshot)| self.graph.restore(node, snapshot))
    }

    fn operators(&self) -> impl Iterator<Item = &'static str> {
        self.nodes.iter().filter_map(|node| self.graph.operator_name(*node))
    }

    /// What each node has said and not taken back, where it can tell.
    fn content(&mut self) -> Vec<Vec<RecordBatch>> {
        let contents = self.nodes.iter().filter_map(|node| self.graph.content(*node));
        contents.map(|content| content.batches().unwrap_or_default()).collect()
    }

    fn late_rows(&self) -> u64 {
        self.nodes.iter().map(|node| self.graph.metrics(*node).late_rows).sum()
    }
}

/// Tells how many rows came after the snapshot, and whether they would without it.
fn check(planner: &Planner, query: &str, seed: u64) -> (usize, bool) {
    const STEPS: usize = 60;
    let mut random = Random::new(seed * 1_000_003 + 17);
    let steps = steps(&mut random, STEPS);
    let cut = random.range(5, STEPS as i64 - 10) as usize;
    let mut stream = Stream::new(planner, query);
    let mut said = Vec::new();
    let mut snapshots = Vec::new();
    for (epoch, step) in steps.iter().enumerate() {
        if epoch == cut {
            snapshots = stream.snapshot();
        }
        said.push(stream.run(epoch as u64, step));
        assert!(said[epoch].1.is_empty(), "{:?}: {query}", said[epoch].1);
    }
    let content = stream.content();
    // Twice, for what is put back must not share what it writes.
    for _ in 0..2 {
        let mut again = Stream::new(planner, query);
        again.restore(&snapshots);
        for (epoch, step) in steps.iter().enumerate().skip(cut) {
            let now = again.run(epoch as u64, step);
            assert_eq!(now, said[epoch], "step {epoch}, cut at {cut}: {query}");
        }
        assert_eq!(again.late_rows(), stream.late_rows(), "{query}");
        assert_eq!(again.content(), content, "{query}");
    }
    // And a stream that went on goes back.
    stream.restore(&snapshots);
    assert_eq!(stream.run(cut as u64, &steps[cut]), said[cut], "{query}");
    let mut anew = Stream::new(planner, query);
    let mut rest = steps.iter().enumerate().skip(cut);
    let same_anew = rest.all(|(epoch, step)| anew.run(epoch as u64, step) == said[epoch]);
    let same_anew = same_anew && anew.content() == content;
    let rows = said[cut..].iter().flat_map(|(deltas, _)| deltas).map(|(batch, _)| batch.num_rows());
    (rows.sum(), same_anew)
}

#[test]
fn a_restored_stream_says_what_the_first_one_said() {
    let planner = Planner::new();
    for query in QUERIES {
        let (rows, same_anew) = (Cell::new(0), Cell::new(true));
        for_seeds(6, |seed| {
            let (more, same) = check(&planner, query, seed);
            rows.set(rows.get() + more);
            same_anew.set(same_anew.get() && same);
        });
        if std::env::var("LAMINAR_SEED").is_err() {
            assert!(rows.get() > 20, "{query}");
            let mut operators = Stream::new(&planner, query).operators().collect::<Vec<_>>();
            operators.retain(|name| !["Map", "Union", "Unnest"].contains(name));
            assert_eq!(same_anew.get(), operators.is_empty(), "a snapshot matters: {query}");
        }
    }
}

/// State is of so many partitions: another number of workers is refused with what to do.
#[test]
fn a_snapshot_is_restored_with_as_many_workers() {
    let planner = Planner::new();
    let of = |workers: usize| {
        let query = "SELECT k, count(*) AS n, max(t) AS m FROM u GROUP BY k WITH (workers =";
        Stream::new(&planner, &format!("{query} {workers})"))
    };
    let steps = steps(&mut Random::new(3), 20);
    for (taken, other) in [(1, 3), (3, 1), (3, 2), (2, 8)] {
        let mut stream = of(taken);
        for (epoch, step) in steps.iter().enumerate().take(10) {
            stream.run(epoch as u64, step);
        }
        let snapshots = stream.snapshot();
        let error = of(other).try_restore(&snapshots).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RecoveryFailed, "{error}");
        for words in [
            format!("of an operator with {taken} workers, and this one has {other}"),
            format!("restore it WITH (workers = {taken})"),
        ] {
            assert!(error.message().contains(&words), "{error}");
        }
        // With as many it goes on.
        let mut again = of(taken);
        again.restore(&snapshots);
        for (epoch, step) in steps.iter().enumerate().skip(10) {
            assert_eq!(again.run(epoch as u64, step), stream.run(epoch as u64, step));
        }
    }
}

/// The types that are operators, by their sources.
fn kinds(folder: &Path, kinds: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            self::kinds(&path, kinds);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let found = text.split("impl Operator for ").skip(1);
            kinds.extend(found.map(|rest| rest.split([' ', '<']).next().unwrap().to_string()));
        }
    }
}

#[test]
fn every_kind_of_operator_is_restored() {
    let planner = Planner::new();
    let mut shown = BTreeSet::new();
    for query in QUERIES {
        shown.extend(Stream::new(&planner, query).operators().map(String::from));
    }
    let mut all = BTreeSet::new();
    kinds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/dataflow/src"), &mut all);
    assert!(all.len() > 10);
    assert_eq!(shown, all, "an operator that no query of this test has");
}
