//! Who writes all the time, and keeps a record of what was acknowledged.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use marketplace_tests::{Answer, Http, Market, Person, market::gapless};
use reqwest::Method;
use serde_json::{Value, json};

/// How long anything may take that does not need what fails.
pub const SOON: Duration = Duration::from_secs(1);
/// How long after a fault everything works again.
pub const RECOVERY: Duration = Duration::from_secs(2);

/// What one writer was told.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Messages that were acknowledged: number and text.
    pub acknowledged: Vec<(i64, String)>,
    /// Messages that were refused, with words that say that nothing was changed.
    pub refused: Vec<String>,
    /// What the refusals said.
    pub refusals: Vec<Value>,
}

/// Writers that go on through whatever happens.
#[derive(Debug)]
pub struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Ledger>>,
    thread: String,
}

impl Writers {
    /// So many write to the market's thread, each as fast as it is answered.
    pub fn start(market: &Market, count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let tasks = (0..count)
            .map(|number| tokio::spawn(write(number, market.jon.http.clone(), market.thread.clone(), stop.clone())))
            .collect();
        Self { stop, tasks, thread: market.thread.clone() }
    }

    /// Ends them, and gives what they were told together.
    pub async fn stop(self) -> Record {
        self.stop.store(true, Ordering::SeqCst);
        let mut record = Record { thread: self.thread, ledger: Ledger::default() };
        for task in self.tasks {
            let ledger = task.await.unwrap();
            record.ledger.acknowledged.extend(ledger.acknowledged);
            record.ledger.refused.extend(ledger.refused);
            record.ledger.refusals.extend(ledger.refusals);
        }
        record
    }
}

async fn write(number: usize, http: Http, thread: String, stop: Arc<AtomicBool>) -> Ledger {
    let mut ledger = Ledger::default();
    let path = format!("/v1/threads/{thread}/messages");
    for turn in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let name = format!("{number}-{turn}-{}", marketplace_tests::database::random_id().simple());
        let body = json!({ "client_msg_id": name, "content": name });
        // A server that was killed answers nothing: then nobody knows.
        let Ok(answer) = Answer::try_of(http.request(Method::POST, &path).json(&body)).await else { continue };
        if answer.status.is_success() {
            ledger.acknowledged.push((answer.json()["seq"].as_i64().unwrap(), name));
        } else {
            ledger.refused.push(name);
            ledger.refusals.push(answer.problem());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    ledger
}

/// What was told of one thread.
#[derive(Debug)]
pub struct Record {
    thread: String,
    /// What was told.
    pub ledger: Ledger,
}

impl Record {
    /// Asserts that all that was acknowledged is there where it was said to be, and nothing that was refused.
    pub async fn check(&self, reader: &Person) {
        let messages = reader.messages(&self.thread).await;
        gapless(&messages);
        let stored: HashMap<&str, i64> = messages
            .iter()
            .filter_map(|message| Some((message["content"].as_str()?, message["seq"].as_i64()?)))
            .collect();
        assert!(!self.ledger.acknowledged.is_empty(), "nothing was acknowledged");
        for (seq, text) in &self.ledger.acknowledged {
            assert_eq!(stored.get(text.as_str()), Some(seq), "acknowledged and lost: {text}");
        }
        for text in &self.ledger.refused {
            assert!(!stored.contains_key(text.as_str()), "refused and there: {text}");
        }
    }
}

/// Asserts that what only reads works, and answers soon: the list of services, one's own account.
pub async fn reads_go_on(market: &Market) {
    for path in ["/v1/services", "/v1/me", "/v1/threads", "/v1/services?q=piano"] {
        soon(path, market.jon.get(path)).await.ok();
    }
}

/// Runs something that must not wait for what fails.
pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = work.await;
    let took = begun.elapsed();
    assert!(took < SOON * slowness(), "{what} took {took:?}");
    done
}

/// Machines that run many tests at once are slower than the ones that serve people.
fn slowness() -> u32 {
    3
}

/// Waits until writes work and the server says that it is ready; panics when that takes too long.
pub async fn recovers(market: &Market) {
    let begun = Instant::now();
    loop {
        let name = marketplace_tests::database::random_id().simple().to_string();
        let written = market.jon.message(&market.thread, &name, "after it").await;
        let ready = market.app.as_nobody().get("/readyz").await;
        if written.status.is_success() && ready.status.is_success() {
            return;
        }
        let said = format!("{} {}\n{} {}", written.status, written.text(), ready.status, ready.text());
        assert!(begun.elapsed() < RECOVERY * slowness(), "still down after {:?}: {said}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asserts how a component is, as metrics have it.
pub async fn is_up(market: &Market, component: &str, up: bool) {
    let metrics = market.app.metrics().await;
    let line = format!("component_up{{component=\"{component}\"}} {}", u8::from(up));
    assert!(metrics.contains(&line), "not `{line}`: {metrics}");
}

/// How often a text stands in a server's output.
pub fn count(market: &Market, text: &str) -> usize {
    market.app.output().matches(text).count()
}
