//! The machine and the process, below all ladders.

use std::net::IpAddr;

use crate::code::Code;
use crate::evidence::{Evidence, Holder, RouterState};
use crate::finding::Findings;

/// Ports of IKE (RFC 7296 2, RFC 3948).
const IKE_PORTS: [u16; 2] = [500, 4500];

pub(crate) fn examine(evidence: &Evidence, findings: &mut Findings) {
    router(evidence, findings);
    files(evidence, findings);
    kernel(evidence, findings);
    clock(evidence, findings);
    ports(evidence, findings);
    load(evidence, findings);
    pools(evidence, findings);
}

fn router(evidence: &Evidence, findings: &mut Findings) {
    if let RouterState::Absent { reason } = &evidence.router {
        findings.fail(
            Code::NotRunning,
            None,
            reason,
            "start it with `quadspan run FILE`, or look at the log of its systemd unit; if it runs, name its socket with \
             `--socket`",
        );
    }
    for complaint in &evidence.complaints {
        findings.warn(
            Code::Complaint,
            None,
            complaint,
            "set it for good in /etc/sysctl.d, or let the process write below /proc/sys",
        );
    }
}

fn files(evidence: &Evidence, findings: &mut Findings) {
    for file in &evidence.files {
        let seen = format!("{}: {}", file.place, file.text);
        match (file.exposed, file.unusable) {
            (true, _) => findings.warn(Code::KeyExposed, None, seen, &file.remedy),
            (false, true) => findings.fail(Code::FileUnusable, None, seen, &file.remedy),
            (false, false) => {}
        }
    }
    if evidence.machine.firewall.is_none() {
        findings.warn(
            Code::FilterUnknown,
            None,
            "the packet filters of this machine are unknown",
            "run as root; install nftables if there are rules to be read",
        );
    }
}

fn kernel(evidence: &Evidence, findings: &mut Findings) {
    let machine = &evidence.machine;
    let has_v6 = evidence.tunnels.iter().any(|tunnel| tunnel.inside6_local.is_some());
    let off = [
        (machine.forwards_v4 == Some(false), "net.ipv4.ip_forward"),
        (has_v6 && machine.forwards_v6 == Some(false), "net.ipv6.conf.all.forwarding"),
    ];
    for (_, key) in off.iter().filter(|(is_off, _)| *is_off) {
        let text = format!("{key} is 0");
        let remedy = format!("run `sysctl -w {key}=1`, and put it into /etc/sysctl.d");
        // The router sets it at its start: while it does not run, nothing is lost by it.
        match evidence.router {
            RouterState::Running { .. } => findings.fail(Code::ForwardingOff, None, text, remedy),
            RouterState::Absent { .. } => findings.warn(Code::ForwardingOff, None, text, remedy),
        }
    }
    let all = machine.rp_filter.get("all").copied().unwrap_or(0);
    for tunnel in evidence.tunnels.iter().filter(|tunnel| evidence.chosen.has(&tunnel.name)) {
        let own = machine.rp_filter.get(&tunnel.interface).copied();
        // ip-sysctl: the larger of the two counts, and 1 is strict, 2 loose.
        if own.is_some_and(|own| own.max(all) == 1) {
            findings.warn(
                Code::StrictReversePath,
                Some(&tunnel.name),
                format!("rp_filter of {} is 1 (all: {all})", tunnel.interface),
                format!("run `sysctl -w net.ipv4.conf.{}.rp_filter=2`", tunnel.interface.replace('.', "/")),
            );
        }
    }
}

fn clock(evidence: &Evidence, findings: &mut Findings) {
    let clock = evidence.machine.clock;
    if clock.synchronized == Some(false) {
        findings.warn(
            Code::ClockLoose,
            None,
            "the kernel says that the clock is not synchronised",
            "run an NTP client: `apt install chrony`, or `timedatectl set-ntp true`",
        );
    }
    if clock.unix < clock.program {
        findings.fail(
            Code::ClockWrong,
            None,
            "the clock shows a time before this program was installed",
            "set the clock: `chronyc makestep`, or `timedatectl set-time`",
        );
    }
    for tunnel in evidence.tunnels.iter().filter(|tunnel| evidence.chosen.has(&tunnel.name)) {
        for certificate in tunnel.certificates.iter().filter(|it| it.not_after_unix <= clock.unix) {
            findings.warn(
                Code::CertificateRefused,
                Some(&tunnel.name),
                format!("{} expired at {}", certificate.subject, certificate.not_after),
                "renew it; if that date is still to come, the clock is wrong",
            );
        }
    }
}

fn ports(evidence: &Evidence, findings: &mut Findings) {
    let own = match evidence.router {
        RouterState::Running { pid } => Some(pid),
        RouterState::Absent { .. } => None,
    };
    let outside: Vec<IpAddr> = evidence.tunnels.iter().map(|tunnel| tunnel.local).collect();
    let concerns = |holder: &&Holder| {
        IKE_PORTS.contains(&holder.port)
            // A router that runs may be the one whose process cannot be told.
            && (own.is_none() || (holder.pid.is_some() && holder.pid != own))
            && (holder.address.is_unspecified() || outside.contains(&holder.address))
    };
    for holder in evidence.machine.holders.iter().filter(concerns) {
        let program = holder.program.as_deref().unwrap_or("a program that cannot be told");
        let pid = holder.pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        let seen = format!("{program}{pid} has UDP {}:{}", holder.address, holder.port);
        let remedy = "stop it, and keep it from starting: `systemctl disable --now strongswan ipsec`, or give it another address";
        findings.fail(Code::PortTaken, None, seen, remedy);
    }
}

fn load(evidence: &Evidence, findings: &mut Findings) {
    let machine = &evidence.machine;
    if let RouterState::Running { pid } = evidence.router {
        let own = machine.holders.iter().filter(|holder| holder.pid == Some(pid));
        let drops: u64 = own.map(|holder| holder.drops).sum();
        if drops > 0 {
            let limit = machine.rmem_max.map_or_else(String::new, |max| format!("; net.core.rmem_max is {max}"));
            findings.warn(
                Code::BuffersShort,
                None,
                format!("{drops} datagrams were dropped before they were read{limit}"),
                "run `sysctl -w net.core.rmem_max=8388608 net.core.wmem_max=8388608` and restart the router; see also the load \
                 of the machine",
            );
        }
    }
    if let Some(table) = machine.conntrack.filter(|table| table.max > 0 && table.count * 10 >= table.max * 9) {
        findings.warn(
            Code::ConntrackFull,
            None,
            format!("{} of {} connections are tracked", table.count, table.max),
            "raise net.netfilter.nf_conntrack_max, or exempt the tunnels: `notrack` for UDP 500, UDP 4500 and ESP",
        );
    }
}

fn pools(evidence: &Evidence, findings: &mut Findings) {
    for pool in evidence.pools.iter().filter(|pool| evidence.chosen.has(&pool.name)) {
        if let Some(trouble) = &pool.trouble {
            findings.fail(Code::PoolAway, Some(&pool.name), &trouble.text, &trouble.remedy);
        }
    }
}
