//! The hosts and cables of the four-tunnel plan; nothing runs on them yet.
//!
//! ```text
//!   host-a            router              net                 aws1..aws4              host-b
//!   10.1.0.10 ---- lan      wan ----- left   right ----- wan (203.0.113.11..14)     10.2.0.10
//!              10.1.0.1  198.51.100.1/.2                  lan (10.2.0.11..14) ---- lan bridge
//! ```
//!
//! `net` is the Internet: it forwards between the two outside networks and knows nothing of the inside ones. `host-b`
//! spreads its packets over the four concentrators; a concentrator that has no route through its own tunnel passes them on
//! to the next one, as the routers of one cloud do.

use std::net::Ipv4Addr;

use super::namespace::Namespace;
use super::{Lab, Result};

/// Router side's autonomous system.
pub const ROUTER_ASN: u32 = 65000;
/// AWS side's autonomous system.
pub const CLOUD_ASN: u32 = 64512;
/// Network behind the router.
pub const ROUTER_NETWORK: &str = "10.1.0.0/16";
/// Network behind the concentrators.
pub const CLOUD_NETWORK: &str = "10.2.0.0/16";
/// The host behind the router.
pub const HOST_A: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
/// The host behind the concentrators.
pub const HOST_B: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 10);
/// Pre-shared key of the first tunnel; the others end in their own number.
pub const PSK: &str = "four.tunnels_psk.1";

/// Metric of the way to the next concentrator.
const DETOUR_METRIC: &str = "20000";
/// Preference of the rules that make a cut.
const CUT_PREFERENCE: &str = "10";

/// Addresses of one of the four tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelPlan {
    /// 1 to 4.
    pub number: u8,
    /// The concentrator's host, `aws1`; also the tunnel's name.
    pub name: &'static str,
    /// The router's outside address.
    pub router_outside: Ipv4Addr,
    /// The concentrator's outside address.
    pub cloud_outside: Ipv4Addr,
    /// First host of the inside /30.
    pub cloud_inside: Ipv4Addr,
    /// Second host of the inside /30.
    pub router_inside: Ipv4Addr,
}

/// The plan: two connections, one to each of the router's outside addresses, of two tunnels each.
pub const TUNNELS: [TunnelPlan; 4] =
    [plan(1, "aws1", 1, 21, 0), plan(2, "aws2", 1, 22, 0), plan(3, "aws3", 2, 21, 4), plan(4, "aws4", 2, 22, 4)];

/// The hosts.
#[derive(Debug)]
pub struct Layout {
    /// The Internet.
    pub net: Namespace,
    /// Ours.
    pub router: Namespace,
    /// Behind the router.
    pub host_a: Namespace,
    /// Behind the concentrators.
    pub host_b: Namespace,
    /// The concentrators, in the order of [`TUNNELS`]; a scenario takes them out.
    pub clouds: Vec<Namespace>,
}

impl TunnelPlan {
    /// The inside /30.
    #[must_use]
    pub fn inside(&self) -> String {
        let [a, b, c, d] = self.cloud_inside.octets();
        format!("{a}.{b}.{c}.{}/30", d - 1)
    }

    /// This tunnel's pre-shared key.
    #[must_use]
    pub fn psk(&self) -> String {
        format!("{}{}", &PSK[..PSK.len() - 1], self.number)
    }
}

