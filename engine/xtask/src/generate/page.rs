//! The page of one detector.

use std::fmt::{Debug, Write as _};

use anyhow::{Context, bail};
use frostwatch_detect::rule::{Attack, Rule};
use frostwatch_rulebook::Rulebook;
use serde_json::Value;

use super::source::{self, Documentation};

/// A detector, as its file and its shipped rule describe it.
pub(super) struct Described {
    /// The detector's id.
    pub(super) id: &'static str,
    pub(super) documentation: Documentation,
    pub(super) rule: Rule,
    pub(super) parameters: Vec<Parameter>,
    /// What holds for the parameters together; may be empty.
    pub(super) note: String,
}

/// A parameter with the value that ships.
pub(super) struct Parameter {
    pub(super) name: String,
    /// From the code.
    pub(super) meaning: String,
    /// From the rule.
    pub(super) value: String,
    /// Why the value is what it is, from the rule's comment.
    pub(super) reason: String,
}

impl Described {
    /// Puts together what the detector's file and the rule's text say.
    pub(super) fn new(id: &'static str, code: &str, rule_text: &str) -> anyhow::Result<Self> {
        let documentation = source::documentation(code)?;
        let rule = only_rule(id, id, rule_text)?;
        let parameters = parameters(code, rule_text, &rule)?;
        Ok(Self { id, documentation, rule, parameters, note: source::note(code) })
    }

    /// The page in Markdown.
    pub(super) fn page(&self) -> String {
        let Self { id, documentation, .. } = self;
        let mut page = format!(
            "<!-- Written by `cargo xtask generate` from engine/detect/src/detectors/{id}.rs and rules/{id}.yaml. -->\n\n\
             # {id}\n\n{}\n\n{}",
            documentation.title,
            self.facts()
        );
        for (heading, text) in &documentation.sections {
            let text = if *heading == "Parameters" { self.parameters(text) } else { text.clone() };
            let _ = write!(page, "\n## {heading}\n\n{text}\n");
        }
        page
    }

    /// ATT&CK techniques, each linked to its page.
    pub(super) fn attack(&self) -> String {
        attack(&self.rule)
    }

    /// Severity to start from.
    pub(super) fn severity(&self) -> String {
        word(self.rule.severity)
    }

    /// Which suppressions count.
    pub(super) fn sensitivity(&self) -> String {
        word(self.rule.sensitivity)
    }

    fn facts(&self) -> String {
        let Self { id, rule, .. } = self;
        format!(
            "| As shipped | |\n|---|---|\n| Severity | {} |\n| Confidence | {} |\n| Sensitivity | {} |\n\
             | One alert per cause until it was quiet for | {} |\n| ATT&CK | {} |\n\
             | Rule | [rules/{id}.yaml](../../rules/{id}.yaml) |\n\
             | Runbook | [docs/runbooks/{id}.md](../runbooks/{id}.md) |\n\
             | Code | [{id}.rs](../../engine/detect/src/detectors/{id}.rs) |\n",
            self.severity(),
            rule.confidence,
            self.sensitivity(),
            span(rule.quiet_secs),
            self.attack(),
        )
    }

    fn parameters(&self, text: &str) -> String {
        // The table stands where the sentence points to.
        let prose = text.replacen("See `Params`.", "", 1);
        let mut section = String::new();
        for paragraph in [prose.trim(), &self.note].into_iter().filter(|text| !text.is_empty()) {
            let _ = writeln!(section, "{paragraph}\n");
        }
        section + &parameter_table(&self.parameters)
    }
}

/// ATT&CK techniques of a rule, each linked to its page.
pub(super) fn attack(rule: &Rule) -> String {
    let link = |attack: &Attack| {
        let path = attack.technique.replace('.', "/");
        format!("[{}](https://attack.mitre.org/techniques/{path}/)", attack.technique)
    };
    rule.attack.iter().map(link).collect::<Vec<_>>().join(", ")
}

/// A word of the code as rules write it.
pub(super) fn word(value: impl Debug) -> String {
    format!("{value:?}").to_lowercase()
}

/// What each parameter is, and why.
pub(super) fn parameter_table(parameters: &[Parameter]) -> String {
    let mut table = "| Parameter | Shipped | Meaning | Why this value |\n|---|---|---|---|".to_owned();
    for Parameter { name, meaning, value, reason } in parameters {
        let _ = write!(table, "\n| `{name}` | {value} | {} | {} |", cell(meaning), cell(reason));
    }
    table
}

/// Text as it may stand in a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The rule of a text, which must have this id and be of this detector.
pub(super) fn only_rule(id: &str, detector: &str, text: &str) -> anyhow::Result<Rule> {
    let name = format!("{id}.yaml");
    let book = match Rulebook::parse(&[(name.as_str(), text)], None) {
        Ok(book) => book,
        Err(faults) => bail!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    let rule = book.rules.into_iter().next().context("its rule is not enabled")?;
    if rule.id != id || rule.params.detector() != detector {
        bail!("the file holds the rule {} of the detector {}", rule.id, rule.params.detector());
    }
    Ok(rule)
}

/// The parameters in the order of the code.
fn parameters(code: &str, rule_text: &str, rule: &Rule) -> anyhow::Result<Vec<Parameter>> {
    let params = serde_json::to_value(&rule.params)?;
    let values = params.get("params").and_then(Value::as_object).context("a rule's parameters are not a map")?;
    let fields = source::fields(code)?;
    if let Some(stray) = values.keys().find(|name| !fields.iter().any(|field| field.name == **name)) {
        bail!("{stray} is not documented");
    }
    fields
        .into_iter()
        .map(|field| {
            // What is as it was before there was the parameter is written nowhere but in the rule itself.
            let unsaid = || serde_json::from_str(source::given(rule_text, "params:", &field.name)?).ok();
            let value = values.get(&field.name).cloned().or_else(unsaid);
            let value = value.with_context(|| format!("the rule lacks {}", field.name))?;
            let reason = source::comment(rule_text, "params:", &field.name);
            Ok(Parameter { value: shown(&value), reason, name: field.name, meaning: field.meaning })
        })
        .collect()
}

/// A value as people read it: commas between thousands.
pub(super) fn shown(value: &Value) -> String {
    if value.is_object() {
        return format!("`{value}`");
    }
    let Some(whole) = value.as_u64() else { return value.to_string() };
    let digits = whole.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// A length of time in its largest whole unit.
pub(super) fn span(secs: u32) -> String {
    let units = [("day", 86_400), ("hour", 3_600), ("minute", 60)];
    let (unit, size) = units.into_iter().find(|(_, size)| secs.is_multiple_of(*size)).unwrap_or(("second", 1));
    let count = secs / size;
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_spans_read_well() {
        let numbers = [0, 999, 1_000, 2_147_483_648_u64].map(|number| shown(&number.into()));
        assert_eq!(numbers, ["0", "999", "1,000", "2,147,483,648"]);
        assert_eq!([shown(&0.5.into()), shown(&false.into())], ["0.5", "false"]);
        assert_eq!([90, 60, 7_200, 86_400].map(span), ["90 seconds", "1 minute", "2 hours", "1 day"]);
    }
}
