//! Activity from a country where this user is not, or no longer, known to be.
//!
//! # Finds
//! The first successful activity of a user in a country that has no weight for them: never visited, or so long ago and
//! so seldom that it is forgotten.
//!
//! # Why
//! ATT&CK T1078.004 (Cloud Accounts): stolen credentials are used from where the thief is. Each day of use adds one to
//! a country's weight, and the weight halves every `half_life_days`; a country visited on one day is known for one
//! half-life with `known_weight_min` 0.5, the country somebody lives in for many months. A country that raised an alert
//! is not learned from the session that raised it, but only after use on `learn_after_days` further days in other
//! sessions. Where the user mostly is, that is where a majority of days found them, and where a proxy mostly lets them out
//! explain other countries, and so does a journey that was told.
//!
//! # Blind spots
//! Attackers in a country the user knows; networks whose country the `GeoIP` file has wrong; activity without an
//! address of its own or of its session; a user's first `learning_days`, in which findings are only recorded. A thief at
//! the user's own carrier in another country, by the other family of addresses: hardly at a carrier of one country, easily
//! at a hoster of which the user has addresses in a known country, which `cloud_provider` or `risky` in `networks.yaml`
//! takes out. A line whose IPv6 is listed in another country is told when that is seen before its IPv4.
//!
//! What thieves can use: an address over a border within 150 km of where the user mostly is, once there was the time to go
//! there; the country in which a proxy mostly lets the user out, as long as the user is seldom seen without it (where the
//! proxy has no data centre in the user's country, that is another one); and, after an alert, to use the account for a day or
//! longer in more than one session while the owner does not, and to come back after `suppression.quiet`: an alert of such a
//! country that nobody looked at is not told twice. None of them helps at a network tagged `cloud_provider` or `risky`.
//!
//! # Parameters
//! See [`Params`]. What holds a finding back, with a record and until `suppression.off` of the rule names it:
//! `dual_stack` (the address is of a carrier on whose other family of addresses the user was, in a country that is
//! known, within `half_life_days`: IPv4 and IPv6 of one connection are often listed in different countries; the country
//! is not learned); `learning`, without which a user's second country is told at once; `tagged_egress` (the network is
//! tagged `vpn` or `proxy` in `networks.yaml`: a country that is not known is recorded, and none is learned).
//!
//! Of the user, so not at high sensitivity: `near_border` (the place, known to 150 km, is within 150 km of where the user
//! was on five days more than elsewhere, and there was the time to go there at 200 km/h: people live on one side of a border
//! and work on the other; the country is learned); `home_proxy` (most of what the user does through data centres tagged
//! `proxy` leaves in this country, on five days at least, the last within `half_life_days`, and on more than twice as many
//! as the user is seen where they mostly are: a proxy takes its users to a data centre nearby; not learned); `earlier_stay`
//! (the user was there within `half_life_days`, which was told, for a day or longer, in more than one session, while the
//! account was used nowhere else; whoever uses it elsewhere in between is told, and so is the session that raised the
//! alert; not learned). These three need `state_format: 2`.
//!
//! And `listed_tunnel`: a list says, with a confidence of 60 and more, that the address is the end of a tunnel for anybody,
//! none says worse, and within `half_life_days` the user was not with that carrier in a country that is known, nor on an
//! earlier day through any listed tunnel in another one. That somebody begins to use a tunnel is what `anonymous_ip` tells;
//! where it lies says nothing of them (not learned). From the next day on an end in another country is told, since
//! `anonymous_ip` takes it for a habit or for more of the same: a thief may have rented one too. Whoever does not run
//! `anonymous_ip` switches this off.
//!
//! At low sensitivity `usual_in_organisation` (the country or network is usual there), and `listed_tunnel` of every tunnel.
//! The tags `cloud_provider` and `risky` raise the severity.
//!
//! # References
//! The reference product's policy "activity from infrequent country" (7 days of learning). Freeman et al., "Who Are
//! You? A Statistical Approach to Measuring User Authenticity", NDSS 2016.

