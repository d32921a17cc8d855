//! [`Arrangement`]: the rows of an input by key, kept once for several joins.
//!
//! A join keeps the rows of a side for itself ([`Rows::Own`]) until another one keeps the same of the
//! same input; then both read one arrangement ([`Rows::Shared`]). All its readers are given the same
//! deltas, each in its own visit. The reader that is visited first takes a delta in, for all. One that
//! was not given the delta yet must not see what it did: until the next step the arrangement knows
//! what its rows were before each delta of this one, and [`View`] tells a reader of them only what it
//! was given. So a join does not notice whether it shares, nor with whom, itself included.
//!
//! Invariants:
//! - Its readers are given the same deltas in the same steps and order. Whoever lets one read sees to
//!   that.
//! - A row of weight zero is there until the next step, so that it can be read as it was.
//! - A reader that came late is given first, as one delta, all that is there.
//! - The reader that came first of those that are left hands over its parts and counts its bytes.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use laminar_types::{Error, Result, mutant};

use super::Keeping;
use crate::expr::Expr;
use crate::state::{Container, Multimap, Parts, Probe, RowChange, Search};

/// What is kept of an input, and under which keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Arranged {
    pub(super) schema: SchemaRef,
    pub(super) keys: Vec<Expr>,
    pub(super) keeping: Keeping,
    /// Whether a row with a NULL among its keys can match.
    pub(super) null_matches: bool,
    /// The columns that are kept, ascending.
    pub(super) kept: Vec<usize>,
}

/// An operator with rows of its inputs by key, one arrangement for each port.
pub trait KeyedRows {
    /// How the rows of an input are kept.
    fn arranged(&self, port: usize) -> &Arranged;

    /// Whether there are no rows of an input.
    fn is_empty(&self, port: usize) -> bool;

    /// The rows of an input, for another operator to read as well. Asked between two steps.
    ///
    /// # Errors
    /// None that an operator has of itself.
    fn lend(&mut self, port: usize) -> Result<SharedRows>;

    /// Reads the rows of an input where another operator keeps them so, and is given the same deltas
    /// from now on. What is there by then comes to this one as its first delta. Asked before anything
    /// came.
    ///
    /// # Errors
    /// When the other one has failed.
    fn borrow(&mut self, port: usize, rows: SharedRows, arranged: Arranged) -> Result<()>;

    /// Keeps every column of an input, so that any other operator can read the rows. Asked before
    /// anything came.
    ///
    /// # Errors
    /// `UNSUPPORTED` when a column has a type that cannot be kept.
    fn keep_all(&mut self, port: usize) -> Result<()>;

    /// The rows of an input, if others read them, or did.
    fn shared(&self, port: usize) -> Option<SharedRows>;
}

impl Arranged {
    /// Whether rows kept so serve who keeps them the other way: the same but for columns that they
    /// have besides.
    pub fn covers(&self, other: &Self) -> bool {
        self.is_like(other) && other.kept.iter().all(|column| self.kept.contains(column))
    }

    /// Whether it is the same but for the columns. Where several rows of a key change, their order
    /// among them follows from the columns: a row stays in its place while those that are kept do not
    /// change. So there the columns are the same, too.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self { schema, keys, keeping, null_matches, kept } = self;
        (schema, keys, keeping, null_matches)
            == (&other.schema, &other.keys, &other.keeping, &other.null_matches)
            && (*keeping != Keeping::Updating || *kept == other.kept)
    }

    /// Rows kept so, of which there are none yet.
    pub(super) fn rows(&self) -> Result<Multimap> {
        let mut key_types = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            key_types.push(key.data_type(&self.schema)?);
        }
        let types: Vec<DataType> =
            self.kept.iter().map(|column| self.schema.field(*column).data_type().clone()).collect();
        let search = match self.keeping {
            // Rows without columns of their own are counted by key.
            _ if self.kept.is_empty() => Search::Chain,
            Keeping::AppendOnly => Search::Never,
            Keeping::UniqueKey => Search::Chain,
            Keeping::Updating => Search::Hash,
        };
        Multimap::new(&key_types, &types, search)
    }
}

/// Rows that several joins read.
pub(super) struct Arrangement {
    rows: Multimap,
    /// Who reads them, in the order in which they began to.
    readers: Vec<u64>,
    last_reader: u64,
    /// The step in which a delta came last, and what each delta of that step changed.
    step: u64,
    taken: Vec<Vec<RowChange>>,
    /// What the rows were before the delta of a number, of those that it or one after it changed.
    before: HashMap<u32, i64>,
    before_delta: Option<usize>,
    /// Why it is not what it should be, if something failed.
    failure: Option<Error>,
}

/// An arrangement on the way from one join to another.
pub struct SharedRows(pub(super) Arc<Mutex<Arrangement>>);

