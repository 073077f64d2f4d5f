//! What the kernel says of addresses and ways (rtnetlink(7)).

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use doctor::{Evidence, KernelRoute, RouteLookup};
use futures_util::TryStreamExt as _;
use ipnet::IpNet;
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType};
use rtnetlink::{Handle, RouteMessageBuilder};

use fib::own_address;

/// Fills in interfaces, addresses, the ways to the peers and the routes of others. Returns the way to `target`.
pub(super) async fn look(evidence: &mut Evidence, target: Option<IpAddr>) -> io::Result<Option<RouteLookup>> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    tokio::spawn(connection);
    let names = interfaces(&handle, evidence).await.map_err(io::Error::other)?;
    let addresses: Vec<IpAddr> = evidence.machine.addresses.iter().map(|(_, net)| net.addr()).collect();
    for tunnel in &mut evidence.tunnels {
        let local = Some(tunnel.local).filter(|local| addresses.contains(local));
        tunnel.route = way(&handle, local, tunnel.remote, &names).await;
    }
    for version in [IpAddr::from([0; 4]), IpAddr::from([0; 16])] {
        // A kernel without IPv6 has no such routes.
        let Ok(routes) = dump(&handle, version).await else { continue };
        sort_out(&routes, evidence, &names);
    }
    match target {
        Some(target) => Ok(way(&handle, None, target, &names).await),
        None => Ok(None),
    }
}

type Names = BTreeMap<u32, String>;

async fn interfaces(handle: &Handle, evidence: &mut Evidence) -> Result<Names, rtnetlink::Error> {
    let mut names = Names::new();
    let mut links = handle.link().get().execute();
    while let Some(link) = links.try_next().await? {
        let name = link
            .attributes
            .iter()
            .find_map(|attribute| if let LinkAttribute::IfName(name) = attribute { Some(name.clone()) } else { None });
        let Some(name) = name else { continue };
        if link.header.flags.contains(LinkFlags::Up) {
            evidence.machine.up.push(name.clone());
        }
        names.insert(link.header.index, name);
    }
    let mut addresses = handle.address().get().execute();
    while let Some(message) = addresses.try_next().await? {
        let found = names.get(&message.header.index).cloned().zip(own_address(&message));
        evidence.machine.addresses.extend(found);
    }
    Ok(names)
}

/// The way from `local` to `remote`; `None` if the two are of different families.
async fn way(handle: &Handle, local: Option<IpAddr>, remote: IpAddr, names: &Names) -> Option<RouteLookup> {
    let length = if remote.is_ipv4() { 32 } else { 128 };
    let mut builder = RouteMessageBuilder::<IpAddr>::new().destination_prefix(remote, length).ok()?;
    if let Some(local) = local {
        builder = builder.source_prefix(local, length).ok()?;
    }
    let mut answers = std::pin::pin!(handle.route().get(builder.build()).execute());
    Some(match answers.try_next().await {
        Ok(Some(route)) => {
            let dead = [
                (RouteType::Unreachable, "a route says unreachable"),
                (RouteType::BlackHole, "a route drops its packets"),
                (RouteType::Prohibit, "a route says prohibited"),
            ];
            let dead = dead.into_iter().find(|(kind, _)| *kind == route.header.kind).map(|(_, reason)| reason);
            match (dead, interface(&route, names).next()) {
                (None, Some(interface)) => RouteLookup::Via { interface },
                (reason, _) => RouteLookup::None { reason: reason.unwrap_or("no interface leads there").to_owned() },
            }
        }
        Ok(None) => RouteLookup::None { reason: "the kernel knows none".to_owned() },
        Err(error) => RouteLookup::None { reason: reason(&error) },
    })
}

fn reason(error: &rtnetlink::Error) -> String {
    if let rtnetlink::Error::NetlinkError(message) = error { message.to_io().to_string() } else { error.to_string() }
}

async fn dump(handle: &Handle, version: IpAddr) -> Result<Vec<RouteMessage>, rtnetlink::Error> {
    let mut message = match version {
        IpAddr::V4(_) => RouteMessageBuilder::<std::net::Ipv4Addr>::new().build(),
        IpAddr::V6(_) => RouteMessageBuilder::<std::net::Ipv6Addr>::new().build(),
    };
    message.attributes.clear();
    handle.route().get(message).execute().try_collect().await
}

/// Keeps what others have in our table, and the metric of what we have there.
fn sort_out(routes: &[RouteMessage], evidence: &mut Evidence, names: &Names) {
    for route in routes {
        if table(route) != evidence.fib.table || route.header.kind != RouteType::Unicast {
            continue;
        }
        let attribute = |pick: fn(&RouteAttribute) -> Option<u32>| route.attributes.iter().find_map(pick);
        let metric = attribute(|it| if let RouteAttribute::Priority(metric) = it { Some(*metric) } else { None });
        if u8::from(route.header.protocol) == evidence.fib.protocol {
            evidence.fib.metric = evidence.fib.metric.or(metric);
            continue;
        }
        let Some(prefix) = destination(route) else { continue };
        evidence.fib.foreign.extend(interface(route, names).take(1).map(|interface| KernelRoute {
            prefix,
            protocol: protocol(route.header.protocol),
            connected: route.header.protocol == RouteProtocol::Kernel,
            metric: metric.unwrap_or(0),
            interface,
        }));
    }
}

fn table(route: &RouteMessage) -> u32 {
    let told =
        route.attributes.iter().find_map(|it| if let RouteAttribute::Table(table) = it { Some(*table) } else { None });
    told.unwrap_or_else(|| route.header.table.into())
}

fn destination(route: &RouteMessage) -> Option<IpNet> {
    let length = route.header.destination_prefix_length;
    let address = route.attributes.iter().find_map(|it| {
        if let RouteAttribute::Destination(RouteAddress::Inet(address)) = it {
            Some(IpAddr::V4(*address))
        } else if let RouteAttribute::Destination(RouteAddress::Inet6(address)) = it {
            Some(IpAddr::V6(*address))
        } else {
            None
        }
    });
    IpNet::new(address?, length).ok()
}

fn interface<'a>(route: &'a RouteMessage, names: &'a Names) -> impl Iterator<Item = String> + 'a {
    let indexes = route.attributes.iter().flat_map(|it| {
        if let RouteAttribute::Oif(index) = it {
            vec![*index]
        } else if let RouteAttribute::MultiPath(hops) = it {
            hops.iter().map(|hop| hop.interface_index).collect()
        } else {
            Vec::new()
        }
    });
    indexes.filter_map(|index| names.get(&index).cloned())
}

/// As `ip route` calls it.
fn protocol(protocol: RouteProtocol) -> String {
    match u8::from(protocol) {
        2 => "kernel".to_owned(),
        3 => "boot".to_owned(),
        4 => "static".to_owned(),
        12 => "bird".to_owned(),
        11 => "zebra".to_owned(),
        16 => "dhcp".to_owned(),
        186 => "bgp".to_owned(),
        other => other.to_string(),
    }
}
