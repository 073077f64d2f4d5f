//! `show neighbors`: each session with what it waits for, what went wrong last, and what the two sides offered.

use std::fmt::Write as _;

use view::{CapabilityView, PeerView};

/// All sessions, or those of this name or address.
pub(super) fn neighbors(view: &[PeerView], which: Option<&str>) -> String {
    let wanted = |peer: &&PeerView| which.is_none_or(|which| peer.tunnel == which || peer.address.to_string() == which);
    let blocks: Vec<String> = view.iter().filter(wanted).map(neighbor).collect();
    match (blocks.is_empty(), which) {
        (true, Some(which)) => format!("no BGP session is called {which}"),
        (true, None) => "no BGP session".to_owned(),
        (false, _) => blocks.join("\n"),
    }
}

fn neighbor(peer: &PeerView) -> String {
    let mut text =
        format!("{} ({}), AS {}: {} for {} s\n", peer.tunnel, peer.address, peer.asn, peer.state, peer.since);
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<20} {value}");
    };
    if let Some(waiting) = &peer.waiting {
        let retry = peer.retry_in.map_or_else(String::new, |seconds| format!(", for {seconds} s more"));
        line("waiting", format!("{waiting}{retry}"));
    }
    if let Some(id) = &peer.router_id {
        let hold = peer.hold_time.unwrap_or_default();
        line("agreed", format!("router id {id}, hold time {hold} s, families {}", peer.families.join(" ")));
    }
    if let Some(asn) = peer.local_asn {
        line("our AS here", asn.to_string());
    }
    if let Some(role) = &peer.role {
        line("our role", role.clone());
    }
    if !peer.stale.is_empty() {
        line("stale routes kept", peer.stale.join(" "));
    }
    if let Some(error) = &peer.last_error {
        line("last down", format!("{} ({} s ago)", error.text, error.ago));
        line("what to do", error.remedy.clone());
    }
    let notifications = [("last NOTIFICATION in", &peer.notification_received), ("and out", &peer.notification_sent)];
    for (name, notification) in notifications {
        if let Some(notification) = notification {
            line(name, format!("{} ({} s ago)", notification.text, notification.ago));
        }
    }
    for capability in &peer.capabilities {
        line("capability", in_words(capability));
    }
    text
}

fn in_words(capability: &CapabilityView) -> String {
    match (&capability.ours, &capability.theirs) {
        (Some(ours), Some(theirs)) if ours == theirs => format!("{ours} (both)"),
        (Some(ours), Some(theirs)) => format!("{ours} (we), {theirs} (the peer)"),
        (Some(ours), None) => format!("{ours} (we; the peer does not)"),
        (None, Some(theirs)) => format!("{theirs} (the peer; not taken)"),
        (None, None) => capability.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use view::{FailureView, MessageCounts, NotificationView, PeerPlace, PrefixCounts};

    fn peer() -> PeerView {
        PeerView {
            tunnel: "aws-1".into(),
            place: PeerPlace::Tunnel,
            interface: None,
            draining: false,
            address: "169.254.21.1".parse().unwrap(),
            asn: 64512,
            local_asn: Some(64999),
            state: "Idle".into(),
            since: 12,
            router_id: None,
            hold_time: None,
            families: Vec::new(),
            prefixes: PrefixCounts::default(),
            messages: MessageCounts::default(),
            flaps: 1,
            last_error: Some(FailureView {
                reason: "notification-received".into(),
                text: "the peer sent NOTIFICATION Cease: Administrative Shutdown (6/2): \"upgrade\"".into(),
                remedy: "the peer's operator shut the session down: enable it there".into(),
                ago: 12,
            }),
            waiting: Some("out the pause after a failure".into()),
            retry_in: Some(3),
            notification_received: Some(NotificationView { text: "Cease (6/2)".into(), ago: 12 }),
            notification_sent: None,
            capabilities: vec![
                CapabilityView { name: "route-refresh".into(), ours: Some("route-refresh".into()), theirs: None },
                CapabilityView { name: "fqdn".into(), ours: None, theirs: Some("fqdn".into()) },
            ],
            stale: vec!["ipv4-unicast".into()],
            role: Some("customer".into()),
        }
    }

    #[test]
    fn a_session_that_is_down_says_why_what_it_waits_for_and_what_to_do() {
        let text = neighbors(&[peer()], None);
        for part in [
            "aws-1 (169.254.21.1), AS 64512: Idle for 12 s",
            "waiting              out the pause after a failure, for 3 s more",
            "our AS here          64999",
            "our role             customer",
            "stale routes kept    ipv4-unicast",
            "Administrative Shutdown (6/2): \"upgrade\" (12 s ago)",
            "what to do           the peer's operator shut the session down",
            "route-refresh (we; the peer does not)",
            "fqdn (the peer; not taken)",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn one_session_is_found_by_name_or_address() {
        assert!(neighbors(&[peer()], Some("169.254.21.1")).starts_with("aws-1"));
        assert_eq!(neighbors(&[peer()], Some("aws-2")), "no BGP session is called aws-2");
    }
}
