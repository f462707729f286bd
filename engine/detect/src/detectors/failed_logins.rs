//! Multiple failed login attempts of one user.
//!
//! # Finds
//! More than `failures_max` failed sign-ins or second factors of one user within `window_secs`: guessing at one account,
//! stuffing of leaked passwords, and a success that follows. And fewer or slower ones that are unusual for this user at this
//! hour of the week: at least `baseline_floor` within `baseline_window_secs` of which so many or more are less likely than
//! `baseline_tail_max`. And guesses that are further apart than any burst: failures from networks that are not the user's in
//! `slow_hours_min` different hours within `slow_within_hours`.
//!
//! # Why
//! ATT&CK T1110 (Brute Force). Five kinds are told apart, by `kind` of the alert and its techniques: `brute_force`, guesses
//! from few networks (T1110.001); `stuffing`, from `stuffing_networks_min` or more, as leaked passwords are tried through
//! many machines (T1110.004); `guessed`, once a sign-in raised the severity (T1078.004 beside them); `old_password`, a client
//! that goes on with one; `slow_guessing`, an alert of its own, of a day and more. An alert is of the kind that it looks like
//! when it is written, by the evidence that it names: it may begin as guessing and become another. The alert is raised at the
//! failure that crosses a limit (the 11th of "more than 10"), brought up to date at 20, 50, 100 … failures, and raised in
//! severity when a sign-in succeeds soon after.
//!
//! What is usual is learned for each user: failures come at a rate that is known as a Gamma distribution, so their number has
//! a negative binomial one, and its upper tail says how odd they are. It begins with what is usual for anybody, so there is
//! no dead week; with each week it is more the user's own, and old weeks are forgotten by halves. Hours of the week are UTC,
//! the hour before and after count as the same, since clocks change, and what is usual at this hour on any day is usual
//! today. Failures from an address from which somebody then succeeds are mistakes and count no more, unless they were told
//! before; the limit counts them all the same. A day teaches at most `baseline_floor` failures in an hour beyond twice what
//! was usual.
//!
//! The severity is a step lower, though never below low and never for a privileged account, while fewer than the limit
//! failed, and while it looks like a client with an old password: an even rhythm from one address and program, with one
//! reason or none that the source gives. A sign-in is its owner's if it comes from elsewhere, out of one of the last four
//! networks of the user that has been one for half a day, or from the address of the failures, if that has been the user's
//! last one there for as long (of both families the IPv4 one), or from anywhere if that client, and nobody else, fails since
//! its password or token has expired: it was right once, and nothing is guessed; any other raises the severity. A second
//! address, such a sign-in, or a rhythm that half of the intervals break takes the lower severity back for good, weighs again
//! what was taken for the owner's, and readers are told at once. Two things do not: up to `failures_max` wrong passwords from
//! where the user has been known for half a day, until the owner signs in, since whoever has changed a password mistypes the
//! new one; and, of a user who has been watched for less than half a day, or where the client knocks on a network of the
//! user, a sign-in from elsewhere takes it back only until the same client has shown its rhythm anew: whoever guesses stops
//! at the password that works. What reaches the limit and is usual for its user at this hour is held back as
//! `usual_failures`.
//!
//! Whoever guesses below every limit of a burst needs days, and people mistype where they are: so each hour counts in which
//! somebody failed on a network that has not been the user's for half a day, whose carrier is known and is no mobile one (by
//! its name; a phone with an old password goes on for days where its owner never signs in), unless a burst over the limit is
//! told meanwhile. In the user's first day none counts. A sign-in from an address of these failures, or soon after one from a
//! network as strange, raises the severity, unless they are an expired client's; an even rhythm lowers it by a step, as
//! above.
//!
//! # Blind spots
//! Guessing slower than `baseline_floor` in `baseline_window_secs` from the user's own networks or by a mobile carrier, or in
//! fewer hours than `slow_hours_min`, or, before that, right; a name under which no sign-in has succeeded for 90 days, and of
//! which no [record](../accounts.md) says whose it is: it is forgotten from hour to hour, so nothing becomes usual for it, and
//! slow guesses at it are not told, nor the one that is right at last, be it an account that sleeps, one that nobody has used
//! yet, or one of somebody whose sign-ins are not in the stream; one password tried over many accounts (that is a question
//! about the network, not about a
//! user); failures that the identity provider keeps to itself. Whoever fails day after day at the same hour, or guesses where
//! an integration fails every night, makes that usual: with alerts on the way, and up to `usual_failures_max` in
//! `baseline_window_secs`, above which nothing is. Within an hour of a user's noisy hour up to twice as much passes. A tool
//! that waits equally long between guesses, from one address under one name, looks like a client with an old password and
//! stands a step lower: whether the address fails for other users too tells them apart, which no detector of one user sees.
//! Guesses from an address that the user shares with others (an office, a carrier's gateway) count as mistakes for the
//! baseline once the user signs in from there; the limit counts them. Somebody behind such an address who guesses evenly
//! looks like a client of the user's own. While a client knocks, somebody who guesses in a network of the user may be wrong
//! `failures_max` times before it counts as a second address; a guesser of a user's first half day who goes on guessing
//! evenly, and signs in elsewhere with what was found, gets the step back that the sign-in had taken. While nothing else
//! fails, a sign-in beside or at the address of a client with an expired password raises nothing here, whoever it is, also
//! somebody who has that password and sets a new one: `new_device` and the policies of places look at it. Where neither
//! records nor a `user_profile` say who is privileged, a rhythm lowers the severity for administrators too: a rule of their
//! own with `rhythm_intervals: 0` does not.
//!
//! # Parameters
//! See [`Params`]. `suppression.quiet` of the rule closes the burst; what only the baseline raised is closed after
//! `baseline_window_secs`, if that is longer.
//!
//! # References
//! The reference product's template "multiple failed user sign-in attempts": more than 10 in 5 minutes. Herley and Schechter,
//! "Distinguishing Attacks from Legitimate Authentication Traffic at Scale", NDSS 2019. Gelman et al., "Bayesian Data
//! Analysis", 3rd edition, section 2.6, for the Gamma–Poisson model.

