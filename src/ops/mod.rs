//! L4, the verbs: each a pure plan on a snapshot, then one commit.

pub mod plan;
