//! `frostwatch topics acls`: the least rights of each command, as `kafka-acls` lines.
//!
//! Reading and writing include describing, in Kafka's own rules, so that is not said again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use frostwatch_kafka::originals::reader_group;
use frostwatch_kafka::settings::{Delivery, KafkaSettings};
use frostwatch_runtime::ports::Channel;

use crate::config;

/// Whose rights.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The configuration.
    #[arg(long, short, env = "FROSTWATCH_CONFIG")]
    config: PathBuf,
    /// Whom to allow.
    #[arg(long, default_value = "User:frostwatch")]
    principal: String,
    /// Only what these commands need; without it each of them.
    #[arg(long = "for", value_enum, value_name = "COMMAND")]
    commands: Vec<For>,
}

/// A command that talks to Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum For {
    /// `run`
    Run,
    /// What `run --accept-change` needs beside: it reads back what was sent.
    AcceptChange,
    /// `run`, where it makes activity of raw rows; `run --no-normalise` goes without.
    Normalise,
    /// `record`
    Record,
    /// `topics create`
    TopicsCreate,
    /// `topics check`
    TopicsCheck,
    /// `simulate --config`
    Simulate,
    /// `rejected list`
    RejectedList,
    /// `rejected replay`
    RejectedReplay,
    /// `state show`
    StateShow,
    /// `state resume`, `rebuild` and `forget`
    StateChoose,
}

impl For {
    const ALL: [Self; 11] = [
        Self::Run,
        Self::AcceptChange,
        Self::Normalise,
        Self::Record,
        Self::TopicsCreate,
        Self::TopicsCheck,
        Self::Simulate,
        Self::RejectedList,
        Self::RejectedReplay,
        Self::StateShow,
        Self::StateChoose,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "frostwatch run",
            Self::AcceptChange => "frostwatch run --accept-change, beside those of run",
            Self::Normalise => "frostwatch run, for raw topics",
            Self::Record => "frostwatch record",
            Self::TopicsCreate => "frostwatch topics create",
            Self::TopicsCheck => "frostwatch topics check",
            Self::Simulate => "frostwatch simulate --config",
            Self::RejectedList => "frostwatch rejected list",
            Self::RejectedReplay => "frostwatch rejected replay",
            Self::StateShow => "frostwatch state show",
            Self::StateChoose => "frostwatch state resume, rebuild, forget",
        }
    }
}

/// Operations on resources, and what for.
struct Right {
    why: &'static str,
    operations: &'static [&'static str],
    on: Resources,
}

