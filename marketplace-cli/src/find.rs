//! What stands for an id: the id itself, its last letters, or a user's address.

use std::{fmt::Display, str::FromStr};

use marketplace_core::{
    accounts::{model::normalise_email, summary::UserFilter},
    base::permission::Role,
    error::{Error, ErrorCode, Result},
    ids::{
        AttemptId, CaseId, JobId, MailId, MessageId, PhotoId, ReviewId, RuleId, ServiceId, ThreadId, TokenId, UserId,
        WebhookId,
    },
    jobs::model::JobFilter,
    kyc::{model::KycFilter, status::KycStatus},
    mail::model::MailFilter,
    messaging::model::ThreadFilter,
    page::{MAX_LIMIT, Page, PageRequest},
    reports::model::{ReportFilter, ReportStatus},
    reviews::model::ReviewFilter,
    rules::model::RuleFilter,
    services::model::ServiceFilter,
    staff::{
        Connection, ListAttempts, ListJobs, ListMails, ListQuery, ListReports, ListReviews, ListRules, ListServices,
        ListThreads, ListTokens, ListUsers, ListWebhooks, ShowService, ShowThread, ShowUser, WhoAmI,
    },
    tokens::model::TokenFilter,
};

use crate::{
    context::require_progress,
    failure::{Failure, Outcome},
};

/// Letters of the end of an id at least.
const LETTERS: usize = 8;
/// Candidates that an error names at most.
const CANDIDATES: usize = 5;

/// An id, or what stands for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref<I> {
    text: String,
    id: Option<I>,
}

/// Parses what stands for an id; whether there is such a thing is found out later.
///
/// # Errors
/// When it can be none.
pub fn reference<I: Findable>(text: &str) -> Result<Ref<I>, String> {
    let text = text.trim();
    let id = text.parse().ok();
    if id.is_some() || ending(text).is_some() || (I::HAS_ADDRESS && is_address(text)) {
        return Ok(Ref { text: text.to_owned(), id });
    }
    let address = if I::HAS_ADDRESS { ", an address" } else { "" };
    Err(format!(
        "not an id, such as 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d{address}, or the last {LETTERS} letters of an id"
    ))
}

fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.contains(char::is_whitespace)
}

/// Returns the letters of the end of an id.
fn ending(text: &str) -> Option<String> {
    let letters: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    let fits = (LETTERS..32).contains(&letters.len()) && letters.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then_some(letters)
}

/// A kind of id that can be found by its end.
pub trait Findable: FromStr + Copy + Display + Send + Sync + 'static {
    /// What one is.
    const NOUN: &'static str;
    /// Whether an address stands for one.
    const HAS_ADDRESS: bool = false;
    /// Lists in which to look, one after the other.
    const LISTS: usize = 1;
    /// Returns a page of one of these lists.
    fn page(api: &Connection, list: usize, page: &PageRequest) -> impl Future<Output = Result<Page<Self>>>;
    /// Checks that there is such a thing, where a list about one that there is not would be empty.
    fn require(self, _api: &Connection) -> impl Future<Output = Result<()>> {
        std::future::ready(Ok(()))
    }
}

