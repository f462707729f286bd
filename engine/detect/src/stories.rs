//! Stories: which alerts of a key belong together, as the policy `incident` tells them.
//!
//! What stands of a key's alerts is kept here, each cut to what a story needs, and stories are made anew of all of them
//! whenever one changes. They are a function of what stands and of nothing else, so the order in which it came to stand
//! cannot be seen, and an alert that is taken back takes its place in the story with it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalogue::Params;
use crate::context::Subject;
use crate::detectors::incident::Params as IncidentParams;
use crate::detectors::{About, counted, from_addresses};
use crate::finding::{
    ADDRESSES_MAX, Beside, Evidence, Finding, Measure, SeenAddress, Status, Story, StoryPart, Trace, cut, identity,
};
use crate::hash::hash64;
use crate::plan::PlanRule;
use crate::plans::{Plans, VersionSet};
use crate::rule::Severity;
use crate::sent::Change;
use crate::time::{DAY, Millis, SECOND, date, spoken, to_the_minute};

/// Alerts of a story at most; the next begins another.
pub const PARTS_MAX: usize = 32;
/// Alerts of a key that are kept at most, over all its stories; beyond, the oldest story is forgotten.
pub const KEPT_MAX: usize = 8 * PARTS_MAX;
/// An alert is kept for so long beyond the quiet time after it: what is told today may have begun weeks ago, and belong to it.
pub const KEEP: Millis = 30 * DAY;
/// Events of an alert that are kept at most: the first half and the last half of those it names.
const TRACES_MAX: usize = 16;
/// Bytes of an alert's sentence that are kept at most.
const PART_SENTENCE_BYTES_MAX: usize = 300;
/// Alerts that the sentence of a story names at most.
const NAMED_MAX: usize = 6;
/// All stories of a key are of one cause.
const CAUSE: u64 = 0;

/// What stands of a key's alerts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stories {
    /// In the order of their beginnings.
    parts: Vec<Part>,
    /// Before this horizon nothing is to be forgotten, as far as was reckoned: most records change no story.
    #[serde(skip, default = "not_reckoned")]
    nothing_before: Millis,
}

impl Default for Stories {
    fn default() -> Self {
        Self { parts: Vec::new(), nothing_before: not_reckoned() }
    }
}

const fn not_reckoned() -> Millis {
    Millis::MIN
}

/// An alert that stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    finding: Finding,
    late: bool,
    /// Of every event that it names: when it was, and a hash of its id.
    events: Vec<(Millis, u64)>,
}

/// A story that stands.
pub(crate) struct Told {
    pub(crate) finding: Arc<Finding>,
    /// Nothing can belong to it any more: it stays as it was told, and is not told now.
    pub(crate) is_over: bool,
}

/// The policy as it holds for a story, and in which words its alerts speak.
#[derive(Clone, Copy)]
struct Teller<'a> {
    plans: &'a Plans,
    rule: &'a PlanRule,
    params: &'a IncidentParams,
    subject: Subject<'a>,
}

/// What the alerts of a story weigh together.
struct Weighed {
    /// From 0 to 100.
    score: u8,
    /// By alert: it adds to the score.
    counts: Vec<bool>,
    /// The score without the strongest alert; what a reader must know who doubts it.
    without_strongest: u8,
}

impl Part {
    fn new(finding: &Finding, late: bool) -> Self {
        let named = |trace: &Trace| (trace.time, hash64(trace.id.to_string().as_bytes()));
        let events = finding.evidence.iter().map(named).collect();
        let mut evidence = finding.evidence.clone();
        if evidence.len() > TRACES_MAX {
            evidence.drain(TRACES_MAX / 2..evidence.len() - TRACES_MAX / 2);
        }
        let empty = (Vec::new(), Vec::new(), Vec::new(), String::new());
        let (observed, baseline, threshold, counterfactual) = empty;
        let summary = cut(finding.summary.clone(), PART_SENTENCE_BYTES_MAX);
        let kept = Finding { summary, observed, baseline, threshold, counterfactual, evidence, ..finding.clone() };
        Self { finding: kept, late, events }
    }

    /// A total order that depends on nothing but the alerts.
    fn place(&self) -> (Millis, u128) {
        (self.finding.first, self.finding.id)
    }

