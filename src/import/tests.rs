//! Whole files in, whole files out: each format's sample, and what strangers might send.
//!
//! The samples are written for this purpose: the facts of each format, addresses for documentation, invented keys.

mod hostile;
mod imports;
mod variants;

use crate::{Format, Input, Options, import};
use crate::{ImportError, Imported};

/// A sample: name and text.
pub(crate) type Sample = (&'static str, &'static str);

macro_rules! samples {
    ($($name:ident = $file:literal,)*) => {
        $(pub(crate) const $name: Sample = ($file, include_str!(concat!("tests/samples/", $file)));)*
        /// All of them.
        pub(crate) const SAMPLES: &[Sample] = &[$($name),*];
    };
}

samples! {
    AWS_BGP = "aws-bgp.xml",
    AWS_STATIC = "aws-static.xml",
    GENERIC_BGP = "aws-generic-bgp.txt",
    GENERIC_STATIC = "aws-generic-static.txt",
    WINDOWS = "aws-windows.txt",
    WINDOWS_FLAT = "aws-windows-flat.txt",
    NETSH = "netsh.cmd",
    ALIBABA_BGP = "alibaba-bgp.json",
    ALIBABA_STATIC = "alibaba-static.json",
    AZURE_FOUR = "azure-four.json",
    AZURE_STATIC = "azure-static.json",
    AZURE_KEY = "azure-key.json",
    SWANCTL = "swanctl.conf",
    BIRD = "bird.conf",
    FRR = "frr.conf",
}

fn read(samples: &[Sample], options: &Options) -> Result<Imported, ImportError> {
    read_as(None, samples, options)
}

fn read_as(format: Option<Format>, samples: &[Sample], options: &Options) -> Result<Imported, ImportError> {
    let inputs: Vec<_> = samples.iter().map(|(name, text)| Input { name, octets: text.as_bytes() }).collect();
    import(format, &inputs, options)
}

/// Enough for every sample.
fn options() -> Options {
    Options {
        router_id: Some([10, 1, 0, 1].into()),
        local: Some([192, 0, 2, 10].into()),
        networks: vec!["10.1.0.0/16".parse().unwrap()],
        remote_networks: vec!["10.2.0.0/16".parse().unwrap()],
        ..Options::default()
    }
}
