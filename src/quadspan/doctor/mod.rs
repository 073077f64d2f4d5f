//! Collects what [`doctor::examine`] judges: what the router says, what the machine shows, what a few packets tell.
//!
//! ```text
//!   router     control socket, or the configuration file if nobody answers
//!   machine    /proc, the clock, who has UDP 500 and 4500
//!   filters    nft, iptables-save
//!   routes     rtnetlink: addresses, ways, routes of others
//!   probe      datagrams to UDP 500 and 4500 of peers whose tunnel is down, TCP 179 of peers whose session is
//!   echo       pings to inside addresses, small and of full size
//! ```
//!
//! Nothing is changed. Packets go to the configured peers' addresses alone, through their tunnels where they are inside,
//! a bounded number to each; and to the target of `--target` if its way leads through a tunnel.

mod echo;
mod filters;
mod machine;
mod probe;
mod router;
mod routes;

use std::path::{Path, PathBuf};

use doctor::{Evidence, RouteLookup, RouterState, Target, Tunnel, TunnelState};

use crate::control::client::{AskError, Client};

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Only these tunnels and neighbours; all if none is named.
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
    /// There is no such tunnel or neighbour.
    #[error("there is no tunnel or neighbor `{name}`; there are {known}")]
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
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::NothingKnown { .. } => "name it: `quadspan doctor -c FILE`",
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
    let mut evidence = Evidence::default();
    let asked = client.and_then(|client| router::ask(&client));
    match asked {
        Ok(answers) => {
            let file = wish.file.clone().or_else(|| answers.file());
            router::from_views(answers, &mut evidence);
            if let Some(file) = file {
                evidence.files = router::complaints(&file);
            }
        }
        Err(error) => {
            let reason = error.to_string();
            let Some(file) = &wish.file else { return Err(CollectError::NothingKnown { reason }) };
            evidence.router = RouterState::Absent { reason };
            router::from_file(file, &mut evidence);
        }
    }
    choose(&mut evidence, &wish.names)?;
    evidence.machine = machine::look();
    evidence.machine.firewall = filters::read();
    let system = |what| move |error| CollectError::System { what, error };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(system("start a runtime"))?;
    let target = runtime.block_on(routes::look(&mut evidence, wish.target)).map_err(system("netlink"))?;
    evidence.target = wish.target.zip(target).map(|(address, route)| Target { address, route, ping: None });
    try_packets(&mut evidence);
    Ok(evidence)
}

/// Leaves only what was asked for.
fn choose(evidence: &mut Evidence, names: &[String]) -> Result<(), CollectError> {
    let tunnels = evidence.tunnels.iter().map(|tunnel| &tunnel.name);
    let known: Vec<String> = tunnels.chain(evidence.sessions.iter().map(|session| &session.name)).cloned().collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(CollectError::Unknown { name: name.clone(), known: known.join(", ") });
    }
    if !names.is_empty() {
        evidence.tunnels.retain(|tunnel| names.contains(&tunnel.name));
        evidence.sessions.retain(|session| names.contains(&session.name));
    }
    Ok(())
}

/// All tunnels at once: each waits for its own answers.
fn try_packets(evidence: &mut Evidence) {
    let inside: Vec<String> = evidence.tunnels.iter().map(|tunnel| tunnel.interface.clone()).collect();
    std::thread::scope(|scope| {
        for tunnel in &mut evidence.tunnels {
            scope.spawn(|| try_tunnel(tunnel));
        }
        for session in &mut evidence.sessions {
            scope.spawn(|| probe::port(session, None));
        }
        if let Some(target) = &mut evidence.target {
            let through = match &target.route {
                RouteLookup::Via { interface } => inside.contains(interface),
                RouteLookup::None { .. } => false,
            };
            if through {
                scope.spawn(|| target.ping = echo::ping(None, target.address));
            }
        }
    });
}

fn try_tunnel(tunnel: &mut Tunnel) {
    if tunnel.state == Some(TunnelState::Up) {
        tunnel.ping = echo::ping(Some(tunnel.inside_local), tunnel.inside_peer);
        if tunnel.ping.is_some_and(|ping| ping.received > 0) {
            tunnel.sizes = tunnel.mtu.and_then(|mtu| echo::sizes(tunnel.inside_local, tunnel.inside_peer, mtu));
        }
        let interface = tunnel.interface.clone();
        if let Some(session) = &mut tunnel.session {
            probe::port(session, Some(&interface));
        }
    } else if !tunnel.has_ike && matches!(tunnel.route, Some(RouteLookup::Via { .. }) | None) {
        tunnel.ike_answer = probe::ike(tunnel.local, tunnel.remote, probe::IKE);
        if tunnel.ike_answer != Some(doctor::IkeAnswer::Answered) {
            tunnel.nat_answer = probe::ike(tunnel.local, tunnel.remote, probe::NAT_TRAVERSAL);
        }
    }
}

/// The folder that relative paths of a configuration start at.
fn folder(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new("."))
}
