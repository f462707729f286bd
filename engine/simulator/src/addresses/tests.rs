use super::*;
use crate::company::CompanyConfig;
use crate::delivery::Actions;

const START_MS: i64 = 1_772_409_600_000;
const PLAN: AddressPlan = AddressPlan { fast: 6, slow: 4, work: true };

fn config() -> CompanyConfig {
    CompanyConfig::confounded(3, 150, 30, START_MS, 2)
}

fn is_slow(kind: AttackKind) -> bool {
    matches!(kind, AttackKind::SlowAnonymousAddress | AttackKind::SlowBadAddress | AttackKind::SlowTerminatedUse)
}

#[test]
fn whoever_does_not_ask_for_it_has_no_lists_and_nobody_who_leaves() {
    let without = Company::new(config()).unwrap();
    let with = Company::new(config().with_addresses(PLAN)).unwrap();
    assert!(without.address_lists().is_empty() && without.harmless().is_empty());
    // But for the people who pay for a tunnel, of whom there are more.
    let of =
        |company: &Company| company.labels().iter().filter(|label| label.kind < AttackKind::AnonymousAddress).count();
    assert_eq!(of(&with), of(&without));
    let status = |company: &Company| {
        company
            .activity()
            .filter(|told| told.row.contains("user_terminate") || told.row.contains("mfa_challenge"))
            .count()
    };
    assert_eq!(status(&without), 0);
    assert!(status(&with) > 10);
}

#[test]
fn attacks_are_labelled_by_their_pace_and_nobody_is_attacked_twice() {
    let company = Company::new(config().with_addresses(PLAN)).unwrap();
    let mut counts: BTreeMap<AttackKind, usize> = BTreeMap::new();
    for (position, label) in company.labels().iter().enumerate() {
        *counts.entry(label.kind).or_default() += 1;
        let own = company.attack_actions.iter().filter(|action| action.label == Some(position as u32));
        assert_eq!(own.count(), label.actions as usize, "{label:?}");
        let span_ms = label.end_ms - label.start_ms;
        match label.kind {
            AttackKind::AnonymousAddress | AttackKind::BadAddress => assert!(span_ms <= HOUR_MS, "{label:?}"),
            AttackKind::SlowAnonymousAddress | AttackKind::SlowBadAddress => assert!(span_ms > HOUR_MS, "{label:?}"),
            _ => {}
        }
    }
    for (kind, count) in counts.into_iter().filter(|(kind, _)| *kind >= AttackKind::AnonymousAddress) {
        assert_eq!(count, if is_slow(kind) || kind == AttackKind::SlowNewDevice { 4 } else { 6 }, "{kind:?}");
    }
    let users: BTreeSet<&str> = company.labels().iter().map(|label| label.user.as_str()).collect();
    assert_eq!(users.len(), company.labels().len());
}

#[test]
fn whoever_has_left_does_no_more_of_what_a_day_has() {
    let company = Company::new(config().with_addresses(PLAN)).unwrap();
    assert!(company.absences.len() >= 17, "{} accounts", company.absences.len());
    let mut actions = Actions::new(&company);
    let all = std::iter::from_fn(|| actions.next_slot()).flat_map(|(_, slot)| slot);
    let mut seen = 0;
    for action in all.filter(|action| action.label.is_none()) {
        let absent = company.absences.get(&action.account).map_or(&[][..], Vec::as_slice);
        if absent.iter().any(|(from_ms, to_ms)| (*from_ms..*to_ms).contains(&action.time_ms)) {
            let own = company.attack_actions.iter().any(|planned| planned.id == action.id);
            assert!(own, "{action:?}");
            seen += 1;
        }
    }
    assert!(seen > 0, "handovers and jobs go on");
}

#[test]
fn every_kind_of_harmless_work_is_somebodys() {
    let company = Company::new(config().with_addresses(PLAN)).unwrap();
    let kinds: BTreeSet<HarmlessKind> = company.harmless().iter().map(|harmless| harmless.harmless).collect();
    // A kiosk is drawn with the other confounders, and a small company may have none.
    assert!(kinds.len() >= 18, "{kinds:?}");
}

#[test]
fn lists_name_what_attackers_use() {
    let company = Company::new(config().with_addresses(PLAN)).unwrap();
    let names: Vec<&str> = company.address_lists().iter().map(|list| list.name).collect();
    assert_eq!(names, ["tor_exits", "networks", "reputation", "ours"]);
    assert!(company.address_lists().iter().all(|list| list.text.lines().count() > 3));
}
