//! A second opinion on an hour: what the user's colleagues carry off in theirs, where somebody has said it.

use super::hour::Limits;
use super::turn::month_of;
use super::words::{in_objects, within};
use super::{BYTES, MEASURES, OBJECTS, Params, amounts};
use crate::context::{Block, Context};
use crate::event::Quantity;
use crate::finding::Measure;
use crate::peers::Peers;
use crate::rule::Layer;
use crate::time::{HOUR, Millis, SECOND};

/// Mechanism that holds back what is usual among colleagues. It counts as the user's own habits do: so it holds at low and
/// medium sensitivity.
pub(super) const USUAL_IN_GROUP: &str = "usual_in_group";

/// Raises the severity.
pub(super) const FAR_MORE: &str = "far more than colleagues do";

/// What colleagues do, as it counts for a download.
#[derive(Clone, Copy)]
pub(super) struct Colleagues<'a> {
    peers: &'a Peers,
    /// The download is around the turn of a month.
    is_turn: bool,
}

impl<'a> Colleagues<'a> {
    /// `None`: the rule does not ask, or what was said is of too few, too old, or of another length of time than the window.
    pub(super) fn of(params: &Params, context: &Context<'a>) -> Option<Self> {
        let (now, is_hour) = (context.event.time, Millis::from(params.window_secs) * SECOND == HOUR);
        let peers = context.peers.filter(|_| params.peers_min > 0 && is_hour)?;
        let is_turn = month_of(now, params.turn_days).is_some();
        (peers.people >= params.peers_min && peers.counts(now)).then_some(Self { peers, is_turn })
    }

    /// Is all that reached its floor within what they carry off? At an hour at which the user is never active they say nothing:
    /// the hour is what is odd.
    pub(super) fn excuse(&self, limits: &Limits, now: Quantity) -> bool {
        let mut reached = (0..MEASURES).filter(|measure| limits.reached[*measure]);
        let is_within = |measure: usize| self.most(measure).is_some_and(|most| amounts(now)[measure] <= most);
        !limits.is_asleep && reached.all(is_within)
    }

    /// Is something that was unusual for the user as many times what they carry off as would be unusual in the user's own?
    pub(super) fn are_exceeded(&self, params: &Params, limits: &Limits, peak: Quantity) -> bool {
        let (amounts, reached) = (amounts(peak), params.reached(peak, 1.0));
        (0..MEASURES).any(|measure| {
            let amount = amounts[measure];
            let is_far = |most: f64| amount > most && amount >= params.peak_times * most;
            reached[measure] && amount > limits.passing[measure] && self.most(measure).is_some_and(is_far)
        })
    }

    /// Holds back what they carry off too.
    pub(super) fn block(&self, params: &Params, limits: &Limits, now: Quantity) -> Block {
        let reached = || (0..MEASURES).filter(|measure| limits.reached[*measure]);
        let carried: Vec<String> = reached().map(|measure| in_objects(measure, amounts(now)[measure])).collect();
        Block {
            layer: Layer::User,
            by: USUAL_IN_GROUP,
            reason: format!(
                "{} within {} are no more than what 19 of 20 of {} did not exceed in any hour: {}",
                carried.join(", "),
                within(params),
                self.who(),
                self.numbers(reached()).join(", "),
            ),
            measures: self.measures(),
        }
    }

    /// One sentence about these measures; empty: none was measured.
    pub(super) fn sentence(&self, measures: impl Iterator<Item = usize>) -> String {
        let numbers = self.numbers(measures);
        if numbers.is_empty() {
            return String::new();
        }
        format!(" 19 of 20 of {} have had no hour above {}.", self.who(), numbers.join(", nor above "))
    }

    /// What would have been held back where just these measures reached their floors, as the end of a sentence; empty: nothing,
    /// since one of them was not measured.
    pub(super) fn condition(&self, reached: impl Iterator<Item = usize> + Clone) -> String {
        let numbers = self.numbers(reached.clone());
        if numbers.is_empty() || numbers.len() < reached.count() {
            return String::new();
        }
        format!(", nor with what 19 of 20 colleagues did not exceed ({})", numbers.join(" and "))
    }

    pub(super) fn measures(&self) -> Vec<Measure> {
        let people = Measure::new("peers_people", f64::from(self.peers.people), "people");
        let most = [("peers_objects", "objects"), ("peers_rows", "rows"), ("peers_bytes", "bytes")];
        let numbers = [OBJECTS, 1, BYTES].into_iter().zip(most);
        let known = numbers.filter_map(|(measure, (name, unit))| Some(Measure::new(name, self.most(measure)?, unit)));
        std::iter::once(people).chain(known).collect()
    }

    fn most(&self, measure: usize) -> Option<f64> {
        self.peers.most(measure, self.is_turn).map(|(most, _)| most as f64)
    }

    fn numbers(&self, measures: impl Iterator<Item = usize>) -> Vec<String> {
        let number = |measure: usize| {
            let (most, is_of_turn) = self.peers.most(measure, self.is_turn)?;
            let when = if is_of_turn { " around the turn of a month" } else { "" };
            Some(format!("{}{when}", in_objects(measure, most as f64)))
        };
        measures.filter_map(number).collect()
    }

    fn who(&self) -> String {
        let Peers { people, group, .. } = self.peers;
        if group.is_empty() { format!("{people} colleagues") } else { format!("{people} colleagues in {group}") }
    }
}