enum Resources {
    Topics(Vec<String>),
    Group(String),
    /// Every transactional id that begins so.
    Transactions(String),
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let checked = config::load(&args.config)?;
    let normalises = checked.normaliser.is_some();
    let commands = if args.commands.is_empty() { &For::ALL[..] } else { &args.commands };
    let text = text(&checked.config.kafka, normalises, &args.principal, commands);
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A shell script whose comments say what each line is for.
fn text(settings: &KafkaSettings, normalises: bool, principal: &str, commands: &[For]) -> String {
    let mut text = String::new();
    for command in commands.iter().filter(|command| normalises || **command != For::Normalise) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# {}", command.as_str());
        for right in rights(settings, *command) {
            let _ = writeln!(text, "# - {}", right.why);
            let _ = writeln!(text, "{}", line(settings, principal, &right));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len() + 1);
    text
}

fn line(settings: &KafkaSettings, principal: &str, right: &Right) -> String {
    let operations = right.operations.iter().map(|operation| format!("--operation {operation}"));
    let on: Vec<String> = match &right.on {
        Resources::Topics(topics) => topics.iter().map(|topic| format!("--topic {}", quoted(topic))).collect(),
        Resources::Group(group) => vec![format!("--group {}", quoted(group))],
        Resources::Transactions(prefix) => {
            vec![format!("--transactional-id {} --resource-pattern-type prefixed", quoted(prefix))]
        }
    };
    let words: Vec<String> = operations.chain(on).collect();
    let (servers, principal) = (quoted(&settings.bootstrap_servers), quoted(principal));
    format!("kafka-acls --bootstrap-server {servers} --add --allow-principal {principal} {}", words.join(" "))
}

fn rights(settings: &KafkaSettings, command: For) -> Vec<Right> {
    let names = &settings.topics;
    let activity = || vec![names.activity()];
    let raw = || names.raw().into_iter().map(|(topic, _)| topic).collect::<Vec<_>>();
    let all = || {
        let outputs = Channel::OUTPUTS.map(|channel| names.channel(channel));
        [activity(), outputs.into(), raw(), vec![settings.changelog(), names.tables()]].concat()
    };
    let topics = |why, operations, topics| Right { why, operations, on: Resources::Topics(topics) };
    let group = |why, operations, group| Right { why, operations, on: Resources::Group(group) };
    match command {
        For::Run => run_rights(settings),
        For::AcceptChange => vec![topics(
            "reads back what was sent about records that are run again",
            &["Read"],
            [Channel::Alerts, Channel::Suppressions].map(|channel| names.channel(channel)).into(),
        )],
        For::Normalise => vec![
            topics("reads raw rows", &["Read"], raw()),
            group("shares them among processes and commits their offsets", &["Read"], settings.normalise_group()),
            topics(
                "publishes their activity, and rows that it cannot read",
                &["Write"],
                [activity(), vec![names.channel(Channel::Rejected)]].concat(),
            ),
        ],
        For::Record => vec![
            topics("reads activity; for another topic name that one", &["Read"], activity()),
            topics(
                "reads at which offsets the engine switched its rules, and the rules' texts",
                &["Read"],
                vec![settings.changelog(), names.tables()],
            ),
            group("reads the engine's offsets", &["Describe"], settings.group.clone()),
            group("names a group, to read state, that it does not join", &["Describe"], restore_group(settings)),
            group("names a group that it does not join", &["Describe"], format!("{}-record", settings.group)),
        ],
        For::TopicsCreate => vec![topics("makes what is missing", &["Create", "Describe"], all())],
        For::TopicsCheck => vec![topics("reads what they are like", &["Describe", "DescribeConfigs"], all())],
        For::Simulate => {
            vec![topics("publishes raw rows, or activity with --as activity", &["Write"], [raw(), activity()].concat())]
        }
        For::RejectedList => vec![
            topics(
                "reads what was not scored",
                &["Read"],
                [Channel::Rejected, Channel::Late].map(|channel| names.channel(channel)).into(),
            ),
            group("names a group that it does not join", &["Describe"], reader_group(settings)),
        ],
        For::RejectedReplay => vec![
            topics("reads what was rejected", &["Read"], vec![names.channel(Channel::Rejected)]),
            group("names a group that it does not join", &["Describe"], reader_group(settings)),
            topics("publishes it where it came from", &["Write"], [activity(), raw()].concat()),
        ],
        For::StateShow => vec![
            topics("asks what activity is held", &["Describe"], activity()),
            topics("reads state", &["Read"], vec![settings.changelog()]),
            group("reads the engine's offsets", &["Describe"], settings.group.clone()),
            group("names a group that it does not join", &["Describe"], restore_group(settings)),
        ],
        For::StateChoose => vec![
            topics("asks what activity is held, and commits offsets in it", &["Read"], activity()),
            topics("reads state, and writes what was chosen", &["Read", "Write"], vec![settings.changelog()]),
            group("commits the engine's offsets, once it has no members", &["Read"], settings.group.clone()),
            group("names a group that it does not join", &["Describe"], restore_group(settings)),
        ],
    }
}

fn run_rights(settings: &KafkaSettings) -> Vec<Right> {
    let names = &settings.topics;
    let topics = |why, operations, topics| Right { why, operations, on: Resources::Topics(topics) };
    let mut rights = vec![
        topics(
            "reads activity, and for how long it is kept, to warn of a short past",
            &["Read", "DescribeConfigs"],
            vec![names.activity()],
        ),
        Right {
            why: "shares it among processes and commits its offsets",
            operations: &["Read"],
            on: Resources::Group(settings.group.clone()),
        },
        topics(
            "writes alerts, what was held back, and what was not scored",
            &["Write"],
            Channel::OUTPUTS.map(|channel| names.channel(channel)).into(),
        ),
        topics(
            "writes copies of activity that a rule counts by something else than its user (`per`); not needed without such rules",
            &["Write"],
            vec![names.activity()],
        ),
        topics(
            "keeps state and reads it back; rules, lists and tables by their content",
            &["Read", "Write"],
            vec![settings.changelog(), names.tables()],
        ),
        Right {
            why: "names a group, to read state, that it does not join",
            operations: &["Describe"],
            on: Resources::Group(restore_group(settings)),
        },
    ];
    if settings.delivery == Delivery::ExactlyOnce {
        // Without a name of its own a process is named for host and number: only the group is known before.
        let process = settings.instance.as_ref().map(|instance| format!("{instance}-")).unwrap_or_default();
        rights.push(Right {
            why: "writes all of it in transactions",
            operations: &["Write"],
            on: Resources::Transactions(format!("{}-{process}", settings.group)),
        });
    }
    rights
}

/// The group that readers of state name and never join.
fn restore_group(settings: &KafkaSettings) -> String {
    format!("{}-restore", settings.group)
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain: BTreeSet<char> = "-_.:,/=@".chars().collect();
    if !word.is_empty() && word.chars().all(|sign| sign.is_ascii_alphanumeric() || plain.contains(&sign)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_may_do_what_it_does_and_nothing_else() {
        let mut settings = KafkaSettings::new("b-1:9092,b-2:9092");
        let said = text(&settings, false, "User:CN=fw engine", &[For::Run, For::Normalise]);
        let head = "kafka-acls --bootstrap-server b-1:9092,b-2:9092 --add --allow-principal 'User:CN=fw engine'";
        let wanted = format!(
            "# frostwatch run\n\
             # - reads activity, and for how long it is kept, to warn of a short past\n\
             {head} --operation Read --operation DescribeConfigs --topic frostwatch.activity.v1\n\
             # - shares it among processes and commits its offsets\n\
             {head} --operation Read --group frostwatch\n\
             # - writes alerts, what was held back, and what was not scored\n\
             {head} --operation Write --topic frostwatch.alerts.v1 --topic frostwatch.suppressions.v1 --topic \
             frostwatch.late.v1 --topic frostwatch.rejected.v1\n\
             # - writes copies of activity that a rule counts by something else than its user (`per`); not needed without such \
             rules\n\
             {head} --operation Write --topic frostwatch.activity.v1\n\
             # - keeps state and reads it back; rules, lists and tables by their content\n\
             {head} --operation Read --operation Write --topic frostwatch-changelog --topic frostwatch.tables.v1\n\
             # - names a group, to read state, that it does not join\n\
             {head} --operation Describe --group frostwatch-restore\n\
             # - writes all of it in transactions\n\
             {head} --operation Write --transactional-id frostwatch- --resource-pattern-type prefixed\n"
        );
        assert_eq!(said, wanted);
        settings.instance = Some("host-1".to_owned());
        assert!(text(&settings, false, "User:a", &[For::Run]).contains("--transactional-id frostwatch-host-1- "));
        settings.delivery = Delivery::AtLeastOnce;
        assert!(!text(&settings, false, "User:a", &[For::Run]).contains("--transactional-id"));
    }

    #[test]
    fn topics_with_names_of_their_own_are_named_so() {
        let mut settings = KafkaSettings::new("b:1");
        settings.topics.tables = Some("texts".to_owned());
        for command in [For::Run, For::Record, For::TopicsCreate, For::TopicsCheck] {
            let said = text(&settings, true, "User:a", &[command]);
            assert!(said.contains(" --topic texts") && !said.contains("tables.v1"), "{said}");
        }
    }

    #[test]
    fn every_command_has_its_rights_and_a_heading() {
        let settings = KafkaSettings::new("b:1");
        let said = text(&settings, true, "User:a", &For::ALL);
        for command in For::ALL {
            assert_eq!(said.matches(&format!("# {}\n", command.as_str())).count(), 1, "{said}");
            assert!(!rights(&settings, command).is_empty());
        }
        assert!(said.ends_with('\n') && !said.ends_with("\n\n"));
        assert!(!said.contains("--cluster") && !said.contains("--operation All"), "{said}");
    }

    #[test]
    fn words_reach_the_command_as_they_are() {
        for (word, wanted) in [("User:a", "User:a"), ("", "''"), ("a b", "'a b'"), ("o'n $x", r"'o'\''n $x'")] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
