//! The shipped detectors with limits low enough for small histories to cross.

use frostwatch_detect::catalogue::Params;
use frostwatch_detect::condition::{Condition, Scalar};
use frostwatch_detect::detectors::About;
use frostwatch_detect::detectors::activity_policy::Distinct;
use frostwatch_detect::detectors::ransomware::Written;
use frostwatch_detect::detectors::{
    activity_policy, anonymous_ip, failed_logins, impossible_travel, incident, infrequent_country, mass_download,
    new_device, ransomware, suspicious_ip, terminated_user, unusual_download,
};
use frostwatch_detect::entity::Per;
use frostwatch_detect::rule::Rule;

use super::rule;

pub(crate) fn rules() -> Vec<Rule> {
    let rules = [
        (
            "failed_logins",
            Params::FailedLogins(failed_logins::Params {
                failures_max: 3,
                window_secs: 300,
                success_within_secs: 600,
                baseline_window_secs: 3_600,
                baseline_floor: 2,
                baseline_tail_max: 0.02,
                prior_failures_per_week: 20.0,
                prior_weeks: 0.2,
                half_life_weeks: 1,
                usual_tail_min: 0.05,
                usual_days_min: 2,
                usual_failures_max: 40,
                rhythm_intervals: 2,
                rhythm_tolerance_secs: 30,
                stuffing_networks_min: 3,
                slow_hours_min: 2,
                slow_within_hours: 4,
            }),
            300,
        ),
        (
            "impossible_travel",
            Params::ImpossibleTravel(impossible_travel::Params {
                speed_kmh_max: 1_000,
                distance_km_min: 500,
                radius_factor: 2.0,
                radius_missing_km: 100,
                clock_pad_secs: 60,
                lookback_secs: 86_400,
                learning_days: 0,
                familiar_days: 2,
                familiar_forget_days: 30,
            }),
            3_600,
        ),
        (
            "infrequent_country",
            Params::InfrequentCountry(infrequent_country::Params {
                learning_days: 0,
                half_life_days: 1,
                known_weight_min: 0.5,
                learn_after_days: 2,
            }),
            7_200,
        ),
        (
            "mass_download",
            Params::MassDownload(mass_download::Params {
                objects_max: 4,
                rows_max: 5_000,
                bytes_max: 1 << 20,
                window_secs: 60,
                unique_objects: true,
            }),
            600,
        ),
    ];
    let mut rules: Vec<Rule> =
        rules.into_iter().chain(others()).map(|(id, params, quiet_secs)| rule(id, params, quiet_secs)).collect();
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    rules
}

fn left() -> (&'static str, Params, u32) {
    let params = terminated_user::Params {
        grace_minutes: 10,
        grace_objects_max: 1,
        grace_tells_sign_ins: true,
        midnight_is_a_day: true,
        disabled_counts: true,
    };
    ("terminated_user", Params::TerminatedUser(params), 3_600)
}

fn others() -> impl Iterator<Item = (&'static str, Params, u32)> {
    rules_of_lists()
        .into_iter()
        .chain([left(), unusual(), together(), devices()])
        .chain(policies())
        .chain(rules_of_files())
}

fn devices() -> (&'static str, Params, u32) {
    let params = new_device::Params {
        within_secs: 1_200,
        failures_min: 2,
        failures_strange_min: 1,
        failures_within_secs: 600,
        near_km: 50,
        confidence_min: 50,
        confidence_strange_min: 20,
        learning_days: 0,
        usual_days_min: 2,
        devices_many: 4,
        device_forget_days: 3,
    };
    ("new_device", Params::NewDevice(params), 600)
}

fn together() -> (&'static str, Params, u32) {
    ("incident", Params::Incident(incident::Params { policies_min: 2, score_min: 0, score_grave: 80 }), 900)
}

