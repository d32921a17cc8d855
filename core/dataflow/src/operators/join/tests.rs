//! [`Join`] against nested loops over two lists: every kind, every way to keep a side, with and
//! without keys and a condition, under deltas of one side or of both.

mod sharing;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::logical_expr::Operator as Comparison;
use datafusion::physical_expr::expressions::{binary, col};

use super::*;

/// SplitMix64 (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// A key, which may be NULL, and a value.
type Row = (Option<i64>, i64);

/// A row of the result: NULL where there is no value, the mark as 0 or 1.
type Joined = Vec<Option<i64>>;

const KINDS: [JoinKind; 10] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::LeftSemi,
    JoinKind::LeftAnti,
    JoinKind::LeftMark,
    JoinKind::RightSemi,
    JoinKind::RightAnti,
    JoinKind::RightMark,
];

struct Case {
    kind: JoinKind,
    keeping: [Keeping; 2],
    keyed: bool,
    null_equals_null: bool,
    filtered: bool,
}

impl Case {
    fn random(kind: JoinKind, random: &mut Random) -> Self {
        let ways = [Keeping::AppendOnly, Keeping::UniqueKey, Keeping::Updating];
        let keeping = [ways[random.below(3) as usize], ways[random.below(3) as usize]];
        // Only a key can be unique.
        let keyed = keeping.contains(&Keeping::UniqueKey) || random.below(4) > 0;
        let null_equals_null = random.below(3) == 0;
        Self { kind, keeping, keyed, null_equals_null, filtered: random.below(2) == 0 }
    }

    fn join(&self) -> Join {
        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let schema = Arc::new(Schema::new(vec![field("k"), field("v")]));
        let keys = if self.keyed { vec![Expr::column("k", 0)] } else { Vec::new() };
        let columns = vec![0, 1];
        let input = |keeping| JoinInput {
            schema: schema.clone(),
            columns: columns.clone(),
            keys: keys.clone(),
            keeping,
        };
        let mut fields: Vec<Field> =
            self.kind.output_sides().iter().flat_map(|_| [field("k"), field("v")]).collect();
        if self.kind.has_mark() {
            fields.push(Field::new("mark", DataType::Boolean, false));
        }
        let read = Arc::new(Schema::new(vec![field("l"), field("r")]));
        let below = |name: &str| col(name, &read).unwrap();
        let filter = self.filtered.then(|| JoinFilter {
            expr: Expr::new(binary(below("l"), Comparison::LtEq, below("r"), &read).unwrap()),
            columns: vec![(Side::Left, 1), (Side::Right, 1)],
            schema: read.clone(),
        });
        Join::new(JoinSpec {
            kind: self.kind,
            inputs: self.keeping.map(input),
            null_equals_null: self.null_equals_null,
            filter,
            schema: Arc::new(Schema::new(fields)),
            times: Vec::new(),
            lifetimes: None,
        })
        .unwrap()
    }

    fn matches(&self, left: Row, right: Row) -> bool {
        let null = left.0.is_none() && !self.null_equals_null;
        (!self.keyed || (left.0 == right.0 && !null)) && (!self.filtered || left.1 <= right.1)
    }

    /// The result over these rows.
    fn expected(&self, sides: &[Vec<Row>; 2]) -> BTreeMap<Joined, i64> {
        let mut result = BTreeMap::new();
        let mut add = |row: Joined| *result.entry(row).or_default() += 1;
        let [left, right] = sides;
        if self.kind.has_pairs() {
            for l in left {
                for r in right.iter().filter(|r| self.matches(*l, **r)) {
                    add(vec![l.0, Some(l.1), r.0, Some(r.1)]);
                }
            }
        }
        let pad = [None, None];
        for l in left {
            let (matched, row) = (right.iter().any(|r| self.matches(*l, *r)), [l.0, Some(l.1)]);
            match self.kind {
                JoinKind::Left | JoinKind::Full if !matched => add([row, pad].concat()),
                JoinKind::LeftAnti if !matched => add(row.to_vec()),
                JoinKind::LeftSemi if matched => add(row.to_vec()),
                JoinKind::LeftMark => add([&row[..], &[Some(i64::from(matched))]].concat()),
                _ => {}
            }
        }
        for r in right {
            let (matched, row) = (left.iter().any(|l| self.matches(*l, *r)), [r.0, Some(r.1)]);
            match self.kind {
                JoinKind::Right | JoinKind::Full if !matched => add([pad, row].concat()),
                JoinKind::RightAnti if !matched => add(row.to_vec()),
                JoinKind::RightSemi if matched => add(row.to_vec()),
                JoinKind::RightMark => add([&row[..], &[Some(i64::from(matched))]].concat()),
                _ => {}
            }
        }
        result
    }
}

/// A random change of a side's rows that keeps its promise. It need not be net.
fn change(rows: &mut Vec<Row>, keeping: Keeping, random: &mut Random) -> Vec<(Row, i64)> {
    let mut changes = Vec::new();
    for _ in 0..random.below(6) {
        let row = ((random.below(6) > 0).then(|| random.below(4) as i64), random.below(4) as i64);
        if keeping != Keeping::AppendOnly && random.below(2) == 0 && !rows.is_empty() {
            let at = random.below(rows.len() as u64) as usize;
            changes.push((rows.swap_remove(at), -1));
        }
        if keeping != Keeping::UniqueKey || rows.iter().all(|other| other.0 != row.0) {
            rows.push(row);
            changes.push((row, 1));
        }
    }
    changes
}

