//! What an operator sees is there and true: a real Prometheus scrapes the real process in the four-tunnel laboratory,
//! every panel of the dashboard has data, every alert rule is quiet in health and speaks up in trouble, and nobody sees
//! a key.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use proto_tests::lab::dashboard;
use proto_tests::lab::kernel::array;
use proto_tests::lab::layout::TUNNELS;
use proto_tests::lab::prometheus::{METRICS, Prometheus};
use proto_tests::lab::scenario::{FourTunnel, Initiator};
use proto_tests::lab::{Result, ensure, run, wait_for};
use serde_json::Value;

/// Runs `body` on four tunnels that are up, with metrics served and everything logged.
fn watched(body: impl FnOnce(&mut FourTunnel) -> Result<()>) {
    watched_with("", body);
}

/// The same, with more sections in our file.
fn watched_with(sections: &str, body: impl FnOnce(&mut FourTunnel) -> Result<()>) {
    let prepare = |lab: &mut FourTunnel| {
        sections.clone_into(&mut lab.file.extra);
        lab.file.metrics = Some(METRICS.to_string());
        lab.file.tunnels.iter_mut().for_each(|tunnel| tunnel.bfd = Some("true".to_owned()));
        lab.file.log_filter = Some("trace".to_owned());
    };
    FourTunnel::run_with(Initiator::Router, prepare, |lab| {
        lab.wait_all_up()?;
        body(lab)
    });
}

fn prometheus(lab: &FourTunnel) -> Result<Prometheus<'_>> {
    Prometheus::start(&lab.layout.router, lab.lab.path(), &dashboard::file("alerts.yaml"))
}

fn scrape(lab: &FourTunnel) -> Result<String> {
    lab.layout.router.http_get(METRICS, "/metrics")
}

/// But for the row of pools, which the laboratory with a pool asks for.
#[test]
fn every_panel_of_the_dashboard_has_data() {
    watched_with("connections:\n  cloud: {mode: active-active, tunnels: [aws1, aws2]}\n", |lab| {
        let prometheus = prometheus(lab)?;
        let _stream = lab.stream()?;
        let queries = dashboard::queries(|row| row != dashboard::POOLS)?;
        ensure(queries.len() >= 25, "the dashboard's queries", || format!("{queries:?}"))?;
        dashboard::wait_data(&prometheus, &queries)
    });
}

#[test]
fn alerts_are_quiet_in_health_and_name_the_tunnel_that_is_lost() {
    watched(|lab| {
        let prometheus = prometheus(lab)?;
        let _stream = lab.stream()?;
        let rules = wait_for(Duration::from_secs(20), "every rule was evaluated", || {
            let rules = prometheus.rules()?;
            let ill: Vec<&Value> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
            ensure(!rules.is_empty() && ill.is_empty(), "the rules are healthy", || format!("{ill:#?}"))?;
            Ok(rules)
        })?;
        ensure(rules.len() == alert_names().len(), "all rules are loaded", || format!("{rules:#?}"))?;
        // The rekey soon after bring-up is due for a second, and no other is for an hour.
        wait_for(Duration::from_secs(30), "the early rekeys are over", || {
            let metrics = scrape(lab)?;
            let due = TUNNELS.each_ref().map(|plan| {
                let series = format!("quadspan_child_sa_remaining_seconds{{tunnel=\"{}\"}} ", plan.name);
                metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<f64>().ok())
            });
            ensure(due.iter().all(|seconds| seconds.is_some_and(|seconds| seconds > 60.0)), "all far off", || {
                format!("{due:?}")
            })
        })?;
        std::thread::sleep(Duration::from_secs(3));
        let alerts = prometheus.alerts()?;
        ensure(alerts.is_empty(), "nothing is pending in health", || format!("{alerts:?}"))?;

        lab.layout.cut(&TUNNELS[0])?;
        let lost = ("TunnelDown".to_owned(), TUNNELS[0].name.to_owned());
        wait_for(Duration::from_secs(20), "TunnelDown is pending", || {
            let alerts = prometheus.alerts()?;
            ensure(alerts.contains(&lost), "the alert", || format!("{alerts:?}"))
        })?;
        let alerts = prometheus.alerts()?;
        ensure(alerts == [lost], "nothing else is said of one lost tunnel", || format!("{alerts:?}"))?;
        lab.layout.mend(&TUNNELS[0])?;
        lab.wait_all_up()?;
        wait_for(Duration::from_secs(10), "the alert is over", || {
            let alerts = prometheus.alerts()?;
            ensure(alerts.is_empty(), "no alert", || format!("{alerts:?}"))
        })
    });
}

