//! What the tunnel offers: the profile's suites, or those written.

use crypto::{EspProposal, Group, IkeProposal, Pfs, Prf};
use negotiation::IkeVersion;
use wire::ipsec::{Encryption, EspSuite, Integrity};

use super::version;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::{Field, Leaf, Word};
use document::scalar::Legacy;
use document::source::{At, Span};
use profile::{OfSeveral, Profile};
use schema::EspSection;

pub(super) fn ike(
    written: Field<Vec<Leaf<IkeProposal>>>,
    profile: Profile,
    version: IkeVersion,
    legacy: Legacy,
    findings: &Findings,
) -> Option<Vec<IkeProposal>> {
    let suites = &profile.cloud().suites;
    let defaults = match version {
        IkeVersion::V2 => &suites.ike,
        IkeVersion::V1(_) => &suites.ikev1_ike,
    };
    let Some(span) = written.span() else { return Some(unwrapped(defaults)) };
    let proposals = listed(written, span, profile, findings)?;
    if let IkeVersion::V1(_) = version {
        report_obstacles(&proposals, version::ike_obstacle, findings);
    }
    for At { value, span } in &proposals {
        let parts = Parts {
            encryption: value.encryption,
            integrity: value.integrity,
            prf: Some(value.prf),
            groups: [vec![value.group], value.additional.groups()].concat(),
        };
        parts.judge(legacy, *span, findings);
        report_too_large(value, *span, findings);
        let obstacle = suites.accepts.as_ref().and_then(|accepts| accepts.obstacle_ike(value));
        report_not_taken(obstacle, profile, *span, findings);
    }
    Some(proposals.into_iter().map(|proposal| proposal.value).collect())
}

/// `IKE_SA_INIT` cannot be fragmented but by IP, and such fragments get lost on the way.
fn report_too_large(proposal: &IkeProposal, span: Span, findings: &Findings) {
    if proposal.group != Group::MlKem1024 {
        return;
    }
    findings.push(
        Finding::error(Code::SuiteTooLarge, span, "the first key exchange does not fit a packet of 1,500 octets")
            .label("mlkem1024 alone has 1,568")
            .remedy("begin with a smaller one: `x25519-ke1_mlkem1024`"),
    );
}

pub(super) fn esp(
    section: EspSection,
    profile: Profile,
    version: IkeVersion,
    legacy: Legacy,
    findings: &Findings,
) -> Option<Vec<EspProposal>> {
    let cloud = profile.cloud();
    let defaults = match version {
        IkeVersion::V2 => &cloud.suites.esp,
        IkeVersion::V1(_) => &cloud.suites.ikev1_esp,
    };
    let Some(span) = section.proposals.span() else { return Some(unwrapped(defaults)) };
    let proposals = listed(section.proposals, span, profile, findings)?;
    if let IkeVersion::V1(_) = version {
        report_obstacles(&proposals, version::esp_obstacle, findings);
    }
    for At { value, span } in &proposals {
        let mut groups = match value.pfs {
            Pfs::Off => Vec::new(),
            Pfs::Required(group) | Pfs::Preferred(group) => vec![group],
        };
        groups.extend(value.additional.groups());
        let EspSuite { encryption, integrity, esn: _ } = value.suite;
        Parts { encryption, integrity, prf: None, groups }.judge(legacy, *span, findings);
        if let (true, Pfs::Required(_)) = (cloud.suites.pfs_may_be_absent(), value.pfs) {
            let name = &cloud.name;
            findings.push(
                Finding::warning(
                    Code::PfsCloud,
                    *span,
                    format!("{name}'s default policy offers no PFS when it rekeys"),
                )
                .label(format!("comes up, and fails at the first rekey that {name} begins"))
                .remedy(format!("write `{value}-modpnone`, or give the connection a custom IPsec policy there")),
            );
        }
        let obstacle = cloud.suites.accepts.as_ref().and_then(|accepts| accepts.obstacle_esp(value));
        report_not_taken(obstacle, profile, *span, findings);
    }
    Some(proposals.into_iter().map(|proposal| proposal.value).collect())
}

