//! The engine as it ships: the default rules, the default lateness, the demo's `GeoIP` table.

use std::net::Ipv4Addr;
use std::sync::Arc;

use frostwatch_detect::event::Address;
use frostwatch_detect::listed::Category;
use frostwatch_detect::lists::{List, Listing, Lists};
use frostwatch_detect::names::Name;
use frostwatch_detect::place::Locate;
use frostwatch_detect::time::Lateness;
use frostwatch_geoip::GeoTable;
use frostwatch_rulebook::{Rulebook, default_rules, policy_templates};
use frostwatch_runtime::pipeline::{CurrentRuling, Origin, Ruling, Shared, Task, TaskSet};
use frostwatch_simulator::world::{NetworkKind, listed_networks};
use ipnet::IpNet;

/// The demo's `GeoIP` table.
pub fn geo() -> GeoTable {
    frostwatch_geoip::demo().unwrap()
}

/// A task with no state.
pub fn task() -> Task {
    task_of(Rulebook::parse(default_rules(), None).unwrap())
}

/// A task with no state and `mass_download` alone, in whose rule texts are replaced.
///
/// # Panics
/// If the shipped rule has no such text.
pub fn task_with(edits: &[(&str, &str)]) -> Task {
    let (name, text) = default_rules().iter().find(|(name, _)| name.starts_with("mass_download")).unwrap();
    let edited = edits.iter().fold((*text).to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{name} has no '{from}'");
        text.replace(from, to)
    });
    task_of(Rulebook::parse(&[(*name, edited.as_str())], None).unwrap())
}

/// Rules that ship.
pub fn shipped_rules() -> usize {
    Rulebook::parse(default_rules(), None).unwrap().rules.len()
}

/// A task with no state and so many rules: those that ship, and copies of them in turn under other ids, of which so many
/// concern everybody in the end as are to match, and the others nobody there is.
///
/// # Panics
/// If there are to be fewer than ship.
pub fn task_of_rules(rules: usize, matching: usize) -> Task {
    const EVERYBODY: &str = "  include: []";
    // Of a rule that reads alerts there can be no second.
    let may_be_copied = |(_, text): &&(&str, &str)| text.contains(EVERYBODY) && !text.contains("kind: incident");
    let copied: Vec<_> = default_rules().iter().filter(may_be_copied).collect();
    let shipped = shipped_rules();
    let copies = (0..rules.checked_sub(shipped).unwrap()).map(|nth| {
        let (name, text) = copied[nth % copied.len()];
        let id = name.trim_end_matches(".yaml");
        let text = text.replacen(&format!("\nid: {id}\n"), &format!("\nid: {id}_{nth}\n"), 1);
        let concerns_all = nth + shipped < matching;
        let nobody = format!("  include:\n    - users: [nobody-{nth}]");
        (format!("{id}_{nth}.yaml"), if concerns_all { text } else { text.replacen(EVERYBODY, &nobody, 1) })
    });
    let copies: Vec<(String, String)> = copies.collect();
    let texts = copies.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let all: Vec<(&str, &str)> = default_rules().iter().copied().chain(texts).collect();
    task_of(Rulebook::parse(&all, None).unwrap())
}

/// A task with no state, the shipped rules and so many policies besides, which ask every record for its table, or for it where
/// something was deleted, and never fit.
///
/// # Panics
/// If the shipped policy reads otherwise.
pub fn task_of_policies(policies: usize, by_action: bool) -> Task {
    const FILTER: &str = "        - { field: action, in: [delete] }\n";
    let (_, shipped) = default_rules().iter().find(|(name, _)| *name == "activity_policy.yaml").unwrap();
    assert!(shipped.contains(FILTER), "the shipped policy has no '{FILTER}'");
    let policy = |nth: usize| {
        let table = format!("        - {{ field: object.table, starts_with: [x_none_{nth}_] }}\n");
        let filter = if by_action { format!("{FILTER}{table}") } else { table };
        let text = shipped.replace("\nid: activity_policy\n", &format!("\nid: policy_{nth}\n"));
        (format!("policy_{nth}.yaml"), text.replace(FILTER, &filter))
    };
    let texts: Vec<(String, String)> = (0..policies).map(policy).collect();
    let texts = texts.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    let all: Vec<(&str, &str)> = default_rules().iter().copied().chain(texts).collect();
    task_of(Rulebook::parse(&all, None).unwrap())
}

