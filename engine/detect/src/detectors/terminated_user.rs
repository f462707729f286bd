//! Activity of an account after its person has left, or after it was switched off.
//!
//! # Finds
//! Any successful activity later than `grace_minutes` after a `user_terminate` (from its `effective_at`) or, with
//! `disabled_counts`, a `user_disable` that is a record of this account: sign-ins, sessions and tokens that live on,
//! integrations and jobs that run under the name. Within `grace_minutes` it is told that somebody signs in anew
//! (`grace_tells_sign_ins`), and that more than `grace_objects_max` objects are carried out: neither is a session that ends. And, when the record is told days late,
//! that the account was active after the day from which it counts.
//!
//! # Why
//! ATT&CK T1078 (Valid Accounts): an account that is left over is used by who left or by whoever found its password. The
//! leaving is a record among the account's own, so a replay knows of it where the engine did.
//! The severity is raised by a step when somebody signs in anew, when something is carried out, and for a privileged
//! account: a session that lives on is told apart from a return; within `grace_minutes` it is a step lower. Personnel write
//! days: with `midnight_is_a_day` a leaving that counts from midnight UTC counts from the end of that day where days end last,
//! as a day in a row of `sys_user` does. Of leavings the newest counts, so one with a later
//! `effective_at` postpones; that an account is off counts since it was first said, beside a leaving, and whichever counts
//! first is told. A `user_enable` or `user_create` ends that the account was off, and a leaving if it counts from later than
//! that was told: a return, a re-hire, a leaving that was called off; one that counts from a later time ends it then. One that is
//! told late and counts from before the activity that was told lowers that alert to low, with the reason. A row of
//! `sys_user` that says "on" counts from when the account was made, so it ends no leaving, and not that the account is to be
//! off from a later day. A leaving that has ended is not told again by a column that still holds its day.
//!
//! # Blind spots
//! Accounts whose leaving no record tells. What is done between the hour of a leaving that is told as a day and the end of that
//! day, unless a record says that the account is off. Of the time before a record that is told late only days are known, up to 64 of
//! them, and of the last activity its time. An account that was forgotten since is a new one: 400 days after
//! the leaving, or 90 after its last record where that is later. Records under another name of the same person. A record of leaving that is itself late, by its
//! `time`, is put aside like any late record: whoever publishes gives it the time at which it is told and says in
//! `effective_at` from when it counts. So are rows of `sys_user` that were last changed long ago when that table is read for
//! the first time, of users whose newer activity is known; of others such a row counts until they are forgotten, by its own
//! time. A row that says "on" ends that another directory, at once, has switched the person off: such directories should
//! publish a `user_terminate`. A scope by network or country takes only records that carry these, which the record of leaving
//! seldom does; one by group takes it if a `user_profile` has named the groups.
//!
//! # Parameters
//! See [`Params`]. `suppression.quiet` of the rule closes the incident. `grace` holds back what else happens within
//! `grace_minutes`, with a record: sessions end and handovers are finished in them.
//!
//! # References
//! The reference product's policy "activity performed by terminated user", with its benign cases: disabled for a while,
//! deleted and registered again.

mod words;

use serde::{Deserialize, Serialize};
use words::Words;

use super::{About, Detector, bounded};
use crate::context::{Block, Context, Raise, Relief, Standing};
use crate::event::Event;
use crate::finding::Measure;
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::{Action, Outcome};
use crate::plan::LaneKind;
use crate::rule::{Layer, Severity};
use crate::time::{DAY, HOUR, MINUTE, Millis, SECOND, day_of, spoken};

const SIGNED_IN: &str = "somebody signed in anew";
const CARRIED_OUT: &str = "something was carried out";
const PRIVILEGED: &str = "the account is privileged";
const RETURNED: &str = "a return was told since, which counts from before this activity";
const IN_GRACE: &str = "within the time in which sessions end";

/// A day ends so long after it ends in UTC where it ends last, twelve hours west of it.
const WESTERNMOST: Millis = 12 * HOUR;

