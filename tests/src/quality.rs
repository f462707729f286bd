//! How well the detectors do: a simulated company with all confounders runs through the pipeline of a task, and what
//! readers are left with is held against what was injected.
//!
//! Several sets of rules see the same stream at once, each in a task of its own, so that they can be compared.

mod addresses;
mod benign;
mod colleagues;
mod follow;
mod guesses;
mod held;
mod judge;
mod places;
mod table;
mod variants;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use frostwatch_detect::place::Locate;
use frostwatch_detect::time::Millis;
use frostwatch_runtime::pipeline::{Origin, Shared, Task};
use frostwatch_runtime::ports::{Channel, InputRecord, OutputRecord};
use frostwatch_simulator::{Account, AccountKind, Company};
use frostwatch_wire::alert::{AlertChange, AlertRecord, Entity};
use frostwatch_wire::normalise::config::{AccountPattern, NormaliseConfig};
use frostwatch_wire::normalise::{Normalised, Normaliser, Table};
use serde::Deserialize;
use serde_json::json;

use held::Held;

pub use addresses::{Stories, stories};
pub use benign::Benign;
pub use colleagues::{Published, colleagues, departments};
pub use follow::follow;
pub use guesses::OfGuesses;
pub use held::unexplained;
pub use judge::{Attribution, Judged, OfKind, Score, Total, judge};
pub use places::{Listing, places};
pub use table::{
    of_ablations, of_benign, of_classes, of_confounders, of_departments, of_guesses, of_held, of_kinds, of_scores,
    of_stories, of_totals,
};
pub use variants::{Ablation, Variant, ablations, sensitivities};

/// What the stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Rows of `ServiceNow`'s tables, normalised: without devices.
    Rows,
    /// activity.v1 as a producer writes it who knows devices.
    Activity,
}

/// An alert that stands at the end, or a finding that something held back.
#[derive(Clone, Debug, PartialEq)]
pub struct Final {
    /// Its id.
    pub id: String,
    /// Of an incident: the ids of the alerts that it tells together.
    pub parts: Vec<String>,
    /// The attacks of whose events it names one, positions in [`Company::labels`].
    pub labels: BTreeSet<u32>,
    /// What held it back; `None`: it is an alert.
    pub held_by: Option<String>,
    /// The rule: the detector that it is of has the same name, or it is a policy of one's own.
    pub policy: String,
    /// Which of the kinds of its policy.
    pub kind: Option<String>,
    /// Name of the user, in lower case.
    pub user: String,
    /// First event that counts, milliseconds since the epoch.
    pub first_ms: Millis,
    /// Last event that counts.
    pub last_ms: Millis,
    /// The event with which it was first told.
    pub told_ms: Millis,
    /// Severity at the end, 1 to 5.
    pub severity: u8,
    /// Countries of its addresses.
    pub countries: Vec<String>,
    /// What it says.
    pub summary: String,
}

/// Runs the company through a task for each variant, and answers what each leaves readers with.
pub fn run(
    company: &Company,
    form: Form,
    published: &[Published],
    locate: &Arc<dyn Locate>,
    variants: &[Variant],
) -> anyhow::Result<Vec<Vec<Final>>> {
    let lists = addresses::lists(company)?;
    let mut lanes = Vec::new();
    for variant in variants {
        let shared = Shared::new(0, Origin::default(), "quality");
        lanes.push((
            Task::new(Arc::new(shared), variant.ruling(locate, lists.as_ref())?, 0),
            Finals::default(),
            Held::default(),
        ));
    }
    let mut offset = 0;
    let mut fault = None;
    let mut out = Vec::new();
    let mut truth = Truth::new();
    each_record(company, form, published, &mut |Arrival { stamp_ms, key, value, label }| {
        truth.extend(label.and_then(|label| Some((serde_json::from_slice::<Named>(value).ok()?.id, label))));
        let record = InputRecord { offset, stamp: Some(stamp_ms), key: Some(key), value };
        offset += 1;
        for (task, finals, held) in &mut lanes {
            task.record_alone(&record, &mut out);
            let found = |record: &OutputRecord| matches!(record.channel, Channel::Alerts | Channel::Suppressions);
            for record in out.drain(..).filter(found) {
                if let Err(error) = note(&record, &truth, finals, held) {
                    fault.get_or_insert(error);
                }
            }
        }
    })?;
    fault.map_or(Ok(()), Err)?;
    for (task, _, held) in &lanes {
        let counters = task.counters();
        if !counters.is_conserved() || counters.rejected > 0 {
            return Err(anyhow!("records were lost: {counters:?}"));
        }
        held.check(task)?;
    }
    Ok(lanes.into_iter().map(|(_, finals, _)| finals.standing.into_values().collect()).collect())
}

