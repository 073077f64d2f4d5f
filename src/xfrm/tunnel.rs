//! A tunnel with its SAs and policies.

use std::net::SocketAddr;
use std::time::Instant;

use dataplane::{InterfaceInfo, LEAST_MTU, Limit, SaUsage, TunnelCounters, TunnelInterface};
use esp::overhead;
use wire::ipsec::{Direction, Encapsulation, SecurityAssociation, Spi, TunnelId};
use wire::outer::OuterHeader;

use crate::meter::{Meter, SaMeter, Situation};
use crate::netlink::link::Drops;
use crate::netlink::state::{self, NewState, Progress, StateId};
use crate::plan::{Inbound, NOBODY, Outbound, Policies, Template, wanted};
use crate::selector::Selector;

/// An SA that is in the kernel.
#[derive(Debug)]
pub(crate) struct Sa {
    pub(crate) sa: SecurityAssociation,
    pub(crate) direction: Direction,
    /// As packets to the peer have them.
    pub(crate) selectors: Vec<Selector>,
    pub(crate) reqid: u32,
    /// How many the tunnel had before it.
    age: u32,
    pub(crate) meter: SaMeter,
    /// The kernel removed it at its hard limit, or somebody did.
    pub(crate) exhausted: bool,
    /// The last look did not find it.
    pub(crate) missing: bool,
    /// The process was told that it is time to renew it.
    pub(crate) told: bool,
    /// Since when the kernel has it as it is: an older look says nothing of it.
    pub(crate) since: Instant,
    /// Where the process was told last that the peer is.
    pub(crate) reported: Option<SocketAddr>,
}

impl Sa {
    pub(crate) fn id(&self) -> StateId {
        StateId::of(self.direction, &self.sa)
    }

    /// Whether it is the same SA, under the same keys.
    pub(crate) fn is_same(&self, sa: &SecurityAssociation) -> bool {
        self.sa.spi == sa.spi
            && self.sa.suite == sa.suite
            && self.sa.keys.encryption == sa.keys.encryption
            && self.sa.keys.integrity == sa.keys.integrity
    }

    pub(crate) fn state<'a>(&'a self, if_id: u32, outer: OuterHeader, progress: Option<&'a Progress>) -> NewState<'a> {
        NewState { direction: self.direction, sa: &self.sa, if_id, reqid: self.reqid, outer, progress }
    }

    /// The limit that its numbers are at, whatever the kernel says of it.
    pub(crate) fn reached(&self) -> Option<Limit> {
        let (limits, seen) = (state::limits(self.direction, &self.sa), self.meter.seen);
        let (soft, hard) = state::numbers(self.sa.suite);
        let is_at = |limit: Option<u64>, used: u64| limit.is_some_and(|limit| used >= limit);
        if seen.sequence >= hard {
            return Some(Limit::Hard);
        }
        let spent =
            is_at(limits.soft_bytes, seen.bytes) || is_at(limits.soft_packets, seen.packets) || seen.sequence >= soft;
        spent.then_some(Limit::Soft)
    }

    fn usage(&self) -> SaUsage {
        let (limits, seen) = (self.sa.lifetime, self.meter.seen);
        let left = |limit: Option<u64>, used: u64| limit.map(|limit| limit.saturating_sub(used));
        SaUsage {
            direction: self.direction,
            spi: self.sa.spi,
            bytes: seen.bytes,
            packets: seen.packets,
            remaining_bytes: left(limits.soft_bytes.or(limits.hard_bytes), seen.bytes),
            remaining_packets: left(limits.soft_packets.or(limits.hard_packets), seen.packets),
        }
    }
}

/// A tunnel.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) id: TunnelId,
    pub(crate) name: String,
    pub(crate) ifindex: u32,
    pub(crate) if_id: u32,
    pub(crate) outer: OuterHeader,
    /// The MTU asked for. `None`: follow the suite.
    fixed_mtu: Option<u32>,
    mtu: u32,
    /// The largest inner packet that the SA in use carries without outer fragments.
    carried: u32,
    /// The oldest first.
    pub(crate) sas: Vec<Sa>,
    installs: u32,
    /// Its SAs are being made anew: nothing may ask for them meanwhile.
    pub(crate) moving: bool,
    pub(crate) policies: Policies,
    meter: Meter,
    /// When packets last went out, as of the last look.
    pub(crate) last_sent: Instant,
    /// When a packet asked for an SA, for as long as the kernel keeps a place for it.
    pub(crate) demanded: Option<Instant>,
    /// When the process was last told that a packet waits.
    pub(crate) told: Option<Instant>,
    /// When it was entered: an older look says nothing of it.
    pub(crate) since: Instant,
    /// When the process was last told that the interface is gone.
    pub(crate) told_lost: Option<Instant>,
}

impl Tunnel {
    pub(crate) fn new(id: TunnelId, interface: TunnelInterface, numbers: (u32, u32), mtu: u32, now: Instant) -> Self {
        Self {
            id,
            name: interface.name,
            ifindex: numbers.0,
            if_id: numbers.1,
            outer: interface.outer,
            fixed_mtu: interface.mtu,
            mtu,
            carried: u32::MAX,
            sas: Vec::new(),
            installs: 0,
            moving: false,
            policies: Policies::new(),
            meter: Meter::default(),
            last_sent: now,
            demanded: None,
            told: None,
            since: now,
            told_lost: None,
        }
    }

