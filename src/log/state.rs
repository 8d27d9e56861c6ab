//! What a log's commits add up to: the one seam between the log and the catalog or a table.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use super::{Header, index::Summary};
use crate::error::{Code, Error, Result};

/// A state that is a fold over commits. Replaying a checkpoint and the tail equals replaying all (invariant 9).
pub trait State: Clone + Default + Debug + PartialEq + Send + Sync + 'static {
    /// One change.
    type Action: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;

    /// Required features that this code understands.
    const FEATURES: &'static [&'static str];

    /// How messages name what the log is of, where the state knows better than the log.
    fn title(&self) -> Option<String> {
        None
    }

    /// Folds one commit into the state and says what it touched.
    ///
    /// # Errors
    /// [`Code::Corrupt`](crate::Code::Corrupt) where the commit does not fit the state before it.
    fn apply(&mut self, header: &Header, actions: &[Self::Action]) -> Result<Summary>;

    /// The rows of a checkpoint, the live ones first.
    ///
    /// # Errors
    /// [`Code::Internal`](crate::Code::Internal) where an entry cannot be encoded.
    fn to_rows(&self) -> Result<Vec<StateRow>>;

    /// The state from the rows of a checkpoint.
    ///
    /// # Errors
    /// [`Code::Corrupt`](crate::Code::Corrupt) where a row does not decode.
    fn from_rows(rows: Vec<StateRow>) -> Result<Self>;
}

/// One entry of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateRow {
    /// What kind of entry it is.
    pub kind: String,
    /// Whether it exists at the checkpoint's LSN; ended entries lie in row groups of their own.
    pub live: bool,
    /// The entry as JSON, the same encoding as in commits.
    pub body: String,
}

impl StateRow {
    /// Encodes one entry.
    pub(crate) fn encode<T: Serialize>(kind: &str, live: bool, value: &T) -> Result<Self> {
        let body =
            serde_json::to_string(value).map_err(|e| Error::internal(format!("cannot encode a {kind} entry: {e}")))?;
        Ok(Self { kind: kind.into(), live, body })
    }

    /// Decodes one entry.
    pub(crate) fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.body)
            .map_err(|e| Error::new(Code::Corrupt, format!("a checkpoint holds a bad {} entry: {e}", self.kind)))
    }
}
