//! A throwaway SQLite database, and the real binary on it.

use std::process::Output;

use assert_cmd::Command;
use marketplace_core::{
    accounts::model::NewUser,
    actor::{Actor, Operator},
    app::App,
    base::{change::Change, permission::Role},
    config::Config,
    staff::{Connection, CreateUser, NewUserInput},
};
use serde_json::Value;
use tempfile::TempDir;

/// The id of nobody.
pub const NOBODY: &str = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d";

/// A database with some users, and a home folder with nothing in it.
pub struct Place {
    pub folder: TempDir,
    pub users: Vec<String>,
}

impl Place {
    /// Returns a folder with nothing in it.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), users: Vec::new() }
    }

    pub fn with_users(count: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let users = runtime.block_on(async {
            let app = App::open(Config { data_dir, ..Config::default() }).await.unwrap();
            let actor = Actor::Operator(Operator { os_user: "test".into(), host: "desk".into() });
            let api = Connection::direct(app.clone(), actor);
            let mut users = Vec::new();
            for number in 0..count {
                let new = NewUser {
                    role: Role::Worker,
                    email: format!("worker{number}@example.org"),
                    name: format!("Worker {number}"),
                    phone: None,
                };
                users.push(
                    api.call::<CreateUser>((), (), NewUserInput::new(new.clone(), Change::default()))
                        .await
                        .unwrap()
                        .item
                        .user
                        .id
                        .to_string(),
                );
            }
            app.close().await;
            users
        });
        Self { folder, users }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::cargo_bin("marketplace").unwrap();
        command.current_dir(self.folder.path()).env_clear().env("HOME", self.folder.path()).env("USER", "test");
        command
    }

    pub fn run(&self, line: &str) -> Output {
        self.command().args(line.split_whitespace()).output().unwrap()
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}
pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
