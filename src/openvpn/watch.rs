//! Watching one server: connect, prove who we are, ask, wait, ask again.
//!
//! ```text
//!   Away ──connected──► Greeting ──► Asking(state, version, status 3) ──► Resting ──┐
//!     ▲                    │ password                 ▲                             │
//!     └── closed, silent, refused                     └────────── every interval ◄──┘
//! ```
//!
//! A server that is asked and answers tells its own addresses, too: one that is not in the networks of the pool runs by
//! another file than was read, and those networks are not announced.
//!
//! A pure machine: whoever drives it drains [`Watch::poll_output`] to `None` after every `handle_*`, and calls
//! [`Watch::handle_timeout`] when [`Watch::poll_timeout`] is due.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use wire::Secret;

use crate::line::{Line, Lines};
use crate::status::{Client, State, Status, cut};

/// What is asked, in turn.
const QUESTIONS: [&str; 3] = ["state\n", "version\n", "status 3\n"];
/// Octets of one answer, with what is said unasked before the next question; a server that says more is not listened to.
const MOST: usize = 8 << 20;

/// How a server is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchConfig {
    /// The clients' network, which the server has an address of.
    pub network: Ipv4Net,
    /// Their IPv6 network, if they have one, which it has an address of as well.
    pub network6: Option<Ipv6Net>,
    /// What the management interface wants to hear first.
    pub password: Option<Secret>,
    /// How often to ask.
    pub interval: Duration,
    /// How long an answer may take, and a connection.
    pub patience: Duration,
    /// How long to wait before another connection.
    pub retry: Duration,
}

/// What a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// It serves clients now.
    pub serving: bool,
    /// Its version, in its words.
    pub version: Option<String>,
    /// What it last said of its clients.
    pub status: Status,
}

/// Why it does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody was asked yet.
    #[error("not asked yet")]
    Unasked,
    /// No connection.
    #[error("the management interface cannot be reached: {reason}")]
    Unreachable {
        /// In the words of the operating system.
        reason: String,
    },
    /// The connection ended.
    #[error("the server closed the management connection")]
    Closed,
    /// No answer in time.
    #[error("the server did not answer within {} s", .patience.as_secs_f32())]
    Silent {
        /// How long it had.
        patience: Duration,
    },
    /// It wants a password, and there is none or another one.
    #[error("the management interface {0}")]
    Password(&'static str),
    /// It says no.
    #[error("the server answered: {text}")]
    Refused {
        /// Its words.
        text: String,
    },
    /// It is up and does not serve.
    #[error("the server is in state {state}")]
    State {
        /// Its word.
        state: String,
    },
    /// It serves another network than the file says.
    #[error("the server has the address {address}, and its file says {network}")]
    Elsewhere {
        /// Its address inside.
        address: IpAddr,
        /// The network of the file.
        network: IpNet,
    },
    /// It serves no IPv6, and the file says that it does.
    #[error("the server has no IPv6 address, and its file says {network}")]
    Without {
        /// The network of the file.
        network: Ipv6Net,
    },
    /// It said more than a server would.
    #[error("the server said more than could be listened to")]
    Flood,
}

impl Trouble {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Unasked => "wait a moment",
            Self::Unreachable { .. } => {
                "start the OpenVPN server; if it runs, compare its `management` line with `openvpn: {management: ..}`"
            }
            Self::Closed => "see the server's log; only one client at a time may use the management interface",
            Self::Silent { .. } => {
                "see the server's log and load; only one client at a time may use the management interface"
            }
            Self::Password(_) => {
                "name the file that the server's `management` line names: `openvpn: {password-file: ..}`"
            }
            Self::Refused { .. } => "use OpenVPN 2.4 or newer",
            Self::State { .. } => "see the server's log; leave `management-hold` out of its file",
            Self::Elsewhere { .. } | Self::Without { .. } => {
                "restart the server if its file changed, then `quadspan reload`; see that both use the same file"
            }
            Self::Flood => "see whether this is an OpenVPN server at all",
        }
    }

    /// A stable name for metrics and scripts.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Unreachable { .. } => "unreachable",
            Self::Closed => "closed",
            Self::Silent { .. } => "silent",
            Self::Password(_) => "password",
            Self::Refused { .. } => "refused",
            Self::State { .. } => "state",
            Self::Elsewhere { .. } | Self::Without { .. } => "elsewhere",
            Self::Flood => "flood",
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a connection, and say how that went.
    Connect,
    /// Send this.
    Send(Secret),
    /// End the connection.
    Close,
    /// [`Watch::server`] or [`Watch::trouble`] is another.
    Changed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Not connected, until this moment.
    Away(Instant),
    /// On the way there, or connected and not greeted.
    Greeting,
    /// The password is out.
    Proving,
    /// An answer is due.
    Asking(usize),
    /// Nothing is due until this moment.
    Resting(Instant),
}

