//! Commands about routes and policies, and how their answers look.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::ask::{finish, json, post, show};
use super::refusal::{Refusal, refuse};
use super::render::{dash, plain};
use super::{AskArgs, OutputFormat, print};
use view::client::encoded;
use view::explain;
use view::policy::{
    AttributesView, CandidateDetailView, DryRunView, ExchangeView, PoliciesView, ProbeView, RouteDetailView,
};

/// `quadspan policy ..`.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    /// What a policy makes of a made-up route: which rule decides, and what it changes.
    Test(Box<TestArgs>),
}

/// `quadspan bgp ..`.
#[derive(Debug, Subcommand)]
pub(super) enum BgpCommand {
    /// Have traffic leave a session before maintenance, without loss (RFC 8326).
    Drain {
        /// The session's name.
        name: String,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// End that.
    Undrain {
        /// The session's name.
        name: String,
        #[command(flatten)]
        ask: AskArgs,
    },
}

/// A policy and a made-up route.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// The policy's name.
    name: String,
    /// Take the policy from this file, and ask no router.
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// The destination.
    #[arg(long)]
    prefix: IpNet,
    /// The AS path, `64512 65010 {65011,65012}`; the first AS is the neighbour.
    #[arg(long, default_value = "")]
    as_path: String,
    /// A community such as `64512:100`, `no-export`, `64512:1:2` or `rt:64512:1`; may be given again.
    #[arg(long = "community", value_name = "COMMUNITY")]
    communities: Vec<String>,
    /// The MED.
    #[arg(long)]
    med: Option<u32>,
    /// The local preference, 100 by default.
    #[arg(long)]
    local_preference: Option<u32>,
    /// The next hop.
    #[arg(long)]
    next_hop: Option<IpAddr>,
    /// `igp` (default), `egp` or `incomplete`.
    #[arg(long)]
    origin: Option<String>,
    /// The session it is learned in.
    #[arg(long)]
    peer: Option<String>,
    /// `bgp` (default), `static`, `connected` or `originated`.
    #[arg(long)]
    source: Option<String>,
    #[command(flatten)]
    ask: AskArgs,
}

pub(super) fn bgp(command: &BgpCommand) -> ExitCode {
    match command {
        BgpCommand::Drain { name, ask } => post(ask, &format!("/v1/peers/{}/drain", encoded(name))),
        BgpCommand::Undrain { name, ask } => post(ask, &format!("/v1/peers/{}/undrain", encoded(name))),
    }
}

pub(super) fn policy(command: &PolicyCommand) -> ExitCode {
    let PolicyCommand::Test(args) = command;
    let probe = ProbeView {
        prefix: args.prefix,
        as_path: args.as_path.clone(),
        communities: args.communities.join(","),
        med: args.med,
        local_preference: args.local_preference,
        next_hop: args.next_hop,
        origin: args.origin.clone(),
        peer: args.peer.clone(),
        source: args.source.clone(),
    };
    match &args.config {
        None => show(&args.ask, &format!("/v1/policies/{}/test?{}", encoded(&args.name), query(&probe)), dry_run),
        Some(file) => {
            let loaded = match config::load(file) {
                Ok(loaded) => loaded,
                Err(report) => {
                    Refusal::report(&report).say(args.ask.output);
                    return ExitCode::from(2);
                }
            };
            let sessions = loaded.router.sessions().map(|session| session.name.as_str());
            match explain::dry_run(&loaded.router.policies, sessions, &args.name, &probe) {
                Ok(view) => {
                    print(&match args.ask.output {
                        OutputFormat::Table => dry_run(&view),
                        OutputFormat::Json => json(&view),
                    });
                    ExitCode::SUCCESS
                }
                Err(error) => {
                    refuse(args.ask.output, &error, error.remedy());
                    ExitCode::FAILURE
                }
            }
        }
    }
}

pub(super) fn route(args: &AskArgs, destination: &str) -> ExitCode {
    show(args, &format!("/v1/route?to={}", encoded(destination)), route_detail)
}

pub(super) fn received(args: &AskArgs, name: &str, rejected: bool) -> ExitCode {
    show(args, &format!("/v1/peers/{}/received?rejected={rejected}", encoded(name)), exchange)
}

