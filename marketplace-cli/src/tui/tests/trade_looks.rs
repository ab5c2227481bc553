//! Snapshots of jobs, threads, reviews and the jumps between them.

use std::time::Duration;

use super::{
    Console,
    looks::{SIZES, picture, snapshot},
    options,
    system::{System, thread_id},
};

#[tokio::test]
async fn jobs() {
    picture("jobs", "4 j j").await;
}
#[tokio::test]
async fn job() {
    picture("job", "4 j j enter").await;
}
#[tokio::test]
async fn job_cancel() {
    picture("job_cancel", "4 x d").await;
}
#[tokio::test]
async fn threads() {
    picture("threads", "5 j").await;
}
#[tokio::test]
async fn thread_why() {
    picture("thread_why", "5 enter").await;
}
#[tokio::test]
async fn talk() {
    picture("talk", "5 enter d").await;
}
#[tokio::test]
async fn talk_paused() {
    picture("talk_paused", "5 j enter c g").await;
}
#[tokio::test]
async fn talk_remove() {
    picture("talk_remove", "5 enter d k d c").await;
}
#[tokio::test]
async fn talk_notice() {
    picture("talk_notice", "5 enter d N h i").await;
}
#[tokio::test]
async fn talk_jump() {
    picture("talk_jump", "5 enter d J").await;
}
#[tokio::test]
async fn reviews() {
    picture("reviews", "6").await;
}
#[tokio::test]
async fn review() {
    picture("review", "6 enter").await;
}
#[tokio::test]
async fn review_remove() {
    picture("review_remove", "6 d a").await;
}

#[tokio::test]
async fn talk_read_only_production() {
    for size in SIZES {
        let system = System::audited(60, 24).await;
        let options =
            super::Options { read_only: true, production: true, system: "eu".into(), way: "api".into(), ..options() };
        let mut console = Console::start_with(&system, options, size).await;
        console.press("5 enter q").await;
        snapshot("talk_read_only_production", size, &console);
        console.press("esc 4").await;
        snapshot("jobs_read_only_production", size, &console);
        console.press("6").await;
        snapshot("reviews_read_only_production", size, &console);
    }
}

#[tokio::test]
async fn trade_without_colours() {
    for size in SIZES {
        let system = System::new(60, 24).await;
        let mut console = Console::start_with(&system, super::Options { no_color: true, ..options() }, size).await;
        console.press("4 enter").await;
        snapshot("job_without_colours", size, &console);
        console.press("5 enter d").await;
        snapshot("talk_without_colours", size, &console);
        console.press("6 enter").await;
        snapshot("review_without_colours", size, &console);
    }
}

#[tokio::test]
async fn trade_away() {
    for size in SIZES {
        let system = System::new(60, 24).await;
        let mut console = Console::start_with(&system, options(), size).await;
        console.press("4 6 5 enter d").await;
        system.set_down(true);
        console.later(Duration::from_millis(400)).await;
        console.press("N").await;
        console.later(Duration::from_secs(4)).await;
        snapshot("talk_away", size, &console);
        console.press("4").await;
        snapshot("jobs_away", size, &console);
        console.press("6").await;
        snapshot("reviews_away", size, &console);
    }
}

#[tokio::test]
async fn a_narrow_thread_from_another_screen() {
    let system = System::new(60, 24).await;
    let mut console = Console::start_with(&system, options(), (80, 24)).await;
    console.press("4 t").await;
    console.shows(&thread_id(0).to_string());
    snapshot("thread_from_job", (80, 24), &console);
}
