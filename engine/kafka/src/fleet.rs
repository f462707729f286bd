//! The workers of a process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use frostwatch_runtime::ports::Tasks;

use crate::fault::KafkaFault;
use crate::settings::KafkaSettings;
use crate::worker::{Shared, run_worker};

/// Runs `count` workers, each on its own thread and its own member of the group, until all have stopped. The first
/// fault stops the others and is returned.
pub fn run_workers<T: Tasks>(
    count: usize,
    settings: &KafkaSettings,
    make_tasks: impl Fn(usize) -> T + Sync,
    shared: Shared<'_>,
) -> Result<(), KafkaFault> {
    thread::scope(|scope| {
        // Whatever ends this thread early, the scope waits for the workers.
        let _stops_all = StopOnExit(shared.stop);
        let make_tasks = &make_tasks;
        let mut workers = Vec::with_capacity(count);
        for worker in 0..count {
            let spawned = thread::Builder::new().name(format!("worker-{worker}")).spawn_scoped(scope, move || {
                let _stops_the_others = StopOnExit(shared.stop);
                let ended = run_worker(settings, worker, make_tasks(worker), shared);
                // At once: another worker may not come to its end.
                ended.inspect_err(|fault| tracing::error!(worker, %fault, "worker ended"))
            })?;
            workers.push(spawned);
        }
        let mut first: Result<(), KafkaFault> = Ok(());
        for (worker, thread) in workers.into_iter().enumerate() {
            let ended = thread
                .join()
                .unwrap_or_else(|panic| Err(KafkaFault::panicked(format!("worker {worker}"), panic.as_ref())));
            // Faults of the stop itself do not hide the one that caused it.
            if let Err(fault) = ended
                && (first.is_ok() || matches!(first, Err(ref earlier) if earlier.is_of_the_stop()))
            {
                first = Err(fault);
            }
        }
        first
    })
}

/// Sets the flag when it is dropped. A thread ends when it was told to stop, failed or panicked: in each case the others
/// end too.
pub struct StopOnExit<'a>(pub &'a AtomicBool);

impl Drop for StopOnExit<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
