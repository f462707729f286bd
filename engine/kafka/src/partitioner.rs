//! Which partition a key belongs to, as Java clients decide it: so that any producer's records of one key meet in one
//! log.

const SEED: u32 = 0x9747_b28c;
const MIX: u32 = 0x5bd1_e995;

/// Murmur2 of 32 bits as Kafka's Java client computes it (Austin Appleby's `MurmurHash2` with Kafka's seed).
pub fn murmur2(bytes: &[u8]) -> u32 {
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(MIX);
        k ^= k >> 24;
        hash = hash.wrapping_mul(MIX) ^ k.wrapping_mul(MIX);
    }
    if !tail.is_empty() {
        for (index, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

/// The partition of a key among `count` (at least one) partitions.
pub fn partition_of(key: &[u8], count: i32) -> i32 {
    let count = u32::try_from(count).unwrap_or(1).max(1);
    ((murmur2(key) & 0x7fff_ffff) % count) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &[u8], hash: i32) {
        assert_eq!(murmur2(key) as i32, hash, "{}", String::from_utf8_lossy(key));
    }

    // The vectors of Kafka's own test of its hash.
    #[test]
    fn agrees_with_the_java_client() {
        check(b"21", -973_932_308);
        check(b"foobar", -790_332_482);
        check(b"a-little-bit-long-string", -985_981_536);
        check(b"a-little-bit-longer-string", -1_486_304_829);
        check(b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971);
        check(b"abc", 479_470_107);
    }

    #[test]
    fn a_partition_is_within_the_count() {
        for key in 0..1_000_u32 {
            assert!((0..7).contains(&partition_of(&key.to_le_bytes(), 7)));
        }
        assert_eq!(partition_of(b"any", 1), 0);
        assert_eq!(partition_of(b"any", 0), 0);
    }
}
