//! When a request is made again.

use std::time::{Duration, UNIX_EPOCH};

use crate::clock::{Clock, Millis};
use crate::fault::FetchFault;

/// Times a request is made at most.
pub(crate) const ATTEMPTS_MAX: u32 = 5;
/// The wait before the second time, at most.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait of our own.
const WAIT_MAX: Duration = Duration::from_mins(2);
/// The longest wait a server may ask for within a fetch; beyond it the fetch is given up until the next one.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// How long to wait after the given number of attempts; `None`: no further one.
pub(crate) fn wait(attempts: u32, fault: &FetchFault, chance: f64) -> Option<Duration> {
    if attempts >= ATTEMPTS_MAX || !fault.is_retriable() {
        return None;
    }
    let asked = fault.retry_after().unwrap_or_default();
    if asked > RETRY_AFTER_MAX {
        return None;
    }
    let doubled = FIRST_WAIT.saturating_mul(1 << (attempts - 1).min(16)).min(WAIT_MAX);
    // Between half and all of it, so that those who failed together do not come back together.
    Some(doubled.mul_f64(0.5 + 0.5 * chance).max(asked))
}

/// Reads `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(text: &str, now: Millis) -> Option<Duration> {
    if let Ok(secs) = text.trim().parse() {
        return Some(Duration::from_secs(secs));
    }
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    let now = UNIX_EPOCH + Duration::from_millis(now.max(0) as u64);
    Some(at.duration_since(now).unwrap_or_default())
}

/// Makes a request until it succeeds or nothing is to be gained by another one.
pub(crate) async fn with_retries<T, F: Future<Output = Result<T, FetchFault>>>(
    clock: &dyn Clock,
    mut attempt: impl FnMut() -> F,
) -> Result<T, FetchFault> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(fault) => {
                let Some(wait) = wait(attempts, &fault, clock.chance()) else { return Err(fault) };
                tracing::warn!(%fault, attempts, wait_ms = wait.as_millis() as u64, "a feed is asked again");
                clock.sleep(wait).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, retry_after_secs: Option<u64>) -> FetchFault {
        FetchFault::Status { url: String::new(), status, retry_after: retry_after_secs.map(Duration::from_secs) }
    }

    #[test]
    fn waits_double_up_to_a_limit_and_end() {
        for (attempts, chance, wanted) in [
            (1, 0.0, Some(1_000)),
            (1, 1.0, Some(2_000)),
            (2, 0.5, Some(3_000)),
            (4, 1.0, Some(16_000)),
            (ATTEMPTS_MAX, 0.0, None),
        ] {
            assert_eq!(wait(attempts, &status(503, None), chance), wanted.map(Duration::from_millis), "{attempts}");
        }
    }

    #[test]
    fn what_the_server_asks_for_is_the_least_wait_and_too_long_a_one_ends_the_fetch() {
        for (fault, wanted) in [
            (status(429, Some(30)), Some(30_000)),
            (status(503, Some(0)), Some(2_000)),
            (status(429, Some(600)), Some(600_000)),
            (status(429, Some(601)), None),
            (status(404, None), None),
            (status(401, Some(1)), None),
        ] {
            assert_eq!(wait(1, &fault, 1.0), wanted.map(Duration::from_millis), "{fault}");
        }
        for (text, wanted) in [
            ("120", Some(120)),
            ("Thu, 01 Jan 1970 00:01:00 GMT", Some(50)),
            ("Thu, 01 Jan 1970 00:00:01 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(text, 10_000), wanted.map(Duration::from_secs), "{text}");
        }
    }
}
