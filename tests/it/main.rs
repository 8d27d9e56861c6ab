//! The integration tests: one binary, a module per subject.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, missing_docs, unreachable_pub)]

mod laws;
