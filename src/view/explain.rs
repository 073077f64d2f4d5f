//! Routes and policies in words, for the running process and for the command line alike.

use std::net::IpAddr;
use std::sync::Arc;

use bgp::{AsPath, AsPathSegment, Attributes, Origin};
use policy::{Basis, Chain, Community, Decider, PolicySet, Route, Source, Step, Then, Trace, Verdict};
use wire::Asn;

use crate::policy::{
    AttributesView, DryRunStepView, DryRunView, PoliciesView, PolicyView, ProbeView, RuleView, SessionPolicyView,
};

/// Why a made-up route cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// No policy of this name.
    #[error("there is no policy `{name}`; there are {known}")]
    NoPolicy {
        /// The name asked for.
        name: String,
        /// Configured names.
        known: String,
    },
    /// No session of this name.
    #[error("there is no BGP session `{name}`; there are {known}")]
    NoSession {
        /// The name asked for.
        name: String,
        /// Configured names.
        known: String,
    },
    /// Something of the route cannot be read.
    #[error("{what} `{found}`: {expected}")]
    Unreadable {
        /// Which part.
        what: &'static str,
        /// As written.
        found: String,
        /// What it should be.
        expected: String,
    },
}

impl ProbeError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NoPolicy { .. } => "use a name from `policies:`; `quadspan show policies` lists them",
            Self::NoSession { .. } => {
                "use the name of a session, or one of a range's with the neighbour's address behind it"
            }
            Self::Unreadable { .. } => "see `quadspan policy test --help` for how it is written",
        }
    }
}

/// Attributes in their text forms.
#[must_use]
pub fn attributes(attributes: &Attributes) -> AttributesView {
    AttributesView {
        as_path: as_path(&attributes.as_path),
        origin: match attributes.origin {
            Origin::Igp => "igp",
            Origin::Egp => "egp",
            Origin::Incomplete => "incomplete",
        }
        .to_owned(),
        med: attributes.med,
        local_preference: attributes.local_preference,
        communities: policy::community::texts(attributes).collect(),
    }
}

/// `64512 65010 {65011,65012}`.
fn as_path(path: &AsPath) -> String {
    let join = |numbers: &[Asn], by: &str| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(by);
    let segment = |segment: &AsPathSegment| match segment {
        AsPathSegment::Sequence(numbers) => join(numbers, " "),
        AsPathSegment::Set(numbers) => format!("{{{}}}", join(numbers, ",")),
    };
    path.0.iter().map(segment).collect::<Vec<_>>().join(" ")
}

/// What differs, `med - > 5`; nothing if nothing does.
#[must_use]
pub fn differences(before: &AttributesView, after: &AttributesView) -> Vec<String> {
    let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let list = |list: &[String]| if list.is_empty() { "-".to_owned() } else { list.join(" ") };
    let pairs = [
        ("AS path", before.as_path.clone(), after.as_path.clone()),
        ("origin", before.origin.clone(), after.origin.clone()),
        ("MED", number(before.med), number(after.med)),
        ("local preference", number(before.local_preference), number(after.local_preference)),
        ("communities", list(&before.communities), list(&after.communities)),
    ];
    let changed = pairs.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(what, before, after)| format!("{what} {before} > {after}")).collect()
}

/// What a session accepts, in words.
#[must_use]
pub fn accepts(chain: &Chain) -> String {
    match chain.steps() {
        [Step::Everything] => format!("everything but what is always refused{}", basis(chain)),
        [] => format!("nothing{}", basis(chain)),
        _ => chain.to_string(),
    }
}

/// What a session announces, in words.
#[must_use]
pub fn announces(chain: &Chain) -> String {
    match chain.steps() {
        [Step::Everything] => format!("every best route{}", basis(chain)),
        _ => format!("{chain}{}", basis(chain)),
    }
}

fn basis(chain: &Chain) -> String {
    match chain.basis() {
        Basis::Written => String::new(),
        Basis::Profile(profile) => format!(" (profile {profile})"),
        Basis::Internal => " (internal session)".to_owned(),
        Basis::Missing => " (no policy, RFC 8212)".to_owned(),
    }
}

