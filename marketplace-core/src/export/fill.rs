//! The content of an export, file by file.

use std::pin::pin;

use futures::TryStreamExt;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::archive::Archive;
use crate::{
    accounts,
    app::App,
    auth,
    base::{
        error::{Error, Result},
        ids::UserId,
        page::TimeCursor,
        time::Timestamp,
    },
    jobs,
    kyc::{self, model::FileContent},
    messaging, notifications, profiles, reports, reviews, services, tokens, users,
};

/// Rows that are read at once.
const ROWS: i64 = 200;
/// Before everything, in lists whose newest come first.
const NEWEST: TimeCursor = TimeCursor { at: Timestamp::MAX, id: Uuid::max() };

/// Writes everything that is stored of a person.
pub(super) async fn fill(app: &App, user: UserId, mut zip: Archive) -> Result<()> {
    about(app, user, &mut zip).await?;
    account(app, user, &mut zip).await?;
    notified(app, user, &mut zip).await?;
    sessions(app, user, &mut zip).await?;
    scripts(app, user, &mut zip).await?;
    identity(app, user, &mut zip).await?;
    profile(app, user, &mut zip).await?;
    people(app, user, &mut zip).await?;
    talks(app, user, &mut zip).await?;
    work(app, user, &mut zip).await?;
    opinions(app, user, &mut zip).await?;
    complaints(app, user, &mut zip).await?;
    zip.finish().await
}

/// Returns the file extension of a media type.
fn ending(media_type: &str) -> &'static str {
    match media_type {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "application/pdf" => "pdf",
        _ => "bin",
    }
}

async fn about(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let files = json!({
        "account.json": "The account: address, name, number (wanted, until the address is confirmed), status, a restriction if there is one, and logins through providers.",
        "sessions.json": "Logins that are remembered: when, from where, with what program.",
        "api_tokens.json": "Tokens for scripts that belong to the account, without their secrets.",
        "identity_checks.json": "What was submitted to confirm the identity, and what became of it; the files are in identity_checks/.",
        "profile.json": "What the profile says; the picture is beside it.",
        "services.json": "Services offered; their photos are in photos/, with those that are kept because they were reported.",
        "favorites.json": "Workers marked as favourites, by id.",
        "blocks.json": "People blocked.",
        "threads.json": "Conversations, without their messages.",
        "messages.json": "Messages written and received, thread by thread; the files that were sent are in attachments/.",
        "jobs.json": "Jobs with their offers and their history.",
        "reviews.json": "Reviews written, and those received as far as they show.",
        "notifications.json": "How the person wants to be told, and the newest 1,000 of what they were told.",
        "complaints.json": "Reviews complained about.",
        "reports.json": "What was reported to staff, and what became of it.",
        "decisions.json": "What staff decided about the account or what it wrote, and appeals against it.",
    });
    let about = json!({ "account": user, "made_at": app.now(), "files": files });
    zip.json("about.json", &about).await
}

async fn account(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let found = accounts::store::get(&mut conn, user).await?.ok_or_else(|| Error::not_found("user"))?;
    let restriction = accounts::store::restriction(&mut conn, user).await?;
    let identities = auth::identities::held(&mut conn, user).await?;
    let second_factor = auth::totp::store::is_on(&mut conn, user).await?;
    let phone_wanted = accounts::store::phone_wanted(&mut conn, user).await?;
    drop(reader);
    let restriction = restriction.map(|restriction| json!({ "reason": restriction.reason, "since": restriction.at }));
    let me = users::Me::of(&found, app.now());
    let account = json!({
        "account": me,
        "restriction": restriction,
        "identities": identities,
        "second_factor": second_factor,
        "phone_wanted": phone_wanted,
    });
    zip.json("account.json", &account).await
}

async fn notified(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut reader = app.db.read().await?;
    let told = notifications::told(&mut reader.conn(), user).await?;
    drop(reader);
    zip.json("notifications.json", &told).await
}

async fn sessions(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut list = zip.begin_list("sessions.json").await?;
    let mut before = NEWEST;
    loop {
        let mut reader = app.db.read().await?;
        let rows = auth::store::all_of(&mut reader.conn(), user, before, ROWS).await?;
        drop(reader);
        let Some(end) = rows.last() else { break };
        before = TimeCursor { at: end.created_at, id: end.id.0 };
        zip.items(&mut list, rows).await?;
    }
    zip.end_list(list).await
}

async fn scripts(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut list = zip.begin_list("api_tokens.json").await?;
    let mut before = NEWEST;
    loop {
        let mut reader = app.db.read().await?;
        let rows = tokens::all_of(app, &mut reader.conn(), user, before, ROWS).await?;
        drop(reader);
        let Some(end) = rows.last() else { break };
        before = TimeCursor { at: end.created_at, id: end.id.0 };
        zip.items(&mut list, rows).await?;
    }
    zip.end_list(list).await
}

async fn identity(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut reader = app.db.read().await?;
    let attempts = kyc::submitted(&mut reader.conn(), app.now(), user).await?;
    drop(reader);
    let mut list = zip.begin_list("identity_checks.json").await?;
    zip.items(&mut list, &attempts).await?;
    zip.end_list(list).await?;
    for attempt in &attempts {
        for file in &attempt.files {
            let Some(content) = kyc::submitted_file(app, attempt.attempt.id, file.kind).await? else { continue };
            let name = format!("{}-{}", attempt.attempt.number, file.kind);
            put(zip, "identity_checks", &name, &content).await?;
        }
    }
    Ok(())
}

