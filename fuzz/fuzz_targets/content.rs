//! Kept texts of rules: what is accepted is written as the same rules under the same hash.
#![no_main]

use frostwatch_fuzz::bounded;
use frostwatch_rulebook::{CompiledRules, Rulebook};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match bounded((1 << 20) + 256 * text.len(), || Rulebook::from_content(text)) {
        Ok(book) => {
            let content = book.to_content();
            let again = Rulebook::from_content(&content).expect("what was written is read");
            assert_eq!(again, book);
            assert_eq!(again.to_content(), content);
            let _compiled = CompiledRules::new(&book);
        }
        Err(fault) => assert!(fault.line <= text.lines().count() && !fault.message.is_empty(), "{fault:?}"),
    }
});
