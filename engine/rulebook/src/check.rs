//! From the shape of a rule to its meaning: every value is checked, every fault is noted, nothing stops at the first.

use std::collections::BTreeSet;

use frostwatch_detect::catalogue::{DETECTORS, Params, optional};
use frostwatch_detect::condition::{Condition, ConditionFault};
use frostwatch_detect::rule::{Attack, Exception, Rule, Severity};
use frostwatch_detect::time::{Millis, rfc3339};
use serde::Deserialize;

use crate::fault::{Fault, Notes, allowed, shortened};
use crate::limits::{
    ACTION_CHARS_MAX, ACTIONS_MAX, ATTACK_MAX, EXPIRES_END, EXPIRES_MIN, OFF_MAX, OWNER_CHARS_MAX, QUIET_SECS_MAX,
    QUIET_SECS_MIN, REASON_CHARS_MAX, TITLE_CHARS_MAX, URL_CHARS_MAX,
};
use crate::parse;
use crate::raw::{Elsewhere, RawAttack, RawException, RawRule, RawSeverity};
use crate::reader::Reader;
use crate::tree::{Node, Value};

pub(crate) mod networks;
pub(crate) mod scope;
mod sensitivity;

/// The version of the format that this crate reads.
const FORMAT: &str = "rule.v1";
/// The parameter that is a condition.
const WHERE: &str = "where";

/// The text of a rule that was read, with the means to blame its lines.
pub(crate) struct Check<'a> {
    root: &'a Node,
    notes: &'a Notes<'a>,
}

/// A rule that was read and the two things that are not part of it.
pub(crate) struct Draft {
    pub(crate) rule: Rule,
    pub(crate) enabled: bool,
    pub(crate) warnings: Vec<Fault>,
}

impl<'a> Check<'a> {
    pub(crate) const fn new(root: &'a Node, notes: &'a Notes<'a>) -> Self {
        Self { root, notes }
    }

    /// The rule, if nothing at all is wrong with it. Its hash is still empty.
    pub(crate) fn rule(&self, as_of: Option<Millis>) -> Option<Draft> {
        if let Some(Node { at, value: Value::Text(format) }) = self.root.get("schema")
            && format != FORMAT
        {
            // Another format has other keys: to list them all as unknown would help nobody.
            let message = format!("`{}` is a format this engine does not read; allowed: {FORMAT}", shortened(format));
            self.notes.add(*at, "schema", message);
            return None;
        }
        let raw = RawRule::deserialize(Reader::new(self.root, "", self.notes));
        let raw = raw.map_err(|stop| self.notes.add(self.root.at, "", stop.0)).ok()?;
        let params = self.params();
        let draft = self.meaning(raw, params?, as_of);
        self.notes.is_empty().then_some(draft)
    }

    fn meaning(&self, raw: RawRule, params: Params, as_of: Option<Millis>) -> Draft {
        self.faults_of_params(&params);
        self.id("id", &raw.id);
        if raw.version == 0 {
            self.note("version", "0 is outside 1–4294967295");
        }
        if raw.confidence > 100 {
            self.note("confidence", format!("{} is outside 0–100", raw.confidence));
        }
        self.title(&raw.title);
        self.url(&raw.runbook_url);
        self.count("recommended_actions", raw.recommended_actions.len(), ACTIONS_MAX);
        for (index, action) in raw.recommended_actions.iter().enumerate() {
            self.text(&format!("recommended_actions[{index}]"), action, ACTION_CHARS_MAX);
        }
        let mut warnings = Vec::new();
        let window = window(&params);
        let (sensitivity, sensitivity_for) = self.sensitivities();
        let rule = Rule {
            attack: self.attack(raw.attack),
            scope: self.scope(&raw.scope),
            exceptions: self.exceptions(raw.exceptions, as_of, &mut warnings),
            quiet_secs: self.quiet(&raw.suppression.quiet, window),
            off: self.off(raw.suppression.off.as_deref(), &params),
            id: raw.id,
            version: raw.version,
            hash: String::new(),
            params,
            severity: severity(raw.severity),
            confidence: raw.confidence,
            title: raw.title,
            recommended_actions: raw.recommended_actions,
            runbook_url: raw.runbook_url,
            sensitivity,
            sensitivity_for,
        };
        self.own_people(&rule);
        Draft { rule, enabled: raw.enabled, warnings }
    }

    /// What reads alerts takes those that there are: whom they are of is decided by the rules that raise them.
    fn own_people(&self, rule: &Rule) {
        if !rule.params.reads_alerts() {
            return;
        }
        let asks_whom = |part: &str| format!("leave {part} to the rules whose alerts it reads");
        if !rule.scope.include.is_empty() || !rule.scope.exclude.is_empty() {
            self.note("scope", asks_whom("whom it watches"));
        }
        if !rule.exceptions.is_empty() {
            self.note("exceptions", asks_whom("exceptions"));
        }
        if !rule.sensitivity_for.is_empty() {
            self.note("sensitivity", asks_whom("sensitivities for some"));
        }
    }

