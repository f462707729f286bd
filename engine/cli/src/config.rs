//! Configuration in phases: parse, check (every fault at once), assemble. One YAML file, `config.v1`.

mod lists;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use frostwatch_detect::catalogue::{STATE_FORMAT, since_format};
use frostwatch_detect::format::STATE_FORMAT_OLDEST;
use frostwatch_detect::time::{Lateness, SECOND};
use frostwatch_feeds::{Feed, FeedConfig};
use frostwatch_geoip::lists::{ListConfig, OpenedLists};
use frostwatch_geoip::{GeoFiles, GeoLimits, GeoTable, NoGeo};
use frostwatch_kafka::settings::{KafkaSettings, is_secret};
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::pipeline::Ruling;
use frostwatch_wire::normalise::Normaliser;
use frostwatch_wire::normalise::config::NormaliseConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::engine::{Located, ruling};

/// Largest configuration file, bytes.
const CONFIG_BYTES_MAX: u64 = 4 << 20;
/// Workers of one process at most.
const WORKERS_MAX: usize = 256;
/// Longest lateness and skew, seconds.
const LATENESS_SECS_MAX: u32 = 7 * 86_400;

/// The configuration of a deployment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `config.v1`.
    pub(crate) schema: String,
    /// Kafka.
    pub(crate) kafka: KafkaSettings,
    /// Folder of rule files; absent: the shipped rules.
    #[serde(default)]
    pub(crate) rules: Option<PathBuf>,
    /// GeoIP files; absent: no address has a place.
    #[serde(default)]
    pub(crate) geoip: GeoConfig,
    /// Lists of addresses; absent: detectors of listed addresses do not run.
    #[serde(default)]
    pub(crate) lists: Vec<ListConfig>,
    /// Where lists are fetched from; absent: whoever writes their files does.
    #[serde(default)]
    pub(crate) feeds: Vec<FeedConfig>,
    /// How raw rows are read; absent: raw topics are not read.
    #[serde(default)]
    pub(crate) normalise: Option<NormaliseConfig>,
    /// A record delivered within this of its event time is never late, seconds.
    #[serde(default = "lateness_secs")]
    pub(crate) lateness_secs: u32,
    /// An event further ahead of its stamp than this is rejected, seconds.
    #[serde(default = "skew_secs")]
    pub(crate) skew_secs: u32,
    /// The format in which state is written, and beyond which nothing is remembered: an older one until every process of
    /// the group runs a program that reads the newer. A newer one that was used once stays.
    #[serde(default = "state_format")]
    pub(crate) state_format: u8,
    /// Threads that work on partitions; one a core at most.
    #[serde(default = "workers")]
    pub(crate) workers: usize,
    /// Where metrics and health are served; absent: nowhere.
    #[serde(default)]
    pub(crate) admin: Option<AdminConfig>,
}

/// GeoIP files.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GeoConfig {
    /// City files: one, or one for IPv4 and one for IPv6.
    #[serde(default)]
    pub(crate) city: Vec<PathBuf>,
    /// ASN files.
    #[serde(default)]
    pub(crate) asn: Vec<PathBuf>,
}

/// The admin port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminConfig {
    /// Address and port; keep it on loopback unless the network around it is trusted.
    pub(crate) listen: std::net::SocketAddr,
}

impl GeoConfig {
    /// Paths are relative to the configuration.
    fn resolve(&mut self, beside: &Path) {
        for file in self.city.iter_mut().chain(&mut self.asn) {
            *file = beside.join(&*file);
        }
    }
}

fn lateness_secs() -> u32 {
    (Lateness::DEFAULT.lateness / SECOND) as u32
}

fn skew_secs() -> u32 {
    (Lateness::DEFAULT.skew / SECOND) as u32
}

const fn state_format() -> u8 {
    STATE_FORMAT
}

const fn workers() -> usize {
    1
}

/// All that is wrong, at once.
#[derive(Debug)]
pub(crate) struct Faults(pub(crate) Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} fault{} in the configuration", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|fault| write!(f, "\n\n{}", fault.trim_end()))
    }
}

