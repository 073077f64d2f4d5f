//! What comes to the raw sockets of probes: nothing but the answer to our own question counts as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use steering::echo::Echo;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 2, 0, 10));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 2, 0, 0, 0, 0, 0, 0x10));
const ECHO: Echo = Echo { identifier: 0x5153, sequence: 1, token: *b"a token of probe", padding: 0 };

/// Octets: a packet from the target.
pub fn body(octets: &[u8]) {
    if ECHO.is_too_large_by(octets) {
        assert!(!Echo { sequence: 2, ..ECHO }.is_too_large_by(octets), "a complaint is about one question");
        assert!(!ECHO.is_answered_by(V4, octets), "a complaint is no answer");
    }
    for from in [V4, V6] {
        if ECHO.is_answered_by(from, octets) {
            assert!(octets.windows(ECHO.token.len()).any(|window| window == ECHO.token), "an answer repeats the token");
            let other = Echo { sequence: 2, ..ECHO };
            assert!(!other.is_answered_by(from, octets), "an answer is to one question");
        }
    }
}

/// The answers of both families, and the questions.
pub fn seeds() -> Vec<Vec<u8>> {
    let answer = |to: IpAddr| {
        let mut octets = ECHO.request(to);
        octets[0] = if to.is_ipv4() { 0 } else { 129 };
        octets
    };
    let mut v4 = answer(V4);
    // The type went from 8 to 0, so the sum of all words is less by 0x0800 (RFC 1624).
    v4[2] = v4[2].wrapping_add(8);
    let header = [&[0x45, 0, 0, 44, 0, 0, 0, 0, 64, 1, 0, 0, 10, 2, 0, 10, 169, 254, 21, 2][..], &v4].concat();
    vec![header, answer(V6), ECHO.request(V4), ECHO.request(V6)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_answers() {
        let seeds = seeds();
        assert!(ECHO.is_answered_by(V4, &seeds[0]) && ECHO.is_answered_by(V6, &seeds[1]));
    }
}
