//! The key exchange of a tunnel that was well.

use proto_tests::lab::{Result, ensure};

use crate::ward::{Rules, THEIRS, Ward};

pub(crate) fn play() -> Result<()> {
    the_tunnel(&Ward::open()?)
}

fn the_tunnel(ward: &Ward) -> Result<()> {
    {
        let _rules =
            Rules::add(&ward.us, "chain o { type filter hook output priority 0; udp dport { 500, 4500 } drop; }")?;
        ward.reset()?;
        ward.finds("QD0204", "failure")?;
    }
    {
        let chains = "chain i { type filter hook input priority 0; udp dport { 500, 4500 } reject; }";
        let _rules = Rules::add(&ward.peer_host, chains)?;
        ward.reset()?;
        let finding = ward.finds("QD0205", "failure")?;
        ensure(finding["finding"].as_str().is_some_and(|text| text.contains(&THEIRS.to_string())), "who", || {
            finding.to_string()
        })?;
    }
    ward.peer_with(|file| file.tunnels[0].psk = "another.key_than_ours.1".to_owned())?;
    ward.reset()?;
    ward.finds("QD0208", "failure")?;
    ward.peer_with(|file| file.tunnels[0].ike = "aes256gcm16-prfsha512-ecp521".to_owned())?;
    ward.reset()?;
    ward.finds("QD0209", "failure")?;
    ward.peer_with(|_| {})
}
