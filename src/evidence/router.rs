//! What the router says of itself, or what its configuration says that it should be.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use config::{FoundSecret, SecretError, SecretReference, SecretSource, SystemSecrets};
use doctor::{
    Certificate, DiskFile, Evidence, Failure, MissingChild, OurRoute, Pool, RouterState, Session, Traffic, Tunnel,
    TunnelState,
};
use settings::ClientPool;
use wire::Secret;

use view::client::{AskError, Client};
use view::{self, FibView, PeerPlace, PeerView, StatusView, TunnelView};

/// Its answers.
pub(super) struct Answers {
    status: StatusView,
    fib: FibView,
}

impl Answers {
    /// The configuration that it runs by.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.status.router.file.clone()
    }
}

pub(super) fn ask(client: &Client) -> Result<Answers, AskError> {
    Ok(Answers { status: client.get("/v1/status")?, fib: client.get("/v1/fib")? })
}

pub(super) fn from_views(answers: Answers, evidence: &mut Evidence) {
    let Answers { status, fib } = answers;
    evidence.name = Some(status.router.name);
    evidence.router = RouterState::Running { pid: status.router.pid };
    evidence.complaints = status.router.warnings;
    let (inside, beyond): (Vec<_>, Vec<_>) = status.peers.into_iter().partition(|peer| peer.place == PeerPlace::Tunnel);
    evidence.tunnels = status
        .tunnels
        .into_iter()
        .map(|view| {
            let session = inside.iter().find(|peer| peer.tunnel == view.name).map(session);
            tunnel(view, session)
        })
        .collect();
    evidence.sessions = beyond.iter().filter(|peer| peer.place != PeerPlace::Range).map(session).collect();
    evidence.pools =
        status.pools.into_iter().map(|view| Pool { name: view.name, trouble: view.trouble.map(failure) }).collect();
    evidence.fib.table = fib.table;
    evidence.fib.protocol = fib.protocol;
    evidence.fib.matches_kernel = Some(fib.matches_kernel);
    evidence.fib.ours = fib
        .routes
        .into_iter()
        .map(|route| OurRoute {
            prefix: route.prefix,
            interfaces: route.next_hops.into_iter().map(|hop| hop.interface).collect(),
            refused: route.state.strip_prefix("failed: ").map(str::to_owned),
        })
        .collect();
}

fn tunnel(view: TunnelView, session: Option<Session>) -> Tunnel {
    let certificates = view.local_certificate.into_iter().chain(view.peer_certificate);
    let local = view.inside_local;
    Tunnel {
        name: view.name,
        local: view.local,
        remote: view.remote,
        ike_port: view.ike_port,
        interface: view.interface,
        inside_local: view.inside_local,
        inside_peer: view.inside_peer,
        inside_made_up: view.inside_made_up,
        inside6_local: view.inside6_local,
        on_demand: view.on_demand,
        state: Some(match view.state {
            view::TunnelState::Up => TunnelState::Up,
            view::TunnelState::Connecting => TunnelState::Connecting,
            view::TunnelState::Down => TunnelState::Down,
            view::TunnelState::Waiting => TunnelState::Waiting,
        }),
        has_ike: view.ike.is_some(),
        failure: view.last_failure.map(failure),
        missing: view
            .missing_children
            .into_iter()
            .map(|child| MissingChild {
                selectors: format!("{} === {}", child.local_selectors.join(", "), child.remote_selectors.join(", ")),
                failure: child.failure.map(failure),
            })
            .collect(),
        in_udp: view.child.map(|child| child.encapsulation == "udp"),
        mtu: view.mtu,
        traffic: Traffic {
            packets_in: view.traffic.packets_in,
            packets_out: view.traffic.packets_out,
            drops: view.traffic.drops,
        },
        certificates: certificates
            .map(|certificate| Certificate {
                subject: certificate.subject,
                not_before: certificate.not_before,
                not_after: certificate.not_after,
                not_after_unix: certificate.not_after_unix,
            })
            .collect(),
        route: None,
        ike_answer: None,
        nat_answer: None,
        ping: None,
        sizes: None,
        session: session.map(|session| Session { local: Some(local), ..session }),
    }
}

fn session(view: &PeerView) -> Session {
    Session {
        name: view.tunnel.clone(),
        interface: view.interface.clone(),
        local: None,
        address: view.address,
        asn: view.asn,
        state: Some(view.state.clone()),
        failure: view.last_error.clone().map(failure),
        waiting: view.waiting.clone(),
        port: None,
        received: view.prefixes.received,
        accepted: view.prefixes.accepted,
        advertised: view.prefixes.advertised,
        held_back: view.prefixes.held_back,
    }
}

