//! `cargo xtask fuzz`: hands broken bytes to every reader of untrusted or stored bytes, guided by coverage.
//!
//! The targets are `fuzz/fuzz_targets`, a workspace of its own, since all of it, dependencies too, is instrumented. That
//! takes no nightly compiler: coverage is a pass of LLVM's, and memory is counted by the targets themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, ensure};
use clap::Args;
use frostwatch_testkit::broker::checkout;

/// What instruments the code for libFuzzer: counters of edges, their table, and what is compared.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
/// One input takes this long at most, seconds.
const INPUT_SECS_MAX: u32 = 20;
/// A target takes this much memory at most, MiB.
const MEMORY_MIB_MAX: u32 = 2_048;

#[derive(Args)]
pub(crate) struct Fuzz {
    /// The target, as a file of `fuzz/fuzz_targets` is called; without it all, one after the other
    target: Option<String>,
    /// How long a target runs, seconds
    #[arg(long, default_value_t = 60)]
    secs: u64,
    /// How many inputs a target is given at most, those of the corpus among them; −1: no limit
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    runs: i64,
    /// Where chance begins; 0: anywhere
    #[arg(long, default_value_t = 0)]
    seed: u32,
}

/// Where everything lies.
struct Places {
    /// `fuzz` of the checkout.
    source: PathBuf,
    /// What is built, found and failed.
    target: PathBuf,
}

pub(crate) fn run(fuzz: &Fuzz) -> anyhow::Result<ExitCode> {
    let names = names(&checkout())?;
    let chosen: Vec<String> = match &fuzz.target {
        None => names,
        Some(one) => {
            ensure!(names.contains(one), "no target is called '{one}'; there are {}", names.join(", "));
            vec![one.clone()]
        }
    };
    let places = Places::new()?;
    places.build(&chosen)?;
    let mut failed = Vec::new();
    for name in &chosen {
        println!("=== {name}");
        if !places.fuzz(name, fuzz)? {
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "failed: {}; the inputs lie in {}, and `<binary of the target> <input>` shows what becomes of one",
        failed.join(", "),
        places.failures().display()
    );
    Ok(ExitCode::FAILURE)
}

/// The targets, in alphabetical order.
fn names(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let name = entry?.file_name();
        names.extend(Path::new(&name).file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

impl Places {
    fn new() -> anyhow::Result<Self> {
        // Beside the build that this program comes from.
        let own = std::env::current_exe()?;
        let target = own.ancestors().nth(2).context("a program outside of a build")?.join("fuzz");
        Ok(Self { source: checkout().join("fuzz"), target })
    }

    fn build(&self, names: &[String]) -> anyhow::Result<()> {
        self.take_versions()?;
        let built = Command::new("cargo")
            .args(["build", "--release", "--target", &host()?, "--target-dir"])
            .arg(&self.target)
            .args(names.iter().flat_map(|name| ["--bin", name]))
            .current_dir(&self.source)
            .env("RUSTFLAGS", INSTRUMENTED)
            .status()?;
        ensure!(built.success(), "the targets cannot be built");
        Ok(())
    }

    /// The versions that are shipped are those that are fuzzed.
    fn take_versions(&self) -> anyhow::Result<()> {
        let shipped = fs::read(checkout().join("Cargo.lock"))?;
        let (lock, taken) = (self.source.join("Cargo.lock"), self.target.join("taken.lock"));
        if !lock.exists() || !fs::read(&taken).is_ok_and(|taken| taken == shipped) {
            fs::write(&lock, &shipped)?;
            fs::create_dir_all(&self.target)?;
            fs::write(&taken, &shipped)?;
        }
        Ok(())
    }

    /// Runs a target; false: an input failed.
    fn fuzz(&self, name: &str, fuzz: &Fuzz) -> anyhow::Result<bool> {
        let found = self.found(name);
        fs::create_dir_all(&found)?;
        fs::create_dir_all(self.failures())?;
        let mut command = self.command(name)?;
        command
            .arg(format!("-max_total_time={}", fuzz.secs))
            .arg(format!("-runs={}", fuzz.runs))
            .arg(format!("-seed={}", fuzz.seed))
            .arg("-print_final_stats=1")
            .args([&found, &self.corpus(name)]);
        Ok(command.status()?.success())
    }

    fn command(&self, name: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(self.target.join(host()?).join("release").join(name));
        command
            .arg(format!("-timeout={INPUT_SECS_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"))
            .arg(format!("-artifact_prefix={}/{name}-", self.failures().display()));
        Ok(command)
    }

    fn corpus(&self, name: &str) -> PathBuf {
        self.source.join("corpus").join(name)
    }

    fn found(&self, name: &str) -> PathBuf {
        self.target.join("found").join(name)
    }

    fn failures(&self) -> PathBuf {
        self.target.join("failures")
    }
}

/// The machine that is built for: named, so that what runs at build time is not instrumented.
fn host() -> anyhow::Result<String> {
    let told = String::from_utf8(Command::new("rustc").arg("-vV").output()?.stdout)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say what it builds for")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of all committed inputs at most.
    const CORPUS_BYTES_MAX: u64 = 2 << 20;

    #[test]
    fn every_target_has_a_small_corpus_and_every_corpus_a_target() {
        let names = names(&checkout()).unwrap();
        let corpora = fs::read_dir(checkout().join("fuzz/corpus")).unwrap();
        let mut found: Vec<String> = corpora.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        found.sort();
        assert_eq!(found, names);
        let manifest = fs::read_to_string(checkout().join("fuzz/Cargo.toml")).unwrap();
        let mut bytes = 0;
        for name in &names {
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is not built");
            let inputs = fs::read_dir(checkout().join("fuzz/corpus").join(name)).unwrap();
            let sizes: Vec<u64> = inputs.map(|input| input.unwrap().metadata().unwrap().len()).collect();
            assert!(!sizes.is_empty(), "{name} has no input");
            bytes += sizes.iter().sum::<u64>();
        }
        assert!(bytes <= CORPUS_BYTES_MAX, "{bytes} bytes; leave out what covers little");
    }
}
