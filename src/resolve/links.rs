//! Links inside tunnels that need none: without BGP nobody speaks over them, and the kernel has a next hop to name.
//!
//! They follow from the name of the tunnel, so that a reload changes nothing, and are given to no one twice.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::tunnel::{TunnelDraft, hash};
use document::source::At;
use profile::Profile;
use settings::{InsideLink, InsideLink6};

/// 169.254.128.0/17, far from what clouds and people choose.
const FIRST: u32 = 0xa9fe_8000;
/// /30s in it.
const COUNT: u32 = 1 << 13;
/// Under fd00::/8, with a global id of our own (RFC 4193 3.2).
const FIRST_V6: u128 = 0xfd51_5350_414e_ffff << 64;

/// Gives every tunnel without a session the links that it lacks.
pub(super) fn complete(tunnels: &mut [TunnelDraft]) {
    let mut taken: Vec<Ipv4Net> = tunnels.iter().filter_map(|tunnel| Some(tunnel.inside?.value.prefix)).collect();
    let mut taken6: Vec<Ipv6Net> = tunnels.iter().filter_map(|tunnel| Some(tunnel.inside6?.value.prefix)).collect();
    for tunnel in tunnels.iter_mut().filter(|tunnel| tunnel.session.is_none()) {
        let begin = tunnel.name.as_ref().map_or(0, |name| hash(&name.value));
        if tunnel.lacks_inside
            && let Some(prefix) = free(begin, &taken)
        {
            taken.push(prefix);
            let [local, peer] = [1, 2].map(|host| Ipv4Addr::from_bits(prefix.network().to_bits() + host).into());
            tunnel.inside = Some(At::new(InsideLink { prefix, local, peer }, tunnel.at));
        }
        if tunnel.needs_ipv6()
            && tunnel.inside6.is_none()
            && let Some(prefix) = free6(begin, &taken6)
        {
            taken6.push(prefix);
            let [local, peer] = [1, 2].map(|host| Ipv6Addr::from_bits(prefix.network().to_bits() + host));
            tunnel.inside6 = Some(At::new(InsideLink6 { prefix, local, peer }, tunnel.at));
        }
    }
}

fn free(begin: u32, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let candidates = (0..COUNT).filter_map(|step| {
        let number = begin.wrapping_add(step) % COUNT;
        Ipv4Net::new(Ipv4Addr::from_bits(FIRST + 4 * number), 30).ok()
    });
    let overlaps = |one: &Ipv4Net, other: &Ipv4Net| one.contains(other) || other.contains(one);
    // S0-48: the same with every profile.
    let reserved = &Profile::Generic.cloud().inside;
    let mut usable = candidates
        .filter(|net| reserved.reserved(*net).is_none())
        .filter(|net| !taken.iter().any(|taken| overlaps(taken, net)));
    usable.next()
}

fn free6(begin: u32, taken: &[Ipv6Net]) -> Option<Ipv6Net> {
    let candidates = (0..COUNT).filter_map(|step| {
        let number = u128::from(begin.wrapping_add(step));
        Ipv6Net::new(Ipv6Addr::from_bits(FIRST_V6 + 4 * number), 126).ok()
    });
    let overlaps = |one: &Ipv6Net, other: &Ipv6Net| one.contains(other) || other.contains(one);
    let mut usable = candidates.filter(|net| !taken.iter().any(|taken| overlaps(taken, net)));
    usable.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_free_of_others_and_of_what_clouds_reserve() {
        let mut taken = Vec::new();
        for begin in (0..COUNT).chain([u32::MAX]) {
            let Some(net) = free(begin, &taken) else { break };
            assert!(net.network().is_link_local() && !net.contains(&Ipv4Addr::new(169, 254, 169, 254)));
            if begin % 512 == 0 {
                assert!(!taken.contains(&net));
                taken.push(net);
            }
        }
        assert_eq!(free(7, &["169.254.128.0/17".parse().unwrap()]), None);
        assert_eq!(free6(u32::MAX, &[]).unwrap().prefix_len(), 126);
    }
}
