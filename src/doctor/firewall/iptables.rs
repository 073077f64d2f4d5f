//! `iptables-save` and `ip6tables-save` (iptables(8)).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::{Action, Chain, Condition, ESP, Hook, Rule, TCP, Table, Test, UDP};

/// Tables in what `iptables-save` (`version` 4) or `ip6tables-save` (6) printed; what is not understood becomes "perhaps".
#[must_use]
pub fn read(text: &str, version: u8) -> Vec<Table> {
    let (family, versions): (&str, &'static [u8]) = if version == 4 { ("ip", &[4]) } else { ("ip6", &[6]) };
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            tables.push(Table { name: format!("{family} {name}"), versions, chains: BTreeMap::new() });
        }
        let Some(table) = tables.last_mut() else { continue };
        if let Some(chain) = line.strip_prefix(':') {
            add_chain(table, chain);
        } else if let Some(rule) = line.strip_prefix("-A ") {
            add_rule(table, rule);
        }
    }
    tables
}

fn add_chain(table: &mut Table, line: &str) {
    let mut words = line.split_whitespace();
    let (Some(name), policy) = (words.next(), words.next()) else { return };
    let chain = table.chains.entry(name.to_owned()).or_insert(Chain::new());
    chain.hook = Hook::named(name).filter(|_| policy != Some("-"));
    chain.drops = policy == Some("DROP");
    chain.translates = table.name.ends_with(" nat");
}

fn add_rule(table: &mut Table, line: &str) {
    let mut words = line.split_whitespace();
    let Some(chain) = words.next() else { return };
    let (mut tests, mut action, mut negated) = (Vec::new(), Action::None, false);
    while let Some(word) = words.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let condition = match word {
            // These only say which options follow, or change nothing.
            "-m" | "--match" | "--comment" | "--reject-with" | "--log-prefix" | "--to-source" | "--to-destination"
            | "--to-ports" => {
                words.next();
                negated = false;
                continue;
            }
            "-j" | "--jump" => {
                action = target(words.next().unwrap_or_default(), false);
                continue;
            }
            "-g" | "--goto" => {
                action = target(words.next().unwrap_or_default(), true);
                continue;
            }
            _ if !word.starts_with('-') => continue,
            _ => condition(word, words.next()),
        };
        tests.push(Test { condition: condition.unwrap_or(Condition::Other), negated });
        negated = false;
    }
    let rule = Rule { tests, action, text: line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned() };
    table.chains.entry(chain.to_owned()).or_insert(Chain::new()).rules.push(rule);
}

fn target(name: &str, goto: bool) -> Action {
    match name {
        "ACCEPT" => Action::Accept,
        "DROP" | "REJECT" => Action::Drop,
        "RETURN" => Action::Return,
        "MASQUERADE" | "SNAT" | "DNAT" | "REDIRECT" | "NETMAP" => Action::Translate,
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TCPMSS" | "CLASSIFY" | "DSCP" | "TOS" | "TTL" | "CT" | "NOTRACK" => {
            Action::None
        }
        "" | "NFQUEUE" | "TPROXY" | "SYNPROXY" => Action::Unknown,
        chain if goto => Action::Goto(chain.to_owned()),
        chain => Action::Jump(chain.to_owned()),
    }
}

fn condition(option: &str, value: Option<&str>) -> Option<Condition> {
    let value = value?;
    match option {
        "-p" | "--protocol" => Some(Condition::Protocol(vec![protocol(value)?])),
        "-s" | "--source" => Some(Condition::Source(vec![network(value)?])),
        "-d" | "--destination" => Some(Condition::Destination(vec![network(value)?])),
        "-i" | "--in-interface" => Some(Condition::Input(vec![value.to_owned()])),
        "-o" | "--out-interface" => Some(Condition::Output(vec![value.to_owned()])),
        "--dport" | "--dports" => Some(Condition::DestinationPort(ports(value)?)),
        "--sport" | "--sports" => Some(Condition::SourcePort(ports(value)?)),
        _ => None,
    }
}

fn protocol(name: &str) -> Option<u8> {
    match name {
        "udp" => Some(UDP),
        "tcp" => Some(TCP),
        "esp" => Some(ESP),
        "icmp" => Some(1),
        "ipv6-icmp" | "icmpv6" => Some(58),
        "ah" => Some(51),
        "gre" => Some(47),
        "sctp" => Some(132),
        number => number.parse().ok(),
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// `500`, `500:600`, `500,4500`.
fn ports(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let range = |part: &str| match part.split_once(':') {
        Some((first, last)) => Some(first.parse().ok()?..=last.parse().ok()?),
        None => part.parse().ok().map(|port| port..=port),
    };
    text.split(',').map(range).collect()
}
