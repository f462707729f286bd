//! The busiest hours of people, and what 19 of 20 of their colleagues did not exceed.

use std::collections::{BTreeMap, HashMap};

use frostwatch_detect::caps::Caps;
use frostwatch_detect::detectors::unusual_download::month_of;
use frostwatch_detect::lane::ACTION_SPAN;
use frostwatch_detect::time::{DAY, HOUR, Millis};
use frostwatch_detect::window::{Taken, Window};
use frostwatch_wire::activity::record::Peers;

use super::people::{Download, People};

/// Objects, rows and bytes.
const MEASURES: usize = 3;
/// Working days on either side of the beginning of a month that are measured by themselves, as the shipped rule has them.
const TURN_DAYS: u32 = 3;
const TURN: usize = 1;

/// What a person's busiest hour held: apart from the turn of a month, and around it.
type Busiest = [[u64; MEASURES]; 2];

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// The end of the span.
    pub at: Millis,
    /// By the key: the person's name, and what their colleagues do.
    pub told: BTreeMap<Box<str>, (Box<str>, Peers)>,
    /// Groups that are large enough.
    pub groups: usize,
    /// People of whom nobody said a group.
    pub alone: usize,
    /// People all of whose groups are too small.
    pub few: usize,
}

/// The people of a group who did something in the span.
#[derive(Default)]
struct Group {
    /// Of each of [`Busiest`] the numbers of all, in ascending order.
    sorted: [[Vec<u64>; MEASURES]; 2],
    people: usize,
}

/// Measures everybody who did something in the span; `people_min` others must be behind a number.
pub fn measure(mut people: People, people_min: u32) -> Measured {
    let Some(at) = people.at() else { return Measured::default() };
    let begins = people.begins(at);
    let is_measured = kinds_of_days(begins.max(people.oldest().saturating_sub(1)), at);
    people.all.retain(|_, person| person.is_person() && person.active.is_some_and(|active| active > begins));
    let mut groups: BTreeMap<(Box<str>, Box<str>), Group> = BTreeMap::new();
    let mut busiest = BTreeMap::new();
    for (key, person) in &mut people.all {
        let hours = busiest_of(std::mem::take(&mut person.downloads), begins);
        for name in person.groups() {
            groups.entry((instance_of(key), name.clone())).or_default().add(&hours);
        }
        busiest.insert(key.clone(), hours);
    }
    groups.values_mut().for_each(Group::sort);
    let mut measured = Measured { at, ..Measured::default() };
    measured.groups = groups.values().filter(|group| group.is_enough(people_min)).count();
    for (key, person) in &people.all {
        let instance = instance_of(key);
        let named = person.groups().iter();
        let known = named.filter_map(|name| Some((name, groups.get(&(instance.clone(), name.clone()))?)));
        let enough = known.filter(|(_, group)| group.is_enough(people_min));
        match enough.min_by_key(|(name, group)| (group.people, *name)) {
            Some((name, group)) => {
                let own = busiest.get(key).copied().unwrap_or_default();
                let peers = group.without(people.written(name), &own, is_measured);
                measured.told.insert(key.clone(), (person.name.value.clone(), peers));
            }
            None if person.groups().is_empty() => measured.alone += 1,
            None => measured.few += 1,
        }
    }
    measured
}

impl Group {
    fn add(&mut self, hours: &Busiest) {
        self.people += 1;
        for (sorted, hours) in self.sorted.iter_mut().zip(hours) {
            sorted.iter_mut().zip(hours).for_each(|(sorted, most)| sorted.push(*most));
        }
    }

    fn sort(&mut self) {
        self.sorted.iter_mut().flatten().for_each(|sorted| sorted.sort_unstable());
    }

    /// Are there enough others for each of them?
    const fn is_enough(&self, people_min: u32) -> bool {
        self.people > people_min as usize
    }

    /// What the others of somebody did, whose own hours say nothing of colleagues.
    fn without(&self, name: &str, own: &Busiest, is_measured: [bool; 2]) -> Peers {
        let number = |kind: usize, measure: usize| {
            let most = nearest_rank(&self.sorted[kind][measure], own[kind][measure]);
            most.filter(|_| is_measured[kind])
        };
        Peers {
            group: Some(name.to_owned()),
            people: Some(self.people as u64 - 1),
            objects_hour: number(0, 0),
            rows_hour: number(0, 1),
            bytes_hour: number(0, 2),
            turn_objects_hour: number(TURN, 0),
            turn_rows_hour: number(TURN, 1),
            turn_bytes_hour: number(TURN, 2),
        }
    }
}