/// One server, watched.
#[derive(Debug)]
pub struct Watch {
    config: WatchConfig,
    phase: Phase,
    /// An answer must have come by then.
    deadline: Option<Instant>,
    lines: Lines,
    /// Octets since the last question.
    heard: usize,
    server: Server,
    trouble: Option<Trouble>,
    /// What is being said.
    state: Option<State>,
    status: Status,
    outputs: VecDeque<Output>,
}

impl Watch {
    /// Begins with a connection, at once.
    #[must_use]
    pub fn new(config: WatchConfig, now: Instant) -> Self {
        Self {
            config,
            phase: Phase::Away(now),
            deadline: None,
            lines: Lines::default(),
            heard: 0,
            server: Server::default(),
            trouble: Some(Trouble::Unasked),
            state: None,
            status: Status::default(),
            outputs: VecDeque::new(),
        }
    }

    /// What is known of the server.
    #[must_use]
    pub const fn server(&self) -> &Server {
        &self.server
    }

    /// Its clients.
    #[must_use]
    pub fn clients(&self) -> &[Client] {
        &self.server.status.clients
    }

    /// Why it does not serve.
    #[must_use]
    pub const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The connection is there: the server speaks first.
    pub fn handle_connected(&mut self, now: Instant) {
        self.lines = Lines::default();
        self.heard = 0;
        self.phase = Phase::Greeting;
        self.deadline = Some(now + self.config.patience);
    }

    /// There will be no connection.
    pub fn handle_unreachable(&mut self, reason: String, now: Instant) {
        self.leave(Trouble::Unreachable { reason }, now);
    }

