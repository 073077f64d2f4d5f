//! `IKE_FOLLOWUP_KE` (RFC 9370 2.2.4): the further key exchanges of a `CREATE_CHILD_SA`.
//!
//! ```text
//!  SK { SA, Ni, KEi, ... } ------->                                    CREATE_CHILD_SA
//!              <------- SK { SA, Nr, KEr, ..., N(ADDITIONAL_KEY_EXCHANGE)(link) }
//!  SK { KEi(1), N(ADDITIONAL_KEY_EXCHANGE)(link) } ------->            IKE_FOLLOWUP_KE
//!              <------- SK { KEr(1), N(ADDITIONAL_KEY_EXCHANGE)(link') } as long as one is missing
//!              <------- SK { KEr(n) }                                  now there is an SA
//!                     | SK { N(STATE_NOT_FOUND) }                      it took too long
//! ```
//!
//! The initiator's exchange stays what its SA awaits, so that whatever stands in the way of it does until the end. The
//! responder keeps an [`Unfinished`] for a while, and meanwhile begins nothing of its own about the same SA.
//!
//! Where both ends replace the same SA, all four nonces are known after `CREATE_CHILD_SA` already: the end whose
//! exchange loses does not go on with it, and nothing is left to delete.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crypto::{AdditionalKeyExchanges, Group, KeyPair};
use handshake::{Contents, Refusal, key_payload, protocol};
use isakmp::{KeyExchange, Notify, NotifyType, Payload};
use negotiation::{Cx, Failure};
use wire::ipsec::{IkeSpi, Spi};
use wire::{Entropy, Secret};

use crate::endpoint::Tunnel;
use crate::sa::create_child::HalfChild;
use crate::sa::key_exchange::agree;
use crate::sa::rekey_ike::HalfIke;
use crate::sa::{IkeSa, Task};

/// How long the responder waits for the next exchange (RFC 9370 2.2.4 leaves the time open).
const PATIENCE: Duration = Duration::from_secs(20);
/// What a peer may have begun at a time; the oldest goes.
const MAX_UNFINISHED: usize = 4;
/// Octets of a link.
const LINK_LEN: usize = 16;

/// The initiator's key exchanges under way.
#[derive(Debug)]
pub(crate) struct FollowUp {
    key: KeyPair,
    /// Methods after the one under way.
    remaining: VecDeque<Group>,
    secrets: Vec<Secret>,
}

/// What comes after a response.
pub(crate) enum Step {
    /// One more request with these payloads.
    Next(FollowUp, Vec<Payload>),
    /// All secrets, in order.
    Done(Vec<Secret>),
}

impl FollowUp {
    /// The first step after a response to `CREATE_CHILD_SA`.
    pub(crate) fn begin(
        additional: &AdditionalKeyExchanges,
        contents: &Contents,
        peer: SocketAddr,
        entropy: &mut dyn Entropy,
    ) -> Result<Step, Failure> {
        Self::step(additional.groups().into(), Vec::new(), contents, peer, entropy)
    }

    /// Takes a response; what is next.
    pub(crate) fn take(
        self,
        contents: &Contents,
        peer: SocketAddr,
        entropy: &mut dyn Entropy,
    ) -> Result<Step, Failure> {
        let Self { key, remaining, mut secrets } = self;
        let group = key.group();
        let Some(theirs) = contents.key_exchange.as_ref().filter(|theirs| theirs.group == group.id()) else {
            return Err(protocol(peer, "an IKE_FOLLOWUP_KE response without the key exchange that is due"));
        };
        secrets.push(key.agree(&theirs.data).map_err(|_| Failure::BadPublicValue { peer, group })?);
        Self::step(remaining, secrets, contents, peer, entropy)
    }

    fn step(
        mut remaining: VecDeque<Group>,
        secrets: Vec<Secret>,
        contents: &Contents,
        peer: SocketAddr,
        entropy: &mut dyn Entropy,
    ) -> Result<Step, Failure> {
        let Some(group) = remaining.pop_front() else { return Ok(Step::Done(secrets)) };
        let Some(link) = contents.notify(NotifyType::ADDITIONAL_KEY_EXCHANGE) else {
            return Err(protocol(peer, "an answer does not say how its key exchanges go on"));
        };
        let key = group.generate(entropy);
        let payloads = vec![key_payload(&key), link_payload(link.data.clone())];
        Ok(Step::Next(Self { key, remaining, secrets }, payloads))
    }
}

fn link_payload(link: Vec<u8>) -> Payload {
    Payload::Notify(Notify::with_data(NotifyType::ADDITIONAL_KEY_EXCHANGE, link))
}

/// The responder's side of an exchange that is not over.
#[derive(Debug)]
pub(crate) struct Unfinished {
    link: Vec<u8>,
    until: Instant,
    remaining: VecDeque<Group>,
    secrets: Vec<Secret>,
    goal: Goal,
}

/// What will be when all keys are exchanged.
#[derive(Debug)]
pub(crate) enum Goal {
    Child(Box<HalfChild>),
    Ike(Box<HalfIke>),
}

impl Goal {
    /// Whether both are about the same SA.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ike(_), Self::Ike(_)) => true,
            (Self::Child(one), Self::Child(two)) => one.replaces.is_some() && one.replaces == two.replaces,
            (Self::Ike(_), Self::Child(_)) | (Self::Child(_), Self::Ike(_)) => false,
        }
    }

    fn release(&self, cx: &mut Cx<'_>) {
        match self {
            Self::Child(half) => cx.names.release_esp(half.spi),
            Self::Ike(half) => cx.names.release(half.spi),
        }
    }
}

