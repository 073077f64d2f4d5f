//! A cloud's end of one tunnel: strongSwan and a BGP speaker in one namespace.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use ipnet::Ipv4Net;

use super::bird::Bird;
use super::frr::Frr;
use super::namespace::Namespace;
use super::strongswan::{StrongSwan, SwanTunnel};
use super::{Lab, Result};

/// One end's BGP configuration.
#[derive(Clone, Debug)]
pub struct BgpSide {
    /// Own autonomous system.
    pub asn: u32,
    /// Own identifier.
    pub router_id: Ipv4Addr,
    /// Own inside address.
    pub local: Ipv4Addr,
    /// The peer's inside address.
    pub peer: Ipv4Addr,
    /// The peer's autonomous system.
    pub peer_asn: u32,
    /// Hold time in seconds.
    pub hold: u32,
    /// Prefixes to announce.
    pub announce: Vec<Ipv4Net>,
    /// Whether it speaks BFD beside it, with 300 ms three times.
    pub bfd: bool,
}

/// Which program speaks BGP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// BIRD 2.
    Bird,
    /// FRR's bgpd and zebra.
    Frr,
}

/// What a concentrator is told.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tunnel.
    pub swan: SwanTunnel,
    /// The session inside.
    pub bgp: BgpSide,
    /// Who speaks it.
    pub speaker: Speaker,
}

/// A concentrator in its namespace. Its programs can be killed and started again.
#[derive(Debug)]
pub struct Concentrator {
    swan: Option<StrongSwan>,
    bird: Option<Bird>,
    frr: Option<Frr>,
    /// What it is told at the next start.
    pub plan: Plan,
    directory: PathBuf,
    /// Its host.
    pub namespace: Namespace,
}

impl Concentrator {
    /// A concentrator on an existing host; nothing runs yet.
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn new(lab: &Lab, namespace: Namespace, plan: Plan) -> Result<Self> {
        let directory = lab.subdirectory(namespace.role())?;
        Ok(Self { swan: None, bird: None, frr: None, plan, directory, namespace })
    }

    /// Starts both programs.
    ///
    /// # Errors
    /// When either does not come up.
    pub fn start(&mut self) -> Result<()> {
        self.swan = Some(StrongSwan::start(&self.namespace, &self.directory, &self.plan.swan)?);
        match self.plan.speaker {
            Speaker::Bird => self.bird = Some(Bird::start(&self.namespace, &self.directory, &self.plan.bgp)?),
            Speaker::Frr => self.frr = Some(Frr::start(&self.namespace, &self.directory, &self.plan.bgp)?),
        }
        Ok(())
    }

    /// SIGKILL to everything: the concentrator vanishes without a word.
    ///
    /// # Errors
    /// When a process cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut swan) = self.swan.take() {
            swan.process().kill()?;
        }
        if let Some(mut bird) = self.bird.take() {
            bird.process().kill()?;
        }
        if let Some(mut frr) = self.frr.take() {
            frr.kill()?;
        }
        Ok(())
    }

    /// The running BIRD.
    ///
    /// # Errors
    /// When none runs.
    pub fn bird(&mut self) -> Result<&mut Bird> {
        self.bird.as_mut().ok_or_else(|| not_running(&self.namespace, "BIRD"))
    }

    /// The running FRR.
    ///
    /// # Errors
    /// When none runs.
    pub fn frr(&mut self) -> Result<&mut Frr> {
        self.frr.as_mut().ok_or_else(|| not_running(&self.namespace, "FRR"))
    }

    /// The running charon.
    ///
    /// # Errors
    /// When none runs.
    pub fn swan(&self) -> Result<&StrongSwan> {
        self.swan.as_ref().ok_or_else(|| not_running(&self.namespace, "charon"))
    }

    /// Succeeds when tunnel and session are both up, by the peer's own account.
    ///
    /// # Errors
    /// With what there is instead.
    pub fn expect_up(&self) -> Result<()> {
        self.swan()?.expect_up()?;
        match (&self.bird, &self.frr) {
            (Some(bird), _) => bird.expect_established(),
            (None, Some(frr)) => frr.expect_established(),
            (None, None) => Err(not_running(&self.namespace, "BGP")),
        }
    }

    /// Prefixes its BGP speaker learned from us.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn learned(&self) -> Result<Vec<String>> {
        match (&self.bird, &self.frr) {
            (Some(bird), _) => bird.learned(),
            (None, Some(frr)) => frr.learned(),
            (None, None) => Err(not_running(&self.namespace, "BGP")),
        }
    }

    /// Closes the BGP session from its side and opens it again.
    ///
    /// # Errors
    /// When the speaker does not answer.
    pub fn reset_session(&self) -> Result<()> {
        match (&self.bird, &self.frr) {
            (Some(bird), _) => bird.reset_session(),
            (None, Some(frr)) => frr.reset_session(),
            (None, None) => Err(not_running(&self.namespace, "BGP")),
        }
    }

    /// The last lines of its logs.
    #[must_use]
    pub fn logs(&self, lines: usize) -> String {
        let role = self.namespace.role();
        let mut text = String::new();
        for name in ["charon.log", "bird.log", "frr/bgpd.log"] {
            let path = self.directory.join(name);
            if path.exists() {
                text += &format!("--- {role} {name}\n{}\n", super::process::tail(&path, lines));
            }
        }
        text
    }
}

fn not_running(namespace: &Namespace, what: &str) -> super::LabError {
    super::LabError::Unexpected {
        what: format!("{what} runs in {}", namespace.role()),
        found: "it does not".to_owned(),
    }
}