/// Days are few in small histories: two of them make a rise.
fn unusual() -> (&'static str, Params, u32) {
    let params = unusual_download::Params {
        window_secs: 3_600,
        objects_floor: 3,
        rows_floor: 4_000,
        bytes_floor: 5_000,
        tail_max: 0.05,
        prior_objects_per_week: 20.0,
        prior_weeks: 0.2,
        half_life_weeks: 1,
        peak_times: 1.0,
        turn_days: 2,
        learning_days: 1,
        slow_days_min: 1,
        slow_slack: 0.1,
        slow_sum_max: 1.0,
        slow_objects_floor: 1,
        slow_rows_floor: 500,
        slow_bytes_floor: 1_000,
        work_times_max: 1.5,
        peers_min: 2,
        learning_times_max: 3,
        unique_objects: true,
    };
    ("unusual_download", Params::UnusualDownload(params), 1_800)
}

fn rules_of_lists() -> [(&'static str, Params, u32); 2] {
    [
        (
            "anonymous_ip",
            Params::AnonymousIp(anonymous_ip::Params {
                confidence_min: 10,
                confidence_sure: 60,
                hosting: true,
                learning_days: 0,
                usual_days_min: 1,
                usual_forget_days: 3,
            }),
            1_800,
        ),
        (
            "suspicious_ip",
            Params::SuspiciousIp(suspicious_ip::Params {
                confidence_min: 30,
                confidence_strange_min: 10,
                look_back_hours: 2,
                confidence_sure: 60,
                usual_days_min: 1,
                usual_forget_days: 3,
            }),
            900,
        ),
    ]
}

fn rules_of_files() -> [(&'static str, Params, u32); 1] {
    let params = ransomware::Params {
        changes_min: 4,
        window_secs: 600,
        slow_window_secs: 7_200,
        extension_min: 2,
        content_min: 2,
        records_min: 2,
        score_min: 60,
        learning_days: 1,
        usual_days_min: 1,
        usual_forget_days: 2,
        usual_extensions: vec!["vlt".to_owned()],
        usual_people: 4,
        seen_extensions: vec![Written { name: "locked".to_owned(), people: 1 }],
        seen_notes: vec![Written { name: "how_to_restore".to_owned(), people: 2 }],
    };
    // As every rule that is checked: quiet for no less than it looks back.
    [("ransomware", Params::Ransomware(params), 7_200)]
}

/// What is done to files: some are renamed to other extensions, some come where others went, and now and then a note.
fn policies() -> [(&'static str, Params, u32); 4] {
    let leaf = |field: &str, values: &[&str]| Condition {
        field: Some(field.into()),
        is_in: Some(values.iter().map(|value| Scalar::Text((*value).into())).collect()),
        ..Condition::default()
    };
    let any = |parts: Vec<Condition>| Condition { any: Some(parts), ..Condition::default() };
    let all = |parts: Vec<Condition>| Condition { all: Some(parts), ..Condition::default() };
    let policy = |filter: Condition, repeated: Option<(u32, u32)>, distinct: Option<Distinct>| {
        let (events_min, window_secs) = repeated.unzip();
        let (slow_events_min, slow_window_secs) = repeated
            .filter(|_| distinct == Some(Distinct::Object))
            .map(|(events, secs)| (events + 2, secs * 4))
            .unzip();
        let per = if distinct == Some(Distinct::User) { Per::Address } else { Per::User };
        Params::ActivityPolicy(activity_policy::Params {
            r#where: filter,
            events_min,
            window_secs,
            slow_events_min,
            slow_window_secs,
            distinct,
            per,
            about: (per == Per::User && events_min.is_some()).then_some(About::Deeds),
        })
    };
    let abroad = Condition { not: Some(Box::new(leaf("place.country", &["SE"]))), ..Condition::default() };
    let mobile = leaf("channel", &["mobile"]);
    let exports = leaf("action", &["export", "download"]);
    let any_activity = Condition { field: Some("action".into()), is_set: Some(true), ..Condition::default() };
    let failures = all(vec![leaf("action", &["login"]), leaf("outcome", &["failure"])]);
    [
        ("activity_policy", policy(exports, Some((2, 600)), Some(Distinct::Object)), 2_400),
        ("policy_abroad", policy(any(vec![abroad, mobile]), None, None), 1_200),
        ("policy_guesses", policy(failures, Some((3, 900)), Some(Distinct::Address)), 900),
        // The machine knows nothing of whose key it is: in this one events name users.
        ("policy_many_users", policy(any_activity, Some((3, 1_800)), Some(Distinct::User)), 1_800),
    ]
}
