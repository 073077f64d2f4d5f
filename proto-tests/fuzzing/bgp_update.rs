//! UPDATE bodies on each kind of session: what is left of one after the verdicts of RFC 7606 can be sent on, and means
//! the same to who reads it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use bgp::message::{HEADER_LEN, Terms, decode_update, encode_updates, frame_len};
use bgp::{AddPath, Attributes, Family, Nlri, Update};
use wire::Asn;

const OPTIONAL_TRANSITIVE: u8 = 0xc0;

/// Octets: what follows the header of an UPDATE.
pub fn body(octets: &[u8]) {
    let plain = [(true, 65000), (false, 65000), (true, 64512)].map(|(four_octet, local)| terms(four_octet, local));
    for terms in plain.into_iter().chain([everything()]) {
        if let Ok(decoded) = decode_update(octets, &terms) {
            sent_on(&decoded.update, &terms);
        }
    }
}

/// A session with AS 64512 that has path identifiers both ways, IPv6 next hops for IPv4, and long messages.
pub(super) fn everything() -> Terms {
    let both = AddPath { receive: true, send: true };
    Terms {
        add_path: vec![(Family::Ipv4Unicast, both), (Family::Ipv6Unicast, both)],
        extended_next_hop: true,
        extended_messages: true,
        ..terms(true, 65000)
    }
}

/// A session with AS 64512.
pub(super) fn terms(four_octet: bool, local: u32) -> Terms {
    Terms {
        local_asn: Asn(local),
        peer_asn: Asn(64512),
        local_address: IpAddr::V4(Ipv4Addr::new(169, 254, 21, 2)),
        four_octet,
        families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
        add_path: Vec::new(),
        extended_next_hop: false,
        extended_messages: false,
        role: None,
    }
}

fn sent_on(update: &Update, terms: &Terms) {
    let packed = encode_updates(std::slice::from_ref(update), terms);
    let mut again = Routes::default();
    for message in packed.messages() {
        assert_eq!(frame_len(&message, terms.longest()), Ok(Some(message.len())), "one whole message");
        let decoded = decode_update(&message[HEADER_LEN..], terms).expect("what we send is well-formed");
        assert_eq!(decoded.faults, None, "and without fault");
        again.take(&decoded.update);
    }
    if packed.unsendable == 0 {
        let mut once = Routes::default();
        once.take(update);
        assert_eq!(again, once, "the same routes");
    }
}

/// What a receiver holds after some updates.
#[derive(Debug, Default, PartialEq, Eq)]
struct Routes {
    withdrawn: BTreeSet<Nlri>,
    announced: BTreeMap<Nlri, (IpAddr, Attributes)>,
    ends: BTreeSet<Family>,
}

impl Routes {
    fn take(&mut self, update: &Update) {
        for prefix in &update.withdrawn {
            self.announced.remove(prefix);
            self.withdrawn.insert(*prefix);
        }
        let mut attributes = Attributes::clone(&update.attributes);
        // RFC 4271 5: whoever passes on what it does not know says so with the Partial bit.
        attributes.unknown.iter_mut().for_each(|unknown| unknown.flags &= OPTIONAL_TRANSITIVE);
        // RFC 4271 5: in order of type, whatever their order was.
        attributes.unknown.sort_by_key(|unknown| unknown.code);
        for announcement in &update.announced {
            for prefix in &announcement.prefixes {
                self.withdrawn.remove(prefix);
                self.announced.insert(*prefix, (announcement.next_hop, attributes.clone()));
            }
        }
        self.ends.extend(update.end_of_rib);
    }
}

/// 10.2.0.0/16 from AS 64512 by 169.254.21.1 with communities, beside 2001:db8::/32 in `MP_REACH_NLRI`; End-of-RIB.
pub(super) fn update() -> Vec<u8> {
    let attributes = [
        &[0x40, 1, 1, 0][..],
        &[0x40, 2, 6, 2, 1, 0, 0, 0xfc, 0],
        &[0x40, 3, 4, 169, 254, 21, 1],
        &[0x80, 4, 4, 0, 0, 0, 100],
        &[0xc0, 8, 4, 0xfc, 0, 0, 7],
        &[0x80, 14, 26, 0, 2, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20, 1, 0xd, 0xb8],
        &[0xc0, 16, 8, 0, 2, 0xfc, 0, 0, 0, 0, 1],
        &[0xc0, 32, 12, 0, 0, 0xfc, 0, 0, 0, 0, 1, 0, 0, 0, 2],
        &[0xc0, 99, 2, 1, 2],
    ]
    .concat();
    let length = u16::try_from(attributes.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0, 2, 8, 11][..], &length, &attributes, &[16, 10, 2]].concat()
}

/// Announcements and withdrawals of both families; two-octet paths; the attributes of internal sessions.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let withdrawal = [&[0, 0, 0, 11][..], &[0x80, 15, 8, 0, 2, 1, 32, 0x20, 1, 0xd, 0xb8]].concat();
    let narrow = [
        &[0, 0, 0, 36, 0x40, 1, 1, 2, 0x40, 2, 6, 2, 2, 0xfc, 0, 0x5b, 0xa0][..],
        &[0x40, 3, 4, 169, 254, 21, 1, 0xc0, 17, 10, 2, 2, 0, 0, 0xfc, 0, 0, 1, 0, 0, 24, 192, 0, 2],
    ]
    .concat();
    let internal = [
        &[0, 0, 0, 44, 0x40, 1, 1, 1, 0x40, 2, 0, 0x40, 3, 4, 169, 254, 21, 1, 0x40, 5, 4, 0, 0, 0, 100][..],
        &[0x80, 9, 4, 192, 0, 2, 1, 0x80, 10, 8, 192, 0, 2, 1, 192, 0, 2, 2, 0x40, 6, 0, 24, 192, 0, 2],
    ]
    .concat();
    vec![update(), vec![0; 4], vec![0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1], withdrawal, narrow, internal]
}
