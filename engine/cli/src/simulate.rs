//! `frostwatch simulate`, and what an administrator of the simulated company would write down on the first day.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use frostwatch_detect::time::DAY;
use frostwatch_kafka::produce::TopicProducer;
use frostwatch_kafka::settings::KafkaSettings;
use frostwatch_rulebook::default_rules;
use frostwatch_simulator::world::NetworkKind;
use frostwatch_simulator::{AccountKind, AttackPlan, Company, CompanyConfig, Deliveries, Delivery, FilePlan};
use frostwatch_wire::normalise::config::{AccountPattern, NormaliseConfig};
use serde_json::json;

use crate::config;
use crate::console::say;

/// The company to simulate.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seed: the same seed gives the same bytes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// People and programs with an account.
    #[arg(long, default_value_t = 90)]
    users: u32,
    /// Days.
    #[arg(long, default_value_t = 36)]
    days: u32,
    /// First day, RFC 3339.
    #[arg(long, default_value = "2026-01-05T00:00:00Z")]
    start: String,
    /// Let the last day be yesterday, whatever `--start` says: for a broker that deletes what is old.
    #[arg(long)]
    ending_now: bool,
    /// No attacks.
    #[arg(long)]
    no_attacks: bool,
    /// So many unusual downloads and so many slow exfiltrations beside the other attacks; they need 45 days or so.
    #[arg(long, default_value_t = 0)]
    downloads: u32,
    /// So many fast attacks on files, half as many slow ones, and the harmless work on files that looks like them.
    #[arg(long, default_value_t = 0)]
    file_attacks: u32,
    /// What to write.
    #[arg(long = "as", value_enum, default_value_t = Form::Raw)]
    form: Form,
    /// Write the injected attacks to this file, JSON lines.
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Write the configuration that fits the company (accounts, its own networks, rules) into this folder.
    #[arg(long)]
    setup: Option<PathBuf>,
    /// Publish to Kafka as this configuration says, in place of standard output.
    #[arg(long, short)]
    config: Option<PathBuf>,
}

/// What the simulation writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Rows of ServiceNow's tables.
    Raw,
    /// activity.v1.
    Activity,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let start_ms = if args.ending_now {
        let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()).timestamp_millis();
        now - now.rem_euclid(DAY) - i64::from(args.days) * DAY
    } else {
        chrono::DateTime::parse_from_rfc3339(&args.start).context("--start")?.timestamp_millis()
    };
    let mut wanted = CompanyConfig::new(args.seed, args.users, args.days, start_ms);
    if args.no_attacks {
        wanted.attacks = AttackPlan::none();
    }
    wanted = wanted.with_downloads(args.downloads);
    if args.file_attacks > 0 {
        wanted = wanted.with_files(FilePlan { fast: args.file_attacks, slow: args.file_attacks / 2, work: true });
    }
    let company = Company::new(wanted)?;
    if let Some(path) = &args.labels {
        let mut file = BufWriter::new(std::fs::File::create(path)?);
        for label in company.labels() {
            serde_json::to_writer(&mut file, label)?;
            file.write_all(b"\n")?;
        }
        file.flush()?;
    }
    if let Some(folder) = &args.setup {
        write_setup(&company, folder)?;
    }
    let deliveries = deliveries(&company, args.form);
    let count = match &args.config {
        Some(config) => publish(deliveries, &config::load(config)?.config.kafka, args.form)?,
        None => write_lines(deliveries)?,
    };
    say(&format!("{count} records of {} accounts, {} attacks", company.people().count(), company.labels().len()));
    Ok(ExitCode::SUCCESS)
}

fn deliveries(company: &Company, form: Form) -> Deliveries<'_> {
    match form {
        Form::Raw => company.raw_rows(),
        Form::Activity => company.activity(),
    }
}

fn write_lines(deliveries: Deliveries<'_>) -> anyhow::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut count = 0;
    for delivery in deliveries {
        serde_json::to_writer(&mut out, &delivery)?;
        out.write_all(b"\n")?;
        count += 1;
    }
    out.flush()?;
    Ok(count)
}

fn publish(deliveries: Deliveries<'_>, settings: &KafkaSettings, form: Form) -> anyhow::Result<u64> {
    let mut topics = Producers::connect(settings, form)?;
    for delivery in deliveries {
        topics.send(&delivery)?;
    }
    topics.flush()
}

