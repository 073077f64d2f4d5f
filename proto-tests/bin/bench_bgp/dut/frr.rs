//! FRR's configuration.

use std::fmt::Write as _;

use super::Duty;
use crate::site::{HOLD, RECEIVER, ROUTER_ASN, ROUTER_ID, Seat};

/// Changes of route maps take effect when sessions are told to look again, not a while later.
pub(crate) fn configuration(duty: Duty) -> String {
    let mut text = format!(
        "bgp route-map delay-timer 0\nrouter bgp {ROUTER_ASN}\n bgp router-id {ROUTER_ID}\n no bgp ebgp-requires-policy\n \
         bgp bestpath compare-routerid\n"
    );
    let mut family = String::new();
    for seat in Seat::all() {
        let peer = seat.address();
        let _infallible = write!(
            text,
            " neighbor {peer} remote-as {}\n neighbor {peer} passive\n neighbor {peer} timers {} {HOLD}\n \
             neighbor {peer} advertisement-interval 0\n",
            seat.asn(duty),
            HOLD / 3
        );
        if duty == Duty::Forward {
            let _infallible = writeln!(family, "  neighbor {peer} route-map NONE out");
        } else if seat == RECEIVER {
            let _infallible = writeln!(family, "  neighbor {peer} route-map RECEIVER out");
        }
    }
    if duty == Duty::Forward {
        family += "  maximum-paths 16\n";
    }
    format!(
        "{text} address-family ipv4 unicast\n{family} exit-address-family\nroute-map NONE deny 10\n\
         route-map RECEIVER permit 10\n"
    )
}
