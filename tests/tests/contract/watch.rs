//! `marketplace threads watch`, as a process against a server that goes away and comes back.

use std::{process::Stdio, time::Duration};

use marketplace_core::{
    accounts::model::Status,
    base::permission::Role,
    ids::ThreadId,
    testing::{self, TestApp},
};
use marketplace_server::Options;
use marketplace_tests::{
    binaries,
    server::{isolate, signal},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// Says nothing about time: long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    shutdown: CancellationToken,
    task: JoinHandle<marketplace_core::error::Result<()>>,
}

impl Running {
    async fn at(test: &TestApp, address: &str) -> (Self, String) {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shutdown = CancellationToken::new();
        let serving = marketplace_server::serve(test.app().clone(), listener, Options::default(), shutdown.clone());
        (Self { shutdown, task: tokio::spawn(serving) }, address)
    }

    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server stops").unwrap().unwrap();
    }
}

struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    _home: tempfile::TempDir,
}

impl Watch {
    fn begin(address: &str, token: &str, thread: ThreadId, more: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new(binaries::cli());
        isolate(&mut command);
        command
            .args(["--api", &format!("http://{address}"), "threads", "watch", &thread.to_string()])
            .args(["--reason", "dispute"])
            .args(more)
            .env("MARKETPLACE_TOKEN", token)
            .env("HOME", home.path())
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = Command::from(command).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, _home: home }
    }

    /// The numbers of the next messages.
    async fn next(&mut self, count: usize) -> Vec<i64> {
        let mut seqs = Vec::new();
        while seqs.len() < count {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("a message comes").unwrap();
            let message: Value = serde_json::from_str(&line.expect("the watch goes on")).unwrap();
            seqs.push(message["seq"].as_i64().unwrap());
        }
        seqs
    }

    /// Ctrl-C. Answers the exit code, what else was written, and what was said.
    async fn interrupt(mut self) -> (i32, Option<String>, String) {
        signal(self.child.id().unwrap(), "INT");
        let rest = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("the watch ends").unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).await.unwrap();
        (self.child.wait().await.unwrap().code().unwrap_or(-1), rest, said)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_is_followed_without_a_gap_or_a_double_through_a_restart() {
    for test in testing::apps().await {
        let trade = test.marketplace().await;
        let staff = test.user(Role::Support, Status::Active).await;
        let token = test.log_in(staff).await.1;
        let (server, address) = Running::at(&test, "127.0.0.1:0").await;
        let mut watch = Watch::begin(&address, &token, trade.thread, &["-n", "2"]);
        assert_eq!(watch.next(2).await, [2, 3]);
        // More than one page of messages, and of events.
        for n in 0..210 {
            test.say(&trade.worker, trade.thread, &format!("live {n}"), "and one more thing").await;
        }
        assert_eq!(watch.next(210).await, (4..214).collect::<Vec<_>>());
        server.stop().await;
        test.say(&trade.client, trade.thread, "away", "are you there?").await;
        let (server, _) = Running::at(&test, &address).await;
        test.say(&trade.worker, trade.thread, "back", "I am").await;
        assert_eq!(watch.next(2).await, [214, 215]);
        let (code, rest, said) = watch.interrupt().await;
        assert_eq!((code, rest), (130, None), "{said}");
        assert!(said.contains("stopped"), "{said}");

        let mut resumed = Watch::begin(&address, &token, trade.thread, &["--after-seq", "213"]);
        assert_eq!(resumed.next(2).await, [214, 215]);
        assert_eq!(resumed.interrupt().await.0, 130);
        server.stop().await;
        test.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_cannot_begin_says_why() {
    let test = testing::app().await;
    let (trade, staff) = (test.marketplace().await, test.user(Role::Support, Status::Active).await);
    let (token, client) = (test.log_in(staff).await.1, test.log_in(trade.client.user_id().unwrap()).await.1);
    let (server, address) = Running::at(&test, "127.0.0.1:0").await;
    let unknown: ThreadId = "019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3f".parse().unwrap();
    for (token, thread, code) in
        [(&token, unknown, 3), (&client, trade.thread, 4), (&"nonsense".into(), trade.thread, 4)]
    {
        let mut watch = Watch::begin(&address, token, thread, &[]);
        let ended = tokio::time::timeout(PATIENCE, watch.child.wait()).await.expect("it ends").unwrap();
        assert_eq!(ended.code(), Some(code));
        assert_eq!(watch.lines.next_line().await.unwrap(), None);
    }
    server.stop().await;
    test.close().await;
}
