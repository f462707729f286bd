//! More carried off than is usual for this user: within an hour, or a little more day after day.
//!
//! # Finds
//! Within `window_secs`, at least `objects_floor` different objects, `rows_floor` rows or `bytes_floor` bytes that are
//! unusual for the user: so many or more are less likely than `tail_max` at this hour of the week, and more than
//! `peak_times` the most that the user carried off in such a window on any of the last 28 days of activity. At an hour of the
//! day at which the user is never active the most of a program (or of whom nobody calls a person) does not count, and a
//! person's explains no more than as much. And over days, what no hour shows: daily sums that stay above the user's usual
//! day until the excess has come to `slow_sum_max` spreads of it, told once.
//!
//! # Why
//! ATT&CK T1530 (Data from Cloud Storage) and T1213 (Data from Information Repositories). A fixed limit, as that of
//! [mass download](mass_download.md), must let the busiest pass, so it lets others carry off many times what is theirs to
//! carry; this detector measures everybody by themselves. The two stand side by side: `mass_download` needs nothing to be
//! known and tells what would be too much for anybody within a minute.
//!
//! What is usual at an hour of the week is learned as [failed logins](failed_logins.md) are: amounts come at a rate that is
//! known as a Gamma distribution, which begins with what is usual for anybody (`prior_objects_per_week`), is more the
//! user's own with each week, and forgets old weeks by halves; an object, 1,000 rows and 4 MiB weigh the same there, and the
//! weightiest of the three counts. For the others as much less is usual as their most is less than its most, so that a nightly
//! export of many rows makes no hundred files usual; and nothing is for a program at an hour of the day at which it never works. The
//! most within a window is kept for each of 28 days of activity. The newest five of them (of fewer than ten the newer half)
//! excuse nothing but what was told of them, or seen while the user was learned: or whoever takes half as much more each day
//! would be excused by the day before. What raises an alert teaches at most twice what would have passed, so it takes days
//! with alerts to make anything usual.
//! Around the turn of a month (`turn_days` working days on either side) what was carried off at the last turn is usual too.
//!
//! What colleagues do is a second opinion on an hour, where somebody has said it: each user's records are all there is to a
//! detector, so it is measured outside and said in records of the account ([docs/accounts.md](../accounts.md)). Where at least
//! `peers_min` people stand behind it, an hour that is unusual for the user is held back (`usual_in_group`) if all that reached
//! its floor is no more than what 19 of 20 of them did not exceed in any hour; but not at an hour at which the user is never
//! active: colleagues' amounts say nothing of the hour. `peak_times` as much as theirs makes what is told a step graver.
//! Rises over days are judged by the user's own days alone, and what only colleagues excuse counts in them.
//!
//! An alert of an hour opens with the first download after a quiet time, whatever the floors are: its id depends on none
//! of them. What was held back in that time is taken back once it is told. Only downloads that leave the window with more
//! than would have passed belong to it, and those between two such ones; so whoever goes on as usual lets it end, and
//! the next theft is told by itself. It is told afresh when the window holds twice what was last told.
//!
//! The slow rise is Page's cumulative sum over days: what a day is above the usual day and `slow_slack` spreads of it is added
//! up, what it is below is taken off; for the sum a day counts as three usual ones at most, for the floors as what it is.
//! The usual day is the mean of the days before the last 15 (of the first 8 while fewer are known), a day of more than three
//! medians counted as three; what so few days leave open of it (1.5 standard errors) is added to the slack. What an alert
//! of an hour has told is left out. What reached a floor within the window and was
//! usual there is left out too, unless that was so on two of three of the last 15 days, and on `slow_days_min`: then it counts
//! on all days. Days with less than a third of the usual work, as where the end of a working day falls into the next one in
//! UTC, are left out. On a day with more or less work of other kinds than usual, as before a deadline, as many times more or less are
//! expected, up to `work_times_max` times. A rise opens with the day on which it began.
//!
//! # Blind spots
//! What stays below the floors; the first `learning_days`, which begin with the first download and whose habits are taken as they
//! are, but for what comes to `learning_times_max` times what would be told of anybody of whom nothing is known (programs may carry
//! off even that, and what is told teaches all the same): whoever takes over an account that never carried anything off, as that of an interface, has as
//! long;
//! whoever has carried off much at once before may do so again, and half as much more, at any hour at which they are
//! active, on up to every other day; a rise over days of a user who has been known for fewer than 12 days of activity,
//! and one that begins before the one that was told is over. Whoever carries off a little more each week for months
//! becomes usual, and so does whoever grows by half from one week of work to the next. What was carried off at the turn
//! of a month and told is usual at the next as far as it teaches. A theft within an hour after another one is one more
//! step of its alert. Whoever looks at many pages on the side looks busy. The days and hours are those of UTC, so the
//! working day of the far east lies in two of them. A change of role that brings more documents looks like a slow rise
//! and is told once. The alert of a rise names one download a day, and how much each day had.
//!
//! Where colleagues' numbers are published: a thief in a group in which much is carried off may take as much as they do in
//! each hour of work, also who never did before; a group whose people take a little more each month moves its number
//! with them, and so do a few who take much together (more than one in twenty; of fewer than twenty others one is enough).
//! Whoever can publish records of an account can say anything of its colleagues. `off: [usual_in_group]` lets colleagues only
//! make graver.
//!
//! How often somebody downloads at all, the same report again and again with other filters, is measured by a copy of the rule with
//! `unique_objects: false`.
//!
//! A group can also be a second opinion by hand: copy the rule under another `id` and give it
//! `scope.include: [{ groups: [finance] }]`. In the copy the floors say what nobody of the group needs an alert for,
//! `prior_objects_per_week` what is usual in it for somebody new, and `sensitivity` whether habits of the user excuse
//! anything. Who is in the group is then judged by both rules. Leave the group out of the first (`scope.exclude`) where the
//! copy is to judge alone.
//!
//! # Parameters
//! See [`Params`]. `suppression.quiet` of the rule closes what was told of an hour; a rise over days is closed after a week
//! without another day above the usual.
//!
//! # References
//! The reference product's "unusual file download (by user)". E. S. Page, "Continuous inspection schemes", Biometrika 41,
//! 1954. Gelman et al., "Bayesian Data Analysis", 3rd edition, section 2.6, for the Gamma–Poisson model.

