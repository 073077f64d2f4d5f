//! What the outer header says, and what becomes of packets that are too long for the path.

use std::io::Read;
use std::process::Command;
use std::time::Duration;

use crate::support::{End, GCM, Lab, TUNNEL, association, eventually, install};
use dataplane::TunnelCounters;
use socket2::{Domain, Protocol, Socket, Type};
use wire::ipsec::{Encapsulation, TrafficSelector};
use wire::outer::{DontFragment, Dscp, OuterHeader};

/// Sees the outer packets that arrive on side 1, headers included.
struct Sniffer(Socket);

impl Sniffer {
    fn new(lab: &Lab, encapsulation: Encapsulation) -> Self {
        let protocol = match encapsulation {
            Encapsulation::Udp => Protocol::UDP,
            Encapsulation::Esp => Protocol::from(50),
        };
        let socket = lab.sides[1].run(|| Socket::new(Domain::IPV4, Type::RAW, Some(protocol)).unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self(socket)
    }

    /// The traffic class of the next packet, and whether it must not be fragmented.
    fn next(&mut self) -> (u8, bool) {
        let mut buffer = [0; 2000];
        let len = self.0.read(&mut buffer).unwrap();
        assert!(len > 20);
        (buffer[1], buffer[6] & 0x40 != 0)
    }
}

async fn tunnel(lab: &Lab, encapsulation: Encapsulation, outer: OuterHeader, mtu: Option<u32>) -> [End; 2] {
    let ends = [
        lab.engine(0, |_, interface| (interface.outer, interface.mtu) = (outer, mtu)).await,
        lab.engine(1, |_, interface| interface.mtu = mtu).await,
    ];
    install(&ends, |side, direction| association(GCM, encapsulation, side, direction, 1));
    ends
}

fn ping(lab: &Lab, arguments: &[&str]) -> bool {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    lab.sides[0].run(move || {
        let base = ["-c", "1", "-W", "2"];
        Command::new("ping").args(base).args(arguments).arg("169.254.10.2").output().unwrap().status.success()
    })
}

fn counters(end: &End) -> TunnelCounters {
    end.engine.counters(TUNNEL).unwrap()
}

#[tokio::test]
async fn the_outer_header_says_what_the_tunnel_is_configured_to_say() {
    // Configured, then what comes of an inner packet of DSCP 46 and ECT(0) that must not be fragmented, and of one of
    // DSCP 10 that may be.
    let ef = 46 << 2 | 2;
    let table = [
        (Dscp::Copy, DontFragment::Clear, [(ef, false), (40, false)]),
        (Dscp::Clear, DontFragment::Copy, [(2, true), (0, false)]),
        (Dscp::Fixed(48), DontFragment::Set, [(48 << 2 | 2, true), (48 << 2, true)]),
    ];
    for encapsulation in [Encapsulation::Udp, Encapsulation::Esp] {
        for (dscp, dont_fragment, expected) in table {
            let lab = Lab::new();
            let _ends = tunnel(&lab, encapsulation, OuterHeader { dscp, dont_fragment }, None).await;
            let mut sniffer = Sniffer::new(&lab, encapsulation);
            let found = [(ef.to_string(), "do"), ("40".to_owned(), "dont")].map(|(tos, discover)| {
                assert!(ping(&lab, &["-Q", &tos, "-M", discover]));
                sniffer.next()
            });
            assert_eq!(found, expected, "{encapsulation:?} {dscp:?} {dont_fragment:?}");
        }
    }
}

#[tokio::test]
async fn a_narrower_path_is_noticed_where_packets_must_stay_whole() {
    for encapsulation in [Encapsulation::Udp, Encapsulation::Esp] {
        let lab = Lab::new();
        let whole = OuterHeader { dont_fragment: DontFragment::Set, ..OuterHeader::default() };
        let ends = tunnel(&lab, encapsulation, whole, None).await;
        assert!(ping(&lab, &["-M", "do", "-s", "1300"]));
        // As if a router on the path had said so.
        lab.sides[0].sh("ip route add 192.0.2.2/32 dev veth0 mtu 1300");
        assert!(!ping(&lab, &["-M", "do", "-s", "1300"]), "found out with this one");
        assert!(!ping(&lab, &["-M", "do", "-s", "1300"]), "answered");
        let inner = if encapsulation == Encapsulation::Udp { 1238 } else { 1246 };
        let learnt = lab.sides[0].sh("ip route get 169.254.10.2");
        assert!(learnt.contains(&format!("mtu {inner}")), "{learnt}");
        assert!(ping(&lab, &["-M", "do", "-s", &(inner - 28).to_string()]));
        assert!(counters(&ends[0]).send_drops >= 1 && counters(&ends[0]).too_big_drops >= 1);
        assert_eq!(ends[0].engine.interface(TUNNEL).unwrap().mss, inner - 40, "new connections know");
    }
}

#[tokio::test]
async fn what_may_be_fragmented_is_fragmented_inside_and_never_outside() {
    for dont_fragment in [DontFragment::Clear, DontFragment::Copy, DontFragment::Set] {
        let lab = Lab::new();
        let outer = OuterHeader { dont_fragment, ..OuterHeader::default() };
        // The interfaces lie about what fits.
        let ends = tunnel(&lab, Encapsulation::Udp, outer, Some(3000)).await;
        assert!(ping(&lab, &["-M", "dont", "-s", "2900"]), "{dont_fragment:?}");
        eventually("each direction in three pieces", || counters(&ends[0]).packets_in == 3);
        assert_eq!(counters(&ends[0]).packets_out, 3);
        let statistics = lab.sides[0].sh("nstat -asz IpFragCreates IpReasmReqds");
        let count = |name: &str| {
            let line = statistics.lines().find(|line| line.starts_with(name)).expect("the kernel counts");
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        assert_eq!(count("IpFragCreates"), "0", "no outer packet was cut");
        assert_eq!(count("IpReasmReqds"), "3", "the inner answer was put together");
    }
}

#[tokio::test]
async fn where_only_the_outer_packet_can_be_cut_the_kernel_cuts_it() {
    for encapsulation in [Encapsulation::Udp, Encapsulation::Esp] {
        let lab = Lab::new();
        let ends = [
            lab.engine(0, |_, interface| interface.mtu = Some(3000)).await,
            lab.engine(1, |_, interface| interface.mtu = Some(3000)).await,
        ];
        // For one type of ICMP each way: later fragments of it match no SA.
        let echo = |kind: u16| TrafficSelector {
            protocol: 1,
            start_port: kind << 8,
            end_port: kind << 8,
            ..TrafficSelector::ANY_V4
        };
        install(&ends, |side, direction| {
            let mut sa = association(GCM, encapsulation, side, direction, 1);
            (sa.local_selectors, sa.remote_selectors) = (vec![echo(8), echo(0)], vec![echo(8), echo(0)]);
            sa
        });
        assert!(ping(&lab, &["-M", "dont", "-s", "2900"]), "{encapsulation:?}");
        assert_eq!(counters(&ends[0]).packets_out, 1);
        let statistics = lab.sides[0].sh("nstat -asz IpFragCreates");
        assert!(!statistics.contains("IpFragCreates                   0 "), "{statistics}");
    }
}

#[tokio::test]
async fn congestion_marks_and_services_survive_both_ways() {
    let lab = Lab::new();
    let [_a, b] = tunnel(&lab, Encapsulation::Udp, OuterHeader::default(), None).await;
    let receiver = lab.sides[1].run(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket
    });
    // DSCP 34, ECT(1): nobody on the path marks anything, so this is what arrives inside.
    assert!(ping(&lab, &["-Q", &(34 << 2 | 1).to_string()]));
    let mut buffer = [0; 200];
    let len = (&receiver).read(&mut buffer).unwrap();
    assert!(len > 20 && buffer[12..16] == *INSIDE_FIRST, "{:?}", &buffer[..20]);
    assert_eq!(buffer[1], 34 << 2 | 1);
    assert_eq!(counters(&b).ecn_drops, 0);
}

const INSIDE_FIRST: &[u8; 4] = &[169, 254, 10, 1];