/// Producers by table.
struct Producers {
    by_table: Vec<(String, TopicProducer<'static>)>,
}

impl Producers {
    fn connect(settings: &KafkaSettings, form: Form) -> anyhow::Result<Self> {
        let topics = match form {
            Form::Raw => settings.topics.raw(),
            Form::Activity => vec![(settings.topics.activity(), "activity".to_owned())],
        };
        let connect = |(topic, table): (String, String)| Ok((table, TopicProducer::connect(settings, &topic)?));
        Ok(Self { by_table: topics.into_iter().map(connect).collect::<anyhow::Result<_>>()? })
    }

    fn send(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        let producer = self.by_table.iter_mut().find(|(table, _)| table == delivery.table);
        let (_, producer) = producer.with_context(|| format!("no topic for rows of {}", delivery.table))?;
        producer.send(delivery.key.as_bytes(), delivery.row.as_bytes(), Some(delivery.stamp_ms))?;
        Ok(())
    }

    fn flush(mut self) -> anyhow::Result<u64> {
        let mut sent = 0;
        for (_, producer) in &mut self.by_table {
            sent += producer.flush()?;
        }
        Ok(sent)
    }
}

/// How the rows of the company are read: who is a program, who an external.
pub(crate) fn normalise_config(company: &Company) -> anyhow::Result<NormaliseConfig> {
    let mut config: NormaliseConfig =
        serde_json::from_value(json!({ "instance": company.config().instance, "accounts": [] }))?;
    config.accounts = company
        .people()
        .filter_map(|account| {
            let kind = match account.kind {
                AccountKind::Employee => "employee",
                AccountKind::External => "external",
                AccountKind::Service => "service",
                AccountKind::Integration => "integration",
                // Known by the patterns that every installation has.
                _ => return None,
            };
            Some(AccountPattern { pattern: account.name.to_lowercase(), kind: kind.to_owned() })
        })
        .collect();
    Ok(config)
}

/// The shipped rules with the company's own VPN exits left out where places are judged: an exit says where the tunnel
/// ends, not where the person is. Offices stay: who is in one is there.
pub(crate) fn rule_texts() -> anyhow::Result<Vec<(String, String)>> {
    let mut networks = frostwatch_simulator::world::listed_networks()?;
    networks.retain(|network| network.kind == NetworkKind::CorporateVpn);
    let list: Vec<String> = networks.iter().map(|network| format!("\"{}\"", network.network)).collect();
    let exclude = format!("  exclude:\n    # The company's own VPN exits.\n    - networks: [{}]\n", list.join(", "));
    let of_places = ["impossible_travel", "infrequent_country"];
    Ok(default_rules()
        .iter()
        .map(|(name, text)| {
            let judged_by_place = of_places.iter().any(|id| name.contains(id));
            let text = if judged_by_place { text.replacen("  exclude:\n", &exclude, 1) } else { (*text).to_owned() };
            ((*name).to_owned(), text)
        })
        .collect())
}

fn write_setup(company: &Company, folder: &Path) -> anyhow::Result<()> {
    let rules = folder.join("rules");
    std::fs::create_dir_all(&rules)?;
    for (name, text) in rule_texts()? {
        let name = Path::new(&name).file_name().context("a rule without a name")?.to_owned();
        std::fs::write(rules.join(name), text)?;
    }
    let [(city, city_bytes), (asn, asn_bytes)] = frostwatch_geoip::demo_files();
    std::fs::write(folder.join(city), city_bytes)?;
    std::fs::write(folder.join(asn), asn_bytes)?;
    let accounts: Vec<_> = normalise_config(company)?
        .accounts
        .iter()
        .map(|account| json!({ "pattern": account.pattern, "kind": account.kind }))
        .collect();
    // JSON is YAML too.
    let config = json!({
        "schema": "config.v1",
        "kafka": { "bootstrap_servers": "127.0.0.1:9092", "group": "frostwatch" },
        "rules": "rules",
        "geoip": { "city": [city], "asn": [asn] },
        "normalise": { "instance": company.config().instance, "accounts": accounts },
        "workers": 1,
    });
    std::fs::write(folder.join("frostwatch.yaml"), serde_json::to_string_pretty(&config)?)?;
    say(&format!("configuration in {}", folder.join("frostwatch.yaml").display()));
    Ok(())
}
