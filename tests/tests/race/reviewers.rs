//! A hundred reviewers race on a hundred and fifty cases (`MARKETPLACE_TEST_CASES` says how many), as several processes that are
//! killed at random: no case is decided twice, and none is stuck past its claim's expiry.

use marketplace_core::staff::{Connection, ListAttempts, ListAudit, ListQuery, ShowAttempt, StretchQuery, VerifyAudit};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use marketplace_core::{
    accounts::model::Status,
    audit::AuditFilter,
    base::{permission::Role, principal::Principal},
    kyc::{
        self, Submission,
        model::{DocumentType, KycFilter},
        status::KycStatus,
    },
    page::PageRequest,
    testing::{self, TestApp},
};
use marketplace_tests::{binaries, pictures, server::isolate};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const PROCESSES: u32 = 10;
const REVIEWERS: u32 = 10;
/// One process is killed for so many cases.
const CASES_PER_KILL: usize = 40;
/// A claim of ten minutes ends within six seconds.
const SPEED: i64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_reviewers_decide_each_case_once() {
    let cases = std::env::var("MARKETPLACE_TEST_CASES").map_or(150, |count| count.parse().unwrap());
    for test in testing::live_apps_with(|config| config.limits.uploads = 64).await {
        race(&test, cases).await;
        test.close().await;
    }
}

async fn race(test: &TestApp, cases: usize) {
    let app = test.app();
    let picture = pictures::png(1);
    stream::iter(0..cases)
        .map(|_| async {
            let id = test.user(Role::Worker, Status::Active).await;
            let (actor, _) = test.log_in(id).await;
            let (document, selfie) = (picture.clone(), picture.clone());
            kyc::submit(&app.by(&actor), Submission { document_type: DocumentType::Passport, document, selfie })
                .await
                .unwrap();
        })
        .buffer_unordered(8)
        .collect::<Vec<()>>()
        .await;

    let epoch = app.now().micros();
    let (lines, heard) = mpsc::channel();
    let spawn = |number: u32| start(test, epoch, number, lines.clone());
    let mut processes: Vec<(u32, Child)> = (0..PROCESSES).map(|number| (number, spawn(number))).collect();
    let seed = marketplace_tests::database::random_id().as_u64_pair().1;
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..cases / CASES_PER_KILL {
        tokio::time::sleep(Duration::from_millis(random.random_range(20..250))).await;
        let (number, victim) = &mut processes[random.random_range(0..PROCESSES as usize)];
        victim.kill().unwrap();
        victim.wait().unwrap();
        *victim = spawn(*number);
    }
    let begun = Instant::now();
    for (number, process) in &mut processes {
        // They end by themselves when nothing waits any more: a case that is stuck would keep them all.
        while process.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(150) {
                let open = Connection::direct(app.clone(), testing::operator())
                    .call::<ListAttempts>((), ListQuery::new(&KycFilter::default(), &PageRequest::first(5)), ())
                    .await;
                panic!("reviewers of process {number} still wait (seed {seed}); open: {open:#?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(process.wait().unwrap().success(), "process {number} failed; seed {seed}");
    }
    drop(lines);
    check(test, cases, heard.iter().collect()).await;
}

fn start(test: &TestApp, epoch: i64, number: u32, lines: mpsc::Sender<String>) -> Child {
    let config = &test.app().config;
    let mut command = Command::new(binaries::helper("reviewer"));
    isolate(&mut command);
    let first = (number * REVIEWERS).to_string();
    command
        .args(["--first", &first, "--reviewers", &REVIEWERS.to_string()])
        .args(["--epoch", &epoch.to_string(), "--speed", &SPEED.to_string()])
        .env("MARKETPLACE_DATABASE_URL", config.database_url().expose())
        .env("MARKETPLACE_DATA_DIR", &config.data_dir)
        .env("MARKETPLACE_DATABASE_CONNECTIONS", "4")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        // A line that a kill cut short was acknowledged by nobody.
        for line in output.split(b'\n').map_while(Result::ok) {
            if line.len() > 40 {
                let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
            }
        }
    });
    child
}

async fn check(test: &TestApp, cases: usize, acknowledged: Vec<String>) {
    let api = Connection::direct(test.app().clone(), testing::operator());
    assert!(
        api.call::<ListAttempts>((), ListQuery::new(&KycFilter::default(), &PageRequest::first(1)), ())
            .await
            .unwrap()
            .items
            .is_empty()
    );

    // What the cases say.
    let mut decided = HashMap::new();
    for (status, word) in [(KycStatus::Approved, "approve"), (KycStatus::Rejected, "reject")] {
        let mut page = PageRequest::first(200);
        loop {
            let filter = KycFilter { status: Some(status), ..KycFilter::default() };
            let list = api.call::<ListAttempts>((), ListQuery::new(&filter, &page), ()).await.unwrap();
            for row in list.items {
                let made = api.call::<ShowAttempt>(row.id, (), ()).await.unwrap().decision.unwrap();
                decided.insert(row.id.to_string(), (made.by, word));
            }
            let Some(next) = list.next else { break };
            page.after = Some(next);
        }
    }
    assert_eq!(decided.len(), cases);

    // What reviewers were told: each case by one of them, and it is what stands.
    let mut told = HashMap::new();
    for line in &acknowledged {
        let [id, by, word] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert!(told.insert(id, by).is_none(), "{id} was decided twice");
        assert_eq!(decided[id], (Principal(by.into()), word), "{line}");
    }
    assert!(told.len() > cases / 2, "only {} decisions were acknowledged", told.len());

    // What the audit log says: one decision a case, whatever was killed.
    let mut rows = HashMap::new();
    for action in ["kyc.approve", "kyc.reject"] {
        let mut page = PageRequest::first(200);
        loop {
            let filter = AuditFilter { action: Some(action.into()), ..AuditFilter::default() };
            let list = api.call::<ListAudit>((), ListQuery::new(&filter, &page), ()).await.unwrap();
            for row in list.items {
                assert!(rows.insert(row.target.clone(), row.actor).is_none(), "{} is on record twice", row.target);
            }
            let Some(next) = list.next else { break };
            page.after = Some(next);
        }
    }
    assert_eq!(rows.len(), cases);
    let mut from = Some(1);
    while let Some(seq) = from {
        let found = api.call::<VerifyAudit>((), StretchQuery::new(seq, 1_000, None), ()).await.unwrap();
        assert_eq!(found.broken, None);
        from = found.next;
    }
}
