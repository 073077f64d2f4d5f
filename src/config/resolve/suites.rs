//! What the tunnel offers: the profile's suites, or those written.

use ike::config::{EspProposal, IkeProposal, Pfs};
use ike::crypto::{Group, Prf};
use wire::ipsec::Integrity;

use crate::code::Code;
use crate::diagnostic::{Finding, Findings};
use crate::field::{Field, Leaf, Scalar};
use crate::model::EspSection;
use crate::profile::Profile;
use crate::source::{At, Span};

pub(super) fn ike(
    written: Field<Vec<Leaf<IkeProposal>>>,
    profile: Profile,
    findings: &Findings,
) -> Option<Vec<IkeProposal>> {
    let Some(span) = written.span() else { return parse(profile.cloud().ike_proposals) };
    let proposals = listed(written, span, profile, findings)?;
    for At { value, span } in &proposals {
        let weak = if value.group == Group::Modp1024 {
            Some("group 2 (modp1024) is within reach of large attackers")
        } else if value.integrity == Some(Integrity::HmacSha1) || value.prf == Prf::HmacSha1 {
            Some("SHA-1 is retired")
        } else {
            None
        };
        report_legacy(weak, *span, findings);
    }
    Some(proposals.into_iter().map(|proposal| proposal.value).collect())
}

pub(super) fn esp(section: EspSection, profile: Profile, findings: &Findings) -> Option<Vec<EspProposal>> {
    let Some(span) = section.proposals.span() else { return parse(profile.cloud().esp_proposals) };
    let proposals = listed(section.proposals, span, profile, findings)?;
    for At { value, span } in &proposals {
        let weak = match value.pfs {
            Pfs::Required(Group::Modp1024) | Pfs::Preferred(Group::Modp1024) => {
                Some("group 2 (modp1024) is within reach of large attackers")
            }
            Pfs::Off | Pfs::Required(_) | Pfs::Preferred(_) => {
                (value.suite.integrity == Some(Integrity::HmacSha1)).then_some("SHA-1 is retired")
            }
        };
        report_legacy(weak, *span, findings);
        if let (Profile::Azure, Pfs::Required(_)) = (profile, value.pfs) {
            findings.push(
                Finding::warning(Code::PfsAzure, *span, "Azure's default policy offers no PFS when it rekeys")
                    .label("comes up, and fails at the first rekey that Azure begins")
                    .remedy(format!("write `{value}-modpnone`, or give the Azure connection a custom IPsec policy")),
            );
        }
    }
    Some(proposals.into_iter().map(|proposal| proposal.value).collect())
}

fn parse<T: Scalar>(suites: &[&str]) -> Option<Vec<T>> {
    suites.iter().map(|suite| T::parse(suite).ok()).collect()
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
    if let (Profile::Aws, [_, second, ..]) = (profile, proposals.as_slice()) {
        findings.push(
            Finding::warning(Code::SuiteAwsWeakest, second.span().unwrap_or(span), "several proposals toward AWS")
                .label("AWS takes the weakest it accepts, whatever the order")
                .remedy("offer the one suite that you want"),
        );
    }
    Some(proposals.into_iter().filter_map(Leaf::scalar).collect())
}

fn report_legacy(weak: Option<&str>, span: Span, findings: &Findings) {
    if let Some(reason) = weak {
        findings.push(
            Finding::warning(Code::SuiteLegacy, span, "this suite is kept for old peers only")
                .label(reason)
                .remedy("prefer `aes256gcm16-prfsha384-ecp384` for IKE and `aes256gcm16-ecp384` for ESP"),
        );
    }
}