/// Policies with their hits, and who uses them. `sessions` have a name, what they accept and what they announce.
#[must_use]
pub fn policies<'a>(set: &PolicySet, sessions: impl Iterator<Item = (&'a str, &'a Chain, &'a Chain)>) -> PoliciesView {
    let sessions: Vec<_> = sessions.collect();
    let uses = |chain: &Chain, name: &str| chain.policies().iter().any(|policy| *policy.name == *name);
    let policy = |policy: &policy::Policy| {
        let mut hits = policy.hits();
        let used_by = sessions.iter().flat_map(|(session, import, export)| {
            let import = uses(import, &policy.name).then(|| format!("{session} import"));
            import.into_iter().chain(uses(export, &policy.name).then(|| format!("{session} export")))
        });
        PolicyView {
            name: policy.name.to_string(),
            used_by: used_by.collect(),
            rules: policy.rules.iter().zip(&mut hits).map(|(rule, hits)| self::rule(set, rule, hits)).collect(),
            default: policy.default.to_string(),
            default_hits: policy.hits().last().unwrap_or(0),
        }
    };
    PoliciesView {
        sessions: sessions
            .iter()
            .map(|(session, import, export)| SessionPolicyView {
                session: (*session).to_owned(),
                import: accepts(import),
                export: announces(export),
            })
            .collect(),
        policies: set.policies().iter().map(policy).collect(),
    }
}

fn rule(set: &PolicySet, rule: &policy::Rule, hits: u64) -> RuleView {
    RuleView {
        number: rule.id.number,
        name: rule.id.name.as_deref().map(str::to_owned),
        conditions: rule.conditions.iter().map(ToString::to_string).collect(),
        changes: rule.sets.iter().flat_map(|sets| sets.iter()).map(ToString::to_string).collect(),
        then: match rule.then {
            Then::Do(action) => action.to_string(),
            Then::Call(callee) => {
                format!("call {}", set.policies().get(callee).map_or("?", |policy| &policy.name))
            }
        },
        hits,
    }
}

/// What the policy `name` makes of a made-up route, learned in one of `sessions` where it names one.
///
/// # Errors
///
/// When there is no such policy or session, or the route cannot be read.
pub fn dry_run<'a>(
    set: &Arc<PolicySet>,
    sessions: impl Iterator<Item = &'a str>,
    name: &str,
    probe: &ProbeView,
) -> Result<DryRunView, ProbeError> {
    let number = set.find(name).ok_or_else(|| ProbeError::NoPolicy {
        name: name.to_owned(),
        known: set.policies().iter().map(|policy| policy.name.to_string()).collect::<Vec<_>>().join(", "),
    })?;
    if let Some(peer) = &probe.peer {
        known_session(sessions, peer)?;
    }
    let before = probed(probe)?;
    let source = match probe.source.as_deref() {
        None | Some("bgp") => Source::Bgp,
        Some("static") => Source::Static,
        Some("connected") => Source::Connected,
        Some("originated") => Source::Originated,
        Some(found) => return Err(unreadable("source", found, "expected bgp, static, connected or originated")),
    };
    // On import `prepend N` repeats the neighbour.
    let repeat = before.as_path.0.first().and_then(|segment| match segment {
        AsPathSegment::Sequence(numbers) => numbers.first().copied(),
        AsPathSegment::Set(_) => None,
    });
    let repeat = repeat.unwrap_or(Asn(0));
    let route = Route {
        prefix: probe.prefix.trunc(),
        attributes: &before,
        local_preference: before.local_preference.unwrap_or(100),
        next_hop: probe.next_hop,
        source,
        peer: probe.peer.as_deref().unwrap_or(""),
        repeat,
    };
    let mut trace = Trace::default();
    let chain = Chain::new(Arc::clone(set), vec![Step::Policy(number)], Basis::Written);
    let (verdict, decided_by, after) = match chain.observe(&route, &mut trace) {
        Verdict::Accept(accepted) => {
            let mut after = before.clone();
            accepted.changes.make(&mut after, repeat);
            ("accepted", accepted.by.to_string(), (after != before).then(|| attributes(&after)))
        }
        Verdict::Reject(Decider::End) => ("undecided", "whatever comes behind the policy".to_owned(), None),
        Verdict::Reject(by) => ("rejected", by.to_string(), None),
    };
    let steps = trace.lines.into_iter();
    Ok(DryRunView {
        policy: name.to_owned(),
        verdict: verdict.to_owned(),
        decided_by,
        steps: steps.map(|line| DryRunStepView { place: line.place, matched: line.matched, text: line.text }).collect(),
        before: attributes(&before),
        after,
    })
}

