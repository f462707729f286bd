//! What an edit of the rules does to what the detectors have learned.
//!
//! Learned state belongs to a rule's id and its detector. Every other edit keeps it: thresholds, severity, scope,
//! exceptions, texts. Removing a rule, or switching it off, gives its state up.

use std::collections::BTreeSet;

use frostwatch_detect::catalogue::Params;
use frostwatch_detect::rule::Rule;
use serde_json::Value;

use crate::Rulebook;

/// One rule's change from a set to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// The rule.
    pub id: String,
    /// What becomes of its state.
    pub effect: Effect,
    /// The same as a sentence for people.
    pub sentence: String,
}

/// What a change does to a rule's learned state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The rule is new, or was switched on: it starts with none.
    Added,
    /// The rule is gone, or was switched off: its state goes with it.
    Removed,
    /// The rule was edited and goes on with what it has learned.
    StateKept,
    /// The rule has another detector and starts anew.
    StateReset,
}

impl Rulebook {
    /// What changes for each rule when this set replaces `old`, by id; rules that stay as they are do not appear.
    pub fn change_from(&self, old: &Self) -> Vec<RuleChange> {
        let mut ids: Vec<&str> = self.rules.iter().chain(&old.rules).map(|rule| rule.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let rules = ids.into_iter().filter_map(|id| change(id, find(old, id), find(self, id)));
        let networks = (self.networks != old.networks).then(|| RuleChange {
            id: "networks".to_owned(),
            effect: Effect::StateKept,
            sentence: "networks: edited; what rules have learned is kept.".to_owned(),
        });
        rules.chain(networks).collect()
    }
}

fn find<'a>(book: &'a Rulebook, id: &str) -> Option<&'a Rule> {
    book.rule(id).map(|(_, rule)| rule)
}

fn change(id: &str, old: Option<&Rule>, new: Option<&Rule>) -> Option<RuleChange> {
    let (effect, what) = match (old, new) {
        (None, None) => return None,
        (None, Some(new)) => {
            (Effect::Added, format!("new, detector {}; it has learned nothing yet", new.params.detector()))
        }
        (Some(_), None) => (Effect::Removed, "removed or switched off; what it has learned goes with it".to_owned()),
        (Some(old), Some(new)) => {
            let edits = edits(old, new);
            if edits.is_empty() {
                return None;
            }
            let edits = edits.join(", ");
            if old.params.detector() == new.params.detector() {
                (Effect::StateKept, format!("{edits}; what it has learned is kept"))
            } else {
                (Effect::StateReset, format!("{edits}; another detector, so it starts anew"))
            }
        }
    };
    Some(RuleChange { id: id.to_owned(), effect, sentence: format!("{id}: {what}.") })
}

fn edits(old: &Rule, new: &Rule) -> Vec<String> {
    let mut edits = edits_of_params(&old.params, &new.params);
    let mut say = |name: &str, old: String, new: String| {
        if old != new {
            edits.push(format!("{name} {old} → {new}"));
        }
    };
    say("version", old.version.to_string(), new.version.to_string());
    say("severity", format!("{:?}", old.severity).to_lowercase(), format!("{:?}", new.severity).to_lowercase());
    say("confidence", old.confidence.to_string(), new.confidence.to_string());
    say("sensitivity", old.sensitivity.as_str().to_owned(), new.sensitivity.as_str().to_owned());
    say("quiet", format!("{} s", old.quiet_secs), format!("{} s", new.quiet_secs));
    say("suppressions off", format!("[{}]", old.off.join(", ")), format!("[{}]", new.off.join(", ")));
    say("exceptions", exceptions(old), exceptions(new));
    for (name, changed) in [
        ("title", old.title != new.title),
        ("runbook_url", old.runbook_url != new.runbook_url),
        ("recommended_actions", old.recommended_actions != new.recommended_actions),
        ("attack", old.attack != new.attack),
        ("scope", old.scope != new.scope),
        ("sensitivity of some", old.sensitivity_for != new.sensitivity_for),
        // The ids say it unless only the content of an exception was edited.
        ("content of exceptions", exceptions(old) == exceptions(new) && old.exceptions != new.exceptions),
    ] {
        if changed {
            edits.push(format!("{name} edited"));
        }
    }
    edits
}

fn exceptions(rule: &Rule) -> String {
    let ids: Vec<&str> = rule.exceptions.iter().map(|exception| exception.id.as_str()).collect();
    format!("[{}]", ids.join(", "))
}

fn edits_of_params(old: &Params, new: &Params) -> Vec<String> {
    if old.detector() != new.detector() {
        return vec![format!("detector {} → {}", old.detector(), new.detector())];
    }
    let (Value::Object(old), Value::Object(new)) = (fields(old), fields(new)) else {
        return Vec::new();
    };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let said = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    names
        .into_iter()
        .map(|name| (name, old.get(name), new.get(name)))
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| format!("{name} {} → {}", said(old), said(new)))
        .collect()
}

fn fields(params: &Params) -> Value {
    serde_json::to_value(params).ok().and_then(|mut value| value.get_mut("params").map(Value::take)).unwrap_or_default()
}
