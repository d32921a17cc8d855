//! [`Snapshot`]: what containers held at one moment, as a list of parts.
//!
//! In the end every container is made of columns of fixed-size values in pages, of byte strings in
//! chunks, and of single numbers. [`Container::parts`] names them, always the same ones in the same
//! order, and leaves out what can be made of the others (hash tables, scratch). So a snapshot is
//! taken, put back, compared with an earlier one and, in time, written down by one walk over parts
//! that knows no container, and a container is one list that cannot disagree with itself.
//!
//! Taking a snapshot clones page roots: it costs a step for each page and copies no values. What is
//! put back shares its pages with the snapshot until either is written, so a snapshot can be put
//! back any number of times.

use std::any::Any;
use std::collections::HashMap;

use laminar_types::{Error, Frontier, Result};

use super::Paged;
use super::arena::Arena;

/// What holds state.
pub trait Container {
    /// Hands over all parts, the same ones in the same order each time. When they were put back,
    /// makes anew what is not among them.
    ///
    /// # Errors
    /// `INTERNAL` when the parts are those of something else; the container is then to be given up.
    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()>;

    /// Bytes allocated, shared memory counted in full.
    fn state_bytes(&self) -> usize;
}

/// Parts on the way into a snapshot or back out of one.
pub struct Parts<'a>(Walk<'a>);

enum Walk<'a> {
    Taking(&'a mut Vec<Part>),
    PuttingBack(std::slice::Iter<'a, Part>),
}

/// What containers held at one moment. It never changes.
pub struct Snapshot {
    parts: Vec<Part>,
}

enum Part {
    Number(i128),
    Pages(Box<dyn Pages>),
    /// What follows belongs to the container of this key, up to `End`.
    Begin(i64),
    End,
}

/// Memory that is shared page by page, as it was at a snapshot.
pub(super) trait Pages: Any + Send + Sync {
    fn pages(&self) -> usize;

    /// The generation in which a page was last written.
    fn stamp(&self, page: usize) -> u64;

    /// The generation that the snapshot began: what was written since has this stamp or a later
    /// one.
    fn generation(&self) -> u64;

    fn page_bytes(&self) -> usize;

    fn as_any(&self) -> &dyn Any;
}

/// Which pages a snapshot had, to tell later what changed. Holds no page.
#[derive(Debug, Default)]
pub struct Mark {
    /// By the place of some pages in the snapshot, the generation that it began.
    generations: HashMap<Place, u64>,
}

/// Where pages stand: in the containers of which keys, and how many others are before them there.
/// Containers of a list come and go without moving others.
type Place = (Vec<i64>, usize);

/// A page that was written or made since a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedPage {
    /// Of which part.
    pub part: usize,
    /// Which of its pages.
    pub page: usize,
}

