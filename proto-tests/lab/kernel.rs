//! What a namespace's kernel holds: routes resolved through next-hop objects, links, sockets, IPsec, and a picture of all of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;

use serde_json::Value;

use super::namespace::Namespace;
use super::{DATAPLANE, Result, not_yet, run};

/// One way a route can take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextHop {
    /// Interface.
    pub interface: String,
    /// Gateway address; empty when on link.
    pub gateway: String,
}

/// Everything in a namespace that a router could leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Lines of `ip route show table all`.
    pub routes: BTreeSet<String>,
    /// Lines of `ip rule`.
    pub rules: BTreeSet<String>,
    /// Lines of `ip nexthop`.
    pub nexthops: BTreeSet<String>,
    /// Interface names.
    pub links: BTreeSet<String>,
    /// Bound or connected sockets, without queues.
    pub sockets: BTreeSet<String>,
    /// IPsec states and policies, where they are ours to make.
    pub ipsec: BTreeSet<String>,
    /// Tables of nftables, where they are ours to make.
    pub filters: BTreeSet<String>,
}

impl Namespace {
    /// Where the main table sends `prefix`, through next-hop objects and groups too; sorted. Empty when there is no route.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn next_hops(&self, prefix: &str) -> Result<Vec<NextHop>> {
        let family = if prefix.contains(':') { "-6" } else { "-4" };
        let routes = self.ip_json(&[family, "route", "show", "exact", prefix])?;
        let Some(route) = array(&routes).iter().min_by_key(|route| route["metric"].as_u64().unwrap_or(0)) else {
            return Ok(Vec::new());
        };
        let objects = self.ip_json(&["nexthop", "show"])?;
        let mut hops = match route["nhid"].as_u64() {
            Some(id) => resolve(array(&objects), id),
            None if route["nexthops"].is_array() => array(&route["nexthops"]).iter().map(one_hop).collect(),
            None => vec![one_hop(route)],
        };
        hops.sort();
        Ok(hops)
    }

    /// Interfaces that the main table uses for `prefix`; sorted.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn route_interfaces(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.next_hops(prefix)?.into_iter().map(|hop| hop.interface).collect())
    }

    /// Succeeds when `prefix` goes through exactly these interfaces.
    ///
    /// # Errors
    /// With what is there instead.
    pub fn expect_route(&self, prefix: &str, interfaces: &[&str]) -> Result<()> {
        let mut expected: Vec<&str> = interfaces.to_vec();
        expected.sort_unstable();
        let found = self.route_interfaces(prefix)?;
        if found == expected { Ok(()) } else { not_yet(format!("{prefix} in {} goes through {found:?}", self.role())) }
    }

    /// Out of which interface a packet goes that came in through `from_interface`, rules and all tables considered; empty
    /// when nowhere.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn forwards(&self, source: IpAddr, destination: IpAddr, from_interface: &str) -> Result<String> {
        let (source, destination) = (source.to_string(), destination.to_string());
        let route = self.ip_json(&["route", "get", &destination, "from", &source, "iif", from_interface])?;
        Ok(route[0]["dev"].as_str().unwrap_or_default().to_owned())
    }

    /// Number of routes in the main table with this protocol number.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn routes_of_protocol(&self, protocol: &str) -> Result<usize> {
        let text = self.ip(&["route", "show", "table", "all", "proto", protocol])?;
        Ok(text.lines().filter(|line| !line.starts_with(char::is_whitespace)).count())
    }

    /// Next-hop objects: single ones and groups.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn nexthop_objects(&self) -> Result<Vec<Value>> {
        Ok(array(&self.ip_json(&["nexthop", "show"])?).to_vec())
    }

    /// Packets an interface has received and sent.
    ///
    /// # Errors
    /// When the interface does not exist.
    pub fn packets(&self, interface: &str) -> Result<(u64, u64)> {
        let links = self.ip_json(&["-s", "link", "show", "dev", interface])?;
        let stats = &links[0]["stats64"];
        Ok((stats["rx"]["packets"].as_u64().unwrap_or(0), stats["tx"]["packets"].as_u64().unwrap_or(0)))
    }

    /// Whether an interface exists.
    #[must_use]
    pub fn has_link(&self, interface: &str) -> bool {
        self.ip(&["link", "show", "dev", interface]).is_ok()
    }

    /// All that a router could leave behind.
    ///
    /// # Errors
    /// When `ip` or `ss` fail.
    pub fn picture(&self) -> Result<Picture> {
        let sockets =
            run(Command::new("ip").args(["netns", "exec", self.name(), "ss", "-H", "-n", "-a", "-t", "-u", "-w"]))?;
        Ok(Picture {
            routes: lines(&self.ip(&["-o", "route", "show", "table", "all"])?),
            rules: lines(&self.ip(&["-o", "rule", "show"])?),
            nexthops: lines(&self.ip(&["-o", "nexthop", "show"])?),
            links: array(&self.ip_json(&["link", "show"])?)
                .iter()
                .filter_map(|link| link["ifname"].as_str().map(str::to_owned))
                .collect(),
            sockets: sockets
                .lines()
                .filter(|line| !line.contains("TIME-WAIT"))
                .map(|line| {
                    line.split_whitespace().filter(|word| word.parse::<u64>().is_err()).collect::<Vec<_>>().join(" ")
                })
                .collect(),
            ipsec: if DATAPLANE.is_kernel() { self.ipsec()? } else { BTreeSet::new() },
            filters: if DATAPLANE.is_kernel() { self.filters()? } else { BTreeSet::new() },
        })
    }

    /// The states and policies of this host's IPsec, by their first two lines: addresses, then SPI or direction.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn ipsec(&self) -> Result<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        for kind in ["state", "policy"] {
            let text = self.ip(&["xfrm", kind, "list"])?;
            let lines: Vec<&str> = text.lines().collect();
            let pairs = lines.windows(2).filter(|pair| pair[0].starts_with("src "));
            found.extend(pairs.map(|pair| format!("{kind} {} {}", pair[0].trim(), pair[1].trim())));
        }
        Ok(found)
    }

    /// The tables of this host's nftables, by family and name.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn filters(&self) -> Result<BTreeSet<String>> {
        let text = run(Command::new("ip").args(["netns", "exec", self.name(), "nft", "list", "tables"]))?;
        Ok(lines(&text))
    }
}

