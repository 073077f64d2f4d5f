//! Listening for neighbours: one socket for each of our addresses that some session outside tunnels uses.
//!
//! Several sessions share an address, so that no session has the socket for itself; who connects is told apart by
//! its address. Sessions inside tunnels listen for themselves: their sockets are bound to their interfaces, and the
//! kernel prefers those.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp::message::{HEADER_LEN, MAX_MESSAGE_LEN, Open};
use ipnet::IpNet;
use rib::PeerId;
use settings::{Neighbor, Session};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use wire::{Asn, Secret};

use super::neighbors::Where;
use super::topology::TopologyReader;
use telemetry::report::Reporter;

/// Connections of peers that are not known beforehand, waiting for the supervisor.
const ACCEPTED_QUEUE: usize = 64;
/// Connections whose first message is waited for at once.
const UNDECIDED: usize = 64;
/// How long a peer may take to say which AS it is of.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a failure to listen.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// An address of ours to listen at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Post {
    pub(super) local: IpAddr,
    /// Where the address is of link scope (RFC 4007), the interface that has it: others may have it, too.
    pub(super) interface: Option<String>,
}

impl Post {
    pub(super) fn new(local: IpAddr, interface: Option<&str>) -> Self {
        let scoped = matches!(local, IpAddr::V6(v6) if v6.is_unicast_link_local());
        Self { local, interface: interface.filter(|_| scoped).map(ToOwned::to_owned) }
    }

    /// Whether a session that is there has this address.
    fn is_at(&self, spot: &Where) -> bool {
        spot.local == self.local && self.serves(spot.interface.as_deref())
    }

    /// Whether peers behind this interface connect here.
    fn serves(&self, interface: Option<&str>) -> bool {
        self.interface.is_none() || self.interface.as_deref() == interface
    }
}

/// A peer that is not known beforehand has connected.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) local: IpAddr,
    pub(super) from: SocketAddr,
    pub(super) asn: Asn,
    /// The range it belongs to.
    pub(super) range: PeerId,
    pub(super) stream: TcpStream,
}

/// The sockets.
#[derive(Debug)]
pub(super) struct Reception {
    door: Door,
    open: BTreeMap<Post, (Keys, JoinHandle<()>)>,
}

/// Who has to sign connections, with which key.
type Keys = Vec<(IpNet, Secret)>;

/// Where those who connect are sent.
#[derive(Clone, Debug)]
struct Door {
    topology: TopologyReader,
    accepted: mpsc::Sender<Accepted>,
    undecided: Arc<Semaphore>,
    reporter: Reporter,
}

impl Reception {
    /// With what comes from peers that are not known beforehand.
    pub(super) fn new(topology: TopologyReader, reporter: Reporter) -> (Self, mpsc::Receiver<Accepted>) {
        let undecided = Arc::new(Semaphore::new(UNDECIDED));
        let (accepted, arrivals) = mpsc::channel(ACCEPTED_QUEUE);
        (Self { door: Door { topology, accepted, undecided, reporter }, open: BTreeMap::new() }, arrivals)
    }

    /// Listens at exactly these addresses, with the keys that are configured now.
    pub(super) fn listen_at(&mut self, posts: &BTreeSet<Post>) {
        self.open.retain(|post, (_, task)| {
            let stays = posts.contains(post);
            if !stays {
                task.abort();
            }
            stays
        });
        let topology = Arc::clone(&self.door.topology.borrow());
        for post in posts {
            let keys = keys(&topology.router.neighbors, post, |id| {
                topology.neighbors.get(&id).is_some_and(|part| part.spot.as_ref().is_ok_and(|spot| post.is_at(spot)))
            });
            let before = match self.open.remove(post) {
                Some((same, task)) if same == keys => {
                    self.open.insert(post.clone(), (same, task));
                    continue;
                }
                // Now, and not by its successor, which may end before it begins.
                before => before.map(|(_, task)| task).inspect(JoinHandle::abort),
            };
            let door = self.door.clone().serve(post.clone(), keys.clone(), before);
            self.open.insert(post.clone(), (keys, tokio::spawn(door)));
        }
    }
}

