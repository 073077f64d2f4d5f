//! A tunnel of ours as its other end sees it.

use std::net::{IpAddr, Ipv4Addr};

use crypto::{EspProposal, Group, IkeProposal, Pfs};
use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use negotiation::{IkeVersion, LocalAuth, SelectorLayout, StartAction};
use settings::{Router, Tunnel};
use wire::ipsec::{Integrity, TrafficSelector};
use wire::{Asn, Secret};

use super::{Options, Target};
use crate::ExportError;

/// One tunnel and the export it is part of.
#[derive(Clone, Copy)]
pub(super) struct Peer<'a> {
    pub(super) target: Target,
    pub(super) tunnel: &'a Tunnel,
    pub(super) router: &'a Router,
    pub(super) options: &'a Options,
}

/// Whether it is nothing to a cloud, which is on the Internet: private (RFC 1918, RFC 4193), or shared (RFC 6598).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}

impl<'a> Peer<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.tunnel.name
    }

    /// Its name where only letters, digits and `_` may be, and no digit first.
    pub(super) fn word(&self) -> String {
        let word: String = self.name().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if word.starts_with(|c: char| c.is_ascii_digit()) { format!("t_{word}") } else { word }
    }

    /// The peer's outside address.
    pub(super) const fn outside(&self) -> IpAddr {
        self.tunnel.ike.remote
    }

    /// Our outside address, as the peer knows it.
    pub(super) fn our_outside(&self) -> IpAddr {
        self.options.public_address.unwrap_or(self.tunnel.ike.local)
    }

    /// Our outside address for a cloud, which is on the Internet.
    pub(super) fn our_public(&self) -> Result<IpAddr, ExportError> {
        let address = self.our_outside();
        if is_private(address) {
            let (tunnel, target) = (self.name().to_owned(), self.target.title());
            return Err(ExportError::PrivateAddress { tunnel, target, address: address.to_string() });
        }
        Ok(address)
    }

    /// How the peer identifies itself.
    pub(super) fn id(&self) -> String {
        self.tunnel.ike.remote_id.to_string()
    }

    /// How we do.
    pub(super) fn our_id(&self) -> String {
        // The default identity is the address, and the peer sees the translated one.
        match (&self.tunnel.ike.local_id, self.options.public_address) {
            (identity::Identity::Ip(address), Some(public)) if *address == self.tunnel.ike.local => public.to_string(),
            (id, _) => id.to_string(),
        }
    }

    pub(super) fn psk(&self) -> Result<&'a Secret, ExportError> {
        match &self.tunnel.ike.auth.local {
            LocalAuth::Psk(key) => Ok(key),
            LocalAuth::Certificate(_) => Err(ExportError::Certificate { tunnel: self.name().to_owned() }),
        }
    }

    /// The peer's AS number and ours, if BGP is spoken.
    pub(super) fn asns(&self) -> Option<(Asn, Asn)> {
        self.tunnel.bgp.as_ref().map(|session| (session.peer.peer_asn, session.peer.local_asn))
    }

    /// Hold time and keepalive in seconds, if BGP is spoken.
    pub(super) fn timers(&self) -> Option<(u64, u64)> {
        self.tunnel
            .bgp
            .as_ref()
            .map(|session| (session.peer.timers.hold.as_secs(), session.peer.timers.keepalive.as_secs()))
    }

    /// Whether the peer begins.
    pub(super) const fn begins(&self) -> bool {
        match self.tunnel.ike.start {
            StartAction::Initiate | StartAction::OnDemand => false,
            StartAction::Respond => true,
        }
    }

    pub(super) const fn is_v1(&self) -> bool {
        matches!(self.tunnel.ike.version, IkeVersion::V1(_))
    }

    /// What is behind the peer, as selectors say.
    pub(super) fn networks(&self) -> Vec<IpNet> {
        prefixes(&self.tunnel.ike.remote_selectors)
    }

    /// What is behind us, as selectors say.
    pub(super) fn our_networks(&self) -> Vec<IpNet> {
        prefixes(&self.tunnel.ike.local_selectors)
    }

    /// The CHILD SAs that there are to be: what is behind the peer and behind us. IKEv1 has one for each pair.
    pub(super) fn children(&self) -> Vec<(Vec<IpNet>, Vec<IpNet>)> {
        let mut ike = self.tunnel.ike.clone();
        if self.is_v1() {
            ike.layout = SelectorLayout::PerPair;
        }
        let children = ike.wanted_children().into_iter();
        children.map(|child| (prefixes(&child.remote), prefixes(&child.local))).collect()
    }

    /// What the peer has to route to us without BGP.
    pub(super) fn routes(&self) -> Vec<IpNet> {
        let selected: Vec<_> = self.our_networks().into_iter().filter(|net| net.prefix_len() > 0).collect();
        if selected.is_empty() { self.router.rib.originated.clone() } else { selected }
    }

    /// The peer's inside address with the length of the link.
    pub(super) fn inside(&self) -> String {
        format!("{}/{}", self.tunnel.inside.peer, self.tunnel.inside.prefix.prefix_len())
    }

    /// Something that the peer can have for a BGP identifier.
    pub(super) fn router_id(&self) -> Ipv4Addr {
        match self.outside() {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => self.tunnel.inside.prefix.addr(),
        }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>, accepts: impl Into<String>) -> ExportError {
        let (tunnel, target) = (self.name().to_owned(), self.target.title());
        ExportError::Unsupported { tunnel, target, what: what.into(), accepts: accepts.into() }
    }

    /// The first IKE suite that the target has, as it names it.
    pub(super) fn ike<T>(&self, name: impl Fn(&IkeProposal) -> Option<T>, accepts: &str) -> Result<T, ExportError> {
        let suites = &self.tunnel.ike.ike_proposals;
        let known = suites.iter().filter(|suite| suite.additional.is_optional()).find_map(name);
        known.ok_or_else(|| self.unsupported(format!("IKE suite {}", listed(suites)), accepts))
    }

    /// The first ESP suite that the target has, as it names it.
    pub(super) fn esp<T>(&self, name: impl Fn(&EspProposal) -> Option<T>, accepts: &str) -> Result<T, ExportError> {
        let suites = &self.tunnel.ike.esp_proposals;
        let known = suites.iter().filter(|suite| suite.additional.is_optional()).find_map(name);
        known.ok_or_else(|| self.unsupported(format!("ESP suite {}", listed(suites)), accepts))
    }
}

