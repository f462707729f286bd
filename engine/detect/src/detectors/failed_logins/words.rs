//! What an alert about failed sign-ins says.

use std::collections::BTreeSet;

use super::memory::{Client, Facts, Mark, Success};
use super::{Params, SUCCEEDED_AFTER, counted, grouped, who};
use crate::baseline::Usual;
use crate::context::{Block, Explanation};
use crate::detectors::from_where;
use crate::finding::{Kind, Measure};
use crate::incident::Incident;
use crate::networks::NetworkId;
use crate::rule::Layer;
use crate::time::{Millis, SECOND, clock, spoken};

/// Mechanism that holds back what is usual.
const USUAL_FAILURES: &str = "usual_failures";

/// What the words are made of.
pub(super) struct Words<'a> {
    pub(super) user: &'a str,
    pub(super) succeeded: Option<Millis>,
    /// What that says of the failures.
    pub(super) success: Success,
    /// The most failures within the shorter window.
    pub(super) peak: u32,
    pub(super) mark: Mark,
    pub(super) usual: Option<Usual>,
    pub(super) rhythm: Option<Millis>,
    /// Failures beside it.
    pub(super) asides: u32,
    pub(super) facts: Option<&'a Facts>,
}

/// What the failures look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FailureKind {
    /// From so many networks as only a network of machines has.
    stuffing: bool,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// Guesses.
    Guessing,
    /// Guesses, and a sign-in that raised the severity.
    Guessed,
    /// A client that goes on with an old password.
    OldPassword,
}

impl FailureKind {
    fn named(self) -> Kind {
        let guessing = if self.stuffing { "T1110.001" } else { "T1110.004" };
        match self.what {
            What::Guessing if self.stuffing => Kind::new("stuffing", &[guessing, "T1078.004"]),
            What::Guessing => Kind::new("brute_force", &[guessing, "T1078.004"]),
            What::Guessed => Kind::new("guessed", &[guessing]),
            What::OldPassword => Kind::new("old_password", &[guessing, "T1078.004"]),
        }
    }

    /// What the numbers do not say by themselves.
    const fn said(self) -> &'static str {
        match self.what {
            What::Guessing | What::Guessed if self.stuffing => {
                "; failures from so many networks look like stuffing of leaked passwords"
            }
            What::Guessing | What::Guessed | What::OldPassword => "",
        }
    }
}

