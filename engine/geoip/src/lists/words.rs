//! What the words of feeds mean as categories: labels, types and phases of STIX, tags of MISP. The table is stated in
//! `docs/lists.md`; the configuration of a list adds to it and takes from it.

use std::collections::{BTreeMap, HashMap};

use frostwatch_detect::listed::Category;

use super::ListConfig;

/// Words of one object that are looked at.
pub(super) const WORDS_MAX: usize = 256;

/// Words of one configuration at most.
pub(super) const OWN_WORDS_MAX: usize = 1_024;

/// Words that say what a machine is.
const WORDS: [(&str, Category); 48] = [
    ("anonymiser", Category::Proxy),
    ("anonymizer", Category::Proxy),
    ("backdoor", Category::Malware),
    ("banker", Category::Malware),
    ("bot", Category::Botnet),
    ("botnet", Category::Botnet),
    ("botnet-cc", Category::CommandAndControl),
    ("botnet-drone", Category::Botnet),
    ("brute-force", Category::PasswordSpray),
    ("bruteforce", Category::PasswordSpray),
    ("c&c", Category::CommandAndControl),
    ("c2", Category::CommandAndControl),
    ("c2-server", Category::CommandAndControl),
    ("c2server", Category::CommandAndControl),
    ("cnc", Category::CommandAndControl),
    ("command-and-control", Category::CommandAndControl),
    ("credential-access", Category::PasswordSpray),
    ("credential-stuffing", Category::PasswordSpray),
    ("exit-node", Category::Tor),
    ("hosting", Category::Hosting),
    ("infected-system", Category::Botnet),
    ("malpedia", Category::Malware),
    ("malware", Category::Malware),
    ("malware-distribution", Category::Malware),
    ("mitre-malware", Category::Malware),
    ("open-proxy", Category::Proxy),
    ("password-spray", Category::PasswordSpray),
    ("password-spraying", Category::PasswordSpray),
    ("payload-delivery", Category::Malware),
    ("port-scan", Category::Scanner),
    ("proxy", Category::Proxy),
    ("ransomware", Category::Malware),
    ("rat", Category::Malware),
    ("reconnaissance", Category::Scanner),
    ("residential-proxy", Category::ResidentialProxy),
    ("scan", Category::Scanner),
    ("scanner", Category::Scanner),
    ("scanning", Category::Scanner),
    ("stealer", Category::Malware),
    ("t1071", Category::CommandAndControl),
    ("t1090", Category::Proxy),
    ("t1110", Category::PasswordSpray),
    ("t1595", Category::Scanner),
    ("tor", Category::Tor),
    ("tor-exit", Category::Tor),
    ("tor-exit-node", Category::Tor),
    ("trojan", Category::Malware),
    ("vpn", Category::Vpn),
];

/// Words of STIX's vocabulary of indicators: they count only where no other word says more.
const VAGUE: [(&str, Category); 3] =
    [("anonymization", Category::Proxy), ("compromised", Category::Botnet), ("malicious-activity", Category::Malware)];

/// What a word means.
#[derive(Clone, Copy)]
enum Meaning {
    Is(Category),
    /// Nothing, as the configuration says.
    Nothing,
    Unknown,
}

/// The table with what the configuration changes in it.
pub(super) struct Words {
    own: HashMap<String, Option<Category>>,
}

impl Words {
    pub(super) fn new(config: &ListConfig) -> Self {
        let own = config.categories.iter().flatten();
        Self { own: own.map(|(word, category)| (plain(word), *category)).collect() }
    }

    /// What the configuration says of a word that is written as it is compared.
    fn own(&self, word: &str) -> Meaning {
        self.own.get(word).map_or(Meaning::Unknown, |category| category.map_or(Meaning::Nothing, Meaning::Is))
    }

    /// What a word means beyond the vague ones.
    fn meant(&self, word: &str) -> Meaning {
        let word = plain(word);
        match self.own(&word) {
            Meaning::Unknown => {
                let known = WORDS.binary_search_by(|(known, _)| (*known).cmp(&word)).ok();
                known.and_then(|at| WORDS.get(at)).map_or(Meaning::Unknown, |(_, category)| Meaning::Is(*category))
            }
            own => own,
        }
    }

    fn vague(&self, word: &str) -> Option<Category> {
        let word = plain(word);
        if self.own.contains_key(&word) {
            return None;
        }
        VAGUE.iter().find(|(vague, _)| *vague == word).map(|(_, category)| *category)
    }
}

/// The categories of an object, each with the word it comes of.
#[derive(Default)]
pub(super) struct Meant {
    found: BTreeMap<Category, String>,
    vague: BTreeMap<Category, String>,
    /// A word is there that the configuration takes out.
    is_silenced: bool,
}

impl Meant {
    /// Takes a word of STIX.
    pub(super) fn word(&mut self, words: &Words, word: &str) {
        match words.meant(word) {
            Meaning::Is(category) => self.note(category, word),
            Meaning::Nothing => self.is_silenced = true,
            Meaning::Unknown => {
                if let Some(category) = words.vague(word) {
                    self.vague.entry(category).or_insert_with(|| word.to_owned());
                }
            }
        }
    }

    /// Takes a tag of MISP: `namespace:predicate="value"`, or less of that. The value says more than the predicate.
    pub(super) fn tag(&mut self, words: &Words, tag: &str) {
        match words.own(&plain(tag)) {
            Meaning::Is(category) => return self.note(category, tag),
            Meaning::Nothing => return self.is_silenced = true,
            Meaning::Unknown => {}
        }
        let (predicate, value) = tag.split_once('=').map_or((tag, None), |(name, value)| (name, Some(value)));
        let predicate = predicate.split_once(':').map_or(predicate, |(_, predicate)| predicate);
        let value = value.map(|value| value.trim().trim_matches('"'));
        // `Brute Force - T1110`, `Password Spraying - T1110.003`
        let technique = value.and_then(|value| value.rsplit_once(" - T")).map(|(_, id)| format!("T{id}"));
        let technique = technique.as_deref().and_then(|id| id.split('.').next());
        for word in value.into_iter().chain(technique) {
            match words.meant(word) {
                Meaning::Is(category) => return self.note(category, value.unwrap_or(word)),
                Meaning::Nothing => return self.is_silenced = true,
                Meaning::Unknown => {}
            }
        }
        match words.meant(predicate) {
            Meaning::Is(category) => self.note(category, value.unwrap_or(predicate)),
            Meaning::Nothing => self.is_silenced = true,
            Meaning::Unknown => self.word(words, value.unwrap_or(predicate)),
        }
    }

    fn note(&mut self, category: Category, word: &str) {
        self.found.entry(category).or_insert_with(|| word.to_owned());
    }

    /// The categories; of vague words only where there are no others.
    pub(super) fn categories(&self) -> &BTreeMap<Category, String> {
        if self.found.is_empty() && !self.is_silenced { &self.vague } else { &self.found }
    }

    /// Is nothing said but what the configuration does not want to hear?
    pub(super) fn is_unwanted(&self) -> bool {
        self.is_silenced && self.found.is_empty()
    }
}

/// A word as it is compared: in small letters, with a hyphen where others write a space or an underscore.
fn plain(word: &str) -> String {
    let letters = word.trim().chars();
    letters.map(|sign| if matches!(sign, ' ' | '_') { '-' } else { sign.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_written_as_words_are_compared() {
        assert!(WORDS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(WORDS.iter().chain(&VAGUE).all(|(word, _)| plain(word) == *word));
    }
}
