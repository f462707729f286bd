//! Rule text: what is accepted has a content that is read back as the same rules under the same hash, whenever it is
//! checked; what is not has faults, each in a place of the file.
#![no_main]

use frostwatch_fuzz::bounded;
use frostwatch_rulebook::limits::{FAULTS_PER_FILE_MAX, FILE_BYTES_MAX};
use frostwatch_rulebook::{CompiledRules, Fault, Rulebook};
use libfuzzer_sys::fuzz_target;

const FILE: &str = "rule.yaml";
/// 2027-01-01: some exceptions have expired by then.
const AS_OF: i64 = 1_798_761_600_000;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = bounded((4 << 20) + 512 * text.len().min(FILE_BYTES_MAX), || Rulebook::parse(&[(FILE, text)], None));
    let later = Rulebook::parse(&[(FILE, text)], Some(AS_OF));
    match (&read, &later) {
        (Ok(book), Ok(later)) => {
            assert_eq!((&book.rules, &book.hash), (&later.rules, &later.hash), "expiry only warns");
            accepted(book);
            later.warnings.iter().for_each(|warning| placed(warning, text));
        }
        (Err(faults), Err(later)) => {
            assert_eq!(faults, later);
            assert!((1..=FAULTS_PER_FILE_MAX + 1).contains(&faults.len()), "{} faults", faults.len());
            faults.iter().for_each(|fault| placed(fault, text));
        }
        _ => panic!("accepted at one time only"),
    }
});

fn accepted(book: &Rulebook) {
    let content = book.to_content();
    let again = Rulebook::from_content(&content).unwrap_or_else(|fault| panic!("{fault}: {content}"));
    assert_eq!((&again.rules, &again.hash), (&book.rules, &book.hash));
    assert_eq!(again.to_content(), content);
    assert!(again.change_from(book).is_empty());
    let _compiled = CompiledRules::new(book);
}

fn placed(fault: &Fault, text: &str) {
    let lines = text.split(['\n', '\r']).count() as u32;
    assert!(fault.file == FILE && !fault.message.is_empty(), "{fault:?}");
    assert!(fault.line <= lines, "{fault:?} of {lines} lines");
    assert_eq!(fault.line == 0, fault.column == 0, "{fault:?}");
    assert!(fault.path.is_empty() || fault.line > 0, "what has a path has a line: {fault:?}");
    assert!(!fault.to_string().contains('\0'));
}