mod memory;
mod params;
mod rhythm;
mod slow;
mod words;

use serde::{Deserialize, Serialize};

use self::memory::{Client, Mark, Memory, ONE, Success};
pub use self::params::Params;
use self::words::{Words, usual_failures};
use super::{About, Detector, counted, grouped, who};
use crate::context::{Context, Raise, Relief, Standing};
use crate::event::Event;
use crate::finding::Blocker;
use crate::hash::hash64;
use crate::incident::{Incident, Incidents};
use crate::model::Outcome;
use crate::plan::LaneKind;
use crate::time::{Millis, SECOND};
use crate::window::{Counted, Window};

const SUCCEEDED_AFTER: &str = "a sign-in succeeded after the failures";
const PRIVILEGED: &str = "the account is privileged";
const BELOW_LIMIT: &str = "fewer failures than the limit, though more than usual for this user";
const OLD_PASSWORD: &str = "an even rhythm from one address: looks like a client with an old password";

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    window: Window,
    /// The most failures the window held since the incident was raised: of the one that is told, of the one held back.
    peaks: [u32; 2],
    incidents: Incidents,
    succeeded_at: Option<Millis>,
    #[serde(with = "crate::format::since_2")]
    memory: Memory,
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Authentication;

    const ABOUT: About = About::Entry;

    const SUPPRESSIONS: &'static [&'static str] = &["usual_failures"];

    /// The baseline, and what tells a client with an old password: they are off then.
    const OPTIONAL: &'static [&'static str] = &[
        "baseline_window_secs",
        "baseline_floor",
        "baseline_tail_max",
        "prior_failures_per_week",
        "prior_weeks",
        "half_life_weeks",
        "usual_tail_min",
        "usual_days_min",
        "usual_failures_max",
        "rhythm_intervals",
        "rhythm_tolerance_secs",
        "stuffing_networks_min",
        "slow_hours_min",
        "slow_within_hours",
    ];

    fn window_secs(params: &Params) -> u32 {
        params.window_secs.max(params.success_within_secs).max(params.baseline_window_secs)
    }

    fn wants(event: &Event) -> bool {
        event.action.is_authentication()
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let event = context.event;
        self.window.expire(event.time, Millis::from(params.window_secs) * SECOND, context.caps);
        let burst_only;
        let params = if context.keeps(2) {
            params
        } else {
            burst_only = params.burst_only();
            &burst_only
        };
        if params.remembers() {
            self.memory.pass(params, event.time, context.caps);
        } else if context.keeps(2) {
            self.memory = Memory::default();
        }
        self.let_go_of_slow(params, event.time);
        match event.outcome {
            Outcome::Failure => {
                self.failure(params, context);
                self.fail_slowly(params, context);
            }
            Outcome::Success => self.success(params, context),
            Outcome::Unknown => {}
        }
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn weight(&self) -> usize {
        self.window.weight() + self.memory.weight()
    }

    fn copy_from(&mut self, other: &Self) {
        self.window.copy_from(&other.window);
        self.incidents.copy_from(&other.incidents);
        (self.peaks, self.succeeded_at) = (other.peaks, other.succeeded_at);
        self.memory.copy_from(&other.memory);
    }
}

/// What a failure makes of the windows.
struct Verdict {
    /// What holds it back: an exception, or that it is usual.
    blocker: Option<Blocker>,
    /// An exception covers it.
    covered: bool,
    /// Failures that count in the shorter window, and in that of the baseline.
    in_window: u32,
    in_baseline: u32,
    over_limit: bool,
    unusual: bool,
}