    /// When something of it happened. Between the first and the last events that it names there are others, if it has more.
    fn spans(&self) -> impl Iterator<Item = (Millis, Millis)> {
        let Finding { first, last, .. } = self.finding;
        let cut = self.cut().unwrap_or((first, first));
        self.events.iter().map(|(time, _)| (*time, *time)).chain([(first, first), (last, last), cut])
    }

    /// Between which of the events that it names there are others.
    fn cut(&self) -> Option<(Millis, Millis)> {
        let middle = self.events.len() / 2;
        let (before, after) = self.events.get(middle.saturating_sub(1)).zip(self.events.get(middle))?;
        (self.finding.count > self.events.len() as u64).then_some((before.0, after.0))
    }

    /// Does either name an event that the other names too, or may have, of its kind, among those that it does not name?
    fn is_in_part_of(&self, other: &Self) -> bool {
        let kinds = |part: &'_ Self| {
            part.finding.evidence.iter().map(|trace| (trace.action, trace.outcome)).collect::<Vec<_>>()
        };
        let (own, others) = (kinds(self), kinds(other));
        let are_alike = own.iter().any(|kind| others.contains(kind));
        let is_of = |event: &(Millis, u64), part: &Self| {
            part.events.iter().any(|(_, id)| *id == event.1)
                || are_alike && part.cut().is_some_and(|(from, until)| (from..=until).contains(&event.0))
        };
        self.events.iter().any(|event| is_of(event, other)) || other.events.iter().any(|event| is_of(event, self))
    }

    /// Do both name at least half of the events that either names?
    fn is_mostly_of(&self, other: &Self) -> bool {
        let shared = self.events.iter().filter(|(_, id)| other.events.iter().any(|(_, of)| of == id)).count();
        2 * shared >= self.events.len() + other.events.len() - shared
    }

    /// Is it so long ago that nothing can belong to it any more?
    fn is_over(&self, horizon: Millis, plans: &Plans) -> bool {
        self.kept_until(plans) < horizon
    }

    fn kept_until(&self, plans: &Plans) -> Millis {
        self.finding.last.saturating_add(quiet_of(self, plans) + KEEP)
    }

    /// The rule under which it is told in a story; `None`: it is not.
    fn rule_of_story<'a>(&self, plans: &'a Plans) -> Option<(&'a PlanRule, &'a IncidentParams)> {
        let rule = plans.of(self.finding.version).story_rule()?;
        match &rule.rule.params {
            Params::Incident(params) => Some((rule, params)),
            _ => None,
        }
    }
}

impl Stories {
    /// Takes what has changed about the key's alerts.
    pub(crate) fn follow(&mut self, changes: &[Change], plans: &Plans) {
        for change in changes.iter().filter(|change| !change.suppression) {
            self.parts.retain(|part| part.finding.id != change.id);
            let part = change.finding.as_deref().map(|finding| Part::new(finding, change.late));
            self.parts.extend(part.filter(|part| part.rule_of_story(plans).is_some()));
        }
        self.parts.sort_unstable_by_key(Part::place);
        self.nothing_before = not_reckoned();
    }

    /// Forgets stories that nothing can belong to any more, and the oldest beyond [`KEPT_MAX`]. `None`: there was
    /// none; else how many alerts were forgotten early.
    pub(crate) fn forget(&mut self, horizon: Millis, plans: &Plans) -> Option<usize> {
        if horizon <= self.nothing_before {
            return None;
        }
        let (mut gone, mut early, mut next): (BTreeSet<u128>, usize, Millis) = (BTreeSet::new(), 0, Millis::MAX);
        for group in self.groups(plans) {
            let is_too_much = self.parts.len() - gone.len() > KEPT_MAX;
            let kept_until = group.iter().map(|part| part.kept_until(plans)).max().unwrap_or(Millis::MIN);
            if kept_until < horizon || is_too_much {
                gone.extend(group.iter().map(|part| part.finding.id));
                early += if kept_until < horizon { 0 } else { group.len() };
            } else {
                next = next.min(kept_until);
            }
        }
        // What goes may have held others together.
        self.nothing_before = if gone.is_empty() { next } else { not_reckoned() };
        self.parts.retain(|part| !gone.contains(&part.finding.id));
        (!gone.is_empty()).then_some(early)
    }