    /// The detector's own fields, once the detector is known.
    fn params(&self) -> Option<Params> {
        /// What every detector has; for when nobody knows which one is meant.
        #[derive(Deserialize)]
        struct Named {
            kind: String,
            #[expect(dead_code, reason = "its fields are the detector's")]
            params: Elsewhere,
        }
        let node = self.root.get("detector")?;
        let reader = || Reader::new(node, "detector", self.notes);
        let named = match node.get("kind") {
            Some(Node { value: Value::Text(kind), .. }) if DETECTORS.contains(&kind.as_str()) => {
                let params = Params::deserialize(reader().without(optional(kind)));
                return params.map_err(|stop| self.notes.add(node.at, "detector", stop.0)).ok();
            }
            _ => Named::deserialize(reader()),
        };
        match named {
            Ok(named) => {
                let message = format!("no detector `{}`; {}", shortened(&named.kind), allowed(&named.kind, DETECTORS));
                self.note("detector.kind", message);
            }
            Err(stop) => self.notes.add(node.at, "detector", stop.0),
        }
        None
    }

    fn faults_of_params(&self, params: &Params) {
        let condition = params.condition();
        condition.into_iter().for_each(|condition| self.condition(condition));
        // A condition has told its faults itself, each at its place.
        for (name, message) in params.faults().into_iter().filter(|(name, _)| condition.is_none() || *name != WHERE) {
            self.note(&format!("detector.params.{name}"), message);
        }
    }

    fn condition(&self, condition: &Condition) {
        let at = format!("detector.params.{WHERE}");
        if self.notes.has_beneath(&at) {
            // What could not be read is not there, and would be missed.
            return;
        }
        for ConditionFault { path, message, word } in condition.compile().err().unwrap_or_default() {
            let path = if path.is_empty() { at.clone() } else { format!("{at}.{path}") };
            let message = match word {
                Some((word, words)) => format!("{}; {}", shortened(&message), allowed(&word, &words)),
                None => message,
            };
            self.note(&path, message);
        }
    }

    fn title(&self, title: &str) {
        self.text("title", title, TITLE_CHARS_MAX);
        if title.replace("{user}", "").contains(['{', '}']) {
            self.note("title", "the only placeholder is `{user}`");
        }
    }

    fn url(&self, url: &str) {
        self.text("runbook_url", url, URL_CHARS_MAX);
        if url.strip_prefix("https://").is_none_or(str::is_empty) || url.contains(char::is_whitespace) {
            self.note("runbook_url", "expected an address that begins with `https://` and has no blanks");
        }
    }

    fn attack(&self, raw: Vec<RawAttack>) -> Vec<Attack> {
        self.count("attack", raw.len(), ATTACK_MAX);
        let mut seen = BTreeSet::new();
        for (index, RawAttack { tactic, technique }) in raw.iter().enumerate() {
            if !is_tactic(tactic) {
                self.note(&format!("attack[{index}].tactic"), "expected a tactic's id, e.g. `TA0001`");
            }
            if !is_technique(technique) {
                let message = "expected a technique's id, e.g. `T1110` or `T1078.004`";
                self.note(&format!("attack[{index}].technique"), message);
            }
            if !seen.insert((tactic, technique)) {
                self.note(&format!("attack[{index}]"), "stands here twice; keep one");
            }
        }
        raw.into_iter().map(|RawAttack { tactic, technique }| Attack { tactic, technique }).collect()
    }

    fn exceptions(&self, raw: Vec<RawException>, as_of: Option<Millis>, warnings: &mut Vec<Fault>) -> Vec<Exception> {
        let mut seen = BTreeSet::new();
        let mut exceptions = Vec::new();
        for (index, raw) in raw.into_iter().enumerate() {
            let path = format!("exceptions[{index}]");
            self.id(&format!("{path}.id"), &raw.id);
            if !seen.insert(raw.id.clone()) {
                self.note(&format!("{path}.id"), format!("`{}` stands in this rule twice", shortened(&raw.id)));
            }
            self.text(&format!("{path}.reason"), &raw.reason, REASON_CHARS_MAX);
            self.text(&format!("{path}.owner"), &raw.owner, OWNER_CHARS_MAX);
            let from = raw.from.as_deref().map(|text| self.time(&format!("{path}.from"), text));
            let expires_at = self.time(&format!("{path}.expires"), &raw.expires);
            if from.is_some_and(|from| from >= expires_at) {
                self.note(&format!("{path}.from"), "is not before `expires`: it never covers anything");
            }
            if let Some(now) = as_of
                && expires_at <= now
            {
                let path = format!("{path}.expires");
                let message = format!("`{}` expired at {}: it covers nothing new", raw.id, rfc3339(expires_at));
                warnings.push(self.notes.fault(self.root.locate(&path), &path, message));
            }
            let covers = self.selector(&format!("{path}.covers"), &raw.covers);
            exceptions.push(Exception { id: raw.id, reason: raw.reason, owner: raw.owner, from, expires_at, covers });
        }
        exceptions
    }

