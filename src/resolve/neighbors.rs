//! BGP peers outside the tunnels.

use std::net::IpAddr;

use bgp::Family;
use ipnet::IpNet;
use rib::{PeerId, Reach};
use wire::{Asn, LinkId, RouterId};

use super::place::{Over, Place};
use super::policies::PoliciesDraft;
use super::{SessionDraft, name_finding, session};
use crate::secrets::SecretSource;
use document::asn_range::AsnRange;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, Leaf, OneOf, Word};
use document::source::{At, Span};
use profile::Profile;
use schema::NeighborSection;
use settings::{Neighbor, NeighborPlace, Range};

/// Sessions with peers of one range, unless said otherwise.
const LIMIT: u32 = 64;

/// What could be made out of one entry of `neighbors`.
#[derive(Clone, Debug)]
pub struct NeighborDraft {
    /// Where it is written.
    pub at: Span,
    /// Its name.
    pub name: Option<At<String>>,
    /// The peer's address.
    pub address: Option<At<IpAddr>>,
    /// Where peers may connect from.
    pub range: Option<At<IpNet>>,
    /// The interface it is behind, if that is said.
    pub interface: Option<At<String>>,
    /// Our address, if that is said.
    pub local_address: Option<At<IpAddr>>,
    /// How many hops it may be away.
    pub multihop: Option<At<u8>>,
    /// The session.
    pub session: SessionDraft,
    /// Of which ASes it may be.
    pub asns: Vec<At<AsnRange>>,
    limit: u32,
}

