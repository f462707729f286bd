//! Hashes that are the same on every machine and in every release.

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// 64 bits, for identities inside one key; a collision there is no way into another key's state.
pub fn hash64(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// 64 bits that are never 0, so that 0 can stand for "none".
pub fn hash64_some(bytes: &[u8]) -> u64 {
    xxh3_64(bytes).max(1)
}

/// 128 bits, for sums over states.
pub fn hash128(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}

/// The first 128 bits of SHA-256 over the parts, each with its length before it: for ids that leave the engine.
pub fn public_id(parts: &[&[u8]]) -> u128 {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    let digest: [u8; 32] = sha.finalize().into();
    let mut first = [0_u8; 16];
    first.copy_from_slice(&digest[..16]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_first_release() {
        assert_eq!(hash64(b"frostwatch"), 12_195_908_141_103_491_621);
        assert_eq!(format!("{:032x}", public_id(&[b"a", b"bc"])), "9a8acca1b6c6c0befd3fbc756aed625d");
        assert_ne!(public_id(&[b"a", b"bc"]), public_id(&[b"ab", b"c"]));
    }
}
