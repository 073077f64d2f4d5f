//! Certificates that the other end does not take: of another authority, too old, too new.

use std::path::Path;

use fixtures::pki::{Ca, valid};
use proto_tests::lab::pair::Pair;
use proto_tests::lab::pki::Credentials;
use proto_tests::lab::terms::Auth;
use proto_tests::lab::{Result, write_file, write_secret};

const NAMES: [&str; 2] = ["192.0.2.1", "192.0.2.9"];

pub(crate) fn of_another_authority(pair: &mut Pair) -> Result<()> {
    certify(pair, &Ca::root("root"), &Ca::root("other"), (2020, 2040))
}

pub(crate) fn expired(pair: &mut Pair) -> Result<()> {
    let root = Ca::root("root");
    certify(pair, &root, &root, (2020, 2021))
}

pub(crate) fn not_yet_valid(pair: &mut Pair) -> Result<()> {
    let root = Ca::root("root");
    certify(pair, &root, &root, (2038, 2040))
}

/// Both ends trust `root`; the peer's certificate is from `issuer`, good for these years.
fn certify(pair: &mut Pair, root: &Ca, issuer: &Ca, years: (i32, i32)) -> Result<()> {
    let ours = root.leaf("us", &NAMES[..1], |_| {});
    let theirs = issuer.leaf("peer", &NAMES[1..], |params| valid(params, years.0, years.1));
    let place = |name: &str| pair.directory().join(name);
    let public = |name: &str, pem: &str| write_file(&place(name), pem).map(|()| place(name));
    let secret = |path: &Path, pem: &str| write_secret(path, pem).map(|()| path.to_owned());
    let credentials = Credentials {
        ca: public("root.pem", &root.pem)?,
        intermediate: place("root.pem"),
        our_chain: public("us.pem", &ours.pem)?,
        our_leaf: place("us.pem"),
        our_key: secret(&place("us.key"), &ours.key)?,
        peer_chain: public("peer.pem", &theirs.pem)?,
        peer_leaf: place("peer.pem"),
        peer_key: secret(&place("peer.key"), &theirs.key)?,
    };
    pair.terms.auth = Auth::Certificate(Box::new(credentials));
    Ok(())
}
