//! The configuration: accepted, or faults in words, none of which shows a password that stands before the fuzzed text.
#![no_main]

use frostwatch_cli::fuzzing::configuration;
use frostwatch_fuzz::bounded;
use libfuzzer_sys::fuzz_target;

/// A value that no input has by chance.
const SECRET: &str = "Zq7wKx9vPlanted";
/// The first byte chooses what stands before the rest.
const BEFORE: [&str; 3] = [
    "",
    "kafka:\n  bootstrap_servers: b:1\n  properties:\n    sasl.password: Zq7wKx9vPlanted\n",
    "schema: config.v1\nkafka: { properties: { ssl.key.password: \"Zq7wKx9vPlanted\" }, ",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    if rest.contains(SECRET) {
        return;
    }
    let text = format!("{}{rest}", BEFORE[usize::from(*choice) % BEFORE.len()]);
    let read = bounded((4 << 20) + 512 * text.len(), || configuration(&text));
    assert_eq!(read, configuration(&text));
    if let Err(faults) = read {
        assert!(!faults.is_empty());
        for fault in faults {
            assert!(!fault.is_empty() && !fault.contains(SECRET), "{fault}");
        }
    }
});