impl Snapshot {
    /// What a walk over parts hands over.
    ///
    /// # Errors
    /// Those of the walk.
    pub fn of(walk: impl FnOnce(&mut Parts<'_>) -> Result<()>) -> Result<Self> {
        let mut parts = Vec::new();
        walk(&mut Parts(Walk::Taking(&mut parts)))?;
        Ok(Self { parts })
    }

    /// What a container holds.
    ///
    /// # Errors
    /// None that a container has of itself.
    pub fn take(container: &mut (impl Container + ?Sized)) -> Result<Self> {
        Self::of(|parts| container.parts(parts))
    }

    /// Puts the parts back into a container that was made like the one they come from.
    ///
    /// # Errors
    /// `INTERNAL` when it was made otherwise; the container is then to be given up.
    pub fn restore(&self, container: &mut (impl Container + ?Sized)) -> Result<()> {
        self.put_back(|parts| container.parts(parts))
    }

    /// The same by a walk.
    ///
    /// # Errors
    /// As [`Snapshot::restore`].
    pub fn put_back(&self, walk: impl FnOnce(&mut Parts<'_>) -> Result<()>) -> Result<()> {
        let mut parts = Parts(Walk::PuttingBack(self.parts.iter()));
        walk(&mut parts)?;
        match parts.0 {
            Walk::PuttingBack(rest) if rest.len() > 0 => Err(mismatch()),
            _ => Ok(()),
        }
    }

    /// How many pages there are.
    pub fn pages(&self) -> usize {
        self.columns().map(|(_, _, pages)| pages.pages()).sum()
    }

    /// Bytes of all pages, most of which the containers share.
    pub fn bytes(&self) -> usize {
        self.columns().map(|(_, _, pages)| pages.page_bytes()).sum()
    }

    /// What a later snapshot of the same containers is to be compared with.
    pub fn mark(&self) -> Mark {
        let generations = self.columns().map(|(_, place, pages)| (place, pages.generation()));
        Mark { generations: generations.collect() }
    }

    /// The pages that were written or made since a mark of an earlier snapshot of the same
    /// containers. A mark is void when a snapshot from before it was put back.
    pub fn changed_since(&self, mark: &Mark) -> Vec<ChangedPage> {
        let mut changed = Vec::new();
        for (part, place, pages) in self.columns() {
            let since = mark.generations.get(&place).copied().unwrap_or(0);
            let written = (0..pages.pages()).filter(|page| pages.stamp(*page) >= since);
            changed.extend(written.map(|page| ChangedPage { part, page }));
        }
        changed
    }

    /// The parts that are pages, with their numbers and places.
    fn columns(&self) -> impl Iterator<Item = (usize, Place, &dyn Pages)> {
        let mut keys = Vec::new();
        let mut before = vec![0];
        self.parts.iter().enumerate().filter_map(move |(part, of)| match of {
            Part::Number(_) => None,
            Part::Pages(pages) => {
                let at = before.last_mut()?;
                *at += 1;
                Some((part, (keys.clone(), *at), pages.as_ref()))
            }
            Part::Begin(key) => {
                keys.push(*key);
                before.push(0);
                None
            }
            Part::End => {
                keys.pop();
                before.pop();
                None
            }
        })
    }
}

impl Parts<'_> {
    /// Whether parts are put back, rather than taken.
    pub fn are_put_back(&self) -> bool {
        matches!(self.0, Walk::PuttingBack(_))
    }

    /// A number.
    pub fn number<N: Number>(&mut self, number: &mut N) -> Result<()> {
        match &mut self.0 {
            Walk::Taking(parts) => parts.push(Part::Number(number.to_part())),
            Walk::PuttingBack(parts) => *number = next_number(parts)?,
        }
        Ok(())
    }

    /// Numbers, as many as there are.
    pub fn numbers<N: Number>(&mut self, numbers: &mut Vec<N>) -> Result<()> {
        let mut len = numbers.len();
        self.number(&mut len)?;
        match &mut self.0 {
            Walk::Taking(parts) => {
                parts.extend(numbers.iter().map(|number| Part::Number(number.to_part())));
            }
            Walk::PuttingBack(parts) => {
                *numbers = (0..len).map(|_| next_number(parts)).collect::<Result<_>>()?;
            }
        }
        Ok(())
    }

    /// A column.
    pub(super) fn column<T: Copy + Send + Sync + 'static>(
        &mut self,
        column: &mut Paged<T>,
    ) -> Result<()> {
        match &mut self.0 {
            Walk::Taking(parts) => parts.push(Part::Pages(Box::new(column.snapshot()))),
            Walk::PuttingBack(parts) => *column = pages::<Paged<T>>(parts)?.thawed(),
        }
        Ok(())
    }

    /// Byte strings.
    pub(super) fn arena(&mut self, arena: &mut Arena) -> Result<()> {
        match &mut self.0 {
            Walk::Taking(parts) => parts.push(Part::Pages(Box::new(arena.snapshot()))),
            Walk::PuttingBack(parts) => *arena = pages::<Arena>(parts)?.thawed(),
        }
        Ok(())
    }

    /// A container of a list that has its own key, which no other of the list ever had.
    pub fn keyed(
        &mut self,
        key: i64,
        walk: impl FnOnce(&mut Parts<'_>) -> Result<()>,
    ) -> Result<()> {
        match &mut self.0 {
            Walk::Taking(parts) => parts.push(Part::Begin(key)),
            Walk::PuttingBack(parts) => match parts.next() {
                Some(Part::Begin(of)) if *of == key => {}
                _ => return Err(mismatch()),
            },
        }
        walk(self)?;
        match &mut self.0 {
            Walk::Taking(parts) => parts.push(Part::End),
            Walk::PuttingBack(parts) => match parts.next() {
                Some(Part::End) => {}
                _ => return Err(mismatch()),
            },
        }
        Ok(())
    }

    /// A list of containers by key, in the order of the keys; `make` makes one.
    pub fn list<C>(
        &mut self,
        list: &mut std::collections::BTreeMap<i64, C>,
        mut make: impl FnMut() -> Result<C>,
        mut walk: impl FnMut(&mut C, &mut Parts<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut keys: Vec<i64> = list.keys().copied().collect();
        self.numbers(&mut keys)?;
        if self.are_put_back() {
            list.clear();
            for key in &keys {
                list.insert(*key, make()?);
            }
        }
        list.iter_mut().try_for_each(|(key, of)| self.keyed(*key, |parts| walk(of, parts)))
    }
}

fn next_number<N: Number>(parts: &mut std::slice::Iter<'_, Part>) -> Result<N> {
    match parts.next() {
        Some(Part::Number(part)) => N::of_part(*part).ok_or_else(mismatch),
        _ => Err(mismatch()),
    }
}

fn pages<'a, P: Pages>(parts: &mut std::slice::Iter<'a, Part>) -> Result<&'a P> {
    match parts.next() {
        Some(Part::Pages(pages)) => pages.as_any().downcast_ref().ok_or_else(mismatch),
        _ => Err(mismatch()),
    }
}

