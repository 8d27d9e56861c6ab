//! The trust programme: faults, crashes, races, corruption and hostile input (docs/reliability.md says what it promises).

mod commit_model;
pub mod report;
