//! Which policies a tunnel needs, and what is to be done to get there. Pure.
//!
//! ```text
//!   out   selectors of each outbound SA --> the newest SA that has them, by its SPI; newer before older
//!         everything else               --> asks for an SA, or is refused while there is one
//!   in    selectors of each inbound SA  --> an SA of that pair (request number), or any of the tunnel's where pairs overlap
//!   fwd   the same
//! ```
//!
//! A packet takes the policy with the lowest priority that it matches, and the SA that its template names: an SPI names
//! exactly one, so that a new SA has all its traffic the moment its policies are there.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use wire::ipsec::Spi;

use crate::netlink::policy::everything;
use crate::selector::Selector;

/// The priority of what is for everything else.
const LAST: u32 = u32::MAX;
/// The priority of all inbound policies: which of several matches makes no difference.
const INBOUND: u32 = 1000;

/// Where a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// To the peer.
    Out,
    /// From the peer to us.
    In,
    /// From the peer to somebody else.
    Forward,
}

/// What makes a policy one of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PolicyKey {
    pub(crate) way: Way,
    pub(crate) selector: Selector,
}

/// Which SAs serve a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Unspecified for any.
    pub(crate) source: IpAddr,
    /// Unspecified for any.
    pub(crate) destination: IpAddr,
    /// 0 for any.
    pub(crate) spi: Spi,
    /// 0 for any.
    pub(crate) reqid: u32,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Refused.
    Block,
    /// Only with such an SA.
    Protect(Template),
}

/// A policy but for its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) verdict: Verdict,
    /// Lower comes first.
    pub(crate) priority: u32,
}

/// The policies of a tunnel.
pub(crate) type Policies = BTreeMap<PolicyKey, Policy>;

/// An outbound SA, as policies see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outbound<'a> {
    /// As packets to the peer have them.
    pub(crate) selectors: &'a [Selector],
    pub(crate) template: Template,
    /// How many came before it.
    pub(crate) age: u32,
    /// It carries no more.
    pub(crate) exhausted: bool,
}

/// An inbound SA, as policies see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inbound<'a> {
    /// As packets to the peer have them.
    pub(crate) selectors: &'a [Selector],
    /// Of all SAs with these selectors.
    pub(crate) reqid: u32,
}

/// A change of the kernel's policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Put(PolicyKey, Policy),
    Remove(PolicyKey),
}

/// The policies of a tunnel with these SAs, the oldest first. `if_id` stands in for the SPI where an SA is asked for: it
/// is unique, so that what the kernel keeps for the SA to come can be told from all else.
pub(crate) fn wanted(if_id: u32, outbound: &[Outbound<'_>], inbound: &[Inbound<'_>]) -> Policies {
    let mut policies = Policies::new();
    let rest = if outbound.is_empty() { Verdict::Protect(awaited(if_id)) } else { Verdict::Block };
    for v6 in [false, true] {
        let selector = Selector::between(everything(v6), everything(v6));
        policies.insert(PolicyKey { way: Way::Out, selector }, Policy { verdict: rest, priority: LAST });
    }
    // The newest of those with the same selector stays.
    for sa in outbound {
        let verdict = if sa.exhausted { Verdict::Block } else { Verdict::Protect(sa.template) };
        let policy = Policy { verdict, priority: LAST - 1 - sa.age };
        policies.extend(sa.selectors.iter().map(|selector| (PolicyKey { way: Way::Out, selector: *selector }, policy)));
    }
    for sa in inbound {
        for selector in sa.selectors {
            let shared = inbound
                .iter()
                .any(|other| other.reqid != sa.reqid && other.selectors.iter().any(|other| other.intersects(selector)));
            let template = any_of(if shared { 0 } else { sa.reqid });
            let policy = Policy { verdict: Verdict::Protect(template), priority: INBOUND };
            for way in [Way::In, Way::Forward] {
                policies.insert(PolicyKey { way, selector: selector.reversed() }, policy);
            }
        }
    }
    policies
}

/// What to do, in this order. What is made comes before what is removed, so that no packet finds nothing; and what comes first
/// for packets before what is for the rest, so that none is refused that both the old and the new SAs carry.
pub(crate) fn changes(installed: &Policies, wanted: &Policies) -> Vec<Change> {
    let mut put: Vec<_> = wanted.iter().filter(|(key, policy)| installed.get(key) != Some(policy)).collect();
    put.sort_by_key(|(_, policy)| policy.priority);
    let remove = installed.keys().filter(|key| !wanted.contains_key(key));
    put.into_iter()
        .map(|(key, policy)| Change::Put(*key, *policy))
        .chain(remove.map(|key| Change::Remove(*key)))
        .collect()
}

/// The place of an SA that is not there yet: no peer has this address.
fn awaited(if_id: u32) -> Template {
    Template { source: Ipv4Addr::LOCALHOST.into(), spi: Spi(if_id), ..any_of(0) }
}

/// The address in [`awaited`], where the kernel keeps its place.
pub(crate) const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

fn any_of(reqid: u32) -> Template {
    Template { source: NOBODY, destination: NOBODY, spi: Spi(0), reqid }
}

#[cfg(test)]
mod tests;
