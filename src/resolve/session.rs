//! A BGP session, inside a tunnel or outside.

use std::time::Duration;

use bgp::Family;
use peering::PeerConfig;
use policy::{Basis, Chain};
use rib::PeerPolicy;
use wire::{Asn, RouterId};

use super::local_asn::{self, LocalAsnDraft};
use super::offers::{self, OffersDraft};
use super::place::{Over, Place};
use super::policies::{Exchange, PoliciesDraft, exchange};
use super::routes::{self, TreatmentDraft, TreatmentKeys};
use super::transport;
use crate::secrets::SecretSource;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, Leaf};
use document::scalar::{GracefulShutdown, Within};
use document::source::{At, Span};
use profile::{Cloud, Profile};
use schema::{BgpSection, MaxPrefixSection};
use settings::{Session, Transport};

/// What could be made out of a `bgp` section.
#[derive(Clone, Debug)]
pub struct SessionDraft {
    /// The peer's AS number.
    pub asn: Option<At<Asn>>,
    /// What the peer is.
    pub profile: Profile,
    /// What was written, if anything.
    pub export: Option<Chain>,
    /// The limit, and where it was written if it was.
    pub max_prefix_out: Option<(u32, Option<Span>)>,
    /// Where it is written.
    pub at: Span,
    hold_time: Duration,
    keepalive: Duration,
    connect_retry: Duration,
    passive: bool,
    /// Address families.
    pub families: Vec<Family>,
    /// What it offers beyond the usual.
    pub offers: OffersDraft,
    transport: Transport,
    /// What was written, if anything.
    pub import: Option<Chain>,
    /// Unless it was written: on external sessions.
    graceful_shutdown: Option<GracefulShutdown>,
    drain: bool,
    max_prefix_in: Option<u32>,
    local_preference: u32,
    med: Option<u32>,
    prepend: u8,
    bfd: Option<bfd::Config>,
    /// What is done to its routes.
    pub treatment: TreatmentDraft,
    /// Another AS number of ours toward the peer.
    pub local_asn: Option<LocalAsnDraft>,
}

