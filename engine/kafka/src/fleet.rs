//! The workers of a process.

use std::any::Any;
use std::sync::atomic::Ordering;
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
        let make_tasks = &make_tasks;
        let mut workers = Vec::with_capacity(count);
        for worker in 0..count {
            let spawned = thread::Builder::new().name(format!("worker-{worker}")).spawn_scoped(scope, move || {
                let _stops_the_others = StopOnExit(shared);
                run_worker(settings, worker, make_tasks(worker), shared)
            })?;
            workers.push(spawned);
        }
        let mut first = Ok(());
        for (worker, thread) in workers.into_iter().enumerate() {
            let ended = thread.join().unwrap_or_else(|panic| Err(panicked(worker, panic.as_ref())));
            // Faults of the stop itself do not hide the one that caused it.
            if let Err(fault) = ended
                && (first.is_ok() || matches!(first, Err(ref earlier) if is_of_the_stop(earlier)))
            {
                tracing::error!(worker, %fault, "worker ended");
                first = Err(fault);
            }
        }
        first
    })
}

/// A worker ends when it was told to stop, failed or panicked: in each case the others end too.
struct StopOnExit<'a>(Shared<'a>);

impl Drop for StopOnExit<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

const fn is_of_the_stop(fault: &KafkaFault) -> bool {
    matches!(fault, KafkaFault::StoppedUnacknowledged(_) | KafkaFault::LeftHanging(_))
}

fn panicked(worker: usize, panic: &(dyn Any + Send)) -> KafkaFault {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    KafkaFault::Panicked { worker, message }
}
