//! Lists and policies that nobody uses, and policies that are missing.

use profile::Profile;
use resolve::{PoliciesDraft, SessionDraft};
use wire::Asn;

use document::code::Code;
use document::diagnostic::{Finding, Findings};

/// Lists and policies that nothing refers to.
pub(super) fn unused(policies: &PoliciesDraft, findings: &Findings) {
    for (what, name) in policies.unused() {
        findings.push(
            Finding::warning(Code::PolicyUnused, name.span, format!("nothing uses the {what} `{}`", name.value))
                .label("has no effect")
                .remedy("name it where it is meant to work, or leave it out"),
        );
    }
}

/// RFC 8212 2: an external session without an import policy accepts nothing.
pub(super) fn missing(own: Asn, session: &SessionDraft, findings: &Findings) {
    let external = session.asn.is_some_and(|asn| asn.value != own);
    if external && session.profile == Profile::Generic && session.import.is_none() {
        findings.push(
            Finding::warning(Code::PolicyMissing, session.at, "this session will accept nothing")
                .label("has no `import`, and its profile states none (RFC 8212)")
                .remedy("list what to accept, `import: [10.2.0.0/16 le 24]`, name a policy, or write `import: all`"),
        );
    }
}
