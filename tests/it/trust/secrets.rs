//! Secrets (T10): every credential is a canary, servers send all that they got back in their answers, and no text that
//! comes out of this crate may hold a canary: errors, traces at TRACE, EXPLAIN, Debug, history, files of the warehouse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion_timetravel::TimeTravel;
use datafusion_timetravel::store::Store;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::http::{Reply, Request, answer, serve};
use super::report::report;
use crate::lake::Session;

/// What every canary holds; in Base64 too, and in what Base64 makes of them.
const CANARIES: [&str; 4] = ["CANARY", "Q0FOQVJZ", "NBTkFSW", "DQU5BUl"];

/// Everything that was traced on this thread.
#[derive(Debug, Clone, Default)]
struct Traced(Arc<Mutex<String>>);

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Traced {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Text(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Text(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        write!(text, "\n{} {}", event.metadata().level(), event.metadata().target()).unwrap();
        event.record(&mut Text(&mut text));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[track_caller]
fn clean(what: &str, text: &str) {
    for canary in CANARIES {
        if let Some(at) = text.find(canary) {
            let near: String = text.chars().skip(at.saturating_sub(200)).take(400).collect();
            panic!("{what} tells {canary}: …{near}…");
        }
    }
}

/// How a server fails.
const WAYS: [&str; 9] = ["403", "400", "404", "409", "412", "301", "200", "text", "close"];

/// A server that sends all that it got back, in the way that the path's last part before a `-` says.
fn mirror() -> SocketAddr {
    serve(|request: Request| {
        let echo = format!("{}\n{}", request.head(), String::from_utf8_lossy(&request.body));
        let xml = format!(
            "<?xml version=\"1.0\"?><Error><Code>Odd</Code><Message>{}</Message></Error>",
            echo.replace('&', "&amp;").replace('<', "&lt;")
        );
        let way = WAYS.iter().find(|way| request.target.contains(&format!("way-{way}"))).unwrap_or(&"403");
        let headers = [("Content-Type", "application/xml"), ("ETag", "\"x\"")];
        match *way {
            "403" => answer("403 Forbidden", &headers, xml.as_bytes()),
            "400" => answer("400 Bad Request", &headers, xml.as_bytes()),
            "404" => answer("404 Not Found", &headers, xml.as_bytes()),
            "409" => answer("409 Conflict", &headers, xml.as_bytes()),
            "412" => answer("412 Precondition Failed", &headers, xml.as_bytes()),
            "301" => {
                let to = "http://CANARYuser:CANARYpassword@127.0.0.1:1/x?sig=CANARYsignature";
                answer("301 Moved Permanently", &[("Location", to)], xml.as_bytes())
            }
            "200" => answer("200 OK", &headers, xml.as_bytes()),
            "text" => answer("403 No", &[("Content-Type", "text/plain")], echo.as_bytes()),
            _ => Reply::Close,
        }
    })
}

type Options = Vec<(&'static str, String)>;

/// Roots with options, of every cloud and every kind of credential.
fn clouds(server: SocketAddr) -> Vec<(&'static str, Options)> {
    let endpoint = format!("http://{server}");
    let with_user = format!("http://CANARYuser:CANARYpassword@{server}");
    let base64 = "Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ".to_owned();
    let s3 = |endpoint: &str, more: &[(&'static str, &str)]| -> Options {
        let mut options = vec![
            ("aws_endpoint", endpoint.to_owned()),
            ("aws_allow_http", "true".to_owned()),
            ("aws_region", "us-east-1".to_owned()),
            ("aws_access_key_id", "CANARYkeyid".to_owned()),
            ("aws_secret_access_key", "CANARY/secret+key=".to_owned()),
        ];
        options.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        options
    };
    let azure = |more: &[(&'static str, &str)]| -> Options {
        let mut options = vec![
            ("azure_storage_account_name", "account".to_owned()),
            ("azure_storage_endpoint", format!("{endpoint}/account")),
            ("azure_allow_http", "true".to_owned()),
        ];
        options.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        options
    };
    let google = serde_json::json!({
        "gcs_base_url": endpoint, "disable_oauth": true, "client_email": "CANARYmail@x",
        "private_key": "CANARYprivate", "private_key_id": "CANARYid",
    });
    vec![
        ("s3://bucket", s3(&endpoint, &[])),
        ("s3://bucket", s3(&endpoint, &[("aws_session_token", "CANARYsession/token==")])),
        ("s3://bucket", s3(&with_user, &[])),
        ("az://container", azure(&[("azure_storage_account_key", &base64)])),
        ("az://container", azure(&[("azure_storage_sas_key", "sv=2025-01-05&se=2030&sig=CANARY%2Bsignature%3D")])),
        ("az://container", azure(&[("azure_storage_token", "CANARY.bearer.token")])),
        ("gs://bucket", vec![("google_service_account_key", google.to_string())]),
    ]
}

fn options(of: &Options) -> Vec<(String, String)> {
    of.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(inner) = source {
        write!(text, " {inner} {inner:?}").unwrap();
        source = inner.source();
    }
    text
}

/// What one kind of credential meets at a server that fails in one way. Counts the errors.
async fn one_way(root: &str, of: &Options, way: &str) -> u64 {
    let mut errors = 0;
    let mut note = |what: &str, error: &(dyn std::error::Error + 'static)| {
        errors += 1;
        clean(what, &told(error));
    };
    let url = format!("{root}/way-{way}/lake");
    let what = format!("{url} with {:?}", of.last().unwrap().0);
    let store = match Store::open(&url, options(of)) {
        Ok(store) => store,
        Err(error) => {
            note(&what, &error);
            return errors;
        }
    };
    clean(&what, &format!("{store:?} {:?} {} {}", store.data_store(), store.data_store(), store.name()));
    let path = Path::from("tables/x");
    if let Err(error) = store.create(&path, Bytes::from_static(b"x")).await {
        note(&what, &error);
    }
    // A server that closes is asked again for minutes by the client of the data.
    if way == "close" {
        return errors;
    }
    for outcome in [
        store.read(&path).await.map(drop),
        store.read_range(&path, 0..10).await.map(drop),
        store.size(&path).await.map(drop),
        store.list(&path).await.map(drop),
        store.delete(&path).await,
        store.put_new(&path, Bytes::from_static(b"x")).await,
        store.ensure_safe().await,
    ] {
        if let Err(error) = outcome {
            note(&what, &error);
        }
    }
    let mut builder = TimeTravel::builder(&url);
    for (key, value) in options(of) {
        builder = builder.option(key, value);
    }
    clean(&what, &format!("{builder:?}"));
    match builder.build().await {
        Err(error) => note(&what, &error),
        Ok(tt) => {
            clean(&what, &format!("{tt:?} {:?}", tt.warehouse()));
            let session = Session::with(tt).await;
            for sql in ["CREATE TABLE t (k BIGINT)", "SELECT * FROM t", "SHOW HISTORY FOR TABLES"] {
                if let Err(error) = Box::pin(session.run(sql)).await {
                    note(&what, &error);
                }
            }
            clean(&what, &session.tt.warnings().join("\n"));
        }
    }
    errors
}

#[tokio::test]
async fn no_error_trace_or_debug_tells_a_credential() {
    let traced = Traced::default();
    let guard = tracing::subscriber::set_default(traced.clone());
    let server = mirror();
    let clouds = clouds(server);
    let cases = clouds.iter().flat_map(|(root, of)| WAYS.iter().map(move |way| one_way(root, of, way)));
    let mut errors: u64 = stream::iter(cases).buffer_unordered(32).collect::<Vec<_>>().await.into_iter().sum();
    // Options that are wrong themselves.
    for (root, key) in [
        ("s3://bucket/lake", "CANARY"),
        ("s3://CANARYuser:CANARYpassword@bucket/lake", "aws_region"),
        ("az://container/lake?sig=CANARY", "azure_storage_token"),
        ("gs://bucket/lake", "google_service_account_key"),
        ("s3://bucket/lake", "timeout"),
        ("s3://bucket/lake", "aws_imdsv1_fallback"),
        ("az://container/lake", "azure_storage_account_key"),
        ("az://container/lake", "azure_storage_sas_key"),
        ("memory://", "token"),
        ("./lake", "durability"),
    ] {
        if let Err(error) = Store::open(root, [(key.to_owned(), "CANARY \u{0} ==".to_owned())]) {
            errors += 1;
            clean(root, &told(&error).replace("'CANARY'", "").replace("\\'CANARY\\'", ""));
        }
    }
    drop(guard);
    let traced = traced.0.lock().unwrap().clone();
    // Our own events, and those of the client: what its transport says of the bytes on the wire is not ours to change.
    let lines: Vec<&str> =
        traced.lines().filter(|line| line.contains("timetravel") || line.contains("object_store")).collect();
    clean("a trace", &lines.join("\n"));
    assert!(errors >= 200, "only {errors} error paths");
    report("secrets", &[("error paths", errors), ("traced lines", lines.len() as u64), ("hits", 0)]);
}

/// A store whose names hold a password, as clients of an application might.
struct Loud(Arc<object_store::memory::InMemory>);

const LOUD: &str = "Client(https://user:CANARY@host/lake?sig=CANARY)";

impl std::fmt::Debug for Loud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(LOUD)
    }
}

impl std::fmt::Display for Loud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(LOUD)
    }
}

#[async_trait]
impl ObjectStore for Loud {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.0.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

/// What a session shows: plans, settings, histories, audit, and the files themselves.
#[tokio::test]
async fn no_plan_history_or_file_tells_a_credential() {
    let traced = Traced::default();
    let guard = tracing::subscriber::set_default(traced.clone());
    let objects = Arc::new(object_store::memory::InMemory::new());
    let session = Session::open(Arc::new(Loud(Arc::clone(&objects)))).await;
    let mut shown = String::new();
    for sql in [
        "CREATE TABLE t (k BIGINT PRIMARY KEY, v STRING)",
        "INSERT INTO t VALUES (1, 'a'), (2, 'b')",
        "INSERT INTO t VALUES (2, 'c')",
        "EXPLAIN SELECT * FROM t WHERE k > 1",
        "EXPLAIN VERBOSE SELECT * FROM t VERSION AS OF 2",
        "EXPLAIN ANALYZE VERBOSE SELECT * FROM t",
        "EXPLAIN ANALYZE INSERT INTO t VALUES (3, 'd')",
        "SHOW HISTORY FOR TABLE t",
        "SHOW HISTORY FOR TABLES",
        "SELECT * FROM history('t')",
        "DESC EXTENDED t",
        "SHOW ALL",
        "PURGE TABLE t",
        "VACUUM",
    ] {
        match Box::pin(session.run(sql)).await {
            Ok(rows) => shown.extend(rows),
            Err(error) => shown.push_str(&told(&error)),
        }
    }
    clean("a statement", &shown);
    let ctx = &session.ctx;
    let plan = ctx.sql("SELECT * FROM t").await.unwrap().create_physical_plan().await.unwrap();
    clean("a plan", &format!("{plan:?} {:?}", session.tt));
    drop(guard);
    let traced = std::mem::take(&mut *traced.0.lock().unwrap());
    clean("a trace", &traced.lines().filter(|line| line.contains("timetravel")).collect::<Vec<_>>().join("\n"));
    let metas: Vec<_> = objects.list(None).try_collect().await.unwrap();
    assert!(metas.len() > 4);
    for meta in metas {
        let bytes = objects.get(&meta.location).await.unwrap().bytes().await.unwrap();
        clean(meta.location.filename().unwrap(), &String::from_utf8_lossy(&bytes));
    }
}
