//! Configuration files: every finding has a place, a remedy and a rendering, and no key is in any of them.

use config::{Diagnostic, FoundSecret, SecretError, SecretReference, SecretSource};
use wire::Secret;

const KEY: &str = "key_under_the.fuzzer";

const FOUR_TUNNELS: &str = include_str!("../../configs/four-tunnel-router.yaml");
const HUB: &str = include_str!("../../configs/hub-aws-azure.yaml");

/// Octets: a file.
pub fn body(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    match config::parse("fuzz.yaml", text, &OneKey) {
        Ok(loaded) => {
            loaded.warnings.iter().for_each(sound);
            assert!(!format!("{:?}", loaded.router).contains(KEY), "a key is in what a configuration prints");
        }
        Err(report) => {
            assert!(!report.diagnostics().is_empty(), "refused without a reason");
            report.diagnostics().iter().for_each(sound);
        }
    }
}

fn sound(diagnostic: &Diagnostic) {
    assert!(diagnostic.line() >= 1 && diagnostic.column() >= 1, "{diagnostic} has no place");
    assert!(!diagnostic.remedy().is_empty(), "{diagnostic} has no remedy");
    let rendered = diagnostic.render(false);
    assert!(!rendered.is_empty() && !rendered.contains(KEY), "{rendered}");
}

struct OneKey;

impl SecretSource for OneKey {
    fn fetch(&self, _reference: &SecretReference) -> Result<FoundSecret, SecretError> {
        Ok(FoundSecret { secret: Secret::new(KEY.as_bytes().to_vec()), mode: None })
    }
}

/// The examples, and a few ways to write what they write.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let small = "router: {name: a, asn: 65000, router-id: 198.51.100.1, networks: [10.1.0.0/16]}\ntunnels:\n  - &t\n    \
                 {name: b, local: 198.51.100.1, remote: 203.0.113.11, psk: {env: KEY}, inside: \
                 {prefix: 169.254.21.0/30, side: second}, bgp: {asn: 64512}}\n  - {<<: *t, name: c}\n";
    let without_comments = |text: &str| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        lines.collect::<Vec<_>>().join("\n").into_bytes()
    };
    vec![
        small.into(),
        without_comments(FOUR_TUNNELS),
        without_comments(HUB),
        b"router: {name: [\npsk: {inline: hunter2".to_vec(),
        b"a: &a [*a, !!str 1, ? {b: |\n  c}]\n---\n...".to_vec(),
    ]
}
