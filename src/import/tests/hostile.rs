//! What strangers might send: every refusal has a place and a remedy, nothing panics, nothing expands.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::MAX_INPUT;

fn refused(name: &str, octets: &[u8], format: Option<Format>) -> ImportError {
    match import(format, &[Input { name, octets }], &options()) {
        Ok(imported) => panic!("{name} was accepted: {}", imported.yaml),
        Err(error) => {
            assert!(!error.remedy().is_empty(), "{error} has no remedy");
            error
        }
    }
}

#[test]
fn document_types_and_entities_are_refused_with_their_line() {
    let laughs = (1..20).fold("<!ENTITY a0 \"ha\">".to_owned(), |mut text, n| {
        write!(text, "<!ENTITY a{n} \"&a{0};&a{0};&a{0};\">", n - 1).unwrap();
        text
    });
    let cases = [
        format!("<?xml version=\"1.0\"?>\n<!DOCTYPE x [{laughs}]>\n<vpn_connection>&a19;</vpn_connection>"),
        "<?xml version=\"1.0\"?>\n<!DOCTYPE x SYSTEM \"file:///etc/passwd\">\n<vpn_connection/>".to_owned(),
        "<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://192.0.2.1/x\"> %p;]><vpn_connection/>"
            .to_owned(),
    ];
    for text in cases {
        let error = refused("x.xml", text.as_bytes(), None);
        assert_eq!(error.to_string(), "x.xml:2: a document type is refused");
    }
    let error = refused("x.xml", b"<vpn_connection>\n&passwd;</vpn_connection>", None);
    assert_eq!(error.to_string(), "x.xml:2: the entity `&passwd;` is refused");
}

#[test]
fn depth_is_bounded_in_every_format() {
    let cases = [
        (Format::AwsXml, "<a>".repeat(100_000)),
        (Format::Alibaba, "[".repeat(100_000)),
        (Format::Azure, "{\"a\":".repeat(100_000)),
        (Format::Swanctl, format!("connections {{\n{}", "a {\n".repeat(100_000))),
        (Format::Swanctl, format!("protocol bgp x {{\n{}", "a {\n".repeat(100_000))),
    ];
    for (format, text) in cases {
        let error = refused("deep", text.as_bytes(), Some(format));
        assert!(matches!(error, ImportError::TooDeep { .. }), "{format:?}: {error}");
    }
}

#[test]
fn size_is_bounded_before_anything_is_read() {
    let error = refused("big.xml", &vec![b'<'; MAX_INPUT + 1], None);
    assert!(matches!(error, ImportError::TooLarge { .. }), "{error}");
    // As much as is allowed, of what makes the most notes.
    let line = "  - Colour : green\n";
    let text = format!(
        "IPSec Tunnel #1\n#1: Internet Key Exchange Configuration\n{}",
        line.repeat(MAX_INPUT / line.len() - 10)
    );
    let error = refused("notes.txt", text.as_bytes(), Some(Format::AwsGeneric));
    assert!(matches!(error, ImportError::Missing(_)), "{error}");
}

#[test]
fn values_of_the_wrong_kind_are_refused_with_place_key_and_kind() {
    let cases = [
        (AWS_BGP, "203.0.113.12", "300.0.113.12", "ip_address is `300.0.113.12`, expected an IP address"),
        (AWS_BGP, "<lifetime>28800<", "<lifetime>-1<", "lifetime is `-1`, expected a number of seconds"),
        (AWS_BGP, "<asn>65000<", "<asn>0<", "asn is `0`, expected an AS number from 1 to 4294967295"),
        (AWS_BGP, "group2<", "group99<", "perfect_forward_secrecy is `group99`, expected a Diffie-Hellman group"),
        (GENERIC_BGP, "sha2-256", "crc32", "Authentication Algorithm is `crc32`, expected MD5"),
        (WINDOWS, "480min,0sec", "480min,7sess", "MainModeKeyLifetime is `480min,7sess`, expected `0sess`"),
        (
            WINDOWS,
            "QuickModeSecMethods:         ESP:SHA1-AES128",
            "QuickModeSecMethods:         ESP:SHA1",
            "QuickModeSecMethods is ",
        ),
        (NETSH, "QMPFS=dhgroup2", "QMPFS=dhgroup77", "QMPFS is `dhgroup77`, expected a Diffie-Hellman group"),
        (ALIBABA_BGP, "\"aes256\"", "\"rot13\"", "IkeEncAlg is `rot13`, expected AES-128"),
        (AWS_BGP, ">invented.Key_of_the.first_tunnel<", "><", "pre_shared_key is empty, expected a pre-shared key"),
        (
            AWS_BGP,
            "169.254.21.2",
            "169.254.21.9",
            "tunnel_inside_address is `169.254.21.9 and 169.254.21.1`, expected the two hosts of one /30",
        ),
        (
            GENERIC_BGP,
            "169.254.21.2",
            "169.254.21.9",
            "Inside IP Addresses is `169.254.21.9 and 169.254.21.1`, expected the two hosts of one /30",
        ),
        (ALIBABA_BGP, "86400", "[1]", "IkeLifetime is a list, expected text or a number"),
        (AZURE_FOUR, "\"IKEv2\"", "\"IKEv3\"", "connectionProtocol is `IKEv3`, expected IKEv1 or IKEv2"),
        (SWANCTL, "rekey_time = 7h", "rekey_time = 7y", "rekey_time is `7y`, expected a time such as"),
        (SWANCTL, "aes256gcm16-ecp384", "aes256gcm16-nonsense", "esp_proposals is "),
    ];
    for ((_, text), from, to, expected) in cases {
        assert!(text.contains(from), "{from}");
        let error = refused("x", text.replacen(from, to, 1).as_bytes(), None);
        let line = text[..text.find(from).unwrap()].lines().count().max(1);
        let (error, line) = (error.to_string(), line + usize::from(text[..text.find(from).unwrap()].ends_with('\n')));
        assert!(error.starts_with(&format!("x:{line}: {expected}")), "{line}: {error}");
    }
}

