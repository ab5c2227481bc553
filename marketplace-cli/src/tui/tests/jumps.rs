//! From a person to their jobs, threads, reviews, checks and audit rows, and back.

use marketplace_core::{
    messaging::model::{AccessReason, MessagesQuery},
    staff::{ReadThread, ReadingQuery, UnfreezeUser},
};

use super::{
    Console,
    system::{System, job_id, review_id, thread_id, user_id},
};

#[tokio::test]
async fn one_key_leads_everywhere_and_escape_leads_back_to_the_same_place() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    console.press("4 j j enter").await;
    console.shows("Move a piano");
    let job = console.screen();
    console.press("J").await;
    console.shows("worker Marta F•••");
    console.shows("client Sora A•••");
    console.press("w").await;
    console.shows(&user_id(2).to_string());
    console.shows("Users · 0192");
    console.press("J v").await;
    console.shows("Reviews · subject_id:0192");
    console.press("esc").await;
    console.shows("Users · 0192");
    console.shows(&user_id(2).to_string());
    console.press("esc").await;
    // The status line apart, everything is as it was.
    let body = |screen: &str| screen.lines().take(36).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(body(&console.screen()), body(&job));
    // What the list of users showed before the jump is there too.
    console.press("3").await;
    console.shows("1 of 12");
    console.hides("Users · 0192");
}

#[tokio::test]
async fn the_place_in_a_long_list_is_kept() {
    let system = System::new(1_500, 0).await;
    let mut console = Console::start(&system).await;
    console.press("3 G G G k k").await;
    let line = |console: &Console| {
        let screen = console.screen();
        screen.lines().find(|line| line.contains(" of ")).unwrap().to_owned()
    };
    let before = line(&console);
    assert!(before.contains("298 of"), "{before}");
    console.press("J j").await;
    console.shows("Jobs · user_id:0192");
    console.press(":").await;
    console.write(&format!("user {}", user_id(4))).await;
    console.press("enter").await;
    console.shows(&user_id(4).to_string());
    console.press("esc").await;
    console.shows("Jobs · user_id:0192");
    console.press("esc").await;
    assert_eq!(line(&console), before);
}

#[tokio::test]
async fn from_a_conversation_to_the_worker_and_back() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    console.press("5 enter d k w").await;
    console.shows(&user_id(0).to_string());
    console.press("esc").await;
    console.shows("▸");
    console.shows("are you free on Friday");
    console.press("c").await;
    console.shows(&user_id(4).to_string());
    console.press("esc J j").await;
    console.shows(&format!("Jobs · thread_id:{}", thread_id(0)).chars().take(60).collect::<String>());
    console.press("esc J A").await;
    console.shows("Audit log · target:0192");
    console.press("esc v").await;
    console.shows("Reviews · subject_id:0192");
    console.press("esc").await;
    console.shows("are you free on Friday");
    // One more leaves the conversation, and nothing else.
    console.press("esc").await;
    console.hides("are you free on Friday");
    console.shows("Threads");
}

#[tokio::test]
async fn from_a_review_to_its_job_and_thread() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    console.press("6 J j").await;
    console.shows(&job_id(3).to_string());
    // The list shows what stands around it, with the cursor on it.
    console.shows("thread_id:0192");
    console.press("t").await;
    console.shows(&thread_id(3).to_string());
    console.shows("Enter reads what was said");
    console.press("enter").await;
    console.shows("Why? The reason goes to the audit log.");
    console.press("esc esc esc").await;
    console.shows("Reviews · flagged:yes");
}

#[tokio::test]
async fn identity_checks_of_a_worker_whatever_their_state() {
    let system = System::new(12, 4).await;
    system.approved_by_lea(1).await;
    let mut console = Console::start(&system).await;
    console.press("4 j K").await;
    console.shows("status:approved user_id:0192");
    console.shows("Tunde B•••");
    console.press("esc j j K").await;
    console.shows("KYC queue · user_id:0192");
    console.press("esc").await;
    console.shows("Jobs");
    console.press("3 j j j j j K").await;
    console.shows("no identity check so far");
}

#[tokio::test]
async fn commands_lead_to_ids() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    for (word, id, shows) in [
        ("job", job_id(5).to_string(), "Repair a bicycle"),
        ("thread", thread_id(2).to_string(), "Enter reads what was said"),
        ("review", review_id(1).to_string(), "Quick and tidy"),
    ] {
        console.press(":").await;
        console.write(&format!("{word} {id}")).await;
        console.press("enter").await;
        console.shows(shows);
        console.shows(&id);
    }
    console.press(":").await;
    console.write("thread 7c1e").await;
    console.press("enter").await;
    console.shows("`7c1e` is no id");
    console.press(":").await;
    console.write(&format!("job {}", thread_id(2))).await;
    console.press("enter").await;
    console.shows("job: ");
    // All the way back.
    console.press("esc esc esc esc").await;
    console.shows("Recent actions");
}

#[tokio::test]
async fn audit_rows_lead_to_what_they_are_about() {
    let system = System::new(12, 4).await;
    let reading = ReadingQuery::new(AccessReason::Dispute, MessagesQuery::default());
    system.direct().call::<ReadThread>(thread_id(2), reading, ()).await.unwrap();
    let mut console = Console::start(&system).await;
    console.press("7 J t").await;
    console.shows(&thread_id(2).to_string());
    // The row of a decision names whose it is.
    console.press("esc j J u").await;
    console.shows(&user_id(0).to_string());
    console.press("esc").await;
    console.shows("Audit log");
    console.press("1 down down down J").await;
    console.shows("Jump to");
}

#[tokio::test]
async fn a_changed_row_is_known_where_one_comes_back_to() {
    let system = System::new(12, 4).await;
    let mut console = Console::start(&system).await;
    console.press("3 j j").await;
    console.shows("❄ frozen");
    // A change that is under way when somebody goes on is still said when it is done.
    system.hold::<UnfreezeUser>();
    console.press("F enter J t").await;
    console.shows("Threads · user_id:0192");
    console.press("J w").await;
    system.let_go::<UnfreezeUser>();
    console.settle().await;
    console.shows("Marta F•••: unfrozen");
    console.press("esc esc").await;
    console.hides("Marta F•••  worker    ❄ frozen");
}
