//! The trust programme: faults, crashes, races, corruption and hostile input (docs/reliability.md says what it promises).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bit_rot;
mod commit_model;
mod crash_points;
mod damage;
mod disk_full;
mod disk_model;
#[cfg(feature = "s3")]
mod faulty_s3;
mod fsync_errors;
mod fuzz;
mod history;
mod http;
mod local_servers;
mod logs;
mod mutate;
mod names;
mod panics;
#[cfg(feature = "s3")]
mod peers_losses;
mod power_loss;
mod processes;
pub mod report;
mod secrets;
mod seeded_bugs;
mod servers;
mod simulation;
mod slow_store;
mod strace;
mod targets;
mod virtual_time;
