//! Two hosts, one tunnel: our process at one end, a peer at the other, a NAT between them where asked.
//!
//! ```text
//!   without   us 192.0.2.1 ------------------------------------------------ 192.0.2.9 peer
//!   (or       us 2001:db8::1 -------------------------------------------- 2001:db8::9 peer)
//!   ours      us 10.9.1.2 -- 10.9.1.1 nat 203.0.113.254 ------------------- 203.0.113.9 peer
//!   theirs    us 198.51.100.1 ----------- 198.51.100.254 nat 10.9.2.1 -- 10.9.2.2 peer
//! ```
//!
//! The NAT forwards UDP 500 and 4500 of its outside address, so that either end can begin.

mod peer;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::daemon::Daemon;
use super::libreswan::Libreswan;
use super::namespace::Namespace;
use super::process::tail;
use super::strongswan::{Backend, StrongSwan};
use super::terms::{Outside, PEER_INSIDE, TUNNEL, Terms};
pub use peer::Peer;

use super::{Lab, Result, not_yet, patience, run, wait_for, write_file};

/// Number of the peer's xfrm interface.
const XFRM_INTERFACE: u32 = 77;

/// Who is behind a NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// Nobody.
    None,
    /// Nobody, and the ends have IPv6 addresses.
    NoneV6,
    /// We are.
    Ours,
    /// The peer is.
    Theirs,
}

/// Which program the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// strongSwan with its user-space back end.
    StrongSwan,
    /// strongSwan with the kernel's ESP.
    StrongSwanKernel,
    /// libreswan, with the kernel's ESP.
    Libreswan,
    /// Our own.
    Quadspan,
}

impl Software {
    /// Whether its packets are moved by the kernel, so that they need no UDP.
    #[must_use]
    pub const fn uses_kernel(self) -> bool {
        match self {
            Self::StrongSwanKernel | Self::Libreswan => true,
            Self::StrongSwan | Self::Quadspan => false,
        }
    }
}

/// Two hosts; what runs on them goes first when dropped.
#[derive(Debug)]
pub struct Pair {
    daemon: Option<Daemon>,
    peer: Option<Peer>,
    /// What both ends are told at their next start.
    pub terms: Terms,
    /// Ours.
    pub us: Namespace,
    /// The peer's.
    pub peer_host: Namespace,
    /// Between them.
    pub nat: Option<Namespace>,
    ours: Outside,
    theirs: Outside,
    lab: Lab,
}

/// Outside addresses `(ours, the peer's)`, each as its owner and as the other knows it.
#[must_use]
pub const fn outsides(nat: Nat) -> (Outside, Outside) {
    const fn outside(local: [u8; 4], remote: [u8; 4]) -> Outside {
        const fn address([a, b, c, d]: [u8; 4]) -> IpAddr {
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        Outside { local: address(local), remote: address(remote) }
    }
    const fn v6(end: u16) -> IpAddr {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, end))
    }
    match nat {
        Nat::NoneV6 => (Outside { local: v6(1), remote: v6(9) }, Outside { local: v6(9), remote: v6(1) }),
        Nat::None => (outside([192, 0, 2, 1], [192, 0, 2, 9]), outside([192, 0, 2, 9], [192, 0, 2, 1])),
        Nat::Ours => (outside([10, 9, 1, 2], [203, 0, 113, 9]), outside([203, 0, 113, 9], [203, 0, 113, 254])),
        Nat::Theirs => (outside([198, 51, 100, 1], [198, 51, 100, 254]), outside([10, 9, 2, 2], [198, 51, 100, 1])),
    }
}

