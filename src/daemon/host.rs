//! Settings of the machine that routing needs, made at start.
//!
//! Only the settings of the network namespace the process runs in are touched, and each change is logged with the
//! value it replaced. A clean stop puts back what nobody has changed since, but for forwarding: others who started
//! later may count on it.

use std::fs;
use std::path::PathBuf;

use bgp::Family;
use settings::Router;

/// A setting, the value it needs and why.
struct Need {
    key: &'static str,
    value: &'static str,
    why: &'static str,
    stays: bool,
}

const FORWARD_V6: Need = Need {
    key: "net/ipv6/conf/all/forwarding",
    value: "1",
    why: "IPv6 packets between the tunnels and the networks are not forwarded",
    stays: true,
};

const NEEDS: [Need; 3] = [
    Need {
        key: "net/ipv4/ip_forward",
        value: "1",
        why: "packets between the tunnels and the networks are not forwarded",
        stays: true,
    },
    Need {
        key: "net/ipv4/fib_multipath_hash_policy",
        value: "1",
        why: "connections between the same two hosts all take the same tunnel",
        stays: false,
    },
    // A nexthop group that changes would otherwise be announced route by route.
    Need {
        key: "net/ipv4/nexthop_compat_mode",
        value: "0",
        why: "a tunnel's return takes longer the more routes there are",
        stays: false,
    },
];

/// Interfaces that take router advertisements do so no longer once forwarding is on, unless told to by this value.
const ACCEPT_RA_ALWAYS: &str = "2";

/// What was changed, to be put back.
#[derive(Debug, Default)]
pub(super) struct HostSettings {
    replaced: Vec<Replaced>,
    /// What could not be set and what follows from that.
    pub(super) warnings: Vec<String>,
}

#[derive(Debug)]
struct Replaced {
    path: PathBuf,
    old: String,
    new: &'static str,
}

impl HostSettings {
    /// Makes all settings; what can't be made becomes a warning, not a failure. IPv6 is touched only if a tunnel or a
    /// session carries it.
    pub(super) fn apply(router: &Router) -> Self {
        let mut settings = Self::default();
        for need in &NEEDS {
            settings.set(need);
        }
        let inside = router.tunnels.iter().any(|tunnel| tunnel.inside6.is_some());
        if inside || router.sessions().any(|session| session.peer.families.contains(&Family::Ipv6Unicast)) {
            settings.keep_advertisements();
            settings.set(&FORWARD_V6);
        }
        settings
    }

    /// Without this, the machine's own IPv6 default route would end with the first `forwarding=1`.
    fn keep_advertisements(&mut self) {
        let Ok(interfaces) = fs::read_dir("/proc/sys/net/ipv6/conf") else { return };
        for path in interfaces.filter_map(|entry| entry.ok().map(|entry| entry.path().join("accept_ra"))) {
            let old = fs::read_to_string(&path).unwrap_or_default().trim().to_owned();
            if old == "1" && fs::write(&path, ACCEPT_RA_ALWAYS).is_ok() {
                self.replaced.push(Replaced { path, old, new: ACCEPT_RA_ALWAYS });
            }
        }
    }

    fn set(&mut self, need: &Need) {
        let path = PathBuf::from("/proc/sys").join(need.key);
        let name = need.key.replace('/', ".");
        let Ok(old) = fs::read_to_string(&path) else {
            // The kernel lacks the feature, for example IPv6: nothing to set.
            return;
        };
        let old = old.trim().to_owned();
        if old == need.value {
            return;
        }
        match fs::write(&path, need.value) {
            Ok(()) => {
                tracing::info!(setting = name, old, new = need.value, "kernel setting changed");
                if !need.stays {
                    self.replaced.push(Replaced { path, old, new: need.value });
                }
            }
            Err(error) => {
                let remedy = format!("sysctl -w {name}={}", need.value);
                self.warnings.push(format!("{name} is {old} ({error}): {}; run `{remedy}`", need.why));
            }
        }
    }

    /// Puts back what was found, where it is still what we made it.
    pub(super) fn restore(self) {
        for Replaced { path, old, new } in self.replaced.into_iter().rev() {
            let now = fs::read_to_string(&path).unwrap_or_default();
            if now.trim() != new {
                continue;
            }
            if let Err(error) = fs::write(&path, &old) {
                tracing::warn!(setting = %path.display(), old, %error, "kernel setting not put back");
            }
        }
    }
}