fn report_obstacles<T>(proposals: &[At<T>], obstacle: fn(&T) -> Option<(String, &'static str)>, findings: &Findings) {
    for proposal in proposals {
        if let Some((text, remedy)) = obstacle(&proposal.value) {
            findings.push(Finding::error(Code::Ikev1Suite, proposal.span, text).label("not in IKEv1").remedy(remedy));
        }
    }
}

fn unwrapped<T: Clone>(suites: &[Word<T>]) -> Vec<T> {
    suites.iter().map(|Word(suite)| suite.clone()).collect()
}

/// S0-25, S0-27, S0-29, S0-35 to S0-37, and what other clouds state.
fn report_not_taken(obstacle: Option<String>, profile: Profile, span: Span, findings: &Findings) {
    let Some(obstacle) = obstacle else { return };
    let (cloud, word) = (profile.cloud(), profile.as_str());
    findings.push(
        Finding::warning(Code::SuiteCloud, span, format!("{} has no {obstacle}", cloud.name))
            .label("will not be agreed on")
            .remedy(format!("leave `proposals` out, or choose from what `quadspan profiles {word}` lists")),
    );
}

fn listed<T>(written: Field<Vec<Leaf<T>>>, span: Span, profile: Profile, findings: &Findings) -> Option<Vec<At<T>>> {
    let proposals = written.at()?.value;
    if proposals.is_empty() {
        findings.push(
            Finding::error(Code::SuiteNone, span, "there is no proposal")
                .label("an empty list")
                .remedy("leave the key out to use the profile's suites"),
        );
    }
    let cloud = profile.cloud();
    if let (OfSeveral::Weakest, [_, second, ..]) = (cloud.suites.of_several, proposals.as_slice()) {
        let name = &cloud.name;
        findings.push(
            Finding::warning(
                Code::SuiteWeakest,
                second.span().unwrap_or(span),
                format!("several proposals toward {name}"),
            )
            .label(format!("{name} takes the weakest it accepts, whatever the order"))
            .remedy("offer the one suite that you want"),
        );
    }
    Some(proposals.into_iter().filter_map(Leaf::scalar).collect())
}

/// The algorithms of one suite.
struct Parts {
    encryption: Encryption,
    integrity: Option<Integrity>,
    prf: Option<Prf>,
    groups: Vec<Group>,
}

impl Parts {
    fn judge(&self, legacy: Legacy, span: Span, findings: &Findings) {
        match (self.broken(), legacy) {
            (Some(reason), Legacy::Refuse) => findings.push(
                Finding::error(Code::SuiteBroken, span, "this suite protects nothing any more").label(reason).remedy(
                    "prefer `aes256-sha256-modp2048`; for a peer that knows nothing better, write `legacy: allow`",
                ),
            ),
            (Some(reason), Legacy::Allow) => report_legacy(reason, span, findings),
            (None, Legacy::Refuse | Legacy::Allow) => {
                if let Some(reason) = self.weak() {
                    report_legacy(reason, span, findings);
                }
            }
        }
    }

    /// RFC 8247: what must not be used.
    fn broken(&self) -> Option<&'static str> {
        if self.encryption == Encryption::DesCbc {
            return Some("DES has keys of 56 bits, which are found by trying them all");
        }
        if self.integrity == Some(Integrity::HmacMd5) || self.prf == Some(Prf::HmacMd5) {
            return Some("MD5 is broken");
        }
        self.groups.iter().find_map(|group| match group {
            Group::Modp768 => Some("group 1 (modp768) is within reach of anyone"),
            Group::Modp1024s160 => Some("group 22 (modp1024s160) has a prime that nobody can explain, and a short one"),
            Group::Modp2048s224 => Some("group 23 (modp2048s224) has a prime that nobody can explain"),
            Group::Modp2048s256 => Some("group 24 (modp2048s256) has a prime that nobody can explain"),
            Group::Modp1024
            | Group::Modp1536
            | Group::Modp2048
            | Group::Modp3072
            | Group::Modp4096
            | Group::Modp6144
            | Group::Modp8192
            | Group::Ecp256
            | Group::Ecp384
            | Group::Ecp521
            | Group::X25519
            | Group::MlKem512
            | Group::MlKem768
            | Group::MlKem1024 => None,
        })
    }

    /// What clouds and gateways still take or default to, and should not.
    fn weak(&self) -> Option<&'static str> {
        if self.groups.contains(&Group::Modp1024) {
            return Some("group 2 (modp1024) is within reach of large attackers");
        }
        if self.groups.contains(&Group::Modp1536) {
            return Some("group 5 (modp1536) is below 112 bits of strength");
        }
        if self.encryption == Encryption::TripleDesCbc {
            // S0-26: too slow for gateways of 200 Mbit/s and more.
            return Some("3DES is slow, and leaks after some gigabytes under one key");
        }
        (self.integrity == Some(Integrity::HmacSha1) || self.prf == Some(Prf::HmacSha1)).then_some("SHA-1 is retired")
    }
}

fn report_legacy(reason: &str, span: Span, findings: &Findings) {
    findings.push(
        Finding::warning(Code::SuiteLegacy, span, "this suite is kept for old peers only")
            .label(reason)
            .remedy("prefer `aes256gcm16-prfsha384-ecp384` for IKE and `aes256gcm16-ecp384` for ESP"),
    );
}
