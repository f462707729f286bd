//! Files of one user's making useless: encrypted, replaced or overwritten, a note left behind.
//!
//! # Finds
//! At least two independent signs, which together weigh `score_min` points or more, among: many files changed, replaced or
//! deleted within `window_secs`; and within `slow_window_secs` many files that got the same new extension, one that no usual
//! program writes; an extension of known ransomware; a note of a blackmailer; files whose media type contradicts their
//! name, or whose bytes look random though they should not; many records touched. A file counts once, and one that was
//! deleted while another of its name came counts as one that was replaced. Renames that keep the extension, or change it
//! to one of a usual program (`.zip`, `.webp`, `.bak`), say nothing. Files are attachments and whatever else a producer calls
//! `attachment`, `file`, `image` or `document`.
//!
//! # Why
//! ATT&CK T1486 (Data Encrypted for Impact) and T1485 (Data Destruction). One sign alone is daily work: clean-ups delete by
//! the hundred, projects rename, packed files look random. What weighs how much:
//!
//! | Sign | From | Points |
//! |---|---|---:|
//! | Rate: files changed within `window_secs` | `changes_min` | 20 |
//! | Spread: records whose files were changed | `records_min` | 20 |
//! | New extension, the same for so many files | `extension_min` | 50 |
//! | Extension that only ransomware is known to write | 3 files | 40 |
//! | Extension of ransomware that honest programs write too | 3 files | 10 |
//! | Note of a blackmailer, by its name | 1 file | 50 |
//! | Media type against the name, where the extension is not known to be new | `content_min` | 40 |
//! | Random bytes where they should not be | `content_min` | 40 |
//!
//! Rate and spread are a matter of volume and do not suffice together. What an organisation is used to is not evidence:
//! `usual_extensions` says it, since a detector that sees one user at a time cannot know what others do. An extension that the
//! account handled on `usual_days_min` days before is its habit, for up to four times as many files as on any of these; formats
//! of known programs for encryption (`.gpg`, `.age`) are the business of technical accounts. What either explains is recorded
//! as suppressed; a note, or an extension that only ransomware writes, becomes no habit.
//!
//! # Blind spots
//! Content that is overwritten in place under the same name and media type, where the source gives no entropy. (Through
//! `ServiceNow`'s own interfaces a file is replaced, not overwritten.) Fewer files than `extension_min` within `slow_window_secs`. Another
//! extension for each file, unless the media type tells. Names all new, when slow: nothing says which file took whose place.
//! Archives with a password and usual extensions of digits. What an account does for days without being stopped becomes
//! its habit, uploads and what an exception covers as well, and from 64 files a day on it explains any number. A technical account
//! that writes a format of a known program for encryption is held back without a habit and without a limit: a stolen key of
//! an integration can do so. Many deletions and uploads of plain files push signs out of the 256 files that are remembered.
//! Deletions alone, without a note, are not told. An integration that renames to a word of its own (`.processed`), and a personal
//! account that uploads the same files anew without a media type, look like an attack. Content in tables, and deletions of
//! records, are no files: see `activity_policy`.
//!
//! # Parameters
//! See [`Params`].
//!
//! # References
//! Kharraz et al., UNVEIL, 2016; Scaife et al., `CryptoDrop`, 2016; Continella et al., `ShieldFS`, 2016: several weak indicators in
//! place of a strong one. Davies, Macfarlane and Buchanan, Entropy 24(10):1503, 2022: packed formats look encrypted, so entropy
//! counts only where plain bytes belong. The words that files are judged by: `engine/detect/src/files/words.rs`.

mod changes;
mod habits;
mod words;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{Detector, bounded};
use crate::context::{Block, Context, Raise};
use crate::event::{Event, OwnedOrder};
use crate::files::{Extension, Signs};
use crate::finding::{EVIDENCE_MAX, Measure, Trace};
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::{AccountKind, Outcome};
use crate::plan::LaneKind;
use crate::rule::Layer;
use crate::time::{Millis, SECOND};
use changes::{CHANGES_MAX, Changes, KNOWN_MIN, Pushed, Seen};
use habits::{HABIT_TIMES_MAX, Habits};

/// Extensions that a rule calls usual, at most.
const USUAL_MAX: usize = 64;

