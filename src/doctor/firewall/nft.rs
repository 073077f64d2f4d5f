//! `nft -j list ruleset` (libnftables-json(5)).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde_json::Value;

use super::{Action, Chain, Condition, ESP, Hook, Rewrite, Rule, Ruleset, TCP, Table, Test, UDP};

/// What writes these rules.
pub(super) const PROGRAM: &str = "nft";

/// Sets by table and name.
type Sets<'a> = BTreeMap<(String, &'a str), &'a [Value]>;

/// Reads it. Tables that `skip` names, as `ip filter`, are left out; what is not understood becomes "perhaps".
#[must_use]
pub fn read(text: &str, skip: &[String]) -> Option<Ruleset> {
    let document: Value = serde_json::from_str(text).ok()?;
    let entries = document.get("nftables")?.as_array()?;
    let named = |entry: &Value| Some(format!("{} {}", entry.get("family")?.as_str()?, entry.get("table")?.as_str()?));
    let mut sets = Sets::new();
    for set in entries.iter().filter_map(|entry| entry.get("set")) {
        let elements = set.get("elem").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if let (Some(table), Some(name)) = (named(set), set.get("name").and_then(Value::as_str)) {
            sets.insert((table, name), elements);
        }
    }
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for entry in entries {
        let (kind, Some(body)) = (entry.get("chain"), entry.get("chain").or_else(|| entry.get("rule"))) else {
            continue;
        };
        let Some(name) = named(body).filter(|name| !skip.contains(name)) else { continue };
        let versions = versions(&name);
        let table = tables.entry(name.clone()).or_insert_with(|| Table {
            name,
            program: PROGRAM,
            versions,
            chains: BTreeMap::new(),
        });
        if kind.is_some() {
            add_chain(table, body);
        } else {
            add_rule(table, body, &sets);
        }
    }
    Some(Ruleset { tables: tables.into_values().collect() })
}

fn versions(table: &str) -> &'static [u8] {
    match table.split_whitespace().next() {
        Some("ip") => &[4],
        Some("ip6") => &[6],
        Some("inet") => &[4, 6],
        _ => &[],
    }
}

fn add_chain(table: &mut Table, body: &Value) {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let Some(name) = text("name") else { return };
    let chain = table.chains.entry(name.to_owned()).or_insert(Chain::new());
    chain.hook = text("hook").and_then(Hook::named);
    chain.translates = text("type") == Some("nat");
    chain.drops = text("policy") == Some("drop");
}

fn add_rule(table: &mut Table, body: &Value, sets: &Sets<'_>) {
    let Some(chain) = body.get("chain").and_then(Value::as_str) else { return };
    let Some(expressions) = body.get("expr").and_then(Value::as_array) else { return };
    let (mut tests, mut action, mut words) = (Vec::new(), Action::None, Vec::new());
    for expression in expressions {
        let Some((kind, value)) = expression.as_object().and_then(|object| object.iter().next()) else { continue };
        words.push(said(kind, value));
        match kind.as_str() {
            "match" => tests.push(test(value, &table.name, sets)),
            // What changes nothing about the packet's way.
            "counter" | "log" | "comment" | "notrack" | "mangle" => {}
            "accept" => action = Action::Accept,
            "drop" | "reject" => action = Action::Drop,
            "return" => action = Action::Return,
            "jump" | "goto" => action = called(kind, value),
            "masquerade" | "snat" | "dnat" | "redirect" => action = Action::Translate(rewrite(kind, value)),
            "vmap" | "xt" | "queue" | "tproxy" | "synproxy" => action = Action::Unknown,
            _ => tests.push(Test { condition: Condition::Other, negated: false }),
        }
    }
    words.retain(|word| !word.is_empty());
    let rule = Rule { tests, action, text: words.join(" ") };
    table.chains.entry(chain.to_owned()).or_insert(Chain::new()).rules.push(rule);
}

/// With ports or flags it is not as simple as it looks.
fn rewrite(kind: &str, value: &Value) -> Rewrite {
    let has = |key| value.get(key).is_some();
    if has("port") || has("flags") {
        return Rewrite::Other;
    }
    match (kind, value.get("addr").and_then(Value::as_str).and_then(|address| address.parse().ok())) {
        ("masquerade", _) => Rewrite::OfInterface,
        ("snat", Some(address)) => Rewrite::To(address),
        _ => Rewrite::Other,
    }
}

fn called(kind: &str, value: &Value) -> Action {
    match (kind, value.get("target").and_then(Value::as_str)) {
        ("jump", Some(target)) => Action::Jump(target.to_owned()),
        (_, Some(target)) => Action::Goto(target.to_owned()),
        (_, None) => Action::Unknown,
    }
}

fn test(value: &Value, table: &str, sets: &Sets<'_>) -> Test {
    let other = Test { condition: Condition::Other, negated: false };
    let negated = match value.get("op").and_then(Value::as_str) {
        Some("==" | "in") => false,
        Some("!=") => true,
        _ => return other,
    };
    let (Some(left), Some(right)) = (value.get("left"), value.get("right")) else { return other };
    let condition = values(right, table, sets).and_then(|values| condition(left, &values));
    condition.map_or(other, |condition| Test { condition, negated })
}

