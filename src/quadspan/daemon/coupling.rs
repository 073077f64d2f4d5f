//! Tunnel state drives routing: what no combination of separate daemons can do.
//!
//! ```text
//! ike: TunnelDown ──┬─ 1 ─► fib      the tunnel's next hop leaves every group: one kernel operation, traffic moves
//!                   ├─ 2 ─► rib      its paths are no candidates any more, other peers get withdrawals
//!                   └─ 3 ─► session  the BGP session ends without waiting for the hold timer
//!
//! ike: TunnelUp ──── the same three, so that everything comes back by itself
//! ```
//!
//! The order is the order of urgency. All three are told while the event is handled, before the next one, and none of
//! them can make the key exchange wait: FIB and RIB take a level, and a session always takes commands.

use std::sync::Arc;

use wire::ipsec::TunnelId;

use super::link_states::LinkStates;
use super::session;
use super::topology::TopologyReader;

/// The three that follow a tunnel's state.
#[derive(Clone, Debug)]
pub(super) struct Coupling {
    pub(super) fib: fib::Fib,
    pub(super) rib: Arc<LinkStates>,
    pub(super) topology: TopologyReader,
}

impl Coupling {
    /// A CHILD SA carries traffic.
    pub(super) async fn tunnel_up(&self, id: TunnelId) {
        let topology = self.topology.borrow().clone();
        let Some(part) = topology.tunnels.get(&id) else { return };
        self.fib.link_up(id.into(), part.interface.ifindex, None);
        self.rib.set(id.into(), rib::LinkState::Up);
        if let Some(session) = &part.session {
            let link = session::Link { interface: part.tunnel.interface.clone(), mss: Some(part.interface.mss) };
            drop(session.commands.send(session::Command::TunnelUp(link)).await);
        }
    }

    /// No CHILD SA is left.
    pub(super) async fn tunnel_down(&self, id: TunnelId) {
        self.fib.link_down(id.into());
        self.rib.set(id.into(), rib::LinkState::Down);
        let session = self.topology.borrow().tunnels.get(&id).and_then(|part| part.session.clone());
        if let Some(session) = session {
            drop(session.commands.send(session::Command::TunnelDown).await);
        }
    }
}
