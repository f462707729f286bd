//! `frostwatch lists`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use frostwatch_feeds::{Allowed, Feed};
use tokio::signal::unix::{SignalKind, signal};

use crate::console::say;
use crate::{EXIT_LATER, config, feeds};

/// What to do with lists.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Fetches lists: each in its time until it is stopped, or each once.
    Fetch(FetchArgs),
}

#[derive(clap::Args)]
struct FetchArgs {
    /// The configuration.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: PathBuf,
    /// Fetch each list once, and end.
    #[arg(long)]
    once: bool,
    /// Take lists that have lost more than `shrink_max_percent` of their entries too.
    #[arg(long, requires = "once")]
    accept_shrunk: bool,
    /// Forget what was fetched before, and read each feed from its beginning.
    #[arg(long, requires = "once")]
    afresh: bool,
    /// These lists only.
    lists: Vec<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::Fetch(args) = &args.command;
    let mut chosen = config::load_feeds(&args.config)?;
    let is_unknown = |name: &&String| !chosen.iter().any(|feed| feed.list.name == **name);
    if let Some(unknown) = args.lists.iter().find(is_unknown) {
        anyhow::bail!("no feed of the configuration is about a list '{unknown}'");
    }
    chosen.retain(|feed| args.lists.is_empty() || args.lists.contains(&feed.list.name));
    anyhow::ensure!(!chosen.is_empty(), "the configuration names no feeds");
    for warning in chosen.iter().flat_map(|feed| feed.config.warnings()) {
        say(&format!("warning: {warning}"));
    }
    if args.once { once(chosen, Allowed { shrunk: args.accept_shrunk, afresh: args.afresh }) } else { keep(chosen) }
}

fn once(chosen: Vec<Feed>, allowed: Allowed) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let feeds = feeds::new(chosen);
    let (mut failed, mut lasting) = (0, 0);
    for feed in feeds.all() {
        let fetched = runtime.block_on(feeds.fetch(feed, allowed));
        say(&fetched.to_string());
        failed += usize::from(!fetched.outcome.is_good());
        lasting += usize::from(!fetched.outcome.is_good() && !fetched.outcome.is_retriable());
    }
    Ok(match (failed, lasting) {
        (0, _) => ExitCode::SUCCESS,
        (_, 0) => ExitCode::from(EXIT_LATER),
        _ => ExitCode::FAILURE,
    })
}

fn keep(chosen: Vec<Feed>) -> anyhow::Result<ExitCode> {
    let waits = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let feeds = feeds::new(chosen);
    let (mut terminated, mut interrupted) = {
        let _guard = waits.enter();
        (signal(SignalKind::terminate()).context("signals")?, signal(SignalKind::interrupt()).context("signals")?)
    };
    let _fetching = feeds::start(&feeds)?;
    say(&format!("fetching {} lists", feeds.all().len()));
    waits.block_on(async {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    });
    Ok(ExitCode::SUCCESS)
}