/// The rows of one side of a join.
pub(super) enum Rows {
    Own(Box<Multimap>),
    Shared(Reader),
}

/// One that reads an arrangement.
pub(super) struct Reader {
    of: Arc<Mutex<Arrangement>>,
    number: u64,
    /// Whether it was given nothing yet of what is there.
    is_new: bool,
    /// How many deltas it was given in which step.
    step: u64,
    given: usize,
}

/// What a delta is to the rows that a join reads.
pub(super) enum Taken {
    /// It changed them.
    In,
    /// It stands for all that was there already: these keys, and where the rows are.
    Known { keys: Vec<ArrayRef>, weights: Vec<i64>, slots: Vec<u32> },
}

impl Arrangement {
    /// Takes in the delta of a step that has a number there, if no reader was given it before.
    fn take_in(
        &mut self,
        step: u64,
        number: usize,
        add: impl FnOnce(&mut Multimap, &mut Vec<RowChange>) -> Result<()>,
    ) -> Result<&[RowChange]> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.step != step {
            self.settle();
            self.step = step;
        }
        if number == self.taken.len() {
            let mut changes = Vec::new();
            if let Err(error) = add(&mut self.rows, &mut changes) {
                self.failure = Some(error.clone());
                return Err(error);
            }
            self.taken.push(changes);
            self.before_delta = None;
        }
        let changes = self.taken.get(number).map(Vec::as_slice);
        changes.ok_or_else(|| Error::internal("joins that share a side got different deltas"))
    }

    /// Ends a step.
    fn settle(&mut self) {
        self.taken.clear();
        self.before_delta = None;
        self.rows.settle();
    }

    /// Makes known what the rows were before the delta of a number.
    fn look_before(&mut self, number: usize) {
        if self.before_delta == Some(number) {
            return;
        }
        self.before.clear();
        for change in self.taken[number..].iter().flatten() {
            self.before.entry(change.slot).or_insert(change.before);
        }
        self.before_delta = Some(number);
    }
}

impl SharedRows {
    /// Whether it is the same as another one.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Rows {
    /// The rows for another join to read, in the place of its own.
    pub(super) fn lend(&mut self) -> Result<SharedRows> {
        if let Self::Own(rows) = self {
            let mut rows = std::mem::replace(&mut **rows, Multimap::new(&[], &[], Search::Never)?);
            rows.settle();
            let arrangement = Arrangement {
                rows,
                readers: vec![1],
                last_reader: 1,
                step: 0,
                taken: Vec::new(),
                before: HashMap::new(),
                before_delta: None,
                failure: None,
            };
            let of = Arc::new(Mutex::new(arrangement));
            *self = Self::Shared(Reader { of, number: 1, is_new: false, step: 0, given: 0 });
        }
        self.shared().ok_or_else(|| Error::internal("rows were not lent"))
    }

    /// The arrangement, where others read it, or did.
    pub(super) fn shared(&self) -> Option<SharedRows> {
        match self {
            Self::Own(_) => None,
            Self::Shared(reader) => Some(SharedRows(Arc::clone(&reader.of))),
        }
    }

    /// Reads what another join lent, from now on.
    pub(super) fn borrow(rows: SharedRows) -> Result<Self> {
        let mut arrangement = lock(&rows.0)?;
        arrangement.settle();
        arrangement.last_reader += 1;
        let number = arrangement.last_reader;
        arrangement.readers.push(number);
        let is_new = !arrangement.rows.is_empty();
        drop(arrangement);
        Ok(Self::Shared(Reader { of: rows.0, number, is_new, step: 0, given: 0 }))
    }

    /// Takes in a delta, which `add` does to rows that do not have it yet.
    pub(super) fn take_in(
        &mut self,
        step: u64,
        changes: &mut Vec<RowChange>,
        add: impl FnOnce(&mut Multimap, &mut Vec<RowChange>) -> Result<()>,
    ) -> Result<Taken> {
        match self {
            Self::Own(rows) => add(rows, changes)?,
            Self::Shared(reader) => {
                let mut rows = lock(&reader.of)?;
                if std::mem::take(&mut reader.is_new) {
                    let (keys, weights, slots) = rows.rows.all()?;
                    return Ok(Taken::Known { keys, weights, slots });
                }
                if reader.step != step {
                    (reader.step, reader.given) = (step, 0);
                }
                changes.clear();
                changes.extend_from_slice(rows.take_in(step, reader.given, add)?);
                reader.given += 1;
            }
        }
        Ok(Taken::In)
    }

