//! The BGP session.

use proto_tests::lab::{Result, ensure, patience, wait_for};

use crate::ward::{Rules, Ward};

const NO_TCP: &str = "chain i { type filter hook input priority 0; meta l4proto tcp drop; }; \
                      chain o { type filter hook output priority 0; meta l4proto tcp drop; }";

pub(crate) fn play() -> Result<()> {
    let ward = Ward::open()?;
    what_is_exchanged(&ward)?;
    the_ends_disagree(&ward)?;
    silence(&ward)?;
    the_session(&ward)
}

fn what_is_exchanged(ward: &Ward) -> Result<()> {
    let (ours, theirs) = ("    - 10.1.0.0/16\n", "    - 10.2.0.0/16\n");
    ward.ours_with(&[(ours, ""), ("  networks:\n", "")])?;
    ward.finds("QD0511", "warning")?;
    // One more network than may be announced, which the file alone does not tell.
    ward.us.ip(&["link", "add", "lan", "type", "veth", "peer", "name", "far"])?;
    ward.us.address("lan", "10.9.0.1/24")?;
    for interface in ["lan", "far"] {
        ward.us.ip(&["link", "set", interface, "up"])?;
    }
    ward.ours_with(&[
        ("  api:\n", "  connected: [lan]\n  api:\n"),
        ("import: all", "import: all, export: [networks, 10.9.0.0/24], max-prefix: {out: 1}"),
    ])?;
    ward.finds("QD0512", "warning")?;
    ward.ours_with(&[])?;
    ward.theirs_with(&[(theirs, ""), ("  networks:\n", "")])?;
    ward.finds("QD0510", "warning")?;
    ward.ours_with(&[("import: all", "import: all, max-prefix: {in: 1}")])?;
    ward.theirs_with(&[(theirs, "    - 10.2.0.0/16\n    - 10.8.0.0/16\n")])?;
    ward.finds("QD0508", "failure")?;
    ward.theirs_with(&[])?;
    ward.ours_with(&[])?;
    ward.daemon()?.order(&["reset", "peer", ward.tunnel()])?;
    ward.wait_well()
}

fn the_ends_disagree(ward: &Ward) -> Result<()> {
    ward.peer.order(&["bgp", "shutdown", ward.tunnel()])?;
    ward.finds("QD0506", "failure")?;
    ward.peer.order(&["bgp", "enable", ward.tunnel()])?;
    // RFC 9234 4.2: whoever insists on a role takes nobody without one.
    ward.theirs_with(&[("import: all", "import: all, role: peer, role-strict: true")])?;
    ward.daemon()?.order(&["reset", "peer", ward.tunnel()])?;
    ward.finds("QD0505", "failure")?;
    ward.theirs_with(&[])
}

/// Nothing comes any more, and nobody says why.
fn silence(ward: &Ward) -> Result<()> {
    let words = [("hold-time: 30s", "hold-time: 3s")];
    ward.ours_with(&words)?;
    ward.theirs_with(&words)?;
    ward.daemon()?.order(&["reset", "peer", ward.tunnel()])?;
    wait_for(patience(25), "a session that dies of three seconds' silence", || {
        let peer = ward.daemon()?.peer(ward.tunnel())?;
        ensure(peer["state"] == "Established" && peer["hold_time"] == 3, "the session", || peer.to_string())
    })?;
    {
        let _rules = Rules::add(&ward.peer_host, NO_TCP)?;
        ward.finds("QD0507", "failure")?;
    }
    ward.ours_with(&[])?;
    ward.theirs_with(&[])
}

fn the_session(ward: &Ward) -> Result<()> {
    {
        let chains = "chain i { type filter hook input priority 0; tcp dport 179 drop; tcp sport 179 drop; }";
        let _rules = Rules::add(&ward.us, chains)?;
        ward.daemon()?.order(&["reset", "peer", ward.tunnel()])?;
        ward.finds("QD0503", "failure")?;
    }
    {
        let _rules =
            Rules::add(&ward.peer_host, "chain i { type filter hook input priority 0; meta l4proto tcp drop; }")?;
        ward.daemon()?.order(&["reset", "peer", ward.tunnel()])?;
        ward.finds("QD0502", "failure")?;
    }
    {
        let _rules = Rules::add(
            &ward.peer_host,
            "chain i { type filter hook input priority 0; meta l4proto tcp reject with tcp reset; }",
        )?;
        ward.finds("QD0501", "failure")?;
    }
    ward.peer_with(|file| file.tunnels[0].peer_asn = 65009)?;
    ward.finds("QD0504", "failure")?;
    ward.peer_with(|_| {})
}
