//! What the router's kernel does with the announced prefixes.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use proto_tests::lab::layout::{TUNNELS, TunnelPlan};
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::{Result, not_yet};
use serde_json::Value;

use crate::feed::Feed;

/// How many prefixes go by each set of gateways.
pub(crate) type Ways = BTreeMap<Vec<Ipv4Addr>, usize>;

/// What the kernel is to do when only these peers can be reached and announce.
pub(crate) fn wanted(feed: Feed, peers: &[usize]) -> Ways {
    let plans = || peers.iter().map(|&peer| &TUNNELS[peer]);
    let prefixes = |plan: &TunnelPlan| feed.of(plan).count();
    if feed.distinct {
        return plans().map(|plan| (vec![plan.cloud_inside], prefixes(plan))).collect();
    }
    let mut gateways: Vec<Ipv4Addr> = plans().map(|plan| plan.cloud_inside).collect();
    gateways.sort_unstable();
    BTreeMap::from([(gateways, prefixes(&TUNNELS[0]))])
}

/// Succeeds when the kernel does just that.
pub(crate) fn expect(router: &Namespace, wanted: &Ways) -> Result<()> {
    let found = ways(router)?;
    if found == *wanted { Ok(()) } else { not_yet(format!("{found:?}, not {wanted:?}")) }
}

fn ways(router: &Namespace) -> Result<Ways> {
    let (routes, objects) = (router.ip_json(&["route", "show"])?, router.ip_json(&["nexthop", "show"])?);
    let mut ways = Ways::new();
    for route in entries(&routes).iter().filter(|route| is_fed(route)) {
        let mut gateways = match route["nhid"].as_u64() {
            Some(id) => of_object(entries(&objects), id),
            None if route["nexthops"].is_array() => entries(&route["nexthops"]).iter().filter_map(gateway).collect(),
            None => gateway(route).into_iter().collect(),
        };
        gateways.sort_unstable();
        *ways.entry(gateways).or_default() += 1;
    }
    Ok(ways)
}

fn is_fed(route: &Value) -> bool {
    route["dst"]
        .as_str()
        .and_then(|prefix| prefix.parse::<Ipv4Net>().ok())
        .is_some_and(|prefix| Feed::may_hold(&prefix))
}

fn of_object(objects: &[Value], id: u64) -> Vec<Ipv4Addr> {
    let Some(object) = objects.iter().find(|object| object["id"].as_u64() == Some(id)) else { return Vec::new() };
    if object["group"].is_array() {
        let members = entries(&object["group"]).iter().filter_map(|member| member["id"].as_u64());
        return members.flat_map(|member| of_object(objects, member)).collect();
    }
    gateway(object).into_iter().collect()
}

fn gateway(hop: &Value) -> Option<Ipv4Addr> {
    hop["gateway"].as_str()?.parse().ok()
}

fn entries(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}