    /// The other side closed it.
    pub fn handle_closed(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Away(_)) {
            let trouble = match self.phase {
                Phase::Proving => Trouble::Password("does not take our password"),
                Phase::Away(_) | Phase::Greeting | Phase::Asking(_) | Phase::Resting(_) => Trouble::Closed,
            };
            self.leave(trouble, now);
        }
    }

    /// Octets came.
    pub fn handle_bytes(&mut self, octets: &[u8], now: Instant) {
        self.heard = self.heard.saturating_add(octets.len());
        if self.heard > MOST {
            return self.refuse(Trouble::Flood, now);
        }
        self.lines.push(octets);
        while let Some(line) = self.lines.next_line() {
            if matches!(self.phase, Phase::Away(_)) {
                return;
            }
            self.take(line, now);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.refuse(Trouble::Silent { patience: self.config.patience }, now);
        }
        match self.phase {
            Phase::Away(until) if until <= now => {
                self.phase = Phase::Greeting;
                self.deadline = Some(now + self.config.patience);
                self.outputs.push_back(Output::Connect);
            }
            Phase::Resting(until) if until <= now => self.ask(0, now),
            Phase::Away(_) | Phase::Greeting | Phase::Proving | Phase::Asking(_) | Phase::Resting(_) => {}
        }
    }

    /// What is to be done next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Watch::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Away(until) | Phase::Resting(until) => Some(until),
            Phase::Greeting | Phase::Proving | Phase::Asking(_) => self.deadline,
        }
    }

    fn take(&mut self, line: Line, now: Instant) {
        match (self.phase, line) {
            (Phase::Greeting, Line::PasswordWanted) => self.prove(now),
            (Phase::Proving, Line::PasswordWanted) => self.refuse(Trouble::Password("does not take our password"), now),
            (Phase::Greeting, Line::Notice(kind, _)) if kind == "INFO" => self.ask(0, now),
            (Phase::Proving, Line::Success(_)) => self.ask(0, now),
            (Phase::Proving, Line::Notice(kind, _)) if kind == "INFO" => self.ask(0, now),
            (Phase::Proving, Line::Error(_)) => self.refuse(Trouble::Password("does not take our password"), now),
            (Phase::Asking(_), Line::Error(text)) => self.refuse(Trouble::Refused { text: cut(&text) }, now),
            (Phase::Asking(number), Line::Text(text)) => match number {
                0 => self.state = State::read(&text).or(self.state.take()),
                1 => self.version(&text),
                _ => self.status.read(&text),
            },
            (Phase::Asking(number), Line::End) => {
                let next = number + 1;
                if next < QUESTIONS.len() { self.ask(next, now) } else { self.conclude(now) }
            }
            // What the server says by itself concerns nobody here.
            (_, _) => {}
        }
    }

    fn prove(&mut self, now: Instant) {
        let Some(password) = &self.config.password else {
            return self.refuse(Trouble::Password("wants a password, and none is configured"), now);
        };
        let line = [password.expose(), b"\n"].concat();
        self.outputs.push_back(Output::Send(Secret::new(line)));
        self.phase = Phase::Proving;
        self.deadline = Some(now + self.config.patience);
    }

    fn ask(&mut self, number: usize, now: Instant) {
        let Some(question) = QUESTIONS.get(number) else { return };
        if number == 0 {
            self.state = None;
            self.status = Status::default();
        }
        self.heard = 0;
        self.outputs.push_back(Output::Send(Secret::new(question.as_bytes().to_vec())));
        self.phase = Phase::Asking(number);
        self.deadline = Some(now + self.config.patience);
    }

    /// `OpenVPN Version: OpenVPN 2.6.14 x86_64-pc-linux-gnu ...`.
    fn version(&mut self, text: &str) {
        if let Some(version) = text.strip_prefix("OpenVPN Version:") {
            self.server.version = Some(cut(&version.split_whitespace().take(2).collect::<Vec<_>>().join(" ")));
        }
    }

    /// All questions are answered.
    fn conclude(&mut self, now: Instant) {
        let trouble = match self.state.take() {
            Some(State::Connected(address, address6)) => {
                self.elsewhere(address).or_else(|| self.elsewhere6(address, address6))
            }
            Some(State::Other(state)) => Some(Trouble::State { state }),
            None => Some(Trouble::State { state: "none".to_owned() }),
        };
        self.server.serving = trouble.is_none();
        self.server.status = std::mem::take(&mut self.status);
        self.trouble = trouble;
        self.phase = Phase::Resting(now + self.config.interval);
        self.deadline = None;
        self.outputs.push_back(Output::Changed);
    }

    /// Whether it serves another network; a server without an address inside may serve any.
    fn elsewhere(&self, address: Option<Ipv4Addr>) -> Option<Trouble> {
        let network = self.config.network;
        let address = address.filter(|address| !network.contains(address))?;
        Some(Trouble::Elsewhere { address: IpAddr::V4(address), network: IpNet::V4(network) })
    }

    /// Whether it serves another IPv6 network, or none: one that says its address says the other one, too, if it has it.
    fn elsewhere6(&self, address: Option<Ipv4Addr>, address6: Option<Ipv6Addr>) -> Option<Trouble> {
        let network = self.config.network6?;
        match address6 {
            Some(address) if network.contains(&address) => None,
            Some(address) => Some(Trouble::Elsewhere { address: IpAddr::V6(address), network: IpNet::V6(network) }),
            None => address.map(|_| Trouble::Without { network }),
        }
    }

    fn refuse(&mut self, trouble: Trouble, now: Instant) {
        self.leave(trouble, now);
        self.outputs.push_back(Output::Close);
    }

    /// It does not serve, as far as anybody can tell.
    fn leave(&mut self, trouble: Trouble, now: Instant) {
        self.phase = Phase::Away(now + self.config.retry);
        self.deadline = None;
        self.server = Server { version: self.server.version.take(), ..Server::default() };
        self.trouble = Some(trouble);
        self.outputs.push_back(Output::Changed);
    }
}
