//! Why a route is where it is, and what policies do: the answers of `show route`, `show received`, `show advertised`,
//! `show policies` and `policy test`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// `quadspan show route`: one prefix, and what became of every candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteDetailView {
    /// The destination.
    pub prefix: IpNet,
    /// `network`, `connected`, `static` or `aggregate` if a route of our own making beats all others.
    pub local: Option<String>,
    /// Where the kernel was told to send packets, one text per next hop.
    pub next_hops: Vec<String>,
    /// The best first, then those used beside it, then the others.
    pub candidates: Vec<CandidateDetailView>,
}

/// One candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CandidateDetailView {
    /// The session it was learned in.
    pub session: String,
    /// The tunnel or interface it leads into.
    pub link: String,
    /// Which of several from this peer (RFC 7911); 0 without path identifiers.
    pub path_id: u32,
    /// As received.
    pub next_hop: IpAddr,
    /// As received.
    pub received: AttributesView,
    /// As policy made them, if it changed them.
    pub effective: Option<AttributesView>,
    /// LOCAL_PREF that counts.
    pub local_preference: u32,
    /// Octets per second, if a link bandwidth community says so.
    pub bandwidth: Option<u64>,
    /// Kept from before the peer restarted, or not repeated yet.
    pub stale: bool,
    /// It is the best.
    pub best: bool,
    /// It is in use.
    pub multipath: bool,
    /// The step of the decision in which it lost, if it lost.
    pub step: Option<String>,
    /// Why it won, lost or was refused.
    pub reason: String,
}

/// Attributes of a route in their text forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributesView {
    /// `64512 65010 {65011}`.
    pub as_path: String,
    /// `igp`, `egp` or `incomplete`.
    pub origin: String,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF, where it was sent or received.
    pub local_preference: Option<u32>,
    /// Communities of all three kinds.
    pub communities: Vec<String>,
}

/// `quadspan show received` and `quadspan show advertised`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExchangeView {
    /// The session.
    pub session: String,
    /// Its policy in that direction, in words.
    pub policy: String,
    /// The routes.
    pub routes: Vec<ExchangedRouteView>,
}

/// One route of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExchangedRouteView {
    /// The destination.
    pub prefix: IpNet,
    /// Which of several (RFC 7911); 0 without path identifiers.
    pub path_id: u32,
    /// As received or sent.
    pub next_hop: Option<IpAddr>,
    /// As received or sent; none for a route that is not sent.
    pub attributes: Option<AttributesView>,
    /// Why it is not accepted or not sent.
    pub rejected: Option<String>,
}

/// `quadspan show policies`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PoliciesView {
    /// What each session accepts and announces.
    pub sessions: Vec<SessionPolicyView>,
    /// All policies, in the order of the file.
    pub policies: Vec<PolicyView>,
}

/// What one session accepts and announces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionPolicyView {
    /// The session.
    pub session: String,
    /// What it accepts, in words.
    pub import: String,
    /// What it announces, in words.
    pub export: String,
}

/// One policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// Where it is in use: `aws-1 import`.
    pub used_by: Vec<String>,
    /// The rules.
    pub rules: Vec<RuleView>,
    /// What becomes of a route that no rule decides about.
    pub default: String,
    /// Routes left to the default, since the policy got its present form.
    pub default_hits: u64,
}

/// One rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RuleView {
    /// From one.
    pub number: usize,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What must hold.
    pub conditions: Vec<String>,
    /// What it changes.
    pub changes: Vec<String>,
    /// `accept`, `reject`, `next` or `call NAME`.
    pub then: String,
    /// Routes that matched, since the policy got its present form.
    pub hits: u64,
}

/// A made-up route for `quadspan policy test`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProbeView {
    /// The destination.
    pub prefix: IpNet,
    /// `64512 65010 {65011,65012}`.
    #[serde(default)]
    pub as_path: String,
    /// Communities, separated by commas.
    #[serde(default)]
    pub communities: String,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF; 100 by default.
    pub local_preference: Option<u32>,
    /// Next hop.
    pub next_hop: Option<IpAddr>,
    /// `igp` (default), `egp` or `incomplete`.
    pub origin: Option<String>,
    /// The session it is learned in.
    pub peer: Option<String>,
    /// `bgp` (default), `static`, `connected` or `originated`.
    pub source: Option<String>,
}

/// What a policy makes of a made-up route.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DryRunView {
    /// The policy asked.
    pub policy: String,
    /// `accepted`, `rejected`, or `undecided`: whatever comes behind the policy decides.
    pub verdict: String,
    /// Who decided.
    pub decided_by: String,
    /// Every rule looked at.
    pub steps: Vec<DryRunStepView>,
    /// The attributes before.
    pub before: AttributesView,
    /// The attributes after, if it is accepted and they differ.
    pub after: Option<AttributesView>,
}

/// One rule on the way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DryRunStepView {
    /// Which rule, or whose default.
    pub place: String,
    /// Whether it matched.
    pub matched: bool,
    /// What it does, or what does not hold.
    pub text: String,
}
