//! Joins that share sides, each against nested loops: some begin late, some go, some join an input
//! with itself, and in each step they are visited in another order.

use super::*;
use crate::state::Snapshot;

/// How each input is kept.
type Inputs = [Keeping; 2];

/// A join of two of the inputs, and what it gave so far.
struct Reader {
    case: Case,
    /// By port, the number of the input.
    reads: [usize; 2],
    join: Join,
    content: BTreeMap<Joined, i64>,
}

/// Where all were at one moment: the joins, the rows of the inputs, and what each gave.
struct Past {
    parts: Vec<Snapshot>,
    rows: [Vec<Row>; 2],
    contents: Vec<BTreeMap<Joined, i64>>,
}

impl Reader {
    fn random(kind: JoinKind, of: &Case, inputs: Inputs, random: &mut Random) -> Self {
        let reads = [random.below(2) as usize, random.below(2) as usize];
        let case = Case {
            kind,
            keeping: reads.map(|input| inputs[input]),
            keyed: of.keyed,
            null_equals_null: of.null_equals_null,
            filtered: random.below(2) == 0,
        };
        Self { join: case.join(), case, reads, content: BTreeMap::new() }
    }

    /// Shares what it can with others, and then with itself; tells how many sides.
    fn share(&mut self, others: &mut [Self]) -> usize {
        let mut shared = 0;
        for port in [0, 1] {
            let wanted = self.join.arranged(port).clone();
            let places = others.iter().enumerate().flat_map(|(at, other)| {
                (0..2).filter(|side| other.reads[*side] == self.reads[port]).map(move |s| (at, s))
            });
            let places: Vec<(usize, usize)> = places.collect();
            let kept = |&(at, side): &(usize, usize)| others[at].join.arranged(side).clone();
            let lender = places.iter().find(|place| kept(place).covers(&wanted)).copied();
            if let Some((at, side)) = lender {
                let (arranged, other) = (kept(&(at, side)), &mut others[at].join);
                let rows = other.lend(side).unwrap();
                self.join.borrow(port, rows, arranged).unwrap();
                shared += 1;
            } else if places.iter().any(|place| kept(place).is_like(&wanted)) {
                self.join.keep_all(port).unwrap();
            }
        }
        let [left, right] = [0, 1].map(|port| self.join.arranged(port).clone());
        let is_alone = |port: usize| self.join.shared(port).is_none();
        if self.reads[0] == self.reads[1] && left.covers(&right) && is_alone(0) && is_alone(1) {
            let rows = self.join.lend(0).unwrap();
            self.join.borrow(1, rows, left).unwrap();
            shared += 1;
        }
        shared
    }

    /// Runs a step: the deltas that there are of the inputs, port by port in some order.
    fn step(&mut self, step: u64, deltas: &[Option<Delta>; 2], random: &mut Random) {
        let mut dead_letters = Vec::new();
        let late = &mut Vec::new();
        let mut cx =
            Context { epoch: step, step, now_ms: 0, dead_letters: &mut dead_letters, late };
        for port in [[0, 1], [1, 0]][random.below(2) as usize] {
            if let Some(delta) = &deltas[self.reads[port]] {
                self.join.input(port, delta.clone(), &mut cx).unwrap();
            }
        }
        if let Some(delta) = self.join.finish(&mut cx).unwrap() {
            let grows = [JoinKind::Inner, JoinKind::LeftSemi, JoinKind::RightSemi];
            let is_append_only = self.case.keeping == [Keeping::AppendOnly; 2];
            let append_only = is_append_only && grows.contains(&self.case.kind);
            apply(&mut self.content, &delta, append_only);
        }
    }

    fn check(&mut self, inputs: &[Vec<Row>; 2], what: &str) {
        let sides = self.reads.map(|input| inputs[input].clone());
        let expected = self.case.expected(&sides);
        let (kind, reads) = (self.case.kind, self.reads);
        assert_eq!(self.content, expected, "{what}: {kind:?} of {reads:?}");
        if let Some(held) = self.join.content(None) {
            let mut told = BTreeMap::new();
            for batch in held.batches().unwrap() {
                apply(&mut told, &Delta::insert(batch), true);
            }
            assert_eq!(told, expected, "the content: {what}: {kind:?} of {reads:?}");
        }
    }
}

/// All rows of an input, as what begins to read it gets them.
fn all(schema: &SchemaRef, rows: &[Row], keeping: Keeping) -> Option<Delta> {
    let rows: Vec<(Row, i64)> = rows.iter().map(|row| (*row, 1)).collect();
    (!rows.is_empty()).then(|| delta(schema, &rows, keeping))
}

