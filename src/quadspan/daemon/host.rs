//! Settings of the machine that routing needs: made at start, undone at a clean stop.
//!
//! Only the settings of the network namespace the process runs in are touched, and each change is logged with the
//! value it replaced.

use std::fs;
use std::path::PathBuf;

/// A setting, the value it needs and why.
struct Need {
    key: &'static str,
    value: &'static str,
    why: &'static str,
}

const NEEDS: [Need; 4] = [
    Need {
        key: "net/ipv4/ip_forward",
        value: "1",
        why: "packets between the tunnels and the networks are not forwarded",
    },
    Need {
        key: "net/ipv6/conf/all/forwarding",
        value: "1",
        why: "IPv6 packets between the tunnels and the networks are not forwarded",
    },
    Need {
        key: "net/ipv4/fib_multipath_hash_policy",
        value: "1",
        why: "connections between the same two hosts all take the same tunnel",
    },
    // A nexthop group that changes would otherwise be announced route by route: failover then costs time per route.
    Need { key: "net/ipv4/nexthop_compat_mode", value: "0", why: "failover takes longer the more routes there are" },
];

/// What was changed, to be put back.
#[derive(Debug, Default)]
pub(super) struct HostSettings {
    replaced: Vec<(PathBuf, String)>,
    /// What could not be set and what follows from that.
    pub(super) warnings: Vec<String>,
}

impl HostSettings {
    /// Makes all settings; what can't be made becomes a warning, not a failure.
    pub(super) fn apply() -> Self {
        let mut settings = Self::default();
        for need in &NEEDS {
            settings.set(need);
        }
        settings
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
                self.replaced.push((path, old));
            }
            Err(error) => {
                let remedy = format!("sysctl -w {name}={}", need.value);
                self.warnings.push(format!("{name} is {old} ({error}): {}; run `{remedy}`", need.why));
            }
        }
    }

    /// Puts back what was found.
    pub(super) fn restore(self) {
        for (path, old) in self.replaced.into_iter().rev() {
            if let Err(error) = fs::write(&path, &old) {
                tracing::warn!(setting = %path.display(), old, %error, "kernel setting not put back");
            }
        }
    }
}
