//! A configuration that does not fit the peer's says so in words, disturbs no other tunnel, and works once corrected.

use std::time::Duration;

use proto_tests::lab::scenario::{FourTunnel, Initiator};
use proto_tests::lab::{Result, ensure, wait_for};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the tunnel's last failure has one of these labels, and returns it.
fn failure(lab: &FourTunnel, tunnel: &str, reasons: &[&str]) -> Result<Value> {
    wait_for(PATIENCE, &format!("{tunnel} fails with {reasons:?}"), || {
        let shown = lab.daemon()?.tunnel(tunnel)?;
        let failure = shown["last_failure"].clone();
        ensure(failure["reason"].as_str().is_some_and(|reason| reasons.contains(&reason)), "the reason", || {
            shown.to_string()
        })?;
        ensure(failure["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "a remedy", || {
            failure.to_string()
        })?;
        Ok(failure)
    })
}

#[test]
fn a_wrong_key_is_named_and_works_once_corrected_when_we_begin() {
    wrong_key(Initiator::Router);
}

#[test]
fn a_wrong_key_is_named_and_works_once_corrected_when_the_peer_begins() {
    wrong_key(Initiator::Clouds);
}

fn wrong_key(initiator: Initiator) {
    const WRONG: &str = "not.the_key.of_this_tunnel";
    let prepare = |lab: &mut FourTunnel| WRONG.clone_into(&mut lab.file.tunnels[0].psk);
    FourTunnel::run_with(initiator, prepare, |lab| {
        lab.wait_up(&[1, 2, 3])?;
        failure(lab, "aws1", &["psk", "auth"])?;
        lab.file.tunnels[0].psk = proto_tests::lab::layout::TUNNELS[0].psk();
        lab.reload()?;
        if initiator == Initiator::Clouds {
            // A refused strongSwan gives up; the clouds try again.
            lab.clouds[0].swan()?.initiate()?;
        }
        lab.wait_all_up()?;
        let log = lab.daemon()?.log_text();
        ensure(!log.contains(WRONG) && !log.contains(&lab.file.tunnels[0].psk), "no key is in the log", || log.clone())
    });
}

#[test]
fn an_ike_proposal_that_does_not_fit_is_named_and_works_once_corrected() {
    let prepare = |lab: &mut FourTunnel| "aes256gcm16-prfsha512-ecp521".clone_into(&mut lab.file.tunnels[1].ike);
    FourTunnel::run_with(Initiator::Router, prepare, |lab| {
        lab.wait_up(&[0, 2, 3])?;
        failure(lab, "aws2", &["ike_no_proposal"])?;
        lab.clouds[1].plan.swan.ike = lab.file.tunnels[1].ike.clone();
        lab.clouds[1].swan()?.reload(&lab.clouds[1].plan.swan)?;
        lab.wait_all_up()
    });
}

#[test]
fn a_peer_that_proposes_what_we_refuse_is_named_with_both_lists() {
    let prepare = |lab: &mut FourTunnel| "aes256gcm16-prfsha512-ecp521".clone_into(&mut lab.file.tunnels[1].ike);
    FourTunnel::run_with(Initiator::Clouds, prepare, |lab| {
        lab.wait_up(&[0, 2, 3])?;
        let failure = failure(lab, "aws2", &["ike_no_proposal"])?;
        let text = failure["text"].to_string();
        ensure(text.contains("ecp521") && text.contains("ecp384"), "ours and theirs", || text.clone())
    });
}

#[test]
fn an_esp_proposal_that_does_not_fit_is_named_and_works_once_corrected() {
    let prepare = |lab: &mut FourTunnel| "aes128-sha256".clone_into(&mut lab.file.tunnels[2].esp);
    FourTunnel::run_with(Initiator::Router, prepare, |lab| {
        lab.wait_up(&[0, 1, 3])?;
        failure(lab, "aws3", &["child_no_proposal"])?;
        proto_tests::lab::router_file::suites(3).esp.clone_into(&mut lab.file.tunnels[2].esp);
        lab.reload()?;
        lab.wait_all_up()
    });
}

#[test]
fn a_group_that_the_peer_has_not_offered_first_is_agreed_on_the_second_try() {
    let prepare = |lab: &mut FourTunnel| {
        "aes128gcm16-prfsha256-ecp256, aes128gcm16-prfsha256-x25519".clone_into(&mut lab.file.tunnels[0].ike);
    };
    FourTunnel::run_with(Initiator::Router, prepare, |lab| lab.wait_all_up());
}