#[test]
fn joins_that_share_sides_agree_with_nested_loops() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
    ]));
    let (mut shared, mut restored) = (0, 0);
    for seed in 0..160 {
        let mut random = Random(seed);
        let of = Case::random(JoinKind::Inner, &mut random);
        let keepings = of.keeping;
        let mut inputs: [Vec<Row>; 2] = [Vec::new(), Vec::new()];
        let (mut readers, mut step): (Vec<Reader>, u64) = (Vec::new(), 0);
        let mut past: Option<Past> = None;
        for round in 0..20 {
            if readers.len() < 4 && random.below(3) == 0 {
                let kind = KINDS[random.below(KINDS.len() as u64) as usize];
                let mut reader = Reader::random(kind, &of, keepings, &mut random);
                if random.below(5) > 0 {
                    shared += reader.share(&mut readers);
                }
                step += 1;
                let begin = [0, 1].map(|input| all(&schema, &inputs[input], keepings[input]));
                reader.step(step, &begin, &mut random);
                readers.push(reader);
                past = None;
            }
            if readers.len() > 1 && random.below(12) == 0 {
                readers.remove(random.below(readers.len() as u64) as usize);
                past = None;
            }
            step += 1;
            let deltas = [0, 1].map(|input| {
                let changes = change(&mut inputs[input], keepings[input], &mut random);
                (!changes.is_empty()).then(|| delta(&schema, &changes, keepings[input]))
            });
            let mut order: Vec<usize> = (0..readers.len()).collect();
            for place in (1..order.len()).rev() {
                order.swap(place, random.below(place as u64 + 1) as usize);
            }
            for reader in order {
                readers[reader].step(step, &deltas, &mut random);
            }
            let what = format!(
                "seed {seed}, round {round}: {keepings:?}, keyed {}, NULL = NULL {}, over {inputs:?}",
                of.keyed, of.null_equals_null
            );
            readers.iter_mut().for_each(|reader| reader.check(&inputs, &what));
            match random.below(10) {
                0 => {
                    let parts = readers.iter_mut().map(|reader| reader.join.snapshot().unwrap());
                    let parts = parts.collect();
                    let contents = readers.iter().map(|reader| reader.content.clone()).collect();
                    past = Some(Past { parts, rows: inputs.clone(), contents });
                }
                1 => {
                    let Some(Past { parts, rows, contents }) = &past else { continue };
                    inputs = rows.clone();
                    for (at, reader) in readers.iter_mut().enumerate() {
                        reader.join.restore(&parts[at]).unwrap();
                        reader.content = contents[at].clone();
                        reader.check(&inputs, &format!("put back: {what}"));
                    }
                    restored += 1;
                }
                _ => {}
            }
        }
    }
    assert!(shared > 150 && restored > 40, "{shared} sides were shared, {restored} times put back");
}

#[test]
fn shared_rows_go_with_the_last_of_their_readers() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
    ]));
    let case = || Case {
        kind: JoinKind::Inner,
        keeping: [Keeping::Updating; 2],
        keyed: true,
        null_equals_null: false,
        filtered: false,
    };
    let reader =
        || Reader { join: case().join(), case: case(), reads: [0, 1], content: BTreeMap::new() };
    let mut random = Random(1);
    let mut readers = vec![reader()];
    let rows: Vec<Row> = (0..20_000).map(|n| (Some(n), n)).collect();
    let begin = [all(&schema, &rows, Keeping::Updating), None];
    readers[0].step(1, &begin, &mut random);
    let alone = readers[0].join.metrics().state_bytes;
    let mut second = reader();
    assert_eq!(second.share(&mut readers), 2);
    second.step(2, &begin, &mut random);
    readers.push(second);
    let bytes = |readers: &[Reader]| -> Vec<usize> {
        readers.iter().map(|reader| reader.join.metrics().state_bytes).collect()
    };
    let both = bytes(&readers);
    assert!(both[0] <= alone && both[1] < alone / 20, "{alone} bytes alone, {both:?} shared");
    readers.remove(0);
    let left = bytes(&readers);
    assert!(left[0] > alone / 2, "{alone} bytes alone, {left:?} of the one that is left");
    let rows = Arc::downgrade(&readers[0].join.shared(0).unwrap().0);
    readers.clear();
    assert!(rows.upgrade().is_none());
}