async fn put(zip: &mut Archive, folder: &str, name: &str, content: &FileContent) -> Result<()> {
    zip.file(&format!("{folder}/{name}.{}", ending(&content.media_type)), &content.bytes).await
}

async fn profile(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let account = accounts::store::get(&mut conn, user).await?.ok_or_else(|| Error::not_found("user"))?;
    // A person who changed sides has both.
    let told = profiles::told(&mut conn, user).await?;
    let pictures = profiles::pictures_of(&mut conn, user).await?;
    let offered = services::told(&mut conn, &account, app.now()).await?;
    drop(reader);
    zip.json("profile.json", &told).await?;
    for (number, picture) in pictures.into_iter().enumerate() {
        let content = profiles::own_picture(app, &picture).await?;
        let name = if number == 0 { "picture".to_owned() } else { format!("picture-{}", number + 1) };
        zip.file(&format!("{name}.{}", ending(&content.media_type)), &content.bytes).await?;
    }
    whole(zip, "services.json", offered).await?;
    let mut photos = pin!(services::own_photos(app, user));
    while let Some((id, content)) = photos.try_next().await? {
        put(zip, "photos", &id.to_string(), &content).await?;
    }
    Ok(())
}

async fn whole<T: Serialize>(zip: &mut Archive, name: &str, items: Vec<T>) -> Result<()> {
    let mut list = zip.begin_list(name).await?;
    zip.items(&mut list, items).await?;
    zip.end_list(list).await
}

async fn people(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut reader = app.db.read().await?;
    let mut conn = reader.conn();
    let favorites = profiles::favorite_ids(&mut conn, user).await?;
    let blocks = profiles::blocked_by(&mut conn, user).await?;
    drop(reader);
    let favorites = favorites.into_iter().map(|(worker, since)| json!({ "worker_id": worker, "since": since }));
    whole(zip, "favorites.json", favorites.collect()).await?;
    whole(zip, "blocks.json", blocks).await
}

async fn talks(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut reader = app.db.read().await?;
    let threads = messaging::threads_of(&mut reader.conn(), user).await?;
    drop(reader);
    let mut list = zip.begin_list("threads.json").await?;
    for thread in &threads {
        let mut reader = app.db.read().await?;
        let summary = messaging::summary_of(&mut reader.conn(), user, *thread).await?;
        drop(reader);
        zip.items(&mut list, summary).await?;
    }
    zip.end_list(list).await?;

    let mut list = zip.begin_list("messages.json").await?;
    for thread in &threads {
        let mut after = 0;
        loop {
            let mut reader = app.db.read().await?;
            let messages = messaging::messages_of(&mut reader.conn(), user, *thread, after, ROWS).await?;
            drop(reader);
            let Some(end) = messages.last() else { break };
            after = end.seq;
            zip.items(&mut list, messages).await?;
        }
    }
    zip.end_list(list).await?;

    for thread in threads {
        let mut reader = app.db.read().await?;
        let sent = messaging::files_sent(&mut reader.conn(), user, thread).await?;
        drop(reader);
        for file in sent {
            let Some(content) = messaging::file_content(app, file).await? else { continue };
            put(zip, "attachments", &file.to_string(), &content).await?;
        }
    }
    Ok(())
}

async fn work(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut list = zip.begin_list("jobs.json").await?;
    let mut before = None;
    loop {
        let mut reader = app.db.read().await?;
        let page = jobs::told(&mut reader.conn(), user, before, ROWS / 10).await?;
        drop(reader);
        let Some(end) = page.last() else { break };
        before = Some(TimeCursor { at: end.job.created_at, id: end.job.id.0 });
        zip.items(&mut list, page).await?;
    }
    zip.end_list(list).await
}

async fn opinions(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut list = zip.begin_list("reviews.json").await?;
    for written in [true, false] {
        let mut before = None;
        loop {
            let mut reader = app.db.read().await?;
            let page = reviews::told(&mut reader.conn(), app.now(), user, written, before, ROWS).await?;
            drop(reader);
            zip.items(&mut list, page.items).await?;
            let Some(next) = page.next else { break };
            before = Some(next);
        }
    }
    zip.end_list(list).await?;
    let mut reader = app.db.read().await?;
    let complaints = reviews::complaints(&mut reader.conn(), user).await?;
    drop(reader);
    whole(zip, "complaints.json", complaints).await
}

async fn complaints(app: &App, user: UserId, zip: &mut Archive) -> Result<()> {
    let mut list = zip.begin_list("reports.json").await?;
    let mut before = None;
    loop {
        let mut reader = app.db.read().await?;
        let (page, next) = reports::filed_by(&mut reader.conn(), app.now(), user, before, ROWS).await?;
        drop(reader);
        zip.items(&mut list, page).await?;
        let Some(next) = next else { break };
        before = Some(next);
    }
    zip.end_list(list).await?;
    let mut list = zip.begin_list("decisions.json").await?;
    let mut before = None;
    loop {
        let mut reader = app.db.read().await?;
        let (page, next) = reports::decisions_about(&mut reader.conn(), app.now(), user, before, ROWS).await?;
        drop(reader);
        zip.items(&mut list, page).await?;
        let Some(next) = next else { break };
        before = Some(next);
    }
    zip.end_list(list).await
}