/// Parameters of `ransomware`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Files changed, replaced or deleted within the window that are a sign.
    pub changes_min: u32,
    /// Length of the sliding window of the rate, seconds.
    pub window_secs: u32,
    /// Length of the sliding window of all other signs, seconds.
    pub slow_window_secs: u32,
    /// Files with the same new extension that are a sign.
    pub extension_min: u32,
    /// Files whose media type or bytes contradict their name that are a sign.
    pub content_min: u32,
    /// Records whose files were changed that are a sign.
    pub records_min: u32,
    /// So many points of signs raise the alert.
    pub score_min: u32,
    /// What an account did to files on this many different days before is its habit.
    pub usual_days_min: u32,
    /// A habit not seen for this long is forgotten, days.
    pub usual_forget_days: u32,
    /// Extensions that are usual in the organisation, in lower case without the dot.
    pub usual_extensions: Vec<String>,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let files_max = CHANGES_MAX as u32;
        bounded(&mut faults, "changes_min", self.changes_min, 2, files_max);
        // The long window is never the shorter one, and what makes a habit is never forgotten before it is one.
        bounded(&mut faults, "window_secs", self.window_secs, 1, 3_600);
        bounded(&mut faults, "slow_window_secs", self.slow_window_secs, 3_600, 604_800);
        bounded(&mut faults, "extension_min", self.extension_min, 2, files_max);
        bounded(&mut faults, "content_min", self.content_min, 1, files_max);
        bounded(&mut faults, "records_min", self.records_min, 2, files_max);
        bounded(&mut faults, "score_min", self.score_min, 1, 200);
        bounded(&mut faults, "usual_days_min", self.usual_days_min, 1, 30);
        bounded(&mut faults, "usual_forget_days", self.usual_forget_days, 30, 365);
        if self.usual_extensions.len() > USUAL_MAX {
            faults.push(("usual_extensions", format!("more than {USUAL_MAX}")));
        }
        let is_fit = |text: &&String| !text.is_empty() && !text.contains('.') && **text == text.to_lowercase();
        if let Some(text) = self.usual_extensions.iter().find(|text| !is_fit(text)) {
            faults.push(("usual_extensions", format!("'{text}' is no extension in lower case without its dot")));
        }
        faults
    }

    fn is_usual(&self, mark: Extension) -> bool {
        self.usual_extensions.iter().any(|text| Extension::of(text) == mark)
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    changes: Changes,
    /// The newest events that are a sign of something, as evidence.
    traces: VecDeque<Kept>,
    habits: Habits,
    /// Of the incident that is told, and of the one held back.
    told: Option<Box<[Told; 2]>>,
    incidents: Incidents,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    trace: Trace,
    covered: bool,
}

/// What an incident has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Told {
    /// The most that was seen since it was raised.
    most: Seen,
    /// Files that were changed since it began.
    files: u32,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const SUPPRESSIONS: &'static [&'static str] = &["habit", "known_tool", "usual_extensions"];

    fn window_secs(params: &Params) -> u32 {
        params.slow_window_secs
    }

    fn wants(event: &Event) -> bool {
        event.file.is_some() && event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        let Some(facts) = event.file.as_deref() else { return };
        let covered = context.exception.is_some();
        let length = Millis::from(params.slow_window_secs) * SECOND;
        self.changes.expire(event.time, length);
        while self.traces.pop_front_if(|kept| kept.trace.time <= event.time - length).is_some() {}
        let pushed = self.changes.push(event, facts, covered, context.caps);
        if pushed.is_sign {
            self.keep(context.trace(), covered);
        }
        let seen = self.changes.look(params, event.time, covered, |_| false);
        self.learn(params, event, &pushed, &seen);
        let is_part = pushed.is_sign || pushed.is_new && seen.rate >= params.changes_min;
        if !is_part || !seen.suffices(params) {
            return;
        }
        let (seen, blocks) = self.judge(params, context, seen);
        let blocker = context.blocker(blocks);
        let held = blocker.is_some();
        let opened: Vec<OwnedOrder> = self.incidents.iter().map(|incident| incident.opener.clone()).collect();
        let incident = self.incidents.touch(hash64(b"files"), held, context);
        let told = &mut self.told.get_or_insert_default()[usize::from(held)];
        let had = told.most.bits(params);
        let fresh = if incident.is_raised() {
            *told = Told { most: told.most.most(&seen), files: told.files + u32::from(pushed.is_new) };
            told.most.bits(params) != had
        } else {
            *told = Told { most: seen, files: seen.files };
            begin(incident, self.traces.iter().filter(|kept| held || !kept.covered).map(|kept| &kept.trace), &opened);
            false
        };
        if incident.evidence.iter().all(|trace| trace.id != event.id) {
            incident.add(context.trace(), event.test);
        }
        incident.test |= event.test;
        let told = *told;
        let raise = Raise { blocker, aggravations: aggravations(&told.most, event.privileged), fresh };
        let user = context.subject.user().to_owned();
        let words = words::Words { params, user: &user, seen: &told.most, files: told.files, held };
        context.raise(incident, raise, |incident| words.explain(incident));
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn weight(&self) -> usize {
        self.changes.len() + self.traces.len()
    }

    fn copy_from(&mut self, other: &Self) {
        self.changes.copy_from(&other.changes);
        self.traces.clone_from(&other.traces);
        self.habits.copy_from(&other.habits);
        self.told.clone_from(&other.told);
        self.incidents.copy_from(&other.incidents);
    }
}

