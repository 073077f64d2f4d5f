//! Plans of tunnels between two clouds, a file of anybody's: it is judged, and what is planned of its facts keeps the rules.

use clouds::plan::{Remark, check, four_tunnels, read};

/// Octets: a file.
pub fn body(octets: &[u8]) {
    // What is longer is not even read.
    let Some(text) = std::str::from_utf8(octets).ok().filter(|text| text.len() < 16_384) else { return };
    let (facts, matrix) = match read(text) {
        Ok(read) => read,
        Err(error) => return assert!(!error.remedy().is_empty(), "{error} has no remedy"),
    };
    if let Some(matrix) = matrix {
        check(&matrix).iter().for_each(|remark| assert!(!remark.remedy.is_empty(), "{remark:?}"));
    }
    match four_tunnels(facts) {
        Ok(matrix) => assert!(!check(&matrix).iter().any(Remark::is_problem), "{matrix:?}"),
        Err(error) => assert!(!error.remedy().is_empty(), "{error} has no remedy"),
    }
}

/// The scenario of two clouds, as facts and as a plan.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    const FACTS: &str = "\
sides:
  - {cloud: azure, asn: 65000, outside: [198.51.100.1, 198.51.100.2], networks: [10.1.0.0/16]}
  - {cloud: aws, asn: 64512, outside: [203.0.113.11, 203.0.113.12, 203.0.113.13, 203.0.113.14], networks: [10.2.0.0/16]}
avoid: [169.254.21.8/30]
";
    const TUNNELS: &str = "\
tunnels:
  - name: t1-inst0
    outside: [198.51.100.1, 203.0.113.11]
    inside: 169.254.21.0/30
    hosts: [169.254.21.2, 169.254.21.1]
    custom: {primary: 169.254.21.2, secondary: 169.254.21.6}
  - {name: t1-inst1, outside: [198.51.100.2, 203.0.113.13], inside: 169.254.21.4/30, hosts: [169.254.21.6, 169.254.21.5]}
";
    let small = "sides: [{cloud: oci, asn: \"0.65001\", outside: [192.0.2.1, 192.0.2.2], networks: [10.3.0.0/16]}]";
    vec![FACTS.into(), [FACTS, TUNNELS].concat().into(), small.into()]
}
