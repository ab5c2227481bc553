//! Two clients act on the same job at once, four hundred times (`MARKETPLACE_TEST_CASES` says how often): exactly one wins each time, the other learns what the job is
//! now, and the history folds to the state.

use futures::future::join_all;
use marketplace_tests::{
    Answer, Engine, Market, Person,
    market::{folds_to, gapless, id},
    stories,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

stories![
    of_two_who_act_on_a_job_at_once_one_wins,
    an_acknowledged_cancel_stays_cancelled,
    of_many_jobs_begun_at_once_one_lives
];

const THREADS: usize = 20;

/// Returns how many races are run in each thread.
fn rounds() -> usize {
    std::env::var("MARKETPLACE_TEST_CASES").map_or(400, |count| count.parse().unwrap()) / THREADS
}

/// A thread in which one race after another is run.
struct Lane<'a> {
    market: &'a Market,
    thread: String,
    random: StdRng,
    rounds: usize,
    jobs: usize,
}

async fn of_two_who_act_on_a_job_at_once_one_wins(engine: Engine) {
    let market = Market::open(engine).await;
    let seed = marketplace_tests::database::random_id().as_u64_pair().1;
    println!("seed {seed}");
    let services = join_all((0..THREADS).map(|_| market.ada.publish("Lessons"))).await;
    let threads = join_all(services.iter().map(|service| market.jon.open_thread(service))).await;
    let lanes = threads.into_iter().zip(0..).map(|(thread, number)| {
        let random = StdRng::seed_from_u64(seed.wrapping_add(number));
        Lane { market: &market, thread, random, rounds: 0, jobs: 0 }.run()
    });
    let run: usize = join_all(lanes).await.into_iter().sum();
    assert!(run >= THREADS * rounds(), "only {run} rounds were run");
}

impl Lane<'_> {
    async fn run(mut self) -> usize {
        let mut notices = 0;
        while self.rounds < rounds() {
            notices += self.one_job().await;
            self.jobs += 1;
        }
        // Each step of each job is one message in the thread, and nothing is missing between them.
        let messages = self.market.jon.messages(&self.thread).await;
        gapless(&messages);
        assert_eq!(messages.iter().filter(|message| message["kind"] == "job").count(), notices);
        self.rounds
    }

    /// From the first offer to the end, every step a race. Answers how many steps it took.
    async fn one_job(&mut self) -> usize {
        let (ada, jon) = (&self.market.ada, &self.market.jon);
        let job = id(&jon.begin_job(&self.thread).await.ok());
        let (accept, reason) = (json!({ "revision": 1 }), json!({ "reason": "other" }));
        let (unsaid, more) = (json!({}), json!({ "comment": "The left hand is missing" }));
        let mut status = "negotiating".to_owned();
        let mut steps = 1;
        while !["rejected", "cancelled", "finalized"].contains(&status.as_str()) {
            let one_of = self.random.random_range(0..3);
            let race = match (status.as_str(), one_of) {
                ("negotiating", 0) => [(ada, "accept", &accept), (ada, "reject", &reason)],
                ("negotiating", 1) => [(ada, "reject", &reason), (jon, "cancel", &reason)],
                ("negotiating", _) => [(ada, "accept", &accept), (ada, "accept", &accept)],
                ("accepted", 0) => [(ada, "complete", &unsaid), (ada, "complete", &unsaid)],
                ("accepted", 1) => [(ada, "cancel", &reason), (jon, "cancel", &reason)],
                ("accepted", _) => [(ada, "complete", &unsaid), (jon, "cancel", &reason)],
                ("completed", 0) => [(jon, "finalize", &unsaid), (jon, "request-changes", &more)],
                ("completed", _) => [(jon, "finalize", &unsaid), (jon, "finalize", &unsaid)],
                _ => panic!("{status}"),
            };
            status = self.round(&job, race).await;
            steps += 1;
        }
        assert_eq!(folds_to(&jon.history(&job).await, &status), steps);
        assert_eq!(ada.get(&format!("/v1/jobs/{job}")).await.ok()["status"], status.as_str());
        if status == "rejected" {
            // That closed the thread.
            let reopen = format!("/v1/admin/threads/{}/reopen", self.thread);
            self.market.sam.post(&reopen, json!({})).await.ok();
        }
        steps
    }

    /// Both at once. Answers the state that the winner brought about.
    async fn round(&mut self, job: &str, [one, other]: [(&Person, &str, &Value); 2]) -> String {
        self.rounds += 1;
        let (first, second) =
            tokio::join!(one.0.act(job, one.1, one.2.clone()), other.0.act(job, other.1, other.2.clone()));
        let (won, lost) = if first.status.is_success() { (first, second) } else { (second, first) };
        let now = won.ok()["status"].as_str().unwrap().to_owned();
        let problem = lost.refused(409, "conflict");
        assert_eq!(problem["current"]["status"], now.as_str(), "the loser learns what the job is now: {problem}");
        assert_eq!(problem["current"]["id"], job);
        now
    }
}

/// Accepting leaves a job that can be cancelled, so both can be acknowledged, one after the other; what may not be is a
/// cancel that was acknowledged and does not stand.
async fn an_acknowledged_cancel_stays_cancelled(engine: Engine) {
    let market = Market::open(engine).await;
    for _ in 0..20 {
        let job = id(&market.jon.begin_job(&market.thread).await.ok());
        let (accepted, cancelled) = tokio::join!(
            market.ada.act(&job, "accept", json!({ "revision": 1 })),
            market.jon.act(&job, "cancel", json!({ "reason": "not_needed" })),
        );
        for answer in [&accepted, &cancelled] {
            assert!(answer.status.is_success() || answer.refused(409, "conflict")["current"].is_object());
        }
        assert!(accepted.status.is_success() || cancelled.status.is_success());
        let status = if cancelled.status.is_success() { "cancelled" } else { "accepted" };
        let steps = folds_to(&market.jon.history(&job).await, status);
        let told = [&accepted, &cancelled].iter().filter(|answer| answer.status.is_success()).count();
        assert_eq!(steps, 1 + told, "what was acknowledged is on record, and nothing else");
        assert_eq!(market.ada.get(&format!("/v1/jobs/{job}")).await.ok()["status"], status);
        if status == "accepted" {
            market.jon.act(&job, "cancel", json!({ "reason": "not_needed" })).await.ok();
        }
    }
}

async fn of_many_jobs_begun_at_once_one_lives(engine: Engine) {
    let market = Market::open(engine).await;
    for _ in 0..10 {
        let begun = join_all((0..8).map(|_| market.jon.begin_job(&market.thread))).await;
        let made: Vec<&Answer> = begun.iter().filter(|answer| answer.status.is_success()).collect();
        assert_eq!(made.len(), 1, "{begun:#?}");
        let job = id(&made[0].json());
        for answer in begun.iter().filter(|answer| !answer.status.is_success()) {
            let problem = answer.refused(409, "conflict");
            assert_eq!(problem["current"]["id"], job.as_str(), "the job that lives is named: {problem}");
        }
        let own = market.jon.get(&format!("/v1/me/jobs?thread_id={}&status=negotiating", market.thread)).await.ok();
        assert_eq!(own["items"].as_array().unwrap().len(), 1);
        market.jon.act(&job, "cancel", json!({ "reason": "not_needed" })).await.ok();
    }
}
