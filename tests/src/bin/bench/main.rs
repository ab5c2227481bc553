//! Measures the real server against a bare hyper responder, over loopback, in the same run. `tests/bench` builds and runs it.

mod bare;
mod busy;
mod cases;
mod enumeration;
mod load;
mod report;
mod sockets;
mod versus;
mod writes;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use marketplace_tests::{Engine, Server, server::ROOMY};

use crate::{
    bare::Bare,
    load::{Ask, Seen, drive},
    report::{Case, Report},
    versus::Other,
};

/// Measures the real server against a bare hyper responder, over loopback, in the same run.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which database.
    #[arg(long, value_enum, default_value_t = On::Sqlite)]
    engine: On,
    /// Users in the database, one in five of them with an identity check; as many services, and twice as many messages.
    /// Default 100,000; 5,000 with --quick.
    #[arg(long)]
    rows: Option<u64>,
    /// Ends within a minute, at the price of numbers that vary more.
    #[arg(long)]
    quick: bool,
    /// Only these cases, by name; all without. `enumeration`, which is asked for alone, says whether existing and unknown
    /// addresses can be told apart, and fails when they can.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// How the numbers are printed.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Another build to compare with, in turns in the same run: the folder with its `bench` and `marketplace-server`.
    #[arg(long, value_name = "FOLDER")]
    vs: Option<PathBuf>,
    /// Loads a database and starts a server for another build's `--vs`: prints what to ask it, and ends with its input.
    #[arg(long, hide = true)]
    serve: bool,
    /// Runs as the bare responder.
    #[arg(long, hide = true)]
    bare: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    Sqlite,
    Postgres,
}

impl Arguments {
    fn rows(&self) -> u64 {
        self.rows.unwrap_or(if self.quick { 5_000 } else { 100_000 })
    }
}