/// Neighbours of a range have its name with their address behind it.
fn known_session<'a>(sessions: impl Iterator<Item = &'a str>, peer: &str) -> Result<(), ProbeError> {
    let known: Vec<&str> = sessions.collect();
    let of_range = |name: &&str| {
        let address = peer.strip_prefix(*name).and_then(|rest| rest.strip_prefix('-'));
        address.is_some_and(|address| address.parse::<IpAddr>().is_ok())
    };
    if known.contains(&peer) || known.iter().any(of_range) {
        return Ok(());
    }
    Err(ProbeError::NoSession { name: peer.to_owned(), known: known.join(", ") })
}

fn probed(probe: &ProbeView) -> Result<Attributes, ProbeError> {
    let mut attributes = Attributes {
        origin: match probe.origin.as_deref() {
            None | Some("igp") => Origin::Igp,
            Some("egp") => Origin::Egp,
            Some("incomplete") => Origin::Incomplete,
            Some(found) => return Err(unreadable("origin", found, "expected igp, egp or incomplete")),
        },
        as_path: read_path(&probe.as_path)?,
        med: probe.med,
        local_preference: Some(probe.local_preference.unwrap_or(100)),
        ..Attributes::default()
    };
    for text in probe.communities.split(',').filter(|text| !text.trim().is_empty()) {
        let read = text.trim().parse::<Community>();
        match read.map_err(|error| unreadable("community", text, &error.to_string()))? {
            Community::Standard(value) => attributes.communities.push(value),
            Community::Extended(value) => attributes.extended_communities.push(value),
            Community::Large(value) => attributes.large_communities.push(value),
        }
    }
    Ok(attributes)
}

/// `64512 65010 {65011,65012}`.
fn read_path(text: &str) -> Result<AsPath, ProbeError> {
    let asn = |word: &str| word.parse::<Asn>().map_err(|error| unreadable("AS path", text, &error.to_string()));
    let mut segments: Vec<AsPathSegment> = Vec::new();
    for word in text.split_whitespace() {
        if let Some(set) = word.strip_prefix('{').and_then(|word| word.strip_suffix('}')) {
            segments.push(AsPathSegment::Set(set.split(',').map(asn).collect::<Result<_, _>>()?));
        } else if let Some(AsPathSegment::Sequence(numbers)) = segments.last_mut() {
            numbers.push(asn(word)?);
        } else {
            segments.push(AsPathSegment::Sequence(vec![asn(word)?]));
        }
    }
    Ok(AsPath(segments))
}

