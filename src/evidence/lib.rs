//! Collects what [`doctor::examine`] judges: what the router says, what the machine shows, what a few packets tell.
//!
//! ```text
//!   router     control socket, or the configuration file if nobody answers
//!   machine    /proc, the clock, who has UDP 500 and 4500
//!   filters    nft, iptables-save
//!   routes     rtnetlink: addresses, ways, routes of others
//!   probe      datagrams to UDP 500 and 4500 of peers whose tunnel is down, TCP 179 of peers whose session is
//!   pools      the management interfaces of OpenVPN servers, where no router runs that watches them
//!   echo       pings to inside addresses, small and of full size
//! ```
//!
//! Nothing is changed. Packets go to the configured peers' addresses alone, through their tunnels where they are inside,
//! a bounded number to each; and to the target of `--target` if its way leads through a tunnel.

mod echo;
mod filters;
mod machine;
mod pools;
mod probe;
mod router;
mod routes;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use doctor::{Chosen, Evidence, RouteLookup, RouterState, Target, Tunnel, TunnelState};
use settings::ClientPool;

use view::client::{AskError, Client};

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Only these tunnels, neighbours and pools; all if none is named.
    pub names: Vec<String>,
    /// The configuration, if the router does not say which.
    pub file: Option<PathBuf>,
    /// Where packets should arrive.
    pub target: Option<std::net::IpAddr>,
}

/// Why nothing can be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// No router, and no file that says what it should be.
    #[error("no router answers ({reason}), and no configuration was named")]
    NothingKnown {
        /// Why none answers.
        reason: String,
    },
    /// A router may be there, and does not answer as it should.
    #[error("{0}")]
    Unanswered(#[source] AskError),
    /// There is no such tunnel, neighbour or pool.
    #[error("there is no tunnel, neighbor or pool `{name}`; there are {known}")]
    Unknown {
        /// As asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The system refuses what everything else rests on.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Its answer.
        error: std::io::Error,
    },
}

impl CollectError {
    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &str {
        match self {
            Self::NothingKnown { .. } => "name it: `quadspan doctor -c FILE`",
            Self::Unanswered(error) => error.remedy(),
            Self::Unknown { .. } => "use a name of the configuration",
            Self::System { .. } => "run as root, in the network namespace of the router",
        }
    }
}

/// Reads and tries everything.
///
/// # Errors
/// [`CollectError`]; anything less than that is evidence itself.
pub fn collect(client: Result<Client, AskError>, wish: &Wish) -> Result<Evidence, CollectError> {
    let (mut evidence, pools) = describe(client, wish)?;
    evidence.machine = machine::look();
    evidence.machine.firewall = filters::read();
    let system = |what| move |error| CollectError::System { what, error };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start a runtime"))?;
    let target = runtime.block_on(routes::look(&mut evidence, wish.target)).map_err(system("netlink"))?;
    runtime.block_on(pools::look(&pools, &mut evidence));
    evidence.target = wish.target.zip(target).map(|(address, route)| Target { address, route, ping: None });
    try_packets(&mut evidence);
    Ok(evidence)
}

/// What the router says, or its file, and the pools that nobody watches: the machine is not looked at yet.
fn describe(client: Result<Client, AskError>, wish: &Wish) -> Result<(Evidence, Vec<ClientPool>), CollectError> {
    let mut evidence = Evidence::default();
    let planned = match client.and_then(|client| router::ask(&client)) {
        Ok(answers) => {
            let file = wish.file.clone().or_else(|| answers.file());
            router::from_views(answers, &mut evidence);
            evidence.files = file.map_or_else(Vec::new, |file| router::complaints(&file));
            Some(Vec::new())
        }
        Err(error) if is_absent(&error) => {
            let reason = error.to_string();
            let Some(file) = &wish.file else { return Err(CollectError::NothingKnown { reason }) };
            evidence.router = RouterState::Absent { reason };
            router::from_file(file, &mut evidence)
        }
        Err(error) => return Err(CollectError::Unanswered(error)),
    };
    if planned.is_some() {
        check_names(&evidence, &wish.names)?;
    }
    evidence.chosen = Chosen(wish.names.clone());
    Ok((evidence, planned.unwrap_or_default()))
}

/// Whether no router runs: of one that is busy, or not ours to ask, nothing can be said.
fn is_absent(error: &AskError) -> bool {
    match error {
        AskError::NoRouter { .. } => true,
        AskError::Connect { error, .. } => matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused),
        AskError::ManyRouters { .. } | AskError::Broken { .. } | AskError::Refused(_) => false,
    }
}

