//! Sets of rules that are compared: the shipped ones with one thing changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{anyhow, ensure};
use frostwatch_detect::lists::Lists;
use frostwatch_detect::place::Locate;
use frostwatch_detect::time::{Lateness, rfc3339};
use frostwatch_rulebook::{Rulebook, default_rules, policy_templates};
use frostwatch_runtime::pipeline::Ruling;
use frostwatch_simulator::world::NetworkKind;
use frostwatch_simulator::{Administration, Company};

/// The last line of those whom `impersonation` leaves out as it ships.
const EXCLUDED: &str = "    - users: [\"*@snc\", \"*@snc.*\"]\n";
/// The end of the roles of which `privileged_role_granted` takes one alone, as it ships.
const ADMIN: &str = "2831a114c611228501d4ea6c309d626d";

/// A detector or policy, what is switched off in it, and the lines that are changed for it.
type Part = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What can be switched off beside suppressions: parameters that may be left out, and what a policy leaves out or counts once.
const PARTS: &[Part] = &[
    ("activity_policy", "distinct", &[("\n    distinct: object.id\n", "\n")]),
    (
        "activity_policy",
        "slow_events_min",
        &[("\n    slow_events_min: 201\n", "\n"), ("\n    slow_window_secs: 28800\n", "\n")],
    ),
    ("activity_policy", "programs left out", &[("kinds: [placeholder, service, integration]", "kinds: [placeholder]")]),
    ("admin_from_outside", "offices told", &[("tag: administrative", "tag: risky")]),
    (
        "failed_logins",
        "rhythm_intervals",
        &[("\n    rhythm_intervals: 8\n", "\n"), ("\n    rhythm_tolerance_secs: 1\n", "\n")],
    ),
    (
        "failed_logins",
        "slow_hours_min",
        &[("\n    slow_hours_min: 8\n", "\n"), ("\n    slow_within_hours: 48\n", "\n")],
    ),
    ("failed_logins", "stuffing_networks_min", &[("\n    stuffing_networks_min: 5\n", "\n")]),
    (
        "impersonation",
        "slow_events_min",
        &[("\n    slow_events_min: 4\n", "\n"), ("\n    slow_window_secs: 43200\n", "\n")],
    ),
    ("impersonation", "programs left out", &[("kinds: [placeholder, service, integration]", "kinds: [placeholder]")]),
    ("many_downloads", "distinct", &[("\n    distinct: object.id\n", "\n")]),
    ("mass_download", "rows_max", &[("\n    rows_max: 50000\n", "\n    rows_max: 1000000000\n")]),
    ("mass_download", "bytes_max", &[("\n    bytes_max: 268435456\n", "\n    bytes_max: 1000000000000\n")]),
    ("new_device", "confidence_strange_min", &[("\n    confidence_strange_min: 25\n", "\n")]),
    ("new_device", "failures_strange_min", &[("\n    failures_strange_min: 3\n", "\n")]),
    ("new_device", "near_km", &[("\n    near_km: 50\n", "\n")]),
    ("suspicious_ip", "confidence_strange_min", &[("\n    confidence_strange_min: 25\n", "\n")]),
    ("suspicious_ip", "look_back_hours", &[("\n    look_back_hours: 48\n", "\n")]),
    ("terminated_user", "grace_objects_max", &[("\n    grace_objects_max: 10\n", "\n")]),
    ("terminated_user", "grace_tells_sign_ins", &[("\n    grace_tells_sign_ins: true\n", "\n")]),
    ("terminated_user", "midnight_is_a_day", &[("\n    midnight_is_a_day: true\n", "\n")]),
];

/// A set of rules by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What tells it from the others.
    pub name: String,
    texts: Vec<(String, String)>,
}

impl Variant {
    /// The rules as they ship; where the company has attacks that policies look for, with these policies switched on as they
    /// are.
    pub fn shipped(name: &str, company: &Company) -> anyhow::Result<Self> {
        let owned = |(file, text): &(&str, &str)| ((*file).to_owned(), (*text).to_owned());
        let texts = default_rules().iter().map(owned).collect();
        let mut shipped = Self { name: name.to_owned(), texts };
        if company.config().policies.is_some() {
            for (file, text) in policy_templates() {
                shipped.texts.push(((*file).to_owned(), (*text).to_owned()));
                shipped = shipped.with(file, "\nenabled: false\n", "\nenabled: true\n")?;
            }
        }
        Ok(shipped)
    }

    /// The shipped rules, with what an administrator of the company would say on the first day: of networks its own VPN, and
    /// the proxy it has bought; of policies, where they are on, what each asks for.
    pub fn told(name: &str, company: &Company) -> anyhow::Result<Self> {
        let listed = company.world().listed_networks();
        let of_kind = |kind| listed.iter().filter(move |network| network.kind == kind);
        let asns: BTreeSet<u32> = of_kind(NetworkKind::Proxy).map(|network| network.asn).collect();
        let own: Vec<String> = of_kind(NetworkKind::CorporateVpn).map(|n| format!("\"{}\"", n.network)).collect();
        let proxy = |asn| format!("  - {{ tag: proxy, name: \"The proxy\", networks: [], asns: [{asn}] }}\n");
        let proxies: String = asns.into_iter().map(proxy).collect();
        let own = format!("  - {{ tag: vpn, name: \"Own VPN\", networks: [{}], asns: [] }}\n", own.join(", "));
        let lines = format!("\nnetworks:\n{proxies}{own}");
        let told = Self::shipped(name, company)?.with("networks", "\nnetworks:\n", &lines)?;
        if company.config().policies.is_some() { told.with_administration(company) } else { Ok(told) }
    }

