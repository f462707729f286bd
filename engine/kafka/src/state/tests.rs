use frostwatch_detect::plan::Named;

use super::*;

fn standing(progress: Option<(i64, i64, u32)>, committed: Option<i64>) -> Standing {
    let progress = progress.map(|(offset, low_water, epoch)| Progress {
        schema: PROGRESS_SCHEMA.to_owned(),
        offset,
        low_water,
        rebuild: false,
        unsettled: false,
        epoch,
        partitions: 1,
        last: None,
        misrouted: 0,
        task: TaskProgress::default(),
    });
    Standing {
        partition: 0,
        progress,
        keys: BTreeSet::new(),
        turns: Vec::new(),
        committed,
        epoch: Some(2),
        built_on: Some(1),
        low: 10,
        high: 90,
    }
}

#[track_caller]
fn check(choice: Choice, standing: &Standing, wanted: Option<(i64, i64, bool, u32)>) {
    let decided = decide(choice, standing, 1).map(|decision| decision.progress);
    assert_eq!(decided.map(|it| (it.offset, it.low_water, it.rebuild, it.epoch)), wanted, "{choice:?}");
}

#[test]
fn the_state_goes_on_where_it_stands_and_what_is_lost_raises_the_epoch() {
    let whole = standing(Some((50, 40, 2)), Some(70));
    check(Choice::Resume { lossy: false }, &whole, Some((50, 40, false, 2)));
    check(Choice::Resume { lossy: true }, &whole, Some((50, 40, false, 2)));
    check(Choice::Resume { lossy: true }, &standing(Some((50, 4, 2)), Some(50)), Some((50, 10, false, 3)));
    check(Choice::Resume { lossy: true }, &standing(Some((7, 4, 2)), Some(7)), Some((10, 10, false, 3)));
    check(Choice::Resume { lossy: true }, &standing(Some((95, 93, 2)), Some(95)), Some((90, 10, true, 3)));
    check(Choice::Resume { lossy: true }, &standing(Some((90, 90, 2)), Some(90)), Some((90, 90, false, 2)));
    check(Choice::Resume { lossy: false }, &standing(None, Some(50)), None);
}

#[test]
fn state_is_made_anew_before_the_offset_of_the_group_or_else_of_the_state() {
    check(Choice::Rebuild, &standing(Some((50, 40, 2)), Some(70)), Some((70, 10, true, 3)));
    check(Choice::Rebuild, &standing(Some((50, 40, 5)), None), Some((50, 10, true, 6)));
    check(Choice::Rebuild, &standing(None, Some(50)), Some((50, 10, true, 3)));
    check(Choice::Rebuild, &Standing { epoch: None, ..standing(None, None) }, None);
}

#[test]
fn what_is_forgotten_is_scored_again_in_an_epoch_of_its_own() {
    check(Choice::Forget, &standing(Some((50, 40, 2)), Some(70)), Some((10, 10, false, 3)));
    check(Choice::Forget, &standing(None, Some(50)), Some((10, 10, false, 3)));
    check(Choice::Forget, &Standing { epoch: None, ..standing(None, Some(5)) }, Some((10, 10, false, 0)));
    check(Choice::Forget, &Standing { epoch: None, ..standing(None, None) }, None);
}

fn turn(offset: i64) -> RecordedTurn {
    let named = Named {
        rules: "a".to_owned(),
        geoip: "b".to_owned(),
        lateness_secs: 3_600,
        skew_secs: 300,
        semantics: 1,
        state_format: 1,
        lists: String::new(),
    };
    RecordedTurn { offset, named }
}

#[track_caller]
fn check_deleted(choice: Choice, standing: &Standing, wanted: &[&[u8]], keys: usize) {
    let decision = decide(choice, standing, 1).unwrap();
    assert_eq!(decision.deleted, wanted, "{choice:?}");
    assert_eq!(decision.keys_dropped, keys, "{choice:?}");
}