impl Findable for UserId {
    const NOUN: &'static str = "user";
    const HAS_ADDRESS: bool = true;
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListUsers>((), ListQuery::new(&UserFilter::default(), page), ()).await?.map(|row| row.id))
    }
    async fn require(self, api: &Connection) -> Result<()> {
        api.call::<ShowUser>(self, (), ()).await.map(drop)
    }
}
impl Findable for JobId {
    const NOUN: &'static str = "job";
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListJobs>((), ListQuery::new(&JobFilter::default(), page), ()).await?.map(|row| row.id))
    }
}
impl Findable for ThreadId {
    const NOUN: &'static str = "thread";
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListThreads>((), ListQuery::new(&ThreadFilter::default(), page), ()).await?.map(|row| row.id))
    }
    async fn require(self, api: &Connection) -> Result<()> {
        api.call::<ShowThread>(self, (), ()).await.map(drop)
    }
}
impl Findable for ReviewId {
    const NOUN: &'static str = "review";
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListReviews>((), ListQuery::new(&ReviewFilter::default(), page), ()).await?.map(|row| row.id))
    }
}
impl Findable for TokenId {
    const NOUN: &'static str = "token";
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListTokens>((), ListQuery::new(&TokenFilter::default(), page), ()).await?.map(|row| row.id))
    }
}
impl Findable for MailId {
    const NOUN: &'static str = "mail";
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListMails>((), ListQuery::new(&MailFilter::default(), page), ()).await?.map(|row| row.id))
    }
}
impl Findable for WebhookId {
    const NOUN: &'static str = "webhook";
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListWebhooks>((), page.clone(), ()).await?.map(|row| row.id))
    }
}
impl Findable for ServiceId {
    const NOUN: &'static str = "service";
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListServices>((), ListQuery::new(&ServiceFilter::default(), page), ()).await?.map(|row| row.id))
    }
    async fn require(self, api: &Connection) -> Result<()> {
        api.call::<ShowService>(self, (), ()).await.map(drop)
    }
}
impl Findable for RuleId {
    const NOUN: &'static str = "rule";
    async fn page(api: &Connection, _: usize, page: &PageRequest) -> Result<Page<Self>> {
        Ok(api.call::<ListRules>((), ListQuery::new(&RuleFilter::default(), page), ()).await?.map(|row| row.id))
    }
}
impl Findable for AttemptId {
    const NOUN: &'static str = "identity check";
    // First those that wait, which are looked for most.
    const LISTS: usize = 1 + KycStatus::ALL.len();
    async fn page(api: &Connection, list: usize, page: &PageRequest) -> Result<Page<Self>> {
        let status = list.checked_sub(1).and_then(|at| KycStatus::ALL.get(at)).copied();
        let is_listed = !matches!(status, Some(KycStatus::None | KycStatus::Pending | KycStatus::InReview));
        if !is_listed {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let filter = KycFilter { status, all: status.is_none(), ..KycFilter::default() };
        Ok(api.call::<ListAttempts>((), ListQuery::new(&filter, page), ()).await?.map(|row| row.id))
    }
}
impl Findable for CaseId {
    const NOUN: &'static str = "report";
    // First those that wait, which are looked for most.
    const LISTS: usize = 1 + ReportStatus::ALL.len();
    async fn page(api: &Connection, list: usize, page: &PageRequest) -> Result<Page<Self>> {
        let status = list.checked_sub(1).and_then(|at| ReportStatus::ALL.get(at)).copied();
        let is_listed = !matches!(status, Some(ReportStatus::Open | ReportStatus::InReview | ReportStatus::Appealed));
        if !is_listed {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let filter = ReportFilter { status, ..ReportFilter::default() };
        Ok(api.call::<ListReports>((), ListQuery::new(&filter, page), ()).await?.map(|row| row.id))
    }
}
impl Findable for PhotoId {
    const NOUN: &'static str = "photo";
    // Photos are in no list of their own.
    const LISTS: usize = 0;
    async fn page(_: &Connection, _: usize, _: &PageRequest) -> Result<Page<Self>> {
        Ok(Page { items: Vec::new(), next: None })
    }
}
impl Findable for MessageId {
    const NOUN: &'static str = "message";
    // Messages are in no list of their own.
    const LISTS: usize = 0;
    async fn page(_: &Connection, _: usize, _: &PageRequest) -> Result<Page<Self>> {
        Ok(Page { items: Vec::new(), next: None })
    }
}

impl<I: Findable> Ref<I> {
    /// Returns the id.
    ///
    /// # Errors
    /// `not_found` when nothing fits; a usage error with the candidates when several do.
    pub async fn find(&self, api: &Connection) -> Outcome<I> {
        if let Some(id) = self.id {
            return Ok(id);
        }
        let mut found = if let Some(letters) = ending(&self.text) {
            by_ending(api, &letters).await?
        } else {
            by_address(api, &self.text).await?
        };
        match (found.pop(), found.is_empty()) {
            (Some(id), true) => Ok(id),
            (None, _) => Err(Error::not_found(I::NOUN).into()),
            (Some(last), false) => {
                let all = found.iter().chain([&last]).map(ToString::to_string).collect::<Vec<_>>().join(", ");
                Err(Failure::usage(
                    format!("`{}` could be several: {all}", self.text),
                    "give more letters of the end, or the whole id",
                ))
            }
        }
    }
}

/// Returns the id of whatever ends so, of any kind but messages, which are in no list; a text that is no end of an id as it
/// is.
///
/// # Errors
/// Those of [`Ref::find`].
pub async fn anything(api: &Connection, text: &str) -> Outcome<String> {
    async fn add<I: Findable>(api: &Connection, letters: &str, found: &mut Vec<String>) -> Outcome {
        match by_ending::<I>(api, letters).await {
            Ok(ids) => found.extend(ids.iter().map(ToString::to_string)),
            // Who may see the log may not see every list.
            Err(Failure::Core(error)) if error.code() == ErrorCode::Forbidden => {}
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
    let Some(letters) = ending(text.trim()) else { return Ok(text.to_owned()) };
    let mut found = Vec::new();
    add::<UserId>(api, &letters, &mut found).await?;
    add::<JobId>(api, &letters, &mut found).await?;
    add::<ThreadId>(api, &letters, &mut found).await?;
    add::<ReviewId>(api, &letters, &mut found).await?;
    add::<CaseId>(api, &letters, &mut found).await?;
    add::<AttemptId>(api, &letters, &mut found).await?;
    add::<TokenId>(api, &letters, &mut found).await?;
    add::<ServiceId>(api, &letters, &mut found).await?;
    add::<MailId>(api, &letters, &mut found).await?;
    add::<WebhookId>(api, &letters, &mut found).await?;
    match found.as_slice() {
        [] => {
            Err(Error::not_found("user, identity check, job, thread, review, report, service, token, mail or webhook")
                .into())
        }
        [id] => Ok(id.clone()),
        several => Err(Failure::usage(
            format!("`{text}` could be several: {}", several.join(", ")),
            "give more letters of the end, or the whole id",
        )),
    }
}

/// Returns the id that was named, if one was.
///
/// # Errors
/// Those of [`Ref::find`]; `not_found` for a whole id of nothing, about which a list would be empty.
pub async fn optional<I: Findable>(api: &Connection, named: Option<&Ref<I>>) -> Outcome<Option<I>> {
    let Some(named) = named else { return Ok(None) };
    if let Some(id) = named.id {
        match id.require(api).await {
            // Who may see the one list may not see the other thing.
            Err(error) if error.code() != ErrorCode::Forbidden => return Err(error.into()),
            _ => return Ok(Some(id)),
        }
    }
    named.find(api).await.map(Some)
}

/// Returns the caller's account.
///
/// # Errors
/// A usage error at a database, where the operator of the machine has none.
pub async fn own_account(api: &Connection) -> Outcome<UserId> {
    let principal = api.call::<WhoAmI>((), (), ()).await?.principal;
    principal.user_id().ok_or_else(|| {
        Failure::usage(
            format!("{principal} is no account, so nothing is its own"),
            "log in to a server, or name the account",
        )
    })
}

/// Returns the member of staff that was named: by `me`, an id, an address, or a part of the name that only one has.
///
/// # Errors
/// `not_found` when nobody fits; a usage error with the candidates when several do.
pub async fn colleague(api: &Connection, text: &str) -> Outcome<UserId> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::usage("no colleague is named", "me, an address, an id or a name"));
    }
    if text == "me" {
        return own_account(api).await;
    }
    if let Ok(named) = reference::<UserId>(text) {
        return named.find(api).await;
    }
    let mut found = Vec::new();
    for role in [Role::Support, Role::Admin, Role::Auditor] {
        let filter = UserFilter { q: Some(text.to_owned()), role: Some(role), ..UserFilter::default() };
        let page = ListQuery::new(&filter, &PageRequest::first(MAX_LIMIT));
        found.extend(api.call::<ListUsers>((), page, ()).await?.items);
    }
    match found.as_slice() {
        [] => Err(Error::not_found(format_args!("colleague `{text}`")).into()),
        [one] => Ok(one.id),
        several => {
            let named = several.iter().take(CANDIDATES).map(|user| format!("{} ({})", user.name, user.id));
            let named = named.collect::<Vec<_>>().join(", ");
            Err(Failure::usage(format!("`{text}` could be several: {named}"), "give more of the name, or the address"))
        }
    }
}

/// Returns the colleague who is named in a filter, if one is.
///
/// # Errors
/// Those of [`colleague`].
pub async fn colleagues(api: &Connection, text: Option<&str>) -> Outcome<Option<UserId>> {
    match text {
        Some(text) => colleague(api, text).await.map(Some),
        None => Ok(None),
    }
}

/// Returns the ids that end so; only a look at all of them tells that there is one.
async fn by_ending<I: Findable>(api: &Connection, letters: &str) -> Outcome<Vec<I>> {
    let mut found: Vec<I> = Vec::new();
    for list in 0..I::LISTS {
        let mut page = PageRequest::first(MAX_LIMIT);
        loop {
            let ids = I::page(api, list, &page).await?;
            require_progress(page.after.as_deref(), &ids)?;
            for id in ids.items {
                let text = id.to_string();
                let is_new = !found.iter().any(|one| one.to_string() == text);
                if is_new && text.replace('-', "").ends_with(letters) {
                    found.push(id);
                }
            }
            match ids.next {
                Some(next) if found.len() < CANDIDATES => page.after = Some(next),
                _ => break,
            }
        }
    }
    Ok(found)
}

/// Returns whose address it is. The search is on the audit log.
async fn by_address<I: Findable>(api: &Connection, address: &str) -> Outcome<Vec<I>> {
    let query = |reveal| {
        let filter = UserFilter { q: Some(address.to_owned()), reveal, ..UserFilter::default() };
        ListQuery::new(&filter, &PageRequest::first(MAX_LIMIT))
    };
    let ids = match api.call::<ListUsers>((), query(true), ()).await {
        // Who may see addresses finds them by their beginnings too, which is not meant here.
        Ok(found) => {
            let wanted = normalise_email(address);
            found.items.into_iter().filter(|row| normalise_email(&row.email) == wanted).map(|row| row.id).collect()
        }
        Err(error) if error.code() == ErrorCode::Forbidden => {
            let found = api.call::<ListUsers>((), query(false), ()).await?;
            found.items.into_iter().map(|row| row.id).collect::<Vec<_>>()
        }
        Err(error) => return Err(error.into()),
    };
    Ok(ids.into_iter().filter_map(|id| id.to_string().parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_an_id() {
        for good in ["019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d", "6a1b2c3d", "0c4f-6A1B2C3D"] {
            assert!(reference::<JobId>(good).is_ok(), "{good}");
        }
        assert!(reference::<UserId>("ada@example.org").is_ok());
        assert!(reference::<JobId>("ada@example.org").is_err());
        for bad in ["", "6a1b2c3", "not-an-id", "@example.org", "a b@example.org", "6a1b2c3g"] {
            assert!(reference::<UserId>(bad).is_err(), "{bad}");
        }
    }
}
