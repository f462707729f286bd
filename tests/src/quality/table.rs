//! Prints what was measured as tables of Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::addresses::Stories;
use super::benign::Benign;
use super::guesses::OfGuesses;
use super::judge::{Judged, OfKind, Score, Total};
use super::variants::Ablation;

const HEADING: &str = "| Rules | Detector | Attacks | Recall | Also true, found | Alerts | Of attacks | Harmless | False | \
Precision | strict | False per 1,000 user-days | strict | Median detection |\n\
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";

/// One row for each set of rules and detector.
pub fn of_scores(judged: &[(String, Judged)]) -> String {
    let mut text = HEADING.to_owned();
    for (name, judged) in judged {
        for (policy, score) in judged.scores.iter().filter(|(_, score)| score.injected + score.alerts > 0) {
            let Score { injected, also, also_found, alerts, of_attacks, harmless, wrong, detection_secs, .. } = score;
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {name} | `{policy}` | {injected} | {:.3} | {also_found} of {also} | {alerts} | {of_attacks} | {harmless} | \
                 {wrong} | {:.3} | {:.3} | {:.3} | {:.3} | {detection_secs} s |",
                score.recall(),
                score.precision(),
                score.precision_strict(),
                judged.false_per_1000(score),
                judged.false_per_1000_strict(score),
            );
        }
    }
    text
}

/// One row for each set of rules and kind of attack, of detectors that are for several kinds; empty where there are no such
/// attacks.
pub fn of_kinds(judged: &[(String, Judged)]) -> String {
    let mut rows = String::new();
    for (name, judged) in judged {
        for (policy, score) in &judged.scores {
            for (kind, of_kind) in score.kinds.iter().filter(|(_, of_kind)| of_kind.injected > 0) {
                let OfKind { injected, found, detection_secs } = of_kind;
                let recall = of_kind.recall();
                let (minutes, hours) = (*detection_secs as f64 / 60.0, *detection_secs as f64 / 3_600.0);
                let took = if hours < 1.0 { format!("{minutes:.1} min") } else { format!("{hours:.1} h") };
                let _ =
                    writeln!(rows, "| {name} | `{policy}` | {kind:?} | {injected} | {found} | {recall:.3} | {took} |");
            }
        }
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "| Rules | Detector | Kind | Attacks | Found | Recall | Median detection |\n|---|---|---|---:|---:|---:|---:|\n{rows}"
    )
}

/// One row for each set of rules, kind of attack and class that is counted apart; empty where there is none.
pub fn of_classes(judged: &[(String, Judged)]) -> String {
    let mut rows = String::new();
    for (name, judged) in judged {
        for (policy, score) in &judged.scores {
            for ((kind, class), of_class) in &score.classes {
                let (OfKind { injected, found, .. }, recall) = (of_class, of_class.recall());
                let _ =
                    writeln!(rows, "| {name} | `{policy}` | {kind:?} | {class} | {injected} | {found} | {recall:.3} |");
            }
        }
    }
    if rows.is_empty() {
        return rows;
    }
    format!("| Rules | Detector | Kind | Class | Attacks | Found | Recall |\n|---|---|---|---|---:|---:|---:|\n{rows}")
}

