//! What is done to routes: best paths, aggregates, and the treatment of one session's routes.

use rib::{Aggregate, DecisionRules, LocalAs, MultipathPaths, PrivateAs, SendPaths, Treatment};

use document::diagnostic::Findings;
use document::field::{Field, Leaf};
use document::scalar::Within;
use document::source::{At, Span};
use schema::{AggregateSection, BestPathSection};

/// What could be made out of the keys that treat one session's routes.
#[derive(Clone, Debug)]
pub struct TreatmentDraft {
    own_as_in: Option<At<u32>>,
    /// Our number in place of the peer's.
    pub as_override: Option<At<bool>>,
    /// What becomes of private AS numbers.
    pub private_as: Option<At<PrivateAs>>,
    /// Whether our own address is the next hop.
    pub next_hop_self: Option<At<bool>>,
    default_originate: Option<At<bool>>,
    /// Which paths a peer gets that takes several.
    pub send_paths: Option<At<SendPaths>>,
    /// Percentage of the limit on what comes in.
    pub warn: Option<At<u32>>,
}

/// The keys themselves.
pub(super) struct TreatmentKeys {
    pub(super) allowas_in: Leaf<Within<1, 10>>,
    pub(super) as_override: Leaf<bool>,
    pub(super) remove_private_as: Leaf<PrivateAs>,
    pub(super) next_hop_self: Leaf<bool>,
    pub(super) default_originate: Leaf<bool>,
    pub(super) send_paths: Leaf<SendPaths>,
    pub(super) warn: Leaf<Within<1, 100>>,
}

pub(super) fn treatment(keys: TreatmentKeys) -> TreatmentDraft {
    TreatmentDraft {
        own_as_in: keys.allowas_in.scalar().map(|times| At::new(times.value.0, times.span)),
        as_override: keys.as_override.scalar(),
        private_as: keys.remove_private_as.scalar(),
        next_hop_self: keys.next_hop_self.scalar(),
        default_originate: keys.default_originate.scalar(),
        send_paths: keys.send_paths.scalar(),
        warn: keys.warn.scalar().map(|percent| At::new(percent.value.0, percent.span)),
    }
}

impl TreatmentDraft {
    pub(super) fn finish(&self, local_as: Option<LocalAs>) -> Treatment {
        let usual = Treatment::default();
        let octet = |number: Option<At<u32>>| number.and_then(|number| u8::try_from(number.value).ok());
        Treatment {
            own_as_in: octet(self.own_as_in).unwrap_or(usual.own_as_in),
            as_override: self.as_override.map_or(usual.as_override, |at| at.value),
            private_as: self.private_as.map_or(usual.private_as, |at| at.value),
            next_hop_self: self.next_hop_self.map_or(usual.next_hop_self, |at| at.value),
            default_originate: self.originates_default(),
            send_paths: self.send_paths.map_or(SendPaths::All, |at| at.value),
            warn_percent: octet(self.warn),
            local_as,
        }
    }

    /// Whether a default route is announced, whatever there is.
    #[must_use]
    pub fn originates_default(&self) -> bool {
        self.default_originate.is_some_and(|at| at.value)
    }
}

/// An aggregate as far as it could be made out.
#[derive(Clone, Copy, Debug)]
pub struct AggregateDraft {
    /// It, at its prefix.
    pub aggregate: At<Aggregate>,
    /// Where a set of AS numbers is asked for.
    pub as_set: Option<Span>,
}

pub(super) fn aggregates(
    written: Field<Vec<Field<AggregateSection>>>,
    owner: Span,
    findings: &Findings,
) -> Vec<AggregateDraft> {
    let sections = written.section(owner).value;
    sections.into_iter().filter_map(|section| aggregate(section.section(owner), findings)).collect()
}

fn aggregate(section: At<AggregateSection>, findings: &Findings) -> Option<AggregateDraft> {
    let At { value: AggregateSection { prefix, summary_only, as_set }, span } = section;
    let prefix = prefix.require("prefix", span, "give the prefix to announce, such as `10.20.0.0/16`", findings)?;
    let as_set = as_set.scalar().filter(|as_set| as_set.value).map(|as_set| as_set.span);
    let aggregate = Aggregate {
        prefix: prefix.value,
        summary_only: summary_only.value().unwrap_or(false),
        as_set: as_set.is_some(),
    };
    Some(AggregateDraft { aggregate: At::new(aggregate, prefix.span), as_set })
}

pub(super) fn decision(section: BestPathSection) -> DecisionRules {
    let relaxed = section.multipath_relax.value().unwrap_or(false);
    DecisionRules {
        always_compare_med: section.always_compare_med.value().unwrap_or(false),
        multipath: if relaxed { MultipathPaths::SameLength } else { MultipathPaths::SameNeighbour },
        weighted: section.link_bandwidth.value().unwrap_or(false),
    }
}
