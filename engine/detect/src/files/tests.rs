use super::*;
use words::{DOCUMENTS, GUIDES, KNOWN, NOTES, PLAIN, SHARED, TOOLS, USUAL};

fn facts(action: Action, name: &str, previous_name: &str, content_type: &str) -> Option<FileFacts> {
    FileFacts::of(action, &FileTexts { table: TABLE, name, previous_name, content_type, ..FileTexts::default() })
}

#[test]
fn lists_are_sorted_and_say_one_thing_of_a_word() {
    for list in [USUAL, TOOLS, KNOWN, SHARED, DOCUMENTS, PLAIN] {
        assert!(list.is_sorted_by(|a, b| a < b), "{list:?}");
    }
    for word in TOOLS.iter().chain(KNOWN).chain(SHARED) {
        let lists = [USUAL, TOOLS, KNOWN, SHARED].iter().filter(|list| list.contains(word)).count();
        assert_eq!(lists, 1, "{word}");
    }
    assert!(DOCUMENTS.iter().chain(PLAIN).all(|word| USUAL.contains(word)));
    assert!(NOTES.len() + GUIDES.len() < 128);
}

#[test]
fn what_a_rename_says() {
    use Action::Rename;
    let check = |name: &str, previous: &str, signs: Option<Signs>| {
        assert_eq!(facts(Rename, name, previous, "").map(|facts| facts.signs), signs, "{previous} → {name}");
    };
    let changed = Signs::UNUSUAL.with(Signs::CHANGED);
    check("plan.docx.q7x", "plan.docx", Some(changed));
    check("plan.q7x", "plan.docx", Some(changed));
    // Without the former name an extension behind a usual one tells.
    check("plan.docx.q7x", "", Some(changed));
    check("plan.q7x", "", Some(Signs::UNUSUAL));
    check("drawing-2.q7x", "drawing.q7x", Some(Signs::UNUSUAL));
    check("PLAN.DOCX.LockBit", "Plan.docx", Some(changed.with(Signs::KNOWN)));
    check("plan.docx.locked", "plan.docx", Some(changed.with(Signs::SHARED)));
    check("plan.docx.gpg", "plan.docx", Some(changed.with(Signs::TOOL)));
    for (name, previous) in [
        ("final-plan.docx", "plan.docx"),
        ("plan.zip", "plan.docx"),
        ("photo.webp", "photo.png"),
        ("log.3", "log.2"),
        ("plan.v2", "plan.docx"),
        ("plan", "plan.docx"),
        ("orders.csv.processed", "orders.csv"),
        ("orders.csv.imported", "orders.csv"),
        ("plan.docx.approved", "plan.docx"),
        ("contract.asice", "contract.pdf"),
        ("No. 4 is mine", "No. 3"),
        (".q7x", "plan.docx"),
    ] {
        check(name, previous, None);
    }
}

#[test]
fn media_type_and_entropy_count_where_they_contradict_the_name() {
    use Action::{Update, Upload};
    let signs = |action, name: &str, content_type: &str, entropy| {
        let texts = FileTexts { table: TABLE, name, content_type, entropy, ..FileTexts::default() };
        FileFacts::of(action, &texts).map_or(Signs::default(), |facts| facts.signs)
    };
    assert_eq!(signs(Update, "plan.q7x", "application/pdf", None), Signs::UNUSUAL.with(Signs::MISMATCH));
    assert_eq!(signs(Update, "plan.pdf", "image/png", None), Signs::default(), "a picture is no secret");
    assert_eq!(signs(Update, "plan.q7x", "text/plain", None), Signs::UNUSUAL);
    assert_eq!(signs(Upload, "plan.docx", GENERIC_TYPE, None), Signs::GENERIC);
    assert_eq!(signs(Update, "plan.docx", GENERIC_TYPE, None), Signs::default(), "it may have been so before");
    for (name, entropy, random) in [
        ("notes.txt", RANDOM_CENTIBITS, true),
        ("notes.txt", RANDOM_CENTIBITS - 1, false),
        ("plan.q7x", 799, true),
        // What is packed looks random at all times.
        ("plan.docx", 799, false),
        ("photo.jpg", 799, false),
    ] {
        assert_eq!(signs(Update, name, "", Some(entropy)).has(Signs::RANDOM), random, "{name} {entropy}");
    }
}

#[test]
fn only_what_may_harm_files_has_facts() {
    assert!(facts(Action::Delete, "plan.docx", "", "").is_some());
    assert!(facts(Action::Update, "plan.docx", "", "").is_none());
    assert!(facts(Action::Update, "plan.docx.q7x", "", "").is_some());
    assert!(facts(Action::Upload, "plan.docx", "", "application/pdf").is_none());
    assert!(facts(Action::Download, "plan.lockbit", "", "").is_none());
    let of_a_record = FileTexts { table: "incident", name: "plan.lockbit", ..FileTexts::default() };
    assert!(FileFacts::of(Action::Rename, &of_a_record).is_none());
    assert!(FileFacts::of(Action::Rename, &FileTexts { kind: "document", ..of_a_record }).is_some());
}

#[test]
fn notes_are_known_by_their_words() {
    let (note, guide, nothing) = (Some(true), Some(false), None);
    for (stem, suffix, sure) in [
        ("!!!how-to_decrypt!!!", "txt", note),
        ("how to restore your files", "hta", note),
        ("how_to_recover_files_2", "txt", note),
        ("ryukreadme", "html", note),
        ("how to decrypt the laptop", "txt", guide),
        ("how to restore a backup", "html", guide),
        ("recovery-instructions", "txt", guide),
        ("please read me", "txt", guide),
        ("readme", "txt", nothing),
        ("instructions", "txt", nothing),
        ("how_to_decrypt", "docx", nothing),
        ("minutes", "txt", nothing),
        ("", "txt", nothing),
    ] {
        assert_eq!(note_of(stem, suffix).map(is_sure), sure, "{stem}.{suffix}");
    }
    assert_eq!(note_words(note_of("how-to-decrypt", "txt").unwrap()), "how_to_decrypt");
    assert_eq!(note_words(note_of("data leak warning", "txt").unwrap()), "data_leak_warning");
    assert_eq!(note_words(0), "");
}

#[test]
fn an_extension_is_shown_as_plain_text_and_reads_back() {
    for (text, shown) in [("q7x", "q7x"), ("com]", "com?"), ("crypted000007", "crypted00000"), ("ä", "??"), ("", "")] {
        let extension = Extension::of(text);
        assert_eq!(extension.as_str(), shown);
        let bytes = postcard::to_stdvec(&extension).unwrap();
        assert_eq!(postcard::from_bytes::<Extension>(&bytes).unwrap(), extension);
    }
    for bad in ["thirteenbytes", "a\0b"] {
        assert!(postcard::from_bytes::<Extension>(&postcard::to_stdvec(bad).unwrap()).is_err(), "{bad}");
    }
}

#[test]
fn names_and_records_are_kept_as_hashes_that_find_each_other() {
    let new = facts(Action::Upload, "Plan.docx.q7x", "", "").unwrap();
    let old = facts(Action::Delete, "plan.DOCX", "", "").unwrap();
    assert_eq!(new.stem, old.name);
    assert_ne!(new.name, old.name);
    let nameless = facts(Action::Delete, "", "", "").unwrap();
    assert_eq!((nameless.name, nameless.record, nameless.extension), (0, 0, Extension::EMPTY));
}