    /// Is nothing kept?
    pub(crate) const fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds the versions that it refers to.
    pub(crate) fn versions(&self, found: &mut VersionSet) {
        self.parts.iter().for_each(|part| found.insert(part.finding.version));
    }

    /// The stories that stand, in the order of their beginnings.
    pub(crate) fn told(&self, plans: &Plans, subject: Subject<'_>, horizon: Millis) -> Vec<Told> {
        let teller = |parts: &[&Part]| {
            let newest = parts.iter().max_by(|a, b| a.finding.at.cmp(&b.finding.at))?;
            let (rule, params) = newest.rule_of_story(plans)?;
            Some(Teller { plans, rule, params, subject })
        };
        let told = |parts: &Vec<&Part>| {
            let finding = Arc::new(teller(parts)?.tell(parts)?);
            Some(Told { finding, is_over: parts.iter().all(|part| part.is_over(horizon, plans)) })
        };
        self.groups(plans).iter().filter_map(told).collect()
    }

    /// Alerts that belong together: something of one happened within the quiet time after something of another.
    fn groups(&self, plans: &Plans) -> Vec<Vec<&Part>> {
        let mut spans: Vec<(Millis, Millis, usize)> = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            spans.extend(part.spans().map(|(from, until)| (from, until, index)));
        }
        spans.sort_unstable();
        // The least alert that each belongs to.
        let mut leads: Vec<usize> = (0..self.parts.len()).collect();
        let (mut until, mut before) = (Millis::MIN, None);
        for (from, to, index) in spans {
            if let Some(before) = before.filter(|_| from <= until.saturating_add(quiet_of(&self.parts[index], plans))) {
                let (one, other) = (lead_of(&leads, before), lead_of(&leads, index));
                leads[one.max(other)] = one.min(other);
            }
            (until, before) = (until.max(to), Some(index));
        }
        let mut groups: BTreeMap<usize, Vec<&Part>> = BTreeMap::new();
        for (index, part) in self.parts.iter().enumerate() {
            groups.entry(lead_of(&leads, index)).or_default().push(part);
        }
        groups.into_values().flat_map(|group| group.chunks(PARTS_MAX).map(<[_]>::to_vec).collect::<Vec<_>>()).collect()
    }
}

fn lead_of(leads: &[usize], mut index: usize) -> usize {
    while leads[index] != index {
        index = leads[index];
    }
    index
}

fn quiet_of(part: &Part, plans: &Plans) -> Millis {
    part.rule_of_story(plans).map_or(0, |(rule, _)| Millis::from(rule.rule.quiet_secs) * SECOND)
}