mod lines;
mod whereabouts;
mod words;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

pub use self::lines::{LINES_MAX, TUNNELS_MAX};
use self::lines::{Line, Tunnel};
use self::whereabouts::{NEAR_BORDER, Visit, Whereabouts};
use self::words::Words;
use super::{About, Detector, bounded, counted, named, unused_longest, who};
use crate::caps::Caps;
use crate::context::{Block, Context, Raise};
use crate::event::Event;
use crate::finding::SeenAddress;
use crate::hash::hash64;
use crate::incident::Incidents;
use crate::model::Outcome;
use crate::near;
use crate::networks::Tag;
use crate::place::{Country, Place};
use crate::plan::LaneKind;
use crate::rule::Layer;
use crate::time::{DAY, Millis, day_of};

/// Countries that lie in the state itself: more are rare.
const COUNTRIES_NEAR: usize = 2;
/// Countries a key remembers; the lightest gives way.
pub const COUNTRIES_MAX: usize = 32;

/// Parameters of `infrequent_country`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// Event time from the first activity of a user that the rule took in which findings are only recorded and
    /// countries are learned, days.
    pub learning_days: u32,
    /// A country's weight halves in this time, days; each day of use adds one.
    pub half_life_days: u32,
    /// A country is known while its weight is at least this.
    pub known_weight_min: f64,
    /// A country that raised an alert is learned after use on this many further days, in other sessions.
    pub learn_after_days: u32,
}

impl Params {
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        bounded(&mut faults, "learning_days", self.learning_days, 0, 90);
        bounded(&mut faults, "half_life_days", self.half_life_days, 1, 365);
        bounded(&mut faults, "known_weight_min", self.known_weight_min, 0.01, 100.0);
        bounded(&mut faults, "learn_after_days", self.learn_after_days, 1, 90);
        faults
    }
}

/// What is kept for a key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    countries: SmallVec<[Known; COUNTRIES_NEAR]>,
    incidents: Incidents,
    /// One family of addresses of one carrier each; the one unused for longest gives way.
    #[serde(with = "crate::format::since_2")]
    lines: Vec<Line>,
    #[serde(with = "crate::format::since_2")]
    whereabouts: Whereabouts,
    /// Listed tunnels whose ends say nothing; the one unused for longest gives way.
    #[serde(with = "crate::format::since_2")]
    tunnels: Vec<Tunnel>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    country: Country,
    /// Weight at the end of `last_day`.
    weight: f64,
    last_day: i32,
    /// Days of use since the country raised an alert, outside the session that raised it; `None`: it is learned.
    trial: Option<Trial>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Trial {
    raised_by: u64,
    days: u32,
    last_day: i32,
}

impl Known {
    fn weight_on(&self, day: i32, half_life_days: u32) -> f64 {
        let age = f64::from(day - self.last_day);
        self.weight * libm::exp2(-age / f64::from(half_life_days))
    }
}

impl Detector for State {
    type Params = Params;

    const LANE: LaneKind = LaneKind::Activity;

    const ABOUT: About = About::Whereabouts;

    const SUPPRESSIONS: &'static [&'static str] = &[
        "dual_stack",
        "earlier_stay",
        "home_proxy",
        "learning",
        "listed_tunnel",
        "near_border",
        "tagged_egress",
        "usual_in_organisation",
    ];

    fn wants(event: &Event) -> bool {
        event.outcome == Outcome::Success
    }

    fn step(&mut self, params: &Params, context: &mut Context<'_>) {
        let Some(seen) = context.origin.for_place() else { return };
        let Ok(place) = seen.location.place else { return };
        if context.is_egress(&seen) {
            self.reached_through(params, context, seen, place);
        } else if self.judge(params, context, seen, place) && context.keeps(2) {
            self.whereabouts.see(place.country, context.event.time);
        }
    }

    fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    fn bring(&self) {
        near::bring(self);
        near::bring(self.countries.as_slice());
    }

    fn copy_from(&mut self, other: &Self) {
        self.countries.clone_from(&other.countries);
        self.incidents.copy_from(&other.incidents);
        self.lines.clone_from(&other.lines);
        self.whereabouts.clone_from(&other.whereabouts);
        self.tunnels.clone_from(&other.tunnels);
    }
}

