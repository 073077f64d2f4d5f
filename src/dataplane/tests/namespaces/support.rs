//! An engine in a namespace of the tests' own making.

use std::time::Duration;

use dataplane::{Config, Dataplane, Event, TunnelInterface};
use tokio::sync::mpsc;
use wire::ipsec::{Direction, Encapsulation, EspSuite, SaAction, SecurityAssociation};

pub(crate) use crate::lab::*;

impl Lab {
    /// Starts an engine on one side, with its tunnel.
    pub(crate) async fn engine(&self, side: usize, change: impl FnOnce(&mut Config, &mut TunnelInterface)) -> End {
        let (mut config, mut interface) = settings(side);
        change(&mut config, &mut interface);
        let (sender, events) = mpsc::channel(256);
        let dataplane = self.sides[side].run(|| Dataplane::start(config, sender)).unwrap();
        dataplane.add_tunnel(TUNNEL, interface).await.unwrap();
        End { dataplane, events, side }
    }

    /// Both engines, with SAs of generation 1.
    pub(crate) async fn tunnel(&self, suite: EspSuite, encapsulation: Encapsulation) -> [End; 2] {
        let ends = [self.engine(0, |_, _| ()).await, self.engine(1, |_, _| ()).await];
        for end in &ends {
            for direction in [Direction::Inbound, Direction::Outbound] {
                end.install(direction, association(suite, encapsulation, end.side, direction, 1));
            }
        }
        ends
    }
}

/// An engine and its events.
pub(crate) struct End {
    pub(crate) dataplane: Dataplane,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) side: usize,
}

impl End {
    pub(crate) fn install(&self, direction: Direction, sa: SecurityAssociation) {
        self.dataplane.apply(SaAction::Install { tunnel: TUNNEL, direction, sa: Box::new(sa) });
    }

    /// The first event that `pick` takes.
    pub(crate) async fn event<R>(&mut self, mut pick: impl FnMut(Event) -> Option<R>) -> R {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the engine runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), search).await.expect("the event comes")
    }
}
