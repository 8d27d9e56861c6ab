//! What can go wrong, as advice to the caller.
//!
//! Every error carries a stable [`Code`]; the code decides its [`ErrorKind`], which says what to do next. Messages name
//! the object and the way out, and never hold a credential (invariant 15).

use std::fmt;

use datafusion::common::DataFusionError;

use crate::store::{CommitId, TableId};

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The statement, name or value is wrong: fix the request.
    Invalid,
    /// The object does not exist (or may not be seen): check the name.
    NotFound,
    /// The object exists already: choose another name.
    AlreadyExists,
    /// Somebody else changed the same rows: run the statement again.
    Conflict,
    /// The version is outside retention: ask for a newer one.
    Expired,
    /// The authorizer refused: ask for the privilege.
    Denied,
    /// A stored object is damaged: restore it from elsewhere.
    Corrupt,
    /// A newer format, or a store or operation that cannot serve the request: upgrade or use another.
    Unsupported,
    /// The store did not answer: try again later. Nothing was changed.
    Unavailable,
    /// The commit may or may not have happened: ask `commit_status` with the commit id.
    Unknown,
    /// A bug in this crate: report it.
    Internal,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident;)*) => {
        /// A stable error code. `docs/errors.md` lists cause and remedy of each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The text that messages carry, for example `TT_TABLE_NOT_FOUND`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What the caller can do about it.
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$name => ErrorKind::$kind,)* }
            }
        }
    };
}

codes! {
    /// A statement of ours does not parse, or a clause stands where it may not.
    Syntax = "TT_SYNTAX", Invalid;
    /// An argument has the wrong type or value.
    InvalidArgument = "TT_INVALID_ARGUMENT", Invalid;
    /// A table property, lifecycle or project setting has an unknown name or a value out of range.
    InvalidProperty = "TT_INVALID_PROPERTY", Invalid;
    /// A column definition, key or partition column is not possible.
    InvalidSchema = "TT_INVALID_SCHEMA", Invalid;
    /// A row breaks NOT NULL, a key is NULL, a partition value is NULL or empty, or a key stands twice.
    ConstraintViolation = "TT_CONSTRAINT_VIOLATION", Invalid;
    /// A version clause stands on something that has no versions.
    NotVersioned = "TT_NOT_VERSIONED", Invalid;
    /// The expression of a version clause is not a constant of a usable type.
    InvalidVersionExpression = "TT_INVALID_VERSION_EXPRESSION", Invalid;
    /// The version is below 1 or past the latest.
    VersionOutOfRange = "TT_VERSION_OUT_OF_RANGE", Invalid;
    /// The time lies before the table was created.
    TimestampOutOfRange = "TT_TIMESTAMP_OUT_OF_RANGE", Invalid;
    /// An incremental query reaches past the latest commit (the documents' code).
    IncrementalOutOfRange = "ODPS-0130071", Invalid;
    /// RESTORE AS onto a table of another schema (the documents' code).
    SchemaNotSame = "ODPS-0110061", Invalid;
    /// There are fewer data operations than `get_latest_*` was asked to go back.
    NoSuchOperation = "TT_NO_SUCH_OPERATION", Invalid;
    /// No such schema.
    SchemaNotFound = "TT_SCHEMA_NOT_FOUND", NotFound;
    /// No such table.
    TableNotFound = "TT_TABLE_NOT_FOUND", NotFound;
    /// The table was dropped; it may be restorable.
    TableDropped = "TT_TABLE_DROPPED", NotFound;
    /// No such partition.
    PartitionNotFound = "TT_PARTITION_NOT_FOUND", NotFound;
    /// No such column.
    ColumnNotFound = "TT_COLUMN_NOT_FOUND", NotFound;
    /// The schema exists already, or is not empty.
    SchemaExists = "TT_SCHEMA_EXISTS", AlreadyExists;
    /// The table exists already.
    TableExists = "TT_TABLE_EXISTS", AlreadyExists;
    /// The partition exists already.
    PartitionExists = "TT_PARTITION_EXISTS", AlreadyExists;
    /// Another commit changed what this statement read or removes.
    Conflict = "TT_CONFLICT", Conflict;
    /// The version or time has left the retention for queries, or time travel is off.
    VersionTooOld = "TT_VERSION_TOO_OLD", Expired;
    /// The version has left the backup retention and can't be restored.
    NotRestorable = "TT_NOT_RESTORABLE", Expired;
    /// PURGE or VACUUM took files that this statement needs.
    SnapshotGone = "TT_SNAPSHOT_GONE", Expired;
    /// The authorizer refused.
    PermissionDenied = "TT_PERMISSION_DENIED", Denied;
    /// A log entry, checkpoint or data file is damaged.
    Corrupt = "TT_CORRUPT", Corrupt;
    /// The object store ignores put-if-absent, or lacks what the commit protocol needs.
    UnsafeStore = "TT_UNSAFE_STORE", Unsupported;
    /// The table uses a format feature that this version doesn't know.
    UnknownFeature = "TT_UNKNOWN_FEATURE", Unsupported;
    /// The statement isn't supported here.
    NotSupported = "TT_NOT_SUPPORTED", Unsupported;
    /// The clock is behind the log by more than the allowed skew.
    ClockSkew = "TT_CLOCK_SKEW", Unavailable;
    /// The store failed or did not answer.
    StoreUnavailable = "TT_STORE_UNAVAILABLE", Unavailable;
    /// The outcome of a commit could not be found out before the deadline.
    CommitStateUnknown = "TT_COMMIT_STATE_UNKNOWN", Unknown;
    /// A bug in this crate.
    Internal = "TT_INTERNAL", Internal;
}

