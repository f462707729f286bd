//! A local Apache Kafka broker: started in the background, asked, stopped.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use frostwatch_testkit::broker::{BrokerError, Server, Settings, Status, Stopped, work_dir};

#[derive(Subcommand)]
pub(crate) enum Kafka {
    /// Start it (the first time Maven gets its jars), wait until it answers, print bootstrap.servers
    Start(Start),
    /// Stop it; no process remains
    Stop(Place),
    /// Say whether it runs and answers; exit code 1 where it does not
    Status(Place),
    /// Print the end of its log
    Logs {
        #[command(flatten)]
        place: Place,
        /// How many lines
        #[arg(long, default_value_t = 50)]
        lines: usize,
    },
}

#[derive(Args)]
pub(crate) struct Place {
    /// Folder of its data, configuration and log [default: .work/kafka/broker in this checkout]
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Start {
    #[command(flatten)]
    place: Place,
    /// Loopback port for clients (the controller takes the next one); 0: the port it had, or else a free one
    #[arg(long, default_value_t = 9092)]
    port: u16,
    /// Wipe its data first
    #[arg(long)]
    fresh: bool,
    /// Heap in MiB
    #[arg(long, default_value_t = Settings::default().heap_mib)]
    heap_mib: u32,
    /// The shortest session timeout a group member may ask for, in milliseconds
    #[arg(long, default_value_t = Settings::default().session_timeout_min_ms)]
    session_timeout_min_ms: u32,
}

impl Place {
    fn server(&self) -> Result<Server, BrokerError> {
        let dir = self.dir.clone().unwrap_or_else(|| work_dir().join("broker"));
        Server::at(&dir)
    }
}

pub(crate) fn run(kafka: &Kafka) -> anyhow::Result<ExitCode> {
    match kafka {
        Kafka::Start(start) => {
            let settings = Settings {
                port: start.port,
                fresh: start.fresh,
                heap_mib: start.heap_mib,
                session_timeout_min_ms: start.session_timeout_min_ms,
                ..Settings::default()
            };
            let port = start.place.server()?.start(&settings)?;
            println!("bootstrap.servers=127.0.0.1:{port}");
        }
        Kafka::Stop(place) => println!(
            "{}",
            match place.server()?.stop()? {
                Stopped::WasNotRunning => "it was not running",
                Stopped::Gracefully => "stopped",
                Stopped::ByKill => "killed: it did not end in time",
            }
        ),
        Kafka::Status(place) => return Ok(status(&place.server()?)),
        Kafka::Logs { place, lines } => {
            let server = place.server()?;
            println!("{}\nfrom {}", server.log_tail(*lines), server.log_file().display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn status(server: &Server) -> ExitCode {
    match server.status() {
        Status::Stopped => {
            println!("not running");
            ExitCode::FAILURE
        }
        Status::Silent { pid, port } => {
            println!("process {pid} does not answer on 127.0.0.1:{port}");
            ExitCode::FAILURE
        }
        Status::Serving { pid, port } => {
            println!("process {pid} answers\nbootstrap.servers=127.0.0.1:{port}");
            ExitCode::SUCCESS
        }
    }
}
