//! A set of rules as a text that stands for itself: one line of JSON a rule, in the order of their ids, with everything
//! the detectors run on and nothing of how it was written down. The set's hash is the hash of this text, so it can be
//! kept under that name, and a machine that has only the new files can run the past again under the old rules.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use frostwatch_detect::catalogue::Params;
use frostwatch_detect::model::AccountKind;
use frostwatch_detect::networks::Networks;
use frostwatch_detect::place::Country;
use frostwatch_detect::rule::{
    Attack, EXCEPTIONS_MAX, Exception, Network, RULES_MAX, Rule, Scope, Selector, Sensitivity, SensitivityFor, Severity,
};
use frostwatch_detect::time::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Rulebook;
use crate::limits::CONTENT_BYTES_MAX;

pub(crate) mod networks;

/// Hex digits of a hash.
const HASH_CHARS: usize = 16;

/// Why a text is no set of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentFault {
    /// Line, from 1; 0 when it is about the text as a whole.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ContentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "content of rules: {}", self.message),
            line => write!(f, "content of rules, line {line}: {}", self.message),
        }
    }
}

impl std::error::Error for ContentFault {}

impl Rulebook {
    /// The set as a text that stands for itself, at most [`CONTENT_BYTES_MAX`].
    pub fn to_content(&self) -> String {
        let rules = self.rules.iter().map(canonical);
        rules.chain(networks::canonical(&self.networks)).fold(String::new(), |text, line| text + &line + "\n")
    }

    /// Reads what [`Rulebook::to_content`] wrote: the same rules under the same hash. What was checked when it was written
    /// is not checked again in full, but nothing that the detectors could not run on is taken.
    pub fn from_content(text: &str) -> Result<Self, ContentFault> {
        let whole = |message| ContentFault { line: 0, message };
        if text.len() > CONTENT_BYTES_MAX {
            return Err(whole(format!("{} bytes; at most {CONTENT_BYTES_MAX} are read", text.len())));
        }
        let mut networks = Networks::default();
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let fault = |message| ContentFault { line: index + 1, message };
            match networks::read(line) {
                // It stands last, once.
                Some(found) if networks.is_empty() => networks = found.map_err(fault)?,
                None if networks.is_empty() => rules.push(read(line).map_err(fault)?),
                _ => return Err(fault("stands behind the networks".to_owned())),
            }
        }
        let exceptions: usize = rules.iter().map(|rule| rule.exceptions.len()).sum();
        if rules.iter().map(Rule::bits).sum::<usize>() > RULES_MAX || exceptions > EXCEPTIONS_MAX {
            let (rules, most) = (rules.len(), format!("at most {RULES_MAX} and {EXCEPTIONS_MAX}"));
            return Err(whole(format!("{rules} rules with {exceptions} exceptions; {most} are allowed")));
        }
        if !rules.is_sorted_by(|a, b| a.id < b.id) {
            return Err(whole("the rules are not in the order of their ids, each once".to_owned()));
        }
        let texts: Vec<String> = rules.iter().map(canonical).chain(networks::canonical(&networks)).collect();
        let hash = hash(texts.iter().map(String::as_str));
        Ok(Self { hash, rules, networks: Arc::new(networks), warnings: Vec::new() })
    }
}

/// The checked rule as one line of JSON: what the hash stands for.
pub(crate) fn canonical(rule: &Rule) -> String {
    serde_json::to_string(&Canonical::new(rule)).unwrap_or_default()
}

/// SHA-256 over lines.
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text);
        digest.update(b"\n");
    }
    let half = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0');
    digest.finalize().iter().take(HASH_CHARS / 2).flat_map(|byte| [half(byte >> 4), half(byte & 15)]).collect()
}

fn read(line: &str) -> Result<Rule, String> {
    let rule = serde_json::from_str::<Canonical<'_>>(line).map_err(|error| error.to_string())?.rule()?;
    if let Some((name, message)) = rule.params.faults().into_iter().next() {
        return Err(format!("{}: {name}: {message}", rule.id));
    }
    Ok(Rule { hash: hash([canonical(&rule).as_str()]), ..rule })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Canonical<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    version: u32,
    detector: Cow<'a, Params>,
    severity: u8,
    confidence: u8,
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    runbook_url: Cow<'a, str>,
    recommended_actions: Cow<'a, [String]>,
    attack: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    include: Vec<CanonicalSelector<'a>>,
    exclude: Vec<CanonicalSelector<'a>>,
    exceptions: Vec<CanonicalException<'a>>,
    #[serde(borrow)]
    sensitivity: Cow<'a, str>,
    quiet_secs: u32,
    /// Left out where there are none, as in the first release's hashes.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    sensitivity_for: Vec<(Cow<'a, str>, CanonicalSelector<'a>)>,
    /// Left out where nothing is switched off, as in the first release's hashes.
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    off: Cow<'a, [String]>,
    /// Of each exception that has a begin its place and that; left out where none has, as in the first release's hashes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exceptions_from: Vec<(usize, Millis)>,
}

/// Id, reason, owner, end, whom it covers.
type CanonicalException<'a> = (Cow<'a, str>, Cow<'a, str>, Cow<'a, str>, Millis, CanonicalSelector<'a>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CanonicalSelector<'a> {
    users: Cow<'a, [String]>,
    groups: Cow<'a, [String]>,
    kinds: Vec<Cow<'a, str>>,
    networks: Vec<String>,
    countries: Vec<Cow<'a, str>>,
}

