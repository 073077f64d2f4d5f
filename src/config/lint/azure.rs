//! Azure's custom BGP addresses, which are set there and nowhere here: what has to be remembered.
//!
//! ```text
//!   instance 0: [169.254.21.2, 169.254.22.2]   a connection that names none uses the first of the list (S4-09)
//!   instance 1: [169.254.21.6, 169.254.22.6]
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;

use document::code::Code;
use document::diagnostic::{Finding, Findings};
use profile::Profile;
use resolve::TunnelDraft;

pub(super) fn lint(tunnels: &[TunnelDraft], findings: &Findings) {
    let mut instances: BTreeMap<IpAddr, Vec<&TunnelDraft>> = BTreeMap::new();
    let speaking = |tunnel: &&TunnelDraft| tunnel.profile == Profile::Azure && tunnel.session.is_some();
    for tunnel in tunnels.iter().filter(speaking) {
        if let Some(remote) = tunnel.remote {
            instances.entry(remote.value).or_default().push(tunnel);
        }
    }
    let lonely = instances.len() == 1;
    for (address, tunnels) in instances {
        let [_, second, ..] = tunnels.as_slice() else { continue };
        let Some(at) = second.remote.map(|remote| remote.span) else { continue };
        if lonely {
            findings.push(
                // S4-03.
                Finding::advice(Code::AzureOneAddress, at, format!("{} tunnels end at {address}", tunnels.len()))
                    .label("an active-passive gateway has one custom BGP address")
                    .remedy("make the Azure gateway active-active, and end some tunnels at its second address"),
            );
        }
        let list: Vec<_> =
            tunnels.iter().filter_map(|tunnel| Some((tunnel.title(), tunnel.inside?.value.peer))).collect();
        let list: Vec<_> = list.iter().map(|(name, peer)| format!("{name} {peer}")).collect();
        findings.push(
            // S4-09, S4-19.
            Finding::advice(Code::AzureCustomAddress, at, format!("Azure has several BGP addresses at {address}"))
                .label("without a custom address a connection uses the first of them")
                .remedy(format!("turn on custom BGP addresses at each connection: {}", list.join(", "))),
        );
    }
}
