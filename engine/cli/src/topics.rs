//! `frostwatch topics`.

mod acls;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use frostwatch_detect::time::DAY;
use frostwatch_kafka::topics::{self, Made, TopicSizes};

use crate::config;

/// What to do with the topics.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Makes the topics that are missing; those that exist are left as they are.
    Create(Sizes),
    /// Compares the topics with what they should be and explains each difference.
    Check(Sizes),
    /// Prints the least rights that each command needs, as lines of `kafka-acls`.
    Acls(acls::Args),
}

#[derive(clap::Args)]
struct Sizes {
    /// The configuration.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: PathBuf,
    /// Partitions of the activity topic: the most workers that can share the work, for as long as it lives.
    #[arg(long, default_value_t = TopicSizes::default().activity_partitions)]
    partitions: i32,
    /// Partitions of each output topic.
    #[arg(long, default_value_t = TopicSizes::default().output_partitions)]
    output_partitions: i32,
    /// Partitions of each raw topic.
    #[arg(long, default_value_t = TopicSizes::default().raw_partitions)]
    raw_partitions: i32,
    /// Copies of each record; −1 is the broker's default.
    #[arg(long, default_value_t = TopicSizes::default().replication, allow_negative_numbers = true)]
    replication: i32,
    /// Days activity is kept: longer than the longest outage. State can be made anew of what is kept.
    #[arg(long, default_value_t = TopicSizes::default().activity_kept / DAY)]
    activity_kept_days: i64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let sizes = match &args.what {
        What::Create(sizes) | What::Check(sizes) => sizes,
        What::Acls(args) => return acls::run(args),
    };
    let settings = config::load(&sizes.config)?.config.kafka;
    let wanted = topics::wanted(
        &settings,
        &TopicSizes {
            activity_partitions: sizes.partitions,
            output_partitions: sizes.output_partitions,
            raw_partitions: sizes.raw_partitions,
            replication: sizes.replication,
            activity_kept: sizes.activity_kept_days * DAY,
        },
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::stdout().lock();
    if let What::Create(_) = args.what {
        for (topic, made) in runtime.block_on(topics::create(&settings, &wanted))? {
            writeln!(out, "{topic}: {}", if made == Made::Created { "created" } else { "exists, left as it is" })?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let findings = runtime.block_on(topics::check(&settings, &wanted))?;
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    if findings.is_empty() {
        writeln!(out, "all {} topics are as they should be", wanted.len())?;
    }
    Ok(if findings.iter().any(topics::Finding::is_fault) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
