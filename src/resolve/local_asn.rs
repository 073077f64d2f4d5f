//! Another AS number of ours toward one peer (RFC 7705).

use rib::LocalAs;
use wire::Asn;

use document::diagnostic::Findings;
use document::field::{Field, OneOf};
use document::source::At;
use schema::LocalAsnSection;

/// The number, and what is done with it.
#[derive(Clone, Copy, Debug)]
pub struct LocalAsnDraft {
    /// The number.
    pub asn: At<Asn>,
    no_prepend: bool,
    replace: bool,
}

pub(super) fn resolve(written: Field<OneOf<Asn, LocalAsnSection>>, findings: &Findings) -> Option<LocalAsnDraft> {
    let At { value, span } = written.at()?;
    match value {
        OneOf::Short(asn) => Some(LocalAsnDraft { asn: At::new(asn.0, span), no_prepend: false, replace: false }),
        OneOf::Long(section) => {
            let asn = section.asn.require("asn", span, "give the AS number that the peer knows us by", findings)?;
            let no_prepend = section.no_prepend.value().unwrap_or(false);
            Some(LocalAsnDraft { asn, no_prepend, replace: section.replace_as.value().unwrap_or(false) })
        }
    }
}

impl LocalAsnDraft {
    /// Whether the router's own number is not seen.
    #[must_use]
    pub const fn replaces(&self) -> bool {
        self.replace
    }

    pub(super) const fn finish(self) -> LocalAs {
        LocalAs { asn: self.asn.value, no_prepend: self.no_prepend, replace: self.replace }
    }
}
