//! What an alert on ransomware says.

use super::Params;
use super::changes::CHANGES_MAX;
use super::seen::{KNOWN_MIN, SIGNS_MIN, Seen, Sign};
use crate::context::Explanation;
use crate::detectors::{counted, from_where, grouped, who};
use crate::files::{WORDS_VERSION, is_tool, note_words};
use crate::finding::{Kind, Measure};
use crate::incident::Incident;
use crate::time::{Millis, SECOND, spoken, to_the_minute};

/// What there is to say.
pub(super) struct Words<'a> {
    pub(super) params: &'a Params,
    pub(super) user: &'a str,
    pub(super) seen: &'a Seen,
    /// Files that were changed since it began.
    pub(super) files: u32,
    /// Something holds it back.
    pub(super) held: bool,
}

impl Words<'_> {
    pub(super) fn explain(&self, incident: &Incident) -> Explanation {
        let params = self.params;
        let signs = self.seen.signs(params);
        let score = self.seen.score(params);
        let mut observed = vec![
            Measure::new("score", f64::from(score), "points"),
            Measure::new("files", f64::from(self.files()), "files"),
        ];
        let mut threshold = vec![
            Measure::new("score_min", f64::from(params.score_min), "points"),
            Measure::new("signs_min", f64::from(SIGNS_MIN), "signs"),
            Measure::new("window_secs", f64::from(params.window_secs), "s"),
            Measure::new("slow_window_secs", f64::from(params.slow_window_secs), "s"),
            Measure::new("words_version", f64::from(WORDS_VERSION), "version"),
        ];
        for Sign { names: [name, min_name, points_name], seen, min, points, .. } in signs {
            let unit = if name == "records" { "records" } else { "files" };
            observed.push(Measure::new(name, f64::from(seen), unit));
            threshold.push(Measure::new(min_name, f64::from(min), unit));
            threshold.push(Measure::new(points_name, f64::from(points), "points"));
        }
        let counterfactual = counterfactual(params, self.seen);
        Explanation {
            summary: self.summary(incident),
            observed,
            baseline: Vec::new(),
            threshold,
            counterfactual,
            kind: Some(Box::new(What::of(params, self.seen).named())),
        }
    }

    fn files(&self) -> u32 {
        self.files.max(self.seen.files)
    }

    fn summary(&self, incident: &Incident) -> String {
        let since = self.seen.since.unwrap_or(incident.first);
        let begin = to_the_minute(since);
        let what_to_do = if self.held {
            String::new()
        } else {
            format!(
                " Switch the account off and end its session first; then restore what it touched from before {begin} UTC, \
                 when the first of these files was changed."
            )
        };
        format!(
            "{} {} {} in {}, from {begin} UTC on, {}: {}.{what_to_do}",
            who(self.user),
            What::of(self.params, self.seen).verbs(self.seen.deleted >= self.files()),
            counted(u64::from(self.files()), "file", "files"),
            spoken((incident.last - since).max(SECOND)),
            from_where(incident),
            self.details().join("; "),
        )
    }

    /// What speaks for it, the gravest first.
    fn details(&self) -> Vec<String> {
        let (params, seen) = (self.params, self.seen);
        let mut details = Vec::new();
        if seen.notes > 0 {
            let notes = counted(u64::from(seen.notes), "note", "notes");
            details.push(format!("{notes} of a blackmailer, called like \"{}\"", note_words(seen.note)));
        }
        if seen.notes == 0 && seen.guides > 0 {
            let files = counted(u64::from(seen.guides), "file is", "files are");
            details.push(format!(
                "{files} called as notes of blackmailers are, and guides: \"{}\"",
                note_words(seen.note)
            ));
        }
        if seen.churn >= params.extension_min {
            let (known, shared) = (seen.known >= KNOWN_MIN, seen.shared >= KNOWN_MIN);
            let whose = match seen.extension.as_str() {
                _ if known => "which only ransomware is known to write",
                _ if shared => "which some ransomware writes",
                extension if is_tool(extension) => "the format of a program for encryption",
                _ => "which no usual program writes",
            };
            let people = params.people_with(seen.extension);
            let by_others = if people == 0 {
                String::new()
            } else {
                format!(" ({} of the organisation are known to)", counted(u64::from(people), "person", "people"))
            };
            details.push(format!("{} got the extension .{}, {whose}{by_others}", most(seen.churn), seen.extension));
        } else if seen.known >= KNOWN_MIN {
            details.push(format!(
                "{} got an extension that only ransomware is known to write, most of them .{}",
                most(seen.known),
                seen.extension
            ));
        }
        if seen.types >= params.content_min {
            details.push(format!("{} are of another type than their names say", most(seen.types)));
        }
        if seen.random >= params.content_min {
            details.push(format!("the bytes of {} look random", most(seen.random)));
        }
        if What::of(params, seen) == What::Both {
            details.push(format!("{} were deleted and nothing came in their place", grouped(u64::from(seen.deleted))));
        }
        if seen.rate >= params.changes_min {
            let window = spoken(Millis::from(params.window_secs) * SECOND);
            let min = params.changes_min;
            details.push(format!("up to {} files within {window}, the limit is {min}", most(seen.rate)));
        }
        if seen.records >= params.records_min {
            let min = params.records_min;
            details.push(format!("files of {} records were changed, the limit is {min}", most(seen.records)));
        }
        details
    }
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Encryption,
    Destruction,
    Both,
}

impl What {
    pub(super) fn of(params: &Params, seen: &Seen) -> Self {
        match seen.encrypts(params) {
            true if seen.deleted >= params.changes_min => Self::Both,
            true => Self::Encryption,
            // A note beside files that were only renamed says that they were encrypted.
            false if seen.deleted == 0 => Self::Encryption,
            false => Self::Destruction,
        }
    }

    const fn verbs(self, all_deleted: bool) -> &'static str {
        match self {
            Self::Destruction if all_deleted => "deleted",
            Self::Destruction => "deleted or changed",
            Self::Encryption => "changed or replaced",
            Self::Both => "changed, replaced or deleted",
        }
    }

    /// In the words of the detector's page.
    fn named(self) -> Kind {
        match self {
            Self::Encryption => Kind::new("encryption", &["T1485"]),
            Self::Destruction => Kind::new("destruction", &["T1486"]),
            Self::Both => Kind::new("encryption_and_destruction", &[]),
        }
    }
}

/// A count that may stand still at [`CHANGES_MAX`].
fn most(count: u32) -> String {
    let at_least = if count as usize >= CHANGES_MAX { "at least " } else { "" };
    format!("{at_least}{}", grouped(u64::from(count)))
}

/// Each sign without which it would not have been enough.
fn counterfactual(params: &Params, seen: &Seen) -> String {
    let signs = seen.signs(params);
    let needed = signs.iter().filter(|sign| sign.is_there() && !seen.without(sign.names[0]).suffices(params));
    let needed: Vec<String> = needed.map(|sign| format!("{} below {}", sign.names[0], sign.min)).collect();
    let without = if needed.is_empty() { String::new() } else { format!(", nor with {}", needed.join(" or ")) };
    format!("It would not have fired with score_min of {} or more{without}.", seen.score(params) + 1)
}
