//! `GET /metrics` for Prometheus.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use telemetry::metrics::{Metrics, TEXT_FORMAT};
use telemetry::snapshot::Snapshot;
use tokio::net::TcpListener;
use view::answer::ControlError;

use crate::Control;

/// Answers scrapes for ever.
pub(super) async fn serve(listener: TcpListener, control: Control, metrics: Metrics) {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/", get(async || "quadspan: metrics are at /metrics\n"))
        .with_state((control, metrics));
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "metrics listener failed; restart the router to be scraped again");
    }
}

async fn scrape(State((control, metrics)): State<(Control, Metrics)>) -> Response {
    let Ok(snapshot) = look(&control).await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the router is stopping\n").into_response();
    };
    match metrics.text(&snapshot) {
        Ok(body) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Asks for everything once.
async fn look(control: &Control) -> Result<Snapshot, ControlError> {
    Ok(Snapshot {
        status: control.status().await?,
        fib: control.fib().await?,
        flows: control.flows().await?,
        strangers: control.strangers().await?,
        engine: control.engine_counters(),
        bfd: control.bfd().await?,
        connections: control.connections().await?,
        policies: control.policies(),
        pools: control.pools(),
    })
}
