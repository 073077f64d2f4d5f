//! `iptables-save` and `ip6tables-save` (iptables(8)).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::{Action, Chain, Condition, ESP, Hook, Rewrite, Rule, TCP, Table, Test, UDP};

/// Tables in what `iptables-save` (`version` 4) or `ip6tables-save` (6) printed; what is not understood becomes "perhaps".
#[must_use]
pub fn read(text: &str, version: u8) -> Vec<Table> {
    let (family, program, versions): (&str, &str, &'static [u8]) =
        if version == 4 { ("ip", "iptables", &[4]) } else { ("ip6", "ip6tables", &[6]) };
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            tables.push(Table { name: format!("{family} {name}"), program, versions, chains: BTreeMap::new() });
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

/// A word of a rule, and whether it stands in quotes: then it is a value, whatever it looks like.
struct Word {
    text: String,
    quoted: bool,
}

/// What has blanks is in quotes, with a `\` before each `"` and `\` in it.
fn words(line: &str) -> Vec<Word> {
    let (mut words, mut word, mut inside) = (Vec::new(), None, false);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => {
                inside = !inside;
                word.get_or_insert_with(|| Word { text: String::new(), quoted: true });
            }
            letter if letter.is_whitespace() && !inside => words.extend(word.take()),
            letter => {
                let letter = if inside && letter == '\\' { letters.next().unwrap_or(letter) } else { letter };
                word.get_or_insert_with(|| Word { text: String::new(), quoted: false }).text.push(letter);
            }
        }
    }
    words.extend(word);
    words
}

fn add_rule(table: &mut Table, line: &str) {
    let words = words(line);
    let mut words = words.iter().map(|word| (word.text.as_str(), word.quoted)).peekable();
    let Some((chain, _)) = words.next() else { return };
    let (mut tests, mut action, mut negated) = (Vec::new(), Action::None, false);
    while let Some((word, quoted)) = words.next() {
        if word == "!" && !quoted {
            negated = true;
            continue;
        }
        if quoted || !word.starts_with('-') {
            continue;
        }
        // `--rsource` and others have no value.
        let is_value = |(word, quoted): &(&str, bool)| *quoted || !(*word == "!" || word.starts_with('-'));
        let value = words.next_if(is_value).map(|(value, _)| value);
        if !is_test(word) {
            action = changed(action, word, value.unwrap_or_default());
        } else {
            tests.push(Test { condition: condition(word, value).unwrap_or(Condition::Other), negated });
        }
        negated = false;
    }
    let rule = Rule { tests, action, text: line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned() };
    table.chains.entry(chain.to_owned()).or_insert(Chain::new()).rules.push(rule);
}

/// Whether an option asks something of the packet; others say which options follow, or what is done.
fn is_test(option: &str) -> bool {
    !matches!(
        option,
        "-m" | "--match"
            | "--comment"
            | "-j"
            | "--jump"
            | "-g"
            | "--goto"
            | "--reject-with"
            | "--log-prefix"
            | "--to-source"
            | "--to-destination"
            | "--to-ports"
            | "--random"
            | "--random-fully"
            | "--persistent"
    )
}

/// What is done, with one more option.
fn changed(action: Action, option: &str, value: &str) -> Action {
    match (option, action) {
        ("-j" | "--jump", _) => target(value, false),
        ("-g" | "--goto", _) => target(value, true),
        ("--to-source", Action::Translate(_)) => Action::Translate(value.parse().map_or(Rewrite::Other, Rewrite::To)),
        ("--to-ports" | "--random" | "--random-fully", Action::Translate(_)) => Action::Translate(Rewrite::Other),
        (_, action) => action,
    }
}

fn target(name: &str, goto: bool) -> Action {
    match name {
        "ACCEPT" => Action::Accept,
        "DROP" | "REJECT" => Action::Drop,
        "RETURN" => Action::Return,
        "MASQUERADE" => Action::Translate(Rewrite::OfInterface),
        "SNAT" | "DNAT" | "REDIRECT" | "NETMAP" => Action::Translate(Rewrite::Other),
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