impl IkeSa {
    /// Whether the peer is about to replace a CHILD SA.
    pub(crate) fn is_replacing(&self, child: Spi) -> bool {
        self.unfinished.iter().any(|unfinished| match &unfinished.goal {
            Goal::Child(half) => half.replaces == Some(child),
            Goal::Ike(_) => false,
        })
    }

    /// Whether a task has to wait for what the peer is about to finish.
    pub(crate) fn holds_back(&self, task: &Task) -> bool {
        self.unfinished.iter().any(|unfinished| match (&unfinished.goal, task) {
            (Goal::Child(half), Task::RekeyChild(child)) => half.replaces == Some(*child),
            (Goal::Child(half), Task::CreateChild(flow)) => half.replaces.is_none() && half.flow == *flow,
            (Goal::Ike(_), Task::CreateChild(_) | Task::RekeyChild(_) | Task::RekeyIke) => true,
            (_, _) => false,
        })
    }

    /// When the first of what the peer began is given up.
    pub(crate) fn gives_up_at(&self) -> Option<Instant> {
        self.unfinished.iter().map(|unfinished| unfinished.until).min()
    }

    /// Forgets what the peer began and did not finish in time.
    pub(crate) fn give_up_unfinished(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        self.unfinished.retain(|unfinished| {
            let keep = unfinished.until > now;
            if !keep {
                unfinished.goal.release(cx);
            }
            keep
        });
    }

    /// Forgets all that the peer began.
    pub(crate) fn drop_unfinished(&mut self, cx: &mut Cx<'_>) {
        self.unfinished.drain(..).for_each(|unfinished| unfinished.goal.release(cx));
    }
}

impl Tunnel {
    /// Keeps what the peer began; what to answer beside the rest.
    pub(crate) fn await_followup(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        additional: &AdditionalKeyExchanges,
        goal: Goal,
    ) -> Payload {
        let unfinished = Unfinished {
            link: Vec::new(),
            until: cx.now,
            remaining: additional.groups().into(),
            secrets: Vec::new(),
            goal,
        };
        self.keep_unfinished(cx, ike, unfinished)
    }

    fn keep_unfinished(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, mut unfinished: Unfinished) -> Payload {
        let mut link = vec![0; LINK_LEN];
        cx.entropy.fill(&mut link);
        unfinished.link.clone_from(&link);
        unfinished.until = cx.now + PATIENCE;
        match self.sa_mut(ike) {
            Some(sa) => {
                // The peer began anew, or more than it may.
                let superseded = |other: &Unfinished| other.goal.is_same(&unfinished.goal);
                let oldest = (sa.unfinished.len() >= MAX_UNFINISHED).then_some(0);
                if let Some(index) = sa.unfinished.iter().position(superseded).or(oldest) {
                    sa.unfinished.remove(index).goal.release(cx);
                }
                sa.unfinished.push(unfinished);
            }
            None => unfinished.goal.release(cx),
        }
        link_payload(link)
    }

    /// Answers an `IKE_FOLLOWUP_KE` request. A failure is one that ends the IKE SA.
    pub(crate) fn answer_followup(
        &mut self,
        cx: &mut Cx<'_>,
        ike: IkeSpi,
        contents: &Contents,
    ) -> (Vec<Payload>, Option<Failure>) {
        match self.take_followup(cx, ike, contents) {
            Ok(payloads) => (payloads, None),
            Err(refusal) if refusal.is_fatal() => (refusal.payloads(), Some(refusal.failure)),
            Err(refusal) => (refusal.payloads(), None),
        }
    }

    fn take_followup(&mut self, cx: &mut Cx<'_>, ike: IkeSpi, contents: &Contents) -> Result<Vec<Payload>, Refusal> {
        let Some(sa) = self.sa_mut(ike) else { return Ok(Vec::new()) };
        let peer = sa.path.remote;
        let named = contents.notify(NotifyType::ADDITIONAL_KEY_EXCHANGE).map(|notify| notify.data.as_slice());
        let index = sa.unfinished.iter().position(|unfinished| Some(unfinished.link.as_slice()) == named);
        // RFC 9370 2.2.4: what a link belongs to may have been given up.
        let Some(mut unfinished) = index.map(|index| sa.unfinished.remove(index)) else {
            return Err(not_found(peer));
        };
        let answer = agree_next(cx, &mut unfinished, contents.key_exchange.as_ref(), peer);
        let (key, secret) = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                unfinished.goal.release(cx);
                return Err(refusal);
            }
        };
        unfinished.secrets.push(secret);
        if !unfinished.remaining.is_empty() {
            return Ok(vec![key, self.keep_unfinished(cx, ike, unfinished)]);
        }
        match unfinished.goal {
            Goal::Child(half) => self.complete_child(cx, ike, *half, &unfinished.secrets)?,
            Goal::Ike(half) => self.complete_ike_rekey(cx, ike, *half, &unfinished.secrets)?,
        }
        Ok(vec![key])
    }
}

fn agree_next(
    cx: &mut Cx<'_>,
    unfinished: &mut Unfinished,
    theirs: Option<&KeyExchange>,
    peer: SocketAddr,
) -> Result<(Payload, Secret), Refusal> {
    let due = unfinished.remaining.pop_front().filter(|due| theirs.is_some_and(|theirs| theirs.group == due.id()));
    match agree(cx, due, theirs, peer)? {
        Some(answer) => Ok(answer),
        None => Err(not_found(peer)),
    }
}

fn not_found(peer: SocketAddr) -> Refusal {
    Refusal {
        notify: Notify::new(NotifyType::STATE_NOT_FOUND),
        failure: protocol(peer, "it goes on with key exchanges that are not under way"),
    }
}
