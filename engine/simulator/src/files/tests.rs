use super::*;
use crate::attacks::AttackKind;
use crate::company::CompanyConfig;

const START_MS: i64 = 1_772_409_600_000;
const PLAN: FilePlan = FilePlan { fast: 6, slow: 4, work: true };

fn config() -> CompanyConfig {
    CompanyConfig::confounded(3, 60, 20, START_MS, 2)
}

#[test]
fn whoever_does_not_ask_for_it_has_the_same_company() {
    let without = Company::new(config()).unwrap();
    let with = Company::new(config().with_files(PLAN)).unwrap();
    assert_eq!(with.labels()[..without.labels().len()], *without.labels());
    let rows = |company: &Company| -> BTreeSet<String> { company.raw_rows().map(|delivery| delivery.row).collect() };
    let (before, after) = (rows(&without), rows(&with));
    assert!(before.is_subset(&after) && before.len() < after.len());
}

#[test]
fn attacks_are_labelled_by_their_pace_and_nobody_is_attacked_twice() {
    let company = Company::new(config().with_files(PLAN)).unwrap();
    let of = |kind| company.labels().iter().filter(move |label| label.kind == kind);
    assert_eq!((of(AttackKind::Ransomware).count(), of(AttackKind::SlowRansomware).count()), (6, 4));
    for label in of(AttackKind::Ransomware) {
        assert!(label.end_ms - label.start_ms <= 16 * 60_000 && label.actions >= 17, "{label:?}");
    }
    for label in of(AttackKind::SlowRansomware) {
        assert!(label.end_ms - label.start_ms >= 6 * 3_600_000, "{label:?}");
    }
    let users: BTreeSet<&str> = company.labels().iter().map(|label| label.user.as_str()).collect();
    assert_eq!(users.len(), company.labels().len());
    for (position, label) in company.labels().iter().enumerate() {
        let own = company.attack_actions.iter().filter(|action| action.label == Some(position as u32));
        assert_eq!(own.count(), label.actions as usize, "{label:?}");
    }
}
