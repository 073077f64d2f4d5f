//! `/proc/net/udp` and `/proc/net/udp6` (proc_pid_net(5)): who has which port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpSocket {
    /// Its own address.
    pub address: IpAddr,
    /// Its own port.
    pub port: u16,
    /// Its inode, by which its process is found.
    pub inode: u64,
    /// Datagrams dropped for want of buffer.
    pub drops: u64,
}

/// Sockets in the text of either file; lines that are not understood are left out.
pub fn read(text: &str) -> impl Iterator<Item = UdpSocket> + '_ {
    text.lines().skip(1).filter_map(socket)
}

fn socket(line: &str) -> Option<UdpSocket> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (address, port) = words.get(1)?.split_once(':')?;
    Some(UdpSocket {
        address: self::address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        inode: words.get(9)?.parse().ok()?,
        drops: words.get(12).and_then(|drops| drops.parse().ok()).unwrap_or(0),
    })
}

/// Words of the machine's own byte order, each in hexadecimal.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(index * 8)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}
