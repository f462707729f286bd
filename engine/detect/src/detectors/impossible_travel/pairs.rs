//! Pairs of networks that a user goes to and fro between faster than anybody travels, and how often that was one client
//! on both at once.

use serde::{Deserialize, Serialize};

use super::Params;
use super::habit::{self, Days};
use super::jump::Jump;
use crate::context::Block;
use crate::event::Event;
use crate::finding::{Measure, SeenAddress};
use crate::hash::hash64;
use crate::rule::Layer;
use crate::time::{MINUTE, Millis, SECOND};

/// Pairs of a key that are remembered; the one not gone between for longest gives way.
pub const PAIRS_MAX: usize = 8;
/// A client that is back within this was on both networks at once.
pub const SPLIT_TUNNEL_SPAN: Millis = 10 * MINUTE;
/// The two families of one connection are seen within this of each other.
pub const DUAL_STACK_SPAN: Millis = 120 * SECOND;
/// Those of one connection of one carrier within this: a session goes on over lunch.
pub const CARRIER_SPAN: Millis = 60 * MINUTE;

/// Whoever is on another network only after this may have carried the client there.
pub const CARRIED_SPAN: Millis = 30 * MINUTE;

/// The pairs of a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pairs {
    list: Vec<Pair>,
    away: Option<Away>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Pair {
    /// Hash of both networks, whichever came first.
    #[serde(with = "postcard::fixint::le")]
    key: u64,
    /// On which the user went between them.
    days: Days,
    /// On which a client did and was back at once.
    split: Days,
}

/// A client that went from one network to another and may be back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Away {
    time: Millis,
    #[serde(with = "postcard::fixint::le")]
    pair: u64,
    /// Where it came from.
    #[serde(with = "postcard::fixint::le")]
    from: u64,
    client: Client,
}

/// What is at the other end: a session in a browser, and a registered device; 0: not named.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Client {
    #[serde(with = "postcard::fixint::le")]
    session: u64,
    #[serde(with = "postcard::fixint::le")]
    device: u64,
}

/// Days of a pair that are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Between {
    days: u16,
    /// Days before this one on which a client was on both at once.
    split_before: u16,
}

impl Client {
    fn of(event: &Event) -> Self {
        let named = event.session != 0 && event.agent != 0;
        let both = || hash64([event.session.to_le_bytes(), event.agent.to_le_bytes()].as_flattened());
        Self { session: if named { both() } else { 0 }, device: event.device }
    }

    const fn is(self, other: Self) -> bool {
        self.session != 0 && self.session == other.session || self.device != 0 && self.device == other.device
    }
}

impl Pairs {
    /// What is known of the way between two networks.
    pub(super) fn between(&self, params: &Params, from: &SeenAddress, to: &SeenAddress, day: i32) -> Between {
        let forget = params.familiar_forget_days as i32;
        let key = pair_of(from, to).map(|(key, _)| key);
        let pair = self.list.iter().find(|pair| Some(pair.key) == key);
        pair.map_or(Between::default(), |pair| Between {
            days: pair.days.remembered(day, forget),
            split_before: pair.split.before(day, forget),
        })
    }

    /// Takes in where the client of an event is: one that is back in time was on both networks at once.
    pub(super) fn seen(&mut self, params: &Params, event: &Event, seen: &SeenAddress, day: i32) {
        let Some(away) = self.away else { return };
        if event.time - away.time > SPLIT_TUNNEL_SPAN {
            self.away = None;
        } else if Some(away.from) == habit::key_of(seen) && away.client.is(Client::of(event)) {
            self.away = None;
            if let Some(pair) = self.list.iter_mut().find(|pair| pair.key == away.pair) {
                pair.split.add(day, params.familiar_forget_days as i32);
            }
        }
    }

    /// Counts a day of going between two networks, and notes a client that did. Answers whether another pair had to give
    /// way.
    pub(super) fn learn(
        &mut self,
        params: &Params,
        event: &Event,
        (from, to): (&SeenAddress, &SeenAddress),
        one_client: bool,
        day: i32,
    ) -> bool {
        let Some((key, from)) = pair_of(from, to) else { return false };
        let known = self.list.iter().position(|pair| pair.key == key);
        let gives_way = known.is_none() && self.list.len() >= PAIRS_MAX;
        if gives_way {
            let oldest = self.list.iter().enumerate().min_by_key(|(_, pair)| pair.days.last());
            self.list.remove(oldest.map_or(0, |(index, _)| index));
        }
        let index = known.unwrap_or_else(|| {
            self.list.push(Pair { key, days: Days::default(), split: Days::default() });
            self.list.len() - 1
        });
        self.list[index].days.add(day, params.familiar_forget_days as i32);
        if one_client {
            self.away = Some(Away { time: event.time, pair: key, from, client: Client::of(event) });
        }
        gives_way
    }
}