/// What is to be said of an incident that was raised.
struct Told {
    held: bool,
    blocker: Option<Blocker>,
    aggravations: Vec<&'static str>,
    fresh: bool,
    succeeded: Option<Millis>,
}

impl State {
    fn failure(&mut self, params: &Params, context: &mut Context<'_>) {
        let now = context.event.time;
        let quiet = self.quiet(params, context);
        let is_told = self.is_raised(false, now, quiet);
        self.begin_anew(is_told, self.is_raised(true, now, quiet));
        let verdict = self.verdict(params, context, is_told);
        let held = verdict.blocker.is_some();
        let incident = self.incidents.touch_within(cause(), held, quiet, context);
        let was_raised = incident.is_raised();
        if was_raised {
            incident.add(context.trace(), context.event.test);
        } else if verdict.over_limit {
            open(incident, [Some(&self.window), self.memory.window()], &verdict, params.window_secs, now);
        } else if verdict.unusual {
            open(incident, [Some(&self.window), self.memory.window()], &verdict, params.baseline_window_secs, now);
        } else {
            return;
        }
        if !was_raised {
            incident.test = context.event.test;
        }
        // A sign-in stands before the failures of its second, but a clock of whole seconds cannot say that it came first.
        let mut aggravations = Vec::from_iter(context.event.account.privileged.then_some(PRIVILEGED));
        let has_succeeded = self.succeeded_at == Some(now) && !self.memory.is_owners(held);
        aggravations.extend(has_succeeded.then_some(SUCCEEDED_AFTER));
        let succeeded = self.succeeded_at.filter(|at| *at >= incident.first);
        let peak = &mut self.peaks[usize::from(held)];
        let before = if was_raised { *peak } else { verdict.in_window };
        *peak = before.max(verdict.in_window);
        let fresh = before <= params.failures_max && *peak > params.failures_max;
        if let Some(failures) = self.memory.failures_mut() {
            failures.marks[usize::from(held)].count(&verdict);
        }
        self.tell(params, context, Told { held, blocker: verdict.blocker, aggravations, fresh, succeeded });
    }

    fn success(&mut self, params: &Params, context: &mut Context<'_>) {
        let now = context.event.time;
        let before = self.succeeded_at.replace(now);
        let is_strange = self.memory.succeed(params, context.event, context.origin.seen);
        self.succeed_slowly(params, context, is_strange);
        let within = Millis::from(params.success_within_secs) * SECOND;
        let blocker = context.blocker(Vec::new());
        let held = blocker.is_some();
        let Some(incident) = self.incidents.live(cause(), held, now, within) else { return };
        if !incident.is_raised() {
            return;
        }
        // Its owner goes on working: that is told once, raises no severity, and is no evidence of the failures.
        let is_owners = self.memory.is_owners(held);
        if !is_owners {
            incident.add(context.trace(), context.event.test);
            incident.count -= 1;
        }
        let fresh = is_owners && before.is_none_or(|before| before < incident.first);
        let aggravations = Vec::from_iter((!is_owners).then_some(SUCCEEDED_AFTER));
        self.tell(params, context, Told { held, blocker, aggravations, fresh, succeeded: Some(now) });
    }

    /// Takes the failure into the windows and judges them. What goes on being told is not asked whether it is usual.
    fn verdict(&mut self, params: &Params, context: &mut Context<'_>, is_told: bool) -> Verdict {
        let (event, exception) = (context.event, context.blocker(Vec::new()));
        let covered = exception.is_some();
        if params.remembers() {
            self.memory.fail(params, context, covered, self.window.is_empty());
        }
        if params.has_baseline() {
            self.window.count(event.time, ONE, covered);
        } else {
            self.window.push(Counted { trace: context.trace(), carried: ONE, covered, object: 0 }, context.caps);
        }
        let counted = |window: &Window| window.sums().counted(covered).objects;
        let (in_window, in_baseline) = (counted(&self.window), self.memory.window().map_or(0, counted));
        let over_limit = in_window > params.failures_max;
        let mut verdict = Verdict { blocker: exception, covered, in_window, in_baseline, over_limit, unusual: false };
        if is_told || !over_limit && in_baseline < params.baseline_floor {
            return verdict;
        }
        let Some(usual) = self.memory.usual(params, event.time) else { return verdict };
        verdict.unusual = !over_limit && usual.belief.tail(in_baseline) < params.baseline_tail_max;
        if over_limit && !covered {
            verdict.blocker = context.blocker(usual_failures(params, usual, in_baseline).into_iter().collect());
        }
        verdict
    }