/// What readers are left with.
#[derive(Default)]
struct Finals {
    /// By id.
    standing: BTreeMap<String, Final>,
    /// When each was first told, also of those that were taken back: whoever read it knew then.
    told: BTreeMap<String, Millis>,
}

/// Which attack each of its records belongs to, by the record's id.
type Truth = BTreeMap<String, u32>;

/// A record of activity as it arrives.
struct Arrival<'a> {
    stamp_ms: Millis,
    key: &'a [u8],
    value: &'a [u8],
    /// The attack that it belongs to.
    label: Option<u32>,
}

/// What every record has.
#[derive(Deserialize)]
struct Named {
    id: String,
}

/// Hands over every activity record, in the order of arrival, with what is published beside.
fn each_record(
    company: &Company,
    form: Form,
    published: &[Published],
    take: &mut impl FnMut(Arrival<'_>),
) -> anyhow::Result<()> {
    let mut beside = published.iter().peekable();
    let take = &mut |arrival: Arrival<'_>| {
        while let Some(next) = beside.next_if(|next| next.stamp_ms <= arrival.stamp_ms) {
            take(Arrival { stamp_ms: next.stamp_ms, key: next.key.as_bytes(), value: &next.value, label: None });
        }
        take(arrival);
    };
    if form == Form::Activity {
        for delivery in company.activity() {
            let (key, value) = (delivery.key.as_bytes(), delivery.row.as_bytes());
            take(Arrival { stamp_ms: delivery.stamp_ms, key, value, label: delivery.label });
        }
        return Ok(());
    }
    let normaliser = normaliser_of(company)?;
    for delivery in company.raw_rows() {
        let table = Table::from_name(delivery.table).with_context(|| format!("no table {}", delivery.table))?;
        normaliser.row(table, delivery.row.as_bytes(), &mut |normalised| {
            if let (Normalised::Activity { key, .. }, Some(bytes)) = (&normalised, normalised.to_bytes()) {
                let (stamp_ms, label) = (delivery.stamp_ms, delivery.label);
                take(Arrival { stamp_ms, key: key.as_bytes(), value: &bytes, label });
            }
        });
    }
    Ok(())
}

/// Rows are read as an administrator would have it: who is a program is known.
fn normaliser_of(company: &Company) -> anyhow::Result<Normaliser> {
    let mut config: NormaliseConfig =
        serde_json::from_value(json!({ "instance": company.config().instance, "accounts": [] }))?;
    let pattern = |account: Account| {
        let named = !matches!(account.kind, AccountKind::Vendor | AccountKind::Placeholder);
        named.then(|| AccountPattern { pattern: account.name.to_lowercase(), kind: account.kind.as_str().to_owned() })
    };
    config.accounts = company.people().filter_map(pattern).collect();
    Normaliser::new(config).map_err(|faults| anyhow!("{faults:?}"))
}

/// Keeps the last revision of each alert, and when it, or what it took the place of, was first told.
fn note(record: &OutputRecord, truth: &Truth, finals: &mut Finals, held: &mut Held) -> anyhow::Result<()> {
    let alert: AlertRecord = serde_json::from_slice(&record.value)?;
    held.note(&alert)?;
    let Some(body) = alert.body.filter(|_| alert.change != AlertChange::Retracted) else {
        finals.standing.remove(&alert.id);
        return Ok(());
    };
    let millis = |text: &str| chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let (mut user, mut countries) = (String::new(), Vec::new());
    for entity in alert.entities {
        match entity {
            // What is counted by comes before those who took part.
            Entity::Counted { by, value, .. } => user = format!("{by} {value}"),
            Entity::User { name, .. } if user.is_empty() => user = name.to_lowercase(),
            Entity::Address { place: Some(place), .. } => countries.push(place.country),
            _ => {}
        }
    }
    let last_ms = millis(&body.last_event_time)?;
    let held_by = body.suppressed_by.map(|blocker| blocker.by);
    let before = alert.supersedes.iter().filter(|_| held_by.is_none()).filter_map(|id| finals.told.get(id)).min();
    let told_ms = finals.told.get(&alert.id).or(before).copied().unwrap_or(last_ms);
    if held_by.is_none() {
        finals.told.insert(alert.id.clone(), told_ms);
    }
    let first_ms = millis(&body.first_event_time)?;
    let (policy, severity, summary) = (alert.rule.id, alert.severity, alert.summary);
    let kind = body.kind;
    let labels = body.evidence.events.iter().filter_map(|event| truth.get(&event.id)).copied().collect();
    let (id, parts) = (alert.id.clone(), body.parts.into_iter().map(|part| part.id).collect());
    let told = Final {
        id,
        parts,
        labels,
        held_by,
        policy,
        kind,
        user,
        first_ms,
        last_ms,
        told_ms,
        severity,
        countries,
        summary,
    };
    finals.standing.insert(alert.id, told);
    Ok(())
}
