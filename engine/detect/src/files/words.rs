//! Words by which files are judged: extensions that usual programs write, those of programs for encryption and of
//! ransomware, names of the notes that blackmailers leave.
//!
//! Where they come from: what office, image, archive, development and log programs write; families of ransomware as they are
//! described in public reports up to 2026. A word that honest programs use as well stands under [`SHARED`] and weighs less.
//! Lists of extensions are never complete, so nothing rests on them alone.

/// Raised with each change of these lists. What they say of a record stands in its event, so a change finds otherwise in
/// records to come: raise [`crate::catalogue::SEMANTICS_VERSION`] with it.
pub const WORDS_VERSION: u32 = 2;

/// Extensions of usual programs, and what people and scripts put behind a name by hand.
#[rustfmt::skip]
pub(super) const USUAL: &[&str] = &[
    "3gp", "7z", "aac", "accdb", "ai", "aif", "approved", "archive", "archived", "asc", "ascii", "asice", "asp", "aspx",
    "avi", "avif", "backup", "bad", "bak", "bat", "bin", "bkp", "bmp", "bz2", "c", "cab", "cad", "cap", "cer", "cfg",
    "cgm", "class", "cmd", "complete", "completed", "conf", "config", "copy", "cpp", "cr2", "crdownload", "crl", "crt",
    "cs", "csr", "css", "csv", "cur", "dat", "data", "db", "dbf", "deb", "deleted", "der", "dgn", "dib", "dif",
    "disabled", "djvu", "dll", "dmg", "dmp", "doc", "docm", "docx", "done", "dot", "dotm", "dotx", "download", "draft",
    "dump", "dwf", "dwg", "dxf", "edoc", "egg", "emf", "eml", "emz", "env", "eot", "epf", "eps", "epub", "er1", "err",
    "error", "evt", "evtx", "exe", "failed", "fdf", "final", "fit", "flac", "flv", "fodt", "fon", "gif", "go", "gpx",
    "gz", "gzip", "h", "har", "heic", "heif", "hex", "hpp", "htm", "html", "hwp", "icns", "ico", "ics", "idml", "iff",
    "img", "imported", "indd", "ini", "ipa", "ipynb", "iso", "jar", "java", "jfif", "jks", "jmx", "jp2", "jpe", "jpeg",
    "jpg", "js", "json", "jsonl", "jsx", "jxl", "key", "keystore", "kml", "kmz", "ldif", "lnk", "loaded", "lock", "log",
    "lst", "lua", "lz", "lz4", "lzma", "m3u", "m4a", "m4v", "map", "markdown", "mbox", "md", "mdb", "mht", "mhtml",
    "mid", "midi", "mkv", "mobi", "mov", "mp3", "mp4", "mpeg", "mpg", "mpp", "mpt", "msg", "msi", "msp", "mts",
    "ndjson", "nef", "new", "nfo", "numbers", "nupkg", "odb", "odf", "odg", "odp", "ods", "odt", "oft", "ogg", "ogv",
    "ok", "old", "one", "opus", "orig", "ost", "otf", "out", "ova", "ovf", "p12", "p7b", "p7m", "p7s", "pages",
    "parquet", "part", "partial", "patch", "pbix", "pcap", "pcapng", "pdf", "pem", "pfx", "phar", "php", "pkg", "pl",
    "plist", "png", "pot", "potm", "potx", "pps", "ppsm", "ppsx", "ppt", "pptm", "pptx", "prn", "processed",
    "properties", "prt", "ps", "ps1", "psd", "psm1", "pst", "pub", "py", "pyc", "qbw", "qif", "r", "rar", "raw", "rb",
    "rdp", "reg", "rejected", "resx", "rev", "rpm", "rst", "rtf", "rvt", "s", "sas", "sass", "sav", "save", "saved",
    "scala", "scss", "sent", "service", "sh", "sig", "signed", "sketch", "skp", "sldasm", "sldprt", "slk", "snap", "so",
    "sol", "sql", "sqlite", "srt", "step", "stl", "stp", "sub", "success", "svg", "svgz", "swf", "swift", "tar", "tcl",
    "temp", "tex", "text", "tf", "tgz", "tif", "tiff", "tmp", "toml", "torrent", "trc", "ts", "tsv", "tsx", "ttf",
    "twbx", "txt", "txz", "url", "vb", "vbs", "vcf", "vcs", "vdi", "vdw", "version", "vhd", "vhdx", "vmdk", "vob",
    "vsd", "vsdm", "vsdx", "vss", "vssx", "vst", "vstx", "vue", "war", "wav", "wbmp", "weba", "webloc", "webm", "webp",
    "wim", "wma", "wmf", "wmv", "woff", "woff2", "wpd", "wps", "wsdl", "xcf", "xhtml", "xlam", "xls", "xlsb", "xlsm",
    "xlsx", "xlt", "xltm", "xltx", "xmind", "xml", "xps", "xsd", "xsl", "xslt", "xz", "yaml", "yml", "z", "zip", "zst",
];