mod days;
mod group;
mod hour;
mod params;
mod run;
mod told;
mod turn;
mod words;

use serde::{Deserialize, Serialize};

use self::days::{Carried, Days, Rise};
use self::hour::{Limits, Rest, Verdict, load};
pub use self::params::Params;
use self::run::Runs;
use self::told::Volume;
use self::turn::Turn;
pub use self::turn::month_of;
use super::Detector;
use crate::baseline::{Hours, hour_of};
use crate::context::{Block, Context, Raise, Standing};
use crate::event::{Event, EventId, OwnedOrder, Quantity};
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::{AccountKind, Action, Outcome};
use crate::plan::LaneKind;
use crate::time::{DAY, Millis, SECOND, day_of};
use crate::window::{Counted, Taken, Window};

/// Objects, rows and bytes.
const MEASURES: usize = 3;
const OBJECTS: usize = 0;
const BYTES: usize = 2;

/// A rise over days goes on for so long after its last day above the usual.
const RISE_QUIET: Millis = 7 * DAY;
/// Less than this part of a floor in the window needs no evidence, and in an hour says nothing of what is usual.
const NOTABLE: f64 = 0.5;

/// What is told teaches so many times what would have passed at most.
const TEACHES: f64 = 2.0;

const PRIVILEGED: &str = "the account is privileged";
const ASLEEP: &str = "at an hour of the day at which the user is never active";

/// What is kept for a key, from its first download on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    window: Window,
    days: Days,
    hours: Hours,
    /// What was carried off in this hour of the clock.
    hour: ThisHour,
    turn: Option<Turn>,
    /// The last day of a rise that was told, counted from the epoch: what began before it is the same one.
    risen_until: i32,
    /// Of what is raised; nothing is allocated for others.
    raised: Option<Box<Raised>>,
    incidents: Incidents,
    runs: Runs,
    /// The last day of a rise that was held back.
    held_until: i32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ThisHour {
    /// Counted from the epoch.
    number: u32,
    carried: Quantity,
}

