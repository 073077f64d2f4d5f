//! Our initiation under way, from `IKE_SA_INIT` to `IKE_AUTH`.
//!
//! ```text
//!  begin --> SaInit --> Intermediate * --> Auth --> AuthAnswer
//!              |             |               |
//!              +-------------+-- doubt ------+--> over at the deadline
//! ```
//!
//! What is not authentic ends nothing: it is remembered as a doubt, and the real answer stays welcome for a moment.

use std::time::{Duration, Instant};

use isakmp::{ExchangeType, Frame, Payload};
use negotiation::{ATTEMPT, ChildSelectors, Cx, Failure, Path, Retransmit, TunnelConfig, Waiting};
use wire::ipsec::{IkeSpi, Spi};

use crate::auth::ExpectAuthResponse;
use crate::init::ExpectSaInitResponse;
use crate::intermediate::ExpectIntermediateResponse;
use crate::{Contents, Opening, Terms};

/// How long the real answer is welcome after an unauthenticated refusal.
const DOUBT: Duration = Duration::from_secs(1);

/// Our initiation under way.
#[derive(Debug)]
pub struct Attempt {
    pub(crate) course: Course,
    pub(crate) stage: Stage,
}

/// What does not depend on how far it got.
#[derive(Debug)]
pub(crate) struct Course {
    pub(crate) spi: IkeSpi,
    pub(crate) path: Path,
    pub(crate) began: Instant,
    pub(crate) deadline: Instant,
    /// An unauthenticated reason to give up at the deadline.
    pub(crate) verdict: Option<Failure>,
    /// The peer is believed to have lost what it had of ours.
    pub(crate) sole: bool,
}

impl Course {
    /// Remembers an unauthenticated refusal.
    pub(crate) fn doubt(&mut self, failure: Failure, now: Instant) {
        self.deadline = self.deadline.min(now + DOUBT);
        self.verdict = Some(failure);
    }

    /// The exchange under way was answered: what was doubtful about it is no longer, and the next has the time of an
    /// attempt.
    pub(crate) fn onward(self, path: Path) -> Self {
        Self { path, deadline: self.began + ATTEMPT, verdict: None, ..self }
    }
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
    fn awaits(&self) -> (ExchangeType, u32) {
        match self {
            Self::SaInit(_) => (ExchangeType::IKE_SA_INIT, 0),
            Self::Intermediate(state) => (ExchangeType::IKE_INTERMEDIATE, state.message_id()),
            Self::Auth(state) => (ExchangeType::IKE_AUTH, state.message_id()),
        }
    }
}

/// What our `IKE_AUTH` is to ask and to say, besides who we are.
#[derive(Debug)]
pub struct Wish {
    /// What the first CHILD SA is to carry.
    pub selectors: ChildSelectors,
    /// It goes without a CHILD SA where the peer has said that it does without (RFC 6023).
    pub childless: bool,
    /// RFC 7296 2.4: whatever else the peer has between the two identities is gone.
    pub initial_contact: bool,
    /// What else we can.
    pub extensions: Vec<Payload>,
}

/// What became of an attempt when a datagram came for it.
#[derive(Debug)]
pub enum Progress {
    /// It goes on.
    Goes(Attempt),
    /// It goes on; what came is no message of the peer's.
    Invalid(Attempt),
    /// It is over, and nothing is established.
    Over(Failure),
    /// `IKE_AUTH` was answered.
    Answered(Box<AuthAnswer>),
}

/// How our `IKE_AUTH` was answered.
#[derive(Debug)]
pub struct AuthAnswer {
    /// What both ends have settled.
    pub opening: Opening,
    /// The peer is believed to have lost what it had of ours.
    pub sole: bool,
    /// Our credentials have changed since it was asked.
    pub outdated: bool,
    /// On what the CHILD SA that was asked for would receive.
    pub child: Option<Spi>,
    /// The peer says that it could not read what was asked, whatever else it says.
    pub unread: bool,
    /// Whether the peer is who we expect.
    pub verdict: Result<Proven, Disproven>,
}

