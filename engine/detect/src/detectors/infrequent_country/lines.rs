//! Networks that say little of where the user is: families of addresses that are listed apart, and ends of tunnels.

use serde::{Deserialize, Serialize};

use super::{Params, State, counted, unused_longest};
use crate::context::{Block, Context};
use crate::finding::{Measure, SeenAddress};
use crate::listed::{Category, ListEntry};
use crate::place::Country;
use crate::rule::Layer;
use crate::time::day_of;

/// How sure a list must be that a tunnel ends at an address.
const TUNNEL_CONFIDENCE_MIN: u8 = 60;
/// Tunnels, by country, that a key remembers.
pub const TUNNELS_MAX: usize = 8;
/// Families of addresses of carriers that a key remembers.
pub const LINES_MAX: usize = 8;

/// A family of addresses of a carrier on which the user was where they were taken to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    asn: u32,
    v6: bool,
    last_day: i32,
}

/// A listed tunnel that let the user out in a country that is not theirs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tunnel {
    asn: u32,
    country: Country,
    first_day: i32,
    last_day: i32,
}

impl State {
    /// Notes the carrier and the family of an address in a country that is known. One that raised an alert, or is on
    /// trial, must not teach what holds the next.
    pub(super) fn remember_line(&mut self, context: &Context<'_>, seen: &SeenAddress, day: i32) {
        let asn = seen.location.carrier.asn;
        if asn == 0 || !context.keeps(2) {
            return;
        }
        let v6 = seen.address.ip().is_ipv6();
        if let Some(line) = self.lines.iter_mut().find(|line| line.asn == asn && line.v6 == v6) {
            line.last_day = line.last_day.max(day);
            return;
        }
        if self.lines.len() >= LINES_MAX
            && let Some(oldest) = unused_longest(self.lines.iter().map(|line| line.last_day))
        {
            self.lines.remove(oldest);
        }
        self.lines.push(Line { asn, v6, last_day: day });
    }

    /// Holds a country where the user is only by one family of addresses of a carrier on whose other family they were
    /// lately: the two are listed apart.
    pub(super) fn dual_stack(
        &self,
        params: &Params,
        context: &Context<'_>,
        seen: &SeenAddress,
        day: i32,
    ) -> Option<Block> {
        let asn = seen.location.carrier.asn;
        let v6 = seen.address.ip().is_ipv6();
        // Anybody rents servers of one hoster in one country and the next.
        if context.is_rented(seen) {
            return None;
        }
        let line = self.lines.iter().find(|line| asn != 0 && line.asn == asn && line.v6 != v6)?;
        let days = day - line.last_day;
        let lately = i64::from(days) <= i64::from(params.half_life_days);
        (lately && context.takes(Layer::System, "dual_stack")).then(|| Block {
            layer: Layer::System,
            by: "dual_stack",
            reason: format!(
                "AS{asn} is a carrier of the user, on whose {} they were {} ago: both families of a connection are often \
                 listed in different countries",
                if v6 { "IPv4" } else { "IPv6" },
                counted(days.unsigned_abs().into(), "day", "days"),
            ),
            measures: vec![
                Measure::new("asn", f64::from(asn), "AS number"),
                Measure::new("other_family_days_ago", f64::from(days), "days"),
            ],
        })
    }

    /// Holds a country in which a listed tunnel ends, where the user had none before: `anonymous_ip` tells of that. One that the
    /// user knows, or any other than that, which lets somebody out elsewhere is told: to `anonymous_ip` it is a habit, or one
    /// more of what it has told.
    pub(super) fn listed_tunnel(
        &mut self,
        params: &Params,
        context: &Context<'_>,
        seen: &SeenAddress,
        country: Country,
    ) -> Option<Block> {
        // What the organisation itself has a word for it does not leave to lists.
        let entry = tunnel_entry(seen).filter(|_| !context.is_rented(seen))?;
        let (asn, day) = (seen.location.carrier.asn, day_of(context.event.time));
        let lately = |last_day: i32| i64::from(day) - i64::from(last_day) <= i64::from(params.half_life_days);
        let is_known = self.lines.iter().any(|line| line.asn == asn && lately(line.last_day))
            || self
                .tunnels
                .iter()
                .any(|tunnel| tunnel.country != country && tunnel.first_day < day && lately(tunnel.last_day));
        let is_new = asn != 0 && !is_known && context.keeps(2);
        let layer = if is_new { Layer::User } else { Layer::Tenant };
        if !context.takes(layer, "listed_tunnel") {
            return None;
        }
        if is_new {
            self.remember_tunnel(asn, country, day);
        }
        let why = if is_new { "the user had no tunnel in another country before" } else { "at low sensitivity" };
        Some(Block {
            layer,
            by: "listed_tunnel",
            reason: format!(
                "{} is {} by the list {}: where it lies says nothing of its user; {why}",
                seen.address,
                entry.category.spoken(),
                entry.list.as_str(),
            ),
            measures: vec![Measure::new("confidence", f64::from(entry.confidence), "of 100")],
        })
    }

    fn remember_tunnel(&mut self, asn: u32, country: Country, day: i32) {
        if let Some(known) = self.tunnels.iter_mut().find(|known| (known.asn, known.country) == (asn, country)) {
            known.last_day = day;
            return;
        }
        if self.tunnels.len() >= TUNNELS_MAX
            && let Some(oldest) = unused_longest(self.tunnels.iter().map(|known| known.last_day))
        {
            self.tunnels.remove(oldest);
        }
        self.tunnels.push(Tunnel { asn, country, first_day: day, last_day: day });
    }
}

/// The list that says that a tunnel ends at an address, where none says worse. A maker's relay lets people out where they are.
fn tunnel_entry(seen: &SeenAddress) -> Option<&'static ListEntry> {
    use Category::{Hosting, KnownGood, Proxy, Vpn};
    let entries = seen.location.listed.entries();
    let is_harmless = entries.iter().all(|entry| matches!(entry.category, Hosting | KnownGood | Proxy | Vpn));
    let is_tunnel = |entry: &&ListEntry| entry.category == Vpn && entry.confidence >= TUNNEL_CONFIDENCE_MIN;
    entries.iter().find(is_tunnel).filter(|_| is_harmless)
}