pub(super) fn resolve(
    written: Field<Vec<Field<NeighborSection>>>,
    policies: &PoliciesDraft,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Vec<NeighborDraft> {
    let sections = written.at().map(|list| list.value).unwrap_or_default();
    sections.into_iter().filter_map(Field::at).map(|section| one(section, policies, secrets, findings)).collect()
}

fn one(
    section: At<NeighborSection>,
    policies: &PoliciesDraft,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> NeighborDraft {
    let At { value: section, span: at } = section;
    let name = section.name.require("name", at, "name the neighbour, for logs, metrics and commands", findings);
    let name = name.map(|name| At::new(name.value.0, name.span));
    if let Some(finding) = name.as_ref().and_then(|name| name_finding(&name.value, name.span)) {
        findings.push(finding);
    }
    let (address, range) = (section.address.scalar(), section.range.scalar());
    who(at, address, range, findings);
    if section.interface.span().is_none() {
        scoped(address.map(|at| At::new(at.value.into(), at.span)).or(range), findings);
    }
    let asns = asns(section.asn, range.is_some(), findings);
    let mut bgp = section.bgp.section(at);
    // The session is with one AS; with a range that has several, which one is found out when a peer connects.
    if let Some(first) = asns.first() {
        bgp.value.asn = Leaf::written(Word(first.value.first()), first.span);
    }
    let family = address.map(|at| Family::of(&at.value.into())).or(range.map(|at| Family::of(&at.value)));
    let over = Over::Neighbor { family: family.unwrap_or(Family::Ipv4Unicast), accepts: range.is_some() };
    let draft = NeighborDraft {
        at,
        name,
        address,
        range,
        interface: section.interface.scalar().map(|at| At::new(at.value.0, at.span)),
        local_address: section.local_address.scalar(),
        multihop: section.multihop.scalar().and_then(|at| Some(At::new(u8::try_from(at.value.0).ok()?, at.span))),
        session: session::resolve(bgp, Profile::Generic, over, policies, secrets, findings),
        asns,
        limit: section.limit.value().map_or(LIMIT, |limit| limit.0),
    };
    draft.check_place(findings);
    draft
}

fn who(at: Span, address: Option<At<IpAddr>>, range: Option<At<IpNet>>, findings: &Findings) {
    match (address, range) {
        (None, None) => findings.push(
            Finding::error(Code::NeighborAddress, at, "nothing says who this neighbour is")
                .label("has neither `address` nor `range`")
                .remedy("give the peer's `address`, or the `range` its address is from"),
        ),
        (Some(_), Some(range)) => findings.push(
            Finding::error(Code::NeighborAddress, range.span, "one neighbour or many?")
                .label("has both `address` and `range`")
                .remedy("keep one of the two; make another entry for the other"),
        ),
        (Some(address), None) => {
            if let Some(reason) = useless(address.value) {
                findings.push(
                    Finding::error(Code::NeighborAddress, address.span, format!("no peer has {}", address.value))
                        .label(reason)
                        .remedy("give the address that the peer has on the network between you"),
                );
            }
        }
        (None, Some(range)) => {
            if range.value.prefix_len() == 0 {
                findings.push(
                    Finding::error(Code::NeighborAddress, range.span, "everybody would be a neighbour")
                        .label("all addresses there are")
                        .remedy("give the network that the peers are on"),
                );
            }
        }
    }
}

/// RFC 4007 6: an address of link scope means something on one link only.
fn scoped(peer: Option<At<IpNet>>, findings: &Findings) {
    let link_scope = |net: &At<IpNet>| matches!(net.value, IpNet::V6(v6) if v6.addr().is_unicast_link_local());
    if let Some(peer) = peer.filter(link_scope) {
        findings.push(
            Finding::error(Code::NeighborPlace, peer.span, "this address is there once on every link")
                .label("of link scope")
                .remedy("add `interface:` with the name of the interface that the peer is behind"),
        );
    }
}

fn useless(address: IpAddr) -> Option<&'static str> {
    if address.is_unspecified() || address.is_multicast() {
        Some("not the address of a machine")
    } else if address.is_loopback() {
        Some("means this machine")
    } else {
        None
    }
}

fn asns(
    written: Field<OneOf<AsnRange, Vec<Leaf<AsnRange>>>>,
    is_range: bool,
    findings: &Findings,
) -> Vec<At<AsnRange>> {
    let Some(At { value, span }) = written.at() else { return Vec::new() };
    let asns = match value {
        OneOf::Short(word) => vec![At::new(word.0, span)],
        OneOf::Long(list) => list.into_iter().filter_map(Leaf::scalar).collect(),
    };
    let several = asns.len() > 1 || asns.first().is_some_and(|asn| !asn.value.is_one());
    if asns.is_empty() || (several && !is_range) {
        findings.push(
            Finding::error(Code::NeighborAsn, span, "one neighbour is of one AS")
                .label(if asns.is_empty() { "no AS number" } else { "several AS numbers" })
                .remedy("give one number; lists, parts such as `65010-65019`, `external` and `any` go with `range`"),
        );
    }
    asns
}

impl NeighborDraft {
    fn check_place(&self, findings: &Findings) {
        if let (Some(hops), Some(interface)) = (self.multihop, &self.interface) {
            findings.push(
                Finding::error(Code::NeighborPlace, interface.span, "a peer several hops away is behind no interface")
                    .label("pins the session to an interface")
                    .also(hops.span, "says that it is several hops away")
                    .remedy("leave one of the two out"),
            );
        }
        if let (Some(hops), None) = (self.multihop, self.local_address) {
            findings.push(
                Finding::error(Code::NeighborPlace, hops.span, "which of our addresses does the peer know?")
                    .label("the peer is on no network of ours")
                    .remedy("add `local-address:` with the address the peer is configured with"),
            );
        }
        let peer = self.address.map(|at| at.value).or(self.range.map(|at| at.value.addr()));
        if let (Some(local), Some(peer)) = (self.local_address, peer)
            && local.value.is_ipv4() != peer.is_ipv4()
        {
            findings.push(
                Finding::error(Code::NeighborPlace, local.span, "the two ends are of different families")
                    .label("our end")
                    .remedy("give an address of the same family as the peer's"),
            );
        }
    }

    /// The neighbour; `None` if a part is missing, which was reported.
    pub(super) fn finish(self, id: PeerId, own: (Asn, RouterId)) -> Option<Neighbor> {
        let name = self.name?.value;
        let range = self.range.map(|at| at.value);
        let peer = self.address.map(|at| at.value).or(range.map(|range| range.addr()))?;
        let local = self.local_address.map(|at| at.value);
        let interface = self.interface.map(|at| at.value);
        let reach = match self.multihop {
            Some(_) => Reach::Routed,
            None => Reach::Connected { interface: interface.clone() },
        };
        let unspecified: IpAddr = match peer {
            IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let place = Place { id, link: LinkId::NONE, reach, local: local.unwrap_or(unspecified), peer, inside6: None };
        let asns = self.asns;
        let known_as = self.session.local_asn.map(|local| local.asn.value);
        Some(Neighbor {
            session: self.session.finish(&name, own, place)?,
            place: NeighborPlace { interface, local_address: local, multihop: self.multihop.map(|hops| hops.value) },
            range: range.map(|range| Range {
                range,
                asns: asns.iter().flat_map(|asns| asns.value.numbers(own.0, known_as)).collect(),
                limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
            }),
        })
    }
}
