//! Files of one user's making useless: encrypted, replaced or overwritten, a note left behind.
//!
//! # Finds
//! At least two independent signs, which together weigh `score_min` points or more, among: many files changed, replaced or
//! deleted within `window_secs`; and within `slow_window_secs` many files that got the same new extension, one that no usual
//! program writes; an extension of known ransomware; a note of a blackmailer; files whose media type contradicts their name,
//! or whose bytes look random though they should not; many records touched. A file counts once, and one that was deleted
//! while another of its name came counts as one that was replaced. Renames that keep the extension, or change it to one of a
//! usual program (`.zip`, `.webp`, `.bak`, `.processed`), say nothing. Files are attachments and whatever else a producer
//! calls `attachment`, `file`, `image` or `document`.
//!
//! The alert's `kind` is `encryption` (T1486) where something says that content was made unreadable, `destruction` (T1485)
//! where files were deleted beside a note, and `encryption_and_destruction` where `changes_min` files or more were deleted
//! beside it. Its summary names the time to restore from: the first change of one of the files that were harmed, as far as
//! can be told.
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
//! | Name that notes and guides have ("how to restore a backup") | 1 file | 10 |
//! | Media type against the name, where the extension is not known to be new | `content_min` | 40 |
//! | Random bytes where they should not be | `content_min` | 40 |
//!
//! Rate and spread are a matter of volume and do not suffice together. That many files got an extension and that it is one of
//! ransomware is one sign where both are said of the same extension. What an organisation is used to is not evidence. A
//! detector that sees one user at a time cannot know what others do, so it is measured: `frostwatch usual-files` counts over
//! recorded activity how many people write an extension, or files that are called like notes, on different days, and the rule
//! takes the counts (`seen_extensions`, `seen_notes`). A new extension weighs its 50 points where nobody writes it, nothing
//! where `usual_people` do, and in between in proportion; so do notes. Of several extensions the one that weighs most counts,
//! and of several notes the rarest, so that nothing usual hides what is not. What only ransomware writes weighs whole, whoever
//! wrote it, and guides weigh little anyway. Without a measurement everything is rare, and `usual_extensions` names by hand what is not. What rests on
//! extensions that no list of ransomware has, or on a media type that nobody told, is held back for `learning_days` from the
//! first activity of a user on (`learning`).
//!
//! An extension that the account wrote on `usual_days_min` days before is its habit (`habit`), for up to four times as many
//! files in a day as on any of these; so is an overwriting without a media type, or with random bytes, of files with the same
//! extension: whoever uploads the same `.xlsx` anew every night is not used to overwriting `.docx`. Formats of known programs
//! for encryption (`.gpg`, `.age`) are a habit of a technical account after two days (`known_tool`). Habits learn from what
//! was changed, not from what only came or an exception covers, and grow to twice as many files a day at most. What they
//! explain is recorded as suppressed; a note, or an extension that only ransomware writes, becomes no habit.
//!
//! # Blind spots
//! Content that is overwritten in place under the same name and media type, where the source gives no entropy. (Through
//! `ServiceNow`'s own interfaces a file is replaced, not overwritten; one that takes the place of a deleted file under the
//! same name and a media type that fits the name shows as a deletion alone.) New names without any extension, or with one
//! that has spaces or more than 40 bytes. A media type that does not fit a usual extension, but for
//! `application/octet-stream` where a file is replaced. Content that a technical account deletes: `activity_policy` as it ships
//! leaves those out. Fewer files than `extension_min` within `slow_window_secs`. Another extension for each file, unless the
//! media type tells. Names all new, when slow: nothing says which file took whose place; when fast they become no habit, and
//! `usual_extensions` is what helps. Archives with a password and usual extensions, those of digits and words such as
//! `.processed` among them. A user in the first `learning_days`, unless a note, an extension of ransomware or random bytes
//! speak. Who stays below `extension_min` files a day for `usual_days_min` days has a habit, and may then take four times as
//! many, and twice that on each further day; a stolen account with a habit may do as much under the extension of that habit
//! at once. A note in other words than those known. Deletions alone, without a note, are not told. Of more than 256 files in
//! a window those that mean nothing alone are forgotten first; how many and since when is still told. Content in tables, and
//! deletions of records, are no files: see `activity_policy`.
//!
//! # Parameters
//! See [`Params`].
//!
//! # References
//! Kharraz et al., UNVEIL, 2016; Scaife et al., `CryptoDrop`, 2016; Continella et al., `ShieldFS`, 2016: several weak
//! indicators in place of a strong one. Davies, Macfarlane and Buchanan, Entropy 24(10):1503, 2022: packed formats look
//! encrypted, so entropy counts only where plain bytes belong. The words that files are judged by:
//! `engine/detect/src/files/words.rs`.

