use std::collections::BTreeMap;

use super::*;
use crate::company::CompanyConfig;

const START_MS: i64 = 1_772_409_600_000;
const PLAN: PolicyPlan = PolicyPlan { fast: 8, slow: 4, work: true, sprays: 8 };

fn config() -> CompanyConfig {
    CompanyConfig::confounded(60, 150, 24, START_MS, 2)
}

#[test]
fn whoever_does_not_ask_for_it_has_the_same_company() {
    let without = Company::new(config()).unwrap();
    let with = Company::new(config().with_policies(PLAN)).unwrap();
    assert!(without.address_lists().is_empty() && without.harmless().is_empty());
    assert_eq!(with.labels()[..without.labels().len()], *without.labels());
    let rows = |company: &Company| -> BTreeSet<String> { company.raw_rows().map(|delivery| delivery.row).collect() };
    let (before, after) = (rows(&without), rows(&with));
    assert!(before.is_subset(&after) && before.len() < after.len());
}

#[test]
fn attacks_are_labelled_by_their_pace_and_nobody_is_attacked_twice() {
    let company = Company::new(config().with_policies(PLAN)).unwrap();
    let of = |kind| company.labels().iter().filter(move |label| label.kind == kind);
    for (fast, slow) in [
        (AttackKind::MassDeletion, AttackKind::SlowMassDeletion),
        (AttackKind::Impersonation, AttackKind::SlowImpersonation),
        (AttackKind::PrivilegedGrant, AttackKind::SlowPrivilegedGrant),
        (AttackKind::AdminFromOutside, AttackKind::SlowAdminFromOutside),
        (AttackKind::RiskySignIn, AttackKind::SlowRiskySignIn),
    ] {
        assert_eq!((of(fast).count(), of(slow).count()), (8, 4), "{fast:?}");
        assert!(of(fast).all(|label| label.end_ms - label.start_ms <= 70 * MINUTE_MS), "{fast:?}");
        let spans: Vec<i64> = of(slow).map(|label| label.end_ms - label.start_ms).collect();
        assert!(spans.iter().any(|span| *span > 2 * HOUR_MS), "{slow:?}: {spans:?}");
    }
    let of_one = || company.labels().iter().filter(|label| label.kind < AttackKind::PasswordSpray);
    let users: BTreeSet<&str> = of_one().map(|label| label.user.as_str()).collect();
    assert_eq!(users.len(), of_one().count());
    for (position, label) in (0..).zip(company.labels()).filter(|(_, label)| label.kind >= AttackKind::MassDeletion) {
        let own: Vec<&Action> = company.attack_actions.iter().filter(|action| action.label == Some(position)).collect();
        assert_eq!(own.len(), label.actions as usize, "{label:?}");
        let deletes = |action: &&&Action| matches!(action.deed, Deed::Admin(AdminDeed::Delete { .. }));
        let is_deletion = matches!(label.kind, AttackKind::MassDeletion | AttackKind::SlowMassDeletion);
        assert_eq!(own.iter().filter(deletes).count() > 100, is_deletion, "{label:?}");
        assert_eq!(label.classes.len(), 1, "{label:?}");
    }
}

#[test]
fn a_spray_tries_each_of_many_accounts_once_or_twice() {
    let company = Company::new(config().with_policies(PLAN)).unwrap();
    let sprays: Vec<_> =
        (0..).zip(company.labels()).filter(|(_, label)| label.kind >= AttackKind::PasswordSpray).collect();
    assert_eq!(sprays.len(), 12);
    for (position, label) in &sprays {
        let tried = company.attack_actions.iter().filter(|action| action.label == Some(*position));
        let failed = tried.filter(|action| matches!(action.deed, Deed::LoginFailed { .. }));
        let mut times: BTreeMap<u32, usize> = BTreeMap::new();
        failed.for_each(|action| *times.entry(action.account).or_default() += 1);
        assert!(times.len() >= 12 && times.values().all(|count| *count <= 2), "{label:?}: {times:?}");
    }
}

#[test]
fn every_kind_of_harmless_work_is_somebodys() {
    let company = Company::new(config().with_policies(PLAN)).unwrap();
    let kinds: BTreeSet<_> = company.harmless().iter().map(|harmless| harmless.harmless).collect();
    // Emergencies and changes that give such a role are seldom.
    assert!(kinds.len() >= 6, "{kinds:?}");
    let administration = company.administration();
    assert_eq!(administration.privileged.len(), usize::from(GOVERNING) + 1);
    assert!(!administration.service_desk.is_empty() && !administration.offices.is_empty());
}
