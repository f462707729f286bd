//! A condition in words that an analyst reads in an alert.

use super::{Condition, Scalar};

/// Values that are named at most; of the others the number is told.
const NAMED_MAX: usize = 3;
/// Bytes of a condition in words at most: it is a part of a sentence.
const WORDS_BYTES_MAX: usize = 400;

/// The condition in words.
pub(super) fn of(condition: &Condition) -> String {
    let mut text = said(condition, true);
    if text.len() > WORDS_BYTES_MAX {
        let end = (0..=WORDS_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn said(condition: &Condition, is_outermost: bool) -> String {
    let joined = |parts: &[Condition], word: &str| {
        let said: Vec<String> = parts.iter().map(|part| said(part, parts.len() == 1 && is_outermost)).collect();
        let text = said.join(word);
        if is_outermost || said.len() == 1 { text } else { format!("({text})") }
    };
    let Condition { all, any, not, field, .. } = condition;
    match (all, any, not, field) {
        (Some(parts), ..) => joined(parts, " and "),
        (_, Some(parts), ..) => joined(parts, " or "),
        (_, _, Some(part), _) => match &part.field {
            Some(field) => format!("{field} {}", asked(part, true)),
            None => format!("not {}", said(part, false)),
        },
        (_, _, _, Some(field)) => format!("{field} {}", asked(condition, false)),
        _ => String::new(),
    }
}

fn asked(condition: &Condition, negated: bool) -> String {
    let is = if negated { "is not" } else { "is" };
    let does = |verb: &str, verb_not: &str, values: &[Scalar]| {
        format!("{} {}", if negated { verb_not } else { verb }, listed(values))
    };
    let Condition { is_in, starts_with, ends_with, contains, networks, at_least, at_most, is_set, .. } = condition;
    if let Some(values) = is_in {
        return does("is", "is not", values);
    }
    if let Some(values) = starts_with {
        return does("begins with", "does not begin with", values);
    }
    if let Some(values) = ends_with {
        return does("ends with", "does not end with", values);
    }
    if let Some(values) = contains {
        return does("contains", "does not contain", values);
    }
    if let Some(values) = networks {
        return does("is in", "is not in", values);
    }
    match (at_least, at_most, is_set) {
        (Some(low), Some(high), _) => format!("{is} from {low} to {high}"),
        (Some(low), ..) => format!("{is} at least {low}"),
        (_, Some(high), _) => format!("{is} at most {high}"),
        (.., Some(set)) => format!("is {}", if *set == negated { "absent" } else { "there" }),
        _ => String::new(),
    }
}

/// `a`, `a or b`, `a, b, c or 7 others`.
fn listed(values: &[Scalar]) -> String {
    let named: Vec<String> = values.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match (values.len().saturating_sub(NAMED_MAX), named.as_slice()) {
        (0, [first @ .., last]) if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        (0, named) => named.join(", "),
        (1, named) => format!("{} or another", named.join(", ")),
        (more, named) => format!("{} or {more} others", named.join(", ")),
    }
}
