//! The plain interfaces of the machine: which there are, which run, and what addresses they have.
//!
//! ```text
//!  kernel ── link and address notifications ──► look again at all of them ──► differences
//!                                                                              │
//!            fib, rib: a link is up or down, its addresses ◄───────────────────┤
//!            supervisor: neighbours begin, move and end    ◄───────────────────┘
//! ```
//!
//! Level-triggered: a notification says only that there is something to look at, so none that is lost does harm.
//! Interfaces of tunnels are not plain; they have their state from the key exchange.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use ipnet::IpNet;
use netlink_packet_route::link::{LinkAttribute, LinkFlags};
use rtnetlink::MulticastGroup;
use tokio::sync::{mpsc, watch};
use wire::LinkId;

use super::link_states::LinkStates;
use super::rib_task;
use super::topology::TopologyReader;

/// Changes that come together are looked at together.
const SETTLE: Duration = Duration::from_millis(10);
/// How often to look without a notification.
const PERIOD: Duration = Duration::from_secs(30);
/// Pause after the kernel did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// A plain interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) name: String,
    /// It is up and has a carrier.
    pub(super) running: bool,
    /// Our addresses, with the lengths of their networks.
    pub(super) addresses: Vec<IpNet>,
}

/// All plain interfaces by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interfaces(BTreeMap<u32, Plain>);

/// Where a peer is reached, and by which address of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) link: LinkId,
    pub(super) interface: String,
    pub(super) local: IpAddr,
}

impl Interfaces {
    /// The interface behind a link, if it is still there.
    pub(super) fn name(&self, link: LinkId) -> Option<&str> {
        self.0.iter().find(|(index, _)| LinkId::plain(**index) == link).map(|(_, plain)| plain.name.as_str())
    }

    /// Whether `address` is one of ours.
    pub(super) fn have(&self, address: IpAddr) -> bool {
        self.0.values().flat_map(|plain| &plain.addresses).any(|ours| ours.addr() == address)
    }

    /// Our addresses on networks that have something in common with `range`.
    pub(super) fn toward<'a>(&'a self, range: IpNet, only: Option<&'a str>) -> impl Iterator<Item = IpAddr> + 'a {
        let named = self.0.values().filter(move |plain| only.is_none_or(|name| plain.name == name));
        let addresses = named.filter(|plain| plain.running).flat_map(|plain| &plain.addresses);
        addresses.filter(move |ours| range.contains(&ours.trunc()) || ours.trunc().contains(&range)).map(IpNet::addr)
    }

    /// The running interface, `only` this one if given, with the narrowest network that has `peer` on it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn spot(&self, peer: IpAddr, only: Option<&str>) -> Result<Spot, String> {
        let named = || self.0.iter().filter(|(_, plain)| only.is_none_or(|name| plain.name == name));
        let on = |plain: &Plain| {
            let nets = plain.addresses.iter().filter(|ours| ours.contains(&peer) && ours.addr() != peer);
            nets.max_by_key(|ours| ours.prefix_len()).copied()
        };
        let spots = named().filter_map(|(index, plain)| Some((*index, plain, on(plain)?)));
        let best = spots.max_by_key(|(_, plain, ours)| (plain.running, ours.prefix_len()));
        match (best, only) {
            (Some((index, plain, ours)), _) if plain.running => {
                Ok(Spot { link: LinkId::plain(index), interface: plain.name.clone(), local: ours.addr() })
            }
            (Some((_, plain, _)), _) => Err(format!("{} is down", plain.name)),
            (None, Some(name)) if named().next().is_none() => Err(format!("there is no interface {name}")),
            (None, Some(name)) => Err(format!("{peer} is on no network of {name}")),
            (None, None) => Err(format!("{peer} is on no network of this router")),
        }
    }
}

