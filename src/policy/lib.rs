//! Routing policy: what is accepted and announced, and with which attributes. Pure.
//!
//! ```text
//!   Chain of a session          Policy                     Rule
//!   ┌────────────────────┐      ┌───────────────────┐      ┌──────────────────────────────┐
//!   │ line  10.0.0.0/8   │      │ rule 1            │      │ conditions: all must hold    │
//!   │ policy from-cloud ─┼────► │ rule 2 (no-leaks)─┼────► │ changes: done if they do     │
//!   │ ... nothing matches│      │ default: reject   │      │ then: accept, reject, next,  │
//!   └────────────────────┘      └───────────────────┘      │       or call another policy │
//!                                                          └──────────────────────────────┘
//! ```
//!
//! * The first thing that says accept or reject decides. A rule that says `next` changes the route and passes it on,
//!   and so does a policy whose default is `next`. What comes to the end of a [`Chain`] is rejected.
//! * Later rules see what earlier ones changed.
//! * [`Chain::judge`] gives a [`Verdict`]: who decided, and the [`Changes`] to make. It allocates nothing for a route
//!   that is not changed. [`Changes`] of one rule are one shared value, so that callers can make them once for many
//!   prefixes that came with the same attributes.
//! * An [`Observer`] sees every step: [`Count`] counts hits, [`Trace`] writes down why each rule did not match.
//!
//! Matching is linear in the length of what is matched: AS paths by an automaton over AS numbers
//! ([`as_path`]), long prefix lists by a trie ([`prefix`]).
//!
//! | module | RFCs |
//! |---|---|
//! | [`community`] | RFC 1997, RFC 4360, RFC 5668, RFC 8092, RFC 7999, RFC 8326, draft-ietf-idr-link-bandwidth |
//! | [`chain`] | RFC 8212: nothing without a policy |

pub mod as_path;
pub mod chain;
pub mod community;
mod condition;
mod error;
mod list;
mod number;
pub mod prefix;
mod route;
mod rule;
mod set;
mod trace;

pub use as_path::AsPathPattern;
pub use chain::{Accepted, Basis, Chain, Decider, Step, Verdict};
pub use community::{Community, CommunityPattern, ExtendedKind};
pub use condition::{Condition, NamePattern, Quantifier};
pub use error::{PatternError, PolicySetError};
pub use list::{AsPathLine, AsPathList, CommunityList, Named};
pub use number::{Amount, Range};
pub use prefix::{PrefixList, PrefixRule, PrefixVerdict, RuleAction};
pub use route::{Route, Source};
pub use rule::{Action, Policy, PolicySet, Rule, RuleId, Then};
pub use set::{Changes, NextHop, Prepend, Set};
pub use trace::{Count, Observer, Silent, Trace, TraceLine};

#[cfg(test)]
mod tests;
