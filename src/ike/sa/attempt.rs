//! Our initiation under way, from `IKE_SA_INIT` to `IKE_AUTH`.

use std::time::{Duration, Instant};

use isakmp::ExchangeType;
use negotiation::{Failure, Path, Retransmit, Waiting};
use wire::ipsec::{IkeSpi, Spi};

use crate::sa::auth::ExpectAuthResponse;
use crate::sa::init::ExpectSaInitResponse;
use crate::sa::intermediate::ExpectIntermediateResponse;

/// How long the real answer is welcome after an unauthenticated refusal.
const DOUBT: Duration = Duration::from_secs(1);

/// Our initiation under way.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) spi: IkeSpi,
    pub(crate) path: Path,
    pub(crate) began: Instant,
    pub(crate) deadline: Instant,
    /// An unauthenticated reason to give up at the deadline.
    pub(crate) verdict: Option<Failure>,
    /// The peer is believed to have lost what it had of ours.
    pub(crate) sole: bool,
    pub(crate) stage: Stage,
}

/// How far it got.
#[derive(Debug)]
pub(crate) enum Stage {
    SaInit(Box<ExpectSaInitResponse>),
    Intermediate(Box<ExpectIntermediateResponse>),
    Auth(Box<ExpectAuthResponse>),
}

impl Stage {
    /// The exchange and message ID of the answer under way.
    pub(crate) fn awaits(&self) -> (ExchangeType, u32) {
        match self {
            Self::SaInit(_) => (ExchangeType::IKE_SA_INIT, 0),
            Self::Intermediate(state) => (ExchangeType::IKE_INTERMEDIATE, state.message_id()),
            Self::Auth(state) => (ExchangeType::IKE_AUTH, state.message_id()),
        }
    }
}

impl Attempt {
    pub(crate) fn transmission(&self) -> &Retransmit {
        match &self.stage {
            Stage::SaInit(state) => &state.transmission,
            Stage::Intermediate(state) => &state.transmission,
            Stage::Auth(state) => &state.transmission,
        }
    }

    pub(crate) fn transmission_mut(&mut self) -> &mut Retransmit {
        match &mut self.stage {
            Stage::SaInit(state) => &mut state.transmission,
            Stage::Intermediate(state) => &mut state.transmission,
            Stage::Auth(state) => &mut state.transmission,
        }
    }

    /// The CHILD SA it would bring.
    pub(crate) fn child(&self) -> Option<Spi> {
        match &self.stage {
            Stage::SaInit(_) | Stage::Intermediate(_) => None,
            Stage::Auth(state) => state.child,
        }
    }

    /// What to blame when the deadline passes.
    pub(crate) fn failure(&self) -> Failure {
        let what = match self.stage {
            Stage::SaInit(_) => Waiting::SaInit,
            Stage::Intermediate(_) => Waiting::Intermediate,
            Stage::Auth(_) => Waiting::Auth,
        };
        let silent = Failure::PeerSilent { peer: self.path.remote, what, tries: self.transmission().tries() };
        self.verdict.clone().unwrap_or(silent)
    }

    /// Remembers an unauthenticated refusal.
    pub(crate) fn doubt(&mut self, failure: Failure, now: Instant) {
        self.deadline = self.deadline.min(now + DOUBT);
        self.verdict = Some(failure);
    }
}
