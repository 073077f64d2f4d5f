//! The asking side of the control socket.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::answer::{Message, Refusal};

/// How long a router may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Why a router did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No control socket to choose.
    #[error("no control socket in {}", directory.display())]
    NoRouter {
        /// Where routers put their sockets.
        directory: PathBuf,
    },
    /// More than one control socket to choose from.
    #[error("several routers run here: {}", sockets.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    ManyRouters {
        /// Their sockets.
        sockets: Vec<PathBuf>,
    },
    /// The socket can't be opened.
    #[error("{}: {error}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// The system's answer.
        error: std::io::Error,
    },
    /// The conversation broke off.
    #[error("the router at {} gave no proper answer: {error}", socket.display())]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What happened.
        error: String,
    },
    /// The router said no.
    #[error("{}", .0.error)]
    Refused(Refusal),
}

impl AskError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        match self {
            Self::NoRouter { .. } => "start one with `quadspan run FILE`, or name its socket with `--socket`",
            Self::ManyRouters { .. } => "name one with `--socket`",
            Self::Connect { error, .. } if error.kind() == std::io::ErrorKind::PermissionDenied => "run as root",
            Self::Connect { .. } => "check that the router runs and that its `api: {socket: ..}` is this path",
            Self::Broken { .. } => "look at the router's log; restart it if it hangs",
            Self::Refused(refusal) => &refusal.remedy,
        }
    }
}

/// One router's control socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Of the router that listens at `socket`.
    #[must_use]
    pub const fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Reads a view.
    ///
    /// # Errors
    /// Any [`AskError`] but the first two; so for [`Client::post`].
    pub fn get<V: DeserializeOwned>(&self, path: &str) -> Result<V, AskError> {
        self.ask(Method::GET, path)
    }

    /// Asks for an action.
    pub fn post(&self, path: &str) -> Result<Message, AskError> {
        self.ask(Method::POST, path)
    }

    fn ask<V: DeserializeOwned>(&self, method: Method, path: &str) -> Result<V, AskError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| self.broken(&error))?;
        runtime.block_on(async {
            let stream = UnixStream::connect(&self.socket)
                .await
                .map_err(|error| AskError::Connect { socket: self.socket.clone(), error })?;
            let (status, body) = tokio::time::timeout(ANSWER_WITHIN, exchange(stream, method, path))
                .await
                .map_err(|error| self.broken(&error))?
                .map_err(|error| self.broken(&error))?;
            if status.is_success() {
                return serde_json::from_slice(&body).map_err(|error| self.broken(&error));
            }
            let refusal = serde_json::from_slice(&body).map_err(|error| self.broken(&error))?;
            Err(AskError::Refused(refusal))
        })
    }

    fn broken(&self, error: &dyn std::fmt::Display) -> AskError {
        AskError::Broken { socket: self.socket.clone(), error: error.to_string() }
    }
}

/// A name, or what else somebody wrote, as a part of a path or of a query (RFC 3986 2.1, 2.3).
#[must_use]
pub fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, octet| {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b'~') {
            out.push(char::from(octet));
        } else {
            let _infallible = write!(out, "%{octet:02X}");
        }
        out
    })
}

async fn exchange(
    stream: UnixStream,
    method: Method,
    path: &str,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error>> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder().method(method).uri(path).header("host", "quadspan").body(Empty::<Bytes>::new())?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    Ok((status, answer.into_body().collect().await?.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_survives_the_way_to_the_router() {
        assert_eq!(encoded("back at 9, \u{fc}ber & out"), "back%20at%209%2C%20%C3%BCber%20%26%20out");
        assert_eq!(encoded("a/../b?c#d%e"), "a%2F..%2Fb%3Fc%23d%25e");
        assert_eq!(encoded("aws-1_x.y~z"), "aws-1_x.y~z");
    }
}
