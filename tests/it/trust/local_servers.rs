//! Object-store servers of others, on free ports of the loopback: moto for S3, azurite for Azure, fake-gcs-server behind a
//! shim for Google, and rclone, which ignores conditions.
//!
//! `cargo xtask servers` installs them below the target directory; `TIMETRAVEL_SERVERS` names another place. Where one is
//! missing its tests are left out and say so; with `TIMETRAVEL_STRICT=1` they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use datafusion_timetravel::store::Store;
use datafusion_timetravel::{TimeTravel, TimeTravelBuilder};

use super::http::send;

/// Azurite's account and key, which are the same everywhere.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// What kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    S3,
    Azure,
    Google,
    /// An S3 server that ignores conditions.
    Unsafe,
}

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    children: Vec<Child>,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where servers are installed.
fn installed() -> PathBuf {
    if let Some(named) = std::env::var_os("TIMETRAVEL_SERVERS") {
        return named.into();
    }
    // <target>/debug/deps/it-…
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().nth(3).unwrap().join("servers")
}

/// The first file of this name below a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).ok()?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name() == name {
                return Some(path);
            }
        }
    }
    None
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(program: &Path, arguments: &[&str], folder: &tempfile::TempDir) -> Option<Child> {
    let mut command = Command::new(program);
    command.current_dir(folder.path()).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().ok()
}

/// Waits until the server answers anything.
fn wait(address: SocketAddr) {
    let begun = Instant::now();
    loop {
        let head = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        if TcpStream::connect(address).is_ok() && send(address, &head, b"").is_ok() {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the server at {address} does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ask(address: SocketAddr, request: &str, body: &str) {
    let head = format!(
        "{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (status, answer) = send(address, &head, body.as_bytes()).unwrap();
    assert!(status < 300, "{request}: {}", String::from_utf8_lossy(&answer));
}

/// Starts a server that has an empty bucket or container `bucket`; none where it is not installed.
pub fn start(kind: Kind) -> Option<Server> {
    let server = try_start(kind);
    if server.is_none() {
        let message = format!("no server for {kind:?} in {}: cargo xtask servers installs it", installed().display());
        assert!(std::env::var_os("TIMETRAVEL_STRICT").is_none_or(|strict| strict != "1"), "{message}");
        eprintln!("SKIPPED: {message}");
    }
    server
}

fn try_start(kind: Kind) -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let text = port.to_string();
    let python = installed().join("python/bin");
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stores");
    let mut children = vec![];
    match kind {
        Kind::S3 => {
            let program = stores.join("s3.py").to_string_lossy().into_owned();
            children.push(spawn(&python.join("python"), &[&program, &text], &folder)?);
            wait(address);
            ask(address, "PUT /bucket", "");
        }
        Kind::Azure => {
            let azurite = installed().join("node/node_modules/.bin/azurite-blob");
            let arguments = ["--blobHost", "127.0.0.1", "--blobPort", &text, "--inMemoryPersistence", "--silent"];
            let more = ["--disableTelemetry", "--skipApiVersionCheck"];
            children.push(spawn(&azurite, &[&arguments[..], &more[..]].concat(), &folder)?);
            wait(address);
            let made =
                Command::new(python.join("python")).arg(stores.join("container.py")).args([&text, "bucket"]).status();
            assert!(made.ok()?.success(), "no container could be made");
        }
        Kind::Google => {
            let program = find(&installed().join("python/lib"), "fake-gcs-server-linux-amd64")?;
            let upstream = free_port();
            let (own, public) = (upstream.to_string(), format!("127.0.0.1:{upstream}"));
            let url = format!("http://{public}");
            let arguments = ["-scheme", "http", "-host", "127.0.0.1", "-port", &own, "-backend", "memory"];
            let more = ["-public-host", &public, "-external-url", &url];
            children.push(spawn(&program, &[&arguments[..], &more[..]].concat(), &folder)?);
            let upstream = SocketAddr::from(([127, 0, 0, 1], upstream));
            wait(upstream);
            ask(upstream, "POST /storage/v1/b?project=p", "{\"name\":\"bucket\"}");
            let shim = stores.join("gcsshim.py").to_string_lossy().into_owned();
            children.push(spawn(&python.join("python"), &[&shim, &text, &own], &folder)?);
            wait(address);
        }
        Kind::Unsafe => {
            std::fs::create_dir(folder.path().join("bucket")).unwrap();
            let root = folder.path().to_string_lossy().into_owned();
            let arguments = ["serve", "s3", "--addr", &address.to_string(), "--auth-key", "test,testtest", &root];
            children.push(spawn(&python.join("rclone"), &arguments, &folder)?);
            wait(address);
        }
    }
    Some(Server { kind, address, children, _folder: folder })
}

/// How a client reaches a server of the kind, directly or through a proxy.
pub fn options(kind: Kind, address: SocketAddr) -> Vec<(&'static str, String)> {
    match kind {
        Kind::S3 | Kind::Unsafe => vec![
            ("aws_endpoint", format!("http://{address}")),
            ("aws_allow_http", "true".to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", "test".to_owned()),
            ("aws_secret_access_key", "testtest".to_owned()),
        ],
        Kind::Azure => vec![
            ("azure_storage_endpoint", format!("http://{address}/{ACCOUNT}")),
            ("azure_storage_account_name", ACCOUNT.to_owned()),
            ("azure_storage_account_key", ACCOUNT_KEY.to_owned()),
            ("azure_allow_http", "true".to_owned()),
        ],
        Kind::Google => {
            let key = serde_json::json!({
                "gcs_base_url": format!("http://{address}"), "disable_oauth": true,
                "client_email": "", "private_key": "", "private_key_id": "",
            });
            vec![("google_service_account_key", key.to_string())]
        }
    }
}

/// The root of a warehouse in the bucket.
pub fn url(kind: Kind, lake: &str) -> String {
    match kind {
        Kind::S3 | Kind::Unsafe => format!("s3://bucket/{lake}"),
        Kind::Azure => format!("az://bucket/{lake}"),
        Kind::Google => format!("gs://bucket/{lake}"),
    }
}

/// The store under a prefix of the bucket.
pub fn store(kind: Kind, address: SocketAddr, lake: &str) -> Store {
    let options = options(kind, address).into_iter().map(|(key, value)| (key.to_owned(), value));
    Store::open(&url(kind, lake), options).unwrap()
}

/// A warehouse there.
pub fn builder(kind: Kind, address: SocketAddr, lake: &str) -> TimeTravelBuilder {
    let mut builder = TimeTravel::builder(&url(kind, lake));
    for (key, value) in options(kind, address) {
        builder = builder.option(key, value);
    }
    builder
}
