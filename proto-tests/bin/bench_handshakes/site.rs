//! Two hosts with a cable between them, and on each an address per tunnel.

use std::net::Ipv4Addr;

use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{Lab, Result};

/// The pre-shared key of all tunnels.
pub(crate) const PSK: &str = "Correct.Horse.Battery.Staple";

/// Where handshakes are made.
#[derive(Debug)]
pub(crate) struct Site {
    /// Of each tunnel.
    pub(crate) tunnels: Vec<Plan>,
    pub(crate) initiator: Namespace,
    pub(crate) responder: Namespace,
    pub(crate) lab: Lab,
}

/// The addresses of one tunnel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// 0, 1, 2, ...
    pub(crate) number: u8,
    pub(crate) initiator: Ipv4Addr,
    pub(crate) responder: Ipv4Addr,
}

impl Plan {
    const fn new(number: u8) -> Self {
        Self {
            number,
            initiator: Ipv4Addr::new(192, 0, 2, 1 + number),
            responder: Ipv4Addr::new(192, 0, 2, 101 + number),
        }
    }
}

impl Site {
    pub(crate) fn build(tunnels: u8) -> Result<Self> {
        let lab = Lab::new()?;
        let (initiator, responder) = (lab.namespace("initiator")?, lab.namespace("responder")?);
        initiator.cable("wan", &responder, "wan")?;
        let tunnels: Vec<Plan> = (0..tunnels).map(Plan::new).collect();
        for plan in &tunnels {
            initiator.address("wan", &format!("{}/24", plan.initiator))?;
            responder.address("wan", &format!("{}/24", plan.responder))?;
            // strongSwan installs a CHILD SA only where an address of its own is inside.
            initiator.address("lo", &format!("10.1.{}.1/32", plan.number))?;
            responder.address("lo", &format!("10.2.{}.1/32", plan.number))?;
        }
        Ok(Self { tunnels, initiator, responder, lab })
    }
}