/// Keys of those who connect there signed (RFC 2385). One address may be a neighbour on each of two interfaces, with a key
/// each: the one whose session `is_here` is meant. Without such a session the key keeps the address out.
fn keys(neighbors: &[Neighbor], post: &Post, is_here: impl Fn(PeerId) -> bool) -> Keys {
    let single = |neighbor: &&Neighbor| neighbor.range.is_none();
    let of = |neighbor: &Neighbor| {
        let key = neighbor.session.transport.md5.clone()?;
        let peer = neighbor.session.peer.peer_address;
        let who = neighbor.range.as_ref().map_or_else(|| peer.into(), |range| range.range);
        let comes_here = match neighbor.range {
            Some(_) => neighbor.place.local_address.is_none_or(|ours| ours == post.local),
            None => {
                let mut same = neighbors.iter().filter(single).filter(|other| other.session.peer.peer_address == peer);
                is_here(neighbor.session.id) || !same.any(|other| is_here(other.session.id))
            }
        };
        let may_come = peer.is_ipv4() == post.local.is_ipv4() && post.serves(neighbor.place.interface.as_deref());
        (comes_here && may_come).then_some((who, key))
    };
    neighbors.iter().filter_map(of).collect()
}

impl Drop for Reception {
    fn drop(&mut self) {
        self.open.values().for_each(|(_, task)| task.abort());
    }
}

