//! Free ports on loopback, below the range that systems hand to outgoing connections (32768 and up on Linux): a
//! client that keeps dialling a stopped broker inside that range can be given the very port as its own end and
//! connect to itself.

use std::net::{Ipv4Addr, TcpListener};

use super::error::BrokerError;

const FIRST: u16 = 20_000;
const LAST: u16 = 31_995;
/// Ports of a broker, side by side: clients, controller, clients through a proxy, clients that say who they are, and
/// those behind TLS.
const STEP: u16 = 5;
const RUNS: u32 = (LAST - FIRST) as u32 / STEP as u32 + 1;

/// True when nothing listens on the loopback port.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port such that it and the next four are free, searched from a place that `seed` chooses, so that programs that
/// start together seldom meet. Whoever loses a race for it sees its broker end, and asks again with another seed.
pub(super) fn free_run(seed: u32) -> Result<u16, BrokerError> {
    (0..RUNS)
        .map(|step| FIRST + STEP * (seed.wrapping_mul(2_654_435_761).wrapping_add(step) % RUNS) as u16)
        .find(|port| (*port..*port + STEP).all(is_free))
        .ok_or(BrokerError::NoFreePort { first: FIRST, last: LAST + STEP - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        for taken in 0..STEP {
            let first = free_run(7).unwrap();
            let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, first + taken)).unwrap();
            let second = free_run(7).unwrap();
            assert_ne!(first, second);
            assert!((FIRST..=LAST).contains(&second));
        }
    }
}
