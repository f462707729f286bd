//! A filter of a policy as people read it: one condition a line, each with the reason that its comment gives.

use std::fmt::Write as _;

use anyhow::{Context, bail};
use frostwatch_detect::condition::{Condition, Scalar};

/// The filter in Markdown. `rule` is the text of the rule, whose comments above the conditions are their reasons; each
/// condition of a list stands there on a line of its own.
pub(super) fn shown(condition: &Condition, rule: &str) -> anyhow::Result<String> {
    let reasons = reasons(rule);
    let mut left = reasons.iter().map(String::as_str);
    let mut text = String::new();
    match parts(condition) {
        Some((head, parts)) => {
            let _ = writeln!(text, "{head}:\n");
            list(&mut text, parts, 0, &mut left)?;
        }
        None => {
            let _ = writeln!(text, "{}.", said(condition)?);
        }
    }
    if left.next().is_some() {
        bail!("the filter has more lines that begin with '- ' than conditions");
    }
    Ok(text)
}

/// What a condition joins, and how.
fn parts(condition: &Condition) -> Option<(&'static str, &[Condition])> {
    let all = condition.all.as_deref().map(|parts| ("All of these hold", parts));
    all.or_else(|| condition.any.as_deref().map(|parts| ("One of these holds", parts)))
}

fn list<'r>(
    text: &mut String,
    conditions: &[Condition],
    depth: usize,
    reasons: &mut impl Iterator<Item = &'r str>,
) -> anyhow::Result<()> {
    for condition in conditions {
        let reason = reasons.next().context("two conditions of the filter stand on one line")?;
        let gap = if reason.is_empty() { "" } else { " " };
        let indent = "  ".repeat(depth);
        match parts(condition) {
            Some((head, parts)) => {
                let _ = writeln!(text, "{indent}- {head}.{gap}{reason}");
                list(text, parts, depth + 1, reasons)?;
            }
            None => {
                let _ = writeln!(text, "{indent}- {}.{gap}{reason}", said(condition)?);
            }
        }
    }
    Ok(())
}

/// A test of one field, or its negation, which asks that the record has the field at all.
fn said(condition: &Condition) -> anyhow::Result<String> {
    let (test, is_negated) = condition.not.as_deref().map_or((condition, false), |negated| (negated, true));
    let field = test.field.as_ref().context("a negated group of conditions has no words yet")?;
    if let Some(is_set) = test.is_set {
        return Ok(format!("The record has {}`{field}`", if is_set == is_negated { "no " } else { "" }));
    }
    let Condition { is_in, starts_with, ends_with, contains, networks, at_least, at_most, .. } = test;
    let listed = [
        (is_in, "is", "is not"),
        (starts_with, "begins with", "does not begin with"),
        (ends_with, "ends with", "does not end with"),
        (contains, "contains", "does not contain"),
        (networks, "lies in", "does not lie in"),
    ];
    let asked = listed.into_iter().find_map(|(values, verb, verb_not)| {
        let verb = if is_negated { verb_not } else { verb };
        values.as_deref().map(|values| format!("{verb} {}", choice(values, is_negated)))
    });
    let is = if is_negated { "is not" } else { "is" };
    let asked = match (asked, at_least, at_most) {
        (Some(asked), ..) => asked,
        (None, Some(low), Some(high)) => format!("{is} from {low} to {high}"),
        (None, Some(low), None) => format!("{is} at least {low}"),
        (None, None, Some(high)) => format!("{is} at most {high}"),
        (None, None, None) => bail!("nothing is asked of {field}"),
    };
    Ok(format!("`{field}` {}{asked}", if is_negated { "is known and " } else { "" }))
}

/// `a`, `a or b`, `one of a, b, c`; negated `any of a, b`.
fn choice(values: &[Scalar], is_negated: bool) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    match quoted.as_slice() {
        [one] => one.clone(),
        many => format!("{} of {}", if is_negated { "any" } else { "one" }, many.join(", ")),
    }
}

/// The comment above each line of the filter that begins a condition, in their order; empty where there is none.
fn reasons(rule: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = rule.lines().skip_while(|line| line.trim() != "where:");
    let outer = lines.next().map_or(0, indent);
    let mut reasons = Vec::new();
    let mut comment = Vec::new();
    for line in lines.take_while(|line| indent(line) > outer).map(str::trim) {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if line.starts_with("- ") {
            reasons.push(comment.join(" "));
            comment.clear();
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use frostwatch_detect::catalogue::Params;
    use frostwatch_rulebook::{Rulebook, default_rules};

    use super::*;

    const PLAIN: &str = "      all:\n        - { field: action, in: [delete] }\n";

    /// The filter of the shipped policy with other conditions in place of its own.
    fn check(conditions: &str, expected: Result<&str, &str>) {
        let (_, text) = default_rules().iter().find(|(file, _)| *file == "activity_policy.yaml").unwrap();
        let (before, rest) = text.split_once("    where:\n").unwrap();
        let (_, after) = rest.split_once("    # A list lets").unwrap();
        let text = format!("{before}    where:\n{conditions}    # A list lets{after}");
        let book = Rulebook::parse(&[("rule.yaml", &text)], None).unwrap_or_else(|faults| panic!("{}", faults[0]));
        let Params::ActivityPolicy(params) = &book.rules[0].params else { panic!("another detector") };
        let found = shown(&params.r#where, &text).map_err(|error| error.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{conditions}");
    }

    #[test]
    fn a_filter_is_a_list_with_reasons() {
        check(PLAIN, Ok("All of these hold:\n\n- `action` is `delete`.\n"));
        check(
            "      any:\n        # Why\n        # so.\n        - all:\n            - field: action\n              in: [view, delete]\n\
             \x20           # Because.\n            - not: { field: object.table, starts_with: [a, b] }\n\
             \x20       - { field: domain, is_set: false }\n        - not: { field: domain, is_set: false }\n\
             \x20       - { field: quantity.rows, at_least: 5, at_most: 9 }\n        - not: { field: time.hour, at_most: 7 }\n",
            Ok("One of these holds:\n\n- All of these hold. Why so.\n  - `action` is one of `view`, `delete`.\n\
                \x20 - `object.table` is known and does not begin with any of `a`, `b`. Because.\n\
                - The record has no `domain`.\n- The record has `domain`.\n- `quantity.rows` is from 5 to 9.\n\
                - `time.hour` is known and is not at most 7.\n"),
        );
        check("      { field: action, in: [delete] }\n", Ok("`action` is `delete`.\n"));
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let one_line = "      all: [{ field: action, in: [delete] }, { field: domain, in: [a] }]\n";
        check(one_line, Err("two conditions of the filter stand on one line"));
        let group = format!("{PLAIN}        - not: {{ any: [{{ field: domain, in: [a] }}] }}\n");
        check(&group, Err("a negated group of conditions has no words yet"));
    }
}
