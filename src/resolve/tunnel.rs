//! One tunnel, part by part.

use std::net::IpAddr;

use crypto::{EspProposal, IkeProposal, Pfs};
use identity::Identity;
use ipnet::IpNet;
use negotiation::{EncapsulationPolicy, IkeVersion, PORT_IKE, Ppk, StartAction, TunnelConfig};
use wire::ipsec::TunnelId;
use wire::outer::{DontFragment, Dscp, OuterHeader};
use wire::{Asn, RouterId};

use super::auth::AuthDraft;
use super::place::{Over, Place};
use super::policies::PoliciesDraft;
use super::routing::{ProtectedDraft, TunnelRoute};
use super::selectors::Selectors;
use super::timing::Timing;
use super::{
    SessionDraft, auth, inside, inside6, name_finding, outside, ppk, routing, selectors, session, suites, timing,
    version,
};
use crate::secrets::SecretSource;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, Leaf};
use document::scalar::{Legacy, Text, Within};
use document::source::{At, Span};
use profile::Profile;
use schema::{Defaults, HealthSection, TunnelSection};
use settings::{InsideLink, InsideLink6, Tunnel};

/// What could be made out of one entry of `tunnels`.
#[derive(Clone, Debug)]
pub struct TunnelDraft {
    /// Where it is written.
    pub at: Span,
    /// Its name.
    pub name: Option<At<String>>,
    /// Its interface, as written or made from the name.
    pub interface: Option<At<String>>,
    /// What the peer is.
    pub profile: Profile,
    /// Our outside address.
    pub local: Option<At<IpAddr>>,
    /// The peer's outside address.
    pub remote: Option<At<IpAddr>>,
    /// How we identify ourselves, if that is said.
    pub local_id: Option<At<Identity>>,
    /// How the peer has to identify itself, if that is said.
    pub remote_id: Option<At<Identity>>,
    /// The link inside.
    pub inside: Option<At<InsideLink>>,
    /// The IPv6 link inside.
    pub inside6: Option<At<InsideLink6>>,
    /// No inside link is written.
    pub(super) lacks_inside: bool,
    /// Static routes into it.
    pub routes: Vec<TunnelRoute>,
    /// Its protected flows, if it is routed by these.
    pub protected: Option<ProtectedDraft>,
    /// Its BGP session.
    pub session: Option<SessionDraft>,
    /// Which IKE is spoken.
    pub version: At<IkeVersion>,
    pub(super) health: Field<HealthSection>,
    auth: Option<AuthDraft>,
    ppk: Option<Ppk>,
    ike_proposals: Option<Vec<IkeProposal>>,
    esp_proposals: Option<Vec<EspProposal>>,
    timing: Timing,
    selectors: Selectors,
    /// What was written to be behind the peer.
    pub far: Vec<At<IpNet>>,
    /// Who begins.
    pub start: At<StartAction>,
    early_rekey: bool,
    encapsulation: EncapsulationPolicy,
    ike_port: u16,
    mtu: Option<u32>,
    /// DSCP of outer packets.
    pub dscp: Option<At<Dscp>>,
    /// "Don't fragment" of outer packets.
    pub df: Option<At<DontFragment>>,
}

