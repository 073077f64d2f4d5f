//! GoBGP's configuration.

use std::fmt::Write as _;

use super::Duty;
use crate::site::{HOLD, ROUTER_ASN, ROUTER_ID, Seat};

pub(crate) fn configuration() -> String {
    let mut text = format!(
        "[global.config]\nas = {ROUTER_ASN}\nrouter-id = \"{ROUTER_ID}\"\n[global.route-selection-options.config]\n\
                 external-compare-router-id = true\n"
    );
    for seat in Seat::all() {
        let _infallible = write!(
            text,
            "[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{}\"\npeer-as = {}\n\
             [neighbors.transport.config]\npassive-mode = true\n[neighbors.timers.config]\nhold-time = {HOLD}\n\
             keepalive-interval = {}\n",
            seat.address(),
            seat.asn(Duty::Reflect),
            HOLD / 3
        );
    }
    text
}
