//! The link inside a tunnel: a /30 of 169.254.0.0/16 whose hosts are the two BGP speakers.
//!
//! ```text
//!   169.254.21.0/30      .0 network   .1 first host: AWS   .2 second host: Azure, and customers of AWS   .3 broadcast
//! ```

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, OneOf, missing};
use document::source::{At, Span};
use profile::{Profile, Side};
use schema::InsideSection;
use settings::InsideLink;

pub(super) fn resolve(
    field: Field<OneOf<Ipv4Net, InsideSection>>,
    profile: Profile,
    owner: Span,
    session: bool,
    findings: &Findings,
) -> Option<At<InsideLink>> {
    if field.span().is_none() && session {
        findings.push(missing("inside", owner, "give the /30 inside the tunnel, such as `169.254.21.0/30`"));
    }
    let At { value, span } = field.at()?;
    let link = match value {
        OneOf::Short(prefix) => by_side(At::new(prefix.0, span), None, profile, findings),
        OneOf::Long(section) => long_form(section, span, profile, findings),
    }?;
    check_range(link, profile, findings);
    Some(link)
}

fn long_form(section: InsideSection, at: Span, profile: Profile, findings: &Findings) -> Option<At<InsideLink>> {
    let (prefix, side) = (section.prefix.scalar(), section.side.scalar());
    match (section.local.scalar(), section.peer.scalar(), prefix) {
        (Some(local), Some(peer), prefix) => by_addresses(local, peer, prefix, side.map(|side| side.span), findings),
        (None, None, Some(prefix)) => by_side(prefix, side, profile, findings),
        (Some(one), None, _) | (None, Some(one), _) => {
            findings.push(
                Finding::error(Code::InsideAddress, one.span, "only one end of the inside link is given")
                    .label("and the other?")
                    .remedy("give `local` and `peer`, or `prefix` and `side`"),
            );
            None
        }
        (None, None, None) => {
            findings.push(missing("prefix", at, "give `prefix` (and `side`), or `local` and `peer`"));
            None
        }
    }
}

fn by_side(
    prefix: At<Ipv4Net>,
    written: Option<At<Side>>,
    profile: Profile,
    findings: &Findings,
) -> Option<At<InsideLink>> {
    let cloud = profile.cloud();
    let net = prefix.value;
    let Some(side) = written.map(|side| side.value).or(cloud.inside.our_host) else {
        findings.push(
            Finding::error(Code::InsideSide, prefix.span, "nothing says which end of the inside link is ours")
                .label("two hosts")
                .remedy(format!("write `inside: {{prefix: {net}, side: first}}` or `side: second`")),
        );
        return None;
    };
    if let (Some(written), Some(left)) = (written, cloud.inside.our_host.filter(|_| cloud.inside.our_host_is_fixed))
        && written.value != left
    {
        let taken = if left == Side::First { "second" } else { "first" };
        findings.push(
            Finding::warning(Code::InsideCloudSide, written.span, format!("{} takes the {taken} host", cloud.name))
                .label("this host is the cloud's")
                .remedy("leave `side` out unless the peer only plays that cloud"),
        );
    }
    let (first, second) = match net.prefix_len() {
        31 => (net.network(), net.broadcast()),
        32 => {
            findings.push(range_finding(prefix, "one address has no room for two ends"));
            return None;
        }
        _ => (step(net.network(), 1), step(net.network(), 2)),
    };
    let (local, peer) = if side == Side::First { (first, second) } else { (second, first) };
    Some(At::new(InsideLink { prefix: net, local: local.into(), peer: peer.into() }, prefix.span))
}

fn step(address: Ipv4Addr, by: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits().saturating_add(by))
}

fn by_addresses(
    local: At<Ipv4Addr>,
    peer: At<Ipv4Addr>,
    prefix: Option<At<Ipv4Net>>,
    side: Option<Span>,
    findings: &Findings,
) -> Option<At<InsideLink>> {
    let prefix = prefix.or_else(|| Some(At::new(Ipv4Net::new(local.value, 30).ok()?.trunc(), local.span)))?;
    let net = prefix.value;
    let mut good = true;
    let mut refuse = |span, message: String, reason: &str| {
        good = false;
        findings.push(
            Finding::error(Code::InsideAddress, span, message)
                .label(reason)
                .also(prefix.span, format!("the link is {net}"))
                .remedy(format!("its hosts are {}", hosts(net))),
        );
    };
    for address in [local, peer] {
        if !net.contains(&address.value) {
            refuse(address.span, format!("{} is not in {net}", address.value), "not on this link");
        } else if net.prefix_len() < 31 && [net.network(), net.broadcast()].contains(&address.value) {
            refuse(
                address.span,
                format!("{} is not a host of {net}", address.value),
                "its network or broadcast address",
            );
        }
    }
    if local.value == peer.value {
        refuse(peer.span, "both ends of the inside link have one address".to_owned(), "the same as `local`");
    }
    if let Some(side) = side {
        refuse(side, "`side` and addresses are both given".to_owned(), "the addresses say which end is ours");
    }
    good.then(|| At::new(InsideLink { prefix: net, local: local.value.into(), peer: peer.value.into() }, prefix.span))
}

fn hosts(net: Ipv4Net) -> String {
    net.hosts().take(2).map(|host| host.to_string()).collect::<Vec<_>>().join(" and ")
}

fn check_range(link: At<InsideLink>, profile: Profile, findings: &Findings) {
    let net = link.value.prefix;
    let cloud = profile.cloud();
    if let Some(reserved) = cloud.inside.reserved(net) {
        // S0-48.
        let reason = if reserved.network().octets()[2] == 169 {
            "holds 169.254.169.254, where cloud machines ask for their metadata"
        } else {
            "used inside the clouds"
        };
        findings.push(
            Finding::error(Code::InsideReserved, link.span, format!("{reserved} is reserved by the clouds"))
                .label(reason)
                .remedy("take another /30 of 169.254.0.0/16, with Azure between 169.254.21.0 and 169.254.22.252"),
        );
        return;
    }
    let length = net.prefix_len();
    let lengths = &cloud.inside.lengths;
    let link_local = cloud.inside.ranges.iter().all(|range| range.network().is_link_local());
    if (!lengths.is_empty() && !lengths.contains(&length)) || (link_local && !net.network().is_link_local()) {
        // S0-47, S4-05.
        let reason = if link_local { "clouds take a /30 of 169.254.0.0/16" } else { "clouds take a /30 or a /31" };
        findings.push(range_finding(At::new(net, link.span), reason));
    } else if !cloud.inside.takes(net) {
        // S4-06.
        let ranges = cloud.inside.ranges.iter().map(|range| format!("{} to {}", range.network(), range.broadcast()));
        let ranges = ranges.collect::<Vec<_>>().join(", ");
        findings.push(
            Finding::error(Code::InsideCloudRange, link.span, format!("{} cannot use {net}", cloud.name))
                .label(format!("outside {ranges}"))
                .remedy(format!("take a link within {ranges}")),
        );
    }
}

fn range_finding(prefix: At<Ipv4Net>, reason: &str) -> Finding {
    Finding::error(Code::InsideRange, prefix.span, format!("{} cannot be an inside link", prefix.value))
        .label(reason)
        .remedy("take a /30 of 169.254.0.0/16 such as `169.254.21.0/30`")
}
