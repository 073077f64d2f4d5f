//! The engine in user space, in a namespace of the tests' own making.

use dataplane::{Config, Dataplane, TunnelInterface};
use wire::ipsec::{Encapsulation, EspSuite};

pub(crate) use crate::lab::*;
pub(crate) use crate::peer::*;

pub(crate) type End = crate::lab::End<Dataplane>;

impl Lab {
    /// Starts an engine on one side, with its tunnel.
    pub(crate) async fn engine(&self, side: usize, change: impl FnOnce(&mut Config, &mut TunnelInterface)) -> End {
        let (end, interface) = self.begin(side, change, |config, sender| Dataplane::start(config, sender).unwrap());
        end.engine.add_tunnel(TUNNEL, interface).await.unwrap();
        end
    }

    /// Both engines, with SAs of generation 1.
    pub(crate) async fn tunnel(&self, suite: EspSuite, encapsulation: Encapsulation) -> [End; 2] {
        let ends = [self.engine(0, |_, _| ()).await, self.engine(1, |_, _| ()).await];
        install(&ends, |side, direction| association(suite, encapsulation, side, direction, 1));
        ends
    }
}
