//! Pools of remote clients beside the router: their server's configuration is read; `judge` says what is wrong with it.

mod judge;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use certificate::UnixTime;
use ipnet::IpNet;
use openvpn::{Pool, ServerConfig};
use wire::Secret;

use super::name_finding;
use super::psk::check_mode;
use crate::secrets::{SecretReference, SecretSource};
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::Field;
use document::scalar::Text;
use document::source::{At, Span};
use schema::{OpenVpnSection, PoolSection};
use settings::{ClientPool, Management};

/// What could be made out of a pool.
#[derive(Clone, Debug)]
pub struct PoolDraft {
    /// Its name.
    pub name: Option<At<String>>,
    /// Whether peers are told of its network.
    pub announce: bool,
    /// The server's configuration, at where it is named.
    server: Option<At<Served>>,
    management: Option<Management>,
    password: Option<Secret>,
    /// When the first of the server's certificates ends.
    expires: Option<UnixTime>,
}

/// A server's configuration with a pool in it.
#[derive(Clone, Debug)]
struct Served {
    config: ServerConfig,
    pool: Pool,
}

pub(super) fn resolve(
    pools: Field<Vec<Field<PoolSection>>>,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Vec<PoolDraft> {
    let sections = pools.at().map(|list| list.value).unwrap_or_default().into_iter().filter_map(Field::at);
    sections.map(|section| pool(section, secrets, findings)).collect()
}

fn pool(section: At<PoolSection>, secrets: &dyn SecretSource, findings: &Findings) -> PoolDraft {
    let At { value: PoolSection { name, openvpn, announce }, span: at } = section;
    let name = name.require("name", at, "name the pool, for logs and metrics", findings);
    let name = name.map(|name| At::new(name.value.0, name.span));
    if let Some(finding) = name.as_ref().and_then(|name| name_finding(&name.value, name.span)) {
        findings.push(finding);
    }
    let At { value: section, span } = openvpn.section(at);
    let OpenVpnSection { config, management, password_file } = section;
    let path =
        config.require("config", span, "name the server's own file: `config: /etc/openvpn/server.conf`", findings);
    let server = path.as_ref().and_then(|path| server(path, secrets, findings));
    let folder = path.as_ref().zip(server.as_ref()).map(|(path, server)| folder(&path.value, &server.value.config));
    let words = server.as_ref().map(|server| server.value.config.management.as_slice());
    let management = management.scalar();
    // The server's own line names the file of its password, too.
    let named = words.and_then(|words| words.get(2)).filter(|_| management.is_none()).zip(folder.as_ref());
    let password = match password_file.scalar() {
        Some(path) => password(path, secrets, findings),
        None => named.and_then(|(file, folder)| own_password(file, folder, span, secrets, findings)),
    };
    let management = match management {
        Some(written) => self::management(&written, findings),
        None => words.and_then(|words| own_management(words, span, findings)),
    };
    let judged = server.as_ref().zip(folder);
    let expires = judged.and_then(|(server, folder)| judge::judge(server, &folder, secrets, findings));
    PoolDraft { name, announce: announce.value().unwrap_or(true), server, management, password, expires }
}

/// Where the paths in a server's file begin: at `cd`, or where the file is, as its systemd unit has it.
fn folder(file: &Path, config: &ServerConfig) -> PathBuf {
    let beside = file.parent().unwrap_or(Path::new(""));
    config.folder.as_ref().map_or(beside.to_owned(), |folder| beside.join(folder))
}

fn server(path: &At<PathBuf>, secrets: &dyn SecretSource, findings: &Findings) -> Option<At<Served>> {
    let refuse = |text: String, remedy: &str| {
        findings.push(Finding::error(Code::PoolConfig, path.span, text).label("read from here").remedy(remedy));
        None
    };
    let found = match secrets.fetch(&SecretReference::File(path.value.clone())) {
        Ok(found) => found,
        Err(error) => return refuse(format!("no server configuration: {error}"), "name the file that OpenVPN runs by"),
    };
    let config = match openvpn::parse(found.secret.expose()) {
        Ok(config) => config,
        Err(error) => return refuse(format!("the server's configuration cannot be read: {error}"), "see openvpn(8)"),
    };
    match Pool::of(&config) {
        Ok(pool) => Some(At::new(Served { config, pool }, path.span)),
        Err(error) => refuse(error.to_string(), error.remedy()),
    }
}

const MANAGEMENT: &str = "write `management: 127.0.0.1:7505` or `management: /run/openvpn/server.sock`, and in the server's \
                          file `management 127.0.0.1 7505 PASSWORD-FILE` or `management /run/openvpn/server.sock unix`";

fn no_management(span: Span, text: &str, findings: &Findings) -> Option<Management> {
    let finding = Finding::error(Code::PoolManagement, span, text);
    findings.push(finding.label("the server is asked there whether it serves").remedy(MANAGEMENT));
    None
}

/// What is said there is for this machine alone.
const ABROAD: &str = "the management interface is not on this machine's loopback";

fn management(written: &At<Text>, findings: &Findings) -> Option<Management> {
    let At { value: Text(text), span } = written;
    if text.starts_with('/') {
        return Some(Management::Unix(text.into()));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Some(Management::Tcp(address)),
        Ok(_) => no_management(*span, ABROAD, findings),
        Err(_) => no_management(*span, "this is neither an address with a port nor an absolute path", findings),
    }
}

/// As the server's own file says: `management ADDRESS PORT` or `management PATH unix`.
fn own_management(words: &[String], at: Span, findings: &Findings) -> Option<Management> {
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [path, "unix", ..] if path.starts_with('/') => Some(Management::Unix((*path).into())),
        [_, "unix", ..] => no_management(at, "the path of the server's management socket is not absolute", findings),
        [address, port, ..] => {
            let local = (*address == "localhost").then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
            let ip = local.or_else(|| address.parse().ok());
            match ip.zip(port.parse().ok()).map(SocketAddr::from) {
                Some(address) if address.ip().is_loopback() => Some(Management::Tcp(address)),
                Some(_) => no_management(at, ABROAD, findings),
                None => no_management(at, "the server's `management` line is no address of this machine", findings),
            }
        }
        [_] | [] => no_management(at, "nothing says where the server's management interface is", findings),
    }
}

