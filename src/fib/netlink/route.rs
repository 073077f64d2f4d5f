//! Routes on the wire: operations of the plan into messages, messages into what the plan knows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteProtocol, RouteScope,
    RouteType, RouteVia,
};
use rtnetlink::RouteMessageBuilder;

use super::Marks;
use super::message::{Request, Rtnl, Verb};
use super::nexthop::NexthopMessage;
use crate::plan::{Hop, NexthopId, Op, Route, RouteKey, Via};

impl Request for Op {
    fn encode(&self, marks: &Marks) -> (Rtnl, u16) {
        encode(self, marks)
    }
}

/// The message for `op`, and its flags besides `NLM_F_REQUEST`. Creation is exclusive and replacement never creates,
/// so neither can take the place of something foreign that was there first.
pub(super) fn encode(op: &Op, marks: &Marks) -> (Rtnl, u16) {
    let protocol = marks.owner.protocol;
    let create = NLM_F_CREATE | NLM_F_EXCL;
    match op {
        Op::NewHop { id, hop } => (Rtnl::Nexthop(Verb::New, NexthopMessage::hop(*id, protocol, hop)), create),
        Op::NewGroup { id, members } => {
            (Rtnl::Nexthop(Verb::New, NexthopMessage::group(*id, protocol, members)), create)
        }
        Op::ReplaceGroup { id, members } => {
            (Rtnl::Nexthop(Verb::New, NexthopMessage::group(*id, protocol, members)), NLM_F_REPLACE)
        }
        Op::DelNexthop { id } => (Rtnl::Nexthop(Verb::Delete, NexthopMessage::named(*id)), 0),
        Op::NewRoute { key, route } => (Rtnl::Route(Verb::New, filled(key, route, marks)), create),
        Op::ReplaceRoute { key, route } => (Rtnl::Route(Verb::New, filled(key, route, marks)), NLM_F_REPLACE),
        Op::DelRoute { key } => {
            let mut message = bare(key, marks);
            // The kernel compares scope and type of an IPv4 route to be deleted, unless they are these.
            message.header.scope = RouteScope::NoWhere;
            message.header.kind = RouteType::Unspec;
            (Rtnl::Route(Verb::Delete, message), 0)
        }
    }
}

/// Asks for the routes of one family that carry our protocol number, in all tables.
pub(super) fn listing(family: AddressFamily, marks: &Marks) -> Rtnl {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    message.header.protocol = RouteProtocol::from(marks.owner.protocol);
    Rtnl::Route(Verb::List, message)
}

/// The table of a route.
pub(super) fn table(message: &RouteMessage) -> u32 {
    let long = message
        .attributes
        .iter()
        .find_map(|attribute| if let RouteAttribute::Table(table) = attribute { Some(*table) } else { None });
    long.unwrap_or_else(|| message.header.table.into())
}

/// The metric of a route; 0 if it has none.
pub(super) fn metric(message: &RouteMessage) -> u32 {
    let metric = message
        .attributes
        .iter()
        .find_map(|attribute| if let RouteAttribute::Priority(metric) = attribute { Some(*metric) } else { None });
    metric.unwrap_or(0)
}

/// The route, if it is ours.
pub(super) fn decode(message: &RouteMessage, marks: &Marks) -> Option<(RouteKey, Route)> {
    let header = &message.header;
    let cached = header.flags.contains(RouteFlags::Cloned);
    if table(message) != marks.table || u8::from(header.protocol) != marks.owner.protocol || header.tos != 0 || cached {
        return None;
    }
    let key = RouteKey { prefix: destination(message)?, metric: metric(message) };
    let route = Route { via: via(message), source: source(message) };
    let by_id = matches!(&route.via, Via::Object(id) if marks.owner.ids.contains(&id.0));
    (key.metric == marks.metric || by_id).then_some((key, route))
}

fn bare(key: &RouteKey, marks: &Marks) -> RouteMessage {
    let mut message = match key.prefix {
        IpNet::V4(net) => {
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(net.addr(), net.prefix_len()).build()
        }
        IpNet::V6(net) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(net.addr(), net.prefix_len()).build()
        }
    };
    message.header.protocol = RouteProtocol::from(marks.owner.protocol);
    message.header.table = short_table(marks.table);
    message.attributes.push(RouteAttribute::Table(marks.table));
    message.attributes.push(RouteAttribute::Priority(key.metric));
    message
}