pub(super) fn resolve(
    section: At<TunnelSection>,
    defaults: &Defaults,
    policies: &PoliciesDraft,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> TunnelDraft {
    let At { value: section, span: at } = section;
    let section = section.over(defaults);
    let name = name(section.name, at, findings);
    // Which host of the link is ours follows from the profile; without it there is nothing to say about the link.
    let adrift = section.profile.is_unreadable();
    let profile = section.profile.value().unwrap_or(Profile::Generic);
    let legacy = section.legacy.value().unwrap_or(Legacy::Refuse);
    let (local, remote) = outside::resolve(section.local, section.remote, profile, at, findings);
    let (speaks, lacks_inside) = (section.bgp.span().is_some(), section.inside.span().is_none());
    let inside = if adrift { None } else { inside::resolve(section.inside, profile, at, speaks, findings) };
    let inside6 = if adrift { None } else { inside6::resolve(section.inside6, profile, findings) };
    let start = section.start.scalar().unwrap_or(At::new(profile.cloud().start.ours.0, at));
    let early_rekey = section.esp.get().and_then(|esp| esp.early_rekey.clone().value());
    let over = Over::Tunnel { ipv6: inside6.is_some() };
    let session = section.bgp.at().map(|bgp| session::resolve(bgp, profile, over, policies, secrets, findings));
    let ike = section.ike.section(at).value;
    let version = version::resolve(&ike, at, profile, findings);
    let esp_proposals = suites::esp(section.esp.clone().section(at).value, profile, version.value, legacy, findings);
    let (local_id, remote_id) = (section.local_id.scalar(), section.remote_id.scalar());
    version::check_identities(version.value, [local_id.as_ref(), remote_id.as_ref()], findings);
    let auth = auth::resolve(
        auth::Sections {
            psk: section.psk,
            certificate: section.certificate,
            auth: section.auth,
            local_id: local_id.clone(),
            remote_id: remote_id.clone(),
            legacy,
        },
        profile,
        at,
        secrets,
        findings,
    );
    version::check_auth(&version, auth.as_ref(), findings);
    let routes = routing::routes(section.routes, findings);
    let ipv6 = inside6.is_some() || routes.iter().any(TunnelRoute::is_ipv6);
    let selectors = selectors::resolve(section.selectors, version.value, inside.as_ref(), ipv6, speaks, findings);
    TunnelDraft {
        at,
        interface: interface(section.interface, name.as_ref(), findings),
        name,
        profile,
        local_id,
        remote_id,
        auth,
        ppk: ppk::resolve(section.ppk, version.value, secrets, findings),
        ike_proposals: suites::ike(ike.proposals.clone(), profile, version.value, legacy, findings),
        ike_port: ike.port.clone().value().map_or(PORT_IKE, |port| port.0),
        early_rekey: early_rekey.unwrap_or_else(|| has_group(esp_proposals.as_deref())),
        esp_proposals,
        version,
        mtu: mtu(section.mtu, profile, findings),
        timing: timing::resolve(
            timing::Sections {
                ike,
                esp: section.esp.section(at).value,
                rekey: section.rekey.section(at).value,
                dpd: section.dpd.section(at).value,
                start: start.value,
            },
            profile.cloud(),
            findings,
        ),
        far: selectors.remote_networks.clone(),
        protected: routing::protected(section.routing, &selectors, &networks(inside, inside6), findings),
        selectors,
        lacks_inside,
        routes,
        local,
        remote,
        inside,
        inside6,
        session,
        health: section.health,
        start,
        encapsulation: section.encapsulation.value().unwrap_or(EncapsulationPolicy::Auto),
        dscp: section.dscp.scalar(),
        df: section.df.scalar(),
    }
}

/// The networks of the links inside.
fn networks(inside: Option<At<InsideLink>>, inside6: Option<At<InsideLink6>>) -> Vec<IpNet> {
    let inside = inside.map(|link| IpNet::V4(link.value.prefix));
    let inside6 = inside6.map(|link| IpNet::V6(link.value.prefix));
    inside.into_iter().chain(inside6).collect()
}

fn mtu(written: Leaf<Within<576, 9200>>, profile: Profile, findings: &Findings) -> Option<u32> {
    let At { value: Within(mtu), span } = written.scalar()?;
    let cloud = profile.cloud();
    if let Some(most) = cloud.mtu.most.filter(|most| mtu > *most) {
        findings.push(
            Finding::warning(Code::MtuCloud, span, format!("{} carries no packets of {mtu} octets", cloud.name))
                .label("larger than what fits through the tunnel")
                .remedy(format!("leave `mtu` out, or give at most {most}")),
        );
    }
    Some(mtu)
}

fn name(written: Leaf<Text>, at: Span, findings: &Findings) -> Option<At<String>> {
    let name = written.require("name", at, "name the tunnel, for logs, metrics and commands", findings)?;
    let name = At::new(name.value.0, name.span);
    if let Some(finding) = name_finding(&name.value, name.span) {
        findings.push(finding);
    }
    Some(name)
}

/// Whether rekeys have a group that the first negotiation does not try.
fn has_group(proposals: Option<&[EspProposal]>) -> bool {
    proposals.unwrap_or_default().iter().any(|proposal| proposal.pfs != Pfs::Off)
}

/// `IFNAMSIZ` without its final zero.
const MAX_INTERFACE: usize = 15;

fn interface(written: Leaf<Text>, name: Option<&At<String>>, findings: &Findings) -> Option<At<String>> {
    if written.span().is_none() {
        return name.map(|name| At::new(derived_interface(&name.value), name.span));
    }
    let written = written.scalar()?;
    let name = written.value.0;
    let allowed = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
    if name.len() > MAX_INTERFACE || !name.chars().all(allowed) || matches!(name.as_str(), "." | ".." | "lo") {
        findings.push(
            Finding::error(Code::Interface, written.span, format!("`{name}` cannot name a network interface"))
                .label("the kernel refuses this")
                .remedy("use at most 15 printable characters without `/`, `:`, `%` and spaces"),
        );
    }
    Some(At::new(name, written.span))
}

/// FNV-1a, to tell names apart.
pub(super) fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
}

