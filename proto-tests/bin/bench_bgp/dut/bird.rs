//! BIRD's configuration.

use std::fmt::Write as _;

use super::Duty;
use crate::site::{HOLD, RECEIVER, ROUTER_ASN, ROUTER_ID, Seat};

pub(crate) fn configuration(duty: Duty, med: Option<u32>) -> String {
    let mut text = format!("log stderr all;\nrouter id {ROUTER_ID};\nprotocol device {{ scan time 10; }}\n");
    if duty == Duty::Forward {
        text += "protocol kernel { merge paths on limit 16; ipv4 { import none; export where source = RTS_BGP; }; }\n";
    }
    for seat in Seat::all() {
        let export = match (duty, med) {
            (Duty::Forward, _) => "none".to_owned(),
            (Duty::Reflect, Some(med)) if seat == RECEIVER => format!("filter {{ bgp_med = {med}; accept; }}"),
            (Duty::Reflect, _) => "all".to_owned(),
        };
        let _infallible = writeln!(
            text,
            "protocol bgp peer{} {{ local {} as {ROUTER_ASN}; neighbor {} as {}; direct; check link yes; passive yes; \
             hold time {HOLD}; ipv4 {{ import all; export {export}; }}; }}",
            seat.0,
            seat.router_address(),
            seat.address(),
            seat.asn(duty)
        );
    }
    text
}
