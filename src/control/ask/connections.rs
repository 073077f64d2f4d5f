//! What operators and scrapes ask about connections.

use wire::ipsec::TunnelId;

use crate::{Control, views};
use steering::Refusal;
use view::ConnectionsView;
use view::answer::ControlError;
use view::cause::TunnelNames as _;

impl Control {
    /// Connections and what probes tell of tunnels.
    ///
    /// # Errors
    /// [`ControlError::Stopping`].
    pub async fn connections(&self) -> Result<ConnectionsView, ControlError> {
        let report = self.owners.connections().await?;
        let topology = self.owners.topology.borrow().clone();
        Ok(views::connections(&report, &topology, std::time::Instant::now()))
    }

    /// Moves a connection's traffic to a tunnel, or to the best that does not carry it, until released.
    ///
    /// # Errors
    /// When there is no such connection or tunnel, or the tunnel is not healthy.
    pub async fn switch_connection(&self, name: &str, to: Option<&str>) -> Result<String, ControlError> {
        self.connection(name)?;
        let to = to.map(|tunnel| self.member(name, tunnel)).transpose()?;
        let outcome = self.owners.switch_connection(name.to_owned(), to).await?;
        let topology = self.owners.topology.borrow().clone();
        match outcome {
            Ok(tunnel) => Ok(format!(
                "connection {name}: traffic goes through {} until `quadspan connection release {name}`",
                topology.name(tunnel)
            )),
            Err(refusal) => {
                let (reason, remedy) = match refusal {
                    Refusal::NoMember => ("the tunnel is not in it".to_owned(), "see `quadspan show connections`"),
                    Refusal::Unhealthy(tunnel, obstacle) => {
                        (format!("{}: {obstacle}", topology.name(tunnel)), obstacle.remedy())
                    }
                    Refusal::NoOther => {
                        ("no other tunnel is healthy".to_owned(), "see `quadspan show connections` for why")
                    }
                };
                Err(ControlError::NotSwitched { name: name.to_owned(), reason, remedy })
            }
        }
    }

    /// Leaves a connection to its rules again.
    ///
    /// # Errors
    /// When there is no such connection.
    pub async fn release_connection(&self, name: &str) -> Result<String, ControlError> {
        self.connection(name)?;
        let released = self.owners.release_connection(name.to_owned()).await?;
        Ok(match released {
            true => format!("connection {name}: left to its rules again"),
            false => format!("connection {name}: it was left to its rules already"),
        })
    }

    fn connection(&self, name: &str) -> Result<(), ControlError> {
        let topology = self.owners.topology.borrow();
        let connections = &topology.router.connections;
        if connections.iter().any(|connection| connection.name == name) {
            return Ok(());
        }
        let known: Vec<&str> = connections.iter().map(|connection| connection.name.as_str()).collect();
        Err(ControlError::NoConnection { name: name.to_owned(), known: known.join(", ") })
    }

    fn member(&self, connection: &str, name: &str) -> Result<TunnelId, ControlError> {
        let topology = self.owners.topology.borrow();
        let router = &topology.router;
        let of = router.connections.iter().find(|one| one.name == connection);
        let members = of.map(|one| one.members.as_slice()).unwrap_or_default();
        let is_member = members.iter().any(|member| member.tunnel == name);
        let tunnel = router.tunnels.iter().find(|tunnel| tunnel.name == name && is_member);
        tunnel.map(|tunnel| tunnel.id).ok_or_else(|| ControlError::NoTunnel {
            name: name.to_owned(),
            known: members.iter().map(|member| member.tunnel.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}