fn filled(key: &RouteKey, route: &Route, marks: &Marks) -> RouteMessage {
    let mut message = bare(key, marks);
    if let Some(source) = route.source {
        message.attributes.push(RouteAttribute::PrefSource(source.into()));
    }
    match &route.via {
        Via::Object(id) => message.attributes.push(RouteAttribute::NhId(id.0)),
        Via::Hops(hops) => match hops.as_ref() {
            [(only, _)] => {
                message.header.flags.insert(RouteFlags::Onlink);
                message.attributes.push(gateway(key, only));
                message.attributes.push(RouteAttribute::Oif(only.interface));
            }
            hops => {
                let shares = hops.iter().map(|hop| share(key, hop)).collect();
                message.attributes.push(RouteAttribute::MultiPath(shares));
            }
        },
        Via::Discard => message.header.kind = RouteType::BlackHole,
        Via::Other => {}
    }
    message
}

fn share(key: &RouteKey, (hop, weight): &(Hop, u16)) -> RouteNextHop {
    let mut share = RouteNextHop::default();
    share.flags = RouteNextHopFlags::Onlink;
    share.interface_index = hop.interface;
    share.hops = u8::try_from(weight.saturating_sub(1)).unwrap_or(u8::MAX);
    share.attributes.push(gateway(key, hop));
    share
}

/// RFC 8950: an IPv4 route names an IPv6 gateway with its family.
fn gateway(key: &RouteKey, hop: &Hop) -> RouteAttribute {
    match (key.prefix, hop.gateway) {
        (IpNet::V4(_), IpAddr::V6(gateway)) => RouteAttribute::Via(RouteVia::Inet6(gateway)),
        (IpNet::V4(_) | IpNet::V6(_), gateway) => RouteAttribute::Gateway(gateway.into()),
    }
}

fn gateway_of(attribute: &RouteAttribute) -> Option<IpAddr> {
    if let RouteAttribute::Gateway(address) = attribute {
        ip(address)
    } else if let RouteAttribute::Via(RouteVia::Inet6(address)) = attribute {
        Some(IpAddr::V6(*address))
    } else {
        None
    }
}

/// Tables above 255 are only in `RTA_TABLE`.
fn short_table(table: u32) -> u8 {
    u8::try_from(table).unwrap_or(0)
}

fn destination(message: &RouteMessage) -> Option<IpNet> {
    let length = message.header.destination_prefix_length;
    let address = message
        .attributes
        .iter()
        .find_map(|attribute| if let RouteAttribute::Destination(address) = attribute { ip(address) } else { None });
    // A default route carries no destination.
    let any = if message.header.address_family == AddressFamily::Inet6 {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    };
    match address.unwrap_or(any) {
        IpAddr::V4(address) => Ipv4Net::new(address, length).ok().map(IpNet::V4),
        IpAddr::V6(address) => Ipv6Net::new(address, length).ok().map(IpNet::V6),
    }
}

fn source(message: &RouteMessage) -> Option<IpAddr> {
    message
        .attributes
        .iter()
        .find_map(|attribute| if let RouteAttribute::PrefSource(address) = attribute { ip(address) } else { None })
}

fn via(message: &RouteMessage) -> Via {
    let mut gateway = None;
    let mut interface = None;
    let mut multipath = None;
    for attribute in &message.attributes {
        if let RouteAttribute::NhId(id) = attribute {
            // The kernel may add what the object resolves to; the id is what counts.
            return Via::Object(NexthopId(*id));
        } else if let Some(address) = gateway_of(attribute) {
            gateway = Some(address);
        } else if let RouteAttribute::Oif(index) = attribute {
            interface = Some(*index);
        } else if let RouteAttribute::MultiPath(shares) = attribute {
            multipath = Some(shares);
        }
    }
    if message.header.kind == RouteType::BlackHole {
        return Via::Discard;
    }
    let hops = match (multipath, interface, gateway) {
        _ if message.header.kind != RouteType::Unicast => None,
        (Some(shares), _, _) => shares.iter().map(hop).collect::<Option<Vec<(Hop, u16)>>>(),
        (None, Some(interface), Some(gateway)) => Some(vec![(Hop { interface, gateway }, 1)]),
        (None, _, _) => None,
    };
    hops.map_or(Via::Other, |mut hops| {
        hops.sort_unstable();
        Via::Hops(hops.into())
    })
}

/// A share that works, with its weight.
fn hop(share: &RouteNextHop) -> Option<(Hop, u16)> {
    let gateway = share.attributes.iter().find_map(gateway_of)?;
    let sound = !share.flags.intersects(RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown);
    sound.then_some((Hop { interface: share.interface_index, gateway }, u16::from(share.hops) + 1))
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(address) = address {
        Some(IpAddr::V4(*address))
    } else if let RouteAddress::Inet6(address) = address {
        Some(IpAddr::V6(*address))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
