//! Measures how well the detectors do and prints tables: `cargo xtask quality`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to whoever started it")]

use std::sync::Arc;
use std::thread;

use anyhow::{anyhow, ensure};
use clap::Parser;
use frostwatch_detect::place::Locate;
use frostwatch_simulator::{AddressPlan, Company, CompanyConfig, FilePlan, PolicyPlan};
use frostwatch_tests::quality::{
    Ablation, Form, Judged, Listing, Published, Score, Variant, ablations, colleagues, departments, follow, judge,
    of_ablations, of_benign, of_classes, of_confounders, of_departments, of_guesses, of_held, of_kinds, of_scores,
    of_stories, of_totals, places, run, sensitivities,
};

/// Monday, 2 March 2026: the clocks of North America and Europe, and of Australia, change within the next five weeks.
const START_MS: i64 = 1_772_409_600_000;

/// How well the detectors do on a simulated company with all confounders
#[derive(Parser)]
#[allow(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Arguments {
    /// Accounts
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// Days
    #[arg(long, default_value_t = 60)]
    days: u32,
    /// Attacks of each kind
    #[arg(long, default_value_t = 60)]
    attacks: u32,
    /// Fast attacks on files, with the work that looks like it; half as many slow ones. 0: nobody does anything to files
    #[arg(long, default_value_t = 0)]
    files: u32,
    /// Fast attacks of each kind by way of listed addresses, accounts that should be off, and devices, with what looks like
    /// them, and half as many slow ones; the stream is that of a producer who knows devices. 0: there are no lists
    #[arg(long, default_value_t = 0)]
    addresses: u32,
    /// Fast attacks of each kind that policies of one's own look for, with the administration of every day, and half as many slow
    /// ones; the templates of policies are switched on. 0: nobody deletes records, impersonates or gives roles
    #[arg(long, default_value_t = 0)]
    policies: u32,
    /// Attacks in which passwords are tried on many accounts, beside those of policies, and half as many slow ones
    #[arg(long, default_value_t = 0)]
    sprays: u32,
    /// Seed of the company
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sensitivities only: no suppression is switched off, and no other stream is tried
    #[arg(long)]
    short: bool,
    /// The set of rules at medium sensitivity alone
    #[arg(long)]
    medium: bool,
    /// Unusual downloads and slow exfiltration too, and what makes harmless people carry off more than they did
    #[arg(long)]
    downloads: bool,
    /// Attacks of each of the first kinds that take days. 0: none
    #[arg(long, default_value_t = 0)]
    slow: u32,
    /// The other streams, also with `--short`
    #[arg(long)]
    streams: bool,
    /// Name every attack that was missed or told at low severity, and every false alert, at medium
    #[arg(long)]
    cases: bool,
    /// People have departments, and what their colleagues do is measured and published week after week: the rules with it and
    /// without it
    #[arg(long, conflicts_with_all = ["streams", "medium", "follow"])]
    colleagues: bool,
    /// Print what was recorded of these users and what was said of it at medium, and nothing else
    #[arg(long, value_delimiter = ',')]
    follow: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let Arguments { users, days, attacks, seed, .. } = arguments;
    let config = CompanyConfig::confounded(seed, users, days, START_MS, attacks);
    let config = config.with_slow(arguments.slow);
    let config = if arguments.downloads { config.with_downloads(attacks) } else { config };
    let files = FilePlan { fast: arguments.files, slow: arguments.files / 2, work: true };
    let config = if arguments.files == 0 { config } else { config.with_files(files) };
    let addresses = AddressPlan { fast: arguments.addresses, slow: arguments.addresses / 2, work: true };
    let with_devices = arguments.addresses > 0;
    let config = if with_devices { config.with_addresses(addresses) } else { config };
    let (fast, sprays) = (arguments.policies, arguments.sprays);
    ensure!(
        fast > 0 || sprays == 0,
        "--sprays: needs --policies of 1 or more, with which the templates are switched on"
    );
    let policies = PolicyPlan { fast, slow: fast / 2, work: true, sprays };
    let config = if arguments.policies == 0 { config } else { config.with_policies(policies) };
    let company = Company::new(if arguments.colleagues { config.with_departments() } else { config })?;
    let form = if with_devices { Form::Activity } else { Form::Rows };
    let good = places(company.world(), Listing::Good)?;
    let world = company.world();
    if !arguments.follow.is_empty() {
        let places = if arguments.streams { places(world, Listing::Free)? } else { good };
        return follow(&company, form, &places, &Variant::told("medium", &company)?, &arguments.follow, &mut |line| {
            println!("{line}");
        });
    }
    if arguments.colleagues {
        return with_colleagues(&company, form, &good, arguments.cases);
    }
    let mut names = sensitivities(&company)?;
    names.push(Variant::shipped("medium, no networks told", &company)?);
    names.retain(|variant| !arguments.medium || variant.name == "medium");
    let judged = measured((&company, form, &[]), &good, &names)?;
    let scores: Vec<(String, Judged)> = names.iter().map(|variant| variant.name.clone()).zip(judged).collect();
    let medium = scores.iter().find(|(name, _)| name == "medium");
    let (_, medium) = medium.ok_or_else(|| anyhow!("nothing was measured"))?;
    println!("{} user-days, {} attacks, seed {seed}\n", medium.user_days, company.labels().len());
    println!("{}\n{}\n{}", of_scores(&scores), of_kinds(&scores), of_classes(&scores));
    println!("{}\n{}\n{}", of_totals(medium), of_confounders(medium), of_benign(medium));
    println!("{}\n{}\n{}", of_guesses(medium), of_held(medium), of_stories(medium));
    if arguments.cases {
        name_cases(medium);
    }
    if !arguments.short {
        without_each(&company, form, &good, medium)?;
    }
    if arguments.short && !arguments.streams {
        return Ok(());
    }
    eprintln!("other streams …");
    let medium = [Variant::told("medium", &company)?];
    let free = places(company.world(), Listing::Free)?;
    let mut others = Vec::new();
    for (name, form, places) in [("with devices", Form::Activity, &good), ("free places", Form::Rows, &free)] {
        others.extend(
            measured((&company, form, &[]), places, &medium)?.into_iter().map(|judged| (name.to_owned(), judged)),
        );
    }
    println!("{}\n{}\n{}", of_scores(&others), of_kinds(&others), of_classes(&others));
    for (name, judged) in others.iter().filter(|_| arguments.cases) {
        println!("{name}:\n");
        name_cases(judged);
    }
    Ok(())
}

