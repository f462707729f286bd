use super::*;
use crate::caps::Caps;
use crate::time::HOUR as HOUR_MS;

/// The parameters as they ship.
pub(crate) fn params() -> Params {
    Params {
        window_secs: 3_600,
        objects_floor: 20,
        rows_floor: 50_000,
        bytes_floor: 268_435_456,
        tail_max: 0.000_01,
        prior_objects_per_week: 40.0,
        prior_weeks: 0.5,
        half_life_weeks: 4,
        peak_times: 1.5,
        turn_days: 3,
        learning_days: 21,
        slow_days_min: 4,
        slow_slack: 1.3,
        slow_sum_max: 11.0,
        slow_objects_floor: 30,
        slow_rows_floor: 100_000,
        slow_bytes_floor: 536_870_912,
        work_times_max: 2.0,
        peers_min: 5,
        learning_times_max: 10,
        unique_objects: true,
    }
}

/// What is kept of a user after two months of five working days a week, on `downloading` of them eleven objects.
fn bytes_of(downloading: i64) -> usize {
    const DAY_HOURS: i64 = 24;
    let (mut state, mut caps) = (State::default(), Caps::default());
    for hour in (0..60 * DAY_HOURS).filter(|hour| hour / DAY_HOURS % 7 < 5 && (8..19).contains(&(hour % DAY_HOURS))) {
        let time = 1_767_571_200_000 + hour * HOUR_MS;
        state.days.pass(&params(), time);
        (0..8).for_each(|_| state.days.work());
        if hour / DAY_HOURS % 7 < downloading {
            let carried = Quantity { objects: 1, rows: 0, bytes: 600_000 };
            state.window.expire(time, HOUR_MS, &mut caps);
            state.window.take(Taken { time, carried, covered: false, object: time as u64 }, &mut caps);
            let in_window = state.window.sums().counted(false);
            state.days.carry(Carried {
                fresh: carried,
                in_window,
                told: None,
                most: [f64::INFINITY; MEASURES],
                is_learned: false,
            });
        }
    }
    postcard::to_stdvec(&state).unwrap().len()
}

#[test]
fn a_user_costs_as_much_as_they_carry_off() {
    assert!(bytes_of(1) < 250, "{}", bytes_of(1));
    assert!(bytes_of(5) < 400, "{}", bytes_of(5));
}

#[test]
fn a_floor_of_nothing_is_off_and_not_all_may_be() {
    let off = Params { objects_floor: 0, rows_floor: 0, bytes_floor: 0, ..params() };
    assert_eq!(off.faults().len(), 1);
    let one = Params { bytes_floor: 1, ..off };
    assert!(one.faults().is_empty() && params().faults().is_empty());
    let carried = Quantity { objects: 1_000, rows: 1_000_000, bytes: 1 };
    assert_eq!(one.reached(carried, 1.0), [false, false, true]);
}