impl State {
    fn keep(&mut self, trace: Trace, covered: bool) {
        if self.traces.len() == EVIDENCE_MAX {
            self.traces.pop_front();
        }
        self.traces.push_back(Kept { trace, covered });
    }

    /// What is left to be told once what is explained does not count; or, where that is too little, all of it and what
    /// explains it, the extension that most files got first.
    fn judge(&self, params: &Params, context: &Context<'_>, seen: Seen) -> (Seen, Vec<Block>) {
        let mut blocks: Vec<(Extension, Block)> = Vec::new();
        for mark in self.changes.marks() {
            let block = self.explained(params, context.event, mark);
            blocks.extend(block.filter(|block| context.takes(block.layer, block.by)).map(|block| (mark, block)));
        }
        if blocks.is_empty() {
            return (seen, Vec::new());
        }
        let is_explained = |mark: Extension| blocks.iter().any(|(known, _)| *known == mark);
        let covered = context.exception.is_some();
        let left = self.changes.look(params, context.event.time, covered, is_explained);
        if left.suffices(params) {
            return (left, Vec::new());
        }
        blocks.sort_by_key(|(mark, _)| *mark != seen.extension);
        (seen, blocks.into_iter().map(|(_, block)| block).collect())
    }

    /// Why files that get this extension are nothing to worry about.
    fn explained(&self, params: &Params, event: &Event, mark: Extension) -> Option<Block> {
        if params.is_usual(mark) {
            let reason = format!("the rule says that .{mark} is usual in the organisation");
            return Some(Block { layer: Layer::System, by: "usual_extensions", reason, measures: Vec::new() });
        }
        if is_technical(event) && self.changes.has(mark, Signs::TOOL) {
            let reason =
                format!(".{mark} is the format of a known program for encryption, and the account is technical");
            return Some(Block { layer: Layer::System, by: "known_tool", reason, measures: Vec::new() });
        }
        let before = self.habits.before(mark, event.time, params.usual_forget_days);
        let (days, most) = (u32::from(before.days), u32::from(before.files));
        let is_usual = days >= params.usual_days_min && self.changes.count(mark) <= most * HABIT_TIMES_MAX;
        (is_usual && !self.changes.has(mark, Signs::KNOWN)).then(|| Block {
            layer: Layer::User,
            by: "habit",
            reason: format!("the account did the same on {days} days before, to up to {most} files"),
            measures: vec![
                Measure::new("usual_days", f64::from(days), "days"),
                Measure::new("usual_days_min", f64::from(params.usual_days_min), "days"),
                Measure::new("usual_files", f64::from(most), "files"),
            ],
        })
    }

    /// Which extensions the account handles that no usual program writes, and, of a technical one, that it changes files under
    /// their own names by the dozen. Nothing is learned beside a note, and no extension that only ransomware writes.
    fn learn(&mut self, params: &Params, event: &Event, pushed: &Pushed, seen: &Seen) {
        let has_extension = pushed.is_sign && !pushed.mark.is_empty();
        let is_job = is_technical(event) && pushed.mark.is_empty() && seen.suffices(params);
        if (has_extension || is_job) && seen.notes == 0 && !self.changes.has(pushed.mark, Signs::KNOWN) {
            let files = self.changes.count(pushed.mark);
            self.habits.note(pushed.mark, files, event.time, params.usual_forget_days);
        }
    }
}

const fn is_technical(event: &Event) -> bool {
    matches!(event.kind, AccountKind::Service | AccountKind::Integration)
}

/// An incident begins with the first event that is a sign of something: its id must not depend on which of them was one too
/// many. No event opens two, or what is held back would have the id of an alert; and none opens one again, since a rule is
/// quiet for no less than its windows are long: what is still in the window is no older than an incident that is still open.
fn begin<'a>(incident: &mut Incident, traces: impl Iterator<Item = &'a Trace>, opened: &[OwnedOrder]) {
    for (index, trace) in traces.enumerate() {
        if index == 0 {
            incident.first = trace.time;
            let opener = trace.order().to_owned();
            incident.opener = if opened.contains(&opener) { incident.opener.clone() } else { opener };
        }
        incident.add(trace.clone(), false);
    }
}

fn aggravations(seen: &Seen, privileged: bool) -> Vec<&'static str> {
    let reasons = [
        (seen.notes > 0, "a blackmailer's note was left"),
        (seen.known >= KNOWN_MIN, "the extension is one that only ransomware is known to write"),
        (privileged, "the account is privileged"),
    ];
    reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).collect()
}
