//! [`SessionRows`]: the rows of sessions, and what failed of those whose pieces do not add up.

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use laminar_types::{Error, Result, code};

use super::SessionAggregate;
use super::pieces::Session;
use super::sessions::Sessions;
use crate::expr::row_text;
use crate::operators::aggregate::batch;
use crate::operators::timed_rows::time_column;
use crate::state::arrow_error;

/// The rows of some sessions.
pub(super) struct SessionRows {
    pub(super) batch: RecordBatch,
    /// By row, the place of its session among them.
    pub(super) places: Vec<u32>,
    /// The places of the sessions without a row, with their keys and bounds and what failed.
    pub(super) failed: Vec<(u32, String, Error)>,
}

impl SessionAggregate {
    /// One row for each session but those whose pieces do not add up: of each of these a sum is past
    /// the range of its type, which no single row shows.
    pub(super) fn rows_of(&self, sessions: &Sessions) -> Result<SessionRows> {
        let Sessions { list, pieces } = sessions;
        let numbers: Vec<u32> = pieces.iter().map(|piece| piece.2).collect();
        let mut session_of = Vec::with_capacity(pieces.len());
        for (index, (_, pieces_to)) in list.iter().enumerate() {
            session_of.resize(*pieces_to, index as u32);
        }
        let all = || (0..list.len() as u32).collect::<Vec<_>>();
        let (places, results, failed) =
            match self.sums.evaluate_merged(&numbers, &session_of, list.len()) {
                Ok(results) => (all(), results, Vec::new()),
                Err(error) if error.code() == code::EXECUTION => {
                    self.sums.evaluate_merged_apart(&numbers, &session_of, list.len())?
                }
                Err(error) => return Err(error),
            };
        let (mut columns, end) = self.outline(list, &places)?;
        columns.extend(results);
        columns.push(end);
        let batch = batch(&self.schema, columns)?;
        let mut told = Vec::with_capacity(failed.len());
        for (place, error) in failed {
            told.push((place, self.text(list, place)?, error));
        }
        Ok(SessionRows { batch, places, failed: told })
    }

    /// The keys of some of these sessions with their start among them, and their end.
    fn outline(
        &self,
        list: &[(Session, usize)],
        places: &[u32],
    ) -> Result<(Vec<ArrayRef>, ArrayRef)> {
        let sessions = || places.iter().map(|place| &list[*place as usize].0);
        let keys: Vec<u32> = sessions().map(|session| session.key).collect();
        let mut columns = self.keys.keys(&keys)?;
        if self.columns.keys.is_empty() {
            // The key that stands for "no key".
            columns.clear();
        }
        let time_type = self.schema.field(self.columns.start).data_type();
        let starts = Int64Array::from_iter_values(sessions().map(|session| session.start));
        let ends = Int64Array::from_iter_values(sessions().map(|session| session.end));
        columns.insert(self.columns.start, time_column(starts, time_type)?);
        Ok((columns, time_column(ends, time_type)?))
    }

    /// What a session is, for people.
    fn text(&self, list: &[(Session, usize)], place: u32) -> Result<String> {
        let (mut columns, end) = self.outline(list, &[place])?;
        let mut fields: Vec<usize> = (0..columns.len()).collect();
        fields.push(self.schema.fields().len() - 1);
        columns.push(end);
        let schema = self.schema.project(&fields).map_err(arrow_error)?;
        Ok(row_text(&batch(&schema.into(), columns)?, 0))
    }
}
