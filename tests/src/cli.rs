//! The real command line, as a process.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{binaries, server::Server, server::isolate};

/// Runs commands over one kind of connection.
#[derive(Debug, Clone)]
pub struct Cli {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: PathBuf,
}

/// The result of a command.
#[derive(Debug)]
pub struct Ended {
    /// The command line, for messages.
    pub command: String,
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Data.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
}

impl Cli {
    /// Creates a CLI on the database of a server, with its configuration.
    pub fn direct(server: &Server) -> Self {
        Self {
            arguments: vec!["--db".into(), server.database.url.clone()],
            environment: server.environment(),
            folder: server.scratch().to_owned(),
        }
    }

    /// Returns the same CLI on another database.
    #[must_use]
    pub fn with_database(&self, url: &str) -> Self {
        Self { arguments: vec!["--db".into(), url.into()], ..self.clone() }
    }

    /// Creates a CLI over HTTP, with an access token.
    pub fn remote(server: &Server, token: &str) -> Self {
        Self {
            arguments: vec!["--api".into(), server.url.clone()],
            environment: vec![("MARKETPLACE_TOKEN".into(), token.into())],
            folder: server.scratch().to_owned(),
        }
    }

    /// Creates a CLI over HTTP, with the session of `marketplace auth login` in this server's folder.
    pub fn logged_in(server: &Server) -> Self {
        Self {
            arguments: vec!["--api".into(), server.url.clone()],
            environment: Vec::new(),
            folder: server.scratch().to_owned(),
        }
    }

    /// Returns the command, ready to be spawned.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binaries::cli());
        isolate(&mut command);
        command
            .args(&self.arguments)
            .args(arguments)
            .envs(self.environment.iter().cloned())
            // The tests must not use the profiles of the user who runs them.
            .env("HOME", &self.folder)
            .env("XDG_CONFIG_HOME", self.folder.join("config"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with_input(arguments, "").await
    }

    /// Runs a command that reads `input`.
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = self.command(arguments);
        let input = input.to_owned();
        let output = tokio::task::spawn_blocking(move || {
            command.stdin(Stdio::piped());
            let mut child = command.spawn().expect("the command line's binary runs");
            if let Some(mut stdin) = child.stdin.take() {
                // A command that does not read its input has closed it.
                let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
            }
            child.wait_with_output().expect("a command ends")
        })
        .await
        .unwrap();
        Ended {
            command: arguments.join(" "),
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command that must succeed, and returns its JSON.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        self.run(&all).await.ok().json()
    }
}

impl Ended {
    /// Asserts success.
    pub fn ok(&self) -> &Self {
        assert_eq!(self.code, 0, "marketplace {}: {}{}", self.command, self.stdout, self.stderr);
        self
    }

    /// Returns the data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("marketplace {}: {error}: {}", self.command, self.stdout))
    }
}