/// The smallest number that at least 19 of 20 do not exceed, once one that equals `own` is left out.
fn nearest_rank(sorted: &[u64], own: u64) -> Option<u64> {
    let others = sorted.len().checked_sub(1).filter(|others| *others > 0)?;
    let at = (19 * others).div_ceil(20) - 1;
    let left_out = sorted.partition_point(|number| *number < own);
    sorted.get(if left_out <= at { at + 1 } else { at }).copied()
}

/// The most within a sliding hour, of what the detector would have counted.
fn busiest_of(mut downloads: Vec<Download>, begins: Millis) -> Busiest {
    downloads.retain(|download| download.time > begins);
    downloads.sort_unstable();
    downloads.dedup_by_key(|download| (download.time, download.id));
    let (mut window, mut caps) = (Window::default(), Caps::default());
    let mut busiest = Busiest::default();
    for download in actions_of(&downloads) {
        let Download { time, object, .. } = download;
        window.expire(time, HOUR, &mut caps);
        window.take(Taken { time, carried: download.carried(), covered: false, object }, &mut caps);
        let now = window.sums().all;
        let kind = usize::from(month_of(time, TURN_DAYS).is_some());
        for (most, now) in busiest[kind].iter_mut().zip([u64::from(now.objects), now.rows, now.bytes]) {
            *most = now.max(*most);
        }
    }
    busiest
}

/// Of the records of one action the one that tells most.
fn actions_of(downloads: &[Download]) -> Vec<Download> {
    let mut actions: Vec<Download> = Vec::with_capacity(downloads.len());
    // Where each action that has a key began, and when.
    let mut known: HashMap<u64, (usize, Millis)> = HashMap::new();
    for download in downloads {
        let begun = known.get(&download.action_key).filter(|_| download.action_key != 0);
        let same = begun.filter(|(_, since)| download.time - since <= ACTION_SPAN);
        if let Some(action) = same.and_then(|(at, _)| actions.get_mut(*at)) {
            if download.richness > action.richness {
                // It keeps its place, or what comes next would be older than it.
                *action = Download { time: action.time, ..*download };
            }
            continue;
        }
        known.insert(download.action_key, (actions.len(), download.time));
        actions.push(*download);
    }
    actions
}

/// Which kinds of days are in the span: apart from the turn of a month, and around it.
fn kinds_of_days(begins: Millis, at: Millis) -> [bool; 2] {
    let mut is_there = [false; 2];
    let mut time = begins + 1;
    while time <= at {
        is_there[usize::from(month_of(time, TURN_DAYS).is_some())] = true;
        // To the beginning of the next day.
        time = (time.div_euclid(DAY) + 1) * DAY;
    }
    is_there
}

fn instance_of(key: &str) -> Box<str> {
    key.split_once('|').map_or(key, |(instance, _)| instance).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nineteen_of_twenty_others_do_not_exceed_it() {
        let hundred: Vec<u64> = (1..=100).collect();
        for (sorted, own, most) in [
            // 99 others: the 95th of them, nearest rank of 94.05.
            (&hundred[..], 100, Some(95)),
            (&hundred, 1, Some(96)),
            (&hundred, 95, Some(96)),
            (&hundred, 96, Some(95)),
            // 20 others: the 19th; 19 others: all of them.
            (&hundred[..21], 21, Some(19)),
            (&hundred[..20], 20, Some(19)),
            (&hundred[..6], 6, Some(5)),
            (&hundred[..6], 1, Some(6)),
            (&[7, 7, 7], 7, Some(7)),
            (&[7], 7, None),
        ] {
            assert_eq!(nearest_rank(sorted, own), most, "{} without {own}", sorted.len());
        }
    }

    #[test]
    fn records_of_one_action_are_one_and_copies_too() {
        let download = |time, action_key, richness, rows| Download::sketch(time, action_key, richness, rows);
        let mut of_two = vec![download(1_000, 7, 1, 5), download(3_000, 7, 2, 500), download(40_000, 7, 1, 6)];
        of_two.push(of_two[1]);
        // The third comes more than 30 seconds after the first: it is another action.
        assert_eq!(busiest_of(of_two, 0)[usize::from(month_of(1_000, TURN_DAYS).is_some())], [2, 506, 0]);
    }

    #[test]
    fn an_hour_slides_and_ends_before_it_is_one() {
        let hour = |gap| busiest_of(vec![Download::sketch(1_000, 0, 1, 5), Download::sketch(1_000 + gap, 0, 1, 5)], 0);
        assert_eq!((hour(HOUR - 1)[TURN], hour(HOUR)[TURN]), ([2, 10, 0], [1, 5, 0]));
    }
}