pub(super) fn resolve(
    section: At<BgpSection>,
    profile: Profile,
    over: Over,
    policies: &PoliciesDraft,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> SessionDraft {
    let At { value: section, span: at } = section;
    let cloud = profile.cloud();
    let tunnel = matches!(over, Over::Tunnel { .. });
    let transport = transport::resolve(&section, secrets, findings);
    let extended = section.extended_next_hop.clone().value().unwrap_or(false);
    let families = families(section.families.clone(), over, extended, findings);
    let hold = section.hold_time.clone().value().unwrap_or(cloud.bgp.hold.0);
    let offers = offers::resolve(&section, &families, hold, findings);
    let asn = section.asn.require("asn", at, "give the peer's AS number, here or in `defaults`", findings);
    let (hold_time, keepalive) = timers(section.hold_time, section.keepalive, profile, findings);
    let warn = section.max_prefix.get().map_or_else(Leaf::default, |limits| limits.warn.clone());
    let (max_prefix_in, max_prefix_out) = limits(section.max_prefix, cloud, at, findings);
    let keys = TreatmentKeys {
        allowas_in: section.allowas_in,
        as_override: section.as_override,
        remove_private_as: section.remove_private_as,
        next_hop_self: section.next_hop_self,
        default_originate: section.default_originate,
        send_paths: section.send_paths,
        warn,
    };
    SessionDraft {
        asn,
        profile,
        export: exchange(section.export, Exchange::Export { tunnel }, policies, findings),
        max_prefix_out,
        at,
        hold_time,
        keepalive,
        connect_retry: section.connect_retry.value().unwrap_or(CONNECT_RETRY),
        passive: passive(section.passive, profile, findings) || over.accepts(),
        families,
        offers,
        transport,
        import: exchange(section.import, Exchange::Import, policies, findings),
        graceful_shutdown: section.graceful_shutdown.value(),
        drain: section.drain.value().unwrap_or(false),
        max_prefix_in,
        local_preference: section.local_preference.value().map_or(100, |preference| preference.0),
        med: section.med.value().map(|med| med.0),
        prepend: section.prepend.value().and_then(|prepend| u8::try_from(prepend.0).ok()).unwrap_or(0),
        bfd: super::bfd::resolve(section.bfd, profile, over, hold_time, secrets, findings),
        treatment: routes::treatment(keys),
        local_asn: local_asn::resolve(section.local_asn, findings),
    }
}

/// RFC 4271 10 suggests 120 s; over a tunnel that just came up nobody waits that long.
const CONNECT_RETRY: Duration = Duration::from_secs(5);

fn timers(
    hold_time: Leaf<Duration>,
    keepalive: Leaf<Duration>,
    profile: Profile,
    findings: &Findings,
) -> (Duration, Duration) {
    let cloud = profile.cloud();
    let (written_hold, written_keepalive) = (hold_time.scalar(), keepalive.scalar());
    if let Some(hold) = written_hold {
        check_hold_time(hold, findings);
    }
    let hold = written_hold.map_or(cloud.bgp.hold.0, |at| at.value);
    let third = hold / 3;
    let keepalive = match (written_keepalive, written_hold) {
        (Some(at), _) => at.value,
        (None, Some(_)) => third,
        (None, None) => cloud.bgp.keepalive.0,
    };
    // RFC 4271 10: a third of the hold time.
    if let Some(at) = written_keepalive.filter(|at| !hold.is_zero() && (at.value > third || at.value.is_zero())) {
        findings.push(
            Finding::warning(Code::Keepalive, at.span, "keepalives must be more frequent than this")
                .label(format!("a third of the hold time is {third:?}; that will be used"))
                .remedy("leave `keepalive` out"),
        );
    }
    let written = written_hold.or(written_keepalive);
    let own = (cloud.bgp.hold.0, cloud.bgp.keepalive.0);
    if let Some(at) = written.filter(|_| cloud.bgp.cloud_keeps_to_its_timers && !hold.is_zero() && hold < own.0) {
        let name = &cloud.name;
        findings.push(
            Finding::warning(Code::TimersCloud, at.span, format!("these timers are shorter than {name}'s own"))
                .label(format!("{name} keeps to {:?} and {:?} and may not be persuaded", own.1, own.0))
                .remedy("leave `hold-time` and `keepalive` out; a dead tunnel is noticed by DPD long before"),
        );
    }
    (hold, keepalive.min(if hold.is_zero() { Duration::MAX } else { third.max(Duration::from_secs(1)) }))
}

fn check_hold_time(hold: At<Duration>, findings: &Findings) {
    // RFC 4271 4.2: zero, or at least three seconds; two octets of whole seconds.
    let whole = hold.value.subsec_nanos() == 0 && hold.value.as_secs() <= u64::from(u16::MAX);
    if hold.value.is_zero() {
        findings.push(
            Finding::warning(Code::HoldTimeOff, hold.span, "without a hold time nobody notices a silent session")
                .label("no keepalives at all")
                .remedy("leave `hold-time` out"),
        );
    } else if !whole || hold.value.as_secs() < 3 {
        findings.push(
            Finding::error(Code::HoldTime, hold.span, "no BGP speaker accepts this hold time")
                .label("RFC 4271 wants 0, or 3 to 65535 whole seconds")
                .remedy("give at least `3s`; `30s` suits tunnels to AWS"),
        );
    }
}

fn passive(written: Leaf<bool>, profile: Profile, findings: &Findings) -> bool {
    let Some(passive) = written.scalar() else { return false };
    let cloud = profile.cloud();
    if passive.value && !cloud.bgp.cloud_opens {
        findings.push(
            Finding::error(Code::PassiveCloud, passive.span, "the session would never begin")
                .label(format!("{} does not open sessions to 169.254 addresses", cloud.name))
                .remedy("leave `passive` out: we then connect and listen at once"),
        );
    }
    passive.value
}

fn families(written: Field<Vec<Leaf<Family>>>, over: Over, extended: bool, findings: &Findings) -> Vec<Family> {
    let possible = over.families(extended);
    let mut families = written.scalars().unwrap_or_default();
    if let Some(at) = families.iter().find(|at| !possible.contains(&at.value)) {
        let (message, label, remedy) = match over {
            Over::Tunnel { .. } => (
                "IPv6 routes need an IPv6 next hop",
                "the tunnel has no `inside6`",
                "add `inside6: fd00:...::/126`, or leave `ipv6` out",
            ),
            Over::Neighbor { family: Family::Ipv6Unicast, .. } => (
                "IPv4 routes need an IPv4 next hop",
                "the session is between IPv6 addresses",
                "add `extended-next-hop: true` if the peer knows RFC 8950, or make another neighbour of its IPv4 address",
            ),
            Over::Neighbor { .. } => (
                "routes of this family need a next hop of this family",
                "the session is between addresses of the other one",
                "make another neighbour of the peer's address of this family",
            ),
        };
        findings.push(Finding::error(Code::FamilyWithoutLink, at.span, message).label(label).remedy(remedy));
    }
    families.sort_by_key(|at| at.value);
    families.dedup_by_key(|at| at.value);
    match families.as_slice() {
        [] => possible,
        written => written.iter().map(|at| at.value).collect(),
    }
}

type Limit = Option<(u32, Option<Span>)>;

fn limits(section: Field<MaxPrefixSection>, cloud: &Cloud, owner: Span, findings: &Findings) -> (Option<u32>, Limit) {
    let MaxPrefixSection { inbound, outbound, warn: _ } = section.section(owner).value;
    let inbound = limit(inbound, findings);
    let outbound = limit(outbound, findings);
    if let (Some(limit), Some(accepted), Some(usual)) = (outbound, cloud.routes.out_most, cloud.routes.out) {
        let finding = if limit.value > accepted {
            Some(Finding::error(
                Code::PrefixLimitCloud,
                limit.span,
                format!("{} takes no more than {accepted} prefixes", cloud.name),
            ))
        } else if limit.value > usual {
            Some(Finding::warning(
                Code::PrefixLimitCloud,
                limit.span,
                format!("a virtual private gateway of {} takes no more than {usual} prefixes", cloud.name),
            ))
        } else {
            None
        };
        if let Some(finding) = finding {
            findings.push(finding.label("one more and it ends the session").remedy(format!(
                "leave `out` out to hold back what is above {usual}; a transit gateway takes {accepted}"
            )));
        }
    }
    (
        inbound.map(|at| at.value).or(cloud.routes.inbound),
        outbound.map(|at| (at.value, Some(at.span))).or(cloud.routes.out.map(|limit| (limit, None))),
    )
}

fn limit(written: Leaf<Within<0, { u32::MAX }>>, findings: &Findings) -> Option<At<u32>> {
    let at = written.scalar()?;
    if at.value.0 == 0 {
        findings.push(
            Finding::error(Code::PrefixLimitZero, at.span, "a limit of zero prefixes")
                .label("nothing could pass")
                .remedy("to exchange nothing write `import: []` or `export: []`"),
        );
    }
    Some(At::new(at.value.0, at.span))
}

/// What is accepted where nothing was written. RFC 8212 2: on external sessions nothing, unless the profile states
/// otherwise.
fn stated_import(profile: Profile, external: bool) -> Chain {
    match (external, profile.cloud().routes.trusted) {
        (false, _) => Chain::everything().on(Basis::Internal),
        (true, true) => Chain::everything().on(Basis::Profile(profile.as_str())),
        (true, false) => Chain::missing(),
    }
}

impl SessionDraft {
    /// Whether there is a limit on what comes in.
    #[must_use]
    pub const fn limits_inbound(&self) -> bool {
        self.max_prefix_in.is_some()
    }

    /// Whether its TCP segments are signed (RFC 2385).
    #[must_use]
    pub const fn has_key(&self) -> bool {
        self.transport.md5.is_some()
    }

    /// Whether BFD watches its path.
    #[must_use]
    pub const fn has_bfd(&self) -> bool {
        self.bfd.is_some()
    }

    /// LOCAL_PREF, MED and prepends, by which sessions are preferred to each other.
    #[must_use]
    pub const fn preferences(&self) -> (u32, Option<u32>, u8) {
        (self.local_preference, self.med, self.prepend)
    }

    /// Whether the session opens TCP connections itself.
    #[must_use]
    pub const fn connects(&self) -> bool {
        !self.passive
    }

    /// The session at `place`; `None` if a part is missing, which was reported.
    pub(super) fn finish(self, name: &str, (own_asn, router_id): (Asn, RouterId), place: Place) -> Option<Session> {
        let peer_asn = self.asn?.value;
        let local_as = self.local_asn.map(LocalAsnDraft::finish);
        let shutdown = self.offers.shutdown();
        let (timers, offers) = self.offers.finish(self.hold_time, self.keepalive, self.connect_retry);
        Some(Session {
            id: place.id,
            name: name.to_owned(),
            peer: PeerConfig {
                name: name.to_owned(),
                local_asn: local_as.map_or(own_asn, |local| local.asn),
                peer_asn,
                router_id,
                local_address: place.local,
                peer_address: place.peer,
                families: self.families,
                timers,
                offers,
                passive: self.passive,
                shutdown,
            },
            policy: PeerPolicy {
                name: name.to_owned(),
                link: place.link,
                reach: place.reach,
                peer_asn,
                local_address: place.local,
                peer_address: place.peer,
                inside6: place.inside6,
                import: self.import.unwrap_or_else(|| stated_import(self.profile, peer_asn != own_asn)),
                export: self.export.unwrap_or_else(|| Chain::networks().on(Basis::Profile(self.profile.as_str()))),
                graceful_shutdown: rib::GracefulShutdown {
                    honor: self.graceful_shutdown.map_or(peer_asn != own_asn, |word| word == GracefulShutdown::Honor),
                    drain: self.drain,
                },
                max_prefix_in: self.max_prefix_in,
                max_prefix_out: self.max_prefix_out.map(|(limit, _)| limit),
                local_preference: self.local_preference,
                med: self.med,
                prepend: self.prepend,
                treatment: self.treatment.finish(local_as),
            },
            bfd: self.bfd,
            transport: self.transport,
        })
    }
}