/// The machine's interfaces cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("netlink for interfaces: {0}")]
pub struct InterfacesError(#[from] io::Error);

/// Who follows the interfaces.
pub(super) struct Followers {
    pub(super) fib: fib::Fib,
    pub(super) states: Arc<LinkStates>,
    pub(super) rib: mpsc::Sender<rib_task::Command>,
    /// Tells which interfaces are those of tunnels.
    pub(super) topology: TopologyReader,
}

/// Starts looking; the first look is over when this returns.
///
/// # Errors
/// When netlink cannot be opened.
pub(super) async fn watch(followers: Followers) -> Result<watch::Receiver<Arc<Interfaces>>, InterfacesError> {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    let (connection, handle, messages) = rtnetlink::new_multicast_connection(&groups)?;
    tokio::spawn(connection);
    let (sender, receiver) = watch::channel(Arc::default());
    let mut watcher = Watcher { followers, handle, published: sender };
    if let Err(error) = watcher.look().await {
        tracing::warn!(%error, "interfaces not listed");
    }
    tokio::spawn(watcher.run(messages));
    Ok(receiver)
}

struct Watcher {
    followers: Followers,
    handle: rtnetlink::Handle,
    published: watch::Sender<Arc<Interfaces>>,
}

impl Watcher {
    async fn run<M>(mut self, messages: impl futures_util::Stream<Item = M> + Unpin) {
        let mut messages = messages.ready_chunks(1024);
        loop {
            let heard = tokio::time::timeout(PERIOD, messages.next()).await;
            if let Ok(None) = heard {
                return;
            }
            tokio::time::sleep(SETTLE).await;
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "interfaces not listed; looking again in a second");
                tokio::time::sleep(RETRY).await;
            }
            if self.published.is_closed() {
                return;
            }
        }
    }

    async fn look(&mut self) -> Result<(), rtnetlink::Error> {
        let now = Arc::new(self.list().await?);
        let before = Arc::clone(&self.published.borrow());
        if now == before {
            return Ok(());
        }
        for (index, plain) in &before.0 {
            if plain.running && !now.0.get(index).is_some_and(|plain| plain.running) {
                self.followers.fib.link_down(LinkId::plain(*index));
                self.followers.states.set(LinkId::plain(*index), rib::LinkState::Down);
                tracing::warn!(interface = plain.name, "interface down");
            }
            if !now.0.contains_key(index) {
                self.tell_rib(LinkId::plain(*index), None).await;
            }
        }
        for (index, plain) in &now.0 {
            let link = LinkId::plain(*index);
            let known = before.0.get(index);
            if known != Some(plain) {
                let interface = rib::Interface { name: plain.name.clone(), addresses: plain.addresses.clone() };
                self.tell_rib(link, Some(interface)).await;
            }
            if plain.running && !known.is_some_and(|known| known.running) {
                self.followers.fib.link_up(link, *index, None);
                self.followers.states.set(link, rib::LinkState::Up);
                tracing::info!(interface = plain.name, addresses = ?plain.addresses, "interface up");
            }
        }
        self.published.send_replace(now);
        Ok(())
    }

    async fn tell_rib(&self, link: LinkId, interface: Option<rib::Interface>) {
        drop(self.followers.rib.send(rib_task::Command::Interface { link, interface }).await);
    }

    async fn list(&self) -> Result<Interfaces, rtnetlink::Error> {
        let before = Arc::clone(&self.followers.topology.borrow());
        let mut found = BTreeMap::new();
        let mut links = self.handle.link().get().execute();
        while let Some(message) = links.try_next().await? {
            let name = message.attributes.iter().find_map(|attribute| {
                if let LinkAttribute::IfName(name) = attribute { Some(name.clone()) } else { None }
            });
            let Some(name) = name else { continue };
            let running = message.header.flags.contains(LinkFlags::Up | LinkFlags::Running);
            found.insert(message.header.index, Plain { name, running, addresses: Vec::new() });
        }
        // A tunnel's name is published before its interface is made, and until it is gone: what is listed is in one.
        let after = Arc::clone(&self.followers.topology.borrow());
        found.retain(|_, plain| !before.claims(&plain.name) && !after.claims(&plain.name));
        let mut addresses = self.handle.address().get().execute();
        while let Some(message) = addresses.try_next().await? {
            if let Some(plain) = found.get_mut(&message.header.index) {
                plain.addresses.extend(fib::own_address(&message));
            }
        }
        for plain in found.values_mut() {
            plain.addresses.sort_unstable();
        }
        Ok(Interfaces(found))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn interfaces() -> Interfaces {
        let plain = |name: &str, running, addresses: &[&str]| Plain {
            name: name.to_owned(),
            running,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        };
        Interfaces(BTreeMap::from([
            (1, plain("lo", true, &["127.0.0.1/8", "10.255.0.9/32"])),
            (2, plain("eth0", true, &["10.1.0.1/16", "fd00:1::1/64"])),
            (3, plain("eth1", true, &["10.1.7.1/24"])),
            (4, plain("eth2", false, &["10.2.0.1/24"])),
        ]))
    }

    #[test]
    fn a_peer_is_behind_the_interface_with_the_narrowest_network_around_it() {
        let interfaces = interfaces();
        let spot = |peer: &str, only| interfaces.spot(peer.parse().unwrap(), only);
        let eth1 = Spot { link: LinkId::plain(3), interface: "eth1".to_owned(), local: [10, 1, 7, 1].into() };
        assert_eq!(spot("10.1.7.9", None), Ok(eth1));
        assert_eq!(spot("10.1.7.9", Some("eth0")).unwrap().local, IpAddr::from([10, 1, 0, 1]));
        assert_eq!(spot("fd00:1::9", None).unwrap().interface, "eth0");
    }

    #[test]
    fn why_a_peer_is_nowhere_is_said() {
        let interfaces = interfaces();
        let spot = |peer: &str, only| interfaces.spot(peer.parse().unwrap(), only).unwrap_err();
        assert_eq!(spot("10.2.0.9", None), "eth2 is down");
        assert_eq!(spot("10.9.0.9", None), "10.9.0.9 is on no network of this router");
        assert_eq!(spot("10.9.0.9", Some("eth0")), "10.9.0.9 is on no network of eth0");
        assert_eq!(spot("10.9.0.9", Some("eth9")), "there is no interface eth9");
        assert_eq!(spot("10.255.0.9", None), "10.255.0.9 is on no network of this router", "ourselves");
    }

    #[test]
    fn a_range_is_heard_on_every_network_it_meets() {
        let interfaces = interfaces();
        let toward = |range: &str, only| {
            interfaces.toward(range.parse().unwrap(), only).map(|address| address.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(toward("10.1.0.0/17", None), ["10.1.0.1", "10.1.7.1"]);
        assert_eq!(toward("10.1.7.64/26", Some("eth1")), ["10.1.7.1"]);
        assert!(interfaces.have([10, 255, 0, 9].into()) && !interfaces.have([10, 255, 0, 8].into()));
    }
}