/// The error of every operation in this crate.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    code: Code,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    unknown: Option<UnknownCommit>,
}

/// A commit whose outcome is not known: what [`TimeTravel::commit_status`](crate::TimeTravel::commit_status) asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownCommit {
    /// The table in whose log it may be; none for the catalog.
    pub table: Option<TableId>,
    /// Its id.
    pub commit: CommitId,
    /// The slot in which it may be.
    pub lsn: u64,
}

/// What `work` gives; a panic of it as a text. For decoders of other libraries that are given bytes which may be hostile.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(|panic| panic_text(&*panic))
}

/// What a panic that was caught says.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the decoder gave up: {}", text.unwrap_or("it does not say why"))
}

/// The result of every operation in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a message that says what, on which object, and what to do next.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), source: None, unknown: None }))
    }

    /// Attaches the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says which commit it is whose outcome is not known.
    #[must_use]
    pub(crate) fn with_unknown_commit(mut self, commit: UnknownCommit) -> Self {
        self.0.unknown = Some(commit);
        self
    }

    /// The commit whose outcome is not known, of a [`Code::CommitStateUnknown`].
    pub fn unknown_commit(&self) -> Option<UnknownCommit> {
        self.0.unknown
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.code.kind()
    }

    /// The message without the code.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// A bug in this crate.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, format!("{} (this is a bug, please report it)", message.into()))
    }

    /// The error of ours inside a DataFusion error, however deep.
    pub fn find(error: &DataFusionError) -> Option<&Self> {
        let mut current: &(dyn std::error::Error + 'static) = error;
        loop {
            if let Some(found) = current.downcast_ref::<Self>() {
                return Some(found);
            }
            current = match current.downcast_ref::<DataFusionError>() {
                Some(DataFusionError::External(inner)) => inner.as_ref(),
                Some(DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner)) => inner.as_ref(),
                Some(DataFusionError::Shared(inner)) => inner.as_ref(),
                Some(DataFusionError::Collection(errors)) => errors.first()?,
                _ => current.source()?,
            };
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code.as_str(), self.0.message)?;
        match &self.0.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        Self::External(Box::new(error))
    }
}

/// Unwraps an error of ours that crossed DataFusion; wraps any other as invalid input or a store failure.
impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::new(Code::InvalidArgument, other.to_string()),
            },
            other => match Self::find(&other) {
                Some(ours) => {
                    let (code, message, unknown) = (ours.code(), ours.message().to_owned(), ours.unknown_commit());
                    let mut error = Self::new(code, message).with_source(other);
                    error.0.unknown = unknown;
                    error
                }
                None => Self::new(Code::InvalidArgument, other.strip_backtrace()),
            },
        }
    }
}