impl Door {
    /// Takes over from `before`, which had other keys and is ending: the kernel has no list of the keys of a socket to
    /// correct.
    async fn serve(self, post: Post, keys: Keys, before: Option<JoinHandle<()>>) {
        if let Some(before) = before {
            drop(before.await);
        }
        loop {
            let error = match session::listen_plain(post.local, post.interface.clone()) {
                Ok(listener) => self.accept_all(&post, &listener, &keys).await,
                Err(error) => error,
            };
            self.reporter.neighbors_listen_failed(post.local, &error);
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    /// Until the socket fails.
    async fn accept_all(&self, post: &Post, listener: &TcpListener, keys: &Keys) -> std::io::Error {
        // The keys have to be there before those who sign connect.
        for (who, key) in keys {
            if let Err(error) = session::sign(listener, *who, key) {
                return error;
            }
        }
        loop {
            match listener.accept().await {
                Ok((stream, from)) => self.admit(post, from, stream).await,
                Err(error) => return error,
            }
        }
    }

    async fn admit(&self, post: &Post, from: SocketAddr, stream: TcpStream) {
        let (topology, local) = (Arc::clone(&self.topology.borrow()), post.local);
        let known = topology.neighbors.values().find(|part| {
            let peer = &part.session.peer;
            let interface = part.spot.as_ref().ok().and_then(|spot| spot.interface.as_deref());
            peer.local_address == local && peer.peer_address == from.ip() && post.serves(interface)
        });
        if let Some(part) = known {
            if let Some(reason) = too_far(&part.session, &stream) {
                self.reporter.neighbor_refused(local, from, reason);
                return;
            }
            drop(part.handle.commands.send(session::Command::Accepted(stream, from)).await);
            return;
        }
        let of_range = |neighbor: &&Neighbor| {
            let within = neighbor.range.as_ref().is_some_and(|range| range.range.contains(&from.ip()));
            let here = neighbor.place.local_address.is_none_or(|ours| ours == local);
            within && here && post.serves(neighbor.place.interface.as_deref())
        };
        let Some(neighbor) = topology.router.neighbors.iter().find(of_range) else {
            self.reporter.neighbor_refused(local, from, "nobody with this address is a neighbour");
            return;
        };
        if let Some(reason) = too_far(&neighbor.session, &stream) {
            self.reporter.neighbor_refused(local, from, reason);
            return;
        }
        let Ok(permit) = Arc::clone(&self.undecided).try_acquire_owned() else {
            self.reporter.neighbor_refused(local, from, "too many others have connected and said nothing yet");
            return;
        };
        let (door, neighbor) = (self.clone(), neighbor.clone());
        tokio::spawn(async move {
            door.admit_of_range(&neighbor, local, from, stream).await;
            drop(permit);
        });
    }

    /// Which AS the peer is of decides whether its session is external, so that has to be known before it begins.
    async fn admit_of_range(&self, neighbor: &Neighbor, local: IpAddr, from: SocketAddr, stream: TcpStream) {
        let Some(range) = &neighbor.range else { return };
        let expected = neighbor.session.peer.peer_asn;
        let single = range.asns.iter().all(|asns| asns.start() == asns.end()) && range.asns.len() < 2;
        let asn = if single { Some(expected) } else { announced_asn(&stream).await };
        let reason = match asn {
            Some(asn) if single || range.asns.iter().any(|asns| asns.contains(&asn.0)) => {
                let accepted = Accepted { local, from, asn, range: neighbor.session.id, stream };
                drop(self.accepted.send(accepted).await);
                return;
            }
            Some(asn) => format!("AS {asn} is not among those of {}", neighbor.session.name),
            None => "it did not begin with an OPEN".to_owned(),
        };
        self.reporter.neighbor_refused(local, from, &reason);
    }
}

/// Why a connection is not taken of a session with TTL security: the socket that listens is shared and takes packets
/// from anywhere, so that the first one of a connection is looked at afterwards. A key is asked for by the kernel.
fn too_far(session: &Session, stream: &TcpStream) -> Option<&'static str> {
    let hops = session.transport.ttl_security?;
    (!session::came_from_within(stream, hops)).then_some("it came from farther away than `ttl-security` permits")
}

/// The AS in the peer's OPEN, which stays to be read.
async fn announced_asn(stream: &TcpStream) -> Option<Asn> {
    let patient = async {
        let mut message = vec![0; MAX_MESSAGE_LEN];
        loop {
            let seen = stream.peek(&mut message).await.ok().filter(|seen| *seen > 0)?;
            if let Some(asn) = asn_of(message.get(..seen)?)? {
                return Some(asn);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, patient).await.ok().flatten()
}

/// Pause before looking whether more of an OPEN has come.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// RFC 4271 4.1, 4.2: `None` if this is not the beginning of an OPEN, `Some(None)` if there is more to come.
#[expect(clippy::option_option, reason = "there are two ways of not knowing")]
fn asn_of(octets: &[u8]) -> Option<Option<Asn>> {
    const OPEN: u8 = 1;
    let Some((header, _)) = octets.split_at_checked(HEADER_LEN) else { return Some(None) };
    let [marker @ .., high, low, kind] = header else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if *kind != OPEN || marker.iter().any(|octet| *octet != 0xff) || length > MAX_MESSAGE_LEN {
        return None;
    }
    let Some(message) = octets.get(..length) else { return Some(None) };
    Some(Some(Open::decode(message.get(HEADER_LEN..)?).ok()?.asn()))
}

#[cfg(test)]
mod tests {
    use settings::Router;
    use tokio::sync::watch;
    use wire::RouterId;

    use super::super::topology::Topology;
    use super::*;

    fn router(neighbors: &[&str]) -> Router {
        let neighbors: String = neighbors.iter().map(|written| format!("  - {{{written}}}\n")).collect();
        let text = format!("router: {{name: hub, asn: 65000, router-id: 10.0.0.1}}\nneighbors:\n{neighbors}");
        config::parse("test.yaml", &text, &config::SystemSecrets::new(".".as_ref())).unwrap().router
    }

    fn neighbors(bgp: [&str; 2]) -> Vec<Neighbor> {
        let [first, second] = bgp;
        let first = format!("name: a, asn: 65010, address: 10.7.0.9, local-address: 10.7.0.1, bgp: {{{first}}}");
        let second = format!("name: b, asn: 65011, address: 10.7.0.10, local-address: 10.7.0.1, bgp: {{{second}}}");
        router(&[&first, &second]).neighbors
    }

    fn post(text: &str) -> Post {
        Post::new(text.parse().unwrap(), Some("eth0"))
    }

    fn texts(keys: &Keys) -> Vec<(String, &[u8])> {
        keys.iter().map(|(who, key)| (who.to_string(), key.expose())).collect()
    }

    #[test]
    fn an_address_that_is_a_neighbour_twice_has_the_key_of_the_one_that_is_here() {
        let neighbors = router(&[
            "name: a, asn: 65010, address: 10.7.0.9, interface: eth0, bgp: {md5: {inline: key-of-a}}",
            "name: b, asn: 65011, address: 10.7.0.9, interface: eth1, bgp: {md5: {inline: key-of-b}}",
            "name: c, asn: 65012, address: 10.7.0.9, interface: eth2",
        ])
        .neighbors;
        let here = |index: usize| {
            let id = neighbors[index].session.id;
            let keys = keys(&neighbors, &post("10.7.0.1"), |other| other == id);
            texts(&keys).into_iter().map(|(_, key)| String::from_utf8_lossy(key).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!((here(0), here(1)), (vec!["key-of-a".to_owned()], vec!["key-of-b".to_owned()]));
        assert_eq!(here(2), [""; 0], "it has none");
        assert_eq!(keys(&neighbors, &post("10.7.0.1"), |_| false).len(), 2, "whoever comes is kept out");
    }

    #[test]
    fn a_range_that_connects_to_one_address_has_its_key_there_alone() {
        let neighbors = router(&[
            "name: a, asn: 65010, range: 10.7.0.0/24, local-address: 10.7.0.1, bgp: {md5: {inline: key-of-a}}",
            "name: b, asn: 65010, range: 10.8.0.0/24, bgp: {md5: {inline: key-of-b}}",
        ])
        .neighbors;
        let at = |local: &str| keys(&neighbors, &post(local), |_| false);
        let both: [(String, &[u8]); 2] =
            [("10.7.0.0/24".to_owned(), b"key-of-a"), ("10.8.0.0/24".to_owned(), b"key-of-b")];
        assert_eq!(texts(&at("10.7.0.1")), both);
        assert_eq!(texts(&at("10.7.0.2")), both[1..]);
    }

    #[tokio::test]
    async fn a_listener_with_other_keys_ends_whatever_becomes_of_its_successor() {
        let with_key = |key: &str| {
            let line = format!("name: a, asn: 65010, range: 192.0.2.0/24, bgp: {{md5: {{inline: {key}}}}}");
            Arc::new(Topology::empty(router(&[&line])))
        };
        let (topology, reader) = watch::channel(with_key("first-key"));
        let (mut reception, mut arrivals) = Reception::new(reader, Reporter::new(Arc::default()));
        // Nobody's address: nothing is listened at, and that is tried again for ever.
        let posts = BTreeSet::from([post("192.0.2.1")]);
        reception.listen_at(&posts);
        tokio::time::sleep(Duration::from_millis(10)).await;
        topology.send_replace(with_key("other-key"));
        reception.listen_at(&posts);
        reception.listen_at(&BTreeSet::new());
        drop(reception);
        let all_gone = tokio::time::timeout(Duration::from_secs(2), arrivals.recv()).await;
        assert!(matches!(all_gone, Ok(None)), "a listener is left: {all_gone:?}");
    }

    #[test]
    fn the_keys_of_an_address_change_with_the_configuration() {
        let of = |bgp| keys(&neighbors(bgp), &post("10.7.0.1"), |_| true);
        let one = of(["md5: {inline: first-key-of-a}", ""]);
        assert_eq!(one, [("10.7.0.9/32".parse().unwrap(), Secret::from(b"first-key-of-a".as_slice()))]);
        assert_eq!(one, of(["md5: {inline: first-key-of-a}", "hold-time: 30s"]), "nothing that matters here");
        assert_ne!(one, of(["md5: {inline: other-key-of-a}", ""]));
        assert_ne!(one, of(["", ""]));
        assert_eq!(of(["md5: {inline: first-key-of-a}", "md5: {inline: key-of-b}"]).len(), 2);
        assert_eq!(keys(&neighbors(["md5: {inline: first-key-of-a}", ""]), &post("::1"), |_| true), []);
    }

    #[test]
    fn an_address_of_link_scope_is_one_of_its_interface() {
        let post = |text: &str, interface| Post::new(text.parse().unwrap(), Some(interface));
        assert_ne!(post("fe80::1", "eth0"), post("fe80::1", "eth1"));
        assert_eq!(post("fd00::1", "eth0"), post("fd00::1", "eth1"));
        assert!(post("fe80::1", "eth0").serves(Some("eth0")) && !post("fe80::1", "eth0").serves(Some("eth1")));
        assert!(post("10.7.0.1", "eth0").serves(Some("eth1")) && post("10.7.0.1", "eth0").serves(None));
    }

    #[test]
    fn the_as_of_an_open_is_known_once_all_of_it_is_there() {
        let open =
            Open { my_as: 65107, hold_time: 90, router_id: RouterId([10, 7, 0, 2].into()), capabilities: vec![] };
        let octets = open.encode();
        for length in 0..octets.len() {
            assert_eq!(asn_of(&octets[..length]), Some(None), "{length}");
        }
        assert_eq!(asn_of(&octets), Some(Some(Asn(65107))));
        let more = [octets.as_slice(), &[0xff; 19]].concat();
        assert_eq!(asn_of(&more), Some(Some(Asn(65107))));
    }

    #[test]
    fn what_is_not_an_open_tells_no_as() {
        let mut keepalive = [0xff; 19];
        keepalive[16..].copy_from_slice(&[0, 19, 4]);
        assert_eq!(asn_of(&keepalive), None);
        assert_eq!(asn_of(b"GET / HTTP/1.1\r\nHost: x\r\n"), None);
        let mut long = [0xff; 19];
        long[16..].copy_from_slice(&[0xff, 0xff, 1]);
        assert_eq!(asn_of(&long), None, "longer than an OPEN may be");
    }
}
