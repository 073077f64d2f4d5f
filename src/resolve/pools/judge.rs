//! What a server's own configuration gets wrong by the documents' rules.

use std::path::Path;

use certificate::{Certificate, UnixTime, certificates};
use openvpn::{Pool, Protocol, Reliance, ServerConfig, Topology};

use super::Served;
use crate::certificate::time_finding;
use crate::secrets::{SecretReference, SecretSource};
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::source::{At, Span};

/// Ciphers that nobody should use any more (RFC 7465, SWEET32).
const WEAK: [&str; 5] = ["BF-", "DES-", "RC2-", "CAST5-", "NONE"];

/// Reports, and returns when the first of the server's certificates ends.
pub(super) fn judge(
    server: &At<Served>,
    folder: &Path,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Option<UnixTime> {
    let At { value: Served { config, pool }, span } = server;
    let found = room(pool, config.topology, *span).into_iter();
    let found = found.chain(silence(config, *span)).chain(cipher(config, *span));
    let found = found.chain(config.reliances.iter().map(|reliance| relied(*reliance, *span)));
    found.chain(pushed(config, pool, *span)).for_each(|finding| findings.push(finding));
    let certificates = held(config, folder, *span, secrets, findings);
    let now = secrets.unix_time();
    let times = certificates.iter().filter_map(|certificate| time_finding(certificate, now, *span));
    times.for_each(|finding| findings.push(finding));
    certificates.iter().map(|certificate| certificate.summary().not_after).min()
}

/// S2-08, S2-09.
fn room(pool: &Pool, topology: Topology, span: Span) -> Option<Finding> {
    let most = pool.max_clients.filter(|_| !pool.has_room())?;
    let text = format!("{} has room for {} clients, and {most} are let in", pool.network, pool.capacity);
    let finding = Finding::warning(Code::PoolRoom, span, text);
    Some(match topology {
        Topology::Net30 => finding
            .label("a /30 for each client, unless the file says otherwise")
            .remedy("write `topology subnet`, a wider `server` network, or a lower `max-clients`"),
        Topology::PointToPoint | Topology::Subnet => finding
            .label("an address for each client")
            .remedy("write a wider `server` network, or a lower `max-clients`"),
    })
}

/// S2-05, S2-06: over UDP, a client that is gone keeps its place until it is missed.
fn silence(config: &ServerConfig, span: Span) -> Option<Finding> {
    (config.protocol == Protocol::Udp && !config.keepalive).then(|| {
        Finding::warning(Code::PoolKeepalive, span, "clients that go without a word keep their place for ever")
            .label("over UDP, without `keepalive`")
            .remedy("write `keepalive 10 60`, or `proto tcp-server`")
    })
}

/// S2-24, S2-25.
fn cipher(config: &ServerConfig, span: Span) -> Option<Finding> {
    let is_weak = |cipher: &&String| WEAK.iter().any(|weak| cipher.to_ascii_uppercase().starts_with(weak));
    if let Some(cipher) = config.data_ciphers.iter().chain(&config.fallbacks).find(is_weak) {
        let text = format!("the server takes the cipher {cipher}");
        return Some(
            Finding::warning(Code::PoolCipher, span, text)
                .label("broken, or none at all")
                .remedy("write `data-ciphers AES-256-GCM:AES-128-GCM`, and no `cipher`"),
        );
    }
    config.no_negotiation.then(|| {
        Finding::warning(Code::PoolCipher, span, "the server negotiates no cipher")
            .label("`ncp-disable`")
            .remedy("leave it out: clients since OpenVPN 2.4 choose the best in common")
    })
}

/// The router holds the only connection to the management interface, asks there and answers nothing.
fn relied(reliance: Reliance, span: Span) -> Finding {
    let error = |text| Finding::error(Code::PoolManagement, span, text);
    let warning = |text| Finding::warning(Code::PoolManagement, span, text);
    match reliance {
        Reliance::Calls => error("the server connects to its management interface, and so does the router")
            .label("its file says `management-client`")
            .remedy("leave `management-client` out of the server's file, so that the server listens"),
        Reliance::Release => error("the server waits for a release that nobody gives it")
            .label("its file says `management-hold`")
            .remedy("leave `management-hold` out of the server's file"),
        Reliance::Logins => {
            error("every login fails: the server lets the management interface decide, and the router does not")
                .label("its file says `management-client-auth`")
                .remedy("leave it out of the server's file: certificates, `auth-user-pass-verify` or a `plugin` decide")
        }
        Reliance::Filter => {
            error("clients get nothing through: the management interface is to say what, and the router does not")
                .label("its file says `management-client-pf`")
                .remedy("leave it out of the server's file, and filter in the machine's firewall")
        }
        Reliance::Passphrase => {
            warning("with a passphrase on its key the server does not start: nobody answers when it asks")
                .label("its file says `management-query-passwords`")
                .remedy("leave it out of the server's file; a passphrase goes into a file that `askpass` names")
        }
        Reliance::Presence => {
            warning("whenever the router lets go of the management interface, all clients are disconnected")
                .label("its file says `management-signal`")
                .remedy("leave `management-signal` out of the server's file")
        }
    }
}

/// S2-19.
fn pushed<'a>(config: &'a ServerConfig, pool: &'a Pool, span: Span) -> impl Iterator<Item = Finding> + 'a {
    let overlaps = |pushed: &ipnet::IpNet| pool.networks().any(|own| own.contains(pushed) || pushed.contains(&own));
    config.pushed.iter().filter(move |pushed| overlaps(pushed)).map(move |pushed| {
        let text = format!("the server tells clients to reach {pushed} through it, and their own network overlaps it");
        Finding::warning(Code::PoolOverlap, span, text)
            .label("their addresses are on both sides")
            .remedy("push narrower routes, or choose another `server` network")
    })
}

/// S2-03: the certificates of the CA and the server, in files and in the file itself.
fn held(
    config: &ServerConfig,
    folder: &Path,
    span: Span,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Vec<Certificate> {
    let unread = |what: String| {
        findings.push(
            Finding::warning(Code::PoolConfig, span, what)
                .label("nobody sees when it ends")
                .remedy("let the router read the server's certificates: they are no secret"),
        );
        Vec::new()
    };
    let files = config.certificates.iter().flat_map(|file| {
        let found = secrets.fetch(&SecretReference::File(folder.join(file)));
        match found.map(|found| certificates(found.secret.expose())) {
            Ok(Ok(certificates)) => certificates,
            Ok(Err(error)) => unread(format!("the certificates in {file} cannot be read: {error}")),
            Err(error) => unread(format!("no certificate: {error}")),
        }
    });
    let inside = match config.inline_certificates.as_str() {
        "" => Vec::new(),
        text => certificates(text.as_bytes())
            .unwrap_or_else(|error| unread(format!("the certificates in the server's file cannot be read: {error}"))),
    };
    files.chain(inside).collect()
}