    /// The place that the kernel keeps for an SA that a packet asked for.
    pub(crate) fn place(&self) -> StateId {
        StateId { destination: NOBODY, spi: Spi(self.if_id) }
    }

    /// The policies that its SAs ask for.
    pub(crate) fn wanted(&self) -> Policies {
        let outbound = |sa: &'_ Sa| Template {
            source: sa.sa.local.ip(),
            destination: sa.sa.remote.ip(),
            spi: sa.sa.spi,
            reqid: sa.reqid,
        };
        let outbound: Vec<Outbound<'_>> = self
            .of(Direction::Outbound)
            .map(|sa| Outbound {
                selectors: &sa.selectors,
                template: outbound(sa),
                age: sa.age,
                exhausted: sa.exhausted || self.moving,
            })
            .collect();
        let inbound = self.of(Direction::Inbound).map(|sa| Inbound { selectors: &sa.selectors, reqid: sa.reqid });
        wanted(self.if_id, &outbound, &inbound.collect::<Vec<_>>())
    }

    /// The SAs of one direction, the oldest first.
    pub(crate) fn of(&self, direction: Direction) -> impl DoubleEndedIterator<Item = &Sa> {
        self.sas.iter().filter(move |sa| sa.direction == direction)
    }

    pub(crate) fn find(&self, direction: Direction, spi: Spi) -> Option<usize> {
        self.sas.iter().position(|sa| sa.direction == direction && sa.sa.spi == spi)
    }

    /// An SA to be. Its request number is that of all with its selectors.
    pub(crate) fn prepare(&mut self, direction: Direction, sa: SecurityAssociation, selectors: Vec<Selector>) -> Sa {
        let same = |known: &&Sa| {
            known.sa.local_selectors == sa.local_selectors && known.sa.remote_selectors == sa.remote_selectors
        };
        let shared = self.sas.iter().find(same).map(|known| known.reqid);
        let free = || (1..).find(|reqid| self.sas.iter().all(|known| known.reqid != *reqid));
        let reqid = shared.or_else(free).unwrap_or(u32::MAX);
        self.installs += 1;
        Sa {
            sa,
            direction,
            selectors,
            reqid,
            age: self.installs,
            meter: SaMeter::default(),
            exhausted: false,
            missing: false,
            told: false,
            since: Instant::now(),
            reported: None,
        }
    }

    /// Forgets an SA but for what it carried.
    pub(crate) fn forget(&mut self, place: usize) -> Sa {
        let sa = self.sas.remove(place);
        match sa.direction {
            Direction::Inbound => self.meter.keep_inbound(&sa.meter),
            Direction::Outbound => self.meter.keep_outbound(&sa.meter),
        }
        sa
    }

    /// The newest outbound SA is in use, over a path of `outer_mtu`. Returns the MTU that the interface is to have, if that
    /// is another one.
    pub(crate) fn follow_mtu(&mut self, outer_mtu: usize) -> Option<u32> {
        let newest = &self.of(Direction::Outbound).next_back()?.sa;
        let mtu = overhead::inner_mtu(newest.suite, newest.encapsulation, newest.remote.ip(), outer_mtu);
        let mtu = u32::try_from(mtu).unwrap_or(u32::MAX).max(LEAST_MTU);
        self.carried = mtu;
        let follows = self.fixed_mtu.is_none() && self.mtu != mtu;
        if follows {
            self.mtu = mtu;
        }
        follows.then_some(mtu)
    }

    /// Takes a look at what was carried and refused.
    pub(crate) fn look(&mut self, drops: Option<Drops>, now: Instant) {
        if let Some(drops) = drops {
            let situation = self.situation();
            let inbound = self.sas.iter().filter(|sa| sa.direction == Direction::Inbound).map(|sa| &sa.meter);
            let unserved = self.meter.look(drops, situation, inbound);
            if situation == Situation::Without && unserved > 0 {
                // The notice of it was lost, or never made since the kernel kept a place already.
                self.demanded.get_or_insert(now);
            }
        }
        if self.sas.iter().any(|sa| sa.direction == Direction::Inbound && sa.meter.moved()) {
            self.meter.touch(now);
        }
        if self.sas.iter().any(|sa| sa.direction == Direction::Outbound && sa.meter.moved()) {
            self.last_sent = now;
        }
    }

    fn situation(&self) -> Situation {
        let mut outbound = self.of(Direction::Outbound).peekable();
        if outbound.peek().is_none() {
            return Situation::Without;
        }
        let mut narrow = true;
        for sa in outbound {
            if sa.exhausted {
                return Situation::Exhausted;
            }
            narrow &=
                !sa.sa.local_selectors.iter().any(|local| local.is_any() && sa.sa.remote_selectors.contains(local));
        }
        if narrow { Situation::Narrow } else { Situation::Open }
    }

    /// Where a keepalive goes: the peer of the newest SA, where that is behind UDP.
    pub(crate) fn carrier(&self) -> Option<(SocketAddr, SocketAddr)> {
        let newest = self.of(Direction::Outbound).next_back()?;
        (newest.sa.encapsulation == Encapsulation::Udp).then_some((newest.sa.local, newest.sa.remote))
    }

    pub(crate) fn counters(&self) -> TunnelCounters {
        let meters = |direction| self.of(direction).map(|sa| &sa.meter);
        self.meter.counters(meters(Direction::Outbound), meters(Direction::Inbound))
    }

    pub(crate) fn usage(&self) -> Vec<SaUsage> {
        self.sas.iter().map(Sa::usage).collect()
    }

    /// The largest inner packet that fits both the interface and the SA in use.
    pub(crate) fn fits(&self) -> u32 {
        self.mtu.min(self.carried)
    }

    pub(crate) fn info(&self) -> InterfaceInfo {
        let mss = overhead::mss_v4(self.fits() as usize);
        InterfaceInfo { ifindex: self.ifindex, mtu: self.mtu, mss }
    }
}

