//! strongSwan that insists on IKE SAs without a first CHILD SA (RFC 6023), in both roles.

use proto_tests::lab::pair::{Nat, Pair, Software};
use proto_tests::lab::stream::Stream;
use proto_tests::lab::terms::{PEER_INSIDE, TUNNEL, Terms};
use proto_tests::lab::{Result, ensure, patience, wait_for};

/// Comes up with whoever begins, carries packets and is renewed.
fn play(begins: bool) -> Result<()> {
    let terms = Terms::new("aes256-sha256-prfsha384-ecp256", "aes256gcm16-ecp256", "192.0.2.1", "192.0.2.9");
    let mut pair = Pair::new(Nat::None, Terms { childless: true, ..terms })?;
    pair.start_peer(Software::StrongSwan, false)?;
    pair.start_daemon(begins)?;
    if !begins {
        pair.peer()?.initiate()?;
    }
    pair.wait_up(30)?;
    let tunnel = pair.tunnel()?;
    // It was made with a group of its own, as no first CHILD SA is.
    ensure(tunnel["child"]["suite"] == "aes256gcm16-ecp256", "the suite", || tunnel["child"].to_string())?;
    let stream = Stream { flows: 4, rate: 100, ..Stream::to(PEER_INSIDE) }.start(&pair.us, &pair.peer_host)?;
    wait_for(patience(10), "packets arrive and return", || {
        let now = stream.so_far();
        ensure(now.echoed >= 40, "packets", || now.to_string())
    })?;
    let spi = || pair.tunnel().map(|tunnel| tunnel["ike"]["spi_local"].to_string());
    let before = spi()?;
    pair.daemon()?.order(&["rekey", TUNNEL, "--ike"])?;
    wait_for(patience(20), "the IKE SA is another one", || {
        let now = spi()?;
        ensure(now != before && now != "null", "another SPI", || format!("{now}, {before} before"))
    })?;
    wait_for(patience(20), "one SA of each kind is left", || pair.peer()?.expect_counts(1))?;
    let report = stream.finish();
    ensure(report.lost == 0, "no packet is lost", || format!("{report}\n{}", pair.logs(20)))
}

#[test]
fn a_peer_that_insists_is_given_none_by_us() -> Result<()> {
    play(true)
}

#[test]
fn a_peer_that_begins_without_gets_one_afterwards() -> Result<()> {
    play(false)
}
