//! Certificates that are renewed while a tunnel is up, with strongSwan at the other end: both ends show the new ones, and
//! the tunnel stays.
//!
//! ```text
//!   we began      reload: both ends are authenticated anew at once
//!   peer began    reload: nothing; the peer was granted the time until the first certificate ends, and begins anew
//! ```

use proto_tests::lab::pair::{Nat, Pair, Software};
use proto_tests::lab::pki::{Credentials, KeyKind};
use proto_tests::lab::stream::Stream;
use proto_tests::lab::terms::{Auth, PEER_INSIDE, Terms};
use proto_tests::lab::{LabError, Result, ensure, patience, wait_for};

const KIND: KeyKind = KeyKind::EcdsaP256;
const NAMES: (&str, &str) = ("IP:192.0.2.1", "IP:192.0.2.9");
const DAY: u64 = 86_400;
/// Days until the renewed certificates end.
const RENEWED: u32 = 9;

/// Both ends up with certificates; whether we began.
fn up(begins: bool) -> Result<(Pair, Credentials)> {
    let suite = "aes256-sha256-prfsha384-ecp256";
    let mut pair = Pair::new(Nat::None, Terms::new(suite, "aes256gcm16-ecp256", "192.0.2.1", "192.0.2.9"))?;
    let credentials = Credentials::make(&pair.directory().join("pki"), KIND, NAMES.0, NAMES.1)?;
    pair.terms.auth = Auth::Certificate(Box::new(credentials.clone()));
    pair.start_peer(Software::StrongSwan, false)?;
    pair.start_daemon(begins)?;
    if !begins {
        pair.peer()?.initiate()?;
    }
    pair.wait_up(20)?;
    Ok((pair, credentials))
}

/// Days that are left of our certificate and of the one that the peer showed.
fn days_left(pair: &Pair) -> Result<[u64; 2]> {
    let tunnel = pair.tunnel()?;
    let left = |whose: &str| tunnel[whose]["expires_in"].as_u64().unwrap_or_default().div_ceil(DAY);
    Ok([left("local_certificate"), left("peer_certificate")])
}

/// Renews both ends' certificates; strongSwan shows its own from the next authentication on.
fn renew(pair: &Pair, credentials: &Credentials, begins: bool) -> Result<()> {
    credentials.renew(KIND, NAMES.0, NAMES.1, RENEWED)?;
    pair.configure_swan(&pair.terms)?;
    pair.reload(begins)
}

/// Waits until we were shown the renewed certificate, and one SA of each kind is left.
fn settles(pair: &Pair) -> Result<()> {
    let renewed = u64::from(RENEWED);
    wait_for(patience(20), "both certificates are the renewed ones", || {
        let left = days_left(pair)?;
        ensure(left == [renewed; 2], "days left", || format!("{left:?}\n{}", pair.logs(10)))
    })?;
    wait_for(patience(20), "one SA of each kind is left", || pair.peer()?.expect_counts(1))
}

/// What charon has written.
fn charon(pair: &Pair) -> Result<String> {
    let log = pair.swan()?.log().to_owned();
    std::fs::read_to_string(&log).map_err(LabError::io(format!("read {}", log.display())))
}

/// Succeeds when the tunnel is up and never was down.
fn stayed_up(pair: &Pair) -> Result<()> {
    pair.expect_up()?;
    let (log, said) = (pair.daemon()?.log_text(), |words: &str, log: &str| log.matches(words).count());
    let turns = (said("tunnel up", &log), said("tunnel down", &log));
    ensure(turns == (1, 0), "times that the tunnel came up, and went", || format!("{turns:?}\n{}", pair.logs(20)))
}

#[test]
fn a_reload_shows_renewed_certificates_without_a_packet_lost() -> Result<()> {
    let (pair, credentials) = up(true)?;
    ensure(days_left(&pair)? == [20, 20], "the first certificates", || format!("{:?}", days_left(&pair)))?;
    let before = pair.swan()?.ike_spis()?;
    let stream = Stream { flows: 4, rate: 200, ..Stream::to(PEER_INSIDE) }.start(&pair.us, &pair.peer_host)?;
    renew(&pair, &credentials, true)?;
    settles(&pair)?;
    let report = stream.finish();
    ensure(pair.swan()?.ike_spis()? != before, "another IKE SA", || pair.logs(20))?;
    // While it replaces a policy, strongSwan's user-space back end is without one for a moment, and says so.
    ensure(report.lost == 0 && report.lost_round_trip <= pair.peer_drops(), "no packet is lost", || {
        format!("{report}, {} dropped by the peer\n{}", pair.peer_drops(), pair.logs(20))
    })?;
    stayed_up(&pair)
}

#[test]
fn a_peer_that_began_is_granted_the_certificates_time_and_shows_a_renewed_one_without_a_flap() -> Result<()> {
    let (pair, credentials) = up(false)?;
    // RFC 4478: strongSwan plans by it.
    ensure(charon(&pair)?.contains("received AUTH_LIFETIME of 17"), "the time until the end", || pair.logs(40))?;
    let before = pair.swan()?.ike_spis()?;
    renew(&pair, &credentials, false)?;
    ensure(days_left(&pair)? == [u64::from(RENEWED), 20], "the peer has not authenticated anew", || {
        format!("{:?}", days_left(&pair))
    })?;
    ensure(pair.swan()?.ike_spis()? == before, "the tunnel stays as it is", || pair.logs(20))?;
    pair.swan()?.swanctl(&["--rekey", "--ike", "tunnel", "--reauth"])?;
    settles(&pair)?;
    ensure(charon(&pair)?.contains("received AUTH_LIFETIME of 77"), "the renewed one's time", || pair.logs(40))?;
    stayed_up(&pair)
}
