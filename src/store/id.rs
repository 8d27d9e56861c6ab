//! Identities: 128 random bits that never carry a name, so that a rename moves nothing and no name reaches a path.

use crate::store::digest::Digester;
use crate::store::hex::hex128;

hex128! {
    /// The identity of a table, kept over renames, drops and undrops, never used again.
    TableId, "table id"
}

hex128! {
    /// The identity of a data file, and its name in the store.
    FileId, "file id"
}

hex128! {
    /// The identity of one incarnation of a partition.
    PartitionId, "partition id"
}

hex128! {
    /// The identity of a commit, made once and kept over rebases and retries: it tells whether a commit is already done.
    CommitId, "commit id"
}

impl CommitId {
    /// The id of the follow-up commit that finishes what this one decided: the same every time, so that finishing twice
    /// is finishing once.
    #[must_use]
    pub fn follow_up(self, purpose: &str) -> Self {
        let mut digester = Digester::new();
        digester.write(&self.as_u128().to_be_bytes());
        digester.write(purpose.as_bytes());
        Self::from_u128(digester.finish().as_u128())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::Code;

    #[test]
    fn an_id_has_one_spelling() {
        let id = TableId::from_u128(0xab);
        assert_eq!(id.to_string(), "000000000000000000000000000000ab");
        assert_eq!(format!("{id:?}"), "TableId(000000000000000000000000000000ab)");
        assert_eq!(id.to_string().parse::<TableId>().unwrap(), id);
        for wrong in [
            "",
            "ab",
            "000000000000000000000000000000AB",
            "+00000000000000000000000000000ab",
            "0000000000000000000000000000000ab",
        ] {
            assert_eq!(wrong.parse::<TableId>().unwrap_err().code(), Code::InvalidArgument, "{wrong}");
        }
    }

    #[test]
    fn an_id_is_a_string_in_json() {
        let id = FileId::from_u128(u128::MAX);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, "\"ffffffffffffffffffffffffffffffff\"");
        assert_eq!(serde_json::from_str::<FileId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<FileId>("\"FF\"").is_err());
        assert!(serde_json::from_str::<FileId>("7").is_err());
    }

    #[test]
    fn a_follow_up_id_is_stable_and_depends_on_the_purpose() {
        let id = CommitId::from_u128(7);
        assert_eq!(id.follow_up("drop"), id.follow_up("drop"));
        assert_ne!(id.follow_up("drop"), id.follow_up("undrop"));
        assert_ne!(id.follow_up("drop"), id);
    }
}
