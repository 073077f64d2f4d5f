//! Post-quantum pre-shared keys (RFC 8784): a second shared secret under the keys of everything but IKE's own messages.
//!
//! ```text
//!  initiator                                             responder
//!  IKE_SA_INIT: N(USE_PPK) ------->
//!                          <------- N(USE_PPK)                           where some tunnel has one
//!  IKE_AUTH: AUTH with the PPK, N(PPK_IDENTITY),
//!            [N(NO_PPK_AUTH): AUTH without] ------->                     the second if it may do without
//!                          <------- AUTH with the PPK, N(PPK_IDENTITY)
//!                                 | AUTH without                         if the PPK is not known here
//! ```

use std::net::SocketAddr;

use crypto::IkeKeys;
use identity::Identity;
use isakmp::{Notify, NotifyType, Payload};
use negotiation::{Failure, Ppk};

use crate::Contents;

/// RFC 8784 5.1: a name without structure, known to both ends.
const ID_FIXED: u8 = 2;

/// The most octets that are told of a name that anyone may have sent.
const MAX_TOLD: usize = 128;

/// The initiator's proof of identity by `auth`, and the notifications that go with it.
pub(crate) fn offer(ppk: Option<&Ppk>, keys: &IkeKeys, auth: impl Fn(&IkeKeys) -> Vec<u8>) -> (Vec<u8>, Vec<Payload>) {
    let Some(ppk) = ppk else { return (auth(keys), Vec::new()) };
    let id = [&[ID_FIXED], ppk.id.as_slice()].concat();
    let mut notifies = vec![Payload::Notify(Notify::with_data(NotifyType::PPK_IDENTITY, id))];
    if !ppk.required {
        // RFC 8784 3: for a responder that does not know this PPK.
        notifies.push(Payload::Notify(Notify::with_data(NotifyType::NO_PPK_AUTH, auth(keys))));
    }
    (auth(&keys.with_ppk(&ppk.secret)), notifies)
}

/// `keys` with the PPK mixed in, where there is one.
pub(crate) fn mixed(ppk: Option<&Ppk>, keys: &IkeKeys) -> IkeKeys {
    ppk.map_or_else(|| keys.clone(), |ppk| keys.with_ppk(&ppk.secret))
}

/// Whether the responder mixes our PPK in.
pub(crate) fn answered(ppk: Option<&Ppk>, contents: &Contents, peer: SocketAddr) -> Result<bool, Failure> {
    let used = contents.has(NotifyType::PPK_IDENTITY);
    match ppk {
        None => Ok(false),
        // RFC 8784 3: without this notification the responder has taken our proof without the PPK.
        Some(ppk) if !used && ppk.required => Err(Failure::PpkMissing { peer, id: ppk.name() }),
        Some(_) => Ok(used),
    }
}

/// What an initiator claims to know, and its proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    /// Whether its proof has the PPK mixed in.
    pub(crate) mixed: bool,
    /// The data of its AUTH payload, or what stands for that.
    pub(crate) auth: &'a [u8],
    /// Its proof without the PPK, beside one with it.
    pub(crate) plain: Option<&'a [u8]>,
}

/// Which proof of the initiator's counts. `auth` is its AUTH payload's data.
pub(crate) fn claimed<'a>(
    ppk: Option<&Ppk>,
    contents: &'a Contents,
    auth: &'a [u8],
    peer: SocketAddr,
) -> Result<Claim<'a>, Failure> {
    let plain = contents.notify(NotifyType::NO_PPK_AUTH).map(|notify| notify.data.as_slice());
    let Some(theirs) = contents.notify(NotifyType::PPK_IDENTITY).map(|notify| notify.data.as_slice()) else {
        return match ppk {
            Some(ppk) if ppk.required => Err(Failure::PpkMissing { peer, id: ppk.name() }),
            Some(_) | None => Ok(Claim { mixed: false, auth, plain: None }),
        };
    };
    match (ppk, plain) {
        (Some(ppk), plain) if names(theirs, ppk) => Ok(Claim { mixed: true, auth, plain }),
        // RFC 8784 3: the PPK is not known here; if neither end insists on it, it is left out.
        (ppk, Some(plain)) if ppk.is_none_or(|ppk| !ppk.required) => {
            Ok(Claim { mixed: false, auth: plain, plain: None })
        }
        (ppk, _) => Err(Failure::PpkUnknown { peer, ours: ppk.map(Ppk::name), theirs: name(theirs) }),
    }
}

/// Whether a `PPK_IDENTITY` is that of `ppk`.
pub(crate) fn names(data: &[u8], ppk: &Ppk) -> bool {
    data.split_first() == Some((&ID_FIXED, ppk.id.as_slice()))
}

/// A proof did not hold. What is known of why: where the initiator has proven the rest without the PPK, it is the PPK.
pub(crate) fn disproven(
    ppk: Option<&Ppk>,
    claim: Claim<'_>,
    plain_holds: bool,
    peer: SocketAddr,
    identity: Identity,
) -> Failure {
    match ppk.filter(|_| claim.mixed) {
        None => Failure::WrongPsk { peer, identity },
        Some(ppk) if plain_holds => Failure::WrongPpk { peer, identity, id: ppk.name() },
        Some(ppk) => Failure::WrongPskOrPpk { peer, identity, id: ppk.name() },
    }
}

fn name(data: &[u8]) -> String {
    match data[..data.len().min(MAX_TOLD)].split_first() {
        Some((&ID_FIXED, id)) => String::from_utf8_lossy(id).escape_debug().to_string(),
        Some((kind, _)) => format!("of type {kind}"),
        None => "without a name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_fill_a_log_is_cut() {
        assert_eq!(name(b"\x02branch-7"), "branch-7");
        let long = name(&[&[ID_FIXED], vec![0x07; 20_000].as_slice()].concat());
        assert!(long.starts_with("\\u{7}") && long.len() < 1000, "{} octets", long.len());
    }
}
