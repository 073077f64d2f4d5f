//! Routes of others, filters, and packets inside the tunnel.

use std::net::UdpSocket;

use proto_tests::lab::{LabError, Result, ensure, not_yet, patience, wait_for};

use crate::asking::{codes, found};
use crate::ward::{NEAR, OURS, Rules, THEIRS, Ward};

pub(crate) fn play() -> Result<()> {
    let ward = Ward::open()?;
    the_kernels_routes(&ward)?;
    the_filters_in_passing(&ward)?;
    a_way_round(&ward)?;
    refusals(&ward)?;
    the_inside(&ward)?;
    a_route_that_is_refused(&ward)?;
    the_peer_inside(&ward)
}

fn the_kernels_routes(ward: &Ward) -> Result<()> {
    for (prefix, code, severity) in [("10.2.0.0/16", "QD0601", "failure"), ("10.2.3.0/24", "QD0602", "warning")] {
        ward.us.ip(&["route", "add", prefix, "via", NEAR, "metric", "10"])?;
        let finding = ward.finds(code, severity)?;
        let text = finding["finding"].as_str().unwrap_or_default();
        ensure(text.contains(prefix) && text.contains("wan"), "the route is named", || finding.to_string())?;
        ward.us.ip(&["route", "del", prefix, "via", NEAR, "metric", "10"])?;
    }
    // The way to the target, and the target itself: nobody has this address.
    let report = ward.doctor(&["--target", "10.2.0.77"])?;
    found(&report, "QD0704", "failure")?;
    let report = ward.doctor(&["--target", "192.0.2.77"])?;
    found(&report, "QD0703", "failure").map(drop)
}

fn the_filters_in_passing(ward: &Ward) -> Result<()> {
    let cases = [
        ("chain f { type filter hook forward priority 0; policy drop; }", "QD0701", "failure"),
        // Only what begins on UDP 500 is new to it, and the tunnel lives on 4500.
        (
            "chain n { type nat hook postrouting priority 100; oifname wan udp dport 500 snat ip to 192.0.2.7; }",
            "QD0214",
            "warning",
        ),
        ("chain n { type nat hook postrouting priority 100; oifname \"qs-*\" masquerade; }", "QD0702", "warning"),
        // The tunnel stays up on UDP 4500: what is blocked is its next beginning.
        ("chain i { type filter hook input priority 0; udp dport { 400-600 } drop; }", "QD0204", "warning"),
    ];
    for (chains, code, severity) in cases {
        let _rules = Rules::add(&ward.us, chains)?;
        let finding = ward.finds(code, severity)?;
        ensure(finding["finding"].as_str().is_some_and(|text| text.contains("inet lab")), "the rule is named", || {
            finding.to_string()
        })?;
    }
    let masquerade = "chain n { type nat hook postrouting priority 100; oifname wan masquerade; }";
    let _rules = Rules::add(&ward.us, masquerade)?;
    let report = ward.doctor(&[])?;
    ensure(!codes(&report).contains(&"QD0214".to_owned()), "our address is what it would be rewritten to", || {
        report.to_string()
    })
}

/// Pings take the tunnel whatever the routes say.
fn a_way_round(ward: &Ward) -> Result<()> {
    let peer = ward.daemon()?.tunnel(ward.tunnel())?["inside_peer"].as_str().unwrap_or_default().to_owned();
    ward.us.ip(&["link", "add", "lone", "type", "veth", "peer", "name", "end"])?;
    for interface in ["lone", "end"] {
        ward.us.ip(&["link", "set", interface, "up"])?;
    }
    ward.us.ip(&["route", "add", &format!("{peer}/32"), "dev", "lone"])?;
    let report = ward.doctor(&[])?;
    ward.us.ip(&["link", "del", "lone"])?;
    let inside = &report["ladders"][0]["steps"][2];
    ensure(inside["outcome"] == "ok", "the peer's inside address answers", || report.to_string())
}

