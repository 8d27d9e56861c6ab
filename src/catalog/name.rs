//! Names inside one warehouse: schema and table. Names are data, never paths.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};

/// The schema that names without one belong to.
pub const DEFAULT_SCHEMA: &str = "default";

/// The longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 256;

/// A table's or view's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its name in the schema.
    pub table: String,
}

impl TableName {
    /// A name.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Self {
        Self { schema: schema.into(), table: table.into() }
    }

    /// Checks that an object can be given this name.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] where it is empty, too long, or has a control character.
    pub fn check(&self) -> Result<()> {
        check_name("schema", &self.schema)?;
        check_name("table", &self.table)
    }
}

/// Checks a name that an object is to be given.
///
/// # Errors
/// [`Code::InvalidArgument`] where it is empty, too long, or has a control character.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let refuse = |why: String| Err(Error::new(Code::InvalidArgument, format!("{what} name {why}: choose another")));
    match name {
        "" => refuse("is empty".into()),
        _ if name.len() > MAX_NAME_BYTES => refuse(format!("of {} bytes is longer than {MAX_NAME_BYTES}", name.len())),
        _ if name.chars().any(char::is_control) => refuse(format!("{name:?} has a control character")),
        _ => Ok(()),
    }
}

/// Prints as SQL reads it; the default schema is left out.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.schema != DEFAULT_SCHEMA {
            write!(f, "{}.", quoted(&self.schema))?;
        }
        f.write_str(&quoted(&self.table))
    }
}

/// An identifier as SQL must write it: quoted where it isn't plain lower case.
pub fn quoted(name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.bytes().next().is_none_or(|b| b.is_ascii_digit());
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}
