//! The record of a partition's progress and its recorded turns: read, written, read again as they were, and gone on with.
#![no_main]

use frostwatch_fuzz::{History, bounded, task_set};
use frostwatch_runtime::checkpoint::{Contents, Progress, RecordedTurn, is_turn_key};
use frostwatch_runtime::ports::Tasks;
use libfuzzer_sys::fuzz_target;

/// A failed sign-in and one that succeeds.
const AFTER: [u8; 9] = [2, 1, 0, 1, 0, 1, 3, 1, 0];

fuzz_target!(|bytes: &[u8]| {
    if let Ok(turn) = bounded((64 << 10) + 16 * bytes.len(), || RecordedTurn::read(bytes)) {
        assert_eq!(RecordedTurn::read(&turn.to_bytes()), Ok(turn.clone()));
        assert!(is_turn_key(&turn.key()));
    }
    let Ok(progress) = bounded((64 << 10) + 64 * bytes.len(), || Progress::read(bytes)) else { return };
    assert_eq!(Progress::read(&progress.to_bytes()), Ok(progress.clone()));

    let mut tasks = task_set();
    let wanted = tasks.wanted(History::PARTITION, &progress);
    assert!(wanted.len() <= progress.task.rulings.len());
    let contents: Contents = wanted.into_iter().map(|hash| (hash, bytes.to_vec())).collect();
    tasks.resume(History::PARTITION, &progress, &contents);
    tasks.restored(History::PARTITION);
    let (history, _) = History::of(&AFTER);
    history.score(&mut tasks, 0, history.len(), &mut Vec::new());
    let next = tasks.progress(History::PARTITION, 0);
    assert!(next.account.newest_event >= progress.task.account.newest_event);
});