/// Packets with our SPI that the peer has not sealed.
fn refusals(ward: &Ward) -> Result<()> {
    let tunnel = ward.daemon()?.tunnel(ward.tunnel())?;
    let spi = tunnel["child"]["spi_in"].as_str().unwrap_or_default();
    let Ok(spi) = u32::from_str_radix(spi.trim_start_matches("0x"), 16) else {
        return not_yet(format!("no SPI in {tunnel}"));
    };
    let sent = ward.peer_host.enter(|| -> std::io::Result<()> {
        let socket = UdpSocket::bind((THEIRS, 0))?;
        for number in 100_000_u32..100_400 {
            let packet = [&spi.to_be_bytes()[..], &number.to_be_bytes(), &[0x51; 72]].concat();
            socket.send_to(&packet, (OURS, 4500))?;
        }
        Ok(())
    })?;
    sent.map_err(LabError::io("send packets"))?;
    let finding = ward.finds("QD0307", "warning")?;
    let text = finding["finding"].as_str().unwrap_or_default();
    ensure(text.contains("integrity"), "why they are refused", || finding.to_string())
}

/// Somebody else's route is where ours should be, with our metric.
fn a_route_that_is_refused(ward: &Ward) -> Result<()> {
    let ours = |wanted: bool| {
        let routes = ward.us.ip_json(&["route", "show", "10.2.0.0/16"])?;
        let list = routes.as_array().cloned().unwrap_or_default();
        ensure(list.is_empty() != wanted, "our route", || routes.to_string())?;
        Ok(list.first().and_then(|route| route["metric"].as_u64()).unwrap_or_default())
    };
    let metric = wait_for(patience(10), "our route", || ours(true))?.to_string();
    ward.peer.order(&["bgp", "shutdown", ward.tunnel()])?;
    wait_for(patience(10), "our route is gone", || ours(false))?;
    let foreign = ["10.2.0.0/16", "via", NEAR, "metric", &metric];
    ward.us.ip(&[&["route", "add"], &foreign[..]].concat())?;
    ward.peer.order(&["bgp", "enable", ward.tunnel()])?;
    ward.finds("QD0603", "failure")?;
    ward.finds("QD0604", "warning")?;
    ward.us.ip(&[&["route", "del"], &foreign[..]].concat())?;
    ward.wait_well()
}

/// Somebody leads the peer's outside address into the tunnel.
fn the_peer_inside(ward: &Ward) -> Result<()> {
    let theirs = THEIRS.to_string();
    ward.us.ip(&["route", "replace", &theirs, "dev", &ward.interface()?])?;
    asked_and_undone(ward, || ward.finds("QD0203", "warning").map(drop))
}

fn asked_and_undone(ward: &Ward, ask: impl FnOnce() -> Result<()>) -> Result<()> {
    let answer = ask();
    ward.us.ip(&["route", "replace", &THEIRS.to_string(), "via", NEAR])?;
    answer
}

fn the_inside(ward: &Ward) -> Result<()> {
    ward.us.address("wan", "169.254.21.9/28")?;
    ward.finds("QD0402", "failure")?;
    ward.us.ip(&["address", "del", "169.254.21.9/28", "dev", "wan"])?;

    {
        let _rules =
            Rules::add(&ward.peer_host, "chain i { type filter hook input priority 0; icmp type echo-request drop; }")?;
        ward.finds("QD0403", "warning")?;
    }
    // Large packets are dropped on their way, in the tunnel's own UDP, and nobody says so.
    let _rules =
        Rules::add(&ward.peer_host, "chain i { type filter hook prerouting priority -300; udp length > 1200 drop; }")?;
    let finding = ward.finds("QD0404", "failure")?;
    let remedy = finding["remedy"].as_str().unwrap_or_default();
    let size =
        remedy.split("mtu: ").nth(1).and_then(|rest| rest.split('`').next()).and_then(|it| it.parse::<u32>().ok());
    // UDP of 1200 octets holds 8 of its header, 8 of ESP's, 8 of the vector, 16 of the tag and 2 of the trailer.
    ensure(size.is_some_and(|size| (1140..=1160).contains(&size)), "the size that passes", || finding.to_string())
}