    /// What policies ask for: where the company administers, which roles and groups govern it, whose work it is to act as
    /// others, which clearings a change has announced.
    fn with_administration(self, company: &Company) -> anyhow::Result<Self> {
        let Administration { privileged, service_desk, offices, changes } = company.administration();
        let quoted = |words: &[String]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let offices = format!(
            "\nnetworks:\n  - {{ tag: administrative, name: \"Offices\", networks: [{}], asns: [] }}\n",
            quoted(&offices)
        );
        let desk = format!("{EXCLUDED}    - users: [{}]\n", quoted(&service_desk));
        let roles = format!("{ADMIN}, {}]", quoted(&privileged));
        let change = |(number, (user, from_ms, to_ms)): (usize, &(String, i64, i64))| {
            let [from, expires] = [from_ms, to_ms].map(|at| rfc3339(*at));
            format!(
                "\n  - {{ id: chg_{number}, reason: announced, owner: platform, from: \"{from}\", expires: \"{expires}\", \
                 covers: {{ users: [\"{user}\"] }} }}"
            )
        };
        let mut told = self.with("networks", "\nnetworks:\n", &offices)?.with("impersonation", EXCLUDED, &desk)?.with(
            "privileged_role_granted",
            &format!("{ADMIN}]"),
            &roles,
        )?;
        if !changes.is_empty() {
            let lines = format!("\nexceptions:{}\n", changes.iter().enumerate().map(change).collect::<String>());
            told = told.with("activity_policy", "\nexceptions: []\n", &lines)?;
        }
        Ok(told)
    }

    /// The same with nothing that holds findings back.
    pub fn unsuppressed(name: &str, company: &Company) -> anyhow::Result<Self> {
        let mut told = Self::told(name, company)?;
        let texts: Vec<(&str, &str)> = told.texts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
        let book = Rulebook::parse(&texts, None).map_err(|faults| anyhow!("{faults:?}"))?;
        for rule in book.rules.iter().filter(|rule| !rule.params.suppressions().is_empty()) {
            let all = rule.params.suppressions().join(", ");
            told = told.with(&rule.id, "\nsuppression:\n", &format!("\nsuppression:\n  off: [{all}]\n"))?;
        }
        Ok(told)
    }

    /// The same where nobody's colleagues are asked.
    pub fn alone(name: &str, company: &Company) -> anyhow::Result<Self> {
        Self::told(name, company)?.with("unusual_download", "\n    peers_min: 5\n", "\n    peers_min: 0\n")
    }

    /// Of these rules the one of a detector, or policy, and what is known of networks: rules know nothing of one another.
    fn only(mut self, rule: &str) -> Self {
        let file = format!("{rule}.yaml");
        self.texts.retain(|(name, _)| *name == file || name == "networks.yaml");
        self
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
pub fn sensitivities(company: &Company) -> anyhow::Result<Vec<Variant>> {
    let of = |word: &str| {
        Variant::told(word, company)?.with("", "\nsensitivity: medium\n", &format!("\nsensitivity: {word}\n"))
    };
    ["low", "medium", "high"].into_iter().map(of).collect()
}

/// A detector, or policy, alone and with one of its mechanisms switched off.
#[derive(Clone, Debug)]
pub struct Ablation {
    /// The detector or policy.
    pub rule: String,
    /// What is switched off; empty where nothing is.
    pub without: String,
    /// The rule.
    pub variant: Variant,
}

/// Each detector with nothing switched off, with each of its suppressions, and with each of `PARTS`.
pub fn ablations(company: &Company) -> anyhow::Result<Vec<Ablation>> {
    let whole = Variant::told("alone", company)?;
    let texts: Vec<(&str, &str)> = whole.texts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let book = Rulebook::parse(&texts, None).map_err(|faults| anyhow!("{faults:?}"))?;
    let mut ablations = Vec::new();
    for rule in &book.rules {
        if rule.params.detector() == "incident" {
            continue;
        }
        let alone = || whole.clone().only(&rule.id);
        let mut add = |without: &str, variant: Variant| {
            let name = format!("{} without {without}", rule.id);
            let variant = Variant { name, ..variant };
            ablations.push(Ablation { rule: rule.id.clone(), without: without.to_owned(), variant });
        };
        add("", alone());
        for name in rule.params.suppressions() {
            let off = format!("\nsuppression:\n  off: [{name}]\n");
            add(name, alone().with(&rule.id, "\nsuppression:\n", &off)?);
        }
        for (_, what, lines) in PARTS.iter().filter(|(of, ..)| *of == rule.id) {
            let mut variant = alone();
            for (line, changed) in *lines {
                variant = variant.with("", line, changed)?;
            }
            add(what, variant);
        }
    }
    Ok(ablations)
}