impl Pair {
    /// Lays the hosts out; nothing runs yet.
    ///
    /// # Errors
    /// When the laboratory cannot be built.
    pub fn new(nat: Nat, terms: Terms) -> Result<Self> {
        let lab = Lab::new()?;
        let (us, peer_host) = (lab.namespace("us")?, lab.namespace("peer")?);
        let (ours, theirs) = outsides(nat);
        us.make_router()?;
        peer_host.make_router()?;
        let nat = match nat {
            Nat::None | Nat::NoneV6 => {
                us.cable("wan", &peer_host, "wan")?;
                us.address("wan", &on_link(ours.local))?;
                peer_host.address("wan", &on_link(theirs.local))?;
                None
            }
            Nat::Ours => Some(translator(&lab, (&us, ours.local), (&peer_host, theirs.local), theirs.remote)?),
            Nat::Theirs => Some(translator(&lab, (&peer_host, theirs.local), (&us, ours.local), ours.remote)?),
        };
        Ok(Self { daemon: None, peer: None, terms, us, peer_host, nat, ours, theirs, lab })
    }

    /// The laboratory's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.lab.path()
    }

    /// The NAT forgets what it knew and speaks from another address and other ports, as one does that has restarted.
    ///
    /// # Errors
    /// When there is no NAT, or `ip` refuses.
    pub fn rebind(&self, from: Ipv4Addr, to: Ipv4Addr) -> Result<()> {
        let Some(nat) = &self.nat else { return not_yet("there is no NAT") };
        // A masquerading kernel forgets its mappings when the address goes.
        nat.ip(&["address", "del", &format!("{from}/24"), "dev", "outside"])?;
        nat.address("outside", &format!("{to}/24"))?;
        let masquerade = "flush chain ip nat out; add rule ip nat out oifname outside ip protocol udp masquerade to :30000-39999; \
                          add rule ip nat out oifname outside masquerade";
        run(Command::new("ip").args(["netns", "exec", nat.name(), "nft", masquerade])).map(drop)
    }

    /// The peer's host drops what arrives for this UDP port.
    ///
    /// # Errors
    /// When nftables refuses.
    pub fn block(&self, port: u16) -> Result<()> {
        let rules = format!(
            "add table inet block; add chain inet block in {{ type filter hook input priority filter; }}; \
             add rule inet block in udp dport {port} drop"
        );
        run(Command::new("ip").args(["netns", "exec", self.peer_host.name(), "nft", &rules])).map(drop)
    }

    /// Starts the peer with [`Pair::terms`]; it waits for us unless it is our own program and begins.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_peer(&mut self, software: Software, initiate: bool) -> Result<()> {
        let peer = match software {
            Software::StrongSwan => Peer::StrongSwan(self.start_swan(Backend::UserSpace)?),
            Software::StrongSwanKernel => Peer::StrongSwan(self.start_swan(Backend::Kernel(XFRM_INTERFACE))?),
            Software::Libreswan => {
                let directory = self.lab.subdirectory("pluto")?;
                let inside = format!("{PEER_INSIDE}/30");
                let swan = Libreswan::launch(&self.peer_host, &directory, &self.terms, self.theirs, &inside)?;
                Peer::Libreswan(swan)
            }
            Software::Quadspan => {
                let terms = self.terms.mirrored();
                Peer::Quadspan(launch(self.lab.path(), &self.peer_host, &terms, "peer", self.theirs, initiate)?)
            }
        };
        self.peer = Some(peer);
        Ok(())
    }

    fn start_swan(&self, backend: Backend) -> Result<StrongSwan> {
        let directory = self.lab.subdirectory("charon")?;
        copy_files(&self.terms, &directory)?;
        let text = self.swanctl(&self.terms, backend);
        StrongSwan::launch(&self.peer_host, &directory, backend, &text, &format!("{PEER_INSIDE}/30"))
    }

    fn swanctl(&self, terms: &Terms, backend: Backend) -> String {
        let number = match backend {
            Backend::UserSpace => None,
            Backend::Kernel(number) => Some(number),
        };
        terms.swanctl(self.theirs, number)
    }

    /// Gives a running strongSwan other terms than ours.
    ///
    /// # Errors
    /// When it refuses them.
    pub fn configure_swan(&self, terms: &Terms) -> Result<()> {
        copy_files(terms, &self.lab.path().join("charon"))?;
        self.swan()?.configure(&self.swanctl(terms, Backend::UserSpace))
    }

    /// Starts our process with [`Pair::terms`].
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_daemon(&mut self, initiate: bool) -> Result<()> {
        let daemon = launch(self.lab.path(), &self.us, &self.terms, "us", self.ours, initiate)?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Has our process read [`Pair::terms`] again.
    ///
    /// # Errors
    /// When it refuses them.
    pub fn reload(&self, initiate: bool) -> Result<()> {
        write_configuration(self.lab.path(), &self.terms, "us", self.ours, initiate)?;
        self.daemon()?.reload()
    }

    /// Our process.
    ///
    /// # Errors
    /// When none runs.
    pub fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().map_or_else(|| not_yet("our process does not run"), Ok)
    }

    /// The peer.
    ///
    /// # Errors
    /// When none runs.
    pub fn peer(&self) -> Result<&Peer> {
        self.peer.as_ref().map_or_else(|| not_yet("the peer does not run"), Ok)
    }

    /// The peer's charon.
    ///
    /// # Errors
    /// When the peer is another program.
    pub fn swan(&self) -> Result<&StrongSwan> {
        match self.peer()? {
            Peer::StrongSwan(swan) => Ok(swan),
            Peer::Libreswan(_) | Peer::Quadspan(_) => not_yet("the peer is not strongSwan"),
        }
    }

    /// Our account of the tunnel.
    ///
    /// # Errors
    /// When our process does not answer.
    pub fn tunnel(&self) -> Result<Value> {
        self.daemon()?.tunnel(TUNNEL)
    }

    /// Waits until both ends say that the tunnel is up.
    ///
    /// # Errors
    /// With what they say instead.
    pub fn wait_up(&self, seconds: u64) -> Result<()> {
        wait_for(patience(seconds), "both ends are up", || self.expect_up())
    }

    /// Succeeds when both ends say that the tunnel is up.
    ///
    /// # Errors
    /// With what they say instead.
    pub fn expect_up(&self) -> Result<()> {
        let tunnel = self.tunnel()?;
        if tunnel["state"] != "up" {
            return not_yet(format!("our end is {}: {}", tunnel["state"], tunnel["last_failure"]["text"]));
        }
        self.peer()?.expect_up()
    }

    /// Packets that the peer dropped itself before sending them, by its own account or by that of its kernel.
    #[must_use]
    pub fn peer_drops(&self) -> u64 {
        let kernel = statistics(&self.peer_host, |name| name.starts_with("XfrmOut"));
        kernel + self.peer.as_ref().map_or(0, Peer::dropped_outbound)
    }

    /// ESP packets for which our kernel had no SA, where it moves our packets.
    #[must_use]
    pub fn early(&self) -> u64 {
        statistics(&self.us, |name| name == "XfrmInNoStates")
    }

    /// What both ends and their kernels count of packets that did not go on.
    #[must_use]
    pub fn accounts(&self) -> String {
        let traffic = self.tunnel().map(|tunnel| tunnel["traffic"].to_string()).unwrap_or_default();
        let mut text = format!("--- us\n{traffic}\n");
        for host in [&self.us, &self.peer_host] {
            let inside = |args: &[&str]| {
                run(Command::new("ip").args(["netns", "exec", host.name()]).args(args)).unwrap_or_default()
            };
            text += &format!("--- kernel of {}\n", host.role());
            for line in inside(&["cat", "/proc/net/xfrm_stat"]).lines().filter(|line| !line.ends_with("\t0")) {
                text += &format!("{line}\n");
            }
            text += &inside(&["ip", "-s", "-o", "link"]);
        }
        text
    }

    /// The last lines of all logs.
    #[must_use]
    pub fn logs(&self, lines: usize) -> String {
        let logs =
            [("us", "us.log"), ("the peer", "peer.log"), ("charon", "charon/charon.log"), ("pluto", "pluto/pluto.log")];
        let exists = |path: &PathBuf| path.exists();
        logs.into_iter()
            .map(|(name, file)| (name, self.lab.path().join(file)))
            .filter(|(_, path)| exists(path))
            .map(|(name, path)| format!("--- {name}\n{}\n", tail(&path, lines)))
            .collect()
    }
}

