//! Questions over HTTP inside a namespace: one request, one connection, the body.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::namespace::Namespace;
use super::{LabError, Result, ensure};

const PATIENCE: Duration = Duration::from_secs(10);

impl Namespace {
    /// The body of `GET path` at `server`, which listens inside.
    ///
    /// # Errors
    /// When nobody answers, or not with 200.
    pub fn http_get(&self, server: SocketAddr, path: &str) -> Result<String> {
        let answer = self.enter(|| ask(server, path))?.map_err(LabError::io(format!("get http://{server}{path}")))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        ensure(status.contains(" 200 "), &format!("http://{server}{path} answers with 200"), || {
            format!("{status}: {body}")
        })?;
        Ok(body.to_owned())
    }
}

/// HTTP/1.0: the answer ends with the connection and comes in one piece.
fn ask(server: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A text as part of a query (RFC 3986 2.1).
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(octet.into()),
            _ => encoded += &format!("%{octet:02X}"),
        }
    }
    encoded
}