fn failure(view: view::FailureView) -> Failure {
    Failure { reason: view.reason, text: view.text, remedy: view.remedy }
}

/// What the router would be, if the file says so, and the pools whose servers anybody may ask. Problems of the file are
/// evidence, too.
pub(super) fn from_file(file: &Path, evidence: &mut Evidence) -> Option<Vec<ClientPool>> {
    let read = Read::new(file);
    evidence.files = read.complaints();
    let Ok(config::Loaded { router, .. }) = read.result else { return None };
    evidence.fib.table = router.table;
    evidence.fib.protocol = fib::DEFAULT_PROTOCOL;
    evidence.name = Some(router.name);
    evidence.tunnels = router.tunnels.iter().map(planned).collect();
    evidence.sessions =
        router.neighbors.iter().filter(|it| it.range.is_none()).map(|it| planned_session(&it.session)).collect();
    evidence.pools = router.pools.iter().map(|pool| Pool { name: pool.name.clone(), trouble: None }).collect();
    let is_known = |pool: &ClientPool| pool.password.as_ref().is_none_or(|password| password.expose() != STAND_IN);
    Some(router.pools.into_iter().filter(is_known).collect())
}

fn planned(tunnel: &settings::Tunnel) -> Tunnel {
    Tunnel {
        name: tunnel.name.clone(),
        local: tunnel.ike.local,
        remote: tunnel.ike.remote,
        ike_port: tunnel.ike.ike_port,
        interface: tunnel.interface.clone(),
        inside_local: tunnel.inside.local,
        inside_peer: tunnel.inside.peer,
        inside_made_up: tunnel.inside_made_up,
        inside6_local: tunnel.inside6.map(|link| link.local),
        on_demand: tunnel.ike.start == negotiation::StartAction::OnDemand,
        state: None,
        has_ike: false,
        failure: None,
        missing: Vec::new(),
        in_udp: None,
        mtu: tunnel.mtu,
        traffic: Traffic::default(),
        certificates: Vec::new(),
        route: None,
        ike_answer: None,
        nat_answer: None,
        ping: None,
        sizes: None,
        session: tunnel.bgp.as_ref().map(planned_session),
    }
}

fn planned_session(session: &settings::Session) -> Session {
    Session {
        name: session.name.clone(),
        interface: None,
        local: Some(session.peer.local_address),
        address: session.peer.peer_address,
        asn: session.peer.peer_asn.0,
        state: None,
        failure: None,
        waiting: None,
        port: None,
        received: 0,
        accepted: 0,
        advertised: 0,
        held_back: 0,
    }
}

/// What is wrong with the file as it is on disk: errors, and keys that others can read.
pub(super) fn complaints(file: &Path) -> Vec<DiskFile> {
    Read::new(file).complaints()
}

/// A file that was read.
struct Read {
    result: Result<config::Loaded, config::Report>,
    /// What something stands in for, since only the router itself has it.
    hollow: Vec<SecretReference>,
}

impl Read {
    fn new(file: &Path) -> Self {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                let secrets = Lenient { folder: super::folder(file).to_owned(), hollow: RefCell::default() };
                let result = config::parse(&file.display().to_string(), &text, &secrets);
                Self { result, hollow: secrets.hollow.into_inner() }
            }
            // Says better why it cannot be read.
            Err(_) => Self { result: config::load(file), hollow: Vec::new() },
        }
    }

    fn complaints(&self) -> Vec<DiskFile> {
        match &self.result {
            Ok(loaded) => {
                let found = loaded.warnings.iter().map(|warning| complaint(warning, false));
                found.filter(|complaint| complaint.exposed).collect()
            }
            Err(report) => {
                let errors = report.diagnostics().iter().filter(|found| found.severity() == config::Severity::Error);
                let errors = errors.filter(|it| !self.is_by_stand_in(it.code()));
                errors.map(|error| complaint(error, true)).collect()
            }
        }
    }

    /// What stands in for a certificate is none, and what stands in for a server's file has no pool.
    fn is_by_stand_in(&self, code: config::Code) -> bool {
        let is_file = |it: &SecretReference| matches!(it, SecretReference::File(_));
        (code == config::Code::CertificateUnusable && !self.hollow.is_empty())
            || (code == config::Code::PoolConfig && self.hollow.iter().any(is_file))
    }
}