fn check_names(evidence: &Evidence, names: &[String]) -> Result<(), CollectError> {
    let tunnels = evidence.tunnels.iter().map(|tunnel| &tunnel.name);
    let beyond = evidence.sessions.iter().map(|session| &session.name);
    let known = tunnels.chain(beyond).chain(evidence.pools.iter().map(|pool| &pool.name));
    let known: Vec<String> = known.cloned().collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(CollectError::Unknown { name: name.clone(), known: known.join(", ") });
    }
    Ok(())
}

/// All that are asked about at once: each waits for its own answers.
fn try_packets(evidence: &mut Evidence) {
    let Evidence { tunnels, sessions, target, chosen, .. } = evidence;
    let inside: Vec<String> = tunnels.iter().map(|tunnel| tunnel.interface.clone()).collect();
    std::thread::scope(|scope| {
        for tunnel in tunnels.iter_mut().filter(|tunnel| chosen.has(&tunnel.name)) {
            scope.spawn(|| try_tunnel(tunnel));
        }
        for session in sessions.iter_mut().filter(|session| chosen.has(&session.name)) {
            scope.spawn(|| probe::port(session, None));
        }
        if let Some(target) = target
            && let RouteLookup::Via { interface } = &target.route
            && inside.contains(interface)
        {
            scope.spawn(|| target.ping = echo::ping(interface, None, target.address));
        }
    });
}

fn try_tunnel(tunnel: &mut Tunnel) {
    if tunnel.state == Some(TunnelState::Up) {
        let Tunnel { interface, inside_local, inside_peer, .. } = tunnel;
        // The peer knows nothing of addresses of our own making.
        if !tunnel.inside_made_up {
            tunnel.ping = echo::ping(interface, Some(*inside_local), *inside_peer);
        }
        if tunnel.ping.is_some_and(|ping| ping.received > 0) {
            tunnel.sizes = tunnel.mtu.and_then(|mtu| echo::sizes(interface, *inside_local, *inside_peer, mtu));
        }
        if let Some(session) = &mut tunnel.session {
            probe::port(session, Some(interface));
        }
    } else if !tunnel.has_ike && matches!(tunnel.route, Some(RouteLookup::Via { .. }) | None) {
        if tunnel.ike_port == probe::IKE {
            tunnel.ike_answer = probe::ike(tunnel.local, tunnel.remote, probe::IKE);
        }
        if tunnel.ike_answer != Some(doctor::IkeAnswer::Answered) {
            tunnel.nat_answer = probe::ike(tunnel.local, tunnel.remote, probe::NAT_TRAVERSAL);
        }
    }
}

/// The folder that relative paths of a configuration start at.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(error: AskError, text: &str, name: &str) -> Result<Evidence, CollectError> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("edge.yaml");
        std::fs::write(&file, text).expect("a file");
        describe(Err(error), &Wish { names: vec![name.to_owned()], file: Some(file), target: None })
            .map(|(evidence, _)| evidence)
    }

    fn refused(kind: ErrorKind) -> AskError {
        AskError::Connect { socket: "/run/quadspan/edge.sock".into(), error: kind.into() }
    }

    const PLAIN: &str = "router: {name: edge, asn: 65000, router-id: 192.0.2.10}\n\
                         neighbors: [{name: n, address: 192.0.2.9, bgp: {asn: 65001}}]\n";

    #[test]
    fn a_router_that_cannot_be_asked_is_not_one_that_does_not_run() {
        for error in [
            AskError::ManyRouters { sockets: vec!["a".into(), "b".into()] },
            refused(ErrorKind::PermissionDenied),
            AskError::Broken { socket: "s".into(), error: "cut".to_owned() },
        ] {
            let remedy = error.remedy().to_owned();
            let error = asked(error, PLAIN, "n").expect_err("nothing can be looked at");
            assert!(matches!(error, CollectError::Unanswered(_)) && error.remedy() == remedy, "{error}");
        }
        for kind in [ErrorKind::NotFound, ErrorKind::ConnectionRefused] {
            let evidence = asked(refused(kind), PLAIN, "n").expect("the file tells");
            assert!(matches!(evidence.router, RouterState::Absent { .. }));
            assert_eq!((evidence.sessions.len(), evidence.files), (1, Vec::new()));
        }
    }

    #[test]
    fn names_are_compared_with_those_of_a_configuration_that_loads() {
        let error = asked(refused(ErrorKind::NotFound), PLAIN, "x").expect_err("there is no x");
        assert!(matches!(error, CollectError::Unknown { .. }), "{error}");
        let evidence = asked(refused(ErrorKind::NotFound), "router: {", "x").expect("what is wrong is evidence");
        assert!(evidence.files.iter().any(|file| file.unusable));
        assert!(evidence.chosen.has("x") && !evidence.chosen.has("n"));
    }
}
