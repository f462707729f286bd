//! `frostwatch rule test`: what a rule finds of stated activity, and what it does not.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail, ensure};
use frostwatch_detect::catalogue::{STATE_FORMAT, since_format};
use frostwatch_detect::lists::Lists;
use frostwatch_detect::names::Name;
use frostwatch_detect::place::{Carrier, Country, GeoBuild, Locate, Location, NoPlace, Place, Point};
use frostwatch_detect::time::Lateness;
use frostwatch_geoip::NoGeo;
use frostwatch_rulebook::Rulebook;
use frostwatch_runtime::pipeline::{Origin, Ruling, Task};
use frostwatch_runtime::ports::{Channel, InputRecord};
use serde_json::Value;

use super::scenario::{Arrival, Expected, PlaceOf, Test, TestFile};
use crate::config::{self, Faults};
use crate::console::say;
use crate::engine::{Located, shared};

/// What to test.
#[derive(clap::Args)]
pub(super) struct TestArgs {
    /// Files of tests, or folders of them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Configuration for rules, GeoIP, lists and lateness; without it no address has a place but those that a test names.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: Option<PathBuf>,
    /// Folder of rules; without it the configuration's, else the shipped ones.
    #[arg(long)]
    rules: Option<PathBuf>,
}

pub(super) fn run(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let bench = Bench::new(args)?;
    let (mut passed, mut failed) = (0, 0);
    let mut out = std::io::stdout().lock();
    for path in paths(&args.files)? {
        let name = path.display();
        let read = config::read_bounded(&path).and_then(|text| TestFile::parse(&text));
        let file = match read.and_then(|file| bench.has(&file.rule).map(|()| file)) {
            Ok(file) => file,
            Err(why) => {
                failed += 1;
                writeln!(out, "{name}: FAILED\n{}", indented(&format!("{why:#}")))?;
                continue;
            }
        };
        writeln!(out, "{name}: {}", file.rule)?;
        for test in &file.tests {
            match bench.check(&file, test) {
                Ok(()) => {
                    passed += 1;
                    writeln!(out, "  ok      {}", test.name)?;
                }
                Err(why) => {
                    failed += 1;
                    writeln!(out, "  FAILED  {}\n{}", test.name, indented(&format!("{why:#}")))?;
                }
            }
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The rules, and what surrounds them.
struct Bench {
    rulebook: Rulebook,
    places: Arc<dyn Locate>,
    lists: Option<Arc<Lists>>,
    lateness: Lateness,
    state_format: u8,
}

/// The places of the configuration but for what a test says of some.
struct WithPlaces {
    places: BTreeMap<IpAddr, Location>,
    others: Arc<dyn Locate>,
}

impl Locate for WithPlaces {
    fn locate(&self, address: IpAddr) -> Location {
        self.places.get(&address).copied().unwrap_or_else(|| self.others.locate(address))
    }

    fn build(&self) -> &GeoBuild {
        self.others.build()
    }
}

impl Bench {
    fn new(args: &TestArgs) -> anyhow::Result<Self> {
        let Some(path) = &args.config else {
            let rulebook = config::rules(args.rules.as_deref()).map_err(Faults)?;
            let places = Located::Nothing(NoGeo::new()).into_locate();
            let (lateness, state_format) = (Lateness::DEFAULT, STATE_FORMAT);
            return Ok(Self { rulebook, places, lists: None, lateness, state_format });
        };
        let checked = config::load_with(path, args.rules.as_deref())?;
        checked.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
        let (lateness, state_format) = (checked.config.lateness(), checked.config.state_format);
        let places = checked.located.into_locate();
        Ok(Self { rulebook: checked.rulebook, places, lists: checked.lists.lists, lateness, state_format })
    }

    /// Is there such a rule, and does it run?
    fn has(&self, rule: &str) -> anyhow::Result<()> {
        let ids: Vec<&str> = self.rulebook.rules.iter().map(|rule| rule.id.as_str()).collect();
        ensure!(
            ids.contains(&rule),
            "no rule '{rule}' runs (is it `enabled: true`, and is `--rules` its folder?); there are {}",
            ids.join(", ")
        );
        let kind =
            self.rulebook.rules.iter().find(|known| known.id == rule).map_or("", |known| known.params.detector());
        let since = since_format(kind);
        ensure!(
            since <= self.state_format,
            "rule '{rule}' is off under state_format {}: {kind} needs {since}",
            self.state_format
        );
        Ok(())
    }

    fn check(&self, file: &TestFile, test: &Test) -> anyhow::Result<()> {
        let places = test.places.iter().map(|(address, place)| Ok((*address, located(place)?)));
        let places = places.collect::<anyhow::Result<_>>().context("places")?;
        let locate = Arc::new(WithPlaces { places, others: Arc::clone(&self.places) });
        let ruling = Ruling::new(self.rulebook.clone(), locate, self.lateness);
        let ruling = ruling.with_state_format(self.state_format).with_lists(self.lists.clone());
        let found = run_records(&Arc::new(ruling), &file.arrivals(test)?)?;
        let of_rule: Vec<&Value> = found.iter().filter(|finding| finding["rule"]["id"] == *file.rule).collect();
        let (held, told): (Vec<&Value>, Vec<&Value>) =
            of_rule.into_iter().partition(|finding| finding["change"] == "suppressed");
        let mut differences = compare("alerts", &test.expect.alerts, &told);
        differences.extend(compare("suppressed", &test.expect.suppressed, &held));
        if differences.is_empty() { Ok(()) } else { Err(anyhow!(differences.join("\n"))) }
    }
}

/// Runs the records, and returns what stands in the end, in the order of the first events.
fn run_records(ruling: &Arc<Ruling>, arrivals: &[Arrival]) -> anyhow::Result<Vec<Value>> {
    let mut task = Task::new(shared(Origin::default()), Arc::clone(ruling), 0);
    let (mut last, mut out) = (BTreeMap::new(), Vec::new());
    for (offset, Arrival { stamp, value }) in arrivals.iter().enumerate() {
        task.record_alone(&InputRecord { offset: offset as i64, stamp: Some(*stamp), key: None, value }, &mut out);
        for record in out.drain(..) {
            match record.channel {
                Channel::Activity => {}
                Channel::Alerts | Channel::Suppressions => {
                    let finding: Value = serde_json::from_slice(&record.value)?;
                    last.insert(finding["id"].as_str().unwrap_or_default().to_owned(), finding);
                }
                Channel::Late => bail!(
                    "record {offset} (in the order of arrival) came too late to be put in order: its `delay` is longer than \
                     the lateness"
                ),
                Channel::Rejected => bail!("record {offset} (in the order of arrival) was rejected"),
            }
        }
    }
    let mut standing: Vec<Value> = last.into_values().filter(|finding| finding["change"] != "retracted").collect();
    let key = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let user = |finding: &Value| user_of(finding).unwrap_or_default();
    standing.sort_by_cached_key(|finding| (key(finding, "first_event_time"), user(finding), key(finding, "id")));
    Ok(standing)
}

/// What differs, a line each.
fn compare(what: &str, wanted: &[Expected], found: &[&Value]) -> Vec<String> {
    if wanted.len() != found.len() {
        let mut lines = vec![format!("{what}: {} expected, {} found", wanted.len(), found.len())];
        lines.extend(found.iter().map(|finding| format!("  found: {}", described(finding))));
        return lines;
    }
    let pairs = wanted.iter().zip(found).enumerate();
    pairs.flat_map(|(place, (wanted, found))| differences(&format!("{what}[{place}]"), wanted, found)).collect()
}

fn differences(place: &str, wanted: &Expected, found: &Value) -> Vec<String> {
    let number = |name: &str| found[name].as_u64();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let shown = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let mut differ = Vec::new();
    let mut same = |name: &str, wanted: Option<String>, found: Option<String>| {
        if wanted.is_some() && wanted != found {
            differ.push(format!("{place}.{name}: {} expected, {} found", shown(wanted), shown(found)));
        }
    };
    same("user", wanted.user.as_ref().map(|user| user.to_lowercase()), user_of(found));
    same("count", wanted.count.map(|count| count.to_string()), number("count").map(|count| count.to_string()));
    same("severity", wanted.severity.map(|most| most.to_string()), number("severity").map(|most| most.to_string()));
    same("by", wanted.by.clone(), text(&found["suppressed_by"]["by"]));
    let summary = text(&found["summary"]).unwrap_or_default();
    for part in wanted.summary_contains.iter().filter(|part| !summary.contains(part.as_str())) {
        differ.push(format!("{place}.summary_contains: '{part}' expected"));
    }
    if !differ.is_empty() {
        differ.push(format!("  found: {}", described(found)));
    }
    differ
}

/// Whom it is about, in lower case as keys are.
fn user_of(finding: &Value) -> Option<String> {
    let mut entities = finding["entities"].as_array().into_iter().flatten();
    let user = entities.find(|entity| entity["type"] == "user")?;
    user["name"].as_str().map(str::to_owned)
}

fn described(finding: &Value) -> String {
    let by = finding["suppressed_by"]["by"].as_str().map(|by| format!(", held back by {by}")).unwrap_or_default();
    let summary = finding["summary"].as_str().unwrap_or_default();
    format!("severity {}, count {}{by}: {summary}", finding["severity"], finding["count"])
}

fn located(place: &PlaceOf) -> anyhow::Result<Location> {
    let carrier = Carrier { asn: place.asn, organisation: Name::new(&place.organisation) };
    let Some(code) = &place.country else { return Ok(Location { place: Err(NoPlace::Unknown), carrier }) };
    let country = Country::new(code).with_context(|| format!("'{code}' is no code of a country"))?;
    let point = match (place.latitude, place.longitude) {
        (Some(lat), Some(lon)) => Some(Point::from_degrees(lat, lon).context("no such place on earth")?),
        (None, None) => None,
        _ => bail!("either both of latitude and longitude or none"),
    };
    let (city, radius_km) = (Name::new(&place.city), place.radius_km);
    Ok(Location { place: Ok(Place { country, city, point, radius_km }), carrier })
}

/// The files, and those of folders.
fn paths(given: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in given {
        if path.is_dir() {
            all.extend(config::yaml_files(path)?);
        } else {
            all.push(path.clone());
        }
    }
    Ok(all)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("            {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "schema: rule-tests.v1\nrule: mass_download\ntests:\n";

    fn failures(tests: &str) -> Vec<String> {
        let bench = Bench::new(&TestArgs { files: Vec::new(), config: None, rules: None }).unwrap();
        let file = TestFile::parse(&format!("{FILE}{tests}")).unwrap();
        file.tests
            .iter()
            .map(|test| bench.check(&file, test).err().map(|why| format!("{why:#}")).unwrap_or_default())
            .collect()
    }

    fn downloads(times: u32, expect: &str) -> String {
        format!(
            "  - name: a\n    records:\n      - at: 0s\n        repeat: {{times: {times}, every: 1s}}\n        \
             activity: {{action: download, object: {{table: sys_attachment, id: 'file {{n}}'}}}}\n    expect: {expect}\n"
        )
    }

    #[test]
    fn what_comes_of_the_records_is_held_against_what_is_expected() {
        for (times, expect, wanted) in [
            (51, "{alerts: [{count: 51, user: ana.lind, severity: 3, summary_contains: [51 objects]}]}", ""),
            (50, "{}", ""),
            (50, "{alerts: [{count: 51}]}", "alerts: 1 expected, 0 found"),
            (51, "{}", "alerts: 0 expected, 1 found\n  found: severity 3, count 51: ana.lind downloaded 51 objects"),
            (51, "{alerts: [{count: 9}]}", "alerts[0].count: 9 expected, 51 found\n"),
            (51, "{alerts: [{by: learning}]}", "alerts[0].by: learning expected, none found\n"),
            (51, "{alerts: [{summary_contains: [no such]}]}", "alerts[0].summary_contains: 'no such' expected\n"),
        ] {
            let told = failures(&downloads(times, expect)).remove(0);
            assert!(if wanted.is_empty() { told.is_empty() } else { told.starts_with(wanted) }, "{expect}: {told}");
        }
    }

    #[test]
    fn a_record_that_is_none_is_told_with_its_place() {
        let bad = "  - name: a\n    records:\n      - at: 0s\n        activity: {action: 7}\n";
        let told = failures(bad).remove(0);
        assert!(told.starts_with("records[0]: activity: ") && told.contains("action"), "{told}");
        let late = "  - name: a\n    records:\n      - {at: 3h, activity: {action: login}}\n      \
                    - {at: 0s, delay: 4h, activity: {action: login}}\n";
        assert!(failures(late).remove(0).contains("came too late"), "{:?}", failures(late));
        let none =
            TestFile::parse(&format!("{FILE}  - {{name: a, records: [], expekt: {{}}}}\n")).unwrap_err().to_string();
        assert!(none.contains("expekt"), "{none}");
    }

    #[test]
    fn a_rule_that_does_not_run_is_no_passed_test() {
        let bench = Bench::new(&TestArgs { files: Vec::new(), config: None, rules: None }).unwrap();
        assert!(bench.has("impersonation").unwrap_err().to_string().starts_with("no rule 'impersonation' runs"));
        assert!(bench.has("mass_download").is_ok());
    }
}
