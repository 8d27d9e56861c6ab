//! A parse that did not work, with the place in the text, so that two failures can be compared.
//!
//! Invariant: the place always refers to the text the user wrote, never to spliced tokens.

use std::fmt;

use datafusion::common::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, TokenizerError};

use crate::error::{Code, Error};

/// Where in the text a parse failed; the order is "further is more helpful".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// The parser did not say.
    Unknown,
    /// At a token.
    Token(Location),
    /// At the end of the statement.
    End,
}

/// A failed parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) at: At,
}

/// The result of every function that reads syntax.
pub(crate) type Parse<T> = Result<T, Failure>;

const LINE: &str = " at Line: ";
const COLUMN: &str = ", Column: ";
const FOUND_EOF: &str = "found: EOF";

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>, at: At) -> Self {
        Self { code, message: message.into(), at }
    }

    pub(crate) fn syntax(message: impl Into<String>, at: At) -> Self {
        Self::new(Code::Syntax, message, at)
    }

    /// The one of two failures that got further in the text; `self` where they got equally far.
    pub(crate) fn or_further(self, other: Self) -> Self {
        if other.at > self.at { other } else { self }
    }

    /// A stock message ends in its place; take the two apart, so that places can be compared.
    fn from_message(message: &str) -> Self {
        let located = message.rsplit_once(LINE).and_then(|(head, place)| {
            let (line, column) = place.split_once(COLUMN)?;
            Some((head, Location { line: line.parse().ok()?, column: column.trim_end().parse().ok()? }))
        });
        match located {
            Some((head, location)) => Self::syntax(head, At::Token(location)),
            None if message.contains(FOUND_EOF) => {
                Self::syntax(message.replace(FOUND_EOF, "found: the end of the statement"), At::End)
            }
            None => Self::syntax(message, At::Unknown),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.at {
            At::Token(location) => write!(f, "{location}"),
            At::Unknown | At::End => Ok(()),
        }
    }
}

impl From<ParserError> for Failure {
    fn from(error: ParserError) -> Self {
        match error {
            ParserError::ParserError(message) | ParserError::TokenizerError(message) => Self::from_message(&message),
            ParserError::RecursionLimitExceeded => {
                Self::syntax("The statement nests deeper than sql_parser.recursion_limit allows", At::Unknown)
            }
        }
    }
}

impl From<TokenizerError> for Failure {
    fn from(error: TokenizerError) -> Self {
        Self::syntax(error.message, At::Token(error.location))
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::SQL(inner, _) => Self::from(*inner),
            DataFusionError::Diagnostic(_, inner) | DataFusionError::Context(_, inner) => Self::from(*inner),
            other => Self::syntax(other.strip_backtrace(), At::Unknown),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code, failure.to_string())
    }
}