impl std::error::Error for Faults {}

/// What a checked configuration gives.
pub(crate) struct Checked {
    pub(crate) config: Config,
    pub(crate) rulebook: Rulebook,
    pub(crate) located: Located,
    pub(crate) lists: OpenedLists,
    pub(crate) normaliser: Option<Normaliser>,
    pub(crate) warnings: Vec<String>,
}

impl Checked {
    /// The ruling that its rules, places, lists and limits make, and the normaliser.
    pub(crate) fn into_ruling(self) -> (Arc<Ruling>, Option<Normaliser>) {
        let ruling = ruling(self.rulebook, self.located, self.config.lateness());
        let ruling = ruling.with_state_format(self.config.state_format).with_lists(self.lists.lists);
        (Arc::new(ruling), self.normaliser)
    }
}

impl Config {
    /// The lateness and skew.
    pub(crate) fn lateness(&self) -> Lateness {
        Lateness { lateness: i64::from(self.lateness_secs) * SECOND, skew: i64::from(self.skew_secs) * SECOND }
    }

    /// Files and folders that the ruling is read from, once it is checked.
    pub(crate) fn watched(&self, path: &Path) -> Vec<PathBuf> {
        let lists = self.lists.iter().map(|list| list.path.as_path());
        let geoip = self.geoip.city.iter().chain(&self.geoip.asn).map(PathBuf::as_path);
        watched(path, self.rules.as_deref(), geoip.chain(lists))
    }

    /// What a running process does not take over.
    pub(crate) fn settled_at_start(&self) -> SettledAtStart {
        let Self { kafka, workers, normalise, admin, .. } = self;
        let (kafka, normalise, admin) = (kafka.clone(), normalise.clone(), admin.clone());
        SettledAtStart { kafka, workers: *workers, normalise, admin, feeds: self.feeds_with_lists() }
    }

    /// The lists that are fetched, and where from.
    pub(crate) fn feeds_with_lists(&self) -> Vec<Feed> {
        lists::feeds_with_lists(&self.feeds, &self.lists)
    }

    fn own_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.schema != "config.v1" {
            faults.push(format!("schema: '{}' is not config.v1", self.schema));
        }
        for (name, value) in [("lateness_secs", self.lateness_secs), ("skew_secs", self.skew_secs)] {
            if value == 0 || value > LATENESS_SECS_MAX {
                faults.push(format!("{name}: {value} is outside 1 to {LATENESS_SECS_MAX}"));
            }
        }
        if !(STATE_FORMAT_OLDEST..=STATE_FORMAT).contains(&self.state_format) {
            let (found, oldest) = (self.state_format, STATE_FORMAT_OLDEST);
            faults.push(format!(
                "state_format: {found} is outside {oldest} to {STATE_FORMAT}, which this program writes"
            ));
        }
        if self.workers == 0 || self.workers > WORKERS_MAX {
            faults.push(format!("workers: {} is outside 1 to {WORKERS_MAX}", self.workers));
        }
        faults.extend(self.kafka.check().iter().map(ToString::to_string));
        faults
    }
}

/// Parts of a configuration that hold until the process ends.
#[derive(Debug)]
pub(crate) struct SettledAtStart {
    kafka: KafkaSettings,
    workers: usize,
    normalise: Option<NormaliseConfig>,
    admin: Option<AdminConfig>,
    feeds: Vec<Feed>,
}