#[test]
fn what_is_made_anew_or_lost_drops_keys_and_what_is_scored_again_its_turns() {
    let with = |progress| Standing {
        keys: BTreeSet::from([b"acme|ana".to_vec(), b"acme|bo".to_vec()]),
        turns: vec![turn(20), turn(80)],
        ..standing(Some(progress), Some(70))
    };
    let (ana, bo): (&[u8], &[u8]) = (b"acme|ana", b"acme|bo");
    let (first, second) = (turn(20).key(), turn(80).key());
    let whole = with((85, 85, 2));
    check_deleted(Choice::Resume { lossy: false }, &whole, &[], 0);
    check_deleted(Choice::Resume { lossy: true }, &with((85, 5, 2)), &[], 0);
    check_deleted(Choice::Resume { lossy: true }, &with((95, 95, 2)), &[ana, bo], 2);
    check_deleted(Choice::Rebuild, &whole, &[ana, bo, &second], 2);
    check_deleted(Choice::Forget, &whole, &[ana, bo, &first, &second], 2);
}

#[test]
fn a_choice_that_is_broken_off_is_made_again_as_if_it_had_not_been() {
    let whole = Standing { keys: BTreeSet::from([b"acme|ana".to_vec()]), ..standing(Some((50, 40, 5)), Some(70)) };
    for choice in [Choice::Rebuild, Choice::Forget] {
        let first = decide(choice, &whole, 1).unwrap();
        assert_eq!((first.under_way.offset, first.under_way.low_water, first.under_way.epoch), (UNDER_WAY, 50, 5));
        let broken_off = Standing { progress: Some(first.under_way.clone()), ..whole.clone() };
        assert!(broken_off.is_broken_off());
        assert_eq!(decide(choice, &broken_off, 1), Some(first), "{choice:?}");
        check(Choice::Resume { lossy: true }, &broken_off, None);
        // Where the group's offset has expired too, the progress says where the state stood.
        let expired = Standing { committed: None, ..broken_off };
        check(Choice::Rebuild, &expired, Some((50, 10, true, 6)));
    }
}

#[test]
fn only_who_forgets_goes_on_under_another_number_of_partitions_or_resumes_nothing() {
    let settings = KafkaSettings::new("b:1");
    let allowed = |choice, standing: &Standing, partitions| check_allowed(&settings, choice, standing, partitions);
    let known = standing(Some((50, 40, 2)), Some(50));
    for choice in [Choice::Resume { lossy: false }, Choice::Resume { lossy: true }, Choice::Rebuild, Choice::Forget] {
        assert!(allowed(choice, &known, 1).is_ok());
        let other = allowed(choice, &known, 2);
        assert_eq!(other.is_ok(), choice == Choice::Forget, "{other:?}");
        let broken_off =
            Standing { progress: decide(Choice::Rebuild, &known, 1).map(|it| it.under_way), ..known.clone() };
        let again = allowed(choice, &broken_off, 1);
        assert_eq!(again.is_err(), matches!(choice, Choice::Resume { .. }), "{again:?}");
    }
    assert_eq!(decide(Choice::Forget, &known, 2).unwrap().under_way.partitions, 1, "what is left of it is of one");
}

#[test]
fn what_is_scored_again_is_above_the_highest_epoch_in_every_partition() {
    let begun = |epoch| Standing { epoch: Some(epoch), progress: None, committed: Some(50), ..standing(None, None) };
    let mut standings = [begun(5), begun(1), Standing { epoch: None, ..standing(None, None) }];
    in_one_epoch(&mut standings);
    let epochs = standings.map(|it| decide(Choice::Forget, &it, 3).map(|decision| decision.progress.epoch));
    assert_eq!(epochs, [Some(6); 3]);
    let mut none = [Standing { epoch: None, ..standing(None, None) }];
    in_one_epoch(&mut none);
    assert_eq!(decide(Choice::Forget, &none[0], 1), None, "nobody has begun");
}
