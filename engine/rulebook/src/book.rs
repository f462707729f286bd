//! A set of rules that belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use frostwatch_detect::networks::{Networks, Tag};
use frostwatch_detect::rule::{EXCEPTIONS_MAX, Layer, RULES_MAX, Rule};
use frostwatch_detect::time::Millis;

use crate::check::networks::is_networks;
use crate::check::{Check, Draft};
use crate::content::{canonical, hash, networks};
use crate::fault::{Fault, Notes, Spot};
use crate::limits::{CONTENT_BYTES_MAX, FILES_MAX};
use crate::tree;

/// What a detector leaves to another one: its kind, the suppression and its layer, and who tells it.
const LEAVES: &[(&str, &str, Layer, &str)] = &[("infrequent_country", "listed_tunnel", Layer::User, "anonymous_ip")];

/// Checked rules, ready to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Rulebook {
    /// The enabled rules in the order of their ids; a rule's index here is its bit in an
    /// [`Admission`](crate::Admission).
    pub rules: Vec<Rule>,
    /// What the set says of networks.
    pub networks: Arc<Networks>,
    /// SHA-256 over the canonical text of rules and networks, first 16 hex digits: independent of comments, formatting, the order of
    /// files and of rules that are not enabled.
    pub hash: String,
    /// What is allowed but worth a look, in the order of the files.
    pub warnings: Vec<Fault>,
}

/// What is known of one file after it was read on its own.
struct Read<'a> {
    draft: Draft,
    id_at: Spot,
    file: &'a str,
    text: &'a str,
}

/// What one file holds.
enum Held<'a> {
    Rule(Box<Read<'a>>),
    Networks(Networks),
}

impl Rulebook {
    /// Checks rule files, given as name and text, one rule each. All faults of all files come back together, in the
    /// order of the files and their lines. Exceptions that have expired at `as_of` become warnings; without it nothing
    /// counts as expired.
    pub fn parse(files: &[(&str, &str)], as_of: Option<Millis>) -> Result<Self, Vec<Fault>> {
        let whole = |message| Notes::new("rules", "").fault(Spot::default(), "", message);
        if files.len() > FILES_MAX {
            let message = format!("{} files in one set; at most {FILES_MAX} are allowed", files.len());
            return Err(vec![whole(message)]);
        }
        let mut faults = Vec::new();
        let mut read = Vec::new();
        let mut networks: Option<(&str, Networks)> = None;
        for (file, text) in files {
            match (read_file(file, text, as_of), &networks) {
                (Ok(Held::Rule(one)), _) => read.push(*one),
                (Ok(Held::Networks(found)), None) => networks = Some((file, found)),
                (Ok(Held::Networks(_)), Some((other, _))) => {
                    let message = format!("the set has its networks in {other}; keep one file");
                    faults.push(Notes::new(file, text).fault(Spot::default(), "", message));
                }
                (Err(found), _) => faults.extend(found),
            }
        }
        faults.extend(clashes(files));
        faults.extend(overflow(&read));
        // Stable: within a file the order of its lines stays.
        faults.sort_by_key(|fault: &Fault| files.iter().position(|(file, _)| *file == fault.file));
        if !faults.is_empty() {
            return Err(faults);
        }
        let networks = networks.map(|(_, networks)| networks).unwrap_or_default();
        let (book, bytes) = Self::assemble(read, networks);
        if bytes > CONTENT_BYTES_MAX {
            let message = format!("{bytes} bytes of rules in one set; at most {CONTENT_BYTES_MAX} are allowed");
            return Err(vec![whole(message)]);
        }
        Ok(book)
    }

    /// The rule with this id and its index.
    pub fn rule(&self, id: &str) -> Option<(usize, &Rule)> {
        let index = self.rules.binary_search_by(|rule| rule.id.as_str().cmp(id)).ok()?;
        self.rules.get(index).map(|rule| (index, rule))
    }

    /// The set, and the bytes of its content.
    fn assemble(read: Vec<Read<'_>>, networks: Networks) -> (Self, usize) {
        let mut warnings = Vec::new();
        let mut rules = BTreeMap::new();
        let kinds: BTreeSet<&str> =
            read.iter().filter(|one| one.draft.enabled).map(|one| one.draft.rule.params.detector()).collect();
        for Read { draft: Draft { mut rule, enabled, warnings: found }, id_at, file, text } in read {
            warnings.extend(found);
            if enabled {
                let worth_a_look = [untagged(&rule, &networks), untold(&rule, &kinds)].into_iter().flatten();
                warnings.extend(worth_a_look.map(|fault| Notes::new(file, text).fault(id_at, "id", fault)));
                let text = canonical(&rule);
                rule.hash = hash([text.as_str()]);
                rules.insert(rule.id.clone(), (rule, text));
            }
        }
        let of_networks = networks::canonical(&networks);
        let texts = || rules.values().map(|(_, text)| text.as_str()).chain(of_networks.as_deref());
        let (bytes, hash) = (texts().map(|text| text.len() + 1).sum(), hash(texts()));
        let rules = rules.into_values().map(|(rule, _)| rule).collect();
        (Self { rules, networks: Arc::new(networks), hash, warnings }, bytes)
    }
}