/// Parameters of `terminated_user`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Activity this soon after the time that counts is held back, minutes.
    pub grace_minutes: u32,
    /// So many objects can be carried out meanwhile without being told. 0: any number.
    #[serde(default, skip_serializing_if = "super::is_nothing")]
    pub grace_objects_max: u32,
    /// That somebody signs in anew is told meanwhile as well.
    #[serde(default, skip_serializing_if = "is_off")]
    pub grace_tells_sign_ins: bool,
    /// A leaving from midnight UTC is a day without a time, and counts from its end.
    #[serde(default, skip_serializing_if = "is_off")]
    pub midnight_is_a_day: bool,
    /// An account that is switched off counts like one whose person has left.
    pub disabled_counts: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_off(value: &bool) -> bool {
    !*value
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "grace_minutes", self.grace_minutes, 0, 30 * 24 * 60);
        bounded(&mut faults, "grace_objects_max", self.grace_objects_max, 0, 100_000);
        faults
    }

    fn grace(&self) -> Millis {
        Millis::from(self.grace_minutes) * MINUTE
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The person leaves or has left: what the newest record says.
    left: Option<Ended>,
    /// The account is off: since the first record that says so.
    off: Option<Ended>,
    active: Active,
    incidents: Incidents,
}

/// The account is one that nobody should use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Ended {
    /// The person has left; `false`: it is switched off.
    is_left: bool,
    /// From when it counts.
    from: Millis,
    /// When it was told.
    told: Millis,
    /// Until when; `None`: nobody has said.
    until: Option<Millis>,
    /// On how many days it had been active when that was told.
    days: u32,
    /// Objects carried out within the grace.
    #[serde(with = "crate::format::since_2")]
    taken: u32,
}

impl Ended {
    const fn new(is_left: bool, from: Millis, told: Millis) -> Self {
        Self { is_left, from, told, until: None, days: 0, taken: 0 }
    }

    const fn word(&self) -> &'static str {
        if self.is_left { "was recorded as having left" } else { "was disabled" }
    }

    /// Is it a day without a time?
    const fn is_day(&self, params: &Params) -> bool {
        self.is_left && params.midnight_is_a_day && self.from.rem_euclid(DAY) == 0
    }

    /// From when somebody is to be told.
    const fn begins(&self, params: &Params) -> Millis {
        if self.is_day(params) { self.from + DAY + WESTERNMOST } else { self.from }
    }

    fn holds_at(&self, params: &Params, now: Millis) -> bool {
        now > self.begins(params) && self.until.is_none_or(|until| now < until)
    }

    /// Is it over at this time?
    fn is_over(&self, now: Millis) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// The same until then. What is over stays as it ended, whoever says once more that it did.
    fn ends(self, at: Millis, now: Millis) -> Self {
        if self.is_over(now) { self } else { Self { until: Some(at), ..self } }
    }

    /// Does it end that the account is off, that it is on from this time? A row says how things are: from when the account
    /// was made. It ends what counted when it was told, as all that rows say does, and not what somebody has announced.
    const fn is_ended_by(&self, from: Millis) -> bool {
        // Times that count are rounded up to whole seconds.
        from > self.told || self.from < self.told + SECOND
    }

    /// Does another record count in its place that says the account is off from this time: after its end, or where it is off
    /// sooner than was announced?
    fn gives_way_to(&self, from: Millis, now: Millis) -> bool {
        self.is_over(now) || now < self.from && from < self.from
    }

    /// Does a record with this time say it anew? What ended counts again from a time after its end: an older one is what a
    /// column still holds.
    fn is_told_anew(&self, from: Millis, now: Millis) -> bool {
        let is_after_the_end = self.until.is_some_and(|until| until < from);
        if self.is_over(now) { is_after_the_end } else { self.from != from || is_after_the_end }
    }

    /// One leaving, one story.
    fn cause(&self) -> u64 {
        let mut bytes = [0; 9];
        bytes[..8].copy_from_slice(&self.from.to_le_bytes());
        bytes[8] = u8::from(self.is_left);
        hash64(&bytes)
    }
}

/// When the account was active: the last time, and the days before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Active {
    last: Option<Millis>,
    /// A bit for each day: the lowest is that of `last`.
    days: u64,
}

/// Activity after a time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct After {
    days: u32,
    /// The first of these days, or the last time where that is all that is known.
    first: Millis,
    last: Millis,
}

