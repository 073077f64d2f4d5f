//! Files of clouds: AWS XML, text and scripts, Alibaba's and Azure's JSON.

use import::Format;

use super::imports::judge;

/// One octet for the format, then a file.
pub fn body(octets: &[u8]) {
    let Some((format, file)) = octets.split_first() else { return };
    let formats = [
        None,
        Some(Format::AwsXml),
        Some(Format::AwsGeneric),
        Some(Format::AwsWindows),
        Some(Format::Alibaba),
        Some(Format::Azure),
    ];
    judge(formats[usize::from(*format) % formats.len()], file);
}

/// The samples.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let samples: [(u8, &str); 9] = [
        (1, include_str!("../../src/import/tests/samples/aws-bgp.xml")),
        (2, include_str!("../../src/import/tests/samples/aws-generic-bgp.txt")),
        (2, include_str!("../../src/import/tests/samples/aws-generic-static.txt")),
        (3, include_str!("../../src/import/tests/samples/aws-windows.txt")),
        (0, include_str!("../../src/import/tests/samples/aws-windows-flat.txt")),
        (3, include_str!("../../src/import/tests/samples/netsh.cmd")),
        (4, include_str!("../../src/import/tests/samples/alibaba-bgp.json")),
        (0, include_str!("../../src/import/tests/samples/alibaba-static.json")),
        (5, include_str!("../../src/import/tests/samples/azure-four.json")),
    ];
    samples.map(|(format, text)| [&[format], text.as_bytes()].concat()).to_vec()
}
