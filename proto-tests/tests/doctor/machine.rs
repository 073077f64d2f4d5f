//! Settings, files, sockets and addresses of the machine.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proto_tests::lab::{LabError, Result, ensure, not_yet, run, write_secret};

use crate::asking::{codes, found};
use crate::ward::{NEAR, OURS, THEIRS, Ward};

/// What the machine that the laboratory runs on may have by itself: nobody keeps its clock.
const OF_THE_HOST: &[&str] = &["QD0105"];
/// UDP 4500 as /proc/net/udp has it.
const PORT: &str = ":1194";

pub(crate) fn play() -> Result<()> {
    let mut ward = Ward::open()?;
    well(&ward)?;
    the_machine(&ward)?;
    the_buffers(&ward)?;
    the_interface(&ward)?;
    the_place(&ward)?;
    without_the_router(&mut ward)
}

/// Nothing is found where nothing is wrong.
fn well(ward: &Ward) -> Result<()> {
    let report = ward.doctor(&[])?;
    ensure(codes(&report).iter().all(|code| OF_THE_HOST.contains(&code.as_str())), "no findings", || {
        report.to_string()
    })?;
    let steps = report["ladders"][0]["steps"].as_array().cloned().unwrap_or_default();
    ensure(steps.len() == 6 && steps.iter().all(|step| step["outcome"] == "ok"), "six rungs carry", || {
        report.to_string()
    })
}

fn the_machine(ward: &Ward) -> Result<()> {
    ward.us.sysctl("net.ipv4.ip_forward", "0")?;
    ward.finds("QD0103", "failure")?;
    ward.us.sysctl("net.ipv4.ip_forward", "1")?;

    let interface = ward.interface()?;
    ward.us.sysctl(&format!("net.ipv4.conf.{interface}.rp_filter"), "1")?;
    ward.finds("QD0104", "warning")?;
    ward.us.sysctl(&format!("net.ipv4.conf.{interface}.rp_filter"), "2")?;

    let chmod = |mode| run(Command::new("chmod").arg(mode).arg(ward.key())).map(drop);
    chmod("0644")?;
    ward.finds("QD0110", "warning")?;
    chmod("0600")?;

    write_secret(&ward.key(), "")?;
    ward.finds("QD0111", "failure")?;
    write_secret(&ward.key(), &ward.our_file.tunnels[0].psk)
}

/// Datagrams of the router's that the kernel has dropped.
fn dropped(ward: &Ward) -> Result<u64> {
    let text = run(Command::new("ip").args(["netns", "exec", ward.us.name(), "cat", "/proc/net/udp"]))?;
    let lines = text.lines().filter(|line| line.split_whitespace().nth(1).is_some_and(|it| it.ends_with(PORT)));
    Ok(lines.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum())
}

/// More comes than a router that stands still can read.
fn the_buffers(ward: &Ward) -> Result<()> {
    let status = ward.daemon()?.ask(&["status"])?;
    let pid = status["router"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let Some(pid) = pid.map(Pid::from_raw) else { return not_yet(format!("no pid in {status}")) };
    let signal = |signal| kill(pid, signal).map_err(LabError::errno("signal our process"));
    signal(Signal::SIGSTOP)?;
    let flooded = ward.peer_host.enter(|| -> Result<()> {
        let socket = UdpSocket::bind((THEIRS, 0)).map_err(LabError::io("bind"))?;
        for _ in 0..60 {
            for _ in 0..1000 {
                let _a_full_queue = socket.send_to(&[0x51; 1400], (OURS, 4500));
            }
            if dropped(ward)? > 0 {
                return Ok(());
            }
        }
        not_yet("nothing was dropped")
    });
    signal(Signal::SIGCONT)?;
    flooded??;
    ward.finds("QD0108", "warning")?;
    ward.wait_well()
}

fn the_interface(ward: &Ward) -> Result<()> {
    let interface = ward.interface()?;
    ward.us.ip(&["link", "set", &interface, "down"])?;
    ward.finds("QD0401", "failure")?;
    ward.us.ip(&["link", "set", &interface, "up"])?;
    ward.reset()?;
    ward.wait_well()
}

fn the_place(ward: &Ward) -> Result<()> {
    ward.us.ip(&["route", "del", &THEIRS.to_string()])?;
    ward.reset()?;
    ward.finds("QD0202", "failure")?;
    ward.us.ip(&["route", "add", &THEIRS.to_string(), "via", NEAR])?;
    ward.reset()?;
    ward.wait_well()
}

fn without_the_router(ward: &mut Ward) -> Result<()> {
    ward.daemon.take().map_or(Ok(()), |daemon| daemon.stop().map(drop))?;
    let file = ward.our_path();
    let report = ward.doctor(&["-c", &file])?;
    found(&report, "QD0101", "failure")?;
    ensure(!codes(&report).contains(&"QD0107".to_owned()), "the ports are free", || report.to_string())?;

    let other =
        ward.us.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 500)))?.map_err(LabError::io("take UDP 500"))?;
    let finding = found(&ward.doctor(&["-c", &file])?, "QD0107", "failure")?;
    ensure(finding["finding"].as_str().is_some_and(|text| text.contains("pid")), "whose it is", || {
        finding.to_string()
    })?;
    drop(other);

    ward.us.ip(&["address", "del", &format!("{OURS}/24"), "dev", "wan"])?;
    found(&ward.doctor(&["-c", &file])?, "QD0201", "failure").map(drop)
}
