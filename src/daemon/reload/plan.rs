//! What a reload has to do: how the configuration that runs and the next one differ, and what cannot change meanwhile.

use negotiation::TunnelConfig;
use settings::{Router, Tunnel};
use wire::ipsec::TunnelId;

use crate::topology::Topology;
use view::answer::ControlError;

/// What a reload that finds nothing to do says.
pub(super) const NOTHING: &str = "nothing changed";

/// What a reload has to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) remove: Vec<TunnelId>,
    pub(super) add: Vec<Tunnel>,
    pub(super) policy: Vec<Tunnel>,
    /// Those with other certificates or CAs, and maybe another policy.
    pub(super) credentials: Vec<Tunnel>,
    /// Those that end and begin anew, and the keys for which they have to.
    replaced: Vec<(String, Vec<&'static str>)>,
    networks: bool,
}

impl Plan {
    pub(super) fn between(current: &Topology, next: &Router) -> Self {
        let mut plan = Self { networks: current.router.rib.originated != next.rib.originated, ..Self::default() };
        for (id, part) in &current.tunnels {
            if !next.tunnels.iter().any(|tunnel| tunnel.name == part.tunnel.name) {
                plan.remove.push(*id);
            }
        }
        for tunnel in &next.tunnels {
            match current.by_name(&tunnel.name) {
                None => plan.add.push(tunnel.clone()),
                Some((_, part)) if *part.tunnel == *tunnel => {}
                Some((_, part)) if same_but_policy(&part.tunnel, tunnel) => plan.policy.push(tunnel.clone()),
                Some((_, part)) if same_but_certificates(&part.tunnel, tunnel) => plan.credentials.push(tunnel.clone()),
                Some((id, part)) => {
                    plan.replaced.push((tunnel.name.clone(), what_differs(&part.tunnel, tunnel)));
                    plan.remove.push(id);
                    plan.add.push(tunnel.clone());
                }
            }
        }
        plan
    }

    pub(super) fn summary(&self) -> String {
        let replaced = self.replaced.len();
        let (added, removed) = (self.add.len() - replaced, self.remove.len() - replaced);
        if added + removed + replaced + self.policy.len() + self.credentials.len() == 0 && !self.networks {
            return NOTHING.to_owned();
        }
        let renewed = match self.credentials.len() {
            0 => String::new(),
            count => format!(", {count} with other certificates"),
        };
        let why = |(name, keys): &(String, Vec<&str>)| format!("{name}: {}", keys.join(", "));
        let interrupted = match self.replaced.as_slice() {
            [] => String::new(),
            all => format!(" and interrupted ({})", all.iter().map(why).collect::<Vec<_>>().join("; ")),
        };
        format!(
            "tunnels: {added} added, {removed} removed, {replaced} restarted{interrupted}, {} with a changed session or routing{renewed}; networks {}",
            self.policy.len(),
            if self.networks { "changed" } else { "unchanged" }
        )
    }
}

/// Whether two tunnels differ in nothing but what session, routing tables and BFD can take over while the tunnel stays
/// as it is.
fn same_but_policy(old: &Tunnel, new: &Tunnel) -> bool {
    // S0-55: what leads packets into a tunnel is no matter between its ends.
    let mut with_old_policy = Tunnel { protected: old.protected.clone(), ..new.clone() };
    let (old_bgp, new_bgp) = match (&old.bgp, &new.bgp) {
        (Some(old_bgp), Some(new_bgp)) => (old_bgp, new_bgp),
        (None, None) => return with_old_policy == *old,
        (Some(_), None) | (None, Some(_)) => return false,
    };
    // Who connects decides whether the tunnel is brought up at once.
    let peer = peering::PeerConfig { passive: new_bgp.peer.passive, ..old_bgp.peer.clone() };
    let (policy, transport, bfd) = (old_bgp.policy.clone(), old_bgp.transport.clone(), old_bgp.bfd.clone());
    with_old_policy.bgp = Some(settings::Session { policy, peer, transport, bfd, ..new_bgp.clone() });
    with_old_policy == *old
}

/// Whether two tunnels differ in certificates or trusted CAs, and else in nothing that would restart the tunnel.
fn same_but_certificates(old: &Tunnel, new: &Tunnel) -> bool {
    // Who is trusted no more, or was revoked, must not stay: such a tunnel begins anew.
    let trusted = new.ike.auth.trusts_all_of(&old.ike.auth);
    if !trusted || !old.ike.auth.uses_certificates() || !new.ike.auth.uses_certificates() {
        return false;
    }
    let mut with_old = new.clone();
    with_old.ike.auth = old.ike.auth.clone();
    with_old == *old || same_but_policy(old, &with_old)
}

