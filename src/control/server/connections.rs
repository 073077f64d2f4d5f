//! Requests about connections.

use axum::Router;
use axum::extract::{Path as Segment, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;

use super::{act, answer};
use crate::Control;

/// All of them.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/v1/connections", get(async |State(c): State<Control>| answer(c.connections().await)))
        .route("/v1/connections/{name}/switch", post(switch))
        .route("/v1/connections/{name}/release", post(release))
}

#[derive(Deserialize)]
struct To {
    to: Option<String>,
}

async fn switch(
    State(control): State<Control>,
    Segment(name): Segment<String>,
    Query(To { to }): Query<To>,
) -> Response {
    act(control.switch_connection(&name, to.as_deref()).await)
}

async fn release(State(control): State<Control>, Segment(name): Segment<String>) -> Response {
    act(control.release_connection(&name).await)
}
