//! The events of an alert, within a number and a size.

use frostwatch_detect::finding::Trace;
use frostwatch_detect::time::rfc3339;

use super::types::{EvidenceEvent, EvidenceList};

/// Largest `evidence`, bytes of its compact JSON: an alert has to fit into SIEMs that take far less than a topic does.
pub const EVIDENCE_BYTES_MAX: usize = 64 * 1024;
/// Room for everything but the events: names, brackets, `total` and `truncated`.
const FRAME_BYTES: usize = 128;

/// The events of a finding, the first and the last of `count`.
pub(super) fn list(traces: &[Trace], count: u64, of_entity: bool) -> EvidenceList {
    let listed = traces.len() as u64;
    let events = traces.iter().map(|trace| event(trace, of_entity)).collect();
    within(EvidenceList { events, total: count.max(listed), truncated: count > listed })
}

/// Leaves out events from the middle until the rest is within [`EVIDENCE_BYTES_MAX`]: how it began and how it stands
/// tell most.
pub(super) fn within(mut list: EvidenceList) -> EvidenceList {
    let bytes = |event: &EvidenceEvent| serde_json::to_vec(event).map_or(0, |bytes| bytes.len()) + 1;
    let mut sizes: Vec<usize> = list.events.iter().map(bytes).collect();
    while FRAME_BYTES + sizes.iter().sum::<usize>() > EVIDENCE_BYTES_MAX {
        let middle = sizes.len() / 2;
        sizes.remove(middle);
        list.events.remove(middle);
        list.truncated = true;
    }
    list
}

fn event(trace: &Trace, of_entity: bool) -> EvidenceEvent {
    let other = trace.about.other.as_deref().map(str::to_owned);
    let (user, target) = if of_entity { (other, None) } else { (None, other) };
    let place = trace.address.and_then(|seen| seen.location.place.ok());
    EvidenceEvent {
        id: trace.id.to_string(),
        time: rfc3339(trace.time),
        action: trace.action.as_str().to_owned(),
        outcome: trace.outcome.as_str().to_owned(),
        ip: trace.address.map(|seen| seen.address.ip()),
        place: place.map(|place| format!("{} {}", place.city.as_str(), place.country).trim().to_owned()),
        user,
        target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event_of(id: String) -> EvidenceEvent {
        let (time, word) = ("2026-03-02T08:14:09Z".to_owned(), "login".to_owned());
        EvidenceEvent { id, time, action: word.clone(), outcome: word, ip: None, place: None, user: None, target: None }
    }

    #[test]
    fn evidence_keeps_its_beginning_and_end_within_its_bytes() {
        let bare = serde_json::to_vec(&event_of(String::new())).unwrap().len() + 1;
        // Each id begins with two digits.
        let fits = (EVIDENCE_BYTES_MAX - FRAME_BYTES) / 4 - bare - 2;
        for (events, id_bytes, kept) in [
            (0, 0, vec![]),
            (4, fits, vec![0, 1, 2, 3]),
            (4, fits + 1, vec![0, 1, 3]),
            (50, 2 * fits, vec![0, 49]),
            (1, EVIDENCE_BYTES_MAX, vec![]),
            // Each is written as six bytes.
            (4, fits / 6, vec![0, 1, 2, 3]),
        ] {
            let sign = if id_bytes == fits / 6 { "\u{1}" } else { "x" };
            let list = EvidenceList {
                events: (0..events).map(|index| event_of(format!("{index:02}{}", sign.repeat(id_bytes)))).collect(),
                total: 99,
                truncated: false,
            };
            let list = within(list);
            let index = |event: &EvidenceEvent| event.id.get(..2).unwrap().parse().unwrap();
            let indexes: Vec<usize> = list.events.iter().map(index).collect();
            assert_eq!(indexes, kept, "{events} of {id_bytes}");
            assert_eq!((list.total, list.truncated), (99, kept.len() < events));
            assert!(serde_json::to_vec(&list).unwrap().len() <= EVIDENCE_BYTES_MAX);
        }
    }
}
