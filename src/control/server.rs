//! The answering side of the control socket.

mod connections;
mod explain;

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Path as Segment, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};

use view::answer::{ControlError, Message, Refusal};

use crate::Control;

/// Only the owner, root, may talk to a router.
const SOCKET_MODE: u32 = 0o600;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Somebody answers at the path already.
    #[error("{}: another router answers here; give each router its own `api: {{socket: ..}}`", .0.display())]
    InUse(PathBuf),
    /// The path can't be used.
    #[error("{}: {error}; choose another path with `router: {{api: {{socket: ..}}}}`", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// The system's answer.
        error: std::io::Error,
    },
}

/// A control socket's file; gone with this value.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// Opens the socket, replacing one that a crash left behind.
///
/// # Errors
/// [`ServeError`].
pub(crate) async fn bind(path: &Path) -> Result<(UnixListener, SocketFile), ServeError> {
    let fail = |error| ServeError::Path { path: path.to_owned(), error };
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory).map_err(fail)?;
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(ServeError::InUse(path.to_owned()));
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(fail(std::io::Error::new(
                std::io::ErrorKind::AlreadyExists,
                "something else than a socket is here",
            )));
        }
        Ok(_) => std::fs::remove_file(path).map_err(fail)?,
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(fail)?;
    let file = SocketFile(path.to_owned());
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE)).map_err(fail)?;
    Ok((listener, file))
}

/// Answers for ever.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(listener: UnixListener, control: Control) -> std::io::Result<()> {
    let router = Router::new()
        .route("/v1/status", get(async |State(c): State<Control>| answer(c.status().await)))
        .route("/v1/tunnels", get(async |State(c): State<Control>| answer(c.tunnels().await)))
        .route("/v1/peers", get(async |State(c): State<Control>| answer(c.peers().await)))
        .route("/v1/bfd", get(async |State(c): State<Control>| answer(c.bfd().await)))
        .route("/v1/pools", get(async |State(c): State<Control>| Json(c.pools())))
        .route("/v1/static", get(async |State(c): State<Control>| answer(c.statics().await)))
        .route("/v1/flows", get(async |State(c): State<Control>| answer(c.flows().await)))
        .route("/v1/routes", get(routes))
        .route("/v1/strangers", get(async |State(c): State<Control>| answer(c.strangers().await)))
        .route("/v1/fib", get(async |State(c): State<Control>| answer(c.fib().await)))
        .route("/v1/reload", post(async |State(c): State<Control>| act(c.reload().await)))
        .route(
            "/v1/tunnels/{name}/reset",
            post(async |State(c): State<Control>, Segment(name): Segment<String>| act(c.reset_tunnel(&name).await)),
        )
        .route(
            "/v1/tunnels/{name}/rekey/child",
            post(async |State(c): State<Control>, Segment(name): Segment<String>| act(c.rekey_child(&name).await)),
        )
        .route(
            "/v1/tunnels/{name}/rekey/ike",
            post(async |State(c): State<Control>, Segment(name): Segment<String>| act(c.rekey_ike(&name).await)),
        )
        .route(
            "/v1/peers/{name}/reset",
            post(async |State(c): State<Control>, Segment(name): Segment<String>, Query(query): Query<ResetQuery>| {
                act(reset_peer(&c, &name, query).await)
            }),
        )
        .route(
            "/v1/peers/{name}/shutdown",
            post(async |State(c): State<Control>, Segment(name): Segment<String>, Query(query): Query<ResetQuery>| {
                act(c.shut_down_peer(&name, query.reason.unwrap_or_default()).await)
            }),
        )
        .route(
            "/v1/peers/{name}/enable",
            post(async |State(c): State<Control>, Segment(name): Segment<String>| act(c.enable_peer(&name).await)),
        )
        .merge(explain::routes())
        .merge(connections::routes())
        .fallback(async || {
            refuse(StatusCode::NOT_FOUND, "no such request".into(), "use a `quadspan` of the router's version".into())
        })
        .with_state(control);
    axum::serve(listener, router).await
}

/// How to reset a session.
#[derive(Deserialize)]
struct ResetQuery {
    /// For the peer's operator.
    reason: Option<String>,
    /// Without ending it: `in`, `out` or `both`.
    soft: Option<Soft>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Soft {
    In,
    Out,
    Both,
}

async fn reset_peer(control: &Control, name: &str, query: ResetQuery) -> Result<String, ControlError> {
    match query.soft {
        None => control.reset_peer(name, query.reason.unwrap_or_default()).await,
        Some(Soft::In) => control.soft_reset_peer(name, true, false).await,
        Some(Soft::Out) => control.soft_reset_peer(name, false, true).await,
        Some(Soft::Both) => control.soft_reset_peer(name, true, true).await,
    }
}

#[derive(Deserialize)]
struct RouteQuery {
    prefix: Option<IpNet>,
}

async fn routes(State(control): State<Control>, Query(query): Query<RouteQuery>) -> Response {
    answer(control.routes(query.prefix).await)
}

pub(super) fn answer<V: Serialize>(view: Result<V, ControlError>) -> Response {
    match view {
        Ok(view) => Json(view).into_response(),
        Err(error) => refused(&error),
    }
}

pub(super) fn act(done: Result<String, ControlError>) -> Response {
    answer(done.map(|message| Message { message }))
}

pub(super) fn refuse(status: StatusCode, error: String, remedy: String) -> Response {
    (status, Json(Refusal { error, remedy })).into_response()
}

fn refused(error: &ControlError) -> Response {
    let status = match error {
        ControlError::NoTunnel { .. }
        | ControlError::NoSession { .. }
        | ControlError::NoSuchSession { .. }
        | ControlError::NoConnection { .. }
        | ControlError::NoRoute { .. } => StatusCode::NOT_FOUND,
        ControlError::Probe(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ControlError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        ControlError::NotUp { .. } | ControlError::NotSwitched { .. } => StatusCode::CONFLICT,
        ControlError::PartlyApplied { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        ControlError::Configuration { .. } | ControlError::Apply { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    };
    refuse(status, error.to_string(), error.remedy())
}
