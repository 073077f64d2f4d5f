//! What /proc and the clock show.

use std::collections::BTreeMap;
use std::fs;
use std::time::UNIX_EPOCH;

use doctor::{Clock, Conntrack, Holder, Machine, sockets};

/// Ports of IKE.
const PORTS: [u16; 2] = [500, 4500];

/// All of it but interfaces, addresses and filters.
pub(super) fn look() -> Machine {
    Machine {
        clock: clock(),
        forwards_v4: flag("net/ipv4/ip_forward"),
        forwards_v6: flag("net/ipv6/conf/all/forwarding"),
        rp_filter: reverse_path(),
        holders: holders(),
        rmem_max: number("net/core/rmem_max"),
        conntrack: number("net/netfilter/nf_conntrack_count")
            .zip(number("net/netfilter/nf_conntrack_max"))
            .map(|(count, max)| Conntrack { count, max }),
        ..Machine::default()
    }
}

fn number(key: &str) -> Option<u64> {
    fs::read_to_string(format!("/proc/sys/{key}")).ok()?.trim().parse().ok()
}

fn flag(key: &str) -> Option<bool> {
    number(key).map(|value| value != 0)
}

fn reverse_path() -> BTreeMap<String, u8> {
    let Ok(interfaces) = fs::read_dir("/proc/sys/net/ipv4/conf") else { return BTreeMap::new() };
    let value = |name: String| {
        let value = number(&format!("net/ipv4/conf/{name}/rp_filter"))?;
        Some((name, u8::try_from(value).ok()?))
    };
    interfaces.filter_map(|entry| value(entry.ok()?.file_name().into_string().ok()?)).collect()
}

fn clock() -> Clock {
    let seconds = |time: std::time::SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let program = std::env::current_exe().and_then(fs::metadata).and_then(|file| file.modified());
    Clock {
        unix: seconds(std::time::SystemTime::now()),
        synchronized: synchronized(),
        program: program.map_or(0, seconds),
    }
}

/// Whether a time service keeps the clock (adjtimex(2)).
#[expect(unsafe_code, reason = "no library asks the kernel")]
fn synchronized() -> Option<bool> {
    // SAFETY: all fields are numbers, for which zero is a value; `modes: 0` asks and sets nothing.
    let (state, asked) = unsafe {
        let mut asked: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut asked), asked)
    };
    (state >= 0).then_some(asked.status & libc::STA_UNSYNC == 0)
}

/// Who has the ports of IKE in this network namespace.
fn holders() -> Vec<Holder> {
    let texts = ["/proc/net/udp", "/proc/net/udp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let found: Vec<_> =
        texts.iter().flat_map(|text| sockets::read(text)).filter(|it| PORTS.contains(&it.port)).collect();
    let owners = if found.is_empty() { BTreeMap::new() } else { owners() };
    let holder = |socket: sockets::UdpSocket| {
        let pid = owners.get(&socket.inode).copied();
        let program = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
        Holder {
            address: socket.address,
            port: socket.port,
            pid,
            program: program.map(|name| name.trim().to_owned()),
            drops: socket.drops,
        }
    };
    found.into_iter().map(holder).collect()
}

/// Processes by the inodes of their sockets.
fn owners() -> BTreeMap<u64, u32> {
    let mut owners = BTreeMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return owners };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    for pid in pids {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for link in files.filter_map(|file| fs::read_link(file.ok()?.path()).ok()) {
            let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            owners.extend(inode.map(|inode: u64| (inode, pid)));
        }
    }
    owners
}
