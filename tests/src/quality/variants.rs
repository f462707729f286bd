//! Sets of rules that are compared: the shipped ones with one thing changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{anyhow, ensure};
use frostwatch_detect::lists::Lists;
use frostwatch_detect::place::Locate;
use frostwatch_detect::time::Lateness;
use frostwatch_rulebook::{Rulebook, default_rules};
use frostwatch_runtime::pipeline::Ruling;
use frostwatch_simulator::world::{NetworkKind, World};

/// A set of rules by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What tells it from the others.
    pub name: String,
    texts: Vec<(String, String)>,
}

impl Variant {
    /// The rules as they ship.
    pub fn shipped(name: &str) -> Self {
        let texts = default_rules().iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        Self { name: name.to_owned(), texts }
    }

    /// The shipped rules, with what an administrator of the company would say of networks on the first day: its own VPN,
    /// and the proxy it has bought.
    pub fn told(name: &str, world: &World) -> anyhow::Result<Self> {
        let listed = world.listed_networks();
        let of_kind = |kind| listed.iter().filter(move |network| network.kind == kind);
        let asns: BTreeSet<u32> = of_kind(NetworkKind::Proxy).map(|network| network.asn).collect();
        let own: Vec<String> = of_kind(NetworkKind::CorporateVpn).map(|n| format!("\"{}\"", n.network)).collect();
        let proxy = |asn| format!("  - {{ tag: proxy, name: \"The proxy\", networks: [], asns: [{asn}] }}\n");
        let proxies: String = asns.into_iter().map(proxy).collect();
        let own = format!("  - {{ tag: vpn, name: \"Own VPN\", networks: [{}], asns: [] }}\n", own.join(", "));
        let lines = format!("\nnetworks:\n{proxies}{own}");
        Self::shipped(name).with("networks", "\nnetworks:\n", &lines)
    }

    /// The same where nobody's colleagues are asked.
    pub fn alone(name: &str, world: &World) -> anyhow::Result<Self> {
        Self::told(name, world)?.with("unusual_download", "\n    peers_min: 5\n", "\n    peers_min: 0\n")
    }

    /// The same with a line of the rules changed, where they have it; `rule` is the file's name, or empty for all.
    fn with(mut self, rule: &str, line: &str, changed: &str) -> anyhow::Result<Self> {
        let mut count = 0;
        for (_, text) in self.texts.iter_mut().filter(|(file, _)| file.starts_with(rule)) {
            count += usize::from(text.contains(line));
            *text = text.replacen(line, changed, 1);
        }
        ensure!(count > 0, "{}: no rule {rule} has the line {line:?}", self.name);
        Ok(self)
    }

    pub(super) fn ruling(&self, locate: &Arc<dyn Locate>, lists: Option<&Arc<Lists>>) -> anyhow::Result<Arc<Ruling>> {
        let texts: Vec<(&str, &str)> = self.texts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
        let book = Rulebook::parse(&texts, None).map_err(|faults| anyhow!("{}: {faults:?}", self.name))?;
        Ok(Arc::new(Ruling::new(book, Arc::clone(locate), Lateness::DEFAULT).with_lists(lists.cloned())))
    }
}

/// The rules with each sensitivity.
pub fn sensitivities(world: &World) -> anyhow::Result<Vec<Variant>> {
    let of = |word: &str| {
        Variant::told(word, world)?.with("", "\nsensitivity: medium\n", &format!("\nsensitivity: {word}\n"))
    };
    ["low", "medium", "high"].into_iter().map(of).collect()
}

/// The rules with one suppression switched off, for each there is: detector, suppression, rules.
pub fn ablations(world: &World) -> anyhow::Result<Vec<(&'static str, &'static str, Variant)>> {
    let book = Rulebook::parse(default_rules(), None).map_err(|faults| anyhow!("{faults:?}"))?;
    let mut ablations = Vec::new();
    for rule in &book.rules {
        let detector = rule.params.detector();
        for name in rule.params.suppressions() {
            let off = format!("\nsuppression:\n  off: [{name}]\n");
            let variant = Variant::told(&format!("{detector} without {name}"), world)?;
            ablations.push((detector, *name, variant.with(detector, "\nsuppression:\n", &off)?));
        }
    }
    Ok(ablations)
}