    /// When an exception begins or ends.
    fn time(&self, path: &str, text: &str) -> Millis {
        match parse::instant(text) {
            Ok(time) if (EXPIRES_MIN..EXPIRES_END).contains(&time) => time,
            Ok(_) => {
                self.note(path, "expected a time from 2020 to 2099; a hole that never closes belongs into `scope`");
                EXPIRES_MIN
            }
            Err(message) => {
                self.note(path, message);
                EXPIRES_MIN
            }
        }
    }

    /// The quiet time; with it name and length of the detector's longest window, 0 without one.
    fn quiet(&self, text: &str, (window, window_secs): (&str, u32)) -> u32 {
        const PATH: &str = "suppression.quiet";
        const DAYS_MAX: u32 = QUIET_SECS_MAX / 86_400;
        match parse::length_secs(text) {
            Ok(secs) if !(QUIET_SECS_MIN..=QUIET_SECS_MAX).contains(&secs) => {
                self.note(PATH, format!("`{text}` is outside 1s–{DAYS_MAX}d"));
                QUIET_SECS_MIN
            }
            // After an alert the window is still full: with less quiet than that each further event would open an
            // alert made of the same events.
            Ok(secs) if secs < window_secs => {
                let message = format!(
                    "`{text}` is shorter than the detector's window (`{window}: {window_secs}`); \
                     allowed: {window_secs}s–{DAYS_MAX}d"
                );
                self.note(PATH, message);
                secs
            }
            Ok(secs) => secs,
            Err(message) => {
                self.note(PATH, message);
                QUIET_SECS_MIN
            }
        }
    }

    /// The suppressions that are switched off, in order (it means nothing, so it must not change the hash).
    fn off(&self, raw: Option<&[String]>, params: &Params) -> Vec<String> {
        self.entries("suppression.off", raw, OFF_MAX, |name| {
            if params.suppressions().contains(&name.as_str()) {
                return Ok(name.clone());
            }
            let of = params.detector();
            Err(match params.suppressions() {
                [] => format!("`{}` is no suppression of {of}, which has none", shortened(name)),
                names => format!("`{}` is no suppression of {of}; {}", shortened(name), allowed(name, names)),
            })
        })
    }

    fn id(&self, path: &str, id: &str) {
        if !is_id(id) {
            let message = format!(
                "`{}` is not an id: a small letter, then at most 63 small letters, digits and `_`",
                shortened(id)
            );
            self.note(path, message);
        }
    }

    /// A text for people: something in it, not too long, one line.
    fn text(&self, path: &str, text: &str, chars_max: usize) {
        if text.trim().is_empty() {
            self.note(path, "is empty");
        } else if text.chars().count() > chars_max {
            self.note(path, format!("has {} characters; at most {chars_max} are allowed", text.chars().count()));
        } else if text.chars().any(char::is_control) {
            self.note(path, "has a line break or another control character; keep it on one line");
        }
    }

    fn count(&self, path: &str, count: usize, max: usize) {
        if count > max {
            self.note(path, format!("has {count} entries; at most {max} are allowed"));
        }
    }

    fn note(&self, path: &str, message: impl Into<String>) {
        self.notes.add(self.root.locate(path), path, message);
    }
}

fn is_id(id: &str) -> bool {
    id.len() <= 64
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

fn is_tactic(id: &str) -> bool {
    id.strip_prefix("TA").is_some_and(|digits| is_digits(digits, 4))
}

fn is_technique(id: &str) -> bool {
    let (main, sub) = id.split_once('.').map_or((id, None), |(main, sub)| (main, Some(sub)));
    main.strip_prefix('T').is_some_and(|digits| is_digits(digits, 4)) && sub.is_none_or(|sub| is_digits(sub, 3))
}

fn is_digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Name and length, seconds, of the longest window that a detector counts in; 0 for one that does not count.
const fn window(params: &Params) -> (&'static str, u32) {
    const WINDOW: &str = "window_secs";
    const SLOW: &str = "slow_window_secs";
    match params {
        Params::ActivityPolicy(params) => match (params.slow_window_secs, params.window_secs) {
            (Some(secs), _) => (SLOW, secs),
            (None, Some(secs)) => (WINDOW, secs),
            (None, None) => (WINDOW, 0),
        },
        Params::FailedLogins(params) => (WINDOW, params.window_secs),
        Params::MassDownload(params) => (WINDOW, params.window_secs),
        Params::Ransomware(params) => (SLOW, params.slow_window_secs),
        Params::UnusualDownload(params) => (WINDOW, params.window_secs),
        Params::AnonymousIp(_)
        | Params::ImpossibleTravel(_)
        | Params::Incident(_)
        | Params::InfrequentCountry(_)
        | Params::NewDevice(_)
        | Params::SuspiciousIp(_)
        | Params::TerminatedUser(_) => (WINDOW, 0),
    }
}

const fn severity(raw: RawSeverity) -> Severity {
    match raw {
        RawSeverity::Informational => Severity::Informational,
        RawSeverity::Low => Severity::Low,
        RawSeverity::Medium => Severity::Medium,
        RawSeverity::High => Severity::High,
        RawSeverity::Critical => Severity::Critical,
    }
}