impl On {
    fn on(self) -> (Engine, &'static str) {
        match self {
            Self::Sqlite => (Engine::Sqlite, "sqlite"),
            Self::Postgres => (Engine::Postgres, "postgres"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

/// The duration and the number of repetitions.
#[derive(Debug, Clone, Copy)]
struct Pace {
    rounds: u32,
    stretch: Duration,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if arguments.bare {
        return runtime.block_on(bare::serve());
    }
    if arguments.cases.iter().any(|case| case == "enumeration") {
        ensure!(arguments.cases.len() == 1, "`enumeration` is measured alone");
        let (engine, _) = arguments.engine.on();
        let answers = if arguments.quick { 300 } else { 2_000 };
        return runtime.block_on(enumeration::run(engine, answers, arguments.output == Format::Json));
    }
    if arguments.serve {
        return runtime.block_on(versus::serve(&arguments));
    }
    let report = runtime.block_on(measure(&arguments))?;
    match arguments.output {
        Format::Table => println!("{report}"),
        Format::Json => println!("{}", serde_json::to_string(&report)?),
    }
    Ok(())
}

async fn measure(arguments: &Arguments) -> Result<Report> {
    let (engine, name) = arguments.engine.on();
    ensure!(engine.is_here(), "MARKETPLACE_TEST_POSTGRES_URL names no server; run tests/bench, which starts one");
    let rows = arguments.rows();
    let pace = if arguments.quick {
        Pace { rounds: 2, stretch: Duration::from_millis(700) }
    } else {
        Pace { rounds: 5, stretch: Duration::from_secs(2) }
    };

    // Default settings, except for limits that one address with 64 connections would reach at once.
    let mut server = Server::prepare(engine, ROOMY).await;
    eprintln!("loading {rows} users …");
    let loaded = cases::load(&server, rows).await?;
    server.run().await;
    let bare = Bare::start()?;
    let other = arguments.vs.as_ref().map(|folder| Other::start(folder, rows, name)).transpose()?;

    let mut report = Report { rows, engine: name, ..Report::default() };
    let wanted = |name: &str| arguments.cases.is_empty() || arguments.cases.iter().any(|case| case == name);
    let pid = server.pid().context("the server runs")?;
    // First, because memory that earlier load leaves and that is freed meanwhile would distort the memory of a socket.
    if wanted("ws_fanout") {
        eprintln!("ws_fanout …");
        let measured =
            sockets::fan_out(&server, &loaded.talks, || memory(pid, "RssAnon:"), pace).await.context("ws_fanout")?;
        report.cases.insert("ws_fanout".into(), measured.0.rounded());
        report.socket_kb = (measured.1 * 10.0).round() / 10.0;
    }
    for cases::Plan { name, asks, connections } in loaded.plans {
        if !wanted(&name) {
            continue;
        }
        eprintln!("{name} …");
        let address = server.url.trim_start_matches("http://").parse()?;
        let own = Asked { address, pid, asks: Arc::new(asks) };
        let other = other.as_ref().and_then(|other| other.asked(&name));
        let case = against_bare(&own, &bare, connections, pace, other).await.with_context(|| name.clone())?;
        report.cases.insert(name, case.rounded());
    }
    if wanted("busy_login") {
        eprintln!("busy_login …");
        let (idle, busy) = busy::compare(&server, loaded.crowd, pace).await.context("busy_login")?;
        report.cases.insert("busy_idle".into(), idle.rounded());
        report.cases.insert("busy_login".into(), busy.rounded());
    }
    report.rss_mb = memory(pid, "VmRSS:")?;
    drop((server, bare));
    if wanted("write_grouped") || wanted("write_single") {
        eprintln!("writes …");
        let (grouped, single) = writes::compare(engine, pace).await?;
        report.cases.insert("write_grouped".into(), grouped.rounded());
        report.cases.insert("write_single".into(), single.rounded());
    }
    Ok(report)
}

/// A server, and what it is asked.
#[derive(Debug)]
struct Asked {
    address: SocketAddr,
    pid: u32,
    asks: Arc<Vec<Ask>>,
}

impl Asked {
    /// Puts load on the server. Returns what was seen, and the CPU time that the server used, in microseconds.
    async fn drive(&self, connections: usize, duration: Duration) -> Result<(Seen, f64)> {
        let before = cpu_time(self.pid)?;
        let seen = drive(self.address, &self.asks, connections, duration).await?;
        Ok((seen, cpu_time(self.pid)? - before))
    }
}

/// The sum of several periods of load.
#[derive(Debug, Default)]
struct Sum(Seen, f64);

impl Sum {
    fn add(&mut self, (seen, cpu): (Seen, f64)) {
        self.0.add(seen);
        self.1 += cpu;
    }

    /// Returns the CPU time of a response, in microseconds.
    fn cpu_us(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a mean, shown with a few digits")]
        let count = self.0.latencies.len().max(1) as f64;
        self.1 / count
    }
}

/// Measures the servers alternately, so that other load on the machine affects all of them.
async fn against_bare(own: &Asked, bare: &Bare, connections: usize, pace: Pace, other: Option<Asked>) -> Result<Case> {
    // This warms up connections, caches and statements, and returns the response's size.
    let size = drive(own.address, &own.asks, connections, pace.stretch / 2).await?.size;
    let bare_asks = Arc::new(own.asks.iter().map(|ask| ask.to_bare(size)).collect());
    drive(bare.address, &bare_asks, connections, pace.stretch / 4).await?;
    if let Some(other) = &other {
        drive(other.address, &other.asks, connections, pace.stretch / 2).await?;
    }
    let (mut real, mut measure, mut compared) = (Sum::default(), Seen::default(), Sum::default());
    for _ in 0..pace.rounds {
        real.add(own.drive(connections, pace.stretch).await?);
        measure.add(drive(bare.address, &bare_asks, connections, pace.stretch).await?);
        if let Some(other) = &other {
            compared.add(other.drive(connections, pace.stretch).await?);
        }
    }
    Ok(Case {
        rps: real.0.rps(),
        p50_ms: real.0.percentile(0.50),
        p99_ms: real.0.percentile(0.99),
        ratio: Some(real.0.rps() / measure.rps().max(f64::EPSILON)),
        cpu_us: Some(real.cpu_us()),
        vs: other.as_ref().map(|_| real.0.rps() / compared.0.rps().max(f64::EPSILON)),
        vs_cpu: other.map(|_| real.cpu_us() / compared.cpu_us().max(f64::EPSILON)),
    })
}

/// Returns the CPU time of a process so far, in microseconds; the kernel counts it in hundredths of a second.
fn cpu_time(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("CPU time is read from /proc")?;
    // The name of the program, in parentheses, may hold blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: f64 = fields.map(|field| field.parse().unwrap_or(0.0)).sum();
    Ok(ticks * 10_000.0)
}

/// Returns the memory of a process in MB, by the kernel's name for it.
fn memory(pid: u32, kind: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("memory is read from /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix(kind)).with_context(|| kind.to_owned())?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok((kib * 1.024 / 10.0).round() / 100.0)
}
