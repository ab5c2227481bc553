//! Mails that were not sent yet.

use marketplace_core::staff::{ListMails, ListQuery, RetryMail, ShowMail};
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
    let page = sam.call::<ListMails>((), ListQuery::new(&MailFilter::default(), &PageRequest::first(1)), ()).await;
    let newest = page.as_ref().unwrap().items[0].id;
    script.heard("mail_list", &page);
    let failed = MailFilter { status: Some(MailStatus::Failed) };
    script.heard(
        "mail_list failed",
        &sam.call::<ListMails>((), ListQuery::new(&failed, &PageRequest::default()), ()).await,
    );
    script
        .heard("mail_list bad", &sam.call::<ListMails>((), ListQuery::new(&failed, &PageRequest::first(0)), ()).await);
    script.heard("mail_retry untried", &sam.call::<RetryMail>(newest, (), Change::default().into()).await);
    // What a mail server that is away leaves behind.
    let give_up = "UPDATE mail_outbox SET attempts = 7, failed_at = created_at, failure = 'no answer' \
                   WHERE id = (SELECT id FROM mail_outbox ORDER BY id DESC LIMIT 1)";
    marketplace_tests::server::execute(&world.test.app().db, give_up).await;
    script.heard(
        "mail_list failed",
        &sam.call::<ListMails>((), ListQuery::new(&failed, &PageRequest::default()), ()).await,
    );
    script.heard("mail_show", &sam.call::<ShowMail>(newest, (), ()).await);
    script.heard("mail_retry dry", &sam.call::<RetryMail>(newest, (), dry().into()).await);
    script.heard("mail_retry", &sam.call::<RetryMail>(newest, (), note("mended").into()).await);
    script.heard("mail_retry again", &sam.call::<RetryMail>(newest, (), Change::default().into()).await);
    script.heard("mail_retry long note", &sam.call::<RetryMail>(newest, (), note(&"x".repeat(4_001)).into()).await);
}
