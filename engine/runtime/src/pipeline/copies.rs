//! Copies: a record that rules count by something else than its user, once more under the key of that.
//!
//! They go to the topic that the engine reads, in the transaction of the record they are made of, so that each is there once; and
//! since a copy has the id of its record, a second one is a duplicate like any other.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use frostwatch_detect::entity::{Per, entity, subject};
use frostwatch_detect::event::Event;
use frostwatch_detect::model::{Action, Outcome};
use frostwatch_detect::plan::{LaneKind, Plan};
use frostwatch_wire::activity::ENTITY_KEY_BYTES_MAX;
use frostwatch_wire::activity::decode::{Activity, copy};
use frostwatch_wire::activity::record::CountedBy;
use frostwatch_wire::subject::compared;

use crate::ports::{Channel, InputRecord, OutputRecord};

/// A record and its key.
pub(super) struct Source<'a> {
    pub(super) key: &'a str,
    pub(super) record: &'a InputRecord<'a>,
}

/// Pushes the copies that the rules which take this event ask for, one for each thing that is counted by, and returns how many.
/// A copy has none, and what is said of an account is no activity. `rules`: what is said of all rules.
pub(super) fn of(
    activity: &Activity<'_>,
    (event, rules): (&Event, u128),
    source: &Source<'_>,
    plan: &Plan,
    out: &mut Vec<OutputRecord>,
) -> u64 {
    let is_none = activity.counted.is_some() || event.action == Action::UserProfile;
    if rules & plan.not_of(None) == 0 || is_none {
        return 0;
    }
    // What failed is looked at among sign-ins alone.
    let takes =
        |lane: LaneKind| lane.takes(event) && (lane == LaneKind::Authentication || event.outcome == Outcome::Success);
    let (mut asked, mut copied) = (Vec::new(), 0);
    for (per, rule) in plan.of_entities(rules) {
        if takes(rule.rule.params.lane()) && rule.rule.params.wants(event) && !asked.contains(&per) {
            asked.push(per);
        }
    }
    for per in asked {
        let made = value_of(per, activity, event).and_then(|value| made(per, &value, activity, source));
        copied += u64::from(made.is_some());
        out.extend(made);
    }
    copied
}

fn made(per: Per, value: &str, activity: &Activity<'_>, source: &Source<'_>) -> Option<OutputRecord> {
    if source.key.len() > ENTITY_KEY_BYTES_MAX {
        return None;
    }
    let subject = subject(per.as_str(), value);
    let (_, value) = entity(&subject)?;
    let counted = CountedBy { by: Cow::Borrowed(per.as_str()), value: value.to_owned(), key: source.key.to_owned() };
    Some(OutputRecord {
        channel: Channel::Activity,
        key: format!("{}|{subject}", activity.instance).into_bytes(),
        value: copy(source.record.value, &counted).ok()?,
        headers: vec![("content-type", b"application/json".to_vec())],
        stamp: source.record.stamp,
    })
}

/// What the record has there, as it is compared; `None`: nothing.
fn value_of<'a>(per: Per, activity: &'a Activity<'_>, event: &Event) -> Option<Cow<'a, str>> {
    let told = &activity.told;
    let text = |text: &'a Option<Cow<'_, str>>| text.as_deref().map(Cow::Borrowed);
    let lower = |text: &'a Option<Cow<'_, str>>| text.as_deref().map(compared);
    let value = match per {
        Per::User => None,
        Per::Address => event.address.map(|address| Cow::Owned(one_end(address.ip()))),
        Per::Device => text(&told.device),
        Per::Agent => text(&told.agent),
        Per::Target => lower(&told.target),
        Per::Object => text(&told.object_id).map(|id| match &told.object_table {
            Some(table) => Cow::Owned(format!("{table}/{id}")),
            None => id,
        }),
        Per::Table => lower(&told.object_table),
        Per::Instance => Some(Cow::Borrowed(&*activity.instance)),
    };
    value.filter(|value| !value.is_empty())
}

/// An address, or of version 6 the network of 64 bits that one line has: whoever has one address there has them all.
fn one_end(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            format!("{}/64", Ipv6Addr::from(network))
        }
    }
}
