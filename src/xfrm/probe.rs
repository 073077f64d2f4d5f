//! Whether this kernel can do it: by trying.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wire::Secret;
use wire::ipsec::{
    Direction, Encapsulation, Encryption, EspSuite, SaKeys, SaLifetime, SecurityAssociation, Spi, TrafficSelector,
};
use wire::outer::OuterHeader;

use crate::kernel::Kernel;
use crate::netlink::socket::Refusal;
use crate::netlink::state::{NewState, StateId};
use crate::owner::Owner;

/// The name of an interface that is there for a moment.
const NAME: &str = "quadspan-probe";

/// What the kernel lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {remedy}")]
pub struct Missing {
    /// What was tried, and what the kernel said.
    pub what: String,
    /// What to do about it, such as the module to load.
    pub remedy: String,
}

/// Tries in the calling thread's network namespace whether there are ESP and xfrm interfaces. Leaves nothing behind.
///
/// # Errors
/// What is missing.
pub fn probe() -> Result<(), Missing> {
    let mut kernel = Kernel::open().map_err(|error| {
        missing("the kernel's IPsec cannot be asked", &error, "`modprobe xfrm_user` (CONFIG_XFRM_USER)")
    })?;
    let if_id = identifier(&mut kernel);
    interface(&mut kernel, if_id).map_err(|error| {
        missing("no xfrm interface can be made", &error, "`modprobe xfrm_interface` (CONFIG_XFRM_INTERFACE)")
    })?;
    for (local, module) in [
        (IpAddr::V4(Ipv4Addr::LOCALHOST), "`modprobe esp4` (CONFIG_INET_ESP)"),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), "`modprobe esp6` (CONFIG_INET6_ESP)"),
    ] {
        let family = if local.is_ipv4() { "IPv4" } else { "IPv6" };
        state(&mut kernel, if_id, local)
            .map_err(|error| missing(&format!("no ESP SA can be made over {family}"), &error, module))?;
    }
    Ok(())
}

fn missing(what: &str, error: &io::Error, remedy: &str) -> Missing {
    let remedy = if error.kind() == io::ErrorKind::PermissionDenied {
        "run as root, or with CAP_NET_ADMIN".to_owned()
    } else {
        format!("{remedy}, or use the engine in user space")
    };
    Missing { what: format!("{what} ({error})"), remedy }
}

/// An identifier of its own, which no interface has that a killed process left. If all are taken, the start will say so.
fn identifier(kernel: &mut Kernel) -> u32 {
    let links = kernel.links().unwrap_or_default();
    let is_free = |if_id: &u32| links.iter().all(|link| link.if_id != Some(*if_id));
    let own = Owner::claim().ok();
    let free = own.and_then(|mut owner| (0..=links.len()).map(|_| owner.next()).find(is_free));
    free.unwrap_or(0x5000_0001)
}

fn interface(kernel: &mut Kernel, if_id: u32) -> io::Result<()> {
    kernel.add_link(NAME, if_id)?;
    let made = kernel.links()?.into_iter().find(|link| link.name == NAME);
    made.map_or(Ok(()), |link| kernel.remove_link(link.ifindex)).map_err(io::Error::from)
}

fn state(kernel: &mut Kernel, if_id: u32, local: IpAddr) -> io::Result<()> {
    let encryption = Encryption::gcm16(128);
    let end = SocketAddr::new(local, 0);
    let sa = SecurityAssociation {
        spi: Spi(if_id),
        suite: EspSuite { encryption, integrity: None, esn: true },
        keys: SaKeys { encryption: Secret::new(vec![0; encryption.key_material_len()]), integrity: Secret::default() },
        local: end,
        remote: end,
        encapsulation: Encapsulation::Esp,
        replay_window: 64,
        lifetime: SaLifetime::default(),
        local_selectors: vec![TrafficSelector::ANY_V4],
        remote_selectors: vec![TrafficSelector::ANY_V4],
    };
    let (direction, outer) = (Direction::Inbound, OuterHeader::default());
    let new = NewState { direction, sa: &sa, if_id, reqid: 1, outer, progress: None };
    match kernel.add_state(&new) {
        Err(refusal) if !refusal.is(libc::EEXIST) => return Err(refusal.into()),
        Ok(()) | Err(_) => {}
    }
    kernel.remove_state(StateId::of(direction, &sa)).map_err(Refusal::into)
}