fn read_file<'a>(file: &'a str, text: &'a str, as_of: Option<Millis>) -> Result<Held<'a>, Vec<Fault>> {
    let notes = Notes::new(file, text);
    let root = match tree::parse(text) {
        Ok(root) => root,
        Err((at, message)) => return Err(vec![notes.fault(at, "", message)]),
    };
    let check = Check::new(&root, &notes);
    let held = if is_networks(&root) {
        check.of_networks().map(Held::Networks)
    } else {
        let id_at = root.locate("id");
        check.rule(as_of).map(|draft| Held::Rule(Box::new(Read { draft, id_at, file, text })))
    };
    held.ok_or_else(|| notes.into_faults())
}

/// A rule that names tags which no network has, in words: what it asks is then the same of every address.
fn untagged(rule: &Rule, networks: &Networks) -> Option<String> {
    let conditions = rule.conditions()?;
    let has = |tag: Tag| networks.entries().iter().any(|entry| entry.tag == tag);
    let unknown: Vec<&str> = conditions.tags().filter(|tag| !has(*tag)).map(Tag::as_str).collect();
    let names = unknown.join(", ");
    (!unknown.is_empty())
        .then(|| format!("asks for `network.tag` {names}, and networks.yaml gives no network that tag"))
}

/// A rule that leaves something to a detector of which the set has no rule, in words: nobody tells it then.
fn untold(rule: &Rule, kinds: &BTreeSet<&str>) -> Option<String> {
    let (_, by, layer, other) = LEAVES.iter().find(|(detector, ..)| *detector == rule.params.detector())?;
    let mut sensitivities = rule.sensitivity_for.iter().map(|some| some.is).chain([rule.sensitivity]);
    let is_left = sensitivities.any(|sensitivity| sensitivity.takes(*layer)) && !rule.off.iter().any(|off| off == by);
    (is_left && !kinds.contains(other)).then(|| {
        format!(
            "`{by}` leaves what it holds back to `{other}`, and no rule of that kind is enabled: enable one, or switch it \
             off with `suppression: {{ off: [{by}] }}`"
        )
    })
}

/// Ids that stand in more than one file, whether or not the files are otherwise in order.
fn clashes(files: &[(&str, &str)]) -> Vec<Fault> {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let mut faults = Vec::new();
    for (file, text) in files {
        let Ok(root) = tree::parse(text) else {
            continue;
        };
        let Some(tree::Node { at, value: tree::Value::Text(id) }) = root.get("id") else {
            continue;
        };
        if let Some(other) = first.get(id) {
            let message = format!("the id `{}` is taken by {other}", crate::fault::shortened(id));
            faults.push(Notes::new(file, text).fault(*at, "id", message));
        } else {
            first.insert(id.clone(), file);
        }
    }
    faults
}

/// The set's own limits, blamed on the first rule beyond them.
fn overflow(read: &[Read<'_>]) -> Vec<Fault> {
    let enabled = || read.iter().filter(|one| one.draft.enabled);
    let fault = |one: &Read<'_>, message: String| Notes::new(one.file, one.text).fault(one.id_at, "id", message);
    let rules = enabled()
        .nth(RULES_MAX)
        .map(|one| fault(one, format!("{} rules are enabled; a set holds at most {RULES_MAX}", enabled().count())));
    let mut bits = enabled().count();
    let wide = enabled()
        .map(|one| (one, one.draft.rule.bits()))
        .filter(|(_, of_rule)| *of_rule > 1)
        .find(|(_, of_rule)| {
            bits += of_rule - 1;
            bits > RULES_MAX
        })
        .filter(|_| rules.is_none())
        .map(|(one, of_rule)| {
            let what = if one.draft.rule.conditions().is_some() { "a filter" } else { "sensitivities for some" };
            fault(one, format!("a rule with {what} counts as {of_rule}; a set holds at most {RULES_MAX}"))
        });
    let total: usize = enabled().map(|one| one.draft.rule.exceptions.len()).sum();
    let mut so_far = 0;
    let exceptions = enabled()
        .find(|one| {
            so_far += one.draft.rule.exceptions.len();
            so_far > EXCEPTIONS_MAX
        })
        .map(|one| fault(one, format!("{total} exceptions over all rules; a set holds at most {EXCEPTIONS_MAX}")));
    let told_twice = enabled()
        .filter(|one| one.draft.rule.params.reads_alerts())
        .nth(1)
        .map(|one| fault(one, "another rule of this kind is enabled: an alert is part of one incident".to_owned()));
    rules.into_iter().chain(wide).chain(exceptions).chain(told_twice).collect()
}
