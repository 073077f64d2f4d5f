//! Two network namespaces joined by a veth pair, and an engine in each. For the tests of every engine.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use dataplane::{Config, Dataplane, Event, NAT_PORT, TunnelInterface};
use nix::sched::{CloneFlags, setns};
use tokio::sync::mpsc;
use wire::Secret;
use wire::ipsec::{
    Direction, Encapsulation, Encryption, EspSuite, Integrity, SaAction, SaKeys, SaLifetime, SecurityAssociation, Spi,
    TrafficSelector, TunnelId,
};
use wire::outer::OuterHeader;

pub(crate) const TUNNEL: TunnelId = TunnelId(7);
pub(crate) const GCM: EspSuite = EspSuite { encryption: Encryption::gcm16(128), integrity: None, esn: true };
pub(crate) const CBC: EspSuite =
    EspSuite { encryption: Encryption::AesCbc(256), integrity: Some(Integrity::HmacSha256), esn: false };
/// Outside addresses of the two ends.
pub(crate) const OUTSIDE: [IpAddr; 2] = [address(192, 0, 2, 1), address(192, 0, 2, 2)];
pub(crate) const OUTSIDE_V6: [&str; 2] = ["fd99::1", "fd99::2"];
/// Inside addresses of the two ends.
pub(crate) const INSIDE: [IpAddr; 2] = [address(169, 254, 10, 1), address(169, 254, 10, 2)];

const fn address(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d))
}

/// A network namespace, gone when dropped.
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn new(name: String) -> Self {
        sh(&format!("ip netns add {name} && ip -n {name} link set lo up"));
        Self(name)
    }

    /// Runs `work` on a thread inside.
    pub(crate) fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let file = File::open(format!("/run/netns/{}", self.0)).expect("the namespace exists");
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                setns(file, CloneFlags::CLONE_NEWNET).expect("entering a namespace needs root");
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The output of a command inside.
    pub(crate) fn sh(&self, command: &str) -> String {
        self.run(|| sh(command))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// The two namespaces.
pub(crate) struct Lab {
    pub(crate) sides: [Namespace; 2],
}

impl Lab {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        assert!(nix::unistd::geteuid().is_root(), "these tests make network namespaces and need root");
        let stem = format!("qsdp{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let sides = ["a", "b"].map(|side| Namespace::new(format!("{stem}{side}")));
        let [a, b] = [&sides[0].0, &sides[1].0];
        sh(&format!("ip -n {a} link add veth0 type veth peer name veth0 netns {b}"));
        for (index, side) in sides.iter().enumerate() {
            let name = &side.0;
            sh(&format!("ip -n {name} addr add {}/24 dev veth0", OUTSIDE[index]));
            sh(&format!("ip -n {name} addr add {}/64 dev veth0 nodad", OUTSIDE_V6[index]));
            sh(&format!("ip -n {name} link set veth0 up"));
        }
        Self { sides }
    }

    /// Has `start` make an engine on one side. Returns also the interface that its tunnel is to have.
    pub(crate) fn begin<E: Send>(
        &self,
        side: usize,
        change: impl FnOnce(&mut Config, &mut TunnelInterface),
        start: impl FnOnce(Config, mpsc::Sender<Event>) -> E + Send,
    ) -> (End<E>, TunnelInterface) {
        let (mut config, mut interface) = settings(side);
        change(&mut config, &mut interface);
        let (sender, events) = mpsc::channel(256);
        let engine = self.sides[side].run(|| start(config, sender));
        (End { engine, events, side }, interface)
    }
}

/// What takes orders about SAs.
pub(crate) trait Orders {
    fn apply(&self, action: SaAction);
}

impl Orders for Dataplane {
    fn apply(&self, action: SaAction) {
        Self::apply(self, action);
    }
}

/// An engine and its events.
pub(crate) struct End<E> {
    pub(crate) engine: E,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) side: usize,
}

impl<E: Orders> End<E> {
    pub(crate) fn install(&self, direction: Direction, sa: SecurityAssociation) {
        self.engine.apply(SaAction::Install { tunnel: TUNNEL, direction, sa: Box::new(sa) });
    }

    /// The first event that `pick` takes.
    pub(crate) async fn event<R>(&mut self, mut pick: impl FnMut(Event) -> Option<R>) -> R {
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the engine runs");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), search).await.expect("the event comes")
    }
}

/// Installs both directions at both ends, the receiving side first.
pub(crate) fn install<E: Orders>(ends: &[End<E>; 2], make: impl Fn(usize, Direction) -> SecurityAssociation) {
    for direction in [Direction::Inbound, Direction::Outbound] {
        for end in ends {
            end.install(direction, make(end.side, direction));
        }
    }
}

/// What the engine on one side is to be, and its interface.
pub(crate) fn settings(side: usize) -> (Config, TunnelInterface) {
    let outside_v6: IpAddr = OUTSIDE_V6[side].parse().unwrap();
    let config = Config::new(vec![OUTSIDE[side], outside_v6]);
    let interface = TunnelInterface {
        name: "tun0".into(),
        addresses: vec![
            format!("{}/30", INSIDE[side]).parse().unwrap(),
            format!("fd00::{}/126", side + 1).parse().unwrap(),
        ],
        peer: Some(INSIDE[1 - side]),
        mtu: None,
        outer: OuterHeader::default(),
    };
    (config, interface)
}

/// The SA of one direction as `side` sees it. Generations have keys and SPIs of their own.
pub(crate) fn association(
    suite: EspSuite,
    encapsulation: Encapsulation,
    side: usize,
    direction: Direction,
    generation: u32,
) -> SecurityAssociation {
    let receiver = if direction == Direction::Inbound { side } else { 1 - side };
    let spi = 0x1000 * generation + u32::try_from(receiver).unwrap();
    let key = |len: usize| Secret::new(spi.to_be_bytes().repeat(16)[..len].to_vec());
    let any = vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6];
    SecurityAssociation {
        spi: Spi(spi),
        suite,
        keys: SaKeys {
            encryption: key(suite.encryption.key_material_len()),
            integrity: key(suite.integrity.map_or(0, Integrity::key_len)),
        },
        local: SocketAddr::new(OUTSIDE[side], NAT_PORT),
        remote: SocketAddr::new(OUTSIDE[1 - side], NAT_PORT),
        encapsulation,
        replay_window: 1024,
        lifetime: SaLifetime::default(),
        local_selectors: any.clone(),
        remote_selectors: any,
    }
}

/// Waits until `condition` holds, for a few seconds at most.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn sh(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
