//! Commands for one BGP session.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{AskArgs, ask};

#[derive(Debug, Subcommand)]
pub(super) enum Session {
    /// Keep a session down until it is enabled (Cease, administrative shutdown).
    Shutdown {
        /// The session's name: its tunnel's or its neighbour's.
        name: String,
        /// A text for the peer's operator (RFC 9003).
        #[arg(short, long, default_value = "")]
        reason: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Open a session again that was shut down.
    Enable {
        /// The session's name.
        name: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// End a session and open it again (Cease, administrative reset), or only exchange routes again.
    Reset {
        /// The session's name.
        name: String,
        /// Do not end it: ask for the peer's routes again, announce ours again, or both.
        #[arg(long, value_enum)]
        soft: Option<Soft>,
        /// A text for the peer's operator (RFC 9003).
        #[arg(short, long, default_value = "", conflicts_with = "soft")]
        reason: String,
        #[command(flatten)]
        ask: AskArgs,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Soft {
    In,
    Out,
    Both,
}

pub(super) fn execute(command: &Session) -> ExitCode {
    match command {
        Session::Shutdown { name, reason, ask } => {
            ask::post(ask, &format!("/v1/peers/{name}/shutdown?reason={}", escaped(reason)))
        }
        Session::Enable { name, ask } => ask::post(ask, &format!("/v1/peers/{name}/enable")),
        Session::Reset { name, soft: None, reason, ask } => {
            ask::post(ask, &format!("/v1/peers/{name}/reset?reason={}", escaped(reason)))
        }
        Session::Reset { name, soft: Some(soft), ask, .. } => {
            let soft = match soft {
                Soft::In => "in",
                Soft::Out => "out",
                Soft::Both => "both",
            };
            ask::post(ask, &format!("/v1/peers/{name}/reset?soft={soft}"))
        }
    }
}

/// As a part of a query (RFC 3986 2.1).
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, octet| {
        if octet.is_ascii_alphanumeric() {
            out.push(char::from(octet));
        } else {
            let _ = write!(out, "%{octet:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_survives_the_way_to_the_router() {
        assert_eq!(escaped("back at 9, \u{fc}ber & out"), "back%20at%209%2C%20%C3%BCber%20%26%20out");
    }
}
