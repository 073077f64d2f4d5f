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
        let (usage, seen) = (usage.unwrap_or(self.seen), self.seen);
        self.moved = usage.packets > seen.packets;
        // A notice may know more than a listing that was under way.
        self.seen = Usage {
            bytes: usage.bytes.max(seen.bytes),
            packets: usage.packets.max(seen.packets),
            sequence: usage.sequence.max(seen.sequence),
            replays: usage.replays.max(seen.replays),
            forgeries: usage.forgeries.max(seen.forgeries),
        };
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
    /// What the interface refused that no SA did.
    malformed: u64,
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

    /// Another look at what the interface refused, and after it at its inbound SAs. Returns how many packets found nothing
    /// to carry them.
    pub(crate) fn look<'a>(
        &mut self,
        drops: Drops,
        situation: Situation,
        inbound: impl Iterator<Item = &'a SaMeter>,
    ) -> u64 {
        let more = |of: fn(&Drops) -> u64| of(&drops).saturating_sub(of(&self.drops));
        let (unserved, looping, aborted) = (more(|of| of.unserved), more(|of| of.looping), more(|of| of.aborted));
        let kept = &mut self.kept;
        let (unserved_for, aborted_for) = match situation {
            Situation::Without => (&mut kept.no_sa_drops, 0),
            Situation::Exhausted => (&mut kept.lifetime_drops, aborted),
            Situation::Narrow => (&mut kept.selector_drops, 0),
            // There is no route to the peer.
            Situation::Open => (&mut kept.send_drops, 0),
        };
        *unserved_for += unserved;
        kept.lifetime_drops += aborted_for;
        kept.send_drops += aborted - aborted_for;
        kept.loop_drops += looping;
        kept.too_big_drops += more(|of| of.outbound).saturating_sub(unserved + looping);
        self.drops = drops;
        // The interface counts everything that its SAs refused, and the smaller numbers are the older ones.
        let mut known = self.kept;
        inbound.for_each(|sa| add_inbound(&mut known, sa));
        let known = known.replay_drops + known.integrity_drops;
        self.malformed = self.malformed.max(drops.inbound.saturating_sub(known));
        unserved
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
        counters.malformed_drops = self.malformed;
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
        Usage { bytes: packets * 100, packets, sequence: packets, replays, forgeries: 1 }
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

    fn look(meter: &mut Meter, drops: Drops, situation: Situation) -> TunnelCounters {
        meter.look(drops, situation, [].iter());
        meter.counters([].iter(), [].iter())
    }

    #[test]
    fn what_finds_no_carrier_is_counted_for_what_the_tunnel_lacks() {
        let mut meter = Meter::default();
        let drops = |unserved| Drops { ifindex: 1, outbound: unserved, unserved, ..Drops::default() };
        look(&mut meter, drops(3), Situation::Without);
        look(&mut meter, drops(4), Situation::Narrow);
        look(&mut meter, drops(6), Situation::Open);
        let seen = look(&mut meter, drops(10), Situation::Exhausted);
        assert_eq!((seen.no_sa_drops, seen.selector_drops), (3, 1));
        assert_eq!((seen.send_drops, seen.lifetime_drops, seen.too_big_drops), (2, 4, 0));
    }

    #[test]
    fn loops_and_packets_too_big_are_what_they_are_whatever_the_tunnel_lacks() {
        let mut meter = Meter::default();
        let drops = Drops { ifindex: 1, inbound: 0, outbound: 9, looping: 2, aborted: 5, unserved: 3 };
        let seen = look(&mut meter, drops, Situation::Narrow);
        assert_eq!((seen.loop_drops, seen.too_big_drops, seen.selector_drops, seen.send_drops), (2, 4, 3, 5));
        let later = Drops { aborted: 6, ..drops };
        let seen = look(&mut meter, later, Situation::Exhausted);
        assert_eq!((seen.send_drops, seen.lifetime_drops), (5, 1), "what a spent SA did not carry");
    }

    #[test]
    fn what_no_sa_refused_is_malformed_and_never_taken_back() {
        let (mut meter, mut sa) = (Meter::default(), SaMeter::default());
        let drops = |inbound| Drops { ifindex: 1, inbound, ..Drops::default() };
        sa.look(Some(usage(10, 2)));
        meter.look(drops(5), Situation::Open, [sa].iter());
        assert_eq!(meter.counters([].iter(), [sa].iter()).malformed_drops, 2);
        // The SA refuses more, of which the interface's number, read before, knows nothing yet.
        sa.look(Some(usage(10, 4)));
        meter.look(drops(5), Situation::Open, [sa].iter());
        assert_eq!(meter.counters([].iter(), [sa].iter()).malformed_drops, 2);
    }
}