impl SettledAtStart {
    /// Names of the parts in which another one differs.
    pub(crate) fn differing(&self, other: &Self) -> Vec<&'static str> {
        [
            ("kafka", self.kafka != other.kafka),
            ("workers", self.workers != other.workers),
            ("normalise", self.normalise != other.normalise),
            ("admin", self.admin != other.admin),
            ("feeds", self.feeds != other.feeds),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

/// The configuration itself and what it names: rules relative to it, GeoIP files and lists resolved already.
fn watched<'a>(path: &Path, rules: Option<&Path>, files: impl Iterator<Item = &'a Path>) -> Vec<PathBuf> {
    let beside = path.parent().unwrap_or(Path::new("."));
    let named = rules.map(|rules| beside.join(rules)).into_iter().chain(files.map(Path::to_owned));
    [path.to_owned()].into_iter().chain(named).collect()
}

/// Files and folders that a configuration names, though it may be refused: that they are mended must be noticed too.
/// `None` where it cannot be read at all.
pub(crate) fn named_files(path: &Path) -> Option<Vec<PathBuf>> {
    let options = serde_saphyr::options! { with_snippet: false };
    let parts: Value = serde_saphyr::from_str_with_options(&read_bounded(path).ok()?, options).ok()?;
    let text = |value: &Value| value.as_str().map(PathBuf::from);
    let list = |name: &str| {
        let files = parts.get("geoip").and_then(|geoip| geoip.get(name)).and_then(Value::as_array);
        files.into_iter().flatten().filter_map(text).collect::<Vec<_>>()
    };
    let mut geoip = GeoConfig { city: list("city"), asn: list("asn") };
    let beside = path.parent().unwrap_or(Path::new("."));
    geoip.resolve(beside);
    let lists = lists::named(&parts, beside);
    let rules = parts.get("rules").and_then(text);
    let files = geoip.city.iter().chain(&geoip.asn).chain(&lists);
    Some(watched(path, rules.as_deref(), files.map(PathBuf::as_path)))
}

/// Reads and checks a configuration whole.
pub(crate) fn load(path: &Path) -> anyhow::Result<Checked> {
    load_with(path, None)
}

/// The same, with the rules of a folder in place of its own.
pub(crate) fn load_with(path: &Path, rules_folder: Option<&Path>) -> anyhow::Result<Checked> {
    let text = read_bounded(path).map_err(|error| Faults(vec![format!("{error:#}")]))?;
    let beside = path.parent().unwrap_or(Path::new("."));
    match parse(&text) {
        Ok(config) => Ok(checked(config, beside, rules_folder)?),
        Err(fault) => {
            let mut faults = vec![format!("{}: {fault}", path.display())];
            faults.extend(faults_of_parts(&text, &fault, beside, rules_folder));
            Err(Faults(faults).into())
        }
    }
}

/// Reads the feeds of a configuration, whatever its lists hold: a fetch is what mends them.
pub(crate) fn load_feeds(path: &Path) -> anyhow::Result<Vec<Feed>> {
    let text = read_bounded(path).map_err(|error| Faults(vec![format!("{error:#}")]))?;
    let mut config = parse(&text).map_err(|fault| Faults(vec![format!("{}: {fault}", path.display())]))?;
    lists::resolve(&mut config.lists, &mut config.feeds, path.parent().unwrap_or(Path::new(".")));
    let mut faults: Vec<String> = config.lists.iter().flat_map(ListConfig::faults).collect();
    faults.extend(lists::feed_faults(&config.feeds, &config.lists));
    anyhow::ensure!(faults.is_empty(), Faults(faults));
    Ok(config.feeds_with_lists())
}

fn parse(text: &str) -> Result<Config, String> {
    // A snippet shows the lines around a fault, and there may be a password on one of them.
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let mut message = error.to_string();
        mask_secrets(text, &mut message);
        message
    })
}

