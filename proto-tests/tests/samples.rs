//! From each provider's sample to a working tunnel: one `import`, one `run`, and packets arrive.
//!
//! The other end is made out of the same sample, read from the other side (`--mirror`): one process with all the cloud's
//! addresses.
//!
//! ```text
//!   10.1.0.1 (lo) us wan ======== tunnels of the sample ======== wan cloud 10.2.0.1 (lo)
//! ```

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use proto_tests::lab::daemon::{Daemon, quadspan};
use proto_tests::lab::kernel::array;
use proto_tests::lab::namespace::Namespace;
use proto_tests::lab::probe::talk;
use proto_tests::lab::{DATAPLANE, Lab, LabError, Result, ensure, patience, wait_for, write_file};

/// A sample and what its files do not hold.
struct Sample {
    name: &'static str,
    /// Files below `src/import/tests/samples`.
    files: &'static [&'static str],
    /// Options of `import` for our end.
    ours: &'static [&'static str],
    /// Options for the other end.
    theirs: &'static [&'static str],
    /// Outside addresses of each end.
    outside: [&'static [&'static str]; 2],
    /// Two addresses that talk in the end.
    talk: [[u8; 4]; 2],
    tunnels: usize,
}

const AWS: [&[&str]; 2] = [&["192.0.2.10"], &["203.0.113.11", "203.0.113.12"]];
const TALK: [[u8; 4]; 2] = [[10, 1, 0, 1], [10, 2, 0, 1]];
/// For what has no BGP: each end has to be told what is behind the other.
const STATIC: [&[&str]; 2] = [&["--remote-network", "10.2.0.0/16"], &["--remote-network", "10.1.0.0/16"]];

const SAMPLES: &[Sample] = &[
    Sample {
        name: "aws-xml-static",
        files: &["aws-static.xml"],
        ours: STATIC[0],
        theirs: STATIC[1],
        outside: AWS,
        talk: TALK,
        tunnels: 2,
    },
    Sample {
        name: "aws-generic-bgp",
        files: &["aws-generic-bgp.txt"],
        ours: &["--local", "192.0.2.10"],
        theirs: &["--remote", "192.0.2.10"],
        outside: AWS,
        talk: TALK,
        tunnels: 2,
    },
    Sample {
        name: "aws-generic-static",
        files: &["aws-generic-static.txt"],
        ours: &["--local", "192.0.2.10", "--remote-network", "10.2.0.0/16"],
        theirs: &["--remote", "192.0.2.10", "--remote-network", "10.1.0.0/16"],
        outside: AWS,
        talk: TALK,
        tunnels: 2,
    },
    Sample {
        name: "aws-windows",
        files: &["aws-windows.txt"],
        ours: &[],
        theirs: &[],
        outside: AWS,
        talk: TALK,
        tunnels: 2,
    },
    Sample {
        name: "aws-windows-flat",
        files: &["aws-windows-flat.txt"],
        ours: STATIC[0],
        theirs: STATIC[1],
        outside: AWS,
        talk: TALK,
        tunnels: 2,
    },
    Sample { name: "netsh", files: &["netsh.cmd"], ours: &[], theirs: &[], outside: AWS, talk: TALK, tunnels: 2 },
    Sample {
        name: "alibaba-bgp",
        files: &["alibaba-bgp.json"],
        ours: &[],
        theirs: &[],
        outside: [&["192.0.2.10"], &["203.0.113.21", "203.0.113.22"]],
        talk: TALK,
        tunnels: 2,
    },
    Sample {
        name: "alibaba-static",
        files: &["alibaba-static.json"],
        ours: &[],
        theirs: &[],
        outside: [&["192.0.2.10"], &["203.0.113.21"]],
        talk: [[10, 1, 0, 1], [172, 16, 0, 1]],
        tunnels: 1,
    },
    Sample {
        name: "azure-four",
        files: &["azure-four.json"],
        ours: &[],
        theirs: &[],
        outside: [&["192.0.2.11", "192.0.2.12"], &["203.0.113.31", "203.0.113.32"]],
        talk: TALK,
        tunnels: 4,
    },
    Sample {
        name: "azure-static",
        files: &["azure-static.json", "azure-key.json"],
        ours: &["--remote", "203.0.113.31", "--remote-network", "10.2.0.0/16"],
        theirs: &["--local", "203.0.113.31", "--remote-network", "10.1.0.0/16"],
        outside: [&["192.0.2.10"], &["203.0.113.31"]],
        talk: TALK,
        tunnels: 1,
    },
    Sample {
        name: "swanctl-bird",
        files: &["swanctl.conf", "bird.conf"],
        ours: &[],
        theirs: &[],
        outside: AWS,
        talk: TALK,
        tunnels: 2,
    },
    Sample {
        name: "swanctl-frr",
        files: &["swanctl.conf", "frr.conf"],
        ours: &[],
        theirs: &[],
        outside: AWS,
        talk: TALK,
        tunnels: 2,
    },
];