/// The keys of a tunnel that are others, of those that it cannot take over while it is up.
fn what_differs(old: &Tunnel, new: &Tunnel) -> Vec<&'static str> {
    let (ours, theirs) = (&old.ike, &new.ike);
    let lives = |ike: &TunnelConfig| (ike.ike_lifetime, ike.rekey_margin, ike.rekey_fuzz);
    let selectors = |ike: &TunnelConfig| (ike.local_selectors.clone(), ike.remote_selectors.clone(), ike.layout);
    let child = |ike: &TunnelConfig| (ike.child_lifetime, ike.replay_window, ike.early_rekey);
    let differs = [
        ("profile", old.profile != new.profile),
        ("interface", old.interface != new.interface),
        ("local", ours.local != theirs.local),
        ("remote", ours.remote != theirs.remote),
        ("local-id", ours.local_id != theirs.local_id),
        ("remote-id", ours.remote_id != theirs.remote_id),
        ("psk or certificate", ours.auth != theirs.auth),
        ("ppk", ours.ppk != theirs.ppk),
        ("inside", (old.inside, old.inside_made_up) != (new.inside, new.inside_made_up)),
        ("inside6", old.inside6 != new.inside6),
        (
            "ike",
            (ours.version, ours.ike_port, &ours.ike_proposals)
                != (theirs.version, theirs.ike_port, &theirs.ike_proposals),
        ),
        ("lifetime or rekey", lives(ours) != lives(theirs)),
        ("esp", ours.esp_proposals != theirs.esp_proposals || child(ours) != child(theirs)),
        ("selectors", selectors(ours) != selectors(theirs)),
        ("start", ours.start != theirs.start),
        ("encapsulation", ours.encapsulation != theirs.encapsulation),
        ("dpd", ours.dpd != theirs.dpd),
        ("mtu", old.mtu != new.mtu),
        ("dscp or df", old.outer != new.outer),
        ("bgp", old.bgp != new.bgp),
    ];
    let keys: Vec<_> = differs.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect();
    if keys.is_empty() { vec!["something"] } else { keys }
}

/// Some settings belong to the process; changing them under running sessions would drop everything anyway.
pub(super) fn refuse_restart_only(old: &Router, new: &Router) -> Result<(), ControlError> {
    let differs = [
        ("name", old.name != new.name),
        ("asn", old.asn != new.asn),
        ("router-id", old.router_id != new.router_id),
        ("dataplane", old.dataplane.is_kernel() != new.dataplane.is_kernel()),
        ("table", old.table != new.table),
        ("metric", old.metric != new.metric),
        ("ecmp", old.ecmp_width != new.ecmp_width),
        ("install", old.install != new.install),
        ("api.socket", old.api_socket != new.api_socket),
        ("log", old.log != new.log),
        ("metrics.listen", old.metrics_listen != new.metrics_listen),
        ("the set of local outside addresses", old.local_addresses() != new.local_addresses()),
    ];
    let changed: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(ControlError::Apply { reason: format!("{} cannot change while the router runs", changed.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_plane_stays_and_another_word_for_it_is_no_change() {
        let router = |more: &str| {
            let text = format!(
                "router: {{name: r, asn: 65000, router-id: 10.0.0.1{more}}}\nneighbors: [{{name: n, address: 192.0.2.9, bgp: \
                 {{asn: 65001}}}}]\n"
            );
            config::parse("test.yaml", &text, &config::SystemSecrets::new(".".as_ref())).unwrap().router
        };
        assert!(refuse_restart_only(&router(""), &router(", dataplane: userspace")).is_ok());
        let refusal = refuse_restart_only(&router(""), &router(", dataplane: kernel")).unwrap_err();
        assert!(refusal.to_string().contains("dataplane cannot change while the router runs"), "{refusal}");
        assert!(refuse_restart_only(&router(""), &router(", metric: 7")).is_err());
    }

    #[test]
    fn what_restarts_a_tunnel_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ppk"), "a_post_quantum_key_that_is_long_enough").unwrap();
        let tunnel = |more: &str| {
            let text = format!(
                "router: {{name: r, asn: 65000, router-id: 10.0.0.1}}\ntunnels: [{{name: dc, local: 192.0.2.1, remote: \
                 192.0.2.9, psk: {{inline: a_key_that_is.long}}, routes: [10.2.0.0/16]{more}}}]\n"
            );
            let source = config::SystemSecrets::new(folder.path());
            config::parse("test.yaml", &text, &source).unwrap().router.tunnels.swap_remove(0)
        };
        let keys = |more: &str| what_differs(&tunnel(""), &tunnel(more));
        assert_eq!(keys(", selectors: {local: [10.1.0.0/16], remote: [10.2.0.0/16]}"), ["selectors"]);
        assert_eq!(keys(", ike: {port: 4500}, mtu: 1300"), ["ike", "mtu"]);
        assert_eq!(keys(", esp: {lifetime: 30m}"), ["lifetime or rekey", "esp"]);
        for (what, more) in [
            ("profile", ", profile: aws"),
            ("interface", ", interface: other"),
            ("local-id", ", local-id: a.example"),
            ("remote-id", ", remote-id: b.example"),
            ("ppk", ", ppk: {id: a, file: ppk}"),
            ("inside", ", inside: {prefix: 169.254.30.0/30, side: first}"),
            ("lifetime or rekey", ", rekey: {fuzz: 3}"),
            ("start", ", start: respond"),
            ("encapsulation", ", encapsulation: always"),
            ("dpd", ", dpd: {interval: 3s}"),
            ("dscp or df", ", dscp: ef"),
        ] {
            assert!(keys(more).contains(&what), "{what}: {:?}", keys(more));
        }
        let mut plan = Plan { replaced: vec![("dc".to_owned(), vec!["selectors"])], ..Plan::default() };
        (plan.add, plan.remove) = (vec![tunnel("")], vec![TunnelId(1)]);
        assert!(plan.summary().contains("1 restarted and interrupted (dc: selectors), 0 with"), "{}", plan.summary());
    }
}
