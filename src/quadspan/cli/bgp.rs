//! Commands for one BGP session.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{AskArgs, ask};
use view::client::encoded;

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
            ask::post(ask, &format!("/v1/peers/{}/shutdown?reason={}", encoded(name), encoded(reason)))
        }
        Session::Enable { name, ask } => ask::post(ask, &format!("/v1/peers/{}/enable", encoded(name))),
        Session::Reset { name, soft: None, reason, ask } => {
            ask::post(ask, &format!("/v1/peers/{}/reset?reason={}", encoded(name), encoded(reason)))
        }
        Session::Reset { name, soft: Some(soft), ask, .. } => {
            let soft = match soft {
                Soft::In => "in",
                Soft::Out => "out",
                Soft::Both => "both",
            };
            ask::post(ask, &format!("/v1/peers/{}/reset?soft={soft}", encoded(name)))
        }
    }
}
