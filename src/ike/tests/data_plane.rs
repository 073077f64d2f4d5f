//! A model of a data plane: what is installed in it, and what a key exchange may ask of it. No outbound SA comes twice, for
//! its sequence would begin again under the same key; no inbound one is installed twice, or removed that is not there; and
//! what is told of the tunnel agrees with what is installed.

use std::collections::{BTreeMap, BTreeSet};

use negotiation::Event;
use wire::ipsec::{Direction, SaAction, SecurityAssociation, Spi, TrafficSelector};

/// What an SA carries, as A sees it: its own side first.
pub(super) type Pair = (Vec<TrafficSelector>, Vec<TrafficSelector>);

/// What a data plane has. Of SAs for the same selectors the newest one sends.
#[derive(Debug, Default)]
pub(super) struct DataPlane {
    pub(super) inbound: BTreeMap<Spi, SecurityAssociation>,
    pub(super) sending: Vec<SecurityAssociation>,
    /// The newest of them.
    pub(super) outbound: Option<SecurityAssociation>,
    pub(super) up: bool,
    used: BTreeSet<Spi>,
}

impl DataPlane {
    pub(super) fn apply(&mut self, action: SaAction) {
        match action {
            SaAction::Install { direction: Direction::Inbound, sa, .. } => {
                assert!(self.inbound.insert(sa.spi, *sa).is_none(), "inbound SA installed twice");
            }
            SaAction::Install { direction: Direction::Outbound, sa, .. } => {
                assert!(self.used.insert(sa.spi), "outbound SA {} installed twice: its sequence would repeat", sa.spi);
                let same = |known: &SecurityAssociation| pair(known) == pair(&sa);
                self.sending.retain(|known| !same(known));
                self.sending.push(*sa);
            }
            SaAction::Remove { direction: Direction::Inbound, spi, .. } => {
                assert!(self.inbound.remove(&spi).is_some(), "inbound SA removed that is not there");
            }
            SaAction::Remove { direction: Direction::Outbound, spi, .. } => {
                self.sending.retain(|sa| sa.spi != spi);
            }
            SaAction::Move { local, remote, .. } => {
                for sa in self.inbound.values_mut().chain(&mut self.sending) {
                    (sa.local, sa.remote) = (local, remote);
                }
            }
        }
        self.outbound = self.sending.last().cloned();
    }

    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::TunnelUp { inbound, outbound, .. } => {
                assert!(!std::mem::replace(&mut self.up, true), "up twice");
                assert!(self.inbound.contains_key(inbound), "up without its inbound SA");
                assert_eq!(self.outbound.as_ref().map(|sa| sa.spi), Some(*outbound), "up without its outbound SA");
            }
            Event::ChildUp { inbound, outbound, .. } => {
                assert!(self.up && self.inbound.contains_key(inbound), "a CHILD SA more without its inbound SA");
                assert!(self.sending.iter().any(|sa| sa.spi == *outbound), "a CHILD SA more without its outbound SA");
            }
            Event::ChildDown { .. } => assert!(self.up && self.outbound.is_some(), "the last CHILD SA went"),
            Event::TunnelDown { .. } => {
                assert!(std::mem::replace(&mut self.up, false), "down twice");
                assert!(self.outbound.is_none(), "down with an outbound SA left");
            }
            Event::IkeUp { .. }
            | Event::IkeDown { .. }
            | Event::Failed { .. }
            | Event::ChildRekeyed { .. }
            | Event::IkeRekeyed { .. }
            | Event::RekeyFailed { .. }
            | Event::PeerMoved { .. }
            | Event::Stranger { .. } => {}
        }
    }
}

pub(super) fn pair(sa: &SecurityAssociation) -> Pair {
    let sorted = |selectors: &[TrafficSelector]| {
        let mut selectors = selectors.to_vec();
        selectors.sort();
        selectors
    };
    (sorted(&sa.local_selectors), sorted(&sa.remote_selectors))
}
