//! Whole configurations, in and out: the examples of `configs/`, what they come to, and what each mistake looks like.

mod beyond;
mod certificates;
mod clouds;
mod connections;
mod diagnostics;
mod documents;
mod examples;
mod flows;
mod hostile;
mod meaning;
mod policies;
mod pools;
mod profiles;
mod routes;
mod rules;
mod speaker;

use std::fmt::Write as _;

use wire::Secret;

use crate::{FoundSecret, Loaded, Report, SecretError, SecretReference, SecretSource, parse};

/// A configuration without a finding; the cases change one thing in it.
const GOOD: &str = "\
router:
  name: edge
  asn: 65000
  router-id: 10.1.0.1
  networks: [10.1.0.0/16]
defaults:
  profile: aws
  local: 192.0.2.10
  psk: {file: good.psk}
  bgp: {asn: 64512}
tunnels:
  - name: t1
    remote: 203.0.113.11
    inside: 169.254.21.0/30
  - name: t2
    remote: 203.0.113.12
    inside: 169.254.22.0/30
";

/// `FILE.psk` holds a key that the name describes; everything else is absent.
struct Keys;

impl SecretSource for Keys {
    fn unix_time(&self) -> u64 {
        certificates::NOW
    }

    fn fetch(&self, reference: &SecretReference) -> Result<FoundSecret, SecretError> {
        let name = match reference {
            SecretReference::File(path) => path.display().to_string(),
            SecretReference::Env(name) | SecretReference::Credential(name) => name.clone(),
        };
        if let Some((pem, mode)) = certificates::file(&name) {
            return Ok(FoundSecret { secret: Secret::from(pem.as_bytes()), mode: Some(mode) });
        }
        if let Some(text) = pools::file(&name) {
            return Ok(FoundSecret { secret: Secret::from(text.as_bytes()), mode: Some(0o644) });
        }
        let (key, mode) = match name.rsplit('/').next().unwrap_or_default() {
            "empty.psk" => ("\n", 0o600),
            "bfd-open.key" => ("S3cret.1234\n", 0o644),
            "bfd.key" => ("S3cret.1234\n", 0o600),
            "open.psk" => (GOOD_KEY, 0o644),
            "short.psk" => ("S3cret.123\n", 0o600),
            "space.psk" => (" Correct.Horse.Battery.Staple\n", 0o600),
            "long.ppk" => ("0123456789abcdef0123456789abcdef\r\n", 0o600),
            "dash.psk" => ("Correct-Horse-Battery-Staple\n", 0o600),
            "absent.psk" => {
                let reason = "No such file or directory (os error 2)".to_owned();
                return Err(SecretError::Unreadable { path: "/etc/quadspan/absent.psk".into(), reason });
            }
            "ABSENT" => return Err(SecretError::Unset { name }),
            "absent" => return Err(SecretError::NoCredentials),
            _ => (GOOD_KEY, 0o600),
        };
        Ok(FoundSecret { secret: Secret::from(key.as_bytes()), mode: Some(mode) })
    }
}

const GOOD_KEY: &str = "Correct.Horse.Battery.Staple\n";

fn check(text: &str) -> Result<Loaded, Report> {
    parse("edge.yaml", text, &Keys)
}

/// Every finding, rendered, or that there is none.
fn rendered(text: &str) -> String {
    let diagnostics = match check(text) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report.diagnostics().to_vec(),
    };
    let mut all = String::new();
    for diagnostic in &diagnostics {
        writeln!(all, "{}", diagnostic.render(false)).unwrap();
    }
    if all.is_empty() { "nothing to report\n".to_owned() } else { all }
}

/// `text` with `from` replaced by `to`, which must change it.
fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in the configuration");
    text.replacen(from, to, 1)
}