/// What a value may be, sets resolved.
fn values<'a>(right: &'a Value, table: &str, sets: &Sets<'a>) -> Option<Vec<&'a Value>> {
    if let Some(name) = right.as_str().and_then(|text| text.strip_prefix('@')) {
        let elements = sets.iter().find(|((owner, set), _)| owner == table && *set == name)?.1;
        return Some(elements.iter().map(|element| element.pointer("/elem/val").unwrap_or(element)).collect());
    }
    match right.get("set").and_then(Value::as_array) {
        Some(list) => Some(list.iter().collect()),
        None => Some(vec![right]),
    }
}

fn condition(left: &Value, values: &[&Value]) -> Option<Condition> {
    if let Some(key) = left.pointer("/meta/key").and_then(Value::as_str) {
        let texts = || values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
        return match key {
            "iifname" | "iif" => Some(Condition::Input(texts()?)),
            "oifname" | "oif" => Some(Condition::Output(texts()?)),
            "l4proto" => Some(Condition::Protocol(protocols(values)?)),
            "nfproto" => match texts()?.as_slice() {
                [one] if one == "ipv4" => Some(Condition::Version(4)),
                [one] if one == "ipv6" => Some(Condition::Version(6)),
                _ => None,
            },
            _ => None,
        };
    }
    let protocol = left.pointer("/payload/protocol").and_then(Value::as_str)?;
    let field = left.pointer("/payload/field").and_then(Value::as_str)?;
    match (protocol, field) {
        ("udp" | "tcp" | "th" | "sctp" | "dccp" | "udplite", "dport") => {
            Some(Condition::DestinationPort(ports(values)?))
        }
        ("udp" | "tcp" | "th" | "sctp" | "dccp" | "udplite", "sport") => Some(Condition::SourcePort(ports(values)?)),
        ("ip", "protocol") | ("ip6", "nexthdr") => Some(Condition::Protocol(protocols(values)?)),
        ("ip" | "ip6", "saddr") => Some(Condition::Source(networks(values)?)),
        ("ip" | "ip6", "daddr") => Some(Condition::Destination(networks(values)?)),
        _ => None,
    }
}

fn ports(values: &[&Value]) -> Option<Vec<RangeInclusive<u16>>> {
    let port = |value: &Value| u16::try_from(value.as_u64()?).ok();
    let range = |value: &&Value| match value.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        Some([first, last]) => Some(port(first)?..=port(last)?),
        Some(_) => None,
        None => port(value).map(|port| port..=port),
    };
    values.iter().map(range).collect()
}

fn protocols(values: &[&Value]) -> Option<Vec<u8>> {
    let protocol = |value: &&Value| match value.as_str() {
        Some("udp") => Some(UDP),
        Some("tcp") => Some(TCP),
        Some("esp") => Some(ESP),
        Some("icmp") => Some(1),
        Some("ipv6-icmp" | "icmpv6") => Some(58),
        Some("ah") => Some(51),
        Some("sctp") => Some(132),
        Some("gre") => Some(47),
        Some(number) => number.parse().ok(),
        None => u8::try_from(value.as_u64()?).ok(),
    };
    values.iter().map(protocol).collect()
}

fn networks(values: &[&Value]) -> Option<Vec<IpNet>> {
    let network = |value: &&Value| {
        if let Some(address) = value.as_str() {
            return address.parse::<IpAddr>().ok().map(IpNet::from);
        }
        let prefix = value.get("prefix")?;
        let address: IpAddr = prefix.get("addr")?.as_str()?.parse().ok()?;
        IpNet::new(address, u8::try_from(prefix.get("len")?.as_u64()?).ok()?).ok()
    };
    values.iter().map(network).collect()
}

/// An expression roughly as `nft` would print it.
fn said(kind: &str, value: &Value) -> String {
    match kind {
        "counter" | "comment" => String::new(),
        "match" => {
            let left = value.get("left").unwrap_or(&Value::Null);
            let subject = match (left.pointer("/payload/protocol"), left.pointer("/payload/field")) {
                (Some(protocol), Some(field)) => format!("{} {}", plain(protocol), plain(field)),
                (_, _) => left.pointer("/meta/key").or_else(|| left.pointer("/ct/key")).map_or("?".to_owned(), plain),
            };
            let op = match value.get("op").and_then(Value::as_str) {
                Some("!=") => "!= ",
                _ => "",
            };
            format!("{subject} {op}{}", plain(value.get("right").unwrap_or(&Value::Null)))
        }
        "jump" | "goto" => format!("{kind} {}", value.get("target").map_or("?".to_owned(), plain)),
        _ => kind.to_owned(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(object) => match (object.get("set"), object.get("range"), object.get("prefix")) {
            (Some(set), _, _) => format!("{{ {} }}", plain(set)),
            (_, Some(Value::Array(ends)), _) => ends.iter().map(plain).collect::<Vec<_>>().join("-"),
            (_, _, Some(prefix)) => {
                let part = |key: &str| prefix.get(key).map_or("?".to_owned(), plain);
                format!("{}/{}", part("addr"), part("len"))
            }
            (_, _, _) => "?".to_owned(),
        },
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null => String::new(),
    }
}
