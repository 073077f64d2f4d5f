//! Rules of policy routing on the wire.

use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};

use super::Marks;
use super::message::{Request, Rtnl, Verb};
use super::route;
use crate::policy::{Action, LAST, Rule, Step};

impl Request for Step {
    fn encode(&self, marks: &Marks) -> (Rtnl, u16) {
        match self {
            Self::AddRule(rule) => (Rtnl::Rule(Verb::New, encode(rule, marks)), NLM_F_CREATE | NLM_F_EXCL),
            Self::DelRule(rule) => (Rtnl::Rule(Verb::Delete, encode(rule, marks)), 0),
            Self::Route { table, key, change } => {
                route::encode(&change.op(*key), &Marks { table: *table, ..marks.clone() })
            }
        }
    }
}

/// Asks for all rules of one family: the kernel does not filter them.
pub(super) fn listing(family: AddressFamily) -> Rtnl {
    let mut message = RuleMessage::default();
    message.header.family = family;
    Rtnl::Rule(Verb::List, message)
}

/// The rule, if it is ours.
pub(super) fn decode(message: &RuleMessage, marks: &Marks) -> Option<Rule> {
    let mut rule = Parts::default();
    for attribute in &message.attributes {
        rule.read(attribute);
    }
    let table = rule.table.filter(|table| marks.owner.ids.contains(table))?;
    if rule.protocol != Some(marks.owner.protocol) || rule.foreign {
        return None;
    }
    let action = if message.header.action == RuleAction::ToTable {
        Action::Lookup
    } else if message.header.action == RuleAction::Goto && rule.target == Some(LAST) {
        Action::Skip
    } else if message.header.action == RuleAction::Nop {
        Action::Landing
    } else {
        return None;
    };
    let any: IpAddr = if message.header.family == AddressFamily::Inet6 { [0; 16].into() } else { [0; 4].into() };
    Some(Rule {
        priority: rule.priority,
        from: IpNet::new(rule.from.unwrap_or(any), message.header.src_len).ok()?,
        to: IpNet::new(rule.to.unwrap_or(any), message.header.dst_len).ok()?,
        table,
        action,
    })
}

#[derive(Default)]
struct Parts {
    from: Option<IpAddr>,
    to: Option<IpAddr>,
    priority: u32,
    table: Option<u32>,
    target: Option<u32>,
    protocol: Option<u8>,
    /// It looks at something that no rule of ours looks at.
    foreign: bool,
}

impl Parts {
    fn read(&mut self, attribute: &RuleAttribute) {
        if let RuleAttribute::Source(address) = attribute {
            self.from = Some(*address);
        } else if let RuleAttribute::Destination(address) = attribute {
            self.to = Some(*address);
        } else if let RuleAttribute::Priority(priority) = attribute {
            self.priority = *priority;
        } else if let RuleAttribute::Table(table) = attribute {
            self.table = Some(*table);
        } else if let RuleAttribute::Goto(target) = attribute {
            self.target = Some(*target);
        } else if let RuleAttribute::Protocol(protocol) = attribute {
            self.protocol = Some(u8::from(*protocol));
        } else if let RuleAttribute::SuppressPrefixLen(u32::MAX) = attribute {
            // How the kernel says "none".
        } else {
            self.foreign = true;
        }
    }
}

fn encode(rule: &Rule, marks: &Marks) -> RuleMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = match rule.to {
        IpNet::V4(_) => AddressFamily::Inet,
        IpNet::V6(_) => AddressFamily::Inet6,
    };
    header.src_len = rule.from.prefix_len();
    header.dst_len = rule.to.prefix_len();
    header.action = match rule.action {
        Action::Lookup => RuleAction::ToTable,
        Action::Skip => RuleAction::Goto,
        Action::Landing => RuleAction::Nop,
    };
    let attributes = &mut message.attributes;
    attributes.push(RuleAttribute::Priority(rule.priority));
    attributes.push(RuleAttribute::Table(rule.table));
    attributes.push(RuleAttribute::Protocol(RouteProtocol::from(marks.owner.protocol)));
    if rule.from.prefix_len() > 0 {
        attributes.push(RuleAttribute::Source(rule.from.network()));
    }
    if rule.to.prefix_len() > 0 {
        attributes.push(RuleAttribute::Destination(rule.to.network()));
    }
    if rule.action == Action::Skip {
        attributes.push(RuleAttribute::Goto(LAST));
    }
    message
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Parseable;

    use super::*;
    use crate::plan::Owner;

    fn marks() -> Marks {
        Marks { owner: Owner { protocol: 142, ids: 0x4000_0000..=0x4000_3fff }, table: 254, metric: 142 }
    }

    fn rules() -> Vec<Rule> {
        let rule = |from: &str, to: &str, action| Rule {
            priority: 10_545,
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            table: 0x4000_0007,
            action,
        };
        vec![
            rule("10.1.0.0/16", "10.2.0.0/16", Action::Lookup),
            rule("fd00:1::/48", "::/0", Action::Lookup),
            rule("0.0.0.0/0", "203.0.113.9/32", Action::Skip),
            rule("::/0", "::/0", Action::Landing),
        ]
    }

    #[test]
    fn rules_come_back_as_they_went() {
        use netlink_packet_core::Emitable;
        for rule in rules() {
            let message = encode(&rule, &marks());
            let mut octets = vec![0; message.buffer_len()];
            message.emit(&mut octets);
            let read = RuleMessage::parse(octets.as_slice()).unwrap();
            assert_eq!(decode(&read, &marks()), Some(rule));
            for length in 0..12 {
                assert!(RuleMessage::parse(&octets[..length]).is_err());
            }
        }
    }

    #[test]
    fn what_others_made_is_not_ours() {
        let [rule, ..] = rules()[..] else { panic!() };
        let ours = encode(&rule, &marks());
        let differing = |change: RuleAttribute| {
            let mut message = ours.clone();
            message.attributes.retain(|known| std::mem::discriminant(known) != std::mem::discriminant(&change));
            message.attributes.push(change);
            decode(&message, &marks())
        };
        assert_eq!(differing(RuleAttribute::Protocol(RouteProtocol::Static)), None);
        assert_eq!(differing(RuleAttribute::Table(254)), None);
        assert_eq!(differing(RuleAttribute::Iifname("lan".to_owned())), None);
        assert_eq!(differing(RuleAttribute::SuppressPrefixLen(u32::MAX)), Some(rule), "the kernel's way to say none");
        assert_eq!(differing(RuleAttribute::SuppressPrefixLen(0)), None);
    }
}
