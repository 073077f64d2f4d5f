//! Datagrams in batches: `sendmsg` with UDP segmentation, `sendmmsg`, `recvmmsg` with UDP receive offload and the
//! outer traffic class.
#![expect(unsafe_code, reason = "socket options and batch calls that no safe interface gives without a copy")]

use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr;

use libc::{c_int, c_uint, c_void, cmsghdr, iovec, mmsghdr, msghdr, sockaddr_storage};
use socket2::SockAddr;

use crate::batch::Marks;
use crate::socket::{Kind, Socket};

/// Datagrams taken in one call, at most.
pub(crate) const RECEIVE_BATCH: usize = 64;
/// Over UDP the kernel joins datagrams, so that so many fill the processor's cache already.
const UDP_BATCH: usize = 16;
/// Octets for each of them: the largest datagram, or several joined by the kernel.
pub(crate) const RECEIVE_LEN: usize = 1 << 16;
/// Room for control messages: two integers with their headers, with some to spare.
const CONTROL_LEN: usize = 96;

/// Control messages need the alignment of their header.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
struct Control([u8; CONTROL_LEN]);

/// One datagram received, or several of one length and traffic class.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Where it lies in the buffer.
    pub(crate) range: Range<usize>,
    /// Octets of each joined datagram but the last.
    pub(crate) segment: usize,
    /// The outer traffic class.
    pub(crate) tos: u8,
    /// Who sent it.
    pub(crate) from: SocketAddr,
}

/// Where the kernel puts what it says about datagrams. Kept from call to call, since it is large.
#[derive(Debug)]
pub(crate) struct Surroundings {
    names: Box<[MaybeUninit<sockaddr_storage>]>,
    controls: Box<[Control]>,
}

impl Surroundings {
    pub(crate) fn new() -> Self {
        Self {
            names: vec![MaybeUninit::zeroed(); RECEIVE_BATCH].into_boxed_slice(),
            controls: vec![Control([0; CONTROL_LEN]); RECEIVE_BATCH].into_boxed_slice(),
        }
    }
}

/// Datagrams that one call takes from this socket.
pub(crate) fn batch_of(socket: &Socket) -> usize {
    match socket.kind() {
        Kind::Esp => RECEIVE_BATCH,
        Kind::Ike | Kind::Nat => UDP_BATCH,
    }
}

/// Takes what is there, up to [`batch_of`] datagrams, into `buffer`, which has [`RECEIVE_LEN`] octets for each.
/// `received` is replaced.
pub(crate) fn receive(
    socket: &Socket,
    buffer: &mut [u8],
    surroundings: &mut Surroundings,
    received: &mut Vec<Received>,
) -> io::Result<()> {
    received.clear();
    assert!(buffer.len() >= RECEIVE_BATCH * RECEIVE_LEN, "room for a whole batch");
    let Surroundings { names, controls } = surroundings;
    let most = batch_of(socket);
    let mut vectors: [iovec; RECEIVE_BATCH] = std::array::from_fn(|index| iovec {
        iov_base: buffer[index * RECEIVE_LEN..].as_mut_ptr().cast(),
        iov_len: RECEIVE_LEN,
    });
    // SAFETY: `mmsghdr` is plain old data, for which zeros are a valid value.
    let mut headers: [mmsghdr; RECEIVE_BATCH] = unsafe { mem::zeroed() };
    for (index, header) in headers[..most].iter_mut().enumerate() {
        header.msg_hdr.msg_name = names[index].as_mut_ptr().cast();
        header.msg_hdr.msg_namelen = size::<sockaddr_storage>();
        header.msg_hdr.msg_iov = &raw mut vectors[index];
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = controls[index].0.as_mut_ptr().cast();
        header.msg_hdr.msg_controllen = CONTROL_LEN;
    }
    // SAFETY: each header points at a name, one vector and a control buffer of the stated lengths, all alive beyond
    // the call; the vectors point at disjoint parts of `buffer`, which is borrowed mutably.
    let count = unsafe {
        libc::recvmmsg(socket.raw(), headers.as_mut_ptr(), length(most), libc::MSG_DONTWAIT, ptr::null_mut())
    };
    let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    for (index, header) in headers[..count].iter().enumerate() {
        let len = header.msg_len as usize;
        let Some(from) = address(&names[index], header.msg_hdr.msg_namelen) else { continue };
        let (tos, segment) = controls_of(&header.msg_hdr);
        let start = index * RECEIVE_LEN;
        received.push(Received { range: start..start + len, segment: segment.unwrap_or(len).max(1), tos, from });
    }
    Ok(())
}

