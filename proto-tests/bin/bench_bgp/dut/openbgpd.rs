//! OpenBGPD's configuration.

use std::fmt::Write as _;

use super::Duty;
use crate::site::{HOLD, RECEIVER, ROUTER_ASN, ROUTER_ID, Seat};

pub(crate) fn configuration(med: Option<u32>) -> String {
    let mut text = format!("AS {ROUTER_ASN}\nrouter-id {ROUTER_ID}\nfib-update no\nholdtime {HOLD}\n");
    for seat in Seat::all() {
        let _infallible =
            writeln!(text, "neighbor {} {{\n remote-as {}\n passive\n}}", seat.address(), seat.asn(Duty::Reflect));
    }
    text += "allow from any\nallow to any\n";
    if let Some(med) = med {
        let _infallible = writeln!(text, "match to {} set {{ med {med} }}", RECEIVER.address());
    }
    text
}
