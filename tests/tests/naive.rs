//! The naive scripts find what they were made for, fail where they must, and measure distances as the detectors do.

#![allow(clippy::unwrap_used, reason = "helpers of tests stop at what is broken")]

use std::sync::Arc;

use frostwatch_detect::geometry::distance_km;
use frostwatch_detect::place::Point;
use frostwatch_detect::time::{DAY, HOUR, MINUTE, Millis, SECOND, rfc3339};
use frostwatch_testkit::naive::{Naive, NaiveFinding};
use frostwatch_wire::activity::decode::{decode, key_of};
use geo::{Distance as _, Haversine};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// Monday, 2 March 2026, 09:00 UTC: the beginning of a slot of five minutes.
const BASE: Millis = 1_772_442_000_000;
/// Points compared with the other implementation.
const PAIRS: usize = 20_000;

/// When, what, how it ended, from which address.
type Row = (Millis, &'static str, &'static str, Option<&'static str>);

const MALMO: Option<&str> = Some("11.0.128.1");
const LAGOS: Option<&str> = Some("55.27.64.1");
/// Used in Malmö, listed in Stockholm.
const PHONE: Option<&str> = Some("22.19.96.1");

fn series(times: i64, every: Millis, row: Row) -> Vec<Row> {
    (0..times).map(|n| (row.0 + n * every, row.1, row.2, row.3)).collect()
}

fn check(rows: Vec<Row>, expected: &[(&'static str, Millis)]) {
    let mut naive = Naive::new(Arc::new(frostwatch_geoip::demo().unwrap()));
    let mut found = Vec::new();
    for (n, (at, action, outcome, ip)) in rows.into_iter().enumerate() {
        let record = json!({
            "schema": "activity.v1", "id": format!("row-{n}"), "time": rfc3339(BASE + at), "instance": "acme",
            "user": { "name": "Ana.Lind" }, "action": action, "outcome": outcome, "client": { "ip": ip },
            "source": { "producer": "naive" },
        });
        let bytes = serde_json::to_vec(&record).unwrap();
        let activity = decode(&bytes).unwrap();
        found.extend(naive.observe(&activity, &key_of(&activity)));
    }
    let finding = |(policy, at): &(&'static str, Millis)| NaiveFinding {
        policy,
        user: "acme|ana.lind".to_owned(),
        time: BASE + at,
    };
    assert_eq!(found, expected.iter().map(finding).collect::<Vec<_>>());
}

#[test]
fn a_burst_of_failures_in_one_slot_is_found_and_one_over_its_edge_is_not() {
    let failures = |at, times| series(times, 10 * SECOND, (at, "login", "failure", None));
    check(failures(0, 30), &[("failed_logins", 100 * SECOND)]);
    check(failures(0, 10), &[]);
    check(failures(4 * MINUTE, 12), &[]);
}

#[test]
fn downloads_in_one_minute_are_found_and_those_over_its_edge_are_not() {
    let downloads = |at, times| series(times, SECOND / 2, (at, "download", "success", None));
    check(downloads(0, 60), &[("mass_download", 25 * SECOND)]);
    check(downloads(0, 50), &[]);
    check(downloads(45 * SECOND, 60), &[]);
}

#[test]
fn a_new_country_is_found_after_a_week_and_again_after_a_month() {
    let mut rows = series(80, DAY, (0, "login", "success", MALMO));
    rows.insert(9, (8 * DAY + 12 * HOUR, "login", "success", LAGOS));
    rows.insert(11, (9 * DAY + 12 * HOUR, "login", "success", LAGOS));
    rows.insert(60, (57 * DAY + 12 * HOUR, "login", "success", LAGOS));
    let country = "infrequent_country";
    check(rows, &[(country, 8 * DAY + 12 * HOUR), (country, 57 * DAY + 12 * HOUR)]);
}

#[test]
fn travel_is_found_and_so_are_phones_and_failures_of_strangers() {
    let travel = "impossible_travel";
    let login = |at, outcome, ip| (at, "login", outcome, ip);
    check(vec![login(0, "success", MALMO), login(HOUR, "success", LAGOS)], &[(travel, HOUR)]);
    check(vec![login(0, "success", MALMO), login(7 * HOUR, "success", LAGOS)], &[]);
    check(vec![login(0, "success", MALMO), login(MINUTE, "success", PHONE)], &[(travel, MINUTE)]);
    check(vec![login(0, "success", MALMO), login(MINUTE, "failure", LAGOS)], &[(travel, MINUTE)]);
    let late = vec![login(HOUR, "success", LAGOS), login(0, "success", MALMO)];
    check(late, &[(travel, 0)]);
}

#[test]
fn distances_agree_with_another_implementation_at_the_poles_and_the_antimeridian_too() {
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    for pair in 0..PAIRS {
        let mut draw = || {
            let (lat, lon) = (chance.random_range(-90.0..=90.0_f64), chance.random_range(-180.0..=180.0_f64));
            match pair % 5 {
                0 => (lat.signum() * 90.0, lon),
                1 => (lat.signum() * (90.0 - lat.abs() / 1_000.0), lon),
                2 => (lat, lon.signum() * (180.0 - lon.abs() / 1_000.0)),
                3 => (lat / 90.0 + 55.6, lon / 180.0 + 13.0),
                _ => (lat, lon),
            }
        };
        let [a, b] = [draw(), draw()].map(|(lat, lon)| Point::from_degrees(lat, lon).unwrap());
        let [there, here] = [a, b].map(|point| geo::Point::new(point.lon_degrees(), point.lat_degrees()));
        let expected = Haversine.distance(there, here) / 1_000.0;
        let seen = distance_km(a, b);
        // A millimetre for two points that are one.
        assert!((seen - expected).abs() <= expected * 0.001 + 1e-6, "{a:?} {b:?}: {seen} instead of {expected}");
    }
}