/// Sends `data` as datagrams of `segment` octets each, the last one maybe shorter, in one call.
pub(crate) fn send_segments(
    socket: &Socket,
    remote: &SockAddr,
    data: &[u8],
    segment: usize,
    marks: Marks,
) -> io::Result<()> {
    let mut control = Control([0; CONTROL_LEN]);
    let mut vector = iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let segment = (data.len() > segment).then(|| u16::try_from(segment)).transpose().map_err(io::Error::other)?;
    let header = outgoing(remote, &mut vector, &mut control, marks.tos, segment);
    let send = || {
        // SAFETY: the header points at an address, one vector and a control buffer of the stated lengths, all alive
        // beyond the call; the kernel only reads what the vector points at.
        let sent = unsafe { libc::sendmsg(socket.raw(), &raw const header, libc::MSG_DONTWAIT) };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    socket.keeping_whole(marks.whole, send)
}

/// Sends each of `ranges` of `data` as a datagram of its own. Returns how many went out, at least one.
pub(crate) fn send_each(
    socket: &Socket,
    remote: &SockAddr,
    data: &[u8],
    ranges: &[Range<usize>],
    marks: Marks,
) -> io::Result<usize> {
    const MOST: usize = 64;
    let count = ranges.len().min(MOST);
    let mut control = Control([0; CONTROL_LEN]);
    let mut vectors: [iovec; MOST] = std::array::from_fn(|index| {
        let octets = ranges.get(index).map_or(&[][..], |range| &data[range.clone()]);
        iovec { iov_base: octets.as_ptr().cast_mut().cast(), iov_len: octets.len() }
    });
    // SAFETY: `mmsghdr` is plain old data, for which zeros are a valid value.
    let mut headers: [mmsghdr; MOST] = unsafe { mem::zeroed() };
    let shared = outgoing(remote, &mut vectors[0], &mut control, marks.tos, None);
    for (header, vector) in headers[..count].iter_mut().zip(&mut vectors) {
        header.msg_hdr = shared;
        header.msg_hdr.msg_iov = vector;
    }
    let send = || {
        // SAFETY: as in `send_segments`, for each of the first `count` headers. They share address and control buffer,
        // which the kernel only reads.
        let sent = unsafe { libc::sendmmsg(socket.raw(), headers.as_mut_ptr(), length(count), libc::MSG_DONTWAIT) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    };
    socket.keeping_whole(marks.whole, send)
}

/// RFC 6040 4.2 needs the outer ECN field.
pub(crate) fn report_traffic_class(socket: &socket2::Socket, local: SocketAddr) -> io::Result<()> {
    if local.is_ipv4() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTOS, 1)
    } else {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)
    }
}

/// Whether outer packets must stay whole. Those that may be fragmented carry no "don't fragment" and are fragmented
/// here where the first link is too narrow; of the others, what is too long for the path as the kernel knows it is
/// refused.
pub(crate) fn keep_whole(socket: &socket2::Socket, local: SocketAddr, whole: bool) -> io::Result<()> {
    if local.is_ipv4() {
        let discover = if whole { libc::IP_PMTUDISC_DO } else { libc::IP_PMTUDISC_DONT };
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, discover)
    } else {
        let discover = if whole { libc::IPV6_PMTUDISC_DO } else { libc::IPV6_PMTUDISC_DONT };
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, discover)?;
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, whole.into())
    }
}

/// Octets of the largest packet that the path carries as far as the kernel knows: the MTU of the link, or what ICMP
/// told since (ip(7), `IP_MTU`).
pub(crate) fn path_mtu(local: IpAddr, remote: IpAddr) -> io::Result<usize> {
    let domain = socket2::Domain::for_address(SocketAddr::new(remote, 0));
    let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None)?;
    socket.bind(&SocketAddr::new(local, 0).into())?;
    // Connecting a datagram socket sends nothing; it finds the route.
    socket.connect(&SocketAddr::new(remote, crate::NAT_PORT).into())?;
    let (level, name) = match remote {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
        IpAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    let (mut value, mut len): (c_int, _) = (0, size::<c_int>());
    // SAFETY: the option's value is one int, for which there is room, and both live beyond the call.
    let result = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut len) };
    if result < 0 { Err(io::Error::last_os_error()) } else { usize::try_from(value).map_err(io::Error::other) }
}

