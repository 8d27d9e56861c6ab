//! What a commit did, as history shows it.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The word that history shows for a commit (R086).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Operation { $($(#[$doc])* #[serde(rename = $text)] $name,)* }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word as history prints it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

operations! {
    /// CREATE TABLE, with the content of CTAS and AS new.
    Create = "CREATE",
    /// INSERT INTO and loads.
    Append = "APPEND",
    /// INSERT OVERWRITE, and RESTORE AS onto an existing table.
    Overwrite = "OVERWRITE",
    /// UPDATE.
    Update = "UPDATE",
    /// DELETE and TRUNCATE.
    Delete = "DELETE",
    /// MERGE.
    Merge = "MERGE",
    /// COMPACT.
    Compact = "COMPACT",
    /// Properties, lifecycle, columns, names, TOUCH.
    Alter = "ALTER",
    /// DROP TABLE, DROP PARTITION, reclamation by lifecycle.
    Drop = "DROP",
    /// RESTORE and undrop.
    Restore = "RESTORE",
    /// PURGE.
    Purge = "PURGE",
    /// A sweep that deletes something.
    Vacuum = "VACUUM",
}

impl Operation {
    /// Whether `get_latest_*` counts it: all but ALTER, PURGE and VACUUM (semantics, "Log and versions").
    pub const fn is_data(self) -> bool {
        !matches!(self, Self::Alter | Self::Purge | Self::Vacuum)
    }

    /// Whether its rows are incremental data (R068, R070, R074): restored and compacted rows are not.
    pub const fn is_counted(self) -> bool {
        matches!(self, Self::Create | Self::Append | Self::Overwrite | Self::Update | Self::Merge | Self::Delete)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
