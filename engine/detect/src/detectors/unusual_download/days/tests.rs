use super::*;
use crate::detectors::unusual_download::tests::params;

/// Monday, 5 January 2026, 09:00 UTC.
const START: Millis = 1_767_603_600_000;

/// Something is carried off that all of it may be usual later.
fn carry(days: &mut Days, fresh: Quantity, in_window: Quantity, told: Option<Quantity>) {
    days.carry(Carried { fresh, in_window, told, most: [f64::INFINITY; MEASURES], is_learned: false });
}

fn objects(objects: u32) -> Quantity {
    Quantity { objects, ..Quantity::default() }
}

/// Days of so many objects and so much other work, from the start on, and today the last of them.
fn days(of: impl IntoIterator<Item = (u32, u32)>) -> Days {
    let mut days = Days::default();
    for (number, (objects, work)) in of.into_iter().enumerate() {
        days.pass(&params(), START + number as Millis * DAY);
        (0..work).for_each(|_| days.work());
        // One after the other, and never three within the window.
        for number in 0..objects {
            let carried = Quantity { objects: 1, rows: 0, bytes: 1_000_000 };
            carry(&mut days, carried, Quantity { objects: number.min(2) + 1, ..carried }, None);
        }
    }
    days
}

fn usual_days(number: usize) -> Vec<(u32, u32)> {
    [9, 12, 10, 14, 8, 11, 13].into_iter().cycle().take(number).map(|objects| (objects, 80)).collect()
}

#[test]
fn amounts_are_read_back_nearly_as_they_were() {
    for amount in [0_u64, 1, 2, 3, 7, 20, 100, 5_000, 1_000_000, 1 << 30] {
        let back = value(code(amount));
        assert!((back - amount as f64).abs() <= amount as f64 * 0.05, "{amount}: {back}");
    }
    assert_eq!((code(0), code(u64::MAX)), (0, CODE_MAX));
}

#[test]
fn a_little_more_on_each_of_some_days_is_a_rise_and_fewer_days_are_none() {
    for (more, number, is_rise) in
        [(12, 3, false), (12, 5, false), (12, 7, true), (6, 5, false), (11, 12, true), (2, 14, false)]
    {
        let mut all = usual_days(14);
        all.extend(usual_days(number).into_iter().map(|(objects, work)| (objects + more, work)));
        let rise = days(all).rise(&params(), true);
        assert_eq!(rise.is_some(), is_rise, "{more} more on {number} days: {rise:?}");
        if let Some(rise) = rise {
            assert_eq!(rise.since, day_of(START) + 14);
            assert_eq!(rise.days, number as u32);
        }
    }
}

#[test]
fn one_large_day_or_two_are_no_rise() {
    let mut all = usual_days(14);
    all.extend([(400, 80), (11, 80), (300, 80)]);
    assert_eq!(days(all).rise(&params(), true), None);
}

/// Days with so many objects at once after fourteen usual ones, each beside ten others; some of them told.
fn bursts(numbers: impl IntoIterator<Item = Millis>, at_once: u32, is_told: bool) -> Days {
    let mut days = days(usual_days(14));
    let (burst, told) = (objects(at_once), is_told.then(|| objects(at_once)));
    for number in numbers {
        days.pass(&params(), START + number * DAY);
        (0..80).for_each(|_| days.work());
        carry(&mut days, burst, burst, told);
        carry(&mut days, objects(10), objects(2), None);
    }
    days
}

#[test]
fn what_was_told_of_the_hour_is_not_judged_by_days_again() {
    assert!(bursts(14..20, 19, false).rise(&params(), true).is_some());
    assert_eq!(bursts(14..20, 25, true).rise(&params(), true), None);
}

#[test]
fn what_was_usual_for_the_hour_counts_once_it_is_on_two_of_three_days() {
    for (number, is_rise) in [(3, false), (8, false), (12, true)] {
        let rise = bursts(14..14 + number, 25, false).rise(&params(), true);
        assert_eq!(rise.is_some(), is_rise, "{number}: {rise:?}");
    }
    // Where it was always so, it is no rise.
    let all = bursts((14..64).filter(|day| day % 2 == 0), 25, false);
    assert_eq!(all.rise(&params(), true), None);
}

#[test]
fn whoever_takes_half_as_much_more_each_day_is_not_excused_by_the_day_before() {
    let mut days = days(usual_days(14));
    for (number, at_once) in [12, 18, 27, 40, 60, 90].into_iter().enumerate() {
        let peak = days.peaks()[OBJECTS];
        assert!(peak < 4.0, "day {number}: {peak}");
        days.pass(&params(), START + (14 + number as Millis) * DAY);
        carry(&mut days, objects(at_once), objects(at_once), None);
    }
    // What was told counts at once, what was not after five days.
    for (told, peak) in [(None, 18), (Some(objects(100)), 100)] {
        let mut days = days.clone();
        days.pass(&params(), START + 20 * DAY);
        carry(&mut days, objects(100), objects(100), told);
        days.pass(&params(), START + 21 * DAY);
        carry(&mut days, objects(1), objects(1), None);
        assert!((days.peaks()[OBJECTS] - f64::from(peak)).abs() < 0.05 * f64::from(peak), "{}", days.peaks()[OBJECTS]);
    }
}