#[cfg(test)]
mod tests {
    use wire::Secret;
    use wire::ipsec::{Encryption, EspSuite, SaKeys, SaLifetime, TrafficSelector};

    use super::*;
    use crate::netlink::state::Usage;

    fn tunnel() -> Tunnel {
        let interface = TunnelInterface {
            name: "tun0".into(),
            addresses: Vec::new(),
            peer: None,
            mtu: None,
            outer: OuterHeader::default(),
        };
        Tunnel::new(TunnelId(1), interface, (9, 77), 1390, Instant::now())
    }

    fn sa(esn: bool, lifetime: SaLifetime) -> SecurityAssociation {
        let end = SocketAddr::from(([192, 0, 2, 1], 4500));
        SecurityAssociation {
            spi: Spi(0x0102_0304),
            suite: EspSuite { encryption: Encryption::gcm16(128), integrity: None, esn },
            keys: SaKeys { encryption: Secret::new(vec![1; 20]), integrity: Secret::default() },
            local: end,
            remote: end,
            encapsulation: Encapsulation::Udp,
            replay_window: 64,
            lifetime,
            local_selectors: vec![TrafficSelector::ANY_V4],
            remote_selectors: vec![TrafficSelector::ANY_V4],
        }
    }

    fn reached(sa: SecurityAssociation, usage: Usage) -> Option<Limit> {
        let mut sa = tunnel().prepare(Direction::Outbound, sa, Vec::new());
        sa.meter.look(Some(usage));
        sa.reached()
    }

    #[test]
    fn an_sa_is_at_its_limit_by_its_numbers_whatever_the_kernel_says() {
        let lifetime = SaLifetime { soft_bytes: Some(1000), soft_packets: Some(10), ..SaLifetime::default() };
        let used = |bytes, packets| Usage { bytes, packets, ..Usage::default() };
        assert_eq!(reached(sa(true, lifetime), used(999, 9)), None);
        assert_eq!(reached(sa(true, lifetime), used(1000, 9)), Some(Limit::Soft));
        assert_eq!(reached(sa(true, lifetime), used(999, 10)), Some(Limit::Soft));
    }

    #[test]
    fn segments_use_up_sequence_numbers_though_their_packet_counts_once() {
        let numbered = |sequence| Usage { packets: 5, sequence, ..Usage::default() };
        let (soft, hard) = (0xbfff_fffd, 0xffff_ffff);
        let at = |esn, sequence| reached(sa(esn, SaLifetime::default()), numbered(sequence));
        assert_eq!(
            [soft - 1, soft, hard].map(|sequence| at(false, sequence)),
            [None, Some(Limit::Soft), Some(Limit::Hard)]
        );
        assert_eq!([soft, hard, 1 << 40].map(|sequence| at(true, sequence)), [None; 3], "RFC 4303 2.2.1: 64 bits");
    }

    #[test]
    fn an_sa_that_is_not_in_use_changes_no_mtu() {
        let mut tunnel = tunnel();
        let sa = tunnel.prepare(Direction::Outbound, sa(true, SaLifetime::default()), Vec::new());
        assert_eq!((tunnel.follow_mtu(1500), tunnel.info().mtu), (None, 1390), "the kernel refused it");
        tunnel.sas.push(sa);
        assert_eq!((tunnel.follow_mtu(1500), tunnel.info().mtu), (Some(1438), 1438));
        assert_eq!(tunnel.follow_mtu(1500), None);
    }

    #[test]
    fn a_packet_that_nothing_carried_is_a_demand_though_no_notice_of_it_came() {
        let (mut tunnel, now) = (tunnel(), Instant::now());
        tunnel.look(Some(Drops { ifindex: 9, ..Drops::default() }), now);
        assert_eq!(tunnel.demanded, None);
        tunnel.look(Some(Drops { ifindex: 9, outbound: 1, unserved: 1, ..Drops::default() }), now);
        assert_eq!(tunnel.demanded, Some(now));
    }
}