impl Active {
    fn note(&mut self, now: Millis) {
        let days = self.last.map_or(0, |last| i64::from(day_of(now)) - i64::from(day_of(last)));
        self.days = if days < 64 { self.days << days } else { 0 } | 1;
        self.last = Some(now);
    }

    /// When it was active on days after that of `from`, as far as they are known; the day itself counts where nothing later
    /// does.
    fn after(&self, from: Millis) -> Option<After> {
        let last = self.last.filter(|last| *last > from)?;
        let days = i64::from(day_of(last)) - i64::from(day_of(from));
        let known = if days < 64 { self.days & ((1 << days) - 1) } else { self.days };
        let first = match known.checked_ilog2() {
            Some(oldest) => (i64::from(day_of(last)) - i64::from(oldest)) * DAY,
            None => last,
        };
        Some(After { days: known.count_ones().max(1), first, last })
    }
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ABOUT: About = About::Account;

    const ASKS_STATUS: bool = true;

    const SUPPRESSIONS: &'static [&'static str] = &["grace"];

    const OPTIONAL: &'static [&'static str] = &["grace_objects_max", "grace_tells_sign_ins", "midnight_is_a_day"];

    fn wants(event: &Event) -> bool {
        // A logout ends what was; a new name is what others did.
        event.outcome == Outcome::Success && !matches!(event.action, Action::Logout | Action::UserRename)
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        let now = event.time;
        match (event.action, event.counts_from()) {
            // Records that say it once more move nothing, and do not tell again what was.
            (Action::UserTerminate, Some(from)) if self.left.is_none_or(|left| left.is_told_anew(from, now)) => {
                let mut left = Ended::new(true, from, now);
                self.look_back(params, context, &mut left);
                self.left = Some(left);
            }
            (Action::UserDisable, Some(from)) if self.off.is_none_or(|off| off.gives_way_to(from, now)) => {
                let mut off = Ended::new(false, from, now);
                if params.disabled_counts {
                    self.look_back(params, context, &mut off);
                }
                self.off = Some(off);
            }
            (Action::UserEnable | Action::UserCreate, Some(from)) => {
                self.off = self.off.map(|off| if off.is_ended_by(from) { off.ends(from, now) } else { off });
                self.left = self.left.map(|left| if from > left.told { left.ends(from, now) } else { left });
                self.returned(from, params, context);
            }
            (_, Some(_)) => {}
            (_, None) => {
                self.active.note(now);
                self.active(params, context);
            }
        }
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn copy_from(&mut self, other: &Self) {
        (self.left, self.off, self.active) = (other.left, other.off, other.active);
        self.incidents.copy_from(&other.incidents);
    }
}

impl State {
    /// What holds at this time, the first of both.
    fn ended(&self, params: &Params, now: Millis) -> Option<Ended> {
        let off = self.off.filter(|_| params.disabled_counts);
        let holding = self.left.into_iter().chain(off).filter(|ended| ended.holds_at(params, now));
        holding.min_by_key(|ended| ended.begins(params))
    }

    /// The account is active though nobody should use it.
    fn active(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        let Some(mut ended) = self.ended(params, event.time) else { return };
        let in_grace = event.time <= ended.begins(params) + params.grace();
        if in_grace && event.action.is_download() && context.keeps(2) && context.exception.is_none() {
            ended.taken = ended.taken.saturating_add(event.quantity.objects.max(1));
            let slot = if ended.is_left { &mut self.left } else { &mut self.off };
            *slot = Some(ended);
        }
        let is_sign_in = matches!(event.action, Action::Login | Action::SessionStart);
        let most = params.grace_objects_max;
        let takes_much = most > 0 && ended.taken > most && event.action.is_download();
        let is_tolerated = in_grace && !takes_much && !(params.grace_tells_sign_ins && event.action == Action::Login);
        let grace = is_tolerated.then(|| grace(ended, params, event.time));
        let blocker = context.blocker(grace.into_iter().collect());
        let reliefs = [Relief { reason: IN_GRACE, holds: in_grace && blocker.is_none() }];
        let incident = self.incidents.touch(ended.cause(), blocker.is_some(), context);
        incident.add(context.trace(), event.test);
        let mut aggravations = Vec::from_iter(event.account.privileged.then_some(PRIVILEGED));
        aggravations.extend(is_sign_in.then_some(SIGNED_IN));
        aggravations.extend(event.action.is_download().then_some(CARRIED_OUT));
        let user = context.subject.user();
        let raise = Raise { blocker, aggravations, fresh: false };
        let standing = Standing { reliefs: &reliefs, quiet: context.quiet() };
        context.raise_as(incident, raise, standing, |incident| {
            Words { user, ended, before: None }.explain(params, incident)
        });
    }