fn unreadable(what: &'static str, found: &str, expected: &str) -> ProbeError {
    ProbeError::Unreadable { what, found: found.to_owned(), expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use policy::{Action, Amount, Condition, Policy, Quantifier, Rule, RuleId, Set};

    use super::*;

    fn set() -> Arc<PolicySet> {
        let list = policy::CommunityList(vec!["64512:*".parse().unwrap()]);
        let rule = |number, conditions, sets: Vec<Set>, then| Rule {
            id: RuleId { policy: "p".into(), number, name: (number == 2).then(|| "lift".into()) }.into(),
            conditions,
            sets: (!sets.is_empty()).then(|| sets.into()),
            then: Then::Do(then),
        };
        let carries = Condition::Communities(Quantifier::Any, vec![policy::Named::inline(list)]);
        let rules = vec![
            rule(1, vec![Condition::OriginAs(vec!["7".parse().unwrap()])], vec![], Action::Reject),
            rule(
                2,
                vec![carries],
                vec![Set::LocalPreference(Amount::To(200)), Set::Med(Amount::To(5))],
                Action::Accept,
            ),
        ];
        Arc::new(PolicySet::new(vec![Policy::new("p".into(), rules, Action::Next)]).unwrap())
    }

    fn probe(as_path: &str, communities: &str) -> ProbeView {
        ProbeView {
            prefix: "10.2.0.0/16".parse().unwrap(),
            as_path: as_path.to_owned(),
            communities: communities.to_owned(),
            med: None,
            local_preference: None,
            next_hop: None,
            origin: None,
            peer: None,
            source: None,
        }
    }

    #[test]
    fn a_dry_run_says_which_rule_decides_and_what_it_changes() {
        let run =
            dry_run(&set(), ["aws-1", "office"].into_iter(), "p", &probe("64512 {8,9}", "64512:1, 1:2:3")).unwrap();
        assert_eq!((run.verdict.as_str(), run.decided_by.as_str()), ("accepted", "rule 2 (lift) of policy p"));
        assert_eq!(run.steps[0].text, "not origin-as 7");
        assert_eq!(run.steps[1].text, "local-preference 200, med 5, accept");
        let changes = differences(&run.before, &run.after.unwrap());
        assert_eq!(changes, ["MED - > 5", "local preference 100 > 200"]);
        assert_eq!((run.before.as_path.as_str(), run.before.communities.len()), ("64512 {8,9}", 2));
        let run = dry_run(&set(), ["aws-1", "office"].into_iter(), "p", &probe("64512 7", "64512:1")).unwrap();
        assert_eq!((run.verdict.as_str(), run.decided_by.as_str()), ("rejected", "rule 1 of policy p"));
        assert_eq!(
            dry_run(&set(), ["aws-1", "office"].into_iter(), "p", &probe("64512", "")).unwrap().verdict,
            "undecided"
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = |name: &str, probe: &ProbeView| {
            dry_run(&set(), ["aws-1", "office"].into_iter(), name, probe).unwrap_err().to_string()
        };
        assert_eq!(error("q", &probe("", "")), "there is no policy `q`; there are p");
        assert!(error("p", &probe("64512 x", "")).starts_with("AS path `64512 x`: "));
        assert!(error("p", &probe("", "64512:*")).starts_with("community `64512:*`: "));
        let learned = |peer: &str| ProbeView { peer: Some(peer.to_owned()), ..probe("64512", "") };
        assert_eq!(error("p", &learned("nope")), "there is no BGP session `nope`; there are aws-1, office");
        assert!(error("p", &learned("office-")).contains("no BGP session `office-`"));
        for known in ["aws-1", "office-10.7.0.9", "office-fd00::9"] {
            assert!(dry_run(&set(), ["aws-1", "office"].into_iter(), "p", &learned(known)).is_ok(), "{known}");
        }
        let odd = ProbeView { origin: Some("ebgp".to_owned()), ..probe("", "") };
        assert!(error("p", &odd).starts_with("origin `ebgp`: "));
        assert!(
            error("p", &ProbeView { source: Some("rip".to_owned()), ..probe("", "") }).starts_with("source `rip`: ")
        );
    }

    #[test]
    fn hits_and_users_are_listed_with_the_rules() {
        let set = set();
        let chain = Chain::new(Arc::clone(&set), vec![Step::Policy(0)], Basis::Written);
        let networks = Chain::networks().on(Basis::Profile("aws"));
        let view = policies(&set, [("aws-1", &chain, &networks)].into_iter());
        assert_eq!(view.policies[0].used_by, ["aws-1 import"]);
        assert_eq!(view.policies[0].rules[1].conditions, ["any community of [64512:*]"]);
        assert_eq!(view.sessions[0].export, "the router's networks (profile aws)");
        assert_eq!(accepts(&Chain::missing()), "nothing (no policy, RFC 8212)");
        let all = Chain::everything().on(Basis::Profile("aws"));
        assert_eq!(accepts(&all), "everything but what is always refused (profile aws)");
    }
}