#[test]
fn what_was_seen_while_the_user_was_learned_excuses_at_once() {
    for (is_learned, peak) in [(true, 40.0), (false, 3.0)] {
        let mut days = days(usual_days(14));
        days.pass(&params(), START + 14 * DAY);
        let (fresh, most) = (objects(40), [f64::INFINITY; MEASURES]);
        days.carry(Carried { fresh, in_window: fresh, told: None, most, is_learned });
        days.pass(&params(), START + 15 * DAY);
        assert!((days.peaks()[OBJECTS] - peak).abs() < 2.0, "{}", days.peaks()[OBJECTS]);
    }
}

#[test]
fn a_rise_reaches_its_floor_however_little_is_usual() {
    let mut days = days(usual_days(14));
    for number in 14..24 {
        days.pass(&params(), START + number * DAY);
        (0..80).for_each(|_| days.work());
        let rows = Quantity { objects: 1, rows: 20_000, bytes: 1_000_000 };
        carry(&mut days, rows, rows, None);
    }
    let rise = days.rise(&params(), true);
    assert!(rise.as_ref().is_some_and(|rise| rise.measure == 1 && rise.days == 10), "{rise:?}");
    let each: Vec<i32> = rise.unwrap().each.iter().map(|(day, _)| *day - day_of(START)).collect();
    assert_eq!(each, [14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
}

#[test]
fn the_rest_of_a_working_day_that_falls_into_the_next_says_nothing() {
    // The last hour of each Friday is a Saturday's in UTC.
    let week = |more: u32| usual_days(5).into_iter().map(move |(objects, work)| (objects + more, work)).chain([(1, 9)]);
    let [usual, risen] = [0, 9].map(|more| week(more).chain(week(more)));
    let [with, without] = [usual.clone().chain(usual.clone()), usual.clone().chain(risen)].map(days);
    assert_eq!(with.rise(&params(), true), None);
    let rise = without.rise(&params(), true);
    assert_eq!(rise, None, "today is such a rest");
    let mut all: Vec<(u32, u32)> = usual.clone().chain(usual).collect();
    all.extend(week(12).chain(week(12)).chain([(24, 80)]));
    let rise = days(all).rise(&params(), true).unwrap();
    assert!((10.0..12.0).contains(&rise.usual) && rise.spread < 4.0 && rise.days == 11, "{rise:?}");
}

#[test]
fn more_of_everything_explains_a_rise_up_to_its_limit() {
    for (times, is_rise) in [(2, false), (4, true)] {
        let mut all = usual_days(14);
        all.extend(usual_days(9).into_iter().map(|(objects, work)| (objects * times, work * times)));
        let days = days(all);
        assert!(days.rise(&params(), false).is_some());
        assert_eq!(days.rise(&params(), true).is_some(), is_rise, "{times} times");
    }
}

#[test]
fn what_is_not_known_long_enough_does_not_rise() {
    for (known, is_rise) in [(7, false), (8, true)] {
        let mut all = usual_days(known);
        all.extend([(60, 80); 4]);
        assert_eq!(days(all).rise(&params(), true).is_some(), is_rise, "{known}");
    }
}

#[test]
fn a_look_at_the_phone_is_no_day_of_activity() {
    for (work, known) in [(9, 0), (10, 1)] {
        assert_eq!(days([(0, work), (1, 0)]).known(), known, "{work}");
    }
}

#[test]
fn days_are_bounded_and_cost_eight_bytes_or_three() {
    let bytes = |days: &Days| postcard::to_stdvec(days).unwrap();
    let (full, idle) = (days(usual_days(200)), days((0..200).map(|n| (u32::from(n % 14 == 0), 80))));
    assert_eq!((full.known(), idle.known()), (DAYS_MAX, DAYS_MAX));
    assert!(bytes(&full).len() < 28 * 8 + 50, "{}", bytes(&full).len());
    assert!(bytes(&idle).len() < 28 * 3 + 2 * 5 + 50, "{}", bytes(&idle).len());
    for days in [full, idle, Days::default()] {
        assert_eq!(postcard::from_bytes::<Days>(&bytes(&days)).unwrap(), days);
    }
    for broken in [vec![1], vec![1, 2], vec![1, 2, 3, 4], [0_u8; 3 * 29].to_vec()] {
        let bytes = postcard::to_stdvec(&broken).unwrap();
        assert!(postcard::from_bytes::<Past>(&bytes).is_err(), "{broken:?}");
    }
}

#[test]
fn hours_of_the_day_without_activity_are_known_after_some_days_and_forgotten_after_weeks() {
    let at = |days: &Days, hour: Millis| days.is_asleep(START + 30 * DAY + (hour - 9) * HOUR);
    assert!(!at(&days(usual_days(8)), 3), "seven days are over");
    let known = days(usual_days(9));
    assert!(at(&known, 3) && at(&known, 11) && !at(&known, 8) && !at(&known, 9) && !at(&known, 10));
    let mut moved = days(usual_days(1));
    for number in 1..30 {
        moved.pass(&params(), START + number * DAY + 5 * HOUR);
        carry(&mut moved, objects(3), Quantity::default(), None);
    }
    assert!(at(&moved, 9) && !at(&moved, 14));
}