fn name_cases(judged: &Judged) {
    judged.missed.iter().for_each(|missed| println!("- missed: {missed}"));
    judged.told_low.iter().for_each(|low| println!("- at low severity: {low}"));
    judged.false_alerts.iter().for_each(|wrong| println!("- false: {wrong}"));
    let others =
        judged.guesses.iter().flat_map(|(class, of_class)| of_class.others.iter().map(move |other| (class, other)));
    others.for_each(|(class, other)| println!("- {class}, told as something else: {other}"));
    judged.stories.apart.iter().for_each(|apart| println!("- not in one incident: {apart}"));
    judged.stories.mixed.iter().for_each(|mixed| println!("- an attack with other alerts: {mixed}"));
    judged.stories.without_attack.iter().for_each(|none| println!("- an incident without an attack: {none}"));
}

/// The table of what each mechanism does to its detector alone, and whose detector finds otherwise alone than among all.
fn without_each(company: &Company, form: Form, good: &Arc<dyn Locate>, medium: &Judged) -> anyhow::Result<()> {
    eprintln!("without each mechanism in turn …");
    let ablations = ablations(company)?;
    let variants: Vec<Variant> = ablations.iter().map(|ablation| ablation.variant.clone()).collect();
    let judged = measured((company, form, &[]), good, &variants)?;
    let without: Vec<(Ablation, Judged)> = ablations.into_iter().zip(judged).collect();
    for (Ablation { rule, without, .. }, alone) in &without {
        let rule = rule.as_str();
        let (Some(own), Some(among)) = (alone.scores.get(rule), medium.scores.get(rule)) else { continue };
        if without.is_empty() && own != among {
            let of = |score: &Score| {
                let Score { alerts, of_attacks, wrong, found, .. } = score;
                format!("{alerts} alerts, {of_attacks} of attacks, {wrong} false, {found} attacks found")
            };
            println!("- `{rule}` alone: {}; among all: {}", of(own), of(among));
        }
    }
    println!("\n{}", of_ablations(&without));
    Ok(())
}

/// What the second opinion of colleagues adds and takes away.
fn with_colleagues(company: &Company, form: Form, good: &Arc<dyn Locate>, cases: bool) -> anyhow::Result<()> {
    let published = colleagues(company, form)?;
    let variants = [Variant::told("medium", company)?, Variant::alone("nobody has colleagues", company)?];
    let judged = measured((company, form, &published), good, &variants)?;
    let seed = company.config().seed;
    println!(
        "{} user-days, {} attacks, seed {seed}, {} records beside\n",
        judged[0].user_days,
        company.labels().len(),
        published.len()
    );
    println!("{}\n", of_departments(&departments(company)));
    let scores: Vec<(String, Judged)> = variants.iter().map(|variant| variant.name.clone()).zip(judged).collect();
    println!("{}\n{}\n{}", of_scores(&scores), of_kinds(&scores), of_classes(&scores));
    for (name, judged) in &scores {
        println!("{name}:\n\n{}", of_held(judged));
        if cases {
            name_cases(judged);
        }
    }
    Ok(())
}

/// Runs the variants on two threads, each with a stream of its own.
fn measured(
    (company, form, published): (&Company, Form, &[Published]),
    locate: &Arc<dyn Locate>,
    variants: &[Variant],
) -> anyhow::Result<Vec<Judged>> {
    let halves = variants.chunks(variants.len().div_ceil(2).max(1));
    let outcomes = thread::scope(|scope| {
        let threads: Vec<_> =
            halves.map(|half| scope.spawn(move || run(company, form, published, locate, half))).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a run panicked"))?).collect::<Vec<_>>()
    });
    let mut judged = Vec::new();
    for finals in outcomes {
        judged.extend(finals?.iter().map(|finals| judge(company, finals)));
    }
    Ok(judged)
}
