//! What operators are given to watch the engine with: every query of the dashboard and every alert rule, on a real
//! Prometheus that scrapes a real process.
//!
//! Without Java, Maven or Prometheus it says aloud that it did not run; `FROSTWATCH_E2E=required` makes that a failure.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use frostwatch_testkit::broker::{Broker, Settings, checkout, unique_name};
use serde_json::Value;
use support::group::{Group, wait_for};
use support::rows::Rows;

mod support;

/// The range that Grafana makes of the time between two points and the interval of scrapes.
const RATE_INTERVAL: &str = "5m";

struct Prometheus {
    child: Child,
    port: u16,
}

impl Prometheus {
    /// Scrapes `target` as the shipped configuration says, but every second.
    fn start(folder: &Path, target: &str) -> Self {
        let shipped = fs::read_to_string(deploy("prometheus.yml")).unwrap();
        let config = shipped.replace("engine:9464", target).replace("10s", "1s");
        assert_eq!(config.matches("1s").count() + config.matches(target).count(), 3, "{shipped}");
        fs::copy(deploy("alerts.yml"), folder.join("alerts.yml")).unwrap();
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("prometheus.log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, port }
    }

    fn ask(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        // By HTTP/1.0 the answer comes in one piece.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }

    /// The values of a query; what is no number is none. A query that is refused fails the test.
    fn values(&self, query: &str) -> Vec<f64> {
        let encoded = query.bytes().fold(String::new(), |encoded, byte| encoded + &format!("%{byte:02X}"));
        let Some(answer) = self.ask(&format!("/api/v1/query?query={encoded}")) else { return Vec::new() };
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap();
        let values = series.iter().filter_map(|one| one["value"][1].as_str()?.parse::<f64>().ok());
        values.filter(|value| value.is_finite()).collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn deploy(file: &str) -> PathBuf {
    checkout().join("deploy").join(file)
}

/// Titles and queries of the dashboard's panels, with its variables filled in.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value =
        serde_json::from_slice(&fs::read(deploy("grafana/dashboards/frostwatch.json")).unwrap()).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$job", ".*").replace("$__rate_interval", RATE_INTERVAL);
            assert!(!query.contains('$'), "{query}");
            queries.push((panel["title"].as_str().unwrap().to_owned(), query));
        }
    }
    queries
}

/// Prometheus, as far as the machine has it.
fn has_prometheus() -> bool {
    let found = Command::new("prometheus").arg("--version").output().is_ok();
    if !found {
        let required = std::env::var("FROSTWATCH_E2E").is_ok_and(|value| value == "required");
        assert!(
            !required,
            "FROSTWATCH_E2E=required, but there is no `prometheus` (Debian: apt-get install prometheus)"
        );
        let line = b"\nNOT RUN: the dashboard was not tried: there is no `prometheus`\n";
        std::io::stderr().write_all(line).ok();
    }
    found
}

#[test]
fn every_panel_of_the_dashboard_has_data_and_every_alert_rule_is_evaluated() {
    if !has_prometheus() {
        return;
    }
    let Some(broker) = Broker::own(&Settings::default()).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    Rows::simulate(folder.path());
    let group = Group::create(folder.path(), broker.bootstrap(), &unique_name("dashboard"));
    let process = group.join();
    let prometheus = Prometheus::start(folder.path(), &format!("127.0.0.1:{}", process.port()));
    // Counts are to rise while they are watched.
    wait_for("the process is scraped", || prometheus.values("frostwatch_build_info") == [1.0]);
    group.frostwatch(&["simulate", "--seed", "7", "--users", "40", "--days", "16"]);
    wait_for("all rows are normalised", || group.is_normalised());
    wait_for("all activity is consumed", || group.is_consumed());

    let queries = queries();
    assert!(queries.len() > 20, "{queries:?}");
    for (title, query) in &queries {
        // Of what exceptions hide there is something only where a rule has one.
        if query.contains("frostwatch_exception_hidden_total") {
            prometheus.values(query);
            continue;
        }
        wait_for(&format!("{title}: {query}"), || !prometheus.values(query).is_empty());
    }
    let opened = "sum(increase(frostwatch_alerts_total{change=\"opened\"}[10m]))";
    wait_for("alerts are seen to be opened", || prometheus.values(opened).iter().any(|value| *value > 0.0));

    let shipped = fs::read_to_string(deploy("alerts.yml")).unwrap();
    let wanted = shipped.lines().filter(|line| line.trim_start().starts_with("- alert:")).count();
    let healths = || {
        let answer = prometheus.ask("/api/v1/rules").unwrap_or_default();
        let rules = answer["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
        rules.iter().map(|rule| rule["health"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    wait_for("every alert rule is evaluated", || healths() == vec!["ok"; wanted]);
    let firing = prometheus.values("count(ALERTS{alertstate=\"firing\", alertname!~\"FrostwatchGeoIpStale\"})");
    assert!(firing.is_empty(), "nothing is wrong, and {firing:?} alerts fire");
}

#[test]
fn promtool_finds_no_fault() {
    if !has_prometheus() {
        return;
    }
    let checked = Command::new("promtool").args(["check", "rules"]).arg(deploy("alerts.yml")).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let tested = Command::new("promtool").args(["test", "rules"]).arg(deploy("alerts_test.yml")).output().unwrap();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&[tested.stdout, tested.stderr].concat()));
}