impl State {
    /// Does the place count as one where the user was?
    fn judge(&mut self, params: &Params, context: &mut Context<'_>, seen: SeenAddress, place: Place) -> bool {
        let day = day_of(context.event.time);
        let index = self.index_of(place.country, day, params, context.caps);
        let learns = context.takes(Layer::System, "learning");
        let learning = learns && context.days_known() < i64::from(params.learning_days);
        let alone = self.countries.len() == 1;
        let known = &mut self.countries[index];
        let before = known.weight_on(day, params.half_life_days);
        if known.trial.is_none() && before >= params.known_weight_min {
            if day > known.last_day {
                (known.weight, known.last_day) = (before + 1.0, day);
                self.sit(context, place);
            }
            self.remember_line(context, &seen, day);
            return true;
        }
        // The only country of a user says nothing, however long the user has worked without a place: there is no other
        // to compare with.
        if learning || alone {
            known.trial = None;
            if known.weight <= 0.0 || day > known.last_day {
                (known.weight, known.last_day) = (before + 1.0, day);
                self.sit(context, place);
            }
            self.remember_line(context, &seen, day);
            if !alone {
                self.raise(params, context, seen, place, (before, Vec::new()));
            }
            return true;
        }
        if let Some(block) = self.dual_stack(params, context, &seen, day) {
            self.raise(params, context, seen, place, (before, vec![block]));
            return false;
        }
        if let Some(block) = self.listed_tunnel(params, context, &seen, place.country) {
            self.raise(params, context, seen, place, (before, vec![block]));
            return false;
        }
        if let Some(block) = self.habit(params, context, &seen, place) {
            if block.by == NEAR_BORDER {
                let known = &mut self.countries[index];
                (known.weight, known.last_day, known.trial) = (before + 1.0, day, None);
            }
            self.raise(params, context, seen, place, (before, vec![block]));
            return true;
        }
        self.try_country(params, context, seen, place, index);
        true
    }

    /// Tells of a country that is not known, or learns it.
    fn try_country(
        &mut self,
        params: &Params,
        context: &mut Context<'_>,
        seen: SeenAddress,
        place: Place,
        index: usize,
    ) {
        let (actor, day) = (context.actor(), day_of(context.event.time));
        let known = &mut self.countries[index];
        let before = known.weight_on(day, params.half_life_days);
        let trial = known.trial.get_or_insert(Trial { raised_by: actor, days: 0, last_day: day });
        if actor != trial.raised_by && day > trial.last_day {
            trial.days += 1;
            trial.last_day = day;
        }
        if trial.days >= params.learn_after_days {
            (known.weight, known.last_day, known.trial) = (f64::from(params.learn_after_days), day, None);
            self.remember_line(context, &seen, day);
            return;
        }
        let usual = Vec::from_iter(context.usual_in_organisation(&seen));
        if self.raise(params, context, seen, place, (before, usual)) {
            // Whoever raised the last alert is the one not to learn from.
            self.countries[index].trial = Some(Trial { raised_by: actor, days: 0, last_day: day });
        }
    }

    fn sit(&mut self, context: &Context<'_>, place: Place) {
        if context.keeps(2) {
            self.whereabouts.sit(place);
        }
    }

