//! No credential from the environment comes out of the shell, whatever a server sends back and however much is logged.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::Place;

/// A server that refuses everything with all that it got.
fn mirror() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                let body = format!("<Error><Code>Odd</Code><Message>{head}</Message></Error>");
                let answer = format!(
                    "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = reader.get_mut().write_all(answer.as_bytes());
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn credentials_of_the_environment_are_never_printed() {
    let endpoint = mirror();
    let key = "Q0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZQ0FOQVJZ";
    let google = format!(
        "{{\"gcs_base_url\": \"{endpoint}\", \"disable_oauth\": true, \"client_email\": \"CANARY@x\", \
        \"private_key\": \"CANARYprivate\", \"private_key_id\": \"CANARYid\"}}"
    );
    let place = Place::new();
    let file = place.path().join("google.json");
    std::fs::write(&file, &google).unwrap();
    let environment = [
        ("AWS_ENDPOINT", endpoint.clone()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "CANARYkeyid".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "CANARY/secret+key=".to_owned()),
        ("AWS_SESSION_TOKEN", "CANARY/session+token==".to_owned()),
        ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_owned()),
        ("AZURE_STORAGE_ACCOUNT_KEY", key.to_owned()),
        ("AZURE_STORAGE_ENDPOINT", format!("{endpoint}/account")),
        ("AZURE_ALLOW_HTTP", "true".to_owned()),
        ("GOOGLE_SERVICE_ACCOUNT_KEY", google),
        ("RUST_LOG", "datafusion_timetravel=trace,timetravel_cli=trace,object_store=trace".to_owned()),
    ];
    let mut calls = 0;
    for root in ["s3://bucket/lake", "az://container/lake", "gs://bucket/lake", "s3://CANARY:CANARY@bucket/lake"] {
        for sql in
            ["CREATE TABLE t (k BIGINT)", "SHOW ALL", "EXPLAIN SELECT 1", "COPY (SELECT 1) TO 's3://bucket/x.csv'"]
        {
            calls += 1;
            let output = place.shell(&["--warehouse", root, "-c", sql]).envs(environment.clone()).output().unwrap();
            for text in [output.stdout, output.stderr] {
                let text = String::from_utf8_lossy(&text).into_owned();
                assert!(!text.contains("CANARY") && !text.contains(&key[..20]), "{root}, {sql}: {text}");
            }
        }
    }
    // Credentials as options of a statement that fails.
    let sql = "CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION 's3://bucket/x' OPTIONS ('aws.secret_access_key' 'CANARYsecret', 'aws.access_key_id' 'CANARYid', 'aws.oddity' 'CANARY')";
    let output = place.shell(&["-c", sql, "-c", "SHOW ALL"]).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(!text.contains("CANARY"), "{text}");
    let history = place
        .shell(&["-c", "CREATE TABLE t (k BIGINT)", "-c", "SELECT * FROM history('t')"])
        .envs(environment)
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&history.stdout).contains("CANARY"));
    assert_eq!(calls, 16);
}