mod changes;
mod habits;
mod mark;
mod params;
mod seen;
mod words;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Detector;
use crate::context::{Block, Context, Raise};
use crate::event::{Event, OwnedOrder};
use crate::files::Signs;
use crate::finding::{EVIDENCE_MAX, Measure, Trace};
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::{AccountKind, Outcome};
use crate::plan::LaneKind;
use crate::rule::Layer;
use crate::time::{Millis, SECOND};
use changes::{Changes, Pushed};
use habits::{HABIT_TIMES_MAX, Habits};
use mark::{Look, Mark};
pub use params::{PEOPLE_MAX, Params, SEEN_MAX, Written};
use seen::{KNOWN_MIN, Seen};
use words::What;

/// A technical account that writes the format of a known program for encryption is used to it after so many days: fewer than
/// others, since that is what such accounts are made for.
const TOOL_DAYS_MIN: u32 = 2;
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
    mark: Mark,
}

/// What an incident has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Told {
    /// The most that was seen since it was raised.
    most: Seen,
    /// Files that were changed since it began.
    files: u32,
}

/// What there is to tell, or to hold back.
struct Judged {
    seen: Seen,
    /// Marks of files that count no more than that they were changed.
    explained: Vec<Mark>,
    blocks: Vec<Block>,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const SUPPRESSIONS: &'static [&'static str] = &["habit", "known_tool", "learning", "usual_extensions"];

    const OPTIONAL: &'static [&'static str] = &["usual_people", "seen_extensions", "seen_notes"];

    fn window_secs(params: &Params) -> u32 {
        params.slow_window_secs
    }

    /// What a user does to no file says nothing but that they are there: learning begins with it.
    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        let Some(facts) = event.file() else { return };
        let covered = context.exception.is_some();
        let length = Millis::from(params.slow_window_secs) * SECOND;
        self.changes.expire(event.time, length);
        while self.traces.pop_front_if(|kept| kept.trace.time <= event.time - length).is_some() {}
        let pushed = self.changes.push(event, facts, covered, context.caps);
        if pushed.is_sign {
            self.keep(Kept { trace: context.trace(), covered, mark: pushed.mark });
        }
        let seen = self.changes.look(params, event.time, covered, |_| false);
        if !covered {
            self.learn(params, event, &pushed, &seen);
        }
        let is_part = pushed.is_sign || pushed.is_new && seen.rate >= params.changes_min;
        if !is_part || !seen.suffices(params) {
            return;
        }
        let Judged { seen, explained, blocks } = self.judge(params, context, seen);
        let blocker = context.blocker(blocks);
        let held = blocker.is_some();
        if explained.contains(&pushed.mark) && self.has_told(params, context, held, &seen) {
            // A job that goes on beside it is no part of it.
            return;
        }
        let opened: Vec<OwnedOrder> = self.incidents.iter().map(|incident| incident.opener.clone()).collect();
        let incident = self.incidents.touch(hash64(b"files"), held, context);
        let told = &mut self.told.get_or_insert_default()[usize::from(held)];
        let had = (told.most.bits(params), What::of(params, &told.most));
        let was_raised = incident.is_raised();
        let fresh = if was_raised {
            *told = Told { most: told.most.most(&seen), files: told.files + u32::from(pushed.is_new) };
            (told.most.bits(params), What::of(params, &told.most)) != had
        } else {
            *told = Told { most: seen, files: seen.files };
            // What an alert rests on are not the files that something explains.
            let is_part = |kept: &&Kept| held || !kept.covered && !explained.contains(&kept.mark);
            begin(incident, self.traces.iter().filter(is_part).map(|kept| &kept.trace), &opened);
            false
        };
        if incident.evidence.iter().all(|trace| trace.id != event.id) {
            incident.add(context.trace(), event.test);
        }
        if !was_raised {
            incident.test = event.test;
        }
        incident.first = incident.first.min(told.most.since.unwrap_or(event.time));
        let told = *told;
        let raise = Raise { blocker, aggravations: aggravations(&told.most, event.account.privileged), fresh };
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
    /// Was all that is seen now told before, of an incident that goes on?
    fn has_told(&mut self, params: &Params, context: &Context<'_>, held: bool, seen: &Seen) -> bool {
        let goes_on = self.incidents.live(hash64(b"files"), held, context.event.time, context.quiet()).is_some();
        let told = self.told.as_ref().map(|told| told[usize::from(held)].most);
        goes_on && told.is_some_and(|most| most.most(seen).bits(params) == most.bits(params))
    }

    fn keep(&mut self, kept: Kept) {
        if self.traces.len() == EVIDENCE_MAX {
            self.traces.pop_front();
        }
        self.traces.push_back(kept);
    }

    /// What is left to be told once what is explained does not count; or, where that is too little, all of it and what
    /// explains it, the extension that most files got first. What rests on extensions that nobody knows waits until the user is
    /// known; with other signs beside it, it is told with them.
    fn judge(&self, params: &Params, context: &Context<'_>, seen: Seen) -> Judged {
        let (mut blocks, mut unknown): (Vec<(Mark, Block)>, Vec<Mark>) = (Vec::new(), Vec::new());
        for mark in self.changes.marks() {
            match self.explained(params, context, mark) {
                Some(block) => blocks.push((mark, block)),
                None => unknown.extend(self.changes.is_unknown(mark).then_some(mark)),
            }
        }
        let is_explained = |mark: Mark| blocks.iter().any(|(known, _)| *known == mark);
        let (covered, now) = (context.exception.is_some(), context.event.time);
        let left = if blocks.is_empty() { seen } else { self.changes.look(params, now, covered, is_explained) };
        if !left.suffices(params) {
            blocks.sort_by_key(|(mark, _)| mark.extension != seen.extension);
            let blocks = blocks.into_iter().map(|(_, block)| block).collect();
            return Judged { seen, explained: Vec::new(), blocks };
        }
        let explained = blocks.iter().map(|(mark, _)| *mark).collect();
        let learning = context.learning(params.learning_days).filter(|block| context.takes(block.layer, block.by));
        if let Some(learning) = learning.filter(|_| !unknown.is_empty()) {
            let is_open = |mark: Mark| is_explained(mark) || unknown.contains(&mark);
            if !self.changes.look(params, now, covered, is_open).suffices(params) {
                return Judged { seen: left, explained, blocks: vec![learning] };
            }
        }
        Judged { seen: left, explained, blocks: Vec::new() }
    }

    /// Why files with this mark are nothing to worry about.
    fn explained(&self, params: &Params, context: &Context<'_>, mark: Mark) -> Option<Block> {
        let Mark { look, extension } = mark;
        let usual = (look == Look::Unusual && params.is_usual(extension)).then(|| Block {
            layer: Layer::System,
            by: "usual_extensions",
            reason: format!("the rule says that .{extension} is usual in the organisation"),
            measures: Vec::new(),
        });
        let takes = |block: &Block| context.takes(block.layer, block.by);
        usual.filter(takes).or_else(|| self.usual(params, context.event, mark).into_iter().flatten().find(takes))
    }

    /// What of an account's own past explains such files: as many as four times those of any day before.
    fn usual(&self, params: &Params, event: &Event, mark: Mark) -> [Option<Block>; 2] {
        let before = self.habits.before(params, mark, event.time);
        let (days, most) = (u32::from(before.days), before.files);
        let now = self.changes.count(mark).max(self.habits.today(mark, event.time));
        if now > most.saturating_mul(HABIT_TIMES_MAX) || self.changes.has(mark, Signs::KNOWN) {
            return [None, None];
        }
        let tool_days_min = TOOL_DAYS_MIN.min(params.usual_days_min);
        let is_tool = is_technical(event) && self.changes.has(mark, Signs::TOOL);
        let block = |layer, by, days_min: u32, what: String| Block {
            layer,
            by,
            reason: format!("{what} on {days} days before, with up to {most} files a day, and has {now} today"),
            measures: vec![
                Measure::new("usual_days", f64::from(days), "days"),
                Measure::new("usual_days_min", f64::from(days_min), "days"),
                Measure::new("usual_files", f64::from(most), "files"),
                Measure::new("files_today", f64::from(now), "files"),
                Measure::new("habit_times_max", f64::from(HABIT_TIMES_MAX), "times"),
            ],
        };
        let extension = mark.extension;
        [
            (is_tool && days >= tool_days_min).then(|| {
                let what =
                    format!(".{extension} is the format of a known program for encryption: the technical account");
                block(Layer::System, "known_tool", tool_days_min, format!("{what} wrote it"))
            }),
            (days >= params.usual_days_min)
                .then(|| block(Layer::User, "habit", params.usual_days_min, "the account did the same".to_owned())),
        ]
    }

    /// What the account makes of files that strikes about them. Nothing is learned beside a note, and no extension that only
    /// ransomware writes.
    fn learn(&mut self, params: &Params, event: &Event, pushed: &Pushed, seen: &Seen) {
        if let Some(mark) = pushed.marked
            && seen.notes == 0
            && !self.changes.has(mark, Signs::KNOWN)
        {
            self.habits.note(params, mark, event.time);
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