/// Extensions of programs for encryption that organisations use.
#[rustfmt::skip]
pub(super) const TOOLS: &[&str] = &[
    "aes", "age", "axx", "cpt", "enc", "gpg", "kdb", "kdbx", "pgp", "vault",
];

/// Extensions of ransomware that nothing else is known to write.
#[rustfmt::skip]
pub(super) const KNOWN: &[&str] = &[
    "alphv", "avoslocker", "babuk", "babyk", "basta", "bianlian", "bitlock3r", "bl00dy", "blackbasta", "blackbyte",
    "blackcat", "blackmatter", "blacksuit", "cerber", "cerber2", "cerber3", "cl0p", "clop", "crypt14", "cryptbot",
    "crypted000007", "cryptolocker", "cryptowall", "crysis", "darkside", "dcrtr", "dharma", "doppeled", "dragonforce",
    "egregor", "ekans", "eking", "elbie", "faust", "fs0ciety", "gandcrab", "globeimposter", "hakbit", "hellokitty",
    "incransom", "karakurt", "kuiper", "lockbit", "lockbit2", "lockbit3", "locky", "lorenz", "makop", "mallox",
    "medusalocker", "megacortex", "nefilim", "nemty", "netwalker", "nokoyawa", "nozelesk", "petya", "phobos", "pysa",
    "qilin", "ragnar", "ragnarok", "ransomexx", "ransomhub", "ranzy", "rhysida", "ryk", "ryuk", "sarcoma",
    "sodinokibi", "teslacrypt", "threeam", "trigona", "vicesociety", "wannacry", "wcry", "wncry", "wncryp", "wncryt",
    "xorist", "xtbl", "zeppelin", "zepto", "zzzzz",
];

/// Extensions of ransomware that are words of their own, or that honest programs write too.
#[rustfmt::skip]
pub(super) const SHARED: &[&str] = &[
    "abyss", "akira", "arena", "arrow", "bip", "cactus", "ccc", "cezar", "cipher", "ciphered", "combo", "conti",
    "cryp1", "crypt", "crypted", "crypto", "cuba", "ecc", "eight", "eldorado", "embargo", "encr", "encrypt",
    "encrypted", "exx", "ezz", "fog", "gamma", "grief", "hacked", "hades", "hive", "hunters", "interlock", "karma",
    "kraken", "lck", "lockd", "locked", "lv", "lynx", "maze", "medusa", "micro", "monti", "odin", "osiris", "paid",
    "pay", "payday", "play", "ponce", "protected", "pwned", "ransom", "royal", "sage", "secure", "snatch", "thanos",
    "ttt", "underground", "unlock", "vice", "vvv", "wallet", "xxx", "zzz",
];

/// Documents and images whose media type every browser tells.
#[rustfmt::skip]
pub(super) const DOCUMENTS: &[&str] = &[
    "csv", "doc", "docx", "gif", "jpeg", "jpg", "msg", "odp", "ods", "odt", "pdf", "png", "ppt", "pptx", "rtf", "tif",
    "tiff", "txt", "vsd", "vsdx", "xls", "xlsx",
];

/// Files whose bytes are far from random.
#[rustfmt::skip]
pub(super) const PLAIN: &[&str] = &[
    "bat", "bmp", "cfg", "conf", "css", "csv", "eml", "htm", "html", "ics", "ini", "js", "json", "jsonl", "ldif",
    "log", "md", "ndjson", "properties", "ps1", "py", "rtf", "sh", "sql", "svg", "text", "tsv", "txt", "vcf", "xml",
    "yaml", "yml",
];

/// Parts of the names of notes, in lower case with `_` for all that is no letter or digit. Their order, and that of [`GUIDES`]
/// behind them, is kept in state: with another one the format of state is another. At most 127 together.
pub(super) const NOTES: &[&str] = &[
    "how_to_back_files",
    "decrypt_your_files",
    "decrypt_my_files",
    "recover_your_files",
    "recover_my_files",
    "restore_your_files",
    "restore_my_files",
    "restore_files_info",
    "your_files_are_encrypted",
    "files_are_encrypted",
    "files_are_locked",
    "unlock_your_files",
    "readme_to_decrypt",
    "readme_for_decrypt",
    "read_me_to_decrypt",
    "read_to_decrypt",
    "readme_for_unlock",
    "wanadecryptor",
    "wana_decryptor",
    "ryukreadme",
    "ryuk_readme",
    "conti_readme",
    "clop_readme",
    "clopreadme",
    "akira_readme",
    "lockbit_note",
    "ransom_note",
    "ransomnote",
    "your_data_is_stolen",
    "decrypt_files",
    "files_decrypt",
    "critical_breach_detected",
];

