//! An engine of either kind in a namespace.

use std::process::Command;

use dataplane::{Config, Dataplane, Event, SaUsage, TunnelCounters, TunnelInterface};
use wire::ipsec::{Encapsulation, EspSuite, SaAction};
use xfrm::Xfrm;

pub(crate) use crate::lab::*;
pub(crate) use crate::peer::*;

/// Who moves the packets of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kernel,
    User,
}

/// The engine of one end.
#[derive(Clone, Debug)]
pub(crate) enum Engine {
    Kernel(Xfrm),
    User(Dataplane),
}

impl Orders for Engine {
    fn apply(&self, action: SaAction) {
        match self {
            Self::Kernel(engine) => engine.apply(action),
            Self::User(engine) => engine.apply(action),
        }
    }
}

pub(crate) type End = crate::lab::End<Engine>;

impl Lab {
    /// Starts an engine on one side, with its tunnel.
    pub(crate) async fn end(
        &self,
        side: usize,
        kind: Kind,
        change: impl FnOnce(&mut Config, &mut TunnelInterface),
    ) -> End {
        let (end, interface) = self.begin(side, change, |config, sender| match kind {
            Kind::Kernel => Engine::Kernel(Xfrm::start(config, &[], sender).unwrap_or_else(|error| {
                panic!("these tests need a kernel with ESP, run them with scripts/test-kernel: {error}")
            })),
            Kind::User => Engine::User(Dataplane::start(config, sender).unwrap()),
        });
        match &end.engine {
            Engine::Kernel(engine) => engine.add_tunnel(TUNNEL, interface).await.unwrap(),
            Engine::User(engine) => engine.add_tunnel(TUNNEL, interface).await.unwrap(),
        };
        end
    }

    /// Two ends, of which the first is the kernel's, with SAs of generation 1.
    pub(crate) async fn pair(&self, other: Kind, suite: EspSuite, encapsulation: Encapsulation) -> [End; 2] {
        let ends = [self.end(0, Kind::Kernel, |_, _| ()).await, self.end(1, other, |_, _| ()).await];
        install(&ends, |end, direction| association(suite, encapsulation, end, direction, 1));
        ends
    }

    /// Whether a command succeeds on one side, and what it prints.
    pub(crate) fn try_sh(&self, side: usize, command: &str) -> (bool, String) {
        self.sides[side].run(|| {
            let output = Command::new("sh").args(["-c", command]).output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        })
    }
}

impl End {
    pub(crate) fn apply(&self, action: SaAction) {
        self.engine.apply(action);
    }

    pub(crate) fn counters(&self) -> TunnelCounters {
        match &self.engine {
            Engine::Kernel(engine) => engine.counters(TUNNEL).unwrap(),
            Engine::User(engine) => engine.counters(TUNNEL).unwrap(),
        }
    }

    pub(crate) fn sas(&self) -> Vec<SaUsage> {
        match &self.engine {
            Engine::Kernel(engine) => engine.sas(TUNNEL),
            Engine::User(engine) => engine.sas(TUNNEL),
        }
    }

    /// The kernel's engine.
    pub(crate) fn kernel(&self) -> &Xfrm {
        match &self.engine {
            Engine::Kernel(engine) => engine,
            Engine::User(_) => panic!("this end is in user space"),
        }
    }

    pub(crate) async fn stop(self) {
        match self.engine {
            Engine::Kernel(engine) => engine.stop().await,
            Engine::User(engine) => engine.stop().await,
        }
    }

    /// The events that have come.
    pub(crate) fn drain(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}