pub(super) fn advertised(args: &AskArgs, name: &str, rejected: bool) -> ExitCode {
    show(args, &format!("/v1/peers/{}/advertised?rejected={rejected}", encoded(name)), exchange)
}

pub(super) fn policies(args: &AskArgs, name: Option<&str>) -> ExitCode {
    let answer = super::ask::client(args).and_then(|client| client.get::<PoliciesView>("/v1/policies"));
    let answer = answer.map(|mut view| {
        if let Some(name) = name {
            view.policies.retain(|policy| policy.name == name);
            view.sessions.clear();
        }
        view
    });
    finish(args.output, answer, |view| match args.output {
        OutputFormat::Table => policies_table(view),
        OutputFormat::Json => json(view),
    })
}

/// As in a URL.
fn query(probe: &ProbeView) -> String {
    let number = |number: Option<u32>| number.map(|number| number.to_string());
    let parts = [
        ("prefix", Some(probe.prefix.to_string())),
        ("as_path", Some(probe.as_path.clone())),
        ("communities", Some(probe.communities.clone())),
        ("med", number(probe.med)),
        ("local_preference", number(probe.local_preference)),
        ("next_hop", probe.next_hop.map(|address| address.to_string())),
        ("origin", probe.origin.clone()),
        ("peer", probe.peer.clone()),
        ("source", probe.source.clone()),
    ];
    let written = parts.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", encoded(&value?))));
    written.collect::<Vec<_>>().join("&")
}

/// The prefix, then each candidate with what counts, what policy changed, and where it lost.
fn route_detail(view: &RouteDetailView) -> String {
    let mut text = format!("{}: {} candidates", view.prefix, view.candidates.len());
    if let Some(local) = &view.local {
        let _infallible = write!(text, "; our own ({local}), which beats them all");
    }
    let hops = if view.next_hops.is_empty() { "none".to_owned() } else { view.next_hops.join(", ") };
    let _infallible = writeln!(text, "\nnext hops in the kernel: {hops}");
    for candidate in &view.candidates {
        text += &candidate_text(candidate);
    }
    text
}

fn candidate_text(candidate: &CandidateDetailView) -> String {
    let mark = match (candidate.best, candidate.multipath) {
        (true, _) => ">",
        (false, true) => "=",
        (false, false) => " ",
    };
    let path_id = if candidate.path_id == 0 { String::new() } else { format!(" path {}", candidate.path_id) };
    let stale = if candidate.stale { ", stale" } else { "" };
    let step = candidate.step.as_ref().map_or_else(String::new, |step| format!(" [step {step}]"));
    let mut text = format!(
        "\n{mark} {}{path_id} via {} ({}){stale}: {}{step}\n    {}; counts with local preference {}\n",
        candidate.session,
        candidate.next_hop,
        candidate.link,
        candidate.reason,
        attributes(&candidate.received),
        candidate.local_preference,
    );
    if let Some(bandwidth) = candidate.bandwidth {
        let _infallible = writeln!(text, "    link bandwidth {bandwidth} octets per second");
    }
    if let Some(effective) = &candidate.effective {
        let _infallible =
            writeln!(text, "    policy changed: {}", explain::differences(&candidate.received, effective).join("; "));
    }
    text
}

fn attributes(view: &AttributesView) -> String {
    let path = if view.as_path.is_empty() { "empty".to_owned() } else { view.as_path.clone() };
    let mut text = format!("AS path {path}, origin {}", view.origin);
    if let Some(med) = view.med {
        let _infallible = write!(text, ", MED {med}");
    }
    if !view.communities.is_empty() {
        let _infallible = write!(text, ", communities {}", view.communities.join(" "));
    }
    text
}