/// One end of a sample: its host, and what its process is told.
struct End<'a> {
    name: &'static str,
    host: Namespace,
    outside: &'a [&'a str],
    inside: [u8; 4],
    options: Vec<&'a str>,
}

fn ends<'a>(lab: &Lab, sample: &'a Sample) -> Result<[End<'a>; 2]> {
    let end = |name: &'static str, side: usize, options: Vec<&'a str>| {
        let host = lab.namespace(name)?;
        host.make_router()?;
        Ok::<_, LabError>(End { name, host, outside: sample.outside[side], inside: sample.talk[side], options })
    };
    let us = end("us", 0, sample.ours.to_vec())?;
    let cloud = end("cloud", 1, [&["--mirror"], sample.theirs].concat())?;
    us.host.cable("wan", &cloud.host, "wan")?;
    for (end, other) in [(&us, &cloud), (&cloud, &us)] {
        end.host.address("lo", &format!("{}/32", Ipv4Addr::from(end.inside)))?;
        for address in end.outside {
            end.host.address("wan", &format!("{address}/32"))?;
        }
        for address in other.outside {
            end.host.ip(&["route", "add", &format!("{address}/32"), "dev", "wan"])?;
        }
    }
    Ok([us, cloud])
}

impl End<'_> {
    fn import(&self, lab: &Lab, sample: &Sample) -> Result<PathBuf> {
        let folder = lab.path().join(self.name).display().to_string();
        let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/import/tests/samples/");
        let files: Vec<String> = sample.files.iter().map(|file| format!("{samples}{file}")).collect();
        let id = Ipv4Addr::from(self.inside).to_string();
        let [a, b, _, _] = self.inside;
        let network = format!("{a}.{b}.0.0/16");
        let mut words = vec!["import", "auto"];
        words.extend(files.iter().map(String::as_str));
        words.extend(["--output", &folder, "--name", self.name, "--router-id", &id, "--network", &network]);
        words.extend(&self.options);
        quadspan(&words)?;
        Ok(PathBuf::from(folder).join(format!("{}.yaml", self.name)))
    }

    fn run(&self, lab: &Lab, file: &Path) -> Result<Daemon> {
        // The laboratory has its sockets in a folder of its own, and moves packets itself; nothing else is changed.
        let socket = lab.path().join(format!("{}.sock", self.name));
        let here = format!("  dataplane: {DATAPLANE}\n  api: {{socket: {}}}\n\ntunnels:", socket.display());
        let text = std::fs::read_to_string(file).map_err(LabError::io(format!("read {}", file.display())))?;
        write_file(file, &text.replacen("\ntunnels:", &here, 1))?;
        Daemon::launch(&self.host, lab.path(), self.name, file, socket, false)
    }
}

fn works(sample: &Sample) -> Result<()> {
    let lab = Lab::new()?;
    let [us, cloud] = ends(&lab, sample)?;
    let (ours, theirs) = (us.import(&lab, sample)?, cloud.import(&lab, sample)?);
    let daemons = [cloud.run(&lab, &theirs)?, us.run(&lab, &ours)?];
    wait_for(patience(40), "all tunnels are up, and both ends talk", || {
        for daemon in &daemons {
            let tunnels = daemon.show("tunnels")?;
            let up = array(&tunnels).iter().filter(|tunnel| tunnel["state"] == "up").count();
            ensure(up == sample.tunnels, "tunnels", || format!("{}\n{}", daemon.log_text(), tunnels))?;
        }
        talk(&us.host, us.inside.into(), &cloud.host, cloud.inside.into())
    })
}

#[test]
fn every_sample_comes_to_a_working_tunnel() -> Result<()> {
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = SAMPLES.iter().map(|sample| (sample, scope.spawn(|| works(sample)))).collect();
        running.into_iter().map(|(sample, thread)| (sample.name, thread.join())).collect()
    });
    let failed = outcomes.into_iter().filter_map(|(name, outcome)| match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(format!("{name}: {error}")),
        Err(_) => Some(format!("{name}: panicked")),
    });
    let failed: Vec<String> = failed.collect();
    ensure(failed.is_empty(), "every sample works", || failed.join("\n\n"))
}
