//! Traffic selectors applied to inner packets (RFC 4301 4.4.1).

use wire::ipsec::{Direction, TrafficSelector};

use crate::inner::{self, InnerFields};

/// The inner packets an SA is for.
#[derive(Clone, Debug)]
pub struct Selectors {
    local: Vec<TrafficSelector>,
    remote: Vec<TrafficSelector>,
    any_v4: bool,
    any_v6: bool,
}

impl Selectors {
    /// From the selectors negotiated. An empty side permits nothing.
    #[must_use]
    pub fn new(local: &[TrafficSelector], remote: &[TrafficSelector]) -> Self {
        let any = |selector: &TrafficSelector| local.contains(selector) && remote.contains(selector);
        Self {
            any_v4: any(&TrafficSelector::ANY_V4),
            any_v6: any(&TrafficSelector::ANY_V6),
            local: local.to_vec(),
            remote: remote.to_vec(),
        }
    }

    /// Whether `packet`, an IP packet, may use the SA.
    #[must_use]
    pub fn permit(&self, packet: &[u8], direction: Direction) -> bool {
        match packet.first().map(|octet| octet >> 4) {
            Some(4) if self.any_v4 => true,
            Some(6) if self.any_v6 => true,
            _ => inner::fields(packet).is_some_and(|fields| self.permit_fields(&fields, direction)),
        }
    }

    /// Whether fragments of `packet` other than the first may use the SA.
    #[must_use]
    pub fn permit_later_fragment(&self, packet: &[u8], direction: Direction) -> bool {
        let later = |fields: InnerFields| InnerFields { ports: None, ..fields };
        inner::fields(packet).map(later).is_some_and(|fields| self.permit_fields(&fields, direction))
    }

    fn permit_fields(&self, fields: &InnerFields, direction: Direction) -> bool {
        let (from, to) = match direction {
            Direction::Inbound => (&self.remote, &self.local),
            Direction::Outbound => (&self.local, &self.remote),
        };
        let source_port = fields.ports.map(|ports| ports.0);
        let destination_port = fields.ports.map(|ports| ports.1);
        let from = from.iter().any(|selector| {
            selector.contains(fields.source) && protocol_and_port(selector, fields.protocol, source_port)
        });
        from && to.iter().any(|selector| {
            selector.contains(fields.destination) && protocol_and_port(selector, fields.protocol, destination_port)
        })
    }
}

fn protocol_and_port(selector: &TrafficSelector, protocol: u8, port: Option<u16>) -> bool {
    if selector.protocol != 0 && selector.protocol != protocol {
        return false;
    }
    match (selector.start_port, selector.end_port) {
        (0, 65535) => true,
        // RFC 7296 3.13.1: OPAQUE, for packets whose port is not to be seen, such as later fragments.
        (65535, 0) => port.is_none(),
        (start, end) => port.is_some_and(|port| (start..=end).contains(&port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UDP 10.0.0.1:1000 to 10.0.1.1:53.
    fn query() -> Vec<u8> {
        let mut packet = vec![0; 28];
        packet[0] = 0x45;
        packet[3] = 28;
        packet[9] = 17;
        packet[12..16].copy_from_slice(&[10, 0, 0, 1]);
        packet[16..20].copy_from_slice(&[10, 0, 1, 1]);
        packet[20..24].copy_from_slice(&[1000u16.to_be_bytes(), 53u16.to_be_bytes()].concat());
        packet
    }

    fn net(octet: u8) -> TrafficSelector {
        TrafficSelector::range([10, 0, octet, 0].into(), [10, 0, octet, 255].into())
    }

    #[test]
    fn direction_decides_which_side_is_the_source() {
        let selectors = Selectors::new(&[net(0)], &[net(1)]);
        assert!(selectors.permit(&query(), Direction::Outbound));
        assert!(!selectors.permit(&query(), Direction::Inbound));
    }

    #[test]
    fn everything_permits_its_own_family_only() {
        let selectors = Selectors::new(&[TrafficSelector::ANY_V4], &[TrafficSelector::ANY_V4]);
        assert!(selectors.permit(&query(), Direction::Inbound));
        let mut v6 = vec![0; 40];
        v6[0] = 0x60;
        assert!(!selectors.permit(&v6, Direction::Inbound));
        assert!(Selectors::new(&[TrafficSelector::ANY_V6], &[TrafficSelector::ANY_V6]).permit(&v6, Direction::Inbound));
    }

    #[test]
    fn no_selectors_permit_nothing() {
        assert!(!Selectors::new(&[], &[]).permit(&query(), Direction::Outbound));
        assert!(!Selectors::new(&[net(0)], &[net(1)]).permit(&[], Direction::Outbound));
        assert!(!Selectors::new(&[net(0)], &[net(1)]).permit(&query()[..19], Direction::Outbound));
    }

    #[test]
    fn protocol_and_ports_narrow() {
        let dns = TrafficSelector { protocol: 17, start_port: 53, end_port: 53, ..net(1) };
        let selectors = Selectors::new(&[net(0)], &[dns]);
        assert!(selectors.permit(&query(), Direction::Outbound));
        let mut other = query();
        other[23] = 54;
        assert!(!selectors.permit(&other, Direction::Outbound));
        let mut tcp = query();
        tcp[9] = 6;
        assert!(!selectors.permit(&tcp, Direction::Outbound));
    }

    #[test]
    fn a_later_fragment_has_no_port() {
        let dns = TrafficSelector { protocol: 17, start_port: 53, end_port: 53, ..net(1) };
        let opaque = TrafficSelector { start_port: 65535, end_port: 0, ..net(1) };
        let mut fragment = query();
        fragment[7] = 1;
        assert!(!Selectors::new(&[net(0)], &[dns]).permit(&fragment, Direction::Outbound));
        assert!(Selectors::new(&[net(0)], &[opaque]).permit(&fragment, Direction::Outbound));
        assert!(!Selectors::new(&[net(0)], &[opaque]).permit(&query(), Direction::Outbound));
    }

    #[test]
    fn a_whole_packet_may_be_refused_in_fragments() {
        let dns = TrafficSelector { protocol: 17, start_port: 53, end_port: 53, ..net(1) };
        let later = |remote| Selectors::new(&[net(0)], &[remote]).permit_later_fragment(&query(), Direction::Outbound);
        assert!(!later(dns));
        assert!(later(net(1)));
        assert!(!later(net(2)));
    }

    #[test]
    fn ports_are_found_behind_ipv6_extension_headers() {
        let mut packet = vec![0; 40 + 8 + 8];
        packet[0] = 0x60;
        packet[5] = 16;
        packet[6] = 60;
        packet[40] = 17;
        packet[50..52].copy_from_slice(&53u16.to_be_bytes());
        let dns = TrafficSelector { protocol: 17, start_port: 53, end_port: 53, ..TrafficSelector::ANY_V6 };
        let selectors = Selectors::new(&[TrafficSelector::ANY_V6], &[dns]);
        assert!(selectors.permit(&packet, Direction::Outbound));
        for cut in 0..packet.len() - 4 {
            let _ = selectors.permit(&packet[..cut], Direction::Outbound);
        }
        packet[40] = 6;
        assert!(!selectors.permit(&packet, Direction::Outbound));
    }
}