fn exchange(view: &ExchangeView) -> String {
    let mut table =
        plain(["PREFIX", "NEXT HOP", "AS PATH", "ORIGIN", "MED", "PREF", "COMMUNITIES", "REJECTED BECAUSE"]);
    for route in &view.routes {
        let of = |text: fn(&AttributesView) -> String| route.attributes.as_ref().map_or_else(dash, text);
        let number = |number: Option<u32>| number.map_or_else(dash, |number| number.to_string());
        let path_id = if route.path_id == 0 { String::new() } else { format!(" path {}", route.path_id) };
        table.add_row([
            format!("{}{path_id}", route.prefix),
            route.next_hop.map_or_else(dash, |address| address.to_string()),
            of(|view| view.as_path.clone()),
            of(|view| view.origin.clone()),
            number(route.attributes.as_ref().and_then(|view| view.med)),
            number(route.attributes.as_ref().and_then(|view| view.local_preference)),
            of(|view| view.communities.join(" ")),
            route.rejected.clone().unwrap_or_default(),
        ]);
    }
    format!("{table}\n\nsession {}, {} routes; policy: {}\n", view.session, view.routes.len(), view.policy)
}

fn policies_table(view: &PoliciesView) -> String {
    let mut text = String::new();
    if !view.sessions.is_empty() {
        let mut table = plain(["SESSION", "ACCEPTS", "ANNOUNCES"]);
        for session in &view.sessions {
            table.add_row([session.session.clone(), session.import.clone(), session.export.clone()]);
        }
        let _infallible = writeln!(text, "{table}");
    }
    for policy in &view.policies {
        let used = if policy.used_by.is_empty() { "nobody".to_owned() } else { policy.used_by.join(", ") };
        let mut table = plain(["RULE", "MATCH", "SET", "THEN", "HITS"]);
        for rule in &policy.rules {
            let name = rule.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
            table.add_row([
                format!("{}{name}", rule.number),
                rule.conditions.join("; "),
                rule.changes.join("; "),
                rule.then.clone(),
                rule.hits.to_string(),
            ]);
        }
        table.add_row([
            "default".to_owned(),
            String::new(),
            String::new(),
            policy.default.clone(),
            policy.default_hits.to_string(),
        ]);
        let _infallible = writeln!(text, "\npolicy {}, used by {used}\n{table}", policy.name);
    }
    text
}

fn dry_run(view: &DryRunView) -> String {
    let mut text = format!("{} by {}\n", view.verdict, view.decided_by);
    for step in &view.steps {
        let mark = if step.matched { "+" } else { " " };
        let _infallible = writeln!(text, "{mark} {}: {}", step.place, step.text);
    }
    let changes = view.after.as_ref().map(|after| explain::differences(&view.before, after)).unwrap_or_default();
    for change in changes {
        let _infallible = writeln!(text, "  changed: {change}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_shown_with_what_policy_changed_and_where_it_lost() {
        let view: RouteDetailView = serde_json::from_value(serde_json::json!({
            "prefix": "10.2.0.0/16", "local": null, "next_hops": ["169.254.21.1 through aws-1"],
            "candidates": [{
                "session": "aws-2", "link": "aws-2", "path_id": 0, "next_hop": "169.254.22.1",
                "received": {"as_path": "64512", "origin": "igp", "med": null, "local_preference": null, "communities": []},
                "effective": {"as_path": "64512 64512", "origin": "igp", "med": 5, "local_preference": null,
                              "communities": ["65000:1"]},
                "local_preference": 90, "bandwidth": null, "stale": false, "best": false, "multipath": false,
                "step": "local-preference", "reason": "not the best: lower local preference"
            }]
        }))
        .unwrap();
        let text = route_detail(&view);
        assert!(text.contains("not the best: lower local preference [step local-preference]"), "{text}");
        assert!(
            text.contains("policy changed: AS path 64512 > 64512 64512; MED - > 5; communities - > 65000:1"),
            "{text}"
        );
        assert!(text.contains("counts with local preference 90"), "{text}");
    }

    #[test]
    fn what_is_asked_survives_the_url() {
        let probe = ProbeView {
            prefix: "2001:db8::/32".parse().unwrap(),
            as_path: "64512 {1,2}".to_owned(),
            communities: "64512:1,rt:1:2".to_owned(),
            med: Some(5),
            local_preference: None,
            next_hop: None,
            origin: None,
            peer: None,
            source: None,
        };
        let expected =
            "prefix=2001%3Adb8%3A%3A%2F32&as_path=64512%20%7B1%2C2%7D&communities=64512%3A1%2Crt%3A1%3A2&med=5";
        assert_eq!(query(&probe), expected);
    }
}