/// As what guesses are told: a row for each way of guessing, a column for each kind of alert. Who has alerts of several kinds
/// is counted for each. Empty where nobody guesses.
pub fn of_guesses(judged: &Judged) -> String {
    if judged.guesses.is_empty() {
        return String::new();
    }
    let kinds: BTreeSet<&String> = judged.guesses.values().flat_map(|of| of.kinds.keys()).collect();
    let mut text = "| Guesses | Are | Told | As what they are |".to_owned();
    for kind in &kinds {
        let _ = write!(text, " `{kind}` |");
    }
    let _ = writeln!(text, "\n|---|---|---:|---:|{}", "---:|".repeat(kinds.len()));
    for (class, of_class) in &judged.guesses {
        let OfGuesses { expected, told, fit, kinds: counts, .. } = of_class;
        let _ = write!(text, "| {class} | `{expected}` | {told} | {fit} |");
        for kind in &kinds {
            let _ = write!(text, " {} |", counts.get(*kind).copied().unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

/// One row for each mechanism that was switched off, below one of the detector with all of them.
pub fn of_ablations(ablations: &[(Ablation, Judged)]) -> String {
    let mut text =
        "| Detector | Without | Alerts | False | Precision | Recall fast | slow | False per 1,000 user-days |\n\
                    |---|---|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for (Ablation { rule, without, .. }, judged) in ablations {
        let Some(score) = judged.scores.get(rule.as_str()).filter(|score| score.injected > 0) else { continue };
        let mut recalls = score.kinds.values().map(OfKind::recall);
        let fast = recalls.next().unwrap_or_else(|| score.recall());
        let slow = recalls.next().map_or_else(String::new, |recall| format!("{recall:.3}"));
        let without = if without.is_empty() { "nothing".to_owned() } else { format!("`{without}`") };
        let _ = writeln!(
            text,
            "| `{rule}` | {without} | {} | {} | {:.3} | {fast:.3} | {slow} | {:.3} |",
            score.alerts,
            score.wrong,
            score.precision(),
            judged.false_per_1000(score),
        );
    }
    text
}

/// A sentence for all that ships switched on, one for the templates, one for incidents.
pub fn of_totals(judged: &Judged) -> String {
    let mut text = String::new();
    let each = |count: usize| count as f64 * 1_000.0 / judged.user_days.max(1) as f64;
    for (what, total) in ["All that ships switched on", "The templates"].iter().zip(judged.totals()) {
        let Total { of_attacks, harmless, wrong } = total;
        let _ = writeln!(
            text,
            "- {what}: {of_attacks} alerts of attacks, {wrong} false ({:.2} for 1,000 user-days), {harmless} true and harmless ({:.2} \
             with these).",
            each(wrong),
            each(wrong + harmless),
        );
    }
    let none = judged.stories.without_attack.len();
    let _ = writeln!(text, "- Incidents without an attack: {none} ({:.2}).", judged.stories_per_1000());
    text
}

/// One row for each kind of what is harmless and looks like an attack.
pub fn of_benign(judged: &Judged) -> String {
    let mut text = "| Harmless | Times | With a false alert | With one that is true | Held back | Silent |\n\
                    |---|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for (kind, benign) in &judged.benign {
        let Benign { injected, with_false, with_true, held } = benign;
        let _ = writeln!(text, "| {kind} | {injected} | {with_false} | {with_true} | {held} | {} |", benign.silent());
    }
    text
}

/// False alerts by what confounds, a row for each set of confounders that its users have, a column for each detector.
pub fn of_confounders(judged: &Judged) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (policy, score) in &judged.scores {
        for (reason, count) in &score.wrong_by {
            rows.entry(reason).or_default().insert(policy, *count);
        }
    }
    let with_alerts = judged.scores.iter().filter(|(_, score)| score.injected + score.alerts > 0);
    let policies: Vec<&str> = with_alerts.map(|(policy, _)| *policy).collect();
    let mut text = "| Confounders of the user |".to_owned();
    for policy in &policies {
        let _ = write!(text, " `{policy}` |");
    }
    let _ = writeln!(text, "\n|---|{}", "---:|".repeat(policies.len()));
    for (reason, counts) in rows {
        let _ = write!(text, "| {reason} |");
        for policy in &policies {
            let _ = write!(text, " {} |", counts.get(policy).copied().unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

/// Who works with whom: the departments with work of their own, and how large the others are.
pub fn of_departments(sizes: &[(String, usize)]) -> String {
    let (sales, own): (Vec<_>, Vec<_>) =
        sizes.iter().partition(|(name, _)| name.is_empty() || name.starts_with("Sales"));
    let own: Vec<String> = own.iter().map(|(name, people)| format!("{name} {people}")).collect();
    let people: usize = sales.iter().map(|(_, people)| people).sum();
    format!("{}; {} others with {people} people in all", own.join(", "), sales.len())
}

/// What was found and what held it back: a row for each detector that held something back. What stands is told or held back.
pub fn of_held(judged: &Judged) -> String {
    let mut text = "| Detector | Found | Told | Held back | By what, and how much of it with an attack |\n\
                    |---|---:|---:|---:|---|\n"
        .to_owned();
    for (policy, held) in &judged.held {
        let told = judged.scores.get(policy).map_or(0, |score| score.alerts);
        let all: usize = held.values().map(|(count, _)| count).sum();
        if told + all == 0 {
            continue;
        }
        let by: Vec<String> = held.iter().map(|(by, (count, of))| format!("`{by}` {count} ({of})")).collect();
        let _ = writeln!(text, "| `{policy}` | {} | {told} | {all} | {} |", told + all, by.join(", "));
    }
    text
}

/// How alerts were put together.
pub fn of_stories(judged: &Judged) -> String {
    let Stories { several, in_one, in_none, stories, of_attacks, mixed, without_attack, .. } = &judged.stories;
    let (mixed, without_attack) = (mixed.len(), without_attack.len());
    let per_1000 = judged.stories_per_1000();
    format!(
        "| Attacks with alerts of two policies or more | Of these, all alerts in one incident | In none | Incidents | With an attack | Of \
         these, with other alerts | Without any attack | for 1,000 user-days |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n\
         | {several} | {in_one} | {in_none} | {stories} | {of_attacks} | {mixed} | {without_attack} | {per_1000:.3} |\n"
    )
}