impl Layout {
    /// Builds it.
    ///
    /// # Errors
    /// When `ip` refuses something.
    pub fn build(lab: &Lab) -> Result<Self> {
        let net = lab.namespace("net")?;
        net.make_router()?;
        bridge(&net, "left", Some("198.51.100.254/24"))?;
        bridge(&net, "right", Some("203.0.113.254/24"))?;

        let router = lab.namespace("router")?;
        router.make_router()?;
        attach(&router, "wan", &net, "left", "router")?;
        router.address("wan", "198.51.100.1/24")?;
        router.address("wan", "198.51.100.2/24")?;
        router.ip(&["route", "add", "203.0.113.0/24", "via", "198.51.100.254"])?;

        let host_a = lab.namespace("host-a")?;
        router.cable("lan", &host_a, "lan")?;
        router.address("lan", "10.1.0.1/16")?;
        host_a.address("lan", &format!("{HOST_A}/16"))?;
        host_a.ip(&["route", "add", "default", "via", "10.1.0.1"])?;

        let host_b = lab.namespace("host-b")?;
        host_b.make_router()?;
        bridge(&host_b, "lan", Some(&format!("{HOST_B}/16")))?;
        let clouds = TUNNELS.iter().map(|tunnel| cloud(lab, &net, &host_b, tunnel)).collect::<Result<Vec<_>>>()?;
        let lans = TUNNELS.map(|tunnel| lan_address(tunnel.number).to_string());
        let mut spread = vec!["route", "add", ROUTER_NETWORK];
        for lan in &lans {
            spread.extend(["nexthop", "via", lan]);
        }
        host_b.ip(&spread)?;
        Ok(Self { net, router, host_a, host_b, clouds })
    }

    /// Cuts a concentrator off the Internet without a word to anyone: packets to and from it vanish.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn cut(&self, tunnel: &TunnelPlan) -> Result<()> {
        self.cut_toward_cloud(tunnel)?;
        self.cut_from_cloud(tunnel)
    }

    /// Cuts half of it: packets to the concentrator vanish, its own still arrive. [`Layout::mend`] wants both halves cut.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn cut_toward_cloud(&self, tunnel: &TunnelPlan) -> Result<()> {
        self.rule("add", tunnel, "to")
    }

    /// Cuts the other half.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub fn cut_from_cloud(&self, tunnel: &TunnelPlan) -> Result<()> {
        self.rule("add", tunnel, "from")
    }

    /// Joins it again.
    ///
    /// # Errors
    /// When it was not cut.
    pub fn mend(&self, tunnel: &TunnelPlan) -> Result<()> {
        self.rule("delete", tunnel, "to")?;
        self.rule("delete", tunnel, "from")
    }

    fn rule(&self, verb: &str, tunnel: &TunnelPlan, direction: &str) -> Result<()> {
        let address = tunnel.cloud_outside.to_string();
        self.net.ip(&["rule", verb, "preference", CUT_PREFERENCE, direction, &address, "blackhole"]).map(drop)
    }
}

/// A concentrator's address on the network behind it.
#[must_use]
pub const fn lan_address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 2, 0, 10 + number)
}

const fn plan(number: u8, name: &'static str, instance: u8, third: u8, base: u8) -> TunnelPlan {
    TunnelPlan {
        number,
        name,
        router_outside: Ipv4Addr::new(198, 51, 100, instance),
        cloud_outside: Ipv4Addr::new(203, 0, 113, 10 + number),
        cloud_inside: Ipv4Addr::new(169, 254, third, base + 1),
        router_inside: Ipv4Addr::new(169, 254, third, base + 2),
    }
}

fn cloud(lab: &Lab, net: &Namespace, host_b: &Namespace, tunnel: &TunnelPlan) -> Result<Namespace> {
    let host = lab.namespace(tunnel.name)?;
    host.make_router()?;
    attach(&host, "wan", net, "right", tunnel.name)?;
    host.address("wan", &format!("{}/24", tunnel.cloud_outside))?;
    host.ip(&["route", "add", "198.51.100.0/24", "via", "203.0.113.254"])?;
    attach(&host, "lan", host_b, "lan", tunnel.name)?;
    host.address("lan", &format!("{}/16", lan_address(tunnel.number)))?;
    let next = lan_address(tunnel.number % 4 + 1).to_string();
    host.ip(&["route", "add", ROUTER_NETWORK, "via", &next, "metric", DETOUR_METRIC])?;
    Ok(host)
}

fn bridge(host: &Namespace, name: &str, address: Option<&str>) -> Result<()> {
    host.ip(&["link", "add", name, "type", "bridge", "forward_delay", "0"])?;
    host.ip(&["link", "set", name, "up"])?;
    address.map_or(Ok(()), |address| host.address(name, address))
}

fn attach(host: &Namespace, interface: &str, hub: &Namespace, bridge: &str, port: &str) -> Result<()> {
    host.cable(interface, hub, port)?;
    hub.ip(&["link", "set", port, "master", bridge]).map(drop)
}
