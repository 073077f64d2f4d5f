//! What packet filters would do to a packet, as far as their rules tell.
//!
//! ```text
//!   nft -j list ruleset ──► nft ──┐
//!                                 ├──► Ruleset ── fate(packet) ──► passes, perhaps, blocked by this rule
//!   iptables-save ──────► iptables┘
//! ```
//!
//! Every condition is answered with yes, no or perhaps: what depends on the state of a connection, on a mark or on
//! anything that is not read here is "perhaps". A packet is `Blocked` only where no "perhaps" could have let it pass
//! before, so that what is said to be blocked is.

pub mod iptables;
mod judge;
pub mod nft;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

/// UDP (IANA protocol numbers).
pub const UDP: u8 = 17;
/// TCP.
pub const TCP: u8 = 6;
/// ESP.
pub const ESP: u8 = 50;

/// Where in the kernel a chain hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Before routing.
    Prerouting,
    /// For this machine.
    Input,
    /// Through this machine.
    Forward,
    /// From this machine.
    Output,
    /// After routing.
    Postrouting,
}

impl Hook {
    /// By its name in either program's words.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "prerouting" => Self::Prerouting,
            "input" => Self::Input,
            "forward" => Self::Forward,
            "output" => Self::Output,
            "postrouting" => Self::Postrouting,
            _ => return None,
        })
    }
}

/// A packet that one wants to know about. What is `None` may be anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packet<'a> {
    /// IP version, where no address tells.
    pub version: Option<u8>,
    /// IP protocol.
    pub protocol: Option<u8>,
    /// Whence.
    pub source: Option<IpAddr>,
    /// Whither.
    pub destination: Option<IpAddr>,
    /// Source port.
    pub source_port: Option<u16>,
    /// Destination port.
    pub destination_port: Option<u16>,
    /// Interface it comes by.
    pub input: Option<&'a str>,
    /// Interface it leaves by.
    pub output: Option<&'a str>,
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// IP version, 4 or 6.
    Version(u8),
    /// One of these IP protocols.
    Protocol(Vec<u8>),
    /// From one of these networks.
    Source(Vec<IpNet>),
    /// To one of these networks.
    Destination(Vec<IpNet>),
    /// From one of these ports.
    SourcePort(Vec<RangeInclusive<u16>>),
    /// To one of these ports.
    DestinationPort(Vec<RangeInclusive<u16>>),
    /// In by one of these interfaces; a final `*` stands for anything.
    Input(Vec<String>),
    /// Out by one of these interfaces.
    Output(Vec<String>),
    /// Anything else.
    Other,
}

/// A condition, or its opposite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The condition.
    pub condition: Condition,
    /// Whether it must not hold.
    pub negated: bool,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing that matters here.
    None,
    /// The chain is over, the packet goes on.
    Accept,
    /// The packet ends.
    Drop,
    /// Another chain, then back.
    Jump(String),
    /// Another chain for good.
    Goto(String),
    /// Back.
    Return,
    /// An address or port is rewritten.
    Translate(Rewrite),
    /// Whatever follows from a value that is looked up.
    Unknown,
}

/// What a packet is rewritten to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// The source becomes an address of the interface that it leaves by; a port stays if it is free.
    OfInterface,
    /// The source becomes this address; a port stays if it is free.
    To(IpAddr),
    /// Anything else: other ports, one of several addresses, another destination.
    Other,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All must hold.
    pub tests: Vec<Test>,
    /// Then this is done.
    pub action: Action,
    /// As its owner would write it.
    pub text: String,
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Where it hangs; nowhere if others only jump to it.
    pub hook: Option<Hook>,
    /// Whether it translates addresses.
    pub translates: bool,
    /// Whether what gets through is dropped.
    pub drops: bool,
    /// Its rules.
    pub rules: Vec<Rule>,
}

impl Chain {
    pub(crate) const fn new() -> Self {
        Self { hook: None, translates: false, drops: false, rules: Vec::new() }
    }
}

/// One table: `inet filter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// As its owner calls it.
    pub name: String,
    /// The program that its rules are written with: `nft`, or one that takes the words of `iptables`.
    pub program: &'static str,
    /// IP versions that it sees.
    pub versions: &'static [u8],
    /// Its chains.
    pub chains: BTreeMap<String, Chain>,
}

/// All tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// In the order in which they were read.
    pub tables: Vec<Table>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing holds it up.
    Passes,
    /// It depends.
    Perhaps,
    /// It is dropped.
    Blocked(Culprit),
}

/// Who drops or rewrites a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    /// The program that its rules are written with.
    pub program: &'static str,
    /// Its table.
    pub table: String,
    /// Its chain.
    pub chain: String,
    /// The rule, or the chain's policy.
    pub rule: String,
}

impl Culprit {
    /// The command that puts a rule before it, in words of `nft` or of `iptables`.
    #[must_use]
    pub fn put_before(&self, nft: &str, iptables: &str) -> String {
        let Self { program, table, chain, .. } = self;
        if *program == nft::PROGRAM {
            return format!("`{program} insert rule {table} {chain} {nft} accept`");
        }
        let table = table.split_whitespace().last().unwrap_or_default();
        format!("`{program} -t {table} -I {chain} {iptables} -j ACCEPT`")
    }
}

impl std::fmt::Display for Culprit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "table {}, chain {}: {}", self.table, self.chain, self.rule)
    }
}