    fn tell(&mut self, params: &Params, context: &mut Context<'_>, told: Told) {
        let Self { memory, incidents, peaks, .. } = self;
        let Told { held, blocker, mut aggravations, fresh, succeeded } = told;
        let Some(incident) = incidents.same(cause(), held) else { return };
        let is_privileged =
            context.event.account.privileged || incident.severity_reasons.iter().any(|known| known == PRIVILEGED);
        let rhythm = memory.rhythm(params, held);
        if let Some(failures) = memory.failures_mut() {
            let client = &mut failures.marks[usize::from(held)].client;
            let was = *client;
            client.see(rhythm.is_some() && !is_privileged, failures.rhythm.is_doubted() && !is_privileged);
            // What was taken for the owner's sign-in is weighed again.
            let within = Millis::from(params.success_within_secs) * SECOND;
            let is_near = succeeded.is_some_and(|at| incident.last - at <= within);
            if was == Client::Likely && *client == Client::Refuted && is_near {
                failures.success = Success::Open;
                aggravations.push(SUCCEEDED_AFTER);
            }
        }
        let (mark, peak) = (memory.mark(held), peaks[usize::from(held)]);
        let below = peak <= params.failures_max && !is_privileged;
        let reliefs = [
            Relief { reason: BELOW_LIMIT, holds: below },
            Relief { reason: OLD_PASSWORD, holds: mark.client == Client::Likely },
        ];
        let standing = Standing { reliefs: &reliefs, quiet: mark.quiet(params, context.quiet()) };
        let (user, now) = (context.subject.user(), context.event.time);
        let raise = Raise { blocker, aggravations, fresh };
        context.raise_as(incident, raise, standing, |incident| {
            let usual = memory.usual(params, now);
            let (facts, success, asides) = (memory.facts(held), memory.success(), memory.asides());
            Words { user, succeeded, success, peak, mark, usual, rhythm, asides, facts }.explain(params, incident)
        });
    }

    /// How long what is told and what is held back must be quiet.
    fn quiet(&self, params: &Params, context: &Context<'_>) -> [Millis; 2] {
        [false, true].map(|held| self.memory.mark(held).quiet(params, context.quiet()))
    }

    fn is_raised(&self, held: bool, now: Millis, quiet: [Millis; 2]) -> bool {
        let is_open = |incident: &Incident| now <= incident.last + quiet[usize::from(incident.held)];
        let is_burst = |incident: &&Incident| incident.cause == cause() && incident.held == held;
        self.incidents.iter().filter(is_burst).any(|incident| incident.is_raised() && is_open(incident))
    }

    /// Forgets what was remembered of incidents that are over. Failures that were told are not told again as part of
    /// another incident.
    fn begin_anew(&mut self, is_told: bool, is_held: bool) {
        let Some(failures) = self.memory.failures_mut() else { return };
        if failures.marks[0].raised && !is_told {
            failures.window = Window::default();
        }
        for (mark, is_open) in failures.marks.iter_mut().zip([is_told, is_held]) {
            if mark.raised && !is_open {
                *mark = Mark::default();
            }
        }
    }
}

impl Mark {
    fn count(&mut self, verdict: &Verdict) {
        self.by_baseline |= !self.raised && !verdict.over_limit;
        self.raised = true;
        self.peak = self.peak.max(verdict.in_baseline);
    }

    /// What only the baseline raised is open for as long as failures are counted together there.
    fn quiet(self, params: &Params, of_rule: Millis) -> Millis {
        if self.by_baseline { of_rule.max(Millis::from(params.baseline_window_secs) * SECOND) } else { of_rule }
    }
}

impl Client {
    fn see(&mut self, is_likely: bool, is_doubted: bool) {
        *self = match (*self, is_likely) {
            (Self::Unknown | Self::Doubted, true) => Self::Likely,
            (Self::Likely | Self::Doubted, false) if is_doubted => Self::Doubted,
            (Self::Likely | Self::Doubted, false) => Self::Refuted,
            (known, _) => known,
        };
    }
}

/// Opens an incident with the failures of the last seconds as evidence.
fn open(incident: &mut Incident, windows: [Option<&Window>; 2], verdict: &Verdict, secs: u32, now: Millis) {
    let after = now - Millis::from(secs) * SECOND;
    // Evidence lies in the window of the baseline, and in the shorter one where it was kept before there was a baseline.
    let traces = windows.into_iter().flatten().flat_map(|window| window.traces(verdict.covered));
    traces.filter(|trace| trace.time > after).for_each(|trace| incident.add(trace.clone(), false));
    incident.count = u64::from(if verdict.over_limit { verdict.in_window } else { verdict.in_baseline });
    let [window, baseline] = windows.map(|window| window.and_then(|window| window.first(verdict.covered)));
    incident.first = if verdict.over_limit { window } else { baseline }.unwrap_or(now);
}

fn cause() -> u64 {
    hash64(b"burst")
}
