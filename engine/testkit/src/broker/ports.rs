//! Free ports on loopback, below the range that systems hand to outgoing connections (32768 and up on Linux): a
//! client that keeps dialling a stopped broker inside that range can be given the very port as its own end and
//! connect to itself.

use std::net::{Ipv4Addr, TcpListener};

use super::error::BrokerError;

const FIRST: u16 = 20_000;
const LAST: u16 = 31_998;
const PAIRS: u32 = (LAST - FIRST) as u32 / 2 + 1;

/// True when nothing listens on the loopback port.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A port such that it and the next one are free, searched from a place that `seed` chooses, so that programs that
/// start together seldom meet. Whoever loses a race for it sees its broker end, and asks again with another seed.
pub(super) fn free_pair(seed: u32) -> Result<u16, BrokerError> {
    (0..PAIRS)
        .map(|step| FIRST + 2 * (seed.wrapping_mul(2_654_435_761).wrapping_add(step) % PAIRS) as u16)
        .find(|port| is_free(*port) && is_free(*port + 1))
        .ok_or(BrokerError::NoFreePort { first: FIRST, last: LAST + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_passed_over() {
        let first = free_pair(7).unwrap();
        let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 1)).unwrap();
        let second = free_pair(7).unwrap();
        assert_ne!(first, second);
        assert!((FIRST..=LAST).contains(&second));
    }
}