impl Teller<'_> {
    fn tell(&self, parts: &[&Part]) -> Option<Finding> {
        let weighed = self.weigh(parts);
        let policies = weighed.counts.iter().filter(|counts| **counts).count();
        if policies < self.params.policies_min as usize || weighed.score < self.params.score_min {
            return None;
        }
        let rule = &self.rule.rule;
        let opener = &parts.first()?.finding.opener;
        let newest = &parts.iter().max_by(|a, b| a.finding.at.cmp(&b.finding.at))?.finding;
        let last = parts.iter().map(|part| part.finding.last).max()?;
        let (dedup, id) = identity(&rule.id, self.subject, CAUSE, opener, false);
        let gravest = parts.iter().map(|part| part.finding.severity).max()?.max(rule.severity);
        let (severity, severity_reasons) = if weighed.score >= self.params.score_grave && gravest < Severity::Critical {
            (gravest.raised(), vec![format!("risk score {} of 100", weighed.score)])
        } else {
            (gravest, Vec::new())
        };
        let evidence = merged(parts.iter().flat_map(|part| &part.finding.evidence));
        Some(Finding {
            id,
            dedup,
            rule: self.rule.key,
            version: newest.version,
            status: Status::Open,
            severity,
            severity_reasons,
            count: count_of(parts),
            first: parts.iter().map(|part| part.finding.first).min()?,
            last,
            open_until: last + Millis::from(rule.quiet_secs) * SECOND,
            summary: cut(self.summary(parts, policies), crate::finding::SENTENCE_BYTES_MAX),
            observed: vec![
                Measure::new("risk_score", f64::from(weighed.score), "of 100"),
                Measure::new("alerts", parts.len() as f64, "alerts"),
                Measure::new("policies", policies as f64, "policies"),
            ],
            baseline: Vec::new(),
            threshold: vec![
                Measure::new("policies_min", f64::from(self.params.policies_min), "policies"),
                Measure::new("score_min", f64::from(self.params.score_min), "of 100"),
                Measure::new("quiet", f64::from(rule.quiet_secs) / 3_600.0, "h"),
            ],
            counterfactual: self.counterfactual(&weighed),
            addresses: addresses(parts),
            sessions: distinct(parts.iter().flat_map(|part| &part.finding.sessions), |session| *session),
            evidence,
            test: parts.iter().all(|part| part.finding.test),
            opener: opener.clone(),
            at: newest.at.clone(),
            kind: None,
            beside: Beside {
                story: Some(Box::new(Story { score: weighed.score, parts: self.parts(parts, &weighed) })),
                person: newest.beside.person.clone(),
            },
        })
    }

    /// 100 × (1 − the product of (1 − risk score / 100)) over the strongest alert of each policy, as independent chances
    /// add up. An alert that names mostly the events of a stronger one, and is about the same, is no other sign: it adds nothing.
    fn weigh(&self, parts: &[&Part]) -> Weighed {
        let (score, counts, strongest) = self.scored(parts);
        let others: Vec<&Part> =
            parts.iter().enumerate().filter(|(index, _)| Some(*index) != strongest).map(|(_, part)| *part).collect();
        Weighed { score, counts, without_strongest: self.scored(&others).0 }
    }

    /// The score, which alerts add to it, and which of them is the strongest.
    fn scored(&self, parts: &[&Part]) -> (u8, Vec<bool>, Option<usize>) {
        let risk = |index: usize| f64::from(self.risk(&parts[index].finding));
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by(|a, b| risk(*b).total_cmp(&risk(*a)).then(a.cmp(b)));
        let strongest = order.first().copied();
        // Such a policy may take its place beside no detector, so it must not stand between two.
        order.sort_by_key(|index| self.is_said(parts[*index]));
        let is_one_sign = |part: &Part, other: &Part| self.is_one_sign(part, other);
        let (mut stronger, mut rules): (Vec<&Part>, BTreeSet<u64>) = Default::default();
        let (mut counts, mut harmless) = (vec![false; parts.len()], 1.0);
        for index in order {
            let part = parts[index];
            let is_new = !stronger.iter().any(|other| is_one_sign(part, other));
            if is_new && rules.insert(part.finding.rule) {
                counts[index] = true;
                harmless *= 1.0 - risk(index) / 100.0;
            }
            stronger.push(part);
        }
        (((1.0 - harmless) * 100.0).round().clamp(0.0, 100.0) as u8, counts, strongest)
    }

    /// Is it of a policy of one's own that is said to be about what detectors tell too?
    fn is_said(&self, part: &Part) -> bool {
        let params = self.rule_of(&part.finding).map(|rule| &rule.rule.params);
        matches!(params, Some(Params::ActivityPolicy(params)) if params.about.is_some())
    }

    /// Do both say the same of mostly the same events? A policy that is said to be about what a detector has told tells it once more,
    /// and sees only some of the events.
    fn is_one_sign(&self, part: &Part, other: &Part) -> bool {
        let about = |part: &Part| self.rule_of(&part.finding).map_or(About::Anything, |rule| rule.rule.params.about());
        let is_once_more = self.is_said(part) && !self.is_said(other) && about(part) == about(other);
        is_once_more && part.is_in_part_of(other) || about(part).meets(about(other)) && part.is_mostly_of(other)
    }

    fn rule_of(&self, finding: &Finding) -> Option<&PlanRule> {
        self.plans.of(finding.version).rule(finding.rule)
    }

    fn risk(&self, finding: &Finding) -> u8 {
        self.rule_of(finding).map_or(0, |rule| rule.rule.risk(finding.severity))
    }

    fn parts(&self, parts: &[&Part], weighed: &Weighed) -> Vec<StoryPart> {
        let part = |(part, counts): (&&Part, &bool)| {
            let rule = &self.rule_of(&part.finding)?.rule;
            let Finding { id, severity, count, first, last, ref summary, ref kind, .. } = part.finding;
            let techniques = rule.techniques(kind.as_deref()).into_iter().cloned().collect();
            Some(StoryPart {
                id,
                policy: Cow::Borrowed(rule.params.detector()),
                rule: rule.id.clone(),
                severity,
                risk: rule.risk(severity),
                counts: *counts,
                kind: kind.as_ref().map(|kind| kind.word.clone()),
                first,
                last,
                count,
                summary: summary.clone(),
                late: part.late,
                techniques,
            })
        };
        parts.iter().zip(&weighed.counts).filter_map(part).collect()
    }

    /// `policies`: those that add to the score.
    fn summary(&self, parts: &[&Part], policies: usize) -> String {
        let rules: BTreeSet<u64> = parts.iter().map(|part| part.finding.rule).collect();
        let others = match rules.len().saturating_sub(policies) {
            0 => String::new(),
            others => format!(" (and {others} more on the same events)"),
        };
        let first = parts.iter().map(|part| part.finding.first).min().unwrap_or_default();
        let last = parts.iter().map(|part| part.finding.last).max().unwrap_or_default();
        let is_one_day = date(first) == date(last);
        let named = parts.iter().take(NAMED_MAX).map(|part| self.named(part, is_one_day));
        let mut list = named.collect::<Vec<_>>().join(", then ");
        if parts.len() > NAMED_MAX {
            list = format!("{list}, and {} more", parts.len() - NAMED_MAX);
        }
        let when = if is_one_day {
            format!("on {} within {}", date(first), spoken(last - first))
        } else {
            format!("from {} to {} UTC", to_the_minute(first), to_the_minute(last))
        };
        format!(
            "{}: {} of {} policies{others} {when}: {list}; {}.",
            self.subject.user(),
            counted(parts.len() as u64, "alert", "alerts"),
            policies,
            from_addresses(&addresses(parts)),
        )
    }

    /// `failed_logins (guessed, high) at 09:02`
    fn named(&self, part: &Part, is_one_day: bool) -> String {
        let Finding { severity, first, ref kind, .. } = part.finding;
        let rule = self.rule_of(&part.finding).map_or("an alert", |rule| rule.rule.id.as_str());
        let kind = kind.as_ref().map(|kind| format!("{}, ", kind.word)).unwrap_or_default();
        let at = if is_one_day { crate::time::clock(first) } else { to_the_minute(first) };
        format!("{rule} ({kind}{}) at {at}", severity.as_str())
    }

    fn counterfactual(&self, weighed: &Weighed) -> String {
        let IncidentParams { policies_min, score_min, .. } = self.params;
        let quiet = spoken(Millis::from(self.rule.rule.quiet_secs) * SECOND);
        format!(
            "Told from {policies_min} policies and a risk score of {score_min} on; without the strongest alert the score \
             would be {}. An alert none of whose events is within {quiet} of one of the others is not part of it.",
            weighed.without_strongest
        )
    }
}