/// Of the file that the server's own line names, which is none if somebody typed the password when the server started.
fn own_password(
    file: &str,
    folder: &Path,
    at: Span,
    secrets: &dyn SecretSource,
    findings: &Findings,
) -> Option<Secret> {
    if file != "stdin" {
        return password(At::new(folder.join(file), at), secrets, findings);
    }
    let finding = Finding::error(Code::PoolManagement, at, "no password: the server reads its own from a terminal");
    let finding = finding.label("its file says `management .. stdin`");
    findings.push(finding.remedy("write it into a file of mode 600 and name that here: `password-file: ..`"));
    None
}

/// OpenVPN takes the first line of the file.
fn password(path: At<PathBuf>, secrets: &dyn SecretSource, findings: &Findings) -> Option<Secret> {
    match secrets.fetch(&SecretReference::File(path.value)) {
        Ok(found) => {
            check_mode(found.mode, "password", path.span, findings);
            found.secret.expose().split(|octet| matches!(octet, b'\n' | b'\r')).next().map(Secret::from)
        }
        Err(error) => {
            findings.push(
                Finding::error(Code::PoolManagement, path.span, format!("no password: {error}"))
                    .label("looked for here")
                    .remedy("name the file that the server's `management` line names"),
            );
            None
        }
    }
}

impl PoolDraft {
    /// The clients' networks, at where their server's file is named.
    pub fn networks(&self) -> impl Iterator<Item = At<IpNet>> + use<> {
        let server = self.server.as_ref().map(|server| (server.value.pool, server.span));
        server.into_iter().flat_map(|(pool, span)| pool.networks().map(move |network| At::new(network, span)))
    }

    /// The pool; `None` if a part is missing, which was reported.
    pub(super) fn finish(self) -> Option<ClientPool> {
        let Served { config, pool } = self.server?.value;
        Some(ClientPool {
            name: self.name?.value,
            pool,
            protocol: config.protocol,
            announce: self.announce,
            management: self.management?,
            password: self.password,
            expires: self.expires,
        })
    }
}
