//! What protects and shapes the TCP connections of a session.

use wire::Secret;

use super::psk;
use crate::secrets::SecretSource;
use document::code::Code;
use document::diagnostic::{Finding, Findings};
use document::field::Field;
use document::source::At;
use schema::{BgpSection, PskSection};
use settings::Transport;

/// What the kernel has room for (TCP_MD5SIG_MAXKEYLEN).
const LONGEST_KEY: usize = 80;

pub(super) fn resolve(section: &BgpSection, secrets: &dyn SecretSource, findings: &Findings) -> Transport {
    Transport {
        md5: md5(section.md5.clone(), secrets, findings),
        ttl_security: section.ttl_security.clone().value().and_then(|hops| u8::try_from(hops.0).ok()),
        mss: section.tcp_mss.clone().value().and_then(|mss| u16::try_from(mss.0).ok()),
    }
}

fn md5(written: Field<PskSection>, secrets: &dyn SecretSource, findings: &Findings) -> Option<Secret> {
    let At { value: key, span } = psk::fetch(written.at()?, "TCP MD5 key", secrets, findings)?;
    if key.is_empty() || key.len() > LONGEST_KEY {
        findings.push(
            Finding::error(Code::Md5Key, span, "the kernel does not take this TCP MD5 key")
                .label(format!("has {} octets", key.len()))
                .remedy(format!("1 to {LONGEST_KEY} octets, the same at the peer")),
        );
    }
    Some(key)
}