/// What is remembered of incidents: of what is told, and of what is held back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Raised {
    volumes: [Volume; 2],
    /// The last day on which a rise over days was raised or went on.
    rises: [i32; 2],
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const SUPPRESSIONS: &'static [&'static str] =
        &["learning", "month_turn", "more_work", "usual_hour", "usual_in_group", "usual_peak"];

    const OPTIONAL: &'static [&'static str] = &["learning_times_max", "peers_min", "unique_objects"];

    fn window_secs(params: &Params) -> u32 {
        params.window_secs
    }

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success && (event.action.is_download() || is_work(event.action))
    }

    /// Work alone says nothing: who never carries anything off has no state.
    fn begins(event: &Event) -> bool {
        event.action.is_download()
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        self.days.pass(params, event.time);
        if !event.action.is_download() {
            self.days.work();
            return;
        }
        let (rise, quiet) = (cause(RISE), context.quiet());
        let is_over =
            |incident: &Incident| event.time > incident.last + if incident.cause == rise { RISE_QUIET } else { quiet };
        self.incidents.let_go(is_over);
        if self.incidents.iter().next().is_none() {
            self.raised = None;
        }
        self.download(params, context);
        self.days_of(params, context);
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn weight(&self) -> usize {
        self.window.weight()
    }

    fn copy_from(&mut self, other: &Self) {
        self.window.copy_from(&other.window);
        self.days.copy_from(&other.days);
        self.hours.copy_from(&other.hours);
        (self.hour, self.turn) = (other.hour, other.turn);
        (self.risen_until, self.held_until) = (other.risen_until, other.held_until);
        self.runs.copy_from(&other.runs);
        self.raised.clone_from(&other.raised);
        self.incidents.copy_from(&other.incidents);
    }
}

impl State {
    /// Takes the download into the window and judges it by the hour.
    fn download(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        self.window.expire(event.time, Millis::from(params.window_secs) * SECOND, context.caps);
        let exception = context.blocker(Vec::new());
        let covered = exception.is_some();
        let opened = |opener: &OwnedOrder| self.incidents.iter().any(|incident| incident.opener == *opener);
        self.runs.pass(event, covered, context.quiet(), opened);
        let carried = Quantity { objects: event.quantity.objects.max(1), ..event.quantity };
        let (time, object) = (event.time, if params.unique_objects { event.object } else { 0 });
        let before = self.window.sums().counted(covered);
        let is_near = params.reached(before.plus(carried), NOTABLE) != [false; MEASURES];
        if is_near {
            self.window.push(Counted { trace: context.trace(), carried, covered, object }, context.caps);
        } else {
            self.window.take(Taken { time, carried, covered, object }, context.caps);
        }
        let now = self.window.sums().counted(covered);
        let objects = now.objects.saturating_sub(before.objects);
        let fresh = Quantity { objects, ..carried };
        let limits = is_near.then(|| self.limits(params, now, context));
        let verdict = Verdict { exception, now, fresh, limits: limits.unwrap_or_default() };
        let told = self.judge_hour(params, context, verdict);
        if !covered {
            let is_learning = context.days_known() < i64::from(params.learning_days);
            let most = limits
                .filter(|_| !is_learning)
                .map_or([f64::INFINITY; MEASURES], |limits| limits.passing.map(|passing| TEACHES * passing));
            self.learn(params, context, Carried { fresh, in_window: now, told, most, is_learned: is_learning });
        }
    }

    /// What the window is measured by.
    fn limits(&self, params: &Params, now: Quantity, context: &Context<'_>) -> Limits {
        let since = hour_of(context.first_time);
        let time = context.event.time;
        let usual = self.hours.usual(&params.weighing(), time, since);
        let month = month_of(time, params.turn_days);
        let turn = month.and_then(|month| self.turn.map(|turn| turn.usual(month))).unwrap_or_default();
        let rest = match context.event.kind {
            _ if !self.days.is_asleep(time) => Rest::Awake,
            AccountKind::Employee | AccountKind::External | AccountKind::Guest => Rest::Asleep,
            _ => Rest::Off,
        };
        Limits::new(params, now, usual, self.days.peaks(), turn, rest, self.days.settled())
    }

    /// What was carried off is usual tomorrow, up to a multiple of what would have passed.
    fn learn(&mut self, params: &Params, context: &Context<'_>, carried: Carried) {
        let time = context.event.time;
        self.days.carry(carried);
        if params.reached(carried.in_window, NOTABLE) != [false; MEASURES]
            && let Some(month) = month_of(time, params.turn_days)
        {
            self.turn.get_or_insert_default().take(month, at_most(carried.in_window, carried.most));
        }
        let number = hour_of(time);
        if self.hour.number != number {
            self.hour = ThisHour { number, carried: Quantity::default() };
        }
        self.hour.carried = self.hour.carried.plus(carried.fresh);
        if params.reached(self.hour.carried, NOTABLE) == [false; MEASURES] {
            return;
        }
        let usual = self.hours.usual(&params.weighing(), time, hour_of(context.first_time));
        let ceiling = 2.0 * usual.belief.expected() + load(params.floors()).max(f64::from(params.objects_floor));
        let most = if carried.is_learned { u16::MAX } else { libm::ceil(ceiling).min(f64::from(u16::MAX)) as u16 };
        let reached = load(amounts(self.hour.carried)).min(f64::from(u16::MAX)) as u32;
        let more = reached.saturating_sub(self.hours.counted(time));
        self.hours.forget(params.half_life_weeks, time);
        self.hours.learn(params.half_life_weeks, time, more as u16, most);
    }

