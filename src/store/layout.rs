//! Every path in the warehouse, made and parsed in one place, relative to the warehouse's root.
//!
//! Names consist of numbers, ids and digests only, so no user's text reaches a path; a name that isn't exactly one that
//! this module would make is not ours.

use object_store::path::Path;

use crate::store::digest::Digest;
use crate::store::id::{FileId, TableId};

/// The highest LSN that a name of 16 digits can hold.
pub const MAX_LSN: u64 = 9_999_999_999_999_999;

const CATALOG: &str = "_catalog";
const TABLES: &str = "tables";
const LOG: &str = "_log";
const CHECKPOINTS: &str = "checkpoints";
const DATA: &str = "data";
const PROBE: &str = "_probe";

/// Whose log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogRoot {
    /// The catalog's own log.
    Catalog,
    /// The log of a table.
    Table(TableId),
}

impl LogRoot {
    /// The folder that holds everything of the catalog or table.
    pub fn folder(self) -> Path {
        match self {
            Self::Catalog => Path::from(CATALOG),
            Self::Table(id) => tables_folder().join(id.to_string()),
        }
    }

    /// The folder of the commit files.
    pub fn log_folder(self) -> Path {
        self.folder().join(LOG)
    }

    /// The commit file of an LSN, which must not exceed [`MAX_LSN`].
    pub fn commit(self, lsn: u64) -> Path {
        self.log_folder().join(format!("{lsn:016}.json"))
    }

    /// The folder of the checkpoints and index segments.
    pub fn checkpoints_folder(self) -> Path {
        self.folder().join(CHECKPOINTS)
    }

    /// The checkpoint or index segment that the name describes.
    pub fn checkpoint(self, name: CheckpointName) -> Path {
        self.checkpoints_folder().join(name.to_string())
    }
}

/// The file name of a checkpoint or of an index segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckpointName {
    /// The state as of an LSN.
    State {
        /// The last commit that the state includes.
        lsn: u64,
        /// The digest of the file's bytes.
        digest: Digest,
    },
    /// A segment of the commit index.
    Index {
        /// The first commit of the segment.
        first: u64,
        /// The last commit of the segment.
        last: u64,
        /// The digest of the file's bytes.
        digest: Digest,
    },
}

impl CheckpointName {
    /// What the file name says, if it is one of a checkpoint or index segment.
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, digest) = name.strip_suffix(".parquet")?.split_once('.')?;
        let digest = digest.parse().ok()?;
        let Some(range) = stem.strip_prefix("index-") else {
            return Some(Self::State { lsn: parse_lsn(stem)?, digest });
        };
        let (first, last) = range.split_once('-')?;
        let (first, last) = (parse_lsn(first)?, parse_lsn(last)?);
        (first <= last).then_some(Self::Index { first, last, digest })
    }
}

impl std::fmt::Display for CheckpointName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State { lsn, digest } => write!(f, "{lsn:016}.{digest}.parquet"),
            Self::Index { first, last, digest } => write!(f, "index-{first:016}-{last:016}.{digest}.parquet"),
        }
    }
}

/// Whether a data file has the tombstone column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataFileKind {
    /// Rows only.
    Base,
    /// Rows and tombstones.
    Delta,
}

impl DataFileKind {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Base => ".base.parquet",
            Self::Delta => ".delta.parquet",
        }
    }
}

/// The LSN of a commit file's name, for example `0000000000000042.json`.
pub fn parse_commit_name(name: &str) -> Option<u64> {
    parse_lsn(name.strip_suffix(".json")?)
}

/// Id and kind of a data file's name.
pub fn parse_data_file_name(name: &str) -> Option<(FileId, DataFileKind)> {
    [DataFileKind::Base, DataFileKind::Delta]
        .into_iter()
        .find_map(|kind| Some((name.strip_suffix(kind.suffix())?.parse().ok()?, kind)))
}

/// The table in whose folder the path lies.
pub fn table_of(path: &Path) -> Option<TableId> {
    let mut parts = path.parts();
    let first = parts.next()?;
    let id = parts.next()?;
    if first.as_ref() == TABLES { id.as_ref().parse().ok() } else { None }
}