fn checked(mut config: Config, beside: &Path, rules_folder: Option<&Path>) -> Result<Checked, Faults> {
    let mut faults = config.own_faults();
    let rulebook = collect(&mut faults, rules_beside(beside, config.rules.as_deref(), rules_folder));
    config.geoip.resolve(beside);
    let located = collect(&mut faults, located(&config.geoip).map_err(|fault| vec![fault]));
    lists::resolve(&mut config.lists, &mut config.feeds, beside);
    faults.extend(lists::feed_faults(&config.feeds, &config.lists));
    let lists = collect(&mut faults, lists::opened(&config.lists, &config.feeds));
    let normaliser = config.normalise.clone().and_then(|normalise| collect(&mut faults, normaliser_of(normalise)));
    let (Some(rulebook), Some(located), Some(lists), []) = (rulebook, located, lists, faults.as_slice()) else {
        return Err(Faults(faults));
    };
    let mut warnings: Vec<String> = rulebook.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(located.warnings());
    warnings.extend(lists.warnings.iter().cloned());
    warnings.extend(config.feeds.iter().flat_map(FeedConfig::warnings));
    let asleep = rulebook.rules.iter().filter(|rule| since_format(rule.params.detector()) > config.state_format);
    warnings.extend(asleep.map(|rule| {
        format!(
            "state_format {}: rule '{}' is off, {} needs format {}",
            config.state_format,
            rule.id,
            rule.params.detector(),
            since_format(rule.params.detector())
        )
    }));
    if config.normalise.is_none() {
        warnings.push("normalise: absent, so raw topics are not read; activity must be published by a producer".into());
    }
    if let Some(AdminConfig { listen }) = config.admin.as_ref().filter(|admin| !admin.listen.ip().is_loopback()) {
        warnings.push(format!(
            "admin.listen: {listen} is not on loopback: whoever reaches it reads metrics, with counts of users, and can \
             ask for the configuration to be read again; keep it in a network that is trusted"
        ));
    }
    if !cfg!(feature = "tls") && config.kafka.wants_security() {
        warnings.push(
            "kafka: this is a plain build, without TLS and with no SASL but PLAIN; `--features tls` has both".into(),
        );
    }
    Ok(Checked { config, rulebook, located, lists, normaliser, warnings })
}

/// Reads a configuration and what of it can be checked without a file or a client.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_alone(text: &str) -> Result<(), Vec<String>> {
    let config = parse(text).map_err(|fault| {
        let options = serde_saphyr::options! { with_snippet: false };
        let mut faults = Vec::new();
        if let Ok(Value::Object(mut parts)) = serde_saphyr::from_str_with_options::<Value>(text, options) {
            drop(part::<KafkaSettings>(&mut parts, "kafka", &fault, &mut faults));
            drop(part::<GeoConfig>(&mut parts, "geoip", &fault, &mut faults));
            let lists = part::<Vec<ListConfig>>(&mut parts, "lists", &fault, &mut faults);
            faults.extend(lists.iter().flatten().flat_map(ListConfig::faults));
            let feeds = part::<Vec<FeedConfig>>(&mut parts, "feeds", &fault, &mut faults).unwrap_or_default();
            faults.extend(lists::feed_faults(&feeds, &lists.unwrap_or_default()));
            let normalise = part(&mut parts, "normalise", &fault, &mut faults);
            normalise.and_then(|normalise| collect(&mut faults, normaliser_of(normalise)));
        }
        faults.iter_mut().for_each(|fault| mask_secrets(text, fault));
        faults.push(fault);
        faults
    })?;
    config.normalise.map_or(Ok(()), |normalise| normaliser_of(normalise).map(drop))
}

/// What can still be said of the parts of a configuration that is faulty as a whole. `told` is said already.
fn faults_of_parts(text: &str, told: &str, beside: &Path, rules_folder: Option<&Path>) -> Vec<String> {
    let options = serde_saphyr::options! { with_snippet: false };
    let Ok(Value::Object(mut parts)) = serde_saphyr::from_str_with_options::<Value>(text, options) else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let own: Option<PathBuf> = part(&mut parts, "rules", told, &mut faults);
    collect(&mut faults, rules_beside(beside, own.as_deref(), rules_folder));
    if let Some(kafka) = part::<KafkaSettings>(&mut parts, "kafka", told, &mut faults) {
        faults.extend(kafka.check().iter().map(ToString::to_string));
    }
    if let Some(mut geoip) = part::<GeoConfig>(&mut parts, "geoip", told, &mut faults) {
        geoip.resolve(beside);
        collect(&mut faults, located(&geoip).map_err(|fault| vec![fault]));
    }
    let mut feeds = part::<Vec<FeedConfig>>(&mut parts, "feeds", told, &mut faults).unwrap_or_default();
    if let Some(mut lists) = part::<Vec<ListConfig>>(&mut parts, "lists", told, &mut faults) {
        lists::resolve(&mut lists, &mut feeds, beside);
        faults.extend(lists::feed_faults(&feeds, &lists));
        collect(&mut faults, lists::opened(&lists, &feeds));
    }
    if let Some(normalise) = part(&mut parts, "normalise", told, &mut faults) {
        collect(&mut faults, normaliser_of(normalise));
    }
    faults.iter_mut().for_each(|fault| mask_secrets(text, fault));
    faults
}