    /// A return that counts from before what was told as activity explains it: what is told stands, at low severity.
    fn returned(&mut self, from: Millis, params: &Params, context: &mut Context<'_>) {
        let Some(left) = self.left.filter(|left| left.until == Some(from)) else { return };
        let blocker = context.blocker(Vec::new());
        let Some(incident) = self.incidents.same(left.cause(), blocker.is_some()) else { return };
        let is_told = incident.severity_reasons.iter().any(|known| known == RETURNED);
        if !incident.is_raised() || is_told || incident.first < from {
            return;
        }
        incident.severity = Some(Severity::Low);
        incident.severity_reasons = vec![RETURNED.to_owned()];
        let user = context.subject.user();
        let raise = Raise { blocker, aggravations: Vec::new(), fresh: true };
        context.raise(incident, raise, |incident| Words { user, ended: left, before: None }.explain(params, incident));
    }

    /// Was it, before that was told?
    fn look_back(&mut self, params: &Params, context: &mut Context<'_>, ended: &mut Ended) {
        let Some(before) = self.active.after(ended.begins(params) + params.grace()) else { return };
        ended.days = before.days;
        let event = context.event;
        let blocker = context.blocker(Vec::new());
        let incident = self.incidents.touch(ended.cause(), blocker.is_some(), context);
        // The record of leaving is evidence and no activity.
        incident.add(context.trace(), event.test);
        incident.count -= 1;
        incident.first = incident.first.min(before.first);
        let aggravations = Vec::from_iter(event.account.privileged.then_some(PRIVILEGED));
        let (user, ended) = (context.subject.user(), *ended);
        let raise = Raise { blocker, aggravations, fresh: true };
        context
            .raise(incident, raise, |incident| Words { user, ended, before: Some(before) }.explain(params, incident));
    }
}

/// Holds back what happens within the grace.
fn grace(ended: Ended, params: &Params, now: Millis) -> Block {
    let since = spoken(now - ended.begins(params));
    let span = spoken(params.grace());
    let mut measures = vec![Measure::new("grace_minutes", f64::from(params.grace_minutes), "min")];
    if ended.taken > 0 {
        measures.push(Measure::new("objects_in_grace", f64::from(ended.taken), "objects"));
        measures.push(Measure::new("grace_objects_max", f64::from(params.grace_objects_max), "objects"));
    }
    let reason = format!("{since} after the account {}, within the {span} in which sessions end", ended.word());
    Block { layer: Layer::System, by: "grace", reason, measures }
}

/// Did something happen that would be told within the grace as well?
fn is_told_in_grace(params: &Params, incident: &Incident) -> bool {
    incident.severity_reasons.iter().any(|reason| {
        reason == SIGNED_IN && params.grace_tells_sign_ins || reason == CARRIED_OUT && params.grace_objects_max > 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_activity_are_those_after_the_day_that_counts() {
        let mut active = Active::default();
        let noon = |day: i64| day * DAY + DAY / 2;
        for day in [0, 1, 3, 3, 10] {
            active.note(noon(day));
        }
        let seen = |days, first, last: i64| Some(After { days, first, last: noon(last) });
        for (from, wanted) in [
            (noon(0), seen(3, DAY, 10)),
            (noon(1), seen(2, 3 * DAY, 10)),
            (noon(9), seen(1, 10 * DAY, 10)),
            (noon(10) - 1, seen(1, noon(10), 10)),
            (noon(10), None),
            (noon(-100), seen(4, 0, 10)),
        ] {
            assert_eq!(active.after(from), wanted, "{from}");
        }
        active.note(noon(74));
        assert_eq!(active.after(noon(5)), seen(1, 74 * DAY, 74), "what is 64 days old is forgotten");
        active.note(noon(75));
        assert_eq!(active.after(noon(5)), seen(2, 74 * DAY, 75));
    }
}
