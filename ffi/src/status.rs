//! Status numbers and their names.
//!
//! The numbers are those of [`laminar_types::ErrorKind`]; a test compares the two.

use std::ffi::{CStr, c_char};

use laminar_types::ErrorKind;

/// What a call answered: `LAMINAR_OK`, another outcome (1 to 99) or an error (100 and more).
pub type Status = i32;

/// Done.
pub const LAMINAR_OK: Status = 0;
/// Not now: nothing came within the time allowed, or there was no room for a push. Nothing was
/// moved; try again.
pub const LAMINAR_AGAIN: Status = 1;
/// There will be no more: the query or the subscription is at its end.
pub const LAMINAR_END: Status = 2;
/// The subscription missed rows (see `laminar_subscription_lagged`) and goes on with the oldest
/// one kept. Nothing was moved; poll again.
pub const LAMINAR_LAGGED: Status = 3;
/// Forget what this subscription has delivered: its next batch is the whole content. Nothing was
/// moved; poll again.
pub const LAMINAR_RESET: Status = 4;
/// The handle is in an exclusive call of another thread, or the call came from inside a function
/// that the engine is calling. Nothing was moved; try again.
pub const LAMINAR_BUSY: Status = 5;

/// The database could not be opened.
pub const LAMINAR_CONNECTION_FAILED: Status = 100;
/// The database was closed.
pub const LAMINAR_CONNECTION_CLOSED: Status = 101;
/// The handle is in use by another thread. The library answers `LAMINAR_BUSY` instead.
pub const LAMINAR_CONNECTION_IN_USE: Status = 102;
/// No source, table, stream or sink has this name.
pub const LAMINAR_TABLE_NOT_FOUND: Status = 200;
/// The name is taken.
pub const LAMINAR_TABLE_EXISTS: Status = 201;
/// A schema differs from the one expected.
pub const LAMINAR_SCHEMA_MISMATCH: Status = 202;
/// A schema cannot be used, or an object that others read was to be dropped.
pub const LAMINAR_INVALID_SCHEMA: Status = 203;
/// Rows were refused.
pub const LAMINAR_INGESTION_FAILED: Status = 300;
/// The source handle was closed, or its source was dropped.
pub const LAMINAR_WRITER_CLOSED: Status = 301;
/// A batch does not fit the schema of its source.
pub const LAMINAR_BATCH_SCHEMA_MISMATCH: Status = 302;
/// There was no room in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this.
pub const LAMINAR_BACKPRESSURE: Status = 303;
/// A query failed.
pub const LAMINAR_QUERY_FAILED: Status = 400;
/// The SQL text could not be read.
pub const LAMINAR_SQL_PARSE_ERROR: Status = 401;
/// The query was cancelled.
pub const LAMINAR_QUERY_CANCELLED: Status = 402;
/// A construct that this version does not have.
pub const LAMINAR_UNSUPPORTED: Status = 403;
/// A subscription could not be made or read.
pub const LAMINAR_SUBSCRIPTION_FAILED: Status = 500;
/// The subscription ended. The library answers `LAMINAR_END` instead; bindings raise this.
pub const LAMINAR_SUBSCRIPTION_CLOSED: Status = 501;
/// Nothing came in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this.
pub const LAMINAR_SUBSCRIPTION_TIMEOUT: Status = 502;
/// Changes were missed. The library answers `LAMINAR_LAGGED` instead; bindings raise this.
pub const LAMINAR_SUBSCRIPTION_LAGGED: Status = 503;
/// A stream failed.
pub const LAMINAR_STREAM_FAILED: Status = 600;
/// A checkpoint failed.
pub const LAMINAR_CHECKPOINT_FAILED: Status = 700;
/// Recovery failed.
pub const LAMINAR_RECOVERY_FAILED: Status = 701;
/// A connector failed.
pub const LAMINAR_CONNECTOR_FAILED: Status = 800;
/// A defect of the library, for example a panic that was caught.
pub const LAMINAR_INTERNAL_ERROR: Status = 900;
/// The database is shutting down.
pub const LAMINAR_SHUTDOWN: Status = 901;

/// The outcomes that are not errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Again,
    End,
    Lagged,
    Reset,
    Busy,
}

impl Outcome {
    pub(crate) const fn status(self) -> Status {
        match self {
            Outcome::Ok => LAMINAR_OK,
            Outcome::Again => LAMINAR_AGAIN,
            Outcome::End => LAMINAR_END,
            Outcome::Lagged => LAMINAR_LAGGED,
            Outcome::Reset => LAMINAR_RESET,
            Outcome::Busy => LAMINAR_BUSY,
        }
    }

