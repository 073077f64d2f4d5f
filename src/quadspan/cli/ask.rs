//! Commands that ask a running router.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use ipnet::IpNet;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::refusal::refuse;
use super::{AskArgs, OutputFormat, flows, neighbors, print, render};
use view::client::{AskError, Client};
use view::{FlowView, PeerView, RouteView, StaticView, TunnelView};

/// Where routers put their control sockets.
const SOCKET_DIRECTORY: &str = "/run/quadspan";

pub(super) fn tunnels(args: &AskArgs) -> ExitCode {
    show(args, "/v1/tunnels", |view: &Vec<TunnelView>| render::tunnels(view))
}

pub(super) fn peers(args: &AskArgs) -> ExitCode {
    show(args, "/v1/peers", |view: &Vec<PeerView>| render::peers(view))
}

pub(super) fn bfd(args: &AskArgs) -> ExitCode {
    show(args, "/v1/bfd", render::bfd)
}

pub(super) fn statics(args: &AskArgs) -> ExitCode {
    show(args, "/v1/static", |view: &Vec<StaticView>| render::statics(view))
}

pub(super) fn flows(args: &AskArgs) -> ExitCode {
    show(args, "/v1/flows", |view: &Vec<FlowView>| flows::flows(view))
}

pub(super) fn routes(args: &AskArgs, prefix: Option<IpNet>) -> ExitCode {
    let path = match prefix {
        Some(prefix) => format!("/v1/routes?prefix={prefix}"),
        None => "/v1/routes".to_owned(),
    };
    show(args, &path, |view: &Vec<RouteView>| render::routes(view))
}

pub(super) fn neighbors(args: &AskArgs, which: Option<&str>) -> ExitCode {
    show(args, "/v1/peers", |view: &Vec<PeerView>| neighbors::neighbors(view, which))
}

pub(super) fn fib(args: &AskArgs) -> ExitCode {
    show(args, "/v1/fib", render::fib)
}

pub(super) fn strangers(args: &AskArgs) -> ExitCode {
    show(args, "/v1/strangers", render::strangers)
}

/// Asks for an action and prints what the router says about it.
pub(super) fn post(args: &AskArgs, path: &str) -> ExitCode {
    finish(args.output, client(args).and_then(|client| client.post(path)), |message| match args.output {
        OutputFormat::Table => message.message.clone(),
        OutputFormat::Json => json(message),
    })
}

pub(super) fn show<V>(args: &AskArgs, path: &str, table: impl FnOnce(&V) -> String) -> ExitCode
where
    V: DeserializeOwned + Serialize,
{
    finish(args.output, client(args).and_then(|client| client.get::<V>(path)), |view| {
        let rendered = table(view);
        match args.output {
            OutputFormat::Table => rendered,
            OutputFormat::Json => json(view),
        }
    })
}

pub(super) fn finish<V>(
    output: OutputFormat,
    answer: Result<V, AskError>,
    text: impl FnOnce(&V) -> String,
) -> ExitCode {
    match answer {
        Ok(view) => {
            print(&text(&view));
            ExitCode::SUCCESS
        }
        Err(error) => {
            refuse(output, &error, error.remedy());
            ExitCode::FAILURE
        }
    }
}

pub(super) fn json<V: Serialize>(view: &V) -> String {
    serde_json::to_string_pretty(view).expect("views have string keys and no failing serialisers")
}

pub(super) fn client(args: &AskArgs) -> Result<Client, AskError> {
    match &args.socket {
        Some(socket) => Ok(Client::new(socket.clone())),
        None => only_socket().map(Client::new),
    }
}

/// The socket of the only router on this machine.
fn only_socket() -> Result<PathBuf, AskError> {
    let mut sockets: Vec<PathBuf> = match std::fs::read_dir(SOCKET_DIRECTORY) {
        Ok(entries) => entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(AskError::Connect { socket: SOCKET_DIRECTORY.into(), error }),
    };
    sockets.retain(|path| path.extension().is_some_and(|extension| extension == "sock"));
    sockets.sort();
    match sockets.as_slice() {
        [socket] => Ok(socket.clone()),
        [] => Err(AskError::NoRouter { directory: SOCKET_DIRECTORY.into() }),
        _ => Err(AskError::ManyRouters { sockets }),
    }
}