impl Words<'_> {
    pub(super) fn explain(&self, params: &Params, incident: &Incident) -> Explanation {
        let span = (incident.last - incident.first).max(SECOND);
        let end = match (self.succeeded.map(clock), self.success) {
            (None, _) => "; none succeeded so far".to_owned(),
            // Of an administrator's client nothing is forgiven.
            (Some(at), Success::Expired) if self.mark.client == Client::Likely => format!(
                "; a sign-in succeeded at {at}, beside a client with an expired password or token, which guesses nothing"
            ),
            (Some(at), Success::Open | Success::Expired) => format!("; a sign-in succeeded at {at}"),
            (Some(at), Success::Elsewhere) => {
                format!("; a sign-in succeeded at {at} from elsewhere, a network of the user for half a day or longer")
            }
            (Some(at), Success::AtHome) => {
                format!("; a sign-in succeeded at {at} from there, an address of the user for half a day or longer")
            }
        };
        Explanation {
            summary: format!(
                "{} failed to sign in {} in {} from {} UTC on, {}{}, {}{}{}{end}.",
                who(self.user),
                counted(incident.count, "time", "times"),
                spoken(span),
                clock(incident.first),
                from_where(incident),
                self.with(),
                self.limits(params),
                self.client(),
                self.kind(params, incident).said(),
            ),
            observed: self.observed(incident, span),
            baseline: self.baseline(),
            threshold: self.threshold(params),
            counterfactual: self.counterfactual(params),
            kind: Some(Box::new(self.kind(params, incident).named())),
        }
    }

    /// A sign-in that raised the severity outweighs how was guessed, and whether a client goes on afterwards.
    fn kind(&self, params: &Params, incident: &Incident) -> FailureKind {
        let addresses = incident.evidence.addresses();
        let networks: BTreeSet<NetworkId> = addresses.iter().map(NetworkId::of_carrier).collect();
        let enough = params.stuffing_networks_min as usize;
        let what = if incident.severity_reasons.iter().any(|reason| reason == SUCCEEDED_AFTER) {
            What::Guessed
        } else if self.mark.client == Client::Likely {
            What::OldPassword
        } else {
            What::Guessing
        };
        FailureKind { stuffing: enough > 0 && networks.len() >= enough, what }
    }

    fn crossed(&self, params: &Params) -> bool {
        self.peak > params.failures_max
    }

    /// With which programs, and why they failed.
    fn with(&self) -> String {
        let Some(facts) = self.facts else { return String::new() };
        let programs = match facts.agents() {
            0 | 1 => String::new(),
            many => format!(" with {many} programs"),
        };
        let reasons: Vec<String> = facts.reasons().map(|reason| reason.as_str().replace('_', " ")).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
        format!("{programs}{reasons}")
    }

    /// Which of the two limits was passed, the other where it was too.
    fn limits(&self, params: &Params) -> String {
        let limit = format!(
            "limit {} in {}",
            grouped(u64::from(params.failures_max)),
            spoken(Millis::from(params.window_secs) * SECOND)
        );
        match self.usual {
            None => limit,
            Some(usual) => {
                let usually = format!("usually {} in {} at this time", number(usual.belief.expected()), within(params));
                if self.crossed(params) { format!("{limit}, {usually}") } else { usually }
            }
        }
    }

    fn client(&self) -> String {
        match (self.mark.client, self.rhythm) {
            (Client::Likely, Some(interval)) => {
                let program = if self.facts.is_some_and(|facts| facts.agents() > 0) { " and program" } else { "" };
                let rhythm = spoken(interval);
                let beside = match self.asides {
                    0 => String::new(),
                    some => format!(
                        ", beside {} from where the user has been known for half a day or longer",
                        counted(u64::from(some), "mistake", "mistakes")
                    ),
                };
                format!(
                    "; an even rhythm of {rhythm} from one address{program}: looks like a client with an old \
                     password{beside}"
                )
            }
            (Client::Doubted, _) => {
                "; it looked like a client with an old password before somebody signed in".to_owned()
            }
            (Client::Refuted, _) => "; it looked like a client with an old password and no longer does".to_owned(),
            _ => String::new(),
        }
    }

    fn observed(&self, incident: &Incident, span: Millis) -> Vec<Measure> {
        let addresses = incident.evidence.addresses().len();
        let mut observed = vec![
            Measure::new("failures", incident.count as f64, "events"),
            Measure::new("failures_in_window", f64::from(self.peak), "events"),
        ];
        if self.usual.is_some() {
            observed.push(Measure::new("failures_in_baseline_window", f64::from(self.mark.peak), "events"));
        }
        observed.push(Measure::new("span", (span / SECOND) as f64, "s"));
        observed.push(Measure::new("addresses", addresses as f64, "addresses"));
        let facts = self.facts.map_or([0; 2], |facts| [facts.agents(), facts.reasons().count()]);
        for (name, number) in [("agents", "programs"), ("reasons", "reasons")].into_iter().zip(facts) {
            if number > 0 {
                observed.push(Measure::new(name.0, number as f64, name.1));
            }
        }
        if let Some(interval) = self.rhythm {
            observed.push(Measure::new("rhythm", interval as f64 / 1_000.0, "s"));
        }
        observed
    }

    fn baseline(&self) -> Vec<Measure> {
        let Some(usual) = self.usual else { return Vec::new() };
        vec![
            Measure::new("expected_failures", rounded(usual.belief.expected()), "events"),
            Measure::new("tail_probability", rounded(usual.belief.tail(self.mark.peak)), "probability"),
            Measure::new("usual_days", f64::from(usual.days), "days"),
        ]
    }

    fn threshold(&self, params: &Params) -> Vec<Measure> {
        let mut threshold = vec![
            Measure::new("failures_max", f64::from(params.failures_max), "events"),
            Measure::new("window_secs", f64::from(params.window_secs), "s"),
        ];
        if self.usual.is_some() {
            threshold.extend([
                Measure::new("baseline_tail_max", params.baseline_tail_max, "probability"),
                Measure::new("baseline_floor", f64::from(params.baseline_floor), "events"),
                Measure::new("baseline_window_secs", f64::from(params.baseline_window_secs), "s"),
            ]);
        }
        threshold
    }

    fn counterfactual(&self, params: &Params) -> String {
        let limit = format!(
            "failures_max of {} or more, or with failures further apart than {} in {}",
            self.peak,
            grouped(u64::from(params.failures_max)),
            spoken(Millis::from(params.window_secs) * SECOND),
        );
        let unusual = self
            .usual
            .and_then(|usual| usual.belief.limit(params.baseline_floor, self.mark.peak, params.baseline_tail_max));
        // Fewer than the user's own limit may still be more than that of all.
        let fewer = unusual.map(|limit| {
            let limit = u64::from(limit.min(params.failures_max.saturating_add(1)));
            format!("fewer than {} in {}", counted(limit, "failure", "failures"), within(params))
        });
        match (self.crossed(params), fewer) {
            (true, None) => format!("It would not have fired with {limit}."),
            (true, Some(fewer)) => format!(
                "It would not have fired with {fewer}; with failures_max of {} or more it would have fired as unusual for \
                 the user.",
                self.peak
            ),
            (false, Some(fewer)) => format!(
                "It would not have fired with {fewer}, or with a baseline_tail_max of {} or less.",
                rounded(self.usual.map_or(0.0, |usual| usual.belief.tail(self.mark.peak))),
            ),
            (false, None) => "It would not have fired with fewer failures when it was raised.".to_owned(),
        }
    }
}

