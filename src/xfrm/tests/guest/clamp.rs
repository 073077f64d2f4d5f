//! TCP's segment sizes, as handshakes through a tunnel have them at the other side.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use wire::ipsec::{Direction, Encapsulation, TunnelId};

use crate::support::*;

const TABLE: &str = "inet quadspan-xfrm-0";
const PORT: u16 = 8179;

/// A host behind side 0, with an MTU of 1500 and addresses that side 1 reaches through the tunnel.
fn host(lab: &Lab) -> Namespace {
    let name = format!("qsdp{}h", std::process::id());
    let host = Namespace::new(name.clone());
    lab.sides[0].sh(&format!("ip link add lan0 type veth peer name lan0 netns {name}"));
    host.sh("ip addr add 10.9.0.2/24 dev lan0 && ip addr add fd09::2/64 dev lan0 nodad && ip link set lan0 up");
    let router = &lab.sides[0];
    router.sh("ip addr add 10.9.0.1/24 dev lan0 && ip addr add fd09::1/64 dev lan0 nodad && ip link set lan0 up");
    router.sh("echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
    host.sh("ip route add default via 10.9.0.1 && ip -6 route add default via fd09::1");
    lab.sides[1].sh("ip route add 10.9.0.0/24 dev tun0 && ip -6 route add fd09::/64 dev tun0");
    host
}

/// The segment size in the first TCP packet with SYN to or from [`PORT`] that comes to a namespace.
struct Ear {
    socket: Socket,
    v6: bool,
}

impl Ear {
    fn open(space: &Namespace, v6: bool) -> Self {
        let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
        let socket = space.run(|| Socket::new(domain, Type::RAW, Some(Protocol::TCP)).unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self { socket, v6 }
    }

    fn segment_size(&mut self) -> u16 {
        let mut buffer = [0; 200];
        loop {
            let len = self.socket.read(&mut buffer).unwrap();
            // Raw sockets of IPv4 alone see the IP header.
            let start = if self.v6 { 0 } else { usize::from(buffer[0] & 15) * 4 };
            let tcp = &buffer[start..len];
            let port = PORT.to_be_bytes();
            if (tcp[..2] != port && tcp[2..4] != port) || tcp[13] & 2 == 0 {
                continue;
            }
            let mut options = &tcp[20..usize::from(tcp[12] >> 4) * 4];
            while let [kind, rest @ ..] = options {
                match (kind, rest) {
                    (1, _) => options = rest,
                    (2, [4, high, low, ..]) => return u16::from_be_bytes([*high, *low]),
                    (_, [len, ..]) => options = &options[usize::from(*len)..],
                    (_, []) => break,
                }
            }
            panic!("a SYN without a segment size: {tcp:?}");
        }
    }
}

/// Connects, offering `offer`. Returns what the server is offered, and what the client is.
fn handshake(client: &Namespace, server: &Namespace, to: &str, offer: Option<u32>) -> (u16, u16) {
    let to: SocketAddr = SocketAddr::new(to.parse().unwrap(), PORT);
    let v6 = to.is_ipv6();
    let mut ears = [server, client].map(|space| Ear::open(space, v6));
    let _listener = server.run(|| TcpListener::bind(to).unwrap());
    client.run(|| {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        if let Some(offer) = offer {
            setsockopt(&socket, sockopt::TcpMaxSeg, &offer).unwrap();
        }
        socket.connect_timeout(&to.into(), Duration::from_secs(5)).unwrap();
    });
    let [offered, answered] = &mut ears;
    (offered.segment_size(), answered.segment_size())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn handshakes_of_both_directions_and_families_agree_on_segments_that_fit() {
    let lab = Lab::new();
    // What side 1 lowers is 1438 octets: only side 0 can have lowered further.
    let ends = [
        lab.end(0, Kind::Kernel, |_, interface| interface.mtu = Some(1300)).await,
        lab.end(1, Kind::Kernel, |_, _| ()).await,
    ];
    install(&ends, |side, direction| association(GCM, Encapsulation::Udp, side, direction, 1));
    let host = host(&lab);
    for (fits, inside, behind) in [(1260, "169.254.10.2", "10.9.0.2"), (1240, "fd00::2", "fd09::2")] {
        for (offer, arrives) in [(None, fits), (Some(1000), 1000)] {
            assert_eq!(handshake(&host, &lab.sides[1], inside, offer), (arrives, fits), "to {inside}, {offer:?}");
            assert_eq!(handshake(&lab.sides[1], &host, behind, offer), (arrives, fits), "to {behind}, {offer:?}");
        }
    }
}

fn entries(lab: &Lab) -> String {
    lab.sides[0].sh(&format!("nft list map {TABLE} mss"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn the_table_follows_tunnels_and_is_gone_at_a_clean_stop() {
    let lab = Lab::new();
    let foreign =
        "nft 'add table inet foreign; add chain inet foreign forward { type filter hook forward priority 0; }'";
    lab.sides[0].sh(foreign);
    // One of that name, as a saved listing brings it back.
    lab.sides[0]
        .sh(&format!("nft 'add table {TABLE}; add chain {TABLE} old; add map {TABLE} mss {{ type mark : mark; }}'"));
    let end = lab.end(0, Kind::Kernel, |_, _| ()).await;
    let has = |v4: u16, v6: u16, name: &str| {
        let now = entries(&lab);
        now.contains(&format!("ipv4 . \"{name}\" : {v4}")) && now.contains(&format!("ipv6 . \"{name}\" : {v6}"))
    };
    let all = lab.sides[0].sh("nft list ruleset");
    assert!(all.contains("flags owner") && !all.contains("chain old") && all.contains("table inet foreign"), "{all}");
    assert!(has(1350, 1330, "tun0"), "{}", entries(&lab));
    for (encapsulation, generation, mtu) in [(Encapsulation::Udp, 1, 1438), (Encapsulation::Esp, 2, 1446)] {
        end.install(Direction::Outbound, association(GCM, encapsulation, 0, Direction::Outbound, generation));
        assert!(has(mtu - 40, mtu - 60, "tun0"), "{}", entries(&lab));
    }
    let (_, mut interface) = settings(0);
    (interface.name, interface.mtu) = ("tun1".into(), Some(1200));
    interface.addresses.clear();
    end.kernel().add_tunnel(TunnelId(8), interface).await.unwrap();
    assert!(has(1160, 1140, "tun1") && has(1406, 1386, "tun0"), "{}", entries(&lab));
    // As a firewall that is loaded anew does first.
    lab.sides[0].sh("nft flush ruleset");
    assert!(has(1160, 1140, "tun1") && !lab.sides[0].sh("nft list tables").contains("foreign"));
    lab.sides[0].sh(foreign);
    end.kernel().remove_tunnel(TunnelId(8)).await.unwrap();
    assert!(!entries(&lab).contains("tun1") && has(1406, 1386, "tun0"), "{}", entries(&lab));
    assert_eq!(end.kernel().warning(), None);
    end.stop().await;
    let left = lab.sides[0].sh("nft list ruleset");
    assert!(left.contains("table inet foreign") && !left.contains("quadspan"), "{left}");
}

/// An nft that goes on living, and with it what it owns.
struct Holder(Child);

impl Holder {
    fn new(lab: &Lab) -> Self {
        let mut child = lab.sides[0]
            .run(|| Command::new("nft").arg("-i").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
        child.stdin.as_mut().unwrap().write_all(format!("add table {TABLE} {{ flags owner; }}\n").as_bytes()).unwrap();
        eventually("the table is there", || lab.sides[0].sh("nft list tables").contains(TABLE));
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with ESP: scripts/test-kernel"]
async fn a_tunnel_works_where_the_table_cannot_be_made_and_the_engine_says_so() {
    let lab = Lab::new();
    let _holder = Holder::new(&lab);
    let ends = lab.pair(Kind::User, GCM, Encapsulation::Udp).await;
    let warning = ends[0].kernel().warning().unwrap();
    assert!(warning.contains(TABLE) && warning.contains("another program"), "{warning}");
    lab.sides[0].sh("ping -c 1 -W 2 169.254.10.2");
    ends[0].kernel().remove_tunnel(TUNNEL).await.unwrap();
    let [end, _other] = ends;
    end.stop().await;
    assert!(lab.sides[0].sh("nft list tables").contains(TABLE), "it is not ours");
}