/// A part of the configuration, if it is there and can be read.
fn part<T: DeserializeOwned>(
    parts: &mut Map<String, Value>,
    name: &str,
    told: &str,
    faults: &mut Vec<String>,
) -> Option<T> {
    match serde_json::from_value(parts.remove(name)?) {
        Ok(part) => Some(part),
        Err(error) => {
            let message = error.to_string();
            // The fault of the whole is that of its first faulty part, told with its line.
            let first = message.split(", expected").next().unwrap_or(&message);
            if !told.contains(first) {
                faults.push(format!("{name}: {message}"));
            }
            None
        }
    }
}

/// Takes the values that stand under names of secrets out of a message.
fn mask_secrets(text: &str, message: &mut String) {
    let quotes = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '-' | '}' | '{' | '[' | ']');
    for entry in text.split(['\n', ',', '{']) {
        if let Some((name, value)) = entry.split_once(':')
            && is_secret(name.trim_matches(quotes))
            && let value = value.trim_matches(quotes)
            && !value.is_empty()
        {
            *message = message.replace(value, "********");
        }
    }
}

fn normaliser_of(normalise: NormaliseConfig) -> Result<Normaliser, Vec<String>> {
    let texts = |faults: Vec<_>| faults.iter().map(|fault| format!("normalise.{fault}")).collect();
    Normaliser::new(normalise).map_err(texts)
}

/// The rules of the folder given, else of the one the configuration names, else the shipped ones.
fn rules_beside(beside: &Path, own: Option<&Path>, given: Option<&Path>) -> Result<Rulebook, Vec<String>> {
    let own = own.map(|own| beside.join(own));
    rules(given.or(own.as_deref()))
}

/// The rules of a folder, or the shipped ones.
pub(crate) fn rules(folder: Option<&Path>) -> Result<Rulebook, Vec<String>> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let as_of = now.ok().and_then(|now| i64::try_from(now.as_millis()).ok());
    let texts = |faults: Vec<frostwatch_rulebook::Fault>| faults.iter().map(ToString::to_string).collect();
    let Some(folder) = folder else {
        return Rulebook::parse(default_rules(), as_of).map_err(texts);
    };
    let files = rule_files(folder).map_err(|error| vec![format!("{error:#}")])?;
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Rulebook::parse(&files, as_of).map_err(texts)
}

/// Names and texts of the rule files of a folder, in the order of their names.
pub(crate) fn rule_files(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let paths = yaml_files(folder).context("rules")?;
    paths.iter().map(|path| Ok((path.display().to_string(), read_bounded(path)?))).collect()
}

/// The `.yaml` files of a folder in the order of their names.
pub(crate) fn yaml_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    anyhow::ensure!(!files.is_empty(), "no .yaml file in {}", folder.display());
    files.sort();
    Ok(files)
}

/// The GeoIP table of the files, or none.
pub(crate) fn located(files: &GeoConfig) -> Result<Located, String> {
    if files.city.is_empty() && files.asn.is_empty() {
        return Ok(Located::Nothing(NoGeo::new()));
    }
    let files = GeoFiles { city: files.city.clone(), asn: files.asn.clone() };
    GeoTable::open(&files, GeoLimits::default()).map(Located::Table).map_err(|error| format!("geoip: {error}"))
}

fn collect<T>(faults: &mut Vec<String>, result: Result<T, Vec<String>>) -> Option<T> {
    result.map_err(|more| faults.extend(more)).ok()
}

/// Reads a file of text that is no larger than a configuration may be.
pub(crate) fn read_bounded(path: &Path) -> anyhow::Result<String> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    anyhow::ensure!(size <= CONFIG_BYTES_MAX, "{}: {size} bytes, at most {CONFIG_BYTES_MAX}", path.display());
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