#[test]
fn metrics_are_well_named_and_a_rekey_starts_no_series() {
    watched(|lab| {
        let _stream = lab.stream()?;
        let before = scrape(lab)?;
        lint(&before)?;
        let mut churning = spis(lab)?;
        ensure(churning.len() == 8, "two SPIs of each CHILD SA", || format!("{churning:?}"))?;
        for plan in &TUNNELS {
            lab.daemon()?.order(&["rekey", plan.name])?;
            lab.daemon()?.order(&["rekey", plan.name, "--ike"])?;
        }
        wait_for(Duration::from_secs(15), "every SA is another one", || {
            let now = spis(lab)?;
            ensure(now.is_disjoint(&churning), "the SPIs", || format!("{churning:?} {now:?}"))?;
            let metrics = scrape(lab)?;
            for (plan, kind) in TUNNELS.iter().flat_map(|plan| ["ike", "child"].map(|kind| (plan, kind))) {
                let counter =
                    format!("quadspan_rekeys_total{{kind=\"{kind}\",result=\"ok\",tunnel=\"{}\"}} 0", plan.name);
                ensure(!metrics.contains(&counter), "rekeyed", || counter)?;
            }
            Ok(())
        })?;
        churning.extend(spis(lab)?);
        lab.wait_all_up()?;
        let after = scrape(lab)?;
        let (old, new) = (series(&before), series(&after));
        let difference: Vec<_> = old.symmetric_difference(&new).collect();
        ensure(difference.is_empty(), "the same series", || format!("{difference:#?}"))?;
        let named = churning.iter().find(|spi| new.iter().any(|series| series.contains(spi.as_str())));
        ensure(named.is_none(), "no SPI in a label", || format!("{named:?}"))
    });
}

/// Names of series: what precedes the value.
fn series(metrics: &str) -> BTreeSet<String> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name.to_owned()).collect()
}

/// The SPIs of all CHILD SAs, as a person reads them.
fn spis(lab: &FourTunnel) -> Result<BTreeSet<String>> {
    let shown = lab.daemon()?.show("tunnels")?;
    let children = array(&shown).iter().map(|tunnel| &tunnel["child"]);
    let spis = children.flat_map(|child| [&child["spi_in"], &child["spi_out"]]).filter_map(Value::as_str);
    Ok(spis.map(|spi| spi.trim_start_matches("0x").to_owned()).collect())
}

fn lint(metrics: &str) -> Result<()> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed: `sudo ./scripts/test` installs it");
    promtool.stdin.take().expect("a pipe").write_all(metrics.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    ensure(output.status.success() && said.is_empty(), "promtool has nothing to say", || {
        String::from_utf8_lossy(&said).into_owned()
    })
}

#[test]
fn no_key_is_in_metrics_answers_or_logs() {
    watched(|lab| {
        lab.daemon()?.order(&["rekey", "aws1"])?;
        lab.daemon()?.order(&["reset", "tunnel", "aws2"])?;
        lab.reload()?;
        lab.wait_all_up()?;
        let mut seen = vec![("/metrics".to_owned(), scrape(lab)?), ("log".to_owned(), lab.daemon()?.log_text())];
        for words in [&["status"][..], &["show", "tunnels"], &["show", "peers"], &["show", "routes"], &["show", "fib"]]
        {
            seen.push((words.join(" "), lab.daemon()?.ask(words)?.to_string()));
        }
        let log = &seen[1].1;
        ensure(log.lines().count() > 50 && log.contains("TRACE"), "the log holds everything", || log.clone())?;
        for (place, text) in &seen {
            let shown = TUNNELS.iter().map(|plan| plan.psk()).find(|key| shows(text, key));
            ensure(shown.is_none(), &format!("no key in {place}"), || format!("{shown:?}"))?;
        }
        Ok(())
    });
}

/// Whether a text holds a key: as it is, in hexadecimal, or as a list of octets.
fn shows(text: &str, key: &str) -> bool {
    let hex: String = key.bytes().map(|octet| format!("{octet:02x}")).collect();
    let list = key.bytes().map(|octet| octet.to_string()).collect::<Vec<_>>().join(", ");
    text.contains(key) || text.to_lowercase().contains(&hex) || text.contains(&list)
}

#[test]
fn one_tunnels_story_is_found_by_its_name_in_the_log() {
    watched(|lab| {
        lab.layout.cut(&TUNNELS[1])?;
        lab.wait_fib(&[0, 2, 3], Duration::from_secs(15))?;
        lab.layout.mend(&TUNNELS[1])?;
        lab.wait_all_up()?;
        let log = lab.daemon()?.log_text();
        let story: Vec<&str> = log.lines().filter(|line| line.contains("aws2")).collect();
        for chapter in ["INFO", "WARN"] {
            ensure(story.iter().any(|line| line.contains(chapter)), chapter, || format!("{story:#?}"))?;
        }
        let others = story.iter().filter(|line| line.contains("tunnel=aws1") || line.contains("tunnel=\"aws1\""));
        ensure(others.count() == 0, "lines about one tunnel name one", || format!("{story:#?}"))
    });
}

#[test]
fn every_alert_rule_fires_when_it_should_and_not_before() -> Result<()> {
    run(Command::new("promtool").args(["check", "rules"]).arg(dashboard::file("alerts.yaml")))?;
    run(Command::new("promtool").args(["test", "rules"]).arg(dashboard::file("alerts.test.yaml")))?;
    let tests = std::fs::read_to_string(dashboard::file("alerts.test.yaml")).expect("the tests are there");
    for name in alert_names() {
        let cases: Vec<&str> =
            tests.split("- eval_time:").filter(|case| case.contains(&format!("alertname: {name}\n"))).collect();
        let quiet = cases.iter().any(|case| case.contains("exp_alerts: []"));
        let fires = cases.iter().any(|case| case.contains("exp_labels:"));
        ensure(quiet && fires, "a case in which it fires and one in which it does not", || name.clone())?;
    }
    Ok(())
}

/// The alerts of the rule file.
fn alert_names() -> Vec<String> {
    let text = std::fs::read_to_string(dashboard::file("alerts.yaml")).expect("the rules are there");
    text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect()
}
