//! What was measured, for people and for programs.

use std::collections::BTreeMap;

use serde::Serialize;

/// The report of one run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Cases by name.
    pub cases: BTreeMap<String, Case>,
    /// Memory of the server after the load, in MB (10⁶ bytes).
    pub rss_mb: f64,
    /// Memory of the server for each open, idle socket, in kB (10³ bytes).
    pub socket_kb: f64,
    /// Users in the database, as many services, and twice as many messages.
    pub rows: u64,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
}

/// One case.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Case {
    /// Responses per second.
    pub rps: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
    /// Responses per second divided by the bare responder's, with responses of the same size, in the same run. For
    /// `write_grouped`: divided by those of `write_single`. For `busy_login`: its `p99_ms` divided by that of
    /// `busy_idle`. `None` where the bare responder has no counterpart.
    pub ratio: Option<f64>,
    /// Microseconds of the server's CPU time for each response: other work on the machine hardly changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_us: Option<f64>,
    /// Responses per second divided by those of the build that `--vs` names, in turns in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vs: Option<f64>,
    /// CPU time divided by that of the same build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vs_cpu: Option<f64>,
}

impl Case {
    /// Returns the case rounded to significant digits.
    #[must_use]
    pub fn rounded(self) -> Self {
        let to = |value: f64, digits: f64| (value * digits).round() / digits;
        Self {
            rps: to(self.rps, 10.0),
            p50_ms: to(self.p50_ms, 1_000.0),
            p99_ms: to(self.p99_ms, 1_000.0),
            ratio: self.ratio.map(|ratio| to(ratio, 1_000.0)),
            cpu_us: self.cpu_us.map(|cpu| to(cpu, 10.0)),
            vs: self.vs.map(|vs| to(vs, 1_000.0)),
            vs_cpu: self.vs_cpu.map(|vs| to(vs, 1_000.0)),
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let titles = ["case", "req/s", "p50 ms", "p99 ms", "ratio", "CPU µs", "vs", "vs CPU"];
        let line = |f: &mut std::fmt::Formatter<'_>, [name, rest @ ..]: [&str; 8]| {
            write!(f, "{name:<14}")?;
            rest.iter().try_for_each(|text| write!(f, " {text:>9}"))?;
            writeln!(f)
        };
        line(f, titles)?;
        for (name, case) in &self.cases {
            let maybe = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
            };
            let texts = [
                format!("{:.0}", case.rps),
                format!("{:.2}", case.p50_ms),
                format!("{:.2}", case.p99_ms),
                maybe(case.ratio, 3),
                maybe(case.cpu_us, 1),
                maybe(case.vs, 3),
                maybe(case.vs_cpu, 3),
            ];
            let [rps, p50, p99, ratio, cpu, vs, vs_cpu] = &texts;
            line(f, [name, rps, p50, p99, ratio, cpu, vs, vs_cpu])?;
        }
        writeln!(
            f,
            "server memory {:.0} MB, {:.1} kB for an idle socket · {} users · {}",
            self.rss_mb, self.socket_kb, self.rows, self.engine
        )?;
        write!(
            f,
            "ratio: to a bare hyper responder with answers of the same size, in the same run; write_grouped: to write_single; \
             busy_login: its p99 to that of busy_idle; vs: to the build that \
             --vs names"
        )
    }
}
