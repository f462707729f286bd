//! Files of records: read to their end or an error, the same packed as plain, with lines that only go on.
#![no_main]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use frostwatch_cli::fuzzing::{Recorded, recorded};
use frostwatch_fuzz::bounded;
use frostwatch_rulebook::Rulebook;
use libfuzzer_sys::fuzz_target;

/// Lines and elements that are read of a file.
const PIECES_MAX: usize = 2_000;
/// What a reader may hold: a line, and a window of zstd.
const HELD_BYTES_MAX: usize = 192 << 20;

fuzz_target!(|bytes: &[u8]| {
    let (found, error) = bounded(HELD_BYTES_MAX, || recorded(bytes.to_vec(), PIECES_MAX));
    let mut line_before = 0;
    for one in &found {
        match one {
            Recorded::Record(line, ..) | Recorded::Unreadable(line, _) => {
                assert!(*line >= line_before, "line {line} after {line_before}");
                line_before = *line;
            }
            Recorded::Switch(hash, content) => {
                let again = Rulebook::from_content(content).expect("what was accepted is accepted");
                assert_eq!(&again.hash, hash);
            }
            Recorded::Dropped(_) | Recorded::Kept(..) => {}
        }
    }
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    if !is_packed {
        assert_eq!(error, None, "plain bytes are read to their end");
        let zstd = zstd::encode_all(bytes, 1).expect("in memory");
        let gzip = GzEncoder::new(Vec::new(), Compression::fast());
        for packed in [zstd, gzipped(gzip, bytes)] {
            assert_eq!(recorded(packed, PIECES_MAX), (found.clone(), None));
        }
    }
});

fn gzipped(mut into: GzEncoder<Vec<u8>>, bytes: &[u8]) -> Vec<u8> {
    into.write_all(bytes).expect("in memory");
    into.finish().expect("in memory")
}