/// The peer is who we expect.
#[derive(Debug)]
pub struct Proven {
    /// All that it says.
    pub contents: Contents,
    /// What becomes of the CHILD SA that was asked for.
    pub terms: Option<Result<Terms, Failure>>,
}

/// The peer is not who we expect, or refuses us.
#[derive(Debug)]
pub struct Disproven {
    /// Why.
    pub failure: Failure,
    /// It may hold the IKE SA for established all the same.
    pub established: bool,
}

impl Attempt {
    /// Our name for what it may become.
    #[must_use]
    pub const fn spi(&self) -> IkeSpi {
        self.course.spi
    }

    /// Whether the peer is believed to have lost what it had of ours.
    #[must_use]
    pub const fn is_sole(&self) -> bool {
        self.course.sole
    }

    /// When it is over at the latest.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.course.deadline
    }

    /// Whether the first exchange is over.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        !matches!(self.stage, Stage::SaInit(_))
    }

    /// Whether our `IKE_AUTH` is under way: the peer may hold the IKE SA for established.
    #[must_use]
    pub const fn is_proving(&self) -> bool {
        matches!(self.stage, Stage::Auth(_))
    }

    /// The CHILD SA it would bring.
    #[must_use]
    pub fn child(&self) -> Option<Spi> {
        match &self.stage {
            Stage::SaInit(_) | Stage::Intermediate(_) => None,
            Stage::Auth(state) => state.child(),
        }
    }

    /// When there is something to send again, or it is over.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        let deadline = self.course.deadline;
        self.transmission().next().map_or(deadline, |next| next.min(deadline))
    }

    /// Sends again what is due; whether anything was.
    pub fn retransmit(&mut self, cx: &mut Cx<'_>) -> bool {
        let path = self.course.path;
        let Some(datagrams) = self.transmission_mut().due(cx.now, cx.entropy).map(<[Vec<u8>]>::to_vec) else {
            return false;
        };
        cx.transmit(path, &datagrams);
        true
    }

    /// What to blame when the deadline passes.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let what = match self.stage {
            Stage::SaInit(_) => Waiting::SaInit,
            Stage::Intermediate(_) => Waiting::Intermediate,
            Stage::Auth(_) => Waiting::Auth,
        };
        let silent = Failure::PeerSilent { peer: self.course.path.remote, what, tries: self.transmission().tries() };
        self.course.verdict.clone().unwrap_or(silent)
    }

    /// Remembers an unauthenticated refusal.
    pub fn doubt(&mut self, failure: Failure, now: Instant) {
        self.course.doubt(failure, now);
    }

    /// Our credentials have changed.
    pub fn outdate(&mut self) {
        if let Stage::Auth(state) = &mut self.stage {
            state.outdate();
        }
    }

    /// Takes a datagram under our SPI.
    #[must_use]
    pub fn handle(self, cx: &mut Cx<'_>, config: &TunnelConfig, wish: Wish, frame: &Frame<'_>) -> Progress {
        let header = &frame.header;
        let awaited = (header.exchange, header.message_id) == self.stage.awaits();
        if !header.flags.response || header.flags.initiator || !awaited {
            return Progress::Goes(self);
        }
        let Self { course, stage } = self;
        match stage {
            Stage::SaInit(state) => state.take(cx, config, wish, course, frame),
            Stage::Intermediate(state) => state.take(cx, config, wish, course, frame),
            Stage::Auth(state) => state.take(cx, config, course, frame),
        }
    }

    fn transmission(&self) -> &Retransmit {
        match &self.stage {
            Stage::SaInit(state) => &state.transmission,
            Stage::Intermediate(state) => &state.transmission,
            Stage::Auth(state) => &state.transmission,
        }
    }

    fn transmission_mut(&mut self) -> &mut Retransmit {
        match &mut self.stage {
            Stage::SaInit(state) => &mut state.transmission,
            Stage::Intermediate(state) => &mut state.transmission,
            Stage::Auth(state) => &mut state.transmission,
        }
    }
}
