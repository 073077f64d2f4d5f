//! What keeps strangers out of a session's TCP: TCP MD5 (RFC 2385) and the lowest TTL taken (RFC 5082).
//!
//! The libraries have no names for these options, so that they are set here octet by octet.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use ipnet::IpNet;
use socket2::SockRef;
use wire::Secret;

/// Lets segments from and to `peer` pass only if they are signed with `key`. On a listening socket it has to be there
/// before the peer connects.
///
/// # Errors
///
/// Those of the system, such as a key of more than 80 octets.
pub fn sign(socket: &impl AsRawFd, peer: IpNet, key: &Secret) -> io::Result<()> {
    let option = Md5Option::new(peer, key)?;
    set(socket, libc::IPPROTO_TCP, TCP_MD5SIG_EXT, option.0.expose())
}

/// Takes packets only from at most `hops` hops away, where 1 is a neighbour, and sends ours so that the peer can do the
/// same.
pub(super) fn bound_distance(socket: &SockRef<'_>, local: SocketAddr, hops: u8) -> io::Result<()> {
    // RFC 5082 3: what left the peer with 255 lost one at each router on the way.
    let lowest = i32::from(u8::MAX - (hops.max(1) - 1));
    if local.is_ipv4() {
        socket.set_ttl_v4(u8::MAX.into())?;
        set(&**socket, libc::IPPROTO_IP, libc::IP_MINTTL, &lowest.to_ne_bytes())
    } else {
        socket.set_unicast_hops_v6(u8::MAX.into())?;
        set(&**socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, &lowest.to_ne_bytes())
    }
}

/// Has connections that come in know the packet that opened them; see [`came_from_within`].
pub(super) fn keep_first_packets(listener: &impl AsRawFd) -> io::Result<()> {
    set(listener, libc::IPPROTO_TCP, TCP_SAVE_SYN, &1_i32.to_ne_bytes())
}

/// Whether the packet that opened an accepted connection came from at most `hops` hops away, where 1 is a neighbour. One
/// that the kernel did not keep, as under a flood of them, came from anywhere.
#[must_use]
pub fn came_from_within(stream: &impl AsRawFd, hops: u8) -> bool {
    let mut packet = [0; LONGEST_FIRST_PACKET];
    let Ok(packet) = get(stream, libc::IPPROTO_TCP, TCP_SAVED_SYN, &mut packet) else { return false };
    let left = match packet {
        [first, ..] if first >> 4 == 4 => packet.get(8),
        [first, ..] if first >> 4 == 6 => packet.get(7),
        _ => None,
    };
    // RFC 5082 3
    left.is_some_and(|left| *left >= u8::MAX - (hops.max(1) - 1))
}

/// `linux/tcp.h`
const TCP_SAVE_SYN: libc::c_int = 27;
const TCP_SAVED_SYN: libc::c_int = 28;
/// Octets of the headers of IPv6 with some extensions, and TCP.
const LONGEST_FIRST_PACKET: usize = 512;

/// `linux/tcp.h`: with a prefix of addresses instead of one.
const TCP_MD5SIG_EXT: libc::c_int = 32;
const FLAG_PREFIX: u8 = 1;
const LONGEST_KEY: usize = 80;

/// `struct tcp_md5sig`, wiped when dropped.
///
/// ```text
///  0                 128     129          130            132              136        216
///  | sockaddr_storage | flags | prefix len | key len (2) | ifindex, 0 (4) | key (80) |
/// ```
struct Md5Option(Secret);

impl Md5Option {
    fn new(peer: IpNet, key: &Secret) -> io::Result<Self> {
        let too_long = || io::Error::new(io::ErrorKind::InvalidInput, "a TCP MD5 key has 1 to 80 octets");
        let length = u16::try_from(key.len()).ok().filter(|length| (1..=80).contains(length)).ok_or_else(too_long)?;
        let mut option = vec![0; 216];
        let family = match peer.network() {
            IpAddr::V4(address) => {
                option[4..8].copy_from_slice(&address.octets());
                libc::AF_INET
            }
            IpAddr::V6(address) => {
                option[8..24].copy_from_slice(&address.octets());
                libc::AF_INET6
            }
        };
        let family = u16::try_from(family).map_err(|_| too_long())?;
        option[..2].copy_from_slice(&family.to_ne_bytes());
        option[128] = FLAG_PREFIX;
        option[129] = peer.prefix_len();
        option[130..132].copy_from_slice(&length.to_ne_bytes());
        option[136..136 + key.len().min(LONGEST_KEY)].copy_from_slice(key.expose());
        Ok(Self(Secret::new(option)))
    }
}