    /// Raises a rise over days, at the first event of each day that is part of it.
    fn days_of(&mut self, params: &Params, context: &mut Context<'_>) {
        let today = day_of(context.event.time);
        if context.exception.is_some() || self.raised.as_ref().is_some_and(|raised| raised.rises[0] == today) {
            return;
        }
        let Some(rise) = self.days.rise(params, false) else { return };
        let by_work = self.days.rise(params, true);
        let mut blocks: Vec<Block> = context.learning(params.learning_days).into_iter().collect();
        blocks.extend(by_work.is_none().then(|| words::more_work(params, &rise, self.days.work_times(params, &rise))));
        let rise = by_work.unwrap_or(rise);
        let blocker = context.blocker(blocks);
        let (held, is_told) = (blocker.is_some(), self.is_told(RISE));
        // What began before the one that was told was over is told with it, and nothing is held back beside what is told.
        if is_told && held || !is_told && rise.since <= self.risen_until {
            return;
        }
        let raised = self.raised.get_or_insert_default();
        if std::mem::replace(&mut raised.rises[usize::from(held)], today) == today {
            return;
        }
        let opener = self.rise_opener(&rise, held);
        *(if held { &mut self.held_until } else { &mut self.risen_until }) = today;
        let incident = self.incidents.touch_within(cause(RISE), held, [RISE_QUIET; 2], context);
        if let Some(opener) = opener.filter(|_| !incident.is_raised()) {
            incident.opener = opener;
        }
        incident.add(context.trace(), context.event.test);
        incident.first = incident.first.min(Millis::from(rise.since) * DAY);
        let aggravations = Vec::from_iter(context.event.account.privileged.then_some(PRIVILEGED));
        let user = context.subject.user();
        let raise = Raise { blocker, aggravations, fresh: false };
        let standing = Standing { reliefs: &[], quiet: RISE_QUIET };
        context.raise_as(incident, raise, standing, |incident| words::of_days(params, user, incident, &rise));
    }

    /// A rise opens with the day on which it began, whatever the limits are that it passed since: its id must depend on none
    /// of them. What was held back and is told now is one story under one id. `None`: something that is over has that id, so
    /// this opens with its own event.
    fn rise_opener(&mut self, rise: &Rise, held: bool) -> Option<OwnedOrder> {
        let opener = OwnedOrder { time: Millis::from(rise.since) * DAY, class: 0, id: EventId::new("") };
        let is_held = |incident: &Incident| incident.cause == cause(RISE) && incident.held;
        let is_taken = rise.since <= self.held_until && !self.incidents.iter().any(is_held);
        if !held {
            self.incidents.let_go(is_held);
        }
        (!is_taken).then_some(opener)
    }

    /// Is something of this cause told at this time?
    fn is_told(&self, of: &str) -> bool {
        self.incidents.iter().any(|incident| incident.cause == cause(of) && !incident.held && incident.is_raised())
    }
}

/// What a user does who works, beside carrying something off.
const fn is_work(action: Action) -> bool {
    matches!(
        action,
        Action::View
            | Action::List
            | Action::Search
            | Action::Create
            | Action::Update
            | Action::Upload
            | Action::Delete
    )
}

const HOUR: &str = "hour";
const RISE: &str = "days";

fn cause(of: &str) -> u64 {
    hash64(of.as_bytes())
}

const fn amounts(carried: Quantity) -> [f64; MEASURES] {
    [carried.objects as f64, carried.rows as f64, carried.bytes as f64]
}

fn most(a: Quantity, b: Quantity) -> Quantity {
    Quantity { objects: a.objects.max(b.objects), rows: a.rows.max(b.rows), bytes: a.bytes.max(b.bytes) }
}

fn at_most(carried: Quantity, most: [f64; MEASURES]) -> Quantity {
    let [objects, rows, bytes] = most.map(|most| most as u64);
    Quantity {
        objects: u64::from(carried.objects).min(objects) as u32,
        rows: carried.rows.min(rows),
        bytes: carried.bytes.min(bytes),
    }
}

#[cfg(test)]
pub(crate) mod tests;