#[test]
fn a_refusal_never_shows_a_key() {
    let cases = [
        AWS_BGP.1.replace("</pre_shared_key>", "&evil;</pre_shared_key>"),
        AWS_BGP.1.replace("</pre_shared_key>", "<x</pre_shared_key>"),
        ALIBABA_BGP.1.replace("\"IkeVersion\"", "IkeVersion"),
        SWANCTL.1.replace("0x69", "0xzz"),
        SWANCTL.1.replace("first_tunnel\"", "first_tunnel"),
    ];
    for text in cases {
        let error = refused("x", text.as_bytes(), None);
        assert!(!error.to_string().contains("nvented") && !format!("{error:?}").contains("nvented"), "{error}");
    }
}

#[test]
fn every_beginning_of_every_sample_is_read_or_refused() {
    for (name, text) in SAMPLES {
        for length in (0..text.len()).filter(|length| length % 7 == 0 && text.is_char_boundary(*length)) {
            for format in [None, Some(Format::Swanctl), Some(Format::Azure)] {
                if let Err(error) = import(format, &[Input { name, octets: &text.as_bytes()[..length] }], &options()) {
                    assert!(!error.remedy().is_empty() && !error.to_string().contains("nvented.Key"), "{error}");
                }
            }
        }
    }
}

#[test]
fn names_from_a_file_cannot_leave_the_folder() {
    let text = AWS_BGP.1.replace("vpn-0badc0ffee0000001", "../../../root/.ssh/x");
    let imported = import(None, &[Input { name: "x", octets: text.as_bytes() }], &options()).unwrap();
    assert_eq!(imported.keys[0].path, "keys/root-.ssh-x-1");
    let text = SWANCTL.1.replace("aws-1 {", "..\\..\\x\u{202e}/y {");
    let imported = import(None, &[Input { name: "x", octets: text.as_bytes() }], &options()).unwrap();
    assert!(imported.keys.iter().all(|key| !key.path.contains("..") && key.path.is_ascii()), "{:?}", imported.keys);
    // Two points inside a name are no way out.
    let text = SWANCTL.1.replace("aws-1 {", "aw..2 {");
    let imported = import(None, &[Input { name: "x", octets: text.as_bytes() }], &options()).unwrap();
    assert_eq!(imported.keys[0].path, "keys/aw..2");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Octets of a sample changed in places.
    #[test]
    fn a_damaged_sample_never_panics(
        sample in 0..SAMPLES.len(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        format in proptest::option::of(0..Format::ALL.len()),
    ) {
        let (name, text) = SAMPLES[sample];
        let mut octets = text.as_bytes().to_vec();
        for (at, octet) in changes {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let format = format.map(|index| Format::ALL[index]);
        let _ = import(format, &[Input { name, octets: &octets }], &options());
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,300}", format in 0..Format::ALL.len()) {
        let _ = import(Some(Format::ALL[format]), &[Input { name: "x", octets: text.as_bytes() }], &options());
    }

    /// Words of the formats in any order.
    #[test]
    fn words_in_any_order_never_panic(
        words in proptest::collection::vec(prop_oneof![
            Just("{"), Just("}"), Just(";"), Just("="), Just("\""), Just("\n"), Just("^"), Just("<"), Just("/>"), Just(">"),
            Just("connections"), Just("secrets"), Just("protocol"), Just("bgp"), Just("neighbor"), Just("router"), Just(":"),
            Just("169.254.21.1"), Just("64512"), Just("netsh"), Just("rule"), Just("add"), Just("Endpoint 1:"), Just("#"),
            Just("IPSec Tunnel #1"), Just(" - "), Just(" : "), Just("RemoteTunnelEndpoint=1"), Just("ike"), Just("children"),
        ], 0..80),
        format in 0..Format::ALL.len(),
    ) {
        let text = words.join(" ");
        let _ = import(Some(Format::ALL[format]), &[Input { name: "x", octets: text.as_bytes() }], &options());
    }
}
