//! The shipped rules.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "the lints spare only functions marked as tests"
)]

use frostwatch_detect::catalogue::{DETECTORS, Params};
use frostwatch_detect::detectors::About;
use frostwatch_detect::detectors::activity_policy::Distinct;
use frostwatch_detect::entity::Per;
use frostwatch_rulebook::{Rulebook, default_rules};

#[test]
fn every_detector_has_a_shipped_rule_of_its_name_and_all_are_in_order() {
    let book = Rulebook::parse(default_rules(), None).unwrap_or_else(|faults| {
        panic!("{}", faults[0]);
    });
    let ids: Vec<&str> = book.rules.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(ids, DETECTORS);
    assert!(book.warnings.is_empty(), "{:?}", book.warnings);
    for rule in &book.rules {
        assert_eq!(rule.params.detector(), rule.id);
        assert!(rule.runbook_url.ends_with(&format!("/docs/runbooks/{}.md", rule.id)));
        assert!(!rule.recommended_actions.is_empty(), "{}", rule.id);
        // An incident shows the techniques of its alerts.
        assert_eq!(rule.attack.is_empty(), rule.params.reads_alerts(), "{}", rule.id);
        assert_eq!(rule.hash.len(), 16);
    }
}

#[test]
fn the_shipped_thresholds_are_those_of_the_reference() {
    let book = Rulebook::parse(default_rules(), None).unwrap();
    let quiet: Vec<u32> = book.rules.iter().map(|rule| rule.quiet_secs).collect();
    assert_eq!(quiet, [28_800, 604_800, 300, 86_400, 86_400, 604_800, 600, 3_600, 86_400, 604_800, 86_400, 3_600]);
    for rule in &book.rules {
        match &rule.params {
            Params::ActivityPolicy(p) => {
                assert_eq!((p.events_min, p.window_secs, p.distinct), (Some(101), Some(600), Some(Distinct::Object)));
                assert_eq!((p.slow_events_min, p.slow_window_secs, p.per), (Some(201), Some(28_800), Per::User));
                assert_eq!(p.about, Some(About::Deeds));
            }
            Params::AnonymousIp(p) => {
                assert_eq!((p.confidence_min, p.confidence_sure, p.hosting, p.learning_days), (30, 60, false, 7));
                assert_eq!((p.usual_days_min, p.usual_forget_days), (5, 30));
            }
            Params::SuspiciousIp(p) => {
                assert_eq!((p.confidence_min, p.confidence_sure), (50, 75));
                assert_eq!((p.usual_days_min, p.usual_forget_days), (5, 30));
            }
            Params::FailedLogins(p) => {
                assert_eq!((p.failures_max, p.window_secs, p.success_within_secs), (10, 300, 900));
                assert_eq!((p.baseline_window_secs, p.baseline_floor, p.half_life_weeks), (3_600, 11, 4));
                assert_eq!((p.usual_days_min, p.usual_failures_max, p.rhythm_intervals), (5, 60, 8));
                assert!((p.baseline_tail_max - 1e-4).abs() < f64::EPSILON);
            }
            Params::ImpossibleTravel(p) => {
                assert_eq!((p.speed_kmh_max, p.distance_km_min, p.radius_missing_km), (1_000, 500, 200));
                assert_eq!((p.clock_pad_secs, p.lookback_secs, p.learning_days), (60, 86_400, 7));
                assert_eq!((p.familiar_days, p.familiar_forget_days), (3, 30));
                assert!((p.radius_factor - 2.0).abs() < f64::EPSILON);
            }
            Params::Incident(p) => assert_eq!((p.policies_min, p.score_min, p.score_grave), (2, 50, 80)),
            Params::InfrequentCountry(p) => {
                assert_eq!((p.learning_days, p.half_life_days, p.learn_after_days), (7, 30, 3));
                assert!((p.known_weight_min - 0.5).abs() < f64::EPSILON);
            }
            Params::MassDownload(p) => {
                assert_eq!((p.objects_max, p.rows_max, p.bytes_max), (50, 50_000, 256 << 20));
                assert_eq!((p.window_secs, p.unique_objects), (60, false));
            }
            Params::NewDevice(p) => {
                assert_eq!((p.within_secs, p.failures_min, p.failures_within_secs), (86_400, 5, 3_600));
                assert_eq!((p.learning_days, p.usual_days_min, p.devices_many), (14, 3, 6));
                assert_eq!((p.confidence_min, p.device_forget_days), (50, 90));
            }
            Params::Ransomware(p) => {
                assert_eq!((p.changes_min, p.window_secs, p.slow_window_secs), (20, 600, 86_400));
                assert_eq!((p.extension_min, p.content_min, p.records_min, p.score_min), (16, 6, 6, 60));
                assert_eq!((p.learning_days, p.usual_days_min, p.usual_forget_days), (7, 4, 30));
                assert!(p.usual_extensions.is_empty());
            }
            Params::TerminatedUser(p) => assert_eq!((p.grace_minutes, p.disabled_counts), (60, true)),
            Params::UnusualDownload(p) => {
                assert_eq!((p.window_secs, p.objects_floor, p.learning_days), (3_600, 20, 30));
                assert_eq!((p.rows_floor, p.bytes_floor), (50_000, 256 << 20));
                assert_eq!((p.turn_days, p.slow_days_min, p.slow_objects_floor, p.peers_min), (3, 4, 30, 5));
                assert_eq!((p.learning_times_max, p.unique_objects), (10, true));
                assert!((p.peak_times - 1.5).abs() < f64::EPSILON && (p.work_times_max - 2.0).abs() < f64::EPSILON);
            }
        }
    }
}
