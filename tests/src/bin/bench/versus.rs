//! Another build of the server, measured in turns with this one.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result};
use marketplace_tests::{Server, server::ROOMY};
use serde::{Deserialize, Serialize};

use crate::{Arguments, Asked, cases};

/// What the other build's server is asked, and where.
#[derive(Debug, Serialize, Deserialize)]
struct Served {
    url: String,
    pid: u32,
    plans: Vec<cases::Plan>,
}

/// The other build's server, on a database that it loaded itself. Dropping this ends it.
#[derive(Debug)]
pub struct Other {
    process: Child,
    address: SocketAddr,
    pid: u32,
    plans: Vec<cases::Plan>,
}

impl Other {
    /// Starts the server of the build in `folder`.
    pub fn start(folder: &Path, rows: u64, engine: &str) -> Result<Self> {
        let program = folder.join("bench");
        eprintln!("{}: loading {rows} users …", folder.display());
        let mut process = Command::new(&program)
            .args(["--serve", "--rows", &rows.to_string(), "--engine", engine])
            .env("MARKETPLACE_TEST_BINARIES", "built")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let mut line = String::new();
        let out = process.stdout.take().context("its output is read")?;
        BufReader::new(out).read_line(&mut line)?;
        let served: Served = serde_json::from_str(&line).context("the other build does not know `--serve`")?;
        let address = served.url.trim_start_matches("http://").parse()?;
        Ok(Self { process, address, pid: served.pid, plans: served.plans })
    }

    /// Returns what the other server is asked in a case; `None` for a case that it does not know.
    pub fn asked(&self, name: &str) -> Option<Asked> {
        let plan = self.plans.iter().find(|plan| plan.name == name)?;
        Some(Asked { address: self.address, pid: self.pid, asks: Arc::new(plan.asks.clone()) })
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Serves another build's `--vs`.
pub async fn serve(arguments: &Arguments) -> Result<()> {
    let (engine, _) = arguments.engine.on();
    let mut server = Server::prepare(engine, ROOMY).await;
    let loaded = cases::load(&server, arguments.rows()).await?;
    server.run().await;
    let pid = server.pid().context("the server runs")?;
    let answer = Served { url: server.url.clone(), pid, plans: loaded.plans };
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&answer)?)?;
    // Until the other side has finished, or is gone.
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
