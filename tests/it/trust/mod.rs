//! The trust programme: faults, crashes, races, corruption and hostile input (docs/reliability.md says what it promises).

mod commit_model;
mod crash_points;
#[cfg(feature = "s3")]
mod faulty_s3;
#[cfg(feature = "s3")]
mod peers_losses;
pub mod report;
mod seeded_bugs;
