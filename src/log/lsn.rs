//! The log sequence number: a commit's position in its log, and the version that it makes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};

/// A position in a log, and the version of the table that the commit there makes. 1 is the CREATE (R012).
///
/// Printed as 16 digits (R085); read with or without leading zeros (C17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lsn(u64);

impl Lsn {
    /// Before the first commit: the state of a log that doesn't exist yet.
    pub const ZERO: Self = Self(0);
    /// The CREATE.
    pub const FIRST: Self = Self(1);
    /// The largest position that a file name of 16 digits can hold.
    pub const MAX: Self = Self(9_999_999_999_999_999);

    /// The position `n`; larger ones than a log can hold are cut to [`Lsn::MAX`].
    pub const fn new(n: u64) -> Self {
        if n > Self::MAX.0 { Self::MAX } else { Self(n) }
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as SQL has it, a BIGINT.
    #[allow(clippy::cast_possible_wrap, reason = "an LSN has at most 16 digits")]
    pub const fn as_i64(self) -> i64 {
        self.0 as i64
    }

    /// The next position.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::new(self.0.saturating_add(1))
    }

    /// The position before, 0 before the first.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016}", self.0)
    }
}

impl FromStr for Lsn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(n) if digits && n <= Self::MAX.0 => Ok(Self(n)),
            _ => Err(Error::new(
                Code::InvalidArgument,
                format!("{text:?} is not an LSN: write up to 16 digits, for example '0000000000000004' or '4'"),
            )),
        }
    }
}
