//! `timetravel-cli`: a SQL shell for time-travel tables.
//!
//! Everything that a statement means is decided in the library; this binary reads statements, runs them one by one and
//! prints what they give.

mod args;
mod catalogs;
mod clock;
mod confirm;
mod editor;
mod interrupt;
mod meta;
mod policy;
mod print;
mod repl;
mod report;
mod run;
mod script;
mod session;
mod words;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use tracing_subscriber::EnvFilter;

use args::Args;
use session::Shell;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let args = Args::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("Error: no threads can be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match Shell::open(&args).await {
            Ok(shell) => shell.start(args).await,
            Err(error) => {
                report::error(&error);
                ExitCode::FAILURE
            }
        }
    });
    // A cancelled statement may still be computing up to its next pause; nobody waits for that.
    runtime.shutdown_background();
    code
}