/// Lets the kernel join datagrams of one sender.
pub(crate) fn enable_gro(socket: &socket2::Socket) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
}

fn set_option(socket: &socket2::Socket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    // SAFETY: the option's value is one int, alive beyond the call.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size::<c_int>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A header for sending. It points at its arguments and is good for as long as they are.
fn outgoing(remote: &SockAddr, vector: &mut iovec, control: &mut Control, tos: u8, segment: Option<u16>) -> msghdr {
    // SAFETY: `msghdr` is plain old data, for which zeros are a valid value.
    let mut header: msghdr = unsafe { mem::zeroed() };
    header.msg_name = remote.as_ptr().cast_mut().cast();
    header.msg_namelen = remote.len();
    header.msg_iov = vector;
    header.msg_iovlen = 1;
    let mut used = 0;
    if tos != 0 {
        let (level, name) =
            if remote.is_ipv4() { (libc::IPPROTO_IP, libc::IP_TOS) } else { (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) };
        used += put_control(&mut control.0[used..], level, name, &c_int::from(tos).to_ne_bytes());
    }
    if let Some(segment) = segment {
        used += put_control(&mut control.0[used..], libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
    }
    if used > 0 {
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = used;
    }
    header
}

/// Appends a control message (`CMSG_SPACE` octets of it). Header: length, level, type.
fn put_control(out: &mut [u8], level: c_int, name: c_int, value: &[u8]) -> usize {
    let head = size_of::<cmsghdr>();
    let len = head + value.len();
    let word = size_of::<usize>();
    out[..word].copy_from_slice(&len.to_ne_bytes());
    out[word..word + 4].copy_from_slice(&level.to_ne_bytes());
    out[word + 4..word + 8].copy_from_slice(&name.to_ne_bytes());
    out[head..len].copy_from_slice(value);
    len.next_multiple_of(word)
}

/// Traffic class and segment length.
fn controls_of(header: &msghdr) -> (u8, Option<usize>) {
    let (mut tos, mut segment) = (0, None);
    // SAFETY: the kernel filled in the control buffer and its length; the CMSG functions stay inside it, and return
    // null at its end.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: not null, so it is a control message header inside the buffer, aligned as `Control` is.
        let message = unsafe { &*next };
        // SAFETY: as above.
        let data: *const c_void = unsafe { libc::CMSG_DATA(next) }.cast();
        match (message.cmsg_level, message.cmsg_type) {
            (libc::IPPROTO_IP, libc::IP_TOS) => {
                // SAFETY: the kernel writes one octet of IP_TOS.
                tos = unsafe { data.cast::<u8>().read() };
            }
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                // SAFETY: the kernel writes an int of IPV6_TCLASS.
                let class = unsafe { data.cast::<c_int>().read_unaligned() };
                tos = u8::try_from(class & 0xff).unwrap_or(0);
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                // SAFETY: the kernel writes an int of UDP_GRO.
                let len = unsafe { data.cast::<c_int>().read_unaligned() };
                segment = usize::try_from(len).ok();
            }
            _ => {}
        }
        // SAFETY: as for the first.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
    (tos, segment)
}

fn address(name: &MaybeUninit<sockaddr_storage>, len: libc::socklen_t) -> Option<SocketAddr> {
    // SAFETY: zeroed at first, then filled in by the kernel: always initialised.
    let storage = unsafe { name.assume_init_ref() };
    let pointer: *const sockaddr_storage = storage;
    match c_int::from(storage.ss_family) {
        libc::AF_INET if len >= size::<libc::sockaddr_in>() => {
            // SAFETY: the family says that it is a `sockaddr_in`, and the storage is large and aligned enough.
            let name = unsafe { &*pointer.cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some((address, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 if len >= size::<libc::sockaddr_in6>() => {
            // SAFETY: the family says that it is a `sockaddr_in6`, and the storage is large and aligned enough.
            let name = unsafe { &*pointer.cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(address, u16::from_be(name.sin6_port), 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// A number of headers.
fn length(count: usize) -> c_uint {
    c_uint::try_from(count).expect("at most a batch")
}

fn size<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("socket structures are small")
}

/// The octets of an IKE message on port 4500 or a keepalive, in pieces.
pub(crate) fn send_pieces(socket: &Socket, remote: SocketAddr, pieces: &[&[u8]]) -> io::Result<()> {
    let pieces: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    socket.send(&pieces, &remote.into()).map(drop)
}