fn listed<T: ToString>(suites: &[T]) -> String {
    suites.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// The hash that a suite of the target names: the integrity algorithm, or with an AEAD that of the PRF.
pub(super) fn hash(suite: &IkeProposal) -> Integrity {
    suite.integrity.unwrap_or(match suite.prf {
        crypto::Prf::HmacMd5 => Integrity::HmacMd5,
        crypto::Prf::HmacSha1 => Integrity::HmacSha1,
        crypto::Prf::HmacSha256 => Integrity::HmacSha256,
        crypto::Prf::HmacSha384 => Integrity::HmacSha384,
        crypto::Prf::HmacSha512 => Integrity::HmacSha512,
    })
}

/// Whether the PRF is that of the integrity algorithm, as most targets take for granted (S0-28).
pub(super) fn prf_follows(suite: &IkeProposal) -> bool {
    suite.integrity.is_none_or(|integrity| crypto::Prf::from(integrity) == suite.prf)
}

/// The group of PFS, if there is one.
pub(super) const fn pfs(suite: &EspProposal) -> Option<Group> {
    match suite.pfs {
        Pfs::Off => None,
        Pfs::Required(group) | Pfs::Preferred(group) => Some(group),
    }
}

fn prefixes(selectors: &[TrafficSelector]) -> Vec<IpNet> {
    let mut all = Vec::new();
    for selector in selectors {
        match (selector.start, selector.end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => all.extend(Ipv4Subnets::new(start, end, 0).map(IpNet::V4)),
            (IpAddr::V6(start), IpAddr::V6(end)) => all.extend(Ipv6Subnets::new(start, end, 0).map(IpNet::V6)),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {}
        }
    }
    all
}
