//! As much of an HTTP server as tests of clients need: requests are read whole, answers are bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// Lines of the head after the first, without their ends.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The target with its escapes undone.
    pub fn path(&self) -> String {
        let mut parts = self.target.split('%');
        let mut path = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                Some(byte) => path.extend([char::from(byte).to_string().as_str(), &part[2..]]),
                None => path.extend(["%", part]),
            }
        }
        path
    }

    /// The head as it came.
    pub fn head(&self) -> String {
        format!("{} {} HTTP/1.1\r\n{}\r\n\r\n", self.method, self.target, self.headers.join("\r\n"))
    }
}

/// What a server does with a request.
#[derive(Debug)]
pub enum Reply {
    /// Sends these bytes, and keeps the connection.
    Send(Vec<u8>),
    /// Closes the connection without an answer.
    Close,
}

/// An answer with a body.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len()).into_bytes();
    for (key, value) in headers {
        bytes.extend_from_slice(format!("{key}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    Reply::Send(bytes)
}

fn read_lines(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut lines = vec![];
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end_matches(['\r', '\n']) {
            "" => return Some(lines),
            line => lines.push(line.to_owned()),
        }
    }
}

fn chunked(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = vec![];
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim().split(';').next()?, 16).ok()?;
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let lines = read_lines(reader)?;
    let (first, headers) = lines.split_first()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, target, headers: headers.to_vec(), body: vec![] };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// Serves on a free port of the loopback until the process ends.
pub fn serve(handle: impl Fn(Request) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let handle = Arc::clone(&handle);
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while let Some(request) = read_request(&mut reader) {
                    match handle(request) {
                        Reply::Send(bytes) if reader.get_mut().write_all(&bytes).is_ok() => {}
                        _ => break,
                    }
                }
            });
        }
    });
    address
}

/// Sends a request on a connection of its own, and gives the status and the answer as it came.
pub fn send(to: SocketAddr, head: &str, body: &[u8]) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut reader = BufReader::new(stream);
    let lost = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let lines = read_lines(&mut reader).ok_or_else(lost)?;
    let status: u16 = lines[0].split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(lost)?;
    let header = |name: &str| {
        let found =
            lines.iter().filter_map(|line| line.split_once(':')).find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    let mut bytes = vec![];
    if head.starts_with("HEAD ") || matches!(status, 204 | 304) {
        // Nothing follows, whatever the length says.
    } else if header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        bytes = chunked(&mut reader).ok_or_else(lost)?;
    } else if let Some(length) = header("content-length") {
        bytes.resize(length.parse().map_err(|_| lost())?, 0);
        reader.read_exact(&mut bytes)?;
    } else {
        reader.read_to_end(&mut bytes)?;
    }
    let mut answer = lines[0].clone().into_bytes();
    let mut length = bytes.len().to_string();
    for line in &lines[1..] {
        let key = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match key.as_str() {
            "content-length" if head.starts_with("HEAD ") => length = line.split_once(':').unwrap().1.trim().to_owned(),
            "content-length" | "transfer-encoding" | "connection" | "keep-alive" => {}
            _ => answer.extend_from_slice(format!("\r\n{line}").as_bytes()),
        }
    }
    if !matches!(status, 204 | 304) {
        answer.extend_from_slice(format!("\r\nContent-Length: {length}").as_bytes());
    }
    answer.extend_from_slice(b"\r\n\r\n");
    answer.extend_from_slice(&bytes);
    Ok((status, answer))
}