    /// The outcome by which an error of this kind is told, if it is not told as an error: what may
    /// simply be tried again.
    pub(crate) const fn of_error(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::Backpressure => Some(Outcome::Again),
            ErrorKind::ConnectionInUse => Some(Outcome::Busy),
            _ => None,
        }
    }
}

/// The name of a status without its `LAMINAR_` prefix, for example `"AGAIN"` or
/// `"SCHEMA_MISMATCH"`.
///
/// @param status any number
/// @return a static string; `"UNKNOWN"` for a number that is no status. Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn laminar_status_name(status: Status) -> *const c_char {
    name(status).as_ptr()
}

/// Every status with its name.
const NAMES: &[(Status, &CStr)] = &[
    (LAMINAR_OK, c"OK"),
    (LAMINAR_AGAIN, c"AGAIN"),
    (LAMINAR_END, c"END"),
    (LAMINAR_LAGGED, c"LAGGED"),
    (LAMINAR_RESET, c"RESET"),
    (LAMINAR_BUSY, c"BUSY"),
    (LAMINAR_CONNECTION_FAILED, c"CONNECTION_FAILED"),
    (LAMINAR_CONNECTION_CLOSED, c"CONNECTION_CLOSED"),
    (LAMINAR_CONNECTION_IN_USE, c"CONNECTION_IN_USE"),
    (LAMINAR_TABLE_NOT_FOUND, c"TABLE_NOT_FOUND"),
    (LAMINAR_TABLE_EXISTS, c"TABLE_EXISTS"),
    (LAMINAR_SCHEMA_MISMATCH, c"SCHEMA_MISMATCH"),
    (LAMINAR_INVALID_SCHEMA, c"INVALID_SCHEMA"),
    (LAMINAR_INGESTION_FAILED, c"INGESTION_FAILED"),
    (LAMINAR_WRITER_CLOSED, c"WRITER_CLOSED"),
    (LAMINAR_BATCH_SCHEMA_MISMATCH, c"BATCH_SCHEMA_MISMATCH"),
    (LAMINAR_BACKPRESSURE, c"BACKPRESSURE"),
    (LAMINAR_QUERY_FAILED, c"QUERY_FAILED"),
    (LAMINAR_SQL_PARSE_ERROR, c"SQL_PARSE_ERROR"),
    (LAMINAR_QUERY_CANCELLED, c"QUERY_CANCELLED"),
    (LAMINAR_UNSUPPORTED, c"UNSUPPORTED"),
    (LAMINAR_SUBSCRIPTION_FAILED, c"SUBSCRIPTION_FAILED"),
    (LAMINAR_SUBSCRIPTION_CLOSED, c"SUBSCRIPTION_CLOSED"),
    (LAMINAR_SUBSCRIPTION_TIMEOUT, c"SUBSCRIPTION_TIMEOUT"),
    (LAMINAR_SUBSCRIPTION_LAGGED, c"SUBSCRIPTION_LAGGED"),
    (LAMINAR_STREAM_FAILED, c"STREAM_FAILED"),
    (LAMINAR_CHECKPOINT_FAILED, c"CHECKPOINT_FAILED"),
    (LAMINAR_RECOVERY_FAILED, c"RECOVERY_FAILED"),
    (LAMINAR_CONNECTOR_FAILED, c"CONNECTOR_FAILED"),
    (LAMINAR_INTERNAL_ERROR, c"INTERNAL_ERROR"),
    (LAMINAR_SHUTDOWN, c"SHUTDOWN"),
];

fn name(status: Status) -> &'static CStr {
    NAMES.iter().find(|(number, _)| *number == status).map_or(c"UNKNOWN", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status_and_name() {
        for kind in ErrorKind::ALL {
            assert_eq!(name(kind.status()).to_str(), Ok(kind.name()));
        }
        let errors = NAMES.iter().filter(|(number, _)| *number >= 100).count();
        assert_eq!(errors, ErrorKind::ALL.len());
        assert!(NAMES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(name(77), c"UNKNOWN");
        assert_eq!(name(-1), c"UNKNOWN");
    }

    #[test]
    fn only_what_may_be_retried_is_told_as_an_outcome() {
        let told: Vec<_> =
            ErrorKind::ALL.iter().filter(|kind| Outcome::of_error(**kind).is_some()).collect();
        assert_eq!(told, [&ErrorKind::ConnectionInUse, &ErrorKind::Backpressure]);
        assert_eq!(Outcome::Busy.status(), LAMINAR_BUSY);
    }
}