fn mismatch() -> Error {
    Error::internal("a snapshot was put back into something of another shape")
}

/// What a part that is a number can be.
pub trait Number: Sized {
    /// As a part.
    fn to_part(&self) -> i128;

    /// Out of a part, unless it is out of range.
    fn of_part(part: i128) -> Option<Self>;
}

macro_rules! numbers {
    ($($t:ty),*) => {
        $(impl Number for $t {
            fn to_part(&self) -> i128 {
                *self as i128
            }

            fn of_part(part: i128) -> Option<Self> {
                part.try_into().ok()
            }
        })*
    };
}
numbers!(u32, i64, u64, usize);

impl Number for bool {
    fn to_part(&self) -> i128 {
        i128::from(*self)
    }

    fn of_part(part: i128) -> Option<Self> {
        Some(part != 0)
    }
}

impl Number for Frontier {
    fn to_part(&self) -> i128 {
        self.to_nanos()
    }

    fn of_part(part: i128) -> Option<Self> {
        Some(Self::of_nanos(part))
    }
}

impl Number for Option<u32> {
    fn to_part(&self) -> i128 {
        self.map_or(-1, i128::from)
    }

    fn of_part(part: i128) -> Option<Self> {
        if part == -1 { Some(None) } else { u32::try_from(part).ok().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::state::{Bits, ByteColumn};

    /// Several containers behind one another, as an operator has them.
    #[derive(Default)]
    struct Several {
        count: u64,
        bits: Bits,
        texts: ByteColumn,
        panes: BTreeMap<i64, ByteColumn>,
    }

    impl Container for Several {
        fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
            parts.number(&mut self.count)?;
            self.bits.parts(parts)?;
            parts.list(
                &mut self.panes,
                || Ok(ByteColumn::default()),
                |pane, parts| pane.parts(parts),
            )?;
            self.texts.parts(parts)
        }

        fn state_bytes(&self) -> usize {
            self.bits.state_bytes() + self.texts.state_bytes()
        }
    }

    fn pane(of: usize) -> ByteColumn {
        let mut pane = ByteColumn::default();
        pane.resize(of);
        pane.set(of - 1, b"last");
        pane
    }

    #[test]
    fn lists_of_containers_come_back_with_their_keys() {
        let mut several = Several { count: 7, ..Several::default() };
        several.bits.insert(100);
        several.panes.insert(-10, pane(3));
        several.panes.insert(20, pane(5));
        let snapshot = Snapshot::take(&mut several).unwrap();
        several.panes.pop_first();
        several.panes.get_mut(&20).unwrap().set(0, b"first");
        several.bits.remove(100);
        let mut other = Several::default();
        other.panes.insert(1, pane(1));
        for _ in 0..2 {
            snapshot.restore(&mut other).unwrap();
            assert_eq!((other.count, other.bits.contains(100)), (7, true));
            let panes: Vec<(i64, usize)> = other.panes.iter().map(|(k, p)| (*k, p.len())).collect();
            assert_eq!(panes, [(-10, 3), (20, 5)]);
            assert_eq!(
                (other.panes[&20].value(0), other.panes[&20].value(4)),
                (&b""[..], &b"last"[..])
            );
            other.panes.clear();
            other.count = 0;
        }
    }

    #[test]
    fn what_changed_is_told_by_page() {
        let mut several = Several::default();
        several.texts.resize(10_000);
        several.panes.insert(0, pane(3));
        let first = Snapshot::take(&mut several).unwrap();
        let mark = first.mark();
        assert_eq!(first.changed_since(&Mark::default()).len(), first.pages());
        drop(first);
        let unchanged = Snapshot::take(&mut several).unwrap();
        assert!(unchanged.changed_since(&mark).is_empty());

        several.texts.set(9_999, b"short");
        several.panes.insert(-5, pane(2));
        let second = Snapshot::take(&mut several).unwrap();
        // The last page of the strings and the whole pane that is new, but not the other one.
        let changed = second.changed_since(&mark);
        assert_eq!(changed.len(), 2);
        assert!(changed[0].part < changed[1].part);
        let mark = second.mark();
        several.texts.set(1, b"a string that does not fit a cell");
        several.panes.remove(&-5);
        let third = Snapshot::take(&mut several).unwrap();
        // Its page and the chunk it stands in.
        assert_eq!(third.changed_since(&mark).len(), 2);
        assert!(third.pages() >= 7 && third.bytes() >= 7 * 1_000);
    }

    #[test]
    fn another_shape_is_refused() {
        let mut bits = Bits::default();
        bits.insert(3);
        let snapshot = Snapshot::take(&mut bits).unwrap();
        assert!(snapshot.restore(&mut ByteColumn::default()).is_err());
        assert!(snapshot.restore(&mut Several::default()).is_err());
        let snapshot = Snapshot::take(&mut ByteColumn::default()).unwrap();
        assert!(snapshot.restore(&mut Bits::default()).is_err());
    }
}