/// The folder that holds every table's folder.
pub fn tables_folder() -> Path {
    Path::from(TABLES)
}

/// The folder of a table's data files.
pub fn data_folder(table: TableId) -> Path {
    LogRoot::Table(table).folder().join(DATA)
}

/// A data file of a table.
pub fn data_file(table: TableId, file: FileId, kind: DataFileKind) -> Path {
    data_folder(table).join(format!("{file}{}", kind.suffix()))
}

/// The folder of the objects with which the store is probed.
pub fn probe_folder() -> Path {
    Path::from(PROBE)
}

/// A fresh object with which the store is probed.
pub(crate) fn probe(id: u128) -> Path {
    probe_folder().join(format!("{id:032x}"))
}

/// Whether the file name is one of an object with which a store was probed.
pub fn is_probe_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Exactly 16 decimal digits.
fn parse_lsn(text: &str) -> Option<u64> {
    let strict = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit());
    if strict { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_are_as_documented() {
        let table = TableId::from_u128(1);
        let file = FileId::from_u128(2);
        let digest = Digest::from_u128(3);
        let folder = "tables/00000000000000000000000000000001";
        assert_eq!(LogRoot::Catalog.commit(42).as_ref(), "_catalog/_log/0000000000000042.json");
        assert_eq!(LogRoot::Table(table).commit(MAX_LSN).as_ref(), format!("{folder}/_log/9999999999999999.json"));
        assert_eq!(
            LogRoot::Catalog.checkpoint(CheckpointName::State { lsn: 40, digest }).as_ref(),
            "_catalog/checkpoints/0000000000000040.00000000000000000000000000000003.parquet"
        );
        assert_eq!(
            LogRoot::Table(table).checkpoint(CheckpointName::Index { first: 1, last: 1024, digest }).as_ref(),
            format!(
                "{folder}/checkpoints/index-0000000000000001-0000000000001024.00000000000000000000000000000003.parquet"
            )
        );
        let base = data_file(table, file, DataFileKind::Base);
        assert_eq!(base.as_ref(), format!("{folder}/data/00000000000000000000000000000002.base.parquet"));
        assert_eq!(table_of(&base), Some(table));
        assert_eq!(table_of(&LogRoot::Catalog.commit(1)), None);
        assert_eq!(probe(4).as_ref(), "_probe/00000000000000000000000000000004");
    }

    #[test]
    fn names_parse_back() {
        let digest = Digest::of(b"x");
        for name in [CheckpointName::State { lsn: 0, digest }, CheckpointName::Index { first: 7, last: 7, digest }] {
            assert_eq!(CheckpointName::parse(&name.to_string()), Some(name));
        }
        assert_eq!(parse_commit_name("0000000000000042.json"), Some(42));
        for kind in [DataFileKind::Base, DataFileKind::Delta] {
            let file = FileId::from_u128(9);
            let path = data_file(TableId::from_u128(1), file, kind);
            assert_eq!(parse_data_file_name(path.filename().unwrap()), Some((file, kind)));
        }
    }

    #[test]
    fn strange_names_are_not_ours() {
        for name in [
            "",
            ".json",
            "42.json",
            "0000000000000042.JSON",
            "+000000000000042.json",
            "00000000000000420.json",
            "0000000000000042.json#1",
        ] {
            assert_eq!(parse_commit_name(name), None, "{name}");
        }
        let digest = "00000000000000000000000000000003";
        for name in [
            format!("40.{digest}.parquet"),
            format!("0000000000000040.{digest}.parquet.tmp"),
            format!("0000000000000040.{}.parquet", digest.to_uppercase().replace('0', "A")),
            "0000000000000040.parquet".to_owned(),
            format!("index-0000000000000002-0000000000000001.{digest}.parquet"),
            format!("index-0000000000000002.{digest}.parquet"),
        ] {
            assert_eq!(CheckpointName::parse(&name), None, "{name}");
        }
        assert_eq!(parse_data_file_name("00000000000000000000000000000002.parquet"), None);
        assert!(is_probe_name(probe(4).filename().unwrap()));
        for name in ["4", "0000000000000000000000000000000A", "00000000000000000000000000000004.json"] {
            assert!(!is_probe_name(name), "{name}");
        }
    }
}
