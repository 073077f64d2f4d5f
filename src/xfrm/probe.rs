//! Whether this kernel can do it: by trying.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use wire::Secret;
use wire::ipsec::{
    Direction, Encapsulation, Encryption, EspSuite, Integrity, SaKeys, SaLifetime, SecurityAssociation, Spi,
    TrafficSelector,
};
use wire::outer::OuterHeader;

use crate::kernel::{Kernel, Links};
use crate::netlink::socket::Refusal;
use crate::netlink::state::{NewState, StateId};
use crate::owner::Owner;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What the kernel lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {remedy}")]
pub struct Missing {
    /// What was tried, and what the kernel said.
    pub what: String,
    /// What to do about it, such as the module to load.
    pub remedy: String,
}

/// Tries in the calling thread's network namespace whether there are ESP, with `suites`, and xfrm interfaces. Leaves nothing
/// behind.
///
/// # Errors
/// What is missing.
pub fn probe(suites: &[EspSuite]) -> Result<(), Missing> {
    let opened = Kernel::open().and_then(|kernel| Ok((kernel, Links::open()?)));
    let (mut kernel, mut links) = opened.map_err(|error| {
        missing("the kernel's IPsec cannot be asked", &error, "`modprobe xfrm_user` (CONFIG_XFRM_USER)")
    })?;
    // As long as the slot is held, no other process has an interface or a state with its identifiers.
    let mut owner = Owner::claim().ok();
    let if_id = identifier(&mut links, owner.as_mut());
    interface(&mut links, if_id).map_err(|error| {
        missing("no xfrm interface can be made", &error, "`modprobe xfrm_interface` (CONFIG_XFRM_INTERFACE)")
    })?;
    let any = EspSuite { encryption: Encryption::gcm16(128), integrity: None, esn: true };
    for (local, module) in [
        (V4, "`modprobe esp4` (CONFIG_INET_ESP)"),
        (IpAddr::V6(Ipv6Addr::LOCALHOST), "`modprobe esp6` (CONFIG_INET6_ESP)"),
    ] {
        let family = if local.is_ipv4() { "IPv4" } else { "IPv6" };
        state(&mut kernel, if_id, local, any)
            .map_err(|error| missing(&format!("no ESP SA can be made over {family}"), &error, module))?;
    }
    for suite in suites {
        state(&mut kernel, if_id, V4, *suite).map_err(|error| {
            let what = format!("no ESP SA can be made with {suite}, which a tunnel may negotiate");
            missing(&what, &error, "load the kernel's modules for it, or take it out of the tunnels' `esp`")
        })?;
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

/// An identifier of our own, which no interface has that a killed process left. If all are taken, the start will say so.
fn identifier(links: &mut Links, owner: Option<&mut Owner>) -> u32 {
    let links = links.list().unwrap_or_default();
    let is_free = |if_id: &u32| links.iter().all(|link| link.if_id != Some(*if_id));
    let free = owner.and_then(|owner| (0..=links.len()).map(|_| owner.next()).find(is_free));
    free.unwrap_or(0x5000_0001)
}

/// An interface that is there for a moment. Its name is as much our own as its identifier, and one that a killed process left
/// gives way.
fn interface(links: &mut Links, if_id: u32) -> io::Result<()> {
    let name = format!("qsprobe{if_id:x}");
    let remove = |links: &mut Links| {
        let found = links.list()?.into_iter().find(|link| link.name == name && link.if_id.is_some());
        found.map_or(Ok(()), |link| links.remove(link.ifindex))
    };
    remove(links)?;
    links.add(&name, if_id)?;
    remove(links).map_err(io::Error::from)
}

fn state(kernel: &mut Kernel, if_id: u32, local: IpAddr, suite: EspSuite) -> io::Result<()> {
    let end = SocketAddr::new(local, 0);
    // Not all zeros, and of 3DES no part twice: such keys are refused.
    let key = |len: usize| Secret::new((1..=u8::MAX).take(len).collect());
    let sa = SecurityAssociation {
        spi: Spi(if_id),
        suite,
        keys: SaKeys {
            encryption: key(suite.encryption.key_material_len()),
            integrity: key(suite.integrity.map_or(0, Integrity::key_len)),
        },
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
