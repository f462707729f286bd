//! The page of one template of a policy.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use frostwatch_detect::catalogue::Params;
use frostwatch_detect::rule::Rule;
use serde_json::{Map, Value};

use super::filter;
use super::page::{self, Parameter, only_rule, span};
use super::source;

/// What every template is a rule of.
pub(super) const DETECTOR: &str = "activity_policy";
/// The headings of a page, in their order.
pub(super) const HEADINGS: [&str; 6] =
    ["Filter", "What raises the alert", "Left out", "Blind spots", "Parameters", "Switch it on"];

/// How the part of a template's first comment begins that says what it does not see.
const BLIND_SPOTS: &str = "Blind spots: ";

/// A policy that ships as a beginning of one's own, as its text describes it.
pub(super) struct Template {
    /// The rule's id.
    pub(super) id: &'static str,
    /// What it finds, in one sentence.
    pub(super) title: String,
    /// The rule as it is once it is switched on.
    pub(super) rule: Rule,
    pub(super) parameters: Vec<Parameter>,
    /// The text of its file.
    text: String,
    filter: String,
    blind_spots: String,
    /// Its parameters as they are written.
    values: Map<String, Value>,
}

impl Template {
    /// Reads the text of a template. `code` documents the parameters.
    pub(super) fn new(id: &'static str, code: &str, text: &str) -> anyhow::Result<Self> {
        if text.matches("\nenabled: false\n").count() != 1 {
            bail!("a template is not enabled");
        }
        let rule = only_rule(id, DETECTOR, &text.replacen("\nenabled: false\n", "\nenabled: true\n", 1))?;
        let (title, blind_spots) = first_comment(text)?;
        let Params::ActivityPolicy(params) = &rule.params else { bail!("a template is a rule of {DETECTOR}") };
        let filter = filter::shown(&params.r#where, text)?;
        let params = serde_json::to_value(&rule.params)?;
        let values = params.get("params").and_then(Value::as_object).context("a rule's parameters are not a map")?;
        let parameters = parameters(code, text, values)?;
        Ok(Self { id, title, parameters, text: text.to_owned(), filter, blind_spots, values: values.clone(), rule })
    }

    /// The page in Markdown.
    pub(super) fn page(&self) -> String {
        let Self { id, title, .. } = self;
        let sections = [
            self.filter.trim_end().to_owned(),
            self.count(),
            self.left_out(),
            self.blind_spots.clone(),
            page::parameter_table(&self.parameters),
            self.switch_on(),
        ];
        let mut page = format!(
            "<!-- Written by `cargo xtask generate` from rules/policies/{id}.yaml and the documentation of {DETECTOR}. -->\n\n\
             # {id}\n\n{title}\n\nIt is a template: a rule of the detector [{DETECTOR}](../detectors/{DETECTOR}.md) that ships \
             switched off, as a beginning of\none's own. How filters and counts are read: [policies.md](../policies.md).\n\n{}",
            self.facts()
        );
        for (heading, text) in HEADINGS.iter().zip(sections) {
            let _ = write!(page, "\n## {heading}\n\n{text}\n");
        }
        page
    }

    /// What raises the alert, in few words.
    pub(super) fn limits(&self) -> String {
        let counted = self.named("distinct").map_or_else(String::new, |what| format!(" `{what}`"));
        let limits: Vec<String> =
            self.counts().into_iter().map(|(events, window)| format!("{events}{counted} in {window}")).collect();
        if limits.is_empty() { "each".to_owned() } else { limits.join("<br>") }
    }

    fn facts(&self) -> String {
        let Self { id, rule, text, .. } = self;
        let quiet = source::comment(text, "suppression:", "quiet");
        let quiet = if quiet.is_empty() { String::new() } else { format!(". {}", page::cell(&quiet)) };
        format!(
            "| As shipped | |\n|---|---|\n| Runs | no: `enabled: false` |\n| Severity | {} |\n| Confidence | {} |\n\
             | Sensitivity | {} |\n| One alert per cause until it was quiet for | {}{quiet} |\n| ATT&CK | {} |\n\
             | Rule | [rules/policies/{id}.yaml](../../rules/policies/{id}.yaml) |\n\
             | Runbook | [docs/runbooks/{id}.md](../runbooks/{id}.md) |\n\
             | Vectors | [tests/vectors/policies/{id}.jsonl](../../tests/vectors/policies/{id}.jsonl) |\n",
            page::word(rule.severity),
            rule.confidence,
            page::word(rule.sensitivity),
            span(rule.quiet_secs),
            page::attack(rule),
        )
    }

    /// How many, and within which time: of what is fast, and of what is slow. None where each is told.
    fn counts(&self) -> Vec<(u64, String)> {
        let number = |name: &str| self.values.get(name).and_then(Value::as_u64);
        let names = [("events_min", "window_secs"), ("slow_events_min", "slow_window_secs")];
        let written = names.into_iter().filter_map(|(events, window)| Some((number(events)?, number(window)?)));
        written.map(|(events, secs)| (events, span(u32::try_from(secs).unwrap_or(u32::MAX)))).collect()
    }

    fn named(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    fn count(&self) -> String {
        let counts = self.counts();
        if counts.is_empty() {
            let quiet = span(self.rule.quiet_secs);
            return format!("Each activity that fits: one alert, brought up to date until none has come for {quiet}.");
        }
        let per = self.named("per").unwrap_or_default();
        let what = self.named("distinct").map_or_else(|| "activities".to_owned(), |what| format!("different `{what}`"));
        let counts: Vec<String> =
            counts.into_iter().map(|(events, window)| format!("{events} {what} within {window}")).collect();
        format!("Of one `{per}`: {}. One fewer is allowed.", counts.join(", or "))
    }

    fn left_out(&self) -> String {
        let mut lines = self.text.lines().skip_while(|line| line.trim() != "scope:").skip(1);
        let scope: Vec<&str> = lines.by_ref().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
        let told = source::comment(&self.text, "scope:", "include");
        let mut entries = Vec::new();
        let mut comment = Vec::new();
        for line in scope.into_iter().skip_while(|line| !line.starts_with("exclude:")).skip(1) {
            if let Some(text) = line.strip_prefix('#') {
                comment.push(text.trim());
            } else if let Some(selector) = line.strip_prefix("- ") {
                let gap = if comment.is_empty() { "" } else { ". " };
                entries.push(format!("- `{selector}`{gap}{}", comment.join(" ")));
                comment.clear();
            }
        }
        if entries.is_empty() {
            entries.push("Nobody.".to_owned());
        }
        let gap = if told.is_empty() { "" } else { " " };
        format!("{}{gap}{told}", entries.join("\n"))
    }

    fn switch_on(&self) -> String {
        let Self { id, text, .. } = self;
        let before = source::comment(text, "schema: rule.v1", "enabled");
        format!(
            "{before}\n\n`frostwatch rule new --from {id} {id} --out DIR` writes it into your folder of rules; set `enabled: true` there.\n\
             `frostwatch check` reads it, `frostwatch replay --rules DIR FILE` tries it on recorded activity, and the engine takes it\n\
             while it runs."
        )
    }
}

/// What a template finds, and what it does not see.
fn first_comment(text: &str) -> anyhow::Result<(String, String)> {
    let lines: Vec<&str> = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    let mut parts = lines.split(|line| line.is_empty());
    let (title, blind_spots) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().join("\n"));
    let [title] = title else { bail!("the first comment begins with one sentence on one line") };
    let blind_spots = blind_spots.strip_prefix(BLIND_SPOTS).context("no part 'Blind spots: ' in the first comment")?;
    let mut letters = blind_spots.chars();
    let first = letters.next().context("nothing stands after 'Blind spots: '")?;
    Ok(((*title).to_owned(), first.to_uppercase().chain(letters).collect()))
}

/// The parameters that are written, in the order of the code.
fn parameters(code: &str, text: &str, values: &Map<String, Value>) -> anyhow::Result<Vec<Parameter>> {
    let fields = source::fields(code)?;
    let written = fields.into_iter().filter_map(|field| Some((values.get(&field.name)?.clone(), field)));
    let parameters: Vec<Parameter> = written
        .map(|(value, field)| {
            let reason = source::comment(text, "params:", &field.name);
            let value = if value.is_object() { "the [filter](#filter)".to_owned() } else { page::shown(&value) };
            Parameter { name: field.name, meaning: field.meaning, value, reason }
        })
        .collect();
    if parameters.len() != values.len() {
        bail!("{} of {} parameters are documented", parameters.len(), values.len());
    }
    Ok(parameters)
}