/// Holds back a burst as large as is usual for the user at this time.
pub(super) fn usual_failures(params: &Params, usual: Usual, failures: u32) -> Option<Block> {
    let tail = usual.belief.tail(failures);
    let is_usual =
        failures <= params.usual_failures_max && usual.days >= params.usual_days_min && tail >= params.usual_tail_min;
    is_usual.then(|| {
        let expected = usual.belief.expected();
        Block {
            layer: Layer::User,
            by: USUAL_FAILURES,
            reason: format!(
                "{} in {} are usual for the user at this time: usually {}, on {} before",
                counted(u64::from(failures), "failure", "failures"),
                within(params),
                number(expected),
                counted(u64::from(usual.days), "day", "days"),
            ),
            measures: vec![
                Measure::new("expected_failures", rounded(expected), "events"),
                Measure::new("tail_probability", rounded(tail), "probability"),
                Measure::new("usual_tail_min", params.usual_tail_min, "probability"),
                Measure::new("usual_days", f64::from(usual.days), "days"),
                Measure::new("usual_days_min", f64::from(params.usual_days_min), "days"),
                Measure::new("usual_failures_max", f64::from(params.usual_failures_max), "events"),
            ],
        }
    })
}

fn within(params: &Params) -> String {
    match params.baseline_window_secs {
        3_600 => "an hour".to_owned(),
        secs => spoken(Millis::from(secs) * SECOND),
    }
}

/// A number of failures as people read it: `0.05`, `0.3`, `12`.
fn number(expected: f64) -> String {
    match expected {
        ..0.01 => "less than 0.01".to_owned(),
        0.01..0.1 => format!("{expected:.2}"),
        0.1..10.0 => format!("{expected:.1}"),
        _ => format!("{expected:.0}"),
    }
}

/// Two significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}