/// `qs-` and the tunnel's name; of a long name its beginning and a hash of the whole.
fn derived_interface(name: &str) -> String {
    let whole = format!("qs-{name}");
    if whole.len() <= MAX_INTERFACE {
        return whole;
    }
    // Folded to 16 bits.
    let hash = hash(name);
    let beginning: String = name.chars().filter(char::is_ascii).take(7).collect();
    format!("qs-{beginning}-{:04x}", (hash >> 16) ^ (hash & 0xffff))
}

impl TunnelDraft {
    /// How the tunnel is called in messages.
    #[must_use]
    pub fn title(&self) -> &str {
        self.name.as_ref().map_or("this tunnel", |name| &name.value)
    }

    /// The networks of its inside links.
    pub fn links(&self) -> impl Iterator<Item = At<IpNet>> {
        let inside = self.inside.map(|link| At::new(IpNet::V4(link.value.prefix), link.span));
        let inside6 = self.inside6.map(|link| At::new(IpNet::V6(link.value.prefix), link.span));
        inside.into_iter().chain(inside6)
    }

    /// Whether something leads IPv6 into it.
    pub(super) fn needs_ipv6(&self) -> bool {
        let mut flows = self.protected.iter().flat_map(ProtectedDraft::pairs);
        self.routes.iter().any(TunnelRoute::is_ipv6) || flows.any(|(local, _)| !local.value.addr().is_ipv4())
    }

    /// The tunnel; `None` if a part is missing, which was reported.
    pub(super) fn finish(self, id: TunnelId, asn: Asn, router_id: RouterId) -> Option<Tunnel> {
        let (local, remote) = (self.local?.value, self.remote?.value);
        let (name, inside) = (self.name?.value, self.inside?.value);
        let auth = self.auth?;
        let inside6 = self.inside6.map(|link| link.value);
        Some(Tunnel {
            id,
            profile: self.profile,
            interface: self.interface?.value,
            inside,
            inside_made_up: self.lacks_inside,
            inside6,
            bgp: match self.session {
                Some(session) => Some(session.finish(&name, (asn, router_id), Place::tunnel(id, inside, inside6))?),
                None => None,
            },
            ike: TunnelConfig {
                name: name.clone(),
                local,
                remote,
                version: self.version.value,
                ike_port: self.ike_port,
                local_id: self.local_id.map_or_else(|| auth.default_identity(local.into()), |id| id.value),
                remote_id: self.remote_id.map_or_else(|| Identity::from(remote), |id| id.value),
                auth: auth.finish(),
                ppk: self.ppk,
                ike_proposals: self.ike_proposals?,
                esp_proposals: self.esp_proposals?,
                ike_lifetime: self.timing.ike_lifetime,
                child_lifetime: self.timing.child_lifetime,
                rekey_margin: self.timing.rekey_margin,
                rekey_fuzz: self.timing.rekey_fuzz,
                local_selectors: self.selectors.local,
                remote_selectors: self.selectors.remote,
                layout: self.selectors.layout,
                start: self.start.value,
                encapsulation: self.encapsulation,
                dpd: self.timing.dpd,
                replay_window: self.timing.replay_window,
                early_rekey: self.early_rekey,
            },
            mtu: self.mtu,
            outer: OuterHeader {
                dscp: self.dscp.map(|dscp| dscp.value).unwrap_or_default(),
                dont_fragment: self.df.map(|df| df.value).unwrap_or_default(),
            },
            protected: self.protected.map(ProtectedDraft::finish),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_interfaces_fit_the_kernel_and_differ() {
        assert_eq!(derived_interface("t1-inst0"), "qs-t1-inst0");
        let (one, two) = (derived_interface("frankfurt-tunnel-1"), derived_interface("frankfurt-tunnel-2"));
        assert!(one.starts_with("qs-frankfu-") && one.len() == MAX_INTERFACE, "{one}");
        assert_ne!(one, two);
    }
}