    /// Holds a country in which what the user does elsewhere explains them.
    fn habit(&mut self, params: &Params, context: &Context<'_>, seen: &SeenAddress, place: Place) -> Option<Block> {
        if !context.keeps(2) {
            return None;
        }
        let (country, now) = (place.country, context.event.time);
        let visit = Visit {
            country,
            now,
            by: context.actor(),
            quiet: context.quiet(),
            forget: Millis::from(params.half_life_days) * DAY,
        };
        let stay = self.whereabouts.earlier_stay(visit);
        // Anybody rents servers in any country.
        if context.is_rented(seen) {
            return None;
        }
        let blocks = [
            self.whereabouts.home_proxy(country, day_of(now), params.half_life_days),
            self.whereabouts.near_border(seen, now),
            stay,
        ];
        blocks.into_iter().flatten().find(|block| context.takes(block.layer, block.by))
    }

    fn index_of(&mut self, country: Country, day: i32, params: &Params, caps: &mut Caps) -> usize {
        if let Some(index) = self.countries.iter().position(|known| known.country == country) {
            return index;
        }
        if self.countries.len() >= COUNTRIES_MAX {
            caps.countries += 1;
            let weight = |known: &Known| known.weight_on(day, params.half_life_days);
            let lightest = self.countries.iter().enumerate().min_by(|(_, a), (_, b)| weight(a).total_cmp(&weight(b)));
            if let Some(lightest) = lightest.map(|(index, _)| index) {
                self.countries.remove(lightest);
            }
        }
        self.countries.push(Known { country, weight: 0.0, last_day: day, trial: None });
        self.countries.len() - 1
    }

    /// A country where the user is only by the end of a tunnel: if it is not known it is recorded, and it is not learned.
    fn reached_through(&mut self, params: &Params, context: &mut Context<'_>, seen: SeenAddress, place: Place) {
        let day = day_of(context.event.time);
        let is_proxy = context.networks.tagged(&seen).is_some_and(|entry| entry.tag == Tag::Proxy);
        if is_proxy && context.keeps(2) {
            self.whereabouts.let_out(place.country, day);
        }
        let known = self.countries.iter().find(|known| known.country == place.country && known.trial.is_none());
        let weight = known.map_or(0.0, |known| known.weight_on(day, params.half_life_days));
        let alone = self.countries.iter().all(|known| known.country == place.country);
        if weight < params.known_weight_min && !alone {
            let blocks = Vec::from_iter(context.tagged_egress(&[&seen]));
            self.raise(params, context, seen, place, (weight, blocks));
        }
    }

    /// Did it open an alert? `blocks` are what may hold it back beside learning.
    fn raise(
        &mut self,
        params: &Params,
        context: &mut Context<'_>,
        seen: SeenAddress,
        place: Place,
        (weight, blocks): (f64, Vec<Block>),
    ) -> bool {
        let event = context.event;
        let usual = self.usual(place.country, event.time, params);
        let blocker = context.blocker(context.learning(params.learning_days).into_iter().chain(blocks).collect());
        let cause = hash64(place.country.as_str().as_bytes());
        let incident = self.incidents.touch(cause, blocker.is_some(), context);
        let opens = blocker.is_none() && !incident.is_raised();
        incident.add(context.trace(), event.test);
        let mut aggravations = Vec::from_iter(context.network_aggravation(&seen));
        if event.mfa == Some(false) {
            aggravations.push("signed in without a second factor");
        }
        if event.account.privileged {
            aggravations.push("the account is privileged");
        }
        let words = Words {
            user: context.subject.user().to_owned(),
            usual,
            days_known: context.days_known(),
            place,
            seen,
            weight,
        };
        context.raise(incident, Raise { blocker, aggravations, fresh: false }, |incident| {
            words.explain(params, incident.first, incident.count)
        });
        opens
    }

    /// The countries that are known, heaviest first, at most five.
    fn usual(&self, except: Country, now: Millis, params: &Params) -> Vec<(Country, f64)> {
        let day = day_of(now);
        let mut usual: Vec<(Country, f64)> = self
            .countries
            .iter()
            .filter(|known| known.country != except && known.trial.is_none())
            .map(|known| (known.country, known.weight_on(day, params.half_life_days)))
            .filter(|(_, weight)| *weight >= params.known_weight_min)
            .collect();
        usual.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        usual.truncate(5);
        usual
    }
}