fn addresses(parts: &[&Part]) -> Vec<SeenAddress> {
    distinct(parts.iter().flat_map(|part| &part.finding.addresses), |seen| seen.address)
}

/// Different events, as far as they are named.
fn count_of(parts: &[&Part]) -> u64 {
    let all: u64 = parts.iter().map(|part| part.finding.count).sum();
    let named: usize = parts.iter().map(|part| part.events.len()).sum();
    let different: BTreeSet<u64> = parts.iter().flat_map(|part| &part.events).map(|(_, id)| *id).collect();
    all.saturating_sub((named - different.len()) as u64)
}

/// The first of those that are alike, at most [`ADDRESSES_MAX`].
fn distinct<'a, T: Copy + 'a, K: PartialEq>(all: impl Iterator<Item = &'a T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen: Vec<T> = Vec::new();
    for one in all {
        if seen.len() < ADDRESSES_MAX && !seen.iter().any(|known| key(known) == key(one)) {
            seen.push(*one);
        }
    }
    seen
}

/// The events of several alerts in order, each once, bounded as those of one.
fn merged<'a>(traces: impl Iterator<Item = &'a Trace>) -> Vec<Trace> {
    let mut all: Vec<&Trace> = traces.collect();
    all.sort_by(|a, b| a.order().cmp(&b.order()));
    all.dedup_by(|a, b| a.id == b.id);
    let mut evidence = Evidence::default();
    all.into_iter().cloned().for_each(|trace| evidence.push(trace));
    evidence.traces()
}