#[expect(unsafe_code, reason = "no library knows these options")]
fn set(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: &[u8]) -> io::Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length are those of `value`, which the kernel copies and which lives until it returned.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value.as_ptr().cast(), length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[expect(unsafe_code, reason = "no library knows these options")]
fn get<'a>(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut length = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the length are those of `value`, which the kernel writes at most all of before it returns.
    match unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut length) } {
        0 => value.get(..usize::try_from(length).map_err(io::Error::other)?).ok_or(io::ErrorKind::InvalidData.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_laid_out_as_the_kernel_reads_it() {
        let key = Secret::from(b"abc".as_slice());
        let v4 = Md5Option::new("169.254.21.1/32".parse().unwrap(), &key).unwrap();
        let v4 = v4.0.expose();
        assert_eq!((&v4[..2], &v4[4..8]), (&2_u16.to_ne_bytes()[..], &[169, 254, 21, 1][..]));
        assert_eq!((v4[128], v4[129], &v4[130..132], &v4[136..140]), (1, 32, &3_u16.to_ne_bytes()[..], &b"abc\0"[..]));
        let v6 = Md5Option::new("2001:db8::/64".parse().unwrap(), &key).unwrap();
        let v6 = v6.0.expose();
        assert_eq!((&v6[..2], &v6[8..12], v6[129]), (&10_u16.to_ne_bytes()[..], &[0x20, 1, 0xd, 0xb8][..], 64));
        for length in [0, 81] {
            let key = Secret::new(vec![b'x'; length]);
            assert!(Md5Option::new("10.0.0.1/32".parse().unwrap(), &key).is_err(), "{length} octets");
        }
    }

    #[test]
    fn signed_connections_need_the_same_key_and_distant_ones_are_refused() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let peer: IpNet = "127.0.0.1/32".parse().unwrap();
        sign(&listener, peer, &Secret::from(b"one".as_slice())).unwrap();
        bound_distance(&SockRef::from(&listener), local, 1).unwrap();
        let connect = |key: &[u8], hops: u8| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            sign(&socket, peer, &Secret::from(key)).unwrap();
            bound_distance(&SockRef::from(&socket), local, hops).unwrap();
            if hops > 1 {
                socket.set_ttl_v4(u32::from(u8::MAX) - 1).unwrap();
            }
            socket.connect_timeout(&local.into(), std::time::Duration::from_millis(300))
        };
        assert!(connect(b"one", 1).is_ok());
        assert!(connect(b"two", 1).is_err(), "another key");
        assert!(connect(b"one", 2).is_err(), "from two hops away");
    }

    #[test]
    fn how_far_a_connection_came_is_seen_from_its_first_packet() {
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let listener = std::net::TcpListener::bind(local).unwrap();
            keep_first_packets(&listener).unwrap();
            let local = listener.local_addr().unwrap();
            let accepted = |ttl: u32| {
                let domain = socket2::Domain::for_address(local);
                let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).unwrap();
                if local.is_ipv4() { socket.set_ttl_v4(ttl) } else { socket.set_unicast_hops_v6(ttl) }.unwrap();
                socket.connect(&local.into()).unwrap();
                listener.accept().unwrap().0
            };
            assert!(came_from_within(&accepted(255), 1));
            assert!(!came_from_within(&accepted(254), 1) && came_from_within(&accepted(254), 2));
            assert!(!came_from_within(&accepted(64), 191) && came_from_within(&accepted(64), 192));
            let unknown = std::net::TcpStream::connect(local).unwrap();
            assert!(!came_from_within(&unknown, 254), "nothing was kept of a connection of our own");
        }
    }
}