/// Tasks with no state: one with the rules of the first release alone, one with all that ship, and one with all that ship and
/// every template of policies switched on; the last two with a list of addresses, without which two of them would not run.
pub fn first_four_all_and_templates() -> [Task; 3] {
    let templates = policy_templates().iter().map(|(name, text)| {
        assert!(text.contains("\nenabled: false\n"), "{name} is on as it ships");
        (*name, text.replacen("\nenabled: false\n", "\nenabled: true\n", 1))
    });
    let templates: Vec<(&str, String)> = templates.collect();
    let templates = templates.iter().map(|(name, text)| (*name, text.as_str()));
    let with_templates: Vec<(&str, &str)> = default_rules().iter().copied().chain(templates).collect();
    [task_of_first_four(), task_with_lists(default_rules()), task_with_lists(&with_templates)]
}

/// A task with no state, the rules of the first release and no others.
pub fn task_of_first_four() -> Task {
    const FIRST: [&str; 4] = ["failed_logins", "impossible_travel", "infrequent_country", "mass_download"];
    let is_first = |(name, _): &&(&str, &str)| FIRST.iter().any(|first| name.strip_suffix(".yaml") == Some(first));
    let first: Vec<(&str, &str)> = default_rules().iter().filter(is_first).copied().collect();
    assert_eq!(first.len(), FIRST.len());
    task_of(Rulebook::parse(&first, None).unwrap())
}

/// A task with no state, all rules that ship and a list of addresses.
pub fn task_of_all() -> Task {
    task_with_lists(default_rules())
}

fn task_with_lists(rules: &[(&str, &str)]) -> Task {
    let (shared, ruling) = parts(Rulebook::parse(rules, None).unwrap());
    Task::new(shared, with_lists(ruling), 0)
}

fn with_lists(ruling: Arc<Ruling>) -> Arc<Ruling> {
    Arc::new(Arc::unwrap_or_clone(ruling).with_lists(lists()))
}

/// Ranges that are nobody's of the traffic, as many as lists have that are published.
const LISTED: u32 = 100_000;
/// Of every so many blocks of addresses of lines at home one is on a list.
const LISTED_ONE_IN: u32 = 64;

fn lists() -> Option<Arc<Lists>> {
    let entry = |block: u32, category, confidence| Listing {
        first: Address::new(Ipv4Addr::from(block).into()).unwrap().bits(),
        prefix: 120,
        category,
        confidence,
        tag: Name::EMPTY,
        from: Listing::ALWAYS,
        until: Listing::FOREVER,
    };
    // 240.0.0.0/4 is nobody's.
    let strangers = (0..LISTED).map(|nth| entry(0xf000_0000 + nth * 256, Category::Botnet, 80));
    let blocks = listed_networks().unwrap().into_iter().filter(|listed| listed.kind == NetworkKind::Fixed);
    let blocks = blocks.filter_map(|listed| match listed.network {
        IpNet::V4(network) => Some((network.network().to_bits(), network.broadcast().to_bits())),
        IpNet::V6(_) => None,
    });
    let at_home = blocks.flat_map(|(first, last)| (first..last).step_by(256 * LISTED_ONE_IN as usize));
    let at_home = at_home.map(|block| entry(block, Category::ResidentialProxy, 50));
    Lists::new(vec![List { name: "bench".to_owned(), entries: strangers.chain(at_home).collect() }]).unwrap()
}

/// The tasks of a worker, without partitions, which remember what is to be written of their state: all rules that ship and a
/// list of addresses.
pub fn tasks() -> TaskSet {
    let (shared, ruling) = parts(Rulebook::parse(default_rules(), None).unwrap());
    TaskSet::new(shared, Arc::new(CurrentRuling::new(with_lists(ruling))))
}

fn task_of(book: Rulebook) -> Task {
    let (shared, ruling) = parts(book);
    Task::new(shared, ruling, 0)
}

fn parts(book: Rulebook) -> (Arc<Shared>, Arc<Ruling>) {
    let locate: Arc<dyn Locate> = Arc::new(geo());
    let ruling = Arc::new(Ruling::new(book, locate, Lateness::DEFAULT));
    let build = env!("CARGO_PKG_VERSION");
    (Arc::new(Shared::new(0, Origin::default(), build)), ruling)
}
