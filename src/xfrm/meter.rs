//! What a tunnel has carried, from numbers that the kernel counts for each SA and each interface. Pure.
//!
//! An SA's numbers go with it: what it had is kept, so that the tunnel's only ever grow.

use std::time::Instant;

use dataplane::TunnelCounters;

use crate::netlink::link::Drops;
use crate::netlink::state::Usage;

/// What a tunnel has, from which follows why its interface refuses packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// No SA to send with.
    Without,
    /// SAs, and one of them carries no more.
    Exhausted,
    /// SAs for some packets only.
    Narrow,
    /// SAs for everything.
    Open,
}

/// The numbers of one SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SaMeter {
    /// As of the last look.
    pub(crate) seen: Usage,
    /// Of a state before that this one goes on from, and that the kernel begins again.
    before: Usage,
    /// Whether packets came or went between the last two looks.
    moved: bool,
}

impl SaMeter {
    /// Another look; `None` when there is nothing to be seen any more.
    pub(crate) fn look(&mut self, usage: Option<Usage>) {
        let usage = usage.unwrap_or(self.seen);
        self.moved = usage.packets > self.seen.packets;
        self.seen = usage;
    }

    /// Whether packets came or went between the last two looks.
    pub(crate) fn moved(&self) -> bool {
        self.moved
    }

    /// The state is made anew: octets and packets go on, refusals begin again.
    pub(crate) fn begin_again(&mut self) {
        self.before.replays += self.seen.replays;
        self.before.forgeries += self.seen.forgeries;
        (self.seen.replays, self.seen.forgeries) = (0, 0);
    }

    fn refused(&self) -> (u64, u64) {
        (self.before.replays + self.seen.replays, self.before.forgeries + self.seen.forgeries)
    }
}

/// The numbers of one tunnel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    /// Of SAs that are gone, and of what interfaces refused.
    kept: TunnelCounters,
    drops: Drops,
    last_inbound: Option<Instant>,
}

impl Meter {
    /// An outbound SA is gone.
    pub(crate) fn keep_outbound(&mut self, sa: &SaMeter) {
        self.kept.bytes_out += sa.seen.bytes;
        self.kept.packets_out += sa.seen.packets;
    }

    /// An inbound SA is gone.
    pub(crate) fn keep_inbound(&mut self, sa: &SaMeter) {
        add_inbound(&mut self.kept, sa);
    }

    /// Packets came since the last look.
    pub(crate) fn touch(&mut self, now: Instant) {
        self.last_inbound = Some(now);
    }

    /// Another look at what the interface refused.
    pub(crate) fn look(&mut self, drops: Drops, situation: Situation) {
        let more = drops.outbound.saturating_sub(self.drops.outbound);
        match situation {
            Situation::Without => self.kept.no_sa_drops += more,
            Situation::Exhausted => self.kept.lifetime_drops += more,
            Situation::Narrow => self.kept.selector_drops += more,
            Situation::Open => self.kept.too_big_drops += more,
        }
        self.drops = drops;
    }

    /// All of it, with the SAs that there are.
    pub(crate) fn counters<'a>(
        &self,
        outbound: impl Iterator<Item = &'a SaMeter>,
        inbound: impl Iterator<Item = &'a SaMeter>,
    ) -> TunnelCounters {
        let mut counters = self.kept;
        for sa in outbound {
            counters.bytes_out += sa.seen.bytes;
            counters.packets_out += sa.seen.packets;
        }
        for sa in inbound {
            add_inbound(&mut counters, sa);
        }
        // The interface counts everything that its SAs refused.
        let known = counters.replay_drops + counters.integrity_drops;
        counters.malformed_drops = self.drops.inbound.saturating_sub(known);
        counters.last_inbound = self.last_inbound;
        counters
    }
}

fn add_inbound(counters: &mut TunnelCounters, sa: &SaMeter) {
    let (replays, forgeries) = sa.refused();
    counters.bytes_in += sa.seen.bytes;
    counters.packets_in += sa.seen.packets;
    counters.replay_drops += replays;
    counters.integrity_drops += forgeries;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(packets: u64, replays: u64) -> Usage {
        Usage { bytes: packets * 100, packets, replays, forgeries: 1 }
    }

    #[test]
    fn a_tunnels_numbers_only_grow_while_its_sas_come_and_go() {
        let (mut meter, mut old, mut new) = (Meter::default(), SaMeter::default(), SaMeter::default());
        old.look(Some(usage(10, 2)));
        assert!(old.moved());
        let both = [old];
        let seen = meter.counters([].iter(), both.iter());
        assert_eq!((seen.packets_in, seen.bytes_in, seen.replay_drops, seen.integrity_drops), (10, 1000, 2, 1));
        meter.keep_inbound(&old);
        new.look(Some(usage(5, 0)));
        let seen = meter.counters([].iter(), [new].iter());
        assert_eq!((seen.packets_in, seen.bytes_in, seen.replay_drops, seen.integrity_drops), (15, 1500, 2, 2));
    }

    #[test]
    fn a_state_made_anew_goes_on() {
        let mut sa = SaMeter::default();
        sa.look(Some(usage(10, 2)));
        sa.begin_again();
        sa.look(Some(usage(10, 1)));
        assert!(!sa.moved(), "the kernel was told where to go on");
        sa.look(Some(usage(12, 1)));
        assert!(sa.moved());
        sa.look(None);
        assert!(!sa.moved());
        let seen = Meter::default().counters([].iter(), [sa].iter());
        assert_eq!((seen.packets_in, seen.replay_drops, seen.integrity_drops), (12, 3, 2));
    }

    #[test]
    fn what_an_interface_refuses_is_counted_for_what_the_tunnel_lacks() {
        let mut meter = Meter::default();
        let drops = |outbound| Drops { ifindex: 1, inbound: 0, outbound };
        meter.look(drops(3), Situation::Without);
        meter.look(drops(4), Situation::Narrow);
        meter.look(drops(6), Situation::Open);
        meter.look(drops(10), Situation::Exhausted);
        let seen = meter.counters([].iter(), [].iter());
        assert_eq!((seen.no_sa_drops, seen.selector_drops), (3, 1));
        assert_eq!((seen.too_big_drops, seen.lifetime_drops), (2, 4));
    }
}
