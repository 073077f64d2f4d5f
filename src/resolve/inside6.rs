//! The IPv6 link inside a tunnel: a /126 whose first two hosts are the ends.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, OneOf};
use document::source::{At, Span};
use profile::{Profile, Side};
use schema::Inside6Section;
use settings::InsideLink6;

pub(super) fn resolve(
    field: Field<OneOf<Ipv6Net, Inside6Section>>,
    profile: Profile,
    findings: &Findings,
) -> Option<At<InsideLink6>> {
    let At { value, span } = field.at()?;
    let link = match value {
        OneOf::Short(prefix) => by_side(prefix.0, profile.cloud().inside.our_host),
        OneOf::Long(Inside6Section { prefix, side, local, peer }) => {
            match (local.value(), peer.value(), prefix.value()) {
                (Some(local), Some(peer), prefix) => by_addresses(local, peer, prefix),
                (None, None, Some(prefix)) => by_side(prefix, side.value().or(profile.cloud().inside.our_host)),
                (Some(_), None, _) | (None, Some(_), _) | (None, None, None) => {
                    Err(Reason(Code::InsideAddress, "needs `local` and `peer`, or `prefix` and `side`"))
                }
            }
        }
    };
    match link {
        Ok(link) => {
            check_range(link, span, profile, findings);
            Some(At::new(link, span))
        }
        Err(Reason(code, reason)) => {
            findings.push(Finding::error(code, span, "this cannot be an IPv6 inside link").label(reason).remedy(
                "write a prefix such as `fd00:21::/126`, with `side` (first or second) if the profile does not tell, \
                     or `local` and `peer` in it",
            ));
            None
        }
    }
}

struct Reason(Code, &'static str);

fn by_side(prefix: Ipv6Net, side: Option<Side>) -> Result<InsideLink6, Reason> {
    let Some(side) = side else { return Err(Reason(Code::InsideSide, "nothing says which end is ours")) };
    if prefix.prefix_len() > 126 {
        return Err(Reason(Code::InsideRange, "too long to hold two hosts"));
    }
    let host = |number: u128| Ipv6Addr::from_bits(prefix.network().to_bits().saturating_add(number));
    let (local, peer) = if side == Side::First { (host(1), host(2)) } else { (host(2), host(1)) };
    Ok(InsideLink6 { prefix, local, peer })
}

fn by_addresses(local: Ipv6Addr, peer: Ipv6Addr, prefix: Option<Ipv6Net>) -> Result<InsideLink6, Reason> {
    let around = || Ipv6Net::new(local, 126).map(|net| net.trunc()).ok();
    match prefix.or_else(around) {
        Some(prefix) if local != peer && prefix.contains(&local) && prefix.contains(&peer) => {
            Ok(InsideLink6 { prefix, local, peer })
        }
        Some(_) | None => Err(Reason(Code::InsideAddress, "the ends are not two addresses of this link")),
    }
}

fn check_range(link: InsideLink6, span: Span, profile: Profile, findings: &Findings) {
    let cloud = profile.cloud();
    let reason = match &cloud.inside.ipv6 {
        Some(ipv6) if ipv6.takes(link.prefix) => return,
        Some(ipv6) => format!("{} takes a /{} of {}", cloud.name, ipv6.lengths.0, ipv6.within),
        None => format!("{} has none", cloud.name),
    };
    findings.push(
        Finding::error(Code::InsideRange, span, format!("{} cannot be an inside link", link.prefix))
            .label(reason)
            .remedy("leave `inside6` out, or toward AWS take a /126 of fd00::/8"),
    );
}
