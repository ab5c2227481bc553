//! Fifty clients talk, by REST and by socket, while the server is killed: nobody loses, doubles or reorders a message.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use marketplace_tests::{Answer, Engine, Http, Market, Socket, market::gapless, socket::Heard, stories};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};

stories![fifty_talk_while_the_server_is_killed];

/// Access tokens live for ten minutes, and many kills take longer.
const LOG_IN_EVERY: Duration = Duration::from_mins(4);
/// As often as `MARKETPLACE_TEST_KILLS` says; a few times otherwise.
fn kills() -> u32 {
    std::env::var("MARKETPLACE_TEST_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(3)
}

/// Acknowledged between two kills, at least: however fast the machine is, each kill comes amid talk.
const BETWEEN: usize = 150;
/// Each with two devices; the worker whom all of them talk to has two as well.
const CLIENTS: usize = 24;

/// A message on its way: sent until it is acknowledged, under one name.
#[derive(Debug, Clone)]
struct Pending {
    thread: String,
    name: String,
}

/// One device of somebody's.
#[derive(Debug)]
struct Talker {
    name: String,
    email: String,
    by_socket: bool,
    http: Http,
    threads: Vec<String>,
    sent: usize,
    pending: Option<Pending>,
    /// What it was told is stored: thread, number, text.
    acknowledged: Vec<(String, i64, String)>,
    /// How much all of them together were told.
    told: Arc<AtomicUsize>,
    socket: Option<Socket>,
    cursor: Option<String>,
    /// The numbers that came over its sockets, per thread, in the order in which they came.
    heard: HashMap<String, Vec<i64>>,
}

impl Talker {
    /// Its text of a name; long enough that pages and queues have something to hold.
    fn text(name: &str) -> String {
        format!("{name} {}", "and so on ".repeat(name.len() % 20))
    }

    /// Opens its socket where the last one ended.
    async fn connected(&mut self) -> bool {
        if self.socket.is_none() {
            self.socket = Socket::try_connect(&self.http, self.cursor.as_deref()).await.ok();
        }
        self.socket.is_some()
    }

    /// Writes down a frame, and where it stands in the log.
    fn note(&mut self, frame: &Value) {
        assert_ne!(frame["type"], "resync_required", "seconds are not too old: {frame}");
        assert_ne!(frame["type"], "error", "{frame}");
        if let Some(cursor) = frame["cursor"].as_str() {
            self.cursor = Some(cursor.to_owned());
        }
        if frame["type"] == "message" {
            let thread = frame["message"]["thread_id"].as_str().unwrap().to_owned();
            self.heard.entry(thread).or_default().push(frame["message"]["seq"].as_i64().unwrap());
        }
    }

    /// One frame, if one comes within `time`; false when the socket has ended.
    async fn listen(&mut self, time: Duration) -> Option<Value> {
        let socket = self.socket.as_mut()?;
        match socket.heard(time).await {
            Heard::Frame(frame) => {
                self.note(&frame);
                Some(frame)
            }
            Heard::End(_) => {
                self.socket = None;
                None
            }
            Heard::Nothing => None,
        }
    }

    /// Sends what waits or something new; true when it was acknowledged.
    async fn say(&mut self) -> bool {
        let pending = self.pending.clone().unwrap_or_else(|| {
            self.sent += 1;
            let thread = self.threads[self.sent % self.threads.len()].clone();
            Pending { thread, name: format!("{}-{}", self.name, self.sent) }
        });
        self.pending = Some(pending.clone());
        let text = Self::text(&pending.name);
        let seq = if self.by_socket {
            self.say_by_socket(&pending, &text).await
        } else {
            self.say_by_rest(&pending, &text).await
        };
        let Some(seq) = seq else { return false };
        self.acknowledged.push((pending.thread, seq, text));
        self.told.fetch_add(1, Ordering::SeqCst);
        self.pending = None;
        true
    }

    async fn say_by_rest(&self, pending: &Pending, text: &str) -> Option<i64> {
        let path = format!("/v1/threads/{}/messages", pending.thread);
        let body = json!({ "client_msg_id": pending.name, "content": text });
        let answer = Answer::try_of(self.http.request(Method::POST, &path).json(&body)).await.ok()?;
        answer.ok()["seq"].as_i64()
    }

    async fn say_by_socket(&mut self, pending: &Pending, text: &str) -> Option<i64> {
        if !self.socket.as_mut()?.send(&pending.thread, &pending.name, text).await {
            self.socket = None;
        }
        loop {
            let frame = self.listen(Duration::from_secs(30)).await?;
            if frame["type"] == "ack" && frame["client_msg_id"] == pending.name.as_str() {
                return frame["seq"].as_i64();
            }
        }
    }

    /// Talks until told to stop.
    async fn talk(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::SeqCst) {
            if !self.connected().await || !self.say().await {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            while self.listen(Duration::ZERO).await.is_some() {}
        }
        self.socket = None;
        self
    }

    /// Says what still waits, and listens until it has heard all there is.
    async fn catch_up(mut self) -> Self {
        while self.pending.is_some() {
            if !self.connected().await || !self.say().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        self
    }

    async fn hear_all(mut self, last: &HashMap<String, i64>) -> Self {
        let missing = |talker: &Self| {
            talker
                .threads
                .iter()
                .any(|thread| talker.heard.get(thread).and_then(|all| all.last()) != Some(&last[thread]))
        };
        while missing(&self) {
            assert!(self.connected().await, "{} cannot resume", self.name);
            let heard = self.listen(Duration::from_secs(30)).await;
            assert!(
                heard.is_some() || self.socket.is_none(),
                "{} hears no more, and {:?} is not all",
                self.name,
                self.heard
            );
        }
        self
    }
}

async fn fifty_talk_while_the_server_is_killed(engine: Engine) {
    let mut market = Market::open(engine).await;
    let seed = marketplace_tests::database::random_id().as_u64_pair().1;
    let mut random = StdRng::seed_from_u64(seed);
    let mut clients = vec![(market.jon.clone(), market.thread.clone())];
    clients.extend(join_all((1..CLIENTS).map(|_| market.another_client())).await);
    let threads: Vec<String> = clients.iter().map(|(_, thread)| thread.clone()).collect();
    let people = clients.iter().map(|(person, thread)| (person, vec![thread.clone()]));
    let mut talkers = Vec::new();
    let told = Arc::new(AtomicUsize::new(0));
    for (number, (person, threads)) in people.chain([(&market.ada, threads.clone())]).enumerate() {
        for by_socket in [true, false] {
            let mut talker = Talker {
                name: format!("{number}{}", if by_socket { "s" } else { "r" }),
                email: person.email.clone(),
                by_socket,
                http: person.http.clone(),
                threads: threads.clone(),
                sent: 0,
                pending: None,
                acknowledged: Vec::new(),
                told: told.clone(),
                socket: None,
                cursor: None,
                heard: HashMap::new(),
            };
            // From before the first message on.
            assert!(talker.connected().await);
            talker.cursor = talker.socket.as_ref().map(|socket| socket.cursor.clone());
            talkers.push(talker);
        }
    }
    assert_eq!(talkers.len(), 50);

    let mut logged_in = Instant::now();
    for round in 0..kills() {
        let stop = Arc::new(AtomicBool::new(false));
        let talking: Vec<_> = talkers.drain(..).map(|talker| tokio::spawn(talker.talk(stop.clone()))).collect();
        let enough = told.load(Ordering::SeqCst) + BETWEEN + random.random_range(0..BETWEEN);
        while told.load(Ordering::SeqCst) < enough {
            assert!(!talking.iter().any(tokio::task::JoinHandle::is_finished), "a talker gave up");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        market.app.kill();
        stop.store(true, Ordering::SeqCst);
        for talker in join_all(talking).await {
            talkers.push(talker.unwrap());
        }
        market.app.run().await;
        let renews = logged_in.elapsed() > LOG_IN_EVERY;
        if renews {
            logged_in = Instant::now();
        }
        let mut tokens: HashMap<String, String> = HashMap::new();
        for talker in &mut talkers {
            let mut token = talker.http.token.clone().unwrap();
            if renews {
                token = match tokens.get(&talker.email) {
                    Some(token) => token.clone(),
                    None => market.app.person(&talker.email).await.http.token.unwrap(),
                };
                tokens.insert(talker.email.clone(), token.clone());
            }
            talker.http = market.app.as_nobody().with_token(token);
        }
        let told = told.load(Ordering::SeqCst);
        println!("kill {}: {told} messages acknowledged so far (seed {seed})", round + 1);
    }
    let talkers = join_all(talkers.into_iter().map(Talker::catch_up)).await;
    check(&market, &threads, talkers).await;
}

async fn check(market: &Market, threads: &[String], talkers: Vec<Talker>) {
    let ada = market.app.person(&market.ada.email).await;
    let mut last = HashMap::new();
    let mut stored: HashMap<&str, Vec<Value>> = HashMap::new();
    for thread in threads {
        let messages = ada.messages(thread).await;
        gapless(&messages);
        last.insert(thread.clone(), i64::try_from(messages.len()).unwrap());
        stored.insert(thread, messages);
    }
    let talkers = join_all(talkers.into_iter().map(|talker| talker.hear_all(&last))).await;

    // Everything that was acknowledged is there, where it was said to be, and nothing is there twice.
    let mut told = 0;
    for talker in &talkers {
        assert!(!talker.acknowledged.is_empty(), "{} said nothing", talker.name);
        for (thread, seq, text) in &talker.acknowledged {
            let at = usize::try_from(*seq).unwrap() - 1;
            assert_eq!(stored[thread.as_str()][at]["content"], text.trim_end(), "{} {seq}", talker.name);
            told += 1;
        }
    }
    let all: Vec<&str> = stored.values().flatten().map(|message| message["content"].as_str().unwrap()).collect();
    let different: HashSet<&str> = all.iter().copied().collect();
    assert_eq!(all.len(), different.len(), "a message is there twice");
    assert_eq!(all.len(), told, "everybody went on until all was acknowledged");

    // And every reader heard each of them once, in order.
    for talker in &talkers {
        for thread in &talker.threads {
            let expected: Vec<i64> = (1..=last[thread]).collect();
            assert_eq!(talker.heard[thread], expected, "{} in {thread}", talker.name);
        }
    }
}
