//! The trust programme: faults, crashes, races, corruption and hostile input (docs/reliability.md says what it promises).

mod bit_rot;
mod commit_model;
mod crash_points;
mod damage;
#[cfg(feature = "s3")]
mod faulty_s3;
mod fuzz;
mod http;
mod local_servers;
mod mutate;
mod names;
mod panics;
#[cfg(feature = "s3")]
mod peers_losses;
pub mod report;
mod secrets;
mod seeded_bugs;
mod servers;
mod targets;
