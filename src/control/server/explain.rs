//! Requests about routes and policies.

use axum::Router;
use axum::extract::{Path as Segment, Query, State};
use axum::response::{Json, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::{act, answer, refuse};
use crate::Control;
use crate::ask::Destination;
use view::policy::ProbeView;

/// All of them.
pub(super) fn routes() -> Router<Control> {
    Router::new()
        .route("/v1/route", get(route))
        .route("/v1/peers/{name}/received", get(received))
        .route("/v1/peers/{name}/advertised", get(advertised))
        .route("/v1/peers/{name}/drain", post(drain))
        .route("/v1/peers/{name}/undrain", post(undrain))
        .route("/v1/policies", get(async |State(control): State<Control>| Json(control.policies())))
        .route("/v1/policies/{name}/test", get(dry_run))
}

#[derive(Deserialize)]
struct To {
    to: String,
}

async fn route(State(control): State<Control>, Query(To { to }): Query<To>) -> Response {
    match to.parse::<Destination>() {
        Ok(destination) => answer(control.route(destination).await),
        Err(error) => refuse(axum::http::StatusCode::BAD_REQUEST, error, "give `10.2.0.0/16` or `10.2.3.4`".into()),
    }
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    rejected: bool,
}

async fn received(
    State(control): State<Control>,
    Segment(name): Segment<String>,
    Query(Which { rejected }): Query<Which>,
) -> Response {
    answer(control.received(&name, rejected).await)
}

async fn advertised(
    State(control): State<Control>,
    Segment(name): Segment<String>,
    Query(Which { rejected }): Query<Which>,
) -> Response {
    answer(control.advertised(&name, rejected).await)
}

async fn drain(State(control): State<Control>, Segment(name): Segment<String>) -> Response {
    act(control.drain(&name, true).await)
}

async fn undrain(State(control): State<Control>, Segment(name): Segment<String>) -> Response {
    act(control.drain(&name, false).await)
}

async fn dry_run(
    State(control): State<Control>,
    Segment(name): Segment<String>,
    Query(probe): Query<ProbeView>,
) -> Response {
    answer(control.dry_run(&name, &probe))
}
