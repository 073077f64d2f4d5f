//! TUN interfaces with offloads: one read or write carries up to 64 KB of one flow under one header.
#![expect(unsafe_code, reason = "ioctl, and reads and writes with their virtio header beside the packet")]

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

/// Largest read: the virtio header and one packet.
pub(crate) const READ_LEN: usize = crate::packet::virtio::LEN + 65_535;

/// An open TUN. The interface lives as long as this does.
#[derive(Debug)]
pub(crate) struct Tun {
    file: File,
    udp_offload: bool,
}

impl Tun {
    /// Makes the interface `name`, of 1 to 15 octets, in the network namespace of the calling thread.
    pub(crate) fn create(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
        set_interface(&file, name)?;
        let basic = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
        let udp_offload = set_offload(&file, basic | libc::TUN_F_USO4 | libc::TUN_F_USO6).is_ok();
        if !udp_offload {
            // Kernels before 6.2.
            set_offload(&file, basic)?;
        }
        Ok(Self { file, udp_offload })
    }

    /// Whether the kernel takes and gives UDP datagrams of one flow joined.
    pub(crate) fn udp_offload(&self) -> bool {
        self.udp_offload
    }

    /// Reads a virtio header and a packet. `WouldBlock` when there is none.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(buffer)
    }

    /// Writes a virtio header and a packet, in pieces.
    pub(crate) fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces {
            [piece] => (&self.file).write(piece),
            pieces => (&self.file).write_vectored(pieces),
        }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn set_interface(file: &File, name: &str) -> io::Result<()> {
    // SAFETY: `ifreq` is plain old data, for which zeros are a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let room = request.ifr_name.len() - 1;
    for (to, from) in request.ifr_name[..room].iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
    request.ifr_ifru.ifru_flags = libc::c_short::from_ne_bytes(low_half(flags));
    // SAFETY: TUNSETIFF reads and writes one `ifreq`, which lives beyond the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn low_half(flags: libc::c_int) -> [u8; 2] {
    let [.., high, low] = flags.to_be_bytes();
    u16::from_be_bytes([high, low]).to_ne_bytes()
}

fn set_offload(file: &File, features: libc::c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(features)) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
