//! A NAT that forgets: its outside address and ports change under traffic, and the tunnel goes on with the same SAs.

use std::net::Ipv4Addr;

use proto_tests::lab::pair::{Nat, Pair, Software, outsides};
use proto_tests::lab::stream::Stream;
use proto_tests::lab::terms::{Carrier, PEER_INSIDE, TUNNEL, Terms};
use proto_tests::lab::{Result, ensure, patience, tell, wait_for};

/// Brings the tunnel up through the NAT, moves it from one outside address to another, and wants the same SAs to go on.
fn moves(nat: Nat, software: Software, from: [u8; 4], to: [u8; 4]) -> Result<()> {
    let (ours, theirs) = outsides(nat);
    let terms = Terms {
        // strongSwan's user-space back end knows nothing but UDP.
        carrier: if software == Software::StrongSwan { Carrier::Udp } else { Carrier::Detected },
        dpd: 2,
        ..Terms::new("aes256gcm16-prfsha384-ecp384", "aes256gcm16", &ours.local.to_string(), &theirs.local.to_string())
    };
    let mut pair = Pair::new(nat, terms)?;
    pair.start_peer(software, false)?;
    pair.start_daemon(true)?;
    pair.wait_up(20)?;
    let stream = Stream { flows: 2, rate: 200, ..Stream::to(PEER_INSIDE) }.start(&pair.us, &pair.peer_host)?;
    stream.flows_again(100, patience(10))?;
    let spi = pair.tunnel()?["child"]["spi_in"].clone();
    pair.rebind(Ipv4Addr::from(from), Ipv4Addr::from(to))?;
    let moved = stream.so_far();
    wait_for(patience(25), "packets arrive and return again", || {
        let now = stream.so_far();
        ensure(now.echoed >= moved.echoed + 200 && now.delivered >= moved.delivered + 200, "both ways", || {
            format!("{moved}, then {now}\n{}", pair.logs(15))
        })
    })?;
    let now = pair.tunnel()?["child"]["spi_in"].clone();
    ensure(now == spi, "the same SA", || format!("{spi} became {now}\n{}", pair.logs(30)))?;
    if nat == Nat::Ours && software == Software::StrongSwan {
        // ESP found the new address by itself; IKE tells it with the next message.
        pair.daemon()?.order(&["rekey", TUNNEL])?;
        wait_for(patience(30), "the peer lists our new address", || {
            let sas = pair.swan()?.list_sas()?;
            ensure(sas.contains(&Ipv4Addr::from(to).to_string()), "the new address", || sas.clone())
        })?;
    }
    tell(&format!("the NAT of {nat:?} moves, {software:?} at the other end: {}", stream.finish()));
    Ok(())
}

#[test]
fn our_nat_moves_and_strongswan_follows_us() -> Result<()> {
    moves(Nat::Ours, Software::StrongSwan, [203, 0, 113, 254], [203, 0, 113, 253])
}

#[test]
fn the_peers_nat_moves_and_we_follow_strongswan() -> Result<()> {
    moves(Nat::Theirs, Software::StrongSwan, [198, 51, 100, 254], [198, 51, 100, 253])
}

#[test]
fn our_nat_moves_and_our_own_program_follows() -> Result<()> {
    moves(Nat::Ours, Software::Quadspan, [203, 0, 113, 254], [203, 0, 113, 253])
}
