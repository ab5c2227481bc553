//! Mails that were not sent yet.

use marketplace_core::{
    base::{change::Change, permission::Role},
    mail::model::{MailFilter, MailStatus},
    page::PageRequest,
};

use crate::{dry, note, script::Script, world::World};

pub async fn mail(world: &World, script: &mut Script) {
    let (sam, _) = world.staff(Role::Support).await;
    // The newest is the invitation of somebody new.
    world.user(Role::Client).await;
    let page = sam.mail_list(&MailFilter::default(), &PageRequest::first(1)).await;
    let newest = page.as_ref().unwrap().items[0].id;
    script.heard("mail_list", &page);
    let failed = MailFilter { status: Some(MailStatus::Failed) };
    script.heard("mail_list failed", &sam.mail_list(&failed, &PageRequest::default()).await);
    script.heard("mail_list bad", &sam.mail_list(&failed, &PageRequest::first(0)).await);
    script.heard("mail_retry untried", &sam.mail_retry(newest, &Change::default()).await);
    // What a mail server that is away leaves behind.
    let give_up = "UPDATE mail_outbox SET attempts = 7, failed_at = created_at, failure = 'no answer' \
                   WHERE id = (SELECT id FROM mail_outbox ORDER BY id DESC LIMIT 1)";
    marketplace_tests::server::execute(&world.test.app().db, give_up).await;
    script.heard("mail_list failed", &sam.mail_list(&failed, &PageRequest::default()).await);
    script.heard("mail_retry dry", &sam.mail_retry(newest, &dry()).await);
    script.heard("mail_retry", &sam.mail_retry(newest, &note("mended")).await);
    script.heard("mail_retry again", &sam.mail_retry(newest, &Change::default()).await);
    script.heard("mail_retry long note", &sam.mail_retry(newest, &note(&"x".repeat(4_001))).await);
}
