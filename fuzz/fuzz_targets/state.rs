//! Records of a key's state: what is read is written again in a form that is read as the same key; nothing makes it take
//! memory that its bytes do not have; and whoever goes on from a sound record says what would have been said without.
//!
//! The first byte chooses: the rest is the record itself behind its format; or it tells a history, whose record is made
//! here, in whatever the format is now, and then bytes of the record that are changed.
#![no_main]

use frostwatch_detect::catalogue::STATE_FORMAT;
use frostwatch_detect::context::Subject;
use frostwatch_detect::keys::{Again, Keys, written_again};
use frostwatch_fuzz::{History, bounded, plans, task_set};
use frostwatch_runtime::checkpoint::{Room, StateRecord};
use frostwatch_runtime::ports::{OutputRecord, Tasks};
use libfuzzer_sys::fuzz_target;

/// What a key may take beside its bytes: a few pools, and what a window reserves.
const OWN_BYTES: usize = 8 << 20;
/// What a byte of a record may take: the smallest element of a list is one byte, the largest in memory is an event.
const BYTES_EACH: usize = 2_048;

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    if mode & 1 == 0 {
        let Some((form, body)) = rest.split_first() else { return };
        return readable(&[&[STATE_FORMAT, form & 3][..], body].concat());
    }
    let (history, changes) = History::of(rest);
    let half = history.len() / 2;
    let (mut first, mut out) = (task_set(), Vec::new());
    first.restored(History::PARTITION);
    history.score(&mut first, 0, half, &mut out);
    let Some(mut record) = record_of(&mut first, half) else { return };
    let wanted = said_after(&mut first, &history, half);
    assert_eq!(said_after(&mut restored(&record), &history, half), wanted);
    readable(&record);
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % record.len();
        record[at] = change[2];
    }
    if !changes.is_empty() {
        readable(&record);
    }
});

fn record_of(tasks: &mut impl Tasks, position: i64) -> Option<Vec<u8>> {
    let (room, mut written) = (Room { keys: usize::MAX, bytes: usize::MAX }, Vec::<StateRecord>::new());
    tasks.checkpoint(History::PARTITION, position, i64::MAX, room, &mut written);
    written.pop()?.value
}

fn restored(record: &[u8]) -> impl Tasks + use<> {
    let mut tasks = task_set();
    tasks.restore(History::PARTITION, History::KEY.as_bytes(), Some(record)).expect("what was written is read");
    tasks.restored(History::PARTITION);
    tasks
}

fn said_after(tasks: &mut impl Tasks, history: &History, half: i64) -> Vec<OutputRecord> {
    let mut out = Vec::new();
    history.score(tasks, half, history.len(), &mut out);
    out
}

/// A record of whatever bytes: a fault, or a key that is written again.
fn readable(record: &[u8]) {
    let (plans, subject) = (plans(), Subject { key: History::KEY });
    let again =
        |record: &[u8]| bounded(OWN_BYTES + BYTES_EACH * record.len(), || written_again(record, &plans, subject));
    let Ok(Some(first)) = again(record) else { return };
    let Ok(Some(second)) = again(&first.whole) else { panic!("what was written is not read") };
    assert_eq!(second, first, "a whole key is written as it was read");
    let Ok(Some(Again { settled, canonical, .. })) = again(&first.settled) else { panic!("a settled key is not read") };
    assert_eq!((&settled, &canonical), (&first.settled, &first.canonical));
    assert_eq!(Keys::default().restore(History::KEY, Some(record)), Ok(()));
}