impl<'a> Canonical<'a> {
    fn new(rule: &'a Rule) -> Self {
        let attack = |attack: &'a Attack| (attack.tactic.as_str().into(), attack.technique.as_str().into());
        let exception = |one: &'a Exception| {
            let [id, reason, owner] = [&one.id, &one.reason, &one.owner].map(|text| text.as_str().into());
            (id, reason, owner, one.expires_at, CanonicalSelector::new(&one.covers))
        };
        Self {
            id: rule.id.as_str().into(),
            version: rule.version,
            detector: Cow::Borrowed(&rule.params),
            severity: rule.severity.number(),
            confidence: rule.confidence,
            title: rule.title.as_str().into(),
            runbook_url: rule.runbook_url.as_str().into(),
            recommended_actions: rule.recommended_actions.as_slice().into(),
            attack: rule.attack.iter().map(attack).collect(),
            include: rule.scope.include.iter().map(CanonicalSelector::new).collect(),
            exclude: rule.scope.exclude.iter().map(CanonicalSelector::new).collect(),
            exceptions: rule.exceptions.iter().map(exception).collect(),
            sensitivity: word(rule.sensitivity).into(),
            quiet_secs: rule.quiet_secs,
            sensitivity_for: rule
                .sensitivity_for
                .iter()
                .map(|some| (word(some.is).into(), CanonicalSelector::new(&some.who)))
                .collect(),
            off: rule.off.as_slice().into(),
            exceptions_from: (0..).zip(&rule.exceptions).filter_map(|(at, one)| Some((at, one.from?))).collect(),
        }
    }

    /// The rule; its hash is still empty.
    fn rule(self) -> Result<Rule, String> {
        let attack = |(tactic, technique): (Cow<'_, str>, Cow<'_, str>)| Attack {
            tactic: tactic.into_owned(),
            technique: technique.into_owned(),
        };
        let exception = |(id, reason, owner, expires_at, covers): CanonicalException<'_>| {
            let [id, reason, owner] = [id, reason, owner].map(Cow::into_owned);
            Ok::<_, String>(Exception { id, reason, owner, from: None, expires_at, covers: covers.selector()? })
        };
        let mut exceptions = self.exceptions.into_iter().map(exception).collect::<Result<Vec<_>, _>>()?;
        for (at, from) in self.exceptions_from {
            let one = exceptions.get_mut(at).ok_or_else(|| format!("exceptions_from: there is no exception {at}"))?;
            one.from = Some(from);
        }
        let selectors = |all: Vec<CanonicalSelector<'_>>| -> Result<Vec<Selector>, String> {
            all.into_iter().map(CanonicalSelector::selector).collect()
        };
        let severity = Severity::from_number(self.severity);
        if severity.number() != self.severity || self.confidence > 100 {
            return Err("severity is outside 1–5 or confidence outside 0–100".to_owned());
        }
        let some = |(text, who): (Cow<'_, str>, CanonicalSelector<'_>)| {
            Ok::<_, String>(SensitivityFor { is: sensitivity(&text)?, who: who.selector()? })
        };
        Ok(Rule {
            id: self.id.into_owned(),
            version: self.version,
            hash: String::new(),
            params: self.detector.into_owned(),
            severity,
            confidence: self.confidence,
            title: self.title.into_owned(),
            recommended_actions: self.recommended_actions.into_owned(),
            runbook_url: self.runbook_url.into_owned(),
            attack: self.attack.into_iter().map(attack).collect(),
            scope: Scope { include: selectors(self.include)?, exclude: selectors(self.exclude)? },
            exceptions,
            sensitivity: sensitivity(&self.sensitivity)?,
            sensitivity_for: self.sensitivity_for.into_iter().map(some).collect::<Result<_, _>>()?,
            quiet_secs: self.quiet_secs,
            off: self.off.into_owned(),
        })
    }
}

impl<'a> CanonicalSelector<'a> {
    fn new(selector: &'a Selector) -> Self {
        Self {
            users: selector.users.as_slice().into(),
            groups: selector.groups.as_slice().into(),
            kinds: selector.kinds.iter().map(|kind| kind.as_str().into()).collect(),
            networks: selector.networks.iter().map(range).collect(),
            countries: selector.countries.iter().map(|country| country.as_str().into()).collect(),
        }
    }

    fn selector(self) -> Result<Selector, String> {
        let kind = |text: &Cow<'_, str>| {
            let kind = AccountKind::from_word(text);
            (kind.as_str() == text).then_some(kind).ok_or_else(|| format!("no kind of account is called {text:?}"))
        };
        let country = |text: &Cow<'_, str>| Country::new(text).ok_or_else(|| format!("{text:?} is no country"));
        Ok(Selector {
            users: self.users.into_owned(),
            groups: self.groups.into_owned(),
            kinds: self.kinds.iter().map(kind).collect::<Result<_, _>>()?,
            networks: self.networks.iter().map(|text| network(text)).collect::<Result<_, _>>()?,
            countries: self.countries.iter().map(country).collect::<Result<_, _>>()?,
        })
    }
}

fn range(Network { first, last }: &Network) -> String {
    format!("{first:x}-{last:x}")
}

fn network(text: &str) -> Result<Network, String> {
    let number = |text: &str| u128::from_str_radix(text, 16).ok();
    let range = text.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?)));
    let network = range.map(|(first, last)| Network { first, last }).filter(|range| range.first <= range.last);
    network.ok_or_else(|| format!("{text:?} is no range of addresses"))
}

fn sensitivity(text: &str) -> Result<Sensitivity, String> {
    let words = [Sensitivity::Low, Sensitivity::Medium, Sensitivity::High];
    let known = words.into_iter().find(|known| word(*known) == text);
    known.ok_or_else(|| format!("no sensitivity is called {text:?}"))
}

/// The word of the first release's hashes.
const fn word(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::Low => "Low",
        Sensitivity::Medium => "Medium",
        Sensitivity::High => "High",
    }
}
