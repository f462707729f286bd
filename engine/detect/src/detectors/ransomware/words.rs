//! What an alert on ransomware says.

use super::changes::{KNOWN_MIN, SIGNS_MIN, Seen, Sign};
use super::{CHANGES_MAX, Params};
use crate::context::Explanation;
use crate::detectors::{counted, from_where, grouped, who};
use crate::files::{WORDS_VERSION, note_words};
use crate::finding::Measure;
use crate::incident::Incident;
use crate::time::{Millis, SECOND, clock, day_of, spoken, to_the_minute};

pub(super) fn explain(params: &Params, user: &str, incident: &Incident, seen: &Seen, files: u32) -> Explanation {
    let signs = seen.signs(params);
    let score = seen.score(params);
    let mut observed = vec![
        Measure::new("score", f64::from(score), "points"),
        Measure::new("files", f64::from(files.max(seen.files)), "files"),
    ];
    let mut threshold = vec![
        Measure::new("score_min", f64::from(params.score_min), "points"),
        Measure::new("signs_min", f64::from(SIGNS_MIN), "signs"),
        Measure::new("window_secs", f64::from(params.window_secs), "s"),
        Measure::new("slow_window_secs", f64::from(params.slow_window_secs), "s"),
        Measure::new("words_version", f64::from(WORDS_VERSION), "version"),
    ];
    for Sign { names: [name, min_name, points_name], seen, min, points } in signs {
        let unit = if name == "records" { "records" } else { "files" };
        observed.push(Measure::new(name, f64::from(seen), unit));
        threshold.push(Measure::new(min_name, f64::from(min), unit));
        threshold.push(Measure::new(points_name, f64::from(points), "points"));
    }
    Explanation {
        summary: summary(params, user, incident, seen, files),
        observed,
        baseline: Vec::new(),
        threshold,
        counterfactual: counterfactual(params, &signs, score),
    }
}

fn summary(params: &Params, user: &str, incident: &Incident, seen: &Seen, files: u32) -> String {
    let is_of_a_day = day_of(incident.first) == day_of(incident.last);
    let begin = if is_of_a_day { clock(incident.first) } else { to_the_minute(incident.first) };
    let span = spoken((incident.last - incident.first).max(SECOND));
    let of_records = match seen.records {
        0 => String::new(),
        records => format!(" of {}", counted(u64::from(records), "record", "records")),
    };
    format!(
        "{} changed, replaced or deleted {}{of_records} in {span} from {begin} UTC on, {}: {}. End the session and switch \
         the account off first; then restore what it touched from before {begin} UTC.",
        who(user),
        counted(u64::from(files.max(seen.files)), "file", "files"),
        from_where(incident),
        details(params, seen).join("; "),
    )
}

/// What speaks for it, in words, the gravest first.
fn details(params: &Params, seen: &Seen) -> Vec<String> {
    let most = |count: u32| {
        let at_least = if count as usize >= CHANGES_MAX { "at least " } else { "" };
        format!("{at_least}{}", grouped(u64::from(count)))
    };
    let mut details = Vec::new();
    if seen.notes > 0 {
        let notes = counted(u64::from(seen.notes), "note", "notes");
        details.push(format!("{notes} of a blackmailer, called like \"{}\"", note_words(seen.note)));
    }
    if seen.churn >= params.extension_min {
        let known = if seen.known >= KNOWN_MIN {
            ", which only ransomware is known to write"
        } else if seen.shared >= KNOWN_MIN {
            ", which some ransomware writes"
        } else {
            ", which no usual program writes"
        };
        details.push(format!("{} got the extension .{}{known}", most(seen.churn), seen.extension));
    } else if seen.known >= KNOWN_MIN {
        details.push(format!("{} have .{}, an extension that only ransomware is known to write", seen.known, seen.extension));
    }
    if seen.types >= params.content_min {
        details.push(format!("{} are of another type than their names say", most(seen.types)));
    }
    if seen.random >= params.content_min {
        details.push(format!("the bytes of {} look random", most(seen.random)));
    }
    if seen.rate >= params.changes_min {
        let window = spoken(Millis::from(params.window_secs) * SECOND);
        details.push(format!("{} files in {window}, usual are fewer than {}", most(seen.rate), params.changes_min));
    }
    details
}

/// Each sign without which it would not have been enough.
fn counterfactual(params: &Params, signs: &[Sign], score: u32) -> String {
    let there = || signs.iter().filter(|sign| sign.is_there());
    let needed = there().filter(|sign| {
        there().count() as u32 <= SIGNS_MIN || score.saturating_sub(sign.points) < params.score_min
    });
    let needed: Vec<String> = needed.map(|sign| format!("{} below {}", sign.names[0], sign.min)).collect();
    let without = if needed.is_empty() { String::new() } else { format!(", nor with {}", needed.join(" or ")) };
    format!("It would not have fired with score_min of {} or more{without}.", score + 1)
}