    /// The rows as the join knows them in a step: without what deltas did that it was not given yet.
    pub(super) fn view(&mut self, step: u64) -> Result<View<'_>> {
        Ok(match self {
            Self::Own(rows) => View { rows: Guard::Own(rows), ahead: Ahead::Nothing },
            Self::Shared(reader) => {
                let mut rows = lock(&reader.of)?;
                let given = if reader.step == step { reader.given } else { 0 };
                let ahead = if reader.is_new {
                    Ahead::All
                } else if rows.step == step && given < rows.taken.len() && !mutant!(SharedSideAhead)
                {
                    rows.look_before(given);
                    Ahead::Deltas
                } else {
                    Ahead::Nothing
                };
                View { rows: Guard::Shared(rows), ahead }
            }
        })
    }

    /// The rows as they are.
    pub(super) fn now(&mut self) -> Result<Guard<'_>> {
        Ok(match self {
            Self::Own(rows) => Guard::Own(rows),
            Self::Shared(reader) => Guard::Shared(lock(&reader.of)?),
        })
    }

    /// Whether there is certainly no row.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Own(rows) => rows.is_empty(),
            Self::Shared(reader) => reader.of.lock().is_ok_and(|rows| rows.rows.is_empty()),
        }
    }

    /// The rows, of which no other join knows.
    pub(super) fn own(&mut self) -> Result<&mut Multimap> {
        match self {
            Self::Own(rows) => Ok(rows),
            Self::Shared(_) => Err(Error::internal("rows that go by themselves are shared")),
        }
    }

    /// Ends a step of the join.
    pub(super) fn settle(&mut self) {
        match self {
            Self::Own(rows) => rows.settle(),
            // What there is has been given, or there is nothing.
            Self::Shared(reader) => reader.is_new = false,
        }
    }

    pub(super) fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        match self {
            Self::Own(rows) => rows.parts(parts),
            Self::Shared(reader) => {
                reader.is_new = false;
                let mut rows = lock(&reader.of)?;
                if rows.readers.first() != Some(&reader.number) {
                    return Ok(());
                }
                rows.settle();
                rows.rows.parts(parts)
            }
        }
    }

    /// Bytes of state, where it is this join that counts them.
    pub(super) fn state_bytes(&self) -> usize {
        match self {
            Self::Own(rows) => rows.state_bytes(),
            Self::Shared(reader) => match reader.of.lock() {
                Ok(rows) if rows.readers.first() == Some(&reader.number) => rows.rows.state_bytes(),
                _ => 0,
            },
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Ok(mut rows) = self.of.lock() {
            rows.readers.retain(|reader| *reader != self.number);
        }
    }
}

fn lock(rows: &Mutex<Arrangement>) -> Result<MutexGuard<'_, Arrangement>> {
    rows.lock().map_err(|_| Error::internal("another join that shares a side with this one failed"))
}

/// Rows that nobody changes as long as they are read.
pub(super) enum Guard<'a> {
    Own(&'a mut Multimap),
    Shared(MutexGuard<'a, Arrangement>),
}

impl Deref for Guard<'_> {
    type Target = Multimap;

    fn deref(&self) -> &Multimap {
        match self {
            Self::Own(rows) => rows,
            Self::Shared(rows) => &rows.rows,
        }
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut Multimap {
        match self {
            Self::Own(rows) => rows,
            Self::Shared(rows) => &mut rows.rows,
        }
    }
}

/// Rows as one join knows them.
pub(super) struct View<'a> {
    rows: Guard<'a>,
    ahead: Ahead,
}

/// What is there that the join was not given yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Nothing,
    /// Deltas of this step.
    Deltas,
    /// Every row.
    All,
}

impl View<'_> {
    /// Whether there is certainly no row.
    pub(super) fn is_empty(&self) -> bool {
        self.ahead == Ahead::All || self.rows.is_empty()
    }

    pub(super) fn weight(&self, slot: u32) -> i64 {
        match (self.ahead, &self.rows) {
            (Ahead::Deltas, Guard::Shared(rows)) => {
                rows.before.get(&slot).copied().unwrap_or_else(|| rows.rows.weight(slot))
            }
            (Ahead::All, _) => 0,
            (_, rows) => rows.weight(slot),
        }
    }

    /// As [`Multimap::probe`].
    pub(super) fn probe(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        probe: &mut Probe,
    ) -> Result<()> {
        self.rows.probe(keys, rows, probe)
    }

    /// As [`Multimap::matches`].
    pub(super) fn matches(
        &self,
        probe: &mut Probe,
        limit: usize,
        out: (&mut Vec<u32>, &mut Vec<u32>),
    ) {
        let rows: &Multimap = &self.rows;
        match self.ahead {
            Ahead::Nothing => rows.matches(probe, limit, out, |slot| rows.weight(slot)),
            _ => rows.matches(probe, limit, out, |slot| self.weight(slot)),
        }
    }

    pub(super) fn gather(&self, place: usize, slots: &[u32]) -> Result<ArrayRef> {
        self.rows.gather(place, slots)
    }
}