/// The same, of names that honest guides have too ("how to restore a backup"). Those that are `true` are notes where the name
/// says nothing else: "how to decrypt files", and not "how to decrypt the laptop".
pub(super) const GUIDES: &[(&str, bool)] = &[
    ("how_to_decrypt", true),
    ("decrypt_instruction", true),
    ("decryption_instruction", true),
    ("help_decrypt", true),
    ("how_to_recover", true),
    ("how_to_restore", true),
    ("readme_to_restore", true),
    ("readme_to_recover", true),
    ("read_me_to_restore", true),
    ("read_me_to_recover", true),
    ("unlock_files", true),
    ("files_encrypted", true),
    ("recovery_instruction", false),
    ("restore_instruction", false),
    ("help_recover", false),
    ("help_restore", false),
    ("please_read_me", false),
    ("recovery_file", false),
    ("data_leak_warning", false),
];

/// Words that say nothing beside [`GUIDES`].
const FILLERS: [&str; 16] = [
    "all",
    "and",
    "back",
    "data",
    "file",
    "files",
    "info",
    "instructions",
    "me",
    "my",
    "now",
    "read",
    "readme",
    "the",
    "to",
    "your",
];

/// A note's number with this is that of a guide, for all one can tell.
const GUIDE: u8 = 1 << 7;

/// What notes are written as.
const NOTE_SUFFIXES: [&str; 9] = ["", "txt", "html", "htm", "hta", "url", "rtf", "png", "bmp"];
/// Names longer than this are no note's, bytes.
const NOTE_BYTES_MAX: usize = 120;

/// The number, from 1, of the note that a file with this name (in lower case, without its extension) and extension is called
/// like.
pub fn note_of(stem: &str, suffix: &str) -> Option<u8> {
    if !NOTE_SUFFIXES.contains(&suffix) || stem.is_empty() || stem.len() > NOTE_BYTES_MAX {
        return None;
    }
    let mut plain = String::with_capacity(stem.len());
    for c in stem.chars() {
        match c {
            _ if c.is_alphanumeric() => plain.push(c),
            _ if plain.ends_with('_') => {}
            _ => plain.push('_'),
        }
    }
    let number = |index: usize| u8::try_from(index + 1).ok();
    if let Some(note) = NOTES.iter().position(|note| plain.contains(note)) {
        return number(note);
    }
    let guide = GUIDES.iter().position(|(guide, _)| plain.contains(guide))?;
    let is_note = GUIDES.get(guide).is_some_and(|(words, is_note)| *is_note && says_only(&plain, words));
    number(NOTES.len() + guide).map(|number| if is_note { number } else { number | GUIDE })
}

/// Has the name no word of its own beside these?
fn says_only(plain: &str, words: &str) -> bool {
    let rest = plain.replacen(words, "_", 1);
    let is_filler =
        |word: &str| word.len() < 2 || FILLERS.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit());
    rest.split('_').all(is_filler)
}

/// Is the file with this number a note, and not just called as guides are, too?
pub const fn is_sure(number: u8) -> bool {
    number & GUIDE == 0
}

/// The words of the note with this number.
pub fn note_words(number: u8) -> &'static str {
    let Some(index) = usize::from(number & !GUIDE).checked_sub(1) else { return "" };
    let guide = || GUIDES.get(index - NOTES.len()).map(|(words, _)| words);
    NOTES.get(index).or_else(guide).copied().unwrap_or("")
}

/// Are these the words of a note?
pub fn is_note(words: &str) -> bool {
    NOTES.contains(&words) || GUIDES.iter().any(|(known, _)| *known == words)
}

/// Is this the extension of ransomware and of nothing else?
pub fn is_known(suffix: &str) -> bool {
    KNOWN.binary_search(&suffix).is_ok()
}

/// Is this the extension of a well-known program for encryption?
pub fn is_tool(suffix: &str) -> bool {
    TOOLS.binary_search(&suffix).is_ok()
}

/// Does no usual program write files with this extension? Numbers and versions (`log.1`, `plan.v2`) are usual.
pub(super) fn is_unusual(suffix: &str) -> bool {
    let number = suffix.trim_start_matches("rev").trim_start_matches('v');
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    !is_number && USUAL.binary_search(&suffix).is_err()
}

/// Is this the media type of documents or images, which say by their extension what they are?
pub(super) fn is_of_documents(content_type: &str) -> bool {
    let content_type = content_type.split(';').next().unwrap_or("").trim();
    let office =
        ["application/vnd.openxmlformats-", "application/vnd.oasis.opendocument.", "application/vnd.ms-", "image/"];
    matches!(content_type, "application/pdf" | "application/msword" | "application/rtf")
        || office.iter().any(|start| content_type.starts_with(start))
}
