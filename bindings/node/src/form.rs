//! The form in which values reach JavaScript, where there is a choice.

use laminar_client::Error;
use laminar_client::sys::LAMINAR_QUERY_FAILED;

use crate::failure::{Failure, Fallible};
use crate::js::{Env, Js};

/// What the options of a query or subscription say, as JavaScript hands it over: a sum of 1, 2, 4.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// 64-bit integers and counts are numbers, not bigints.
    pub numbers: bool,
    /// Points in time are milliseconds since 1970, not dates.
    pub milliseconds: bool,
    /// Decimals are numbers, not texts.
    pub decimal_numbers: bool,
}

impl Form {
    pub fn read(value: Js<'_>) -> Fallible<Self> {
        let bits = value.to_index()?;
        Ok(Self {
            numbers: bits & 1 != 0,
            milliseconds: bits & 2 != 0,
            decimal_numbers: bits & 4 != 0,
        })
    }

    /// A 64-bit integer.
    pub fn integer<'s>(self, env: Env<'s>, value: i64) -> Fallible<Js<'s>> {
        if !self.numbers {
            return env.bigint(value);
        }
        if value.unsigned_abs() > MAX_SAFE_INTEGER {
            return Err(inexact(value));
        }
        env.number(value as f64)
    }

    /// A 64-bit integer without a sign.
    pub fn unsigned<'s>(self, env: Env<'s>, value: u64) -> Fallible<Js<'s>> {
        if !self.numbers {
            return env.bigint_unsigned(value);
        }
        if value > MAX_SAFE_INTEGER {
            return Err(inexact(value));
        }
        env.number(value as f64)
    }

    /// A point in time, from units of which there are so many in a second.
    pub fn point_in_time<'s>(self, env: Env<'s>, value: i64, per_second: i64) -> Fallible<Js<'s>> {
        if per_second <= 1_000 {
            let milliseconds = value as f64 * (1_000 / per_second) as f64;
            return if self.milliseconds {
                env.number(milliseconds)
            } else {
                env.date(milliseconds)
            };
        }
        let unit = per_second / 1_000;
        let whole = value.div_euclid(unit) as f64;
        if self.milliseconds {
            return env.number(whole + value.rem_euclid(unit) as f64 / unit as f64);
        }
        env.date(whole)
    }
}

/// The largest integer up to which a number of JavaScript holds each one.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

fn inexact(value: impl std::fmt::Display) -> Failure {
    Failure::Library(Error::new(
        LAMINAR_QUERY_FAILED,
        4001,
        format!("a number cannot hold {value} exactly; read 64-bit integers as bigints"),
    ))
}
