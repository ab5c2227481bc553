//! What the system says about this process, under the names that Prometheus' client libraries use.

/// What the process uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Process {
    /// Memory in RAM, in bytes.
    pub resident: f64,
    /// Time on processors, in seconds.
    pub cpu: f64,
    /// Threads.
    pub threads: f64,
    /// Open files and connections.
    pub open_files: f64,
    /// The limit of these; infinite without one.
    pub max_files: f64,
}

impl Process {
    /// Returns what is used now; `None` where the system does not say.
    #[cfg(target_os = "linux")]
    #[expect(clippy::cast_precision_loss, reason = "these are far below 2^52")]
    pub fn now() -> Option<Self> {
        use rustix::process::{Resource, getrlimit};
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        };
        // The name, in parentheses, may contain anything.
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let (_, after_name) = stat.rsplit_once(')')?;
        // Fields 14 and 15, of which the third is the first here.
        let ticks: u64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|part| part.parse::<u64>().ok()).sum();
        Some(Self {
            resident: field("VmRSS")? * 1024.0,
            cpu: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            threads: field("Threads")?,
            // Reading them needs one.
            open_files: std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64,
            max_files: getrlimit(Resource::Nofile).current.map_or(f64::INFINITY, |limit| limit as f64),
        })
    }

    /// Nothing is said on this platform.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Option<Self> {
        None
    }
}
