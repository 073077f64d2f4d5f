//! The router with those who answer for it.

use std::path::PathBuf;

use daemon::Signals;
use settings::Router;
use telemetry::metrics::Metrics;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use crate::server::{self, ServeError, SocketFile};
use crate::{Control, scrape};

/// Why the router could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No control socket.
    #[error("{0}")]
    Control(#[from] ServeError),
    /// The metrics address is not to be had.
    #[error("metrics on {address}: {error}")]
    Metrics {
        /// The configured address.
        address: std::net::SocketAddr,
        /// The system's answer.
        error: std::io::Error,
    },
    /// The router lacks something that it cannot be without.
    #[error(transparent)]
    Router(#[from] daemon::StartError),
}

impl StartError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Control(_) => "see the message".to_owned(),
            Self::Metrics { .. } => "choose another address with `router: {metrics: {listen: ..}}`".to_owned(),
            Self::Router(error) => error.remedy(),
        }
    }
}

/// Runs the router described by `router`, read from `file`, until a signal tells it to stop, and answers for it meanwhile.
///
/// # Errors
/// [`StartError`]; then nothing is left behind.
pub async fn run(file: PathBuf, router: Router) -> Result<(), StartError> {
    let signals = Signals::new()?;
    let doors = Doors::open(&router).await?;
    // Removed with this value, after the router.
    let _socket = doors.socket;
    let (commands, scrapes) = (doors.commands, doors.scrapes);
    let answer = |owners, metrics| answer(commands, scrapes, &Control { owners }, metrics);
    Ok(daemon::run(file, router, signals, answer).await?)
}

/// Where questions come in.
struct Doors {
    commands: UnixListener,
    socket: SocketFile,
    scrapes: Option<TcpListener>,
}

impl Doors {
    async fn open(router: &Router) -> Result<Self, StartError> {
        let (commands, socket) = server::bind(&router.api_socket).await?;
        Ok(Self { commands, socket, scrapes: metrics_listener(router).await? })
    }
}

async fn metrics_listener(router: &Router) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = router.metrics_listen else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => Err(StartError::Metrics { address, error }),
    }
}

/// Starts those who answer commands and scrapes.
fn answer(
    commands: UnixListener,
    scrapes: Option<TcpListener>,
    control: &Control,
    metrics: Metrics,
) -> Vec<JoinHandle<()>> {
    let answering = tokio::spawn(serve_control(commands, control.clone()));
    let scraped = scrapes.map(|at| tokio::spawn(scrape::serve(at, control.clone(), metrics)));
    [answering].into_iter().chain(scraped).collect()
}

async fn serve_control(listener: UnixListener, control: Control) {
    if let Err(error) = server::serve(listener, control).await {
        tracing::error!(%error, "control socket failed; restart the router to use the command line again");
    }
}