/// Holds a jump between two networks that the user went between on other days.
pub(super) fn familiar_pair(params: &Params, between: Between) -> Option<Block> {
    let days = params.familiar_days as u16;
    (between.days >= days).then(|| Block {
        layer: Layer::User,
        by: "familiar_pair",
        reason: format!("the user went between these two networks on {} days", between.days),
        measures: measures(("pair_days", between.days), days),
    })
}

/// Holds a jump of a client that is on both networks at once day after day: it sends part of its traffic through a
/// tunnel.
pub(super) fn split_tunnel(params: &Params, between: Between, one_client: bool) -> Option<Block> {
    let days = params.familiar_days as u16;
    (one_client && between.split_before >= days).then(|| Block {
        layer: Layer::User,
        by: "split_tunnel",
        reason: format!(
            "the same session and browser, or device, was on both networks at once on {} earlier days",
            between.split_before
        ),
        measures: measures(("split_days", between.split_before), days),
    })
}

/// Holds a jump between the two families of one connection: their addresses are listed apart from each other.
///
/// Either one client changes the family at once in one country, or before long at one carrier; or it is one carrier, and
/// the user went between its two networks before.
pub(super) fn dual_stack(jump: &Jump, between: Between, one_client: bool) -> Option<Block> {
    let one_carrier = jump.one_carrier() != 0;
    let span = if one_carrier { CARRIER_SPAN } else { DUAL_STACK_SPAN };
    let near = one_carrier || jump.is_in_one_country();
    let at_once = near && one_client && jump.elapsed <= span;
    let known = one_carrier && between.days > 0;
    (jump.changes_family() && (at_once || known)).then(|| Block {
        layer: Layer::System,
        by: "dual_stack",
        reason: if at_once {
            format!(
                "the same session and browser, or device, went from one family of addresses to the other within {} s, in one \
                 country or at one carrier",
                span / SECOND
            )
        } else {
            format!("both families of addresses of one carrier, between which the user went on {} days", between.days)
        },
        measures: vec![
            Measure::new("elapsed", (jump.elapsed / SECOND) as f64, "s"),
            Measure::new("dual_stack_secs", (span / SECOND) as f64, "s"),
            Measure::new("pair_days", f64::from(between.days), "days"),
        ],
    })
}

/// Holds a jump of a client that went on after a while, where the file does not say how far off either end is: files
/// without radii name another country for one address in twenty or so, and a laptop that was carried to a network that
/// is listed wrongly is likelier than a thief with its session and its browser. Within [`CARRIED_SPAN`] it was on both
/// networks at once. One end without a radius is no such file: whoever looks for one would choose it.
pub(super) fn carried_along(jump: &Jump, one_client: bool) -> Option<Block> {
    let estimated = jump.radii.iter().all(|radius| radius.estimated);
    (estimated && one_client && jump.elapsed > CARRIED_SPAN).then(|| Block {
        layer: Layer::System,
        by: "carried_along",
        reason: format!(
            "the same session and browser, or device, went on after more than {} min, and the file says of neither end how \
             far off it is",
            CARRIED_SPAN / MINUTE
        ),
        measures: vec![
            Measure::new("elapsed", (jump.elapsed / SECOND) as f64, "s"),
            Measure::new("carried_secs", (CARRIED_SPAN / SECOND) as f64, "s"),
        ],
    })
}

fn measures((name, days): (&'static str, u16), familiar_days: u16) -> Vec<Measure> {
    let all = [(name, days), ("familiar_days", familiar_days)];
    all.into_iter().map(|(name, days)| Measure::new(name, f64::from(days), "days")).collect()
}

/// The key of a pair, and that of where it begins.
fn pair_of(from: &SeenAddress, to: &SeenAddress) -> Option<(u64, u64)> {
    let from = habit::key_of(from)?;
    let mut ends = [from, habit::key_of(to)?];
    ends.sort_unstable();
    Some((hash64(ends.map(u64::to_le_bytes).as_flattened()), from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_pairs_costs_a_byte() {
        let none: Option<Box<Pairs>> = None;
        assert_eq!(postcard::to_stdvec(&none).unwrap().len(), 1);
        let full = Pairs {
            list: vec![Pair { key: u64::MAX, days: Days::default(), split: Days::default() }; PAIRS_MAX],
            away: None,
        };
        assert!(postcard::to_stdvec(&full).unwrap().len() < 130);
    }
}
