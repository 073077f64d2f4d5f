//! UDP 500 and 4500: IKE comes and goes here. ESP on port 4500 never gets out of the kernel.
#![expect(unsafe_code, reason = "socket options that no safe interface gives")]

use std::io::{self, IoSlice};
use std::mem::size_of_val;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dataplane::{EngineCounters, Error, Event, IKE_PORT, NAT_PORT, bind_udp};
use libc::c_int;
use socket2::SockRef;
use tokio::sync::mpsc;

use crate::netlink::fields::{AF_INET, AF_INET6};
use crate::netlink::policy::bypass;
use crate::plan::Way;

/// `IP_XFRM_POLICY`.
const IP_XFRM_POLICY: c_int = 17;
/// `IPV6_XFRM_POLICY`.
const IPV6_XFRM_POLICY: c_int = 35;
/// `UDP_ENCAP_ESPINUDP`.
const ESP_IN_UDP: c_int = 2;
/// RFC 3948 2.2: what tells IKE from ESP on port 4500.
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// RFC 3948 2.3.
const KEEPALIVE: [u8; 1] = [0xff];
/// The largest datagram.
const LARGEST: usize = 1 << 16;

/// What was counted of IKE.
#[derive(Debug, Default)]
pub(crate) struct IkeCounters {
    malformed: AtomicU64,
    keepalives_out: AtomicU64,
    ike_in: AtomicU64,
    ike_dropped: AtomicU64,
}

impl IkeCounters {
    /// All of it, with the ESP packets for no SA that the kernel counted.
    pub(crate) fn snapshot(&self, unknown_spi: u64) -> EngineCounters {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        EngineCounters {
            unknown_spi,
            malformed: value(&self.malformed),
            keepalives_out: value(&self.keepalives_out),
            ike_in: value(&self.ike_in),
            ike_dropped: value(&self.ike_dropped),
            ..EngineCounters::default()
        }
    }
}

/// The sockets of all local addresses.
#[derive(Debug)]
pub(crate) struct Sockets(Vec<(SocketAddr, Arc<UdpSocket>)>);

impl Sockets {
    pub(crate) fn open(addresses: &[IpAddr]) -> Result<Self, Error> {
        let mut sockets = Vec::new();
        for address in addresses {
            if address.is_unspecified() {
                return Err(Error::UnspecifiedAddress(*address));
            }
            for port in [IKE_PORT, NAT_PORT] {
                let local = SocketAddr::new(*address, port);
                let socket = bind_udp(local, |socket| prepare(socket, local))?;
                sockets.push((local, Arc::new(socket.into())));
            }
        }
        Ok(Self(sockets))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(SocketAddr, Arc<UdpSocket>)> {
        self.0.iter()
    }

    /// Whether there are sockets on an address.
    pub(crate) fn serve(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(local, _)| local.ip() == address)
    }

    fn bound_to(&self, local: SocketAddr) -> io::Result<&UdpSocket> {
        let found = self.0.iter().find(|(bound, _)| *bound == local);
        found.map(|(_, socket)| &**socket).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// Sends an IKE message.
    pub(crate) fn send_ike(&self, local: SocketAddr, remote: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let socket = SockRef::from(self.bound_to(local)?);
        let marker = if local.port() == NAT_PORT { &NON_ESP_MARKER[..] } else { &[] };
        socket.send_to_vectored(&[IoSlice::new(marker), IoSlice::new(datagram)], &remote.into()).map(drop)
    }

    /// RFC 3948 4: a single 0xFF keeps the NAT's mapping when nothing else does.
    pub(crate) fn keep_alive(&self, local: SocketAddr, remote: SocketAddr, counters: &IkeCounters) {
        match self.bound_to(local).and_then(|socket| socket.send_to(&KEEPALIVE, remote)) {
            Ok(_) => {
                counters.keepalives_out.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "keepalive not sent"),
        }
    }
}

/// Hands over what comes to one socket, until the process is gone.
pub(crate) async fn receive(
    local: SocketAddr,
    socket: Arc<UdpSocket>,
    events: mpsc::Sender<Event>,
    counters: Arc<IkeCounters>,
) {
    let socket = match socket.try_clone().and_then(tokio::net::UdpSocket::from_std) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(%error, %local, "cannot receive"),
    };
    let mut buffer = vec![0; LARGEST];
    while !events.is_closed() {
        let (len, remote) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // An ICMP error about something sent earlier, for instance.
                tracing::debug!(%error, %local, "cannot receive");
                continue;
            }
        };
        let datagram = match (local.port(), &buffer[..len]) {
            (NAT_PORT, datagram) => datagram.strip_prefix(&NON_ESP_MARKER),
            (_, datagram) => Some(datagram),
        };
        let Some(datagram) = datagram else {
            counters.malformed.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let taken = events.try_send(Event::Ike { local, remote, datagram: datagram.to_vec() }).is_ok();
        let counter = if taken { &counters.ike_in } else { &counters.ike_dropped };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// IKE passes whatever policies say, ours or those of others, and on port 4500 the kernel takes ESP.
fn prepare(socket: &socket2::Socket, local: SocketAddr) -> io::Result<()> {
    let (level, name, family) = if local.is_ipv4() {
        (libc::IPPROTO_IP, IP_XFRM_POLICY, AF_INET)
    } else {
        (libc::IPPROTO_IPV6, IPV6_XFRM_POLICY, AF_INET6)
    };
    for way in [Way::In, Way::Out] {
        set_option(socket, level, name, &bypass(way, family))?;
    }
    if local.port() == NAT_PORT {
        set_option(socket, libc::SOL_UDP, libc::UDP_ENCAP, &ESP_IN_UDP.to_ne_bytes())?;
    }
    Ok(())
}

fn set_option(socket: &socket2::Socket, level: c_int, name: c_int, value: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of_val(value)).map_err(io::Error::other)?;
    // SAFETY: the kernel reads `len` octets, which is what `value` has, and it is alive beyond the call.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), len) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
