//! A fault-injecting S3 of the tests' own: `tests/stores/s3mock.py`, started on a free port and stopped with its handle.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use datafusion_timetravel::TimeTravel;
use datafusion_timetravel::store::Clock;

use crate::lake::Session;

/// Where every test has its warehouse.
pub const LAKE: &str = "s3://bucket/lake";

/// The server's process.
#[derive(Debug)]
pub struct FaultyS3 {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl FaultyS3 {
    /// Starts one; none, and said aloud, where there is no python3, unless `TIMETRAVEL_STRICT` wants all to be there.
    pub fn start() -> Option<Self> {
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores/s3mock.py");
        let spawned = Command::new("python3").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                assert!(std::env::var("TIMETRAVEL_STRICT").is_err(), "python3 is missing: {error}");
                println!("skipped: python3 is missing ({error})");
                return None;
            }
        };
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, commands, answers, port: 0 };
        let line = server.line();
        server.port = line.strip_prefix("port ").unwrap_or_else(|| panic!("it says {line:?}")).parse().unwrap();
        Some(server)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn command(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").unwrap();
        self.commands.flush().unwrap();
        self.line()
    }

    /// What happens to puts of keys that end so.
    pub fn fault(&mut self, kind: &str, suffix: &str) {
        assert_eq!(self.command(&format!("fault {kind} {suffix}")), "ok");
    }

    /// Lets held puts go on.
    pub fn release(&mut self) {
        assert_eq!(self.command("release"), "ok");
    }

    /// How many puts there were of keys that end so.
    pub fn puts(&mut self, suffix: &str) -> u64 {
        self.command(&format!("puts {suffix}")).parse().unwrap()
    }

    /// Waits until a put is held.
    pub async fn until_held(&mut self) {
        while self.command("held") == "0" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What a client has to know, as options or as environment of a child.
    pub fn options(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "id".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ]
    }

    /// A session on the warehouse.
    pub async fn session(&self, patience: Duration, clock: Option<Arc<dyn Clock>>) -> Session {
        let mut builder = TimeTravel::builder(LAKE).commit_deadline(patience);
        for (key, value) in self.options() {
            builder = builder.option(key, value);
        }
        if let Some(clock) = clock {
            builder = builder.clock(clock);
        }
        Session::with(builder.build().await.unwrap()).await
    }
}

impl Drop for FaultyS3 {
    fn drop(&mut self) {
        // It ends with its standard input too, should this process be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