fn complaint(diagnostic: &config::Diagnostic, unusable: bool) -> DiskFile {
    DiskFile {
        place: format!("{}:{}:{}", diagnostic.file(), diagnostic.line(), diagnostic.column()),
        text: diagnostic.message().to_owned(),
        remedy: diagnostic.remedy().to_owned(),
        exposed: matches!(
            diagnostic.code(),
            config::Code::PskFileMode
                | config::Code::PpkFileMode
                | config::Code::CertificateKeyMode
                | config::Code::BfdKeyMode
        ),
        unusable,
    }
}

/// In the place of a secret that only the router has.
const STAND_IN: &[u8] = b"stands.in_for.another_1";

/// Secrets that only the router has, by its environment or by its permissions, are not missed.
struct Lenient {
    folder: PathBuf,
    hollow: RefCell<Vec<SecretReference>>,
}

impl Lenient {
    fn is_the_routers(&self, reference: &SecretReference) -> bool {
        match reference {
            SecretReference::Env(_) | SecretReference::Credential(_) => true,
            SecretReference::File(path) => {
                let opened = std::fs::File::open(self.folder.join(path));
                opened.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
            }
        }
    }
}

impl SecretSource for Lenient {
    fn fetch(&self, reference: &SecretReference) -> Result<FoundSecret, SecretError> {
        match SystemSecrets::new(&self.folder).fetch(reference) {
            Err(_) if self.is_the_routers(reference) => {
                self.hollow.borrow_mut().push(reference.clone());
                Ok(FoundSecret { secret: Secret::from(STAND_IN), mode: None })
            }
            fetched => fetched,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: &str = "router: {name: edge, asn: 65000, router-id: 192.0.2.10}\ndefaults: {local: 192.0.2.10}\n";

    fn files(tunnels: &str) -> (Vec<String>, Evidence, bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("edge.yaml");
        std::fs::write(&file, format!("{ROUTER}tunnels:\n{tunnels}")).expect("a file");
        let mut evidence = Evidence::default();
        let loaded = from_file(&file, &mut evidence).is_some();
        (evidence.files.iter().map(|file| file.text.clone()).collect(), evidence, loaded)
    }

    #[test]
    fn a_made_up_link_and_what_begins_on_demand_are_known() {
        let (complaints, evidence, loaded) = files(
            "  - {name: a, remote: 203.0.113.11, psk: {env: QUADSPAN_TEST_NO_SUCH}, routes: [10.2.0.0/16]}\n  \
             - {name: b, remote: 203.0.113.12, psk: {env: QUADSPAN_TEST_NO_SUCH}, inside: {prefix: 169.254.21.0/30, side: first}, \
             start: on-demand, routes: [10.3.0.0/16]}\n",
        );
        assert_eq!(complaints, Vec::<String>::new());
        assert!(loaded);
        let found: Vec<_> = evidence.tunnels.iter().map(|it| (it.inside_made_up, it.on_demand)).collect();
        assert_eq!(found, [(true, false), (false, true)]);
    }

    #[test]
    fn secrets_that_only_the_router_has_are_not_missed() {
        let certificate = "{chain: chain.pem, key: {credential: gw.key}, ca: {credential: ca.pem}}";
        let (complaints, ..) = files(&format!(
            "  - {{name: a, remote: 203.0.113.11, certificate: {certificate}, routes: [10.2.0.0/16]}}\n"
        ));
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].contains("chain.pem"), "what is a file and not there: {complaints:?}");
    }

    /// Nobody may read that file below /proc; the other one anybody may.
    #[test]
    fn a_pools_file_that_only_the_router_may_read_is_not_missed() {
        let pool = |config: &str| {
            let tunnel = "{name: a, remote: 203.0.113.11, psk: {env: QUADSPAN_TEST_NO_SUCH}, routes: [10.2.0.0/16]}";
            let server = format!("{{config: {config}, management: /run/m}}");
            files(&format!("  - {tunnel}\npools:\n  - {{name: p, openvpn: {server}}}\n")).0
        };
        assert_eq!(pool("/proc/sys/net/ipv4/route/flush"), Vec::<String>::new());
        let complaints = pool("/proc/sys/net/ipv4/ip_forward");
        assert!(complaints.len() == 1 && complaints[0].contains("not the configuration of a server"), "{complaints:?}");
    }

    #[test]
    fn a_file_with_errors_is_no_configuration() {
        let (complaints, evidence, loaded) = files("  - {name: a}\n");
        assert!(!complaints.is_empty() && evidence.tunnels.is_empty() && !loaded, "{complaints:?}");
    }
}