fn delta(schema: &SchemaRef, changes: &[(Row, i64)], keeping: Keeping) -> Delta {
    let keys: Int64Array = changes.iter().map(|(row, _)| row.0).collect();
    let values: Int64Array = changes.iter().map(|(row, _)| Some(row.1)).collect();
    let batch =
        RecordBatch::try_new(schema.clone(), vec![Arc::new(keys), Arc::new(values)]).unwrap();
    match keeping {
        Keeping::AppendOnly => Delta::insert(batch),
        _ => Delta::weighted(batch, changes.iter().map(|(_, weight)| *weight).collect()),
    }
}

/// Adds a delta to what was emitted before. It must be net, and its retractions come first.
fn apply(content: &mut BTreeMap<Joined, i64>, delta: &Delta, append_only: bool) {
    assert_eq!(delta.weights.is_none(), append_only);
    let mut told: BTreeMap<Joined, i64> = BTreeMap::new();
    let mut came = false;
    for row in 0..delta.num_rows() {
        let weight = delta.weight(row);
        came |= weight > 0;
        assert!(weight > 0 || !came, "a retraction after a row that came");
        let values = delta.batch.columns().iter().map(|column| match column.data_type() {
            DataType::Boolean => Some(i64::from(column.as_boolean().value(row))),
            _ => column.is_valid(row).then(|| column.as_primitive::<Int64Type>().value(row)),
        });
        let values: Joined = values.collect();
        let sign = told.entry(values.clone()).or_insert(weight.signum());
        assert_eq!(*sign, weight.signum(), "{values:?} came and ceased");
        *content.entry(values).or_default() += weight;
    }
    content.retain(|_, weight| *weight != 0);
}

#[test]
fn agrees_with_nested_loops() {
    for seed in 0..240 {
        let mut random = Random(seed);
        let case = Case::random(KINDS[seed as usize % KINDS.len()], &mut random);
        let mut join = case.join();
        let input = Arc::new(Schema::new(vec![
            Field::new("k", DataType::Int64, true),
            Field::new("v", DataType::Int64, true),
        ]));
        let grows = matches!(case.kind, JoinKind::Inner | JoinKind::LeftSemi | JoinKind::RightSemi);
        let append_only = grows && case.keeping == [Keeping::AppendOnly; 2];
        let (mut sides, mut content) = ([Vec::new(), Vec::new()], BTreeMap::new());
        let mut dead_letters = Vec::new();
        for step in 0..40 {
            let mut cx = Context {
                epoch: step,
                step: step + 1,
                now_ms: 0,
                dead_letters: &mut dead_letters,
                late: &mut Vec::new(),
            };
            let ports = [[0, 1], [1, 0]][random.below(2) as usize];
            for port in ports.into_iter().take(1 + random.below(2) as usize) {
                let changes = change(&mut sides[port], case.keeping[port], &mut random);
                if !changes.is_empty() {
                    let delta = delta(&input, &changes, case.keeping[port]);
                    join.input(port, delta, &mut cx).unwrap();
                }
            }
            if let Some(delta) = join.finish(&mut cx).unwrap() {
                apply(&mut content, &delta, append_only);
            }
            let what = format!(
                "seed {seed}, step {step}: {:?} of {:?}, keyed {}, NULL = NULL {}, filtered {}",
                case.kind, case.keeping, case.keyed, case.null_equals_null, case.filtered
            );
            assert_eq!(content, case.expected(&sides), "{what}, over {sides:?}");
            if step % 8 == 0
                && let Some(held) = join.content(None)
            {
                // What comes later is not in it.
                let rows = change(&mut sides[0], case.keeping[0], &mut random);
                let later = delta(&input, &rows, case.keeping[0]);
                let mut cx = Context {
                    epoch: step,
                    step: step + 1,
                    now_ms: 0,
                    dead_letters: &mut dead_letters,
                    late: &mut Vec::new(),
                };
                join.input(0, later, &mut cx).unwrap();
                let mut told = BTreeMap::new();
                for batch in held.batches().unwrap() {
                    apply(&mut told, &Delta::insert(batch), true);
                }
                assert_eq!(told, content, "the content: {what}");
                if let Some(delta) = join.finish(&mut cx).unwrap() {
                    apply(&mut content, &delta, append_only);
                }
            }
        }
        assert!(dead_letters.is_empty());
    }
}

#[test]
fn state_goes_with_its_rows() {
    let case = Case {
        kind: JoinKind::Full,
        keeping: [Keeping::Updating; 2],
        keyed: true,
        null_equals_null: false,
        filtered: true,
    };
    let mut join = case.join();
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
    ]));
    let mut dead_letters = Vec::new();
    let mut cx = Context {
        epoch: 1,
        step: 1,
        now_ms: 0,
        dead_letters: &mut dead_letters,
        late: &mut Vec::new(),
    };
    let mut bytes = Vec::new();
    for round in 0..20 {
        for weight in [1, -1] {
            let rows: Vec<(Row, i64)> =
                (0..500).map(|n| ((Some(round * 500 + n), n), weight)).collect();
            for port in [0, 1] {
                join.input(port, delta(&schema, &rows, Keeping::Updating), &mut cx).unwrap();
            }
            join.finish(&mut cx).unwrap();
        }
        assert!(join.sides.iter_mut().all(|side| side.rows.now().unwrap().is_empty()));
        bytes.push(join.metrics().state_bytes);
    }
    assert_eq!(bytes[1], bytes[19], "memory is used again");
}