/// Puts what strongSwan loads beside its configuration where it looks for it.
fn copy_files(terms: &Terms, directory: &Path) -> Result<()> {
    for (from, to) in terms.swanctl_files() {
        let target = directory.join("swanctl").join(to);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).map_err(super::LabError::io("make swanctl's folders"))?;
        }
        std::fs::copy(&from, &target).map_err(super::LabError::io(format!("copy {}", from.display())))?;
    }
    Ok(())
}

/// The sum of a kernel's counts of IPsec with such names; 0 for a kernel without ESP.
fn statistics(host: &Namespace, wanted: impl Fn(&str) -> bool) -> u64 {
    let read = run(Command::new("ip").args(["netns", "exec", host.name(), "cat", "/proc/net/xfrm_stat"]));
    let text = read.unwrap_or_default();
    let counts = text.lines().filter_map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok());
    counts.filter(|[name, _]: &[&str; 2]| wanted(name)).filter_map(|[_, count]| count.parse::<u64>().ok()).sum()
}

/// An address with the length of its network.
fn on_link(address: IpAddr) -> String {
    format!("{address}/{}", if address.is_ipv4() { 24 } else { 64 })
}

/// A host that hides `inner` behind `address` on the cable to `outer`.
fn translator(
    lab: &Lab,
    inner: (&Namespace, IpAddr),
    outer: (&Namespace, IpAddr),
    address: IpAddr,
) -> Result<Namespace> {
    let IpAddr::V4(hidden) = inner.1 else { return not_yet("nobody translates IPv6") };
    let nat = lab.namespace("nat")?;
    nat.make_router()?;
    inner.0.cable("wan", &nat, "inside")?;
    outer.0.cable("wan", &nat, "outside")?;
    let [a, b, c, _] = hidden.octets();
    let gateway = Ipv4Addr::new(a, b, c, 1);
    inner.0.address("wan", &on_link(inner.1))?;
    outer.0.address("wan", &on_link(outer.1))?;
    nat.address("inside", &on_link(gateway.into()))?;
    nat.address("outside", &on_link(address))?;
    inner.0.ip(&["route", "add", "default", "via", &gateway.to_string()])?;
    let rules = format!(
        "table ip nat {{\n chain out {{ type nat hook postrouting priority srcnat; oifname outside masquerade; }}\n \
         chain in {{ type nat hook prerouting priority dstnat; iifname outside udp dport {{ 500, 4500 }} dnat to {}; }}\n}}\n",
        inner.1
    );
    let path = lab.path().join("nat.nft");
    write_file(&path, &rules)?;
    run(Command::new("ip").args(["netns", "exec", nat.name(), "nft", "-f"]).arg(&path))?;
    Ok(nat)
}

fn write_configuration(
    directory: &Path,
    terms: &Terms,
    name: &str,
    outside: Outside,
    initiate: bool,
) -> Result<PathBuf> {
    let socket = directory.join(format!("{name}.sock"));
    let path = directory.join(format!("{name}.yaml"));
    write_file(&path, &terms.quadspan(name, outside, &socket, initiate, name == "peer"))?;
    if terms.ppk {
        super::write_secret(&directory.join(format!("{name}.ppk")), super::terms::PPK.1)?;
    }
    Ok(path)
}

fn launch(
    directory: &Path,
    host: &Namespace,
    terms: &Terms,
    name: &str,
    outside: Outside,
    initiate: bool,
) -> Result<Daemon> {
    let path = write_configuration(directory, terms, name, outside, initiate)?;
    Daemon::launch(host, directory, name, &path, directory.join(format!("{name}.sock")), false)
}