impl Picture {
    /// What is here and was not in `before`, in words; empty when nothing is.
    #[must_use]
    pub fn added_since(&self, before: &Self) -> Vec<String> {
        let parts = [
            ("route", &self.routes, &before.routes),
            ("rule", &self.rules, &before.rules),
            ("nexthop", &self.nexthops, &before.nexthops),
            ("interface", &self.links, &before.links),
            ("socket", &self.sockets, &before.sockets),
            ("IPsec", &self.ipsec, &before.ipsec),
            ("nftables", &self.filters, &before.filters),
        ];
        parts
            .into_iter()
            .flat_map(|(kind, now, then)| now.difference(then).map(move |line| format!("{kind}: {line}")))
            .collect()
    }
}

/// A JSON array's elements; nothing for anything else.
#[must_use]
pub fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// With `nexthop_compat_mode` the kernel spells out where a next-hop object leads, without it does not: left out.
fn lines(text: &str) -> BTreeSet<String> {
    text.lines()
        .map(|line| match line.split_once(" nhid ") {
            Some((route, rest)) => format!("{route} nhid {}", rest.split_whitespace().next().unwrap_or_default()),
            None => line.trim().to_owned(),
        })
        .collect()
}

fn one_hop(value: &Value) -> NextHop {
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    NextHop { interface: text("dev"), gateway: text("gateway") }
}

fn resolve(objects: &[Value], id: u64) -> Vec<NextHop> {
    let Some(object) = objects.iter().find(|object| object["id"].as_u64() == Some(id)) else { return Vec::new() };
    match object["group"].as_array() {
        Some(group) => {
            group.iter().filter_map(|member| member["id"].as_u64()).flat_map(|id| resolve(objects, id)).collect()
        }
        None => vec![one_hop(object)],
    }
}
