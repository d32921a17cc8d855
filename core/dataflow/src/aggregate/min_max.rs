//! `min` and `max`: which accumulator serves a type, and the one for fixed-size values over
//! append-only input, which keeps the best value per slot.

use std::any::Any;
use std::cmp::Ordering;

use arrow::array::{ArrayRef, downcast_primitive};
use arrow::datatypes::DataType;
use laminar_types::rows::Word;
use laminar_types::{Result, mutant};

use super::converted::Converted;
use super::kind::{Boolean, Kind, Primitive};
use super::min_max_bytes::ByteExtreme;
use super::presence::Presence;
use super::{Accumulator, ByWord, Input, argument, same, unsupported};
use crate::state::{ByteColumn, Container, Paged, Parts};

/// The accumulator of `max` or `min` for an argument of this type, over append-only input.
pub(super) fn create<const MAX: bool>(data_type: &DataType) -> Result<Box<dyn Accumulator>> {
    macro_rules! primitive {
        ($t:ty) => {
            Ok(Box::new(Extreme::<Primitive<$t>, MAX>::new(data_type)))
        };
    }
    downcast_primitive! {
        data_type => (primitive),
        DataType::Boolean => Ok(Box::new(Extreme::<Boolean, MAX>::new(data_type))),
        DataType::Dictionary(_, values) => {
            Ok(Converted::over(values.as_ref().clone(), create::<MAX>(values)?))
        }
        other if ByteColumn::supports(other) => Ok(Box::new(ByteExtreme::<MAX>::new(data_type))),
        other => Err(unsupported(if MAX { "max" } else { "min" }, std::slice::from_ref(other))),
    }
}

/// How a better value compares with a worse one.
pub(super) const fn better(max: bool) -> Ordering {
    if max { Ordering::Greater } else { Ordering::Less }
}

/// The best value of each slot.
struct Extreme<K: Kind, const MAX: bool> {
    data_type: DataType,
    /// A slot without values has the worst one, so that every value may be compared with it.
    best: Paged<K::Value>,
    presence: Presence,
}

impl<K: Kind, const MAX: bool> Extreme<K, MAX> {
    const WORST: K::Value = if MAX { K::LEAST } else { K::GREATEST };

    fn new(data_type: &DataType) -> Self {
        let (best, presence) = (Paged::new(Self::WORST), Presence::new(true));
        Self { data_type: data_type.clone(), best, presence }
    }
}

impl<K: Kind, const MAX: bool> Accumulator for Extreme<K, MAX> {
    fn result_type(&self) -> DataType {
        self.data_type.clone()
    }

    fn resize(&mut self, slots: usize) {
        self.best.resize(slots);
        self.presence.resize(slots);
    }

    fn update(&mut self, input: &Input<'_>) -> Result<()> {
        let array: &K::Array = argument(input)?;
        let selection = input.selection();
        let mut best = self.best.writer();
        input.each_ahead(selection.as_ref(), best.ahead(), |row, slot, weight| {
            debug_assert_eq!(weight, 1);
            let value = K::value(array, row);
            let best = best.at(slot as usize);
            if K::compare(value, *best) == better(MAX) || mutant!(LastIsExtreme) {
                *best = value;
            }
        });
        self.presence.update(input, selection.as_ref());
        Ok(())
    }

    fn by_word(&mut self) -> Option<&mut dyn ByWord> {
        if K::Value::FITS { Some(self) } else { None }
    }

    fn merge(&mut self, slots: &[u32], other: &dyn Accumulator, other_slots: &[u32]) -> Result<()> {
        let other: &Self = same(other)?;
        let mut best = self.best.writer();
        for (&slot, &from) in slots.iter().zip(other_slots) {
            let (best, value) = (best.at(slot as usize), *other.best.at(from as usize));
            if K::compare(value, *best) == better(MAX) || mutant!(LastIsExtreme) {
                *best = value;
            }
        }
        self.presence.merge(slots, &other.presence, other_slots);
        Ok(())
    }

    fn evaluate(&self, slots: &[u32]) -> Result<ArrayRef> {
        let best = slots.iter().map(|&slot| *self.best.at(slot as usize)).collect();
        Ok(K::array(best, self.presence.nulls(slots), &self.data_type))
    }

    fn reset(&mut self, slot: u32) {
        *self.best.at_mut(slot as usize) = Self::WORST;
        self.presence.reset(slot);
    }

    fn clear(&mut self) {
        self.best.clear();
        self.presence.clear();
    }

    fn snapshot(&mut self) -> Box<dyn Accumulator> {
        let (best, presence) = (self.best.snapshot(), self.presence.snapshot());
        Box::new(Self { data_type: self.data_type.clone(), best, presence })
    }

    fn parts(&mut self, parts: &mut Parts<'_>) -> Result<()> {
        self.best.parts(parts)?;
        self.presence.parts(parts)
    }

    fn fresh(&self) -> Box<dyn Accumulator> {
        Box::new(Self::new(&self.data_type))
    }

    fn state_bytes(&self) -> usize {
        self.best.state_bytes() + self.presence.state_bytes()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<K: Kind, const MAX: bool> ByWord for Extreme<K, MAX> {
    fn add(&mut self, slot: u32, word: u64, weight: i64) {
        let (value, best) = (K::Value::of_word(word), self.best.at_mut(slot as usize));
        if K::compare(value, *best) == better(MAX) || mutant!(LastIsExtreme) {
            *best = value;
        }
        self.presence.add(slot, weight);
    }

    fn value(&self, slot: u32) -> Option<u64> {
        let best = *self.best.at(slot as usize);
        self.presence.has_value(slot).then(|| best.to_word())
    }
}
