//! A packet's way through the chains of one hook.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::{Action, Chain, Condition, Culprit, Fate, Hook, Packet, Rewrite, Rule, Ruleset, Table, Test};

/// Chains may call each other this deep; the kernel itself stops at 16.
const DEEPEST: usize = 16;
/// Rules looked at for one packet: chains that call each other can make it many.
const MOST_RULES: usize = 100_000;

/// Whether something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Perhaps,
}

impl Truth {
    const fn from(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }

    const fn opposite(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Perhaps => Self::Perhaps,
        }
    }
}

/// How a walk through a chain ends.
enum End {
    Accepted,
    Dropped(Culprit),
    Translated(Culprit, Rewrite),
    /// Back where it was called from.
    Through,
}

/// One packet's walk.
struct Walk<'a> {
    table: &'a Table,
    packet: &'a Packet<'a>,
    /// Something on the way may have let it pass, or dropped it.
    doubtful: bool,
    left: usize,
}

impl Ruleset {
    /// What becomes of the packet at a hook.
    #[must_use]
    pub fn fate(&self, hook: Hook, packet: &Packet<'_>) -> Fate {
        let mut doubtful = false;
        for (table, name, chain) in self.at(hook, packet, false) {
            let mut walk = Walk { table, packet, doubtful: false, left: MOST_RULES };
            let end = walk.chain(name, chain, 0);
            let dropped = match end {
                End::Dropped(culprit) => Some(culprit),
                End::Through if chain.drops => Some(culprit(table, name, "policy drop: no rule accepts it")),
                End::Accepted | End::Translated(..) | End::Through => None,
            };
            match dropped {
                Some(culprit) if !walk.doubtful => return Fate::Blocked(culprit),
                Some(_) => doubtful = true,
                None => doubtful |= walk.doubtful,
            }
        }
        if doubtful { Fate::Perhaps } else { Fate::Passes }
    }

    /// Which rule rewrites the packet at a hook, if one certainly does, and to what.
    #[must_use]
    pub fn translation(&self, hook: Hook, packet: &Packet<'_>) -> Option<(Culprit, Rewrite)> {
        self.at(hook, packet, true).find_map(|(table, name, chain)| {
            let mut walk = Walk { table, packet, doubtful: false, left: MOST_RULES };
            match walk.chain(name, chain, 0) {
                End::Translated(culprit, rewrite) if !walk.doubtful => Some((culprit, rewrite)),
                End::Translated(..) | End::Accepted | End::Dropped(_) | End::Through => None,
            }
        })
    }

    fn at<'a>(
        &'a self,
        hook: Hook,
        packet: &Packet<'_>,
        translates: bool,
    ) -> impl Iterator<Item = (&'a Table, &'a str, &'a Chain)> {
        let version = version(packet);
        let tables = self.tables.iter().filter(move |table| version.is_none_or(|it| table.versions.contains(&it)));
        tables.flat_map(move |table| {
            let here = table.chains.iter().filter(move |(_, chain)| chain.hook == Some(hook));
            here.filter(move |(_, chain)| chain.translates == translates)
                .map(move |(name, chain)| (table, name.as_str(), chain))
        })
    }
}

impl Walk<'_> {
    fn chain(&mut self, name: &str, chain: &Chain, depth: usize) -> End {
        for rule in &chain.rules {
            let Some(left) = self.left.checked_sub(1) else {
                self.doubtful = true;
                return End::Through;
            };
            self.left = left;
            let holds = self.holds(rule);
            if holds == Truth::No {
                continue;
            }
            if let Some(end) = self.act(name, rule, depth, holds) {
                return end;
            }
        }
        End::Through
    }

    /// What a rule that holds, or perhaps holds, leads to; `None` to go on with the next.
    fn act(&mut self, name: &str, rule: &Rule, depth: usize, holds: Truth) -> Option<End> {
        let end = match &rule.action {
            Action::None => return None,
            Action::Unknown => {
                self.doubtful = true;
                return None;
            }
            Action::Accept => End::Accepted,
            Action::Drop => End::Dropped(culprit(self.table, name, &rule.text)),
            Action::Translate(rewrite) => End::Translated(culprit(self.table, name, &rule.text), *rewrite),
            Action::Return => End::Through,
            Action::Jump(target) | Action::Goto(target) => {
                let called = self.table.chains.get(target).filter(|_| depth < DEEPEST);
                let end = called.map_or(End::Through, |chain| self.chain(target, chain, depth + 1));
                match (end, &rule.action) {
                    (End::Through, Action::Jump(_)) => return None,
                    (end, _) => end,
                }
            }
        };
        if holds == Truth::Yes {
            return Some(end);
        }
        // A rule that perhaps drops leaves the packet on its way: what is certain later is no less certain.
        self.doubtful |= !matches!(end, End::Dropped(_));
        None
    }

    fn holds(&self, rule: &Rule) -> Truth {
        let mut all = Truth::Yes;
        for test in &rule.tests {
            match self.test(test) {
                Truth::No => return Truth::No,
                Truth::Perhaps => all = Truth::Perhaps,
                Truth::Yes => {}
            }
        }
        all
    }

    fn test(&self, test: &Test) -> Truth {
        let packet = self.packet;
        let truth = match &test.condition {
            Condition::Version(it) => version(packet).map_or(Truth::Perhaps, |found| Truth::from(found == *it)),
            Condition::Protocol(any) => packet.protocol.map_or(Truth::Perhaps, |it| Truth::from(any.contains(&it))),
            Condition::Source(nets) => within(packet.source, nets),
            Condition::Destination(nets) => within(packet.destination, nets),
            Condition::SourcePort(ports) => among(packet.source_port, packet.protocol, ports),
            Condition::DestinationPort(ports) => among(packet.destination_port, packet.protocol, ports),
            Condition::Input(names) => called(packet.input, names),
            Condition::Output(names) => called(packet.output, names),
            Condition::Other => Truth::Perhaps,
        };
        if test.negated { truth.opposite() } else { truth }
    }
}

fn within(address: Option<IpAddr>, nets: &[ipnet::IpNet]) -> Truth {
    address.map_or(Truth::Perhaps, |address| Truth::from(nets.iter().any(|net| net.contains(&address))))
}

fn among(port: Option<u16>, protocol: Option<u8>, ports: &[RangeInclusive<u16>]) -> Truth {
    match port {
        Some(port) => Truth::from(ports.iter().any(|range| range.contains(&port))),
        // ESP has no ports.
        None if protocol.is_some_and(|it| it != super::UDP && it != super::TCP) => Truth::No,
        None => Truth::Perhaps,
    }
}

fn called(name: Option<&str>, names: &[String]) -> Truth {
    let Some(name) = name else { return Truth::Perhaps };
    let fits = |pattern: &String| match pattern.strip_suffix(['*', '+']) {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    };
    Truth::from(names.iter().any(fits))
}

fn version(packet: &Packet<'_>) -> Option<u8> {
    let told = packet.source.or(packet.destination).map(|address| if address.is_ipv4() { 4 } else { 6 });
    told.or(packet.version)
}

fn culprit(table: &Table, chain: &str, rule: &str) -> Culprit {
    Culprit { program: table.program, table: table.name.clone(), chain: chain.to_owned(), rule: rule.to_owned() }
}
