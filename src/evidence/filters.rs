//! The packet filters of this network namespace, as their own programs list them.

use std::io::Read as _;
use std::process::{Command, Stdio};

use doctor::firewall::{Ruleset, Table, iptables, nft};

/// Listings beyond this are cut off, and then not understood.
const LARGEST: u64 = 32 << 20;

/// What filters there are; `None` if no program tells.
pub(super) fn read() -> Option<Ruleset> {
    let mut old: Vec<Table> = Vec::new();
    let mut asked = false;
    for (program, version) in
        [("iptables-save", 4), ("ip6tables-save", 6), ("iptables-legacy-save", 4), ("ip6tables-legacy-save", 6)]
    {
        let Some(text) = output(program, &[]) else { continue };
        asked = true;
        let mut tables = iptables::read(&text, version);
        tables.retain(|table| !table.chains.is_empty());
        if let Some(program) = program.strip_suffix("-save").filter(|program| program.ends_with("legacy")) {
            tables.iter_mut().for_each(|table| table.program = program);
        }
        old.extend(tables);
    }
    // iptables keeps its rules in tables of nftables nowadays, and lists them in words of its own.
    let known: Vec<String> = old.iter().map(|table| table.name.clone()).collect();
    let new = output("nft", &["-j", "list", "ruleset"]).and_then(|text| nft::read(&text, &known));
    if new.is_none() && !asked {
        return None;
    }
    let mut ruleset = new.unwrap_or_default();
    ruleset.tables.extend(old);
    Some(ruleset)
}

fn output(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut text = String::new();
    let read = child.stdout.take()?.take(LARGEST).read_to_string(&mut text);
    let ended = child.wait().ok()?;
    read.ok().filter(|_| ended.success())?;
    Some(text)
}
