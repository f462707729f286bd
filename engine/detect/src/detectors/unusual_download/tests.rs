use super::*;

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
        slow_sum_max: 8.0,
        slow_objects_floor: 30,
        slow_rows_floor: 100_000,
        slow_bytes_floor: 536_870_912,
        work_times_max: 2.0,
    }
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
