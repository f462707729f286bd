//! The naive detectors on the same rows in the same order of arrival.

use frostwatch_detect::time::{HOUR, Millis};
use frostwatch_simulator::Company;
use frostwatch_testkit::naive::Naive;
use frostwatch_wire::activity::decode::decode;
use frostwatch_wire::normalise::{Normalised, Table};

use super::judge::Final;
use super::{normaliser_of, places};

/// Naive findings of one kind about one user within this of each other are one alert, which is kind to them.
const ONE_ALERT: Millis = 24 * HOUR;

/// What the naive detectors say of the company.
pub(super) fn findings(company: &Company) -> anyhow::Result<Vec<Final>> {
    let normaliser = normaliser_of(company)?;
    let mut naive = Naive::new(places()?);
    let mut alerts: Vec<Final> = Vec::new();
    for delivery in company.raw_rows() {
        let Some(table) = Table::from_name(delivery.table) else { continue };
        normaliser.row(table, delivery.row.as_bytes(), &mut |normalised| {
            let (Normalised::Activity { key, .. }, Some(bytes)) = (&normalised, normalised.to_bytes()) else { return };
            let Ok(activity) = decode(&bytes) else { return };
            for found in naive.observe(&activity, key) {
                let user = found.user.split_once('|').map_or(found.user.as_str(), |(_, user)| user);
                add(&mut alerts, found.policy, user, found.time);
            }
        });
    }
    Ok(alerts)
}

fn add(alerts: &mut Vec<Final>, policy: &str, user: &str, time: Millis) {
    let open = alerts
        .iter_mut()
        .rev()
        .find(|alert| alert.policy == policy && alert.user == user && (time - alert.last_ms).abs() <= ONE_ALERT);
    if let Some(alert) = open {
        alert.last_ms = alert.last_ms.max(time);
        return;
    }
    alerts.push(Final {
        policy: policy.to_owned(),
        user: user.to_owned(),
        first_ms: time,
        last_ms: time,
        summary: String::new(),
    });
}
