//! What a rule would have caught: a part of the last 30 days with each call, so that none takes long on any number of rows.

use std::net::IpAddr;

use uuid::Uuid;

use super::{
    matcher::Compiled,
    model::{NewRule, Rule, RuleExample, RuleKind, RulePlace, RuleTrial, TryRule, domains},
    store,
};
use crate::{
    base::{
        error::{Error, Result},
        ids::{RuleId, ThreadId, UserId, first_uuid_v7},
        page::{Cursor, PageRequest, cursor_of},
        permission::Permission,
        time::Timestamp,
    },
    messaging::model::MessageKind,
    operation::Operation,
    platform::db::Conn,
    records::{
        audit::{self, AuditAction, Entry},
        target::TargetKind,
    },
    reports::model::ReportTarget,
};

/// Rows that one call looks at.
const PART: i64 = 2_000;
/// Jobs of which one call looks at what was written about them: each has a few offers and comments.
const JOBS: i64 = 400;
/// Rows that are looked at without letting others run.
const TURN: usize = 50;
/// Examples that a call shows at most.
const MOST_EXAMPLES: i64 = 20;
/// Characters of an example.
const EXCERPT: usize = 300;
/// How far back it is looked.
const BACK: std::time::Duration = std::time::Duration::from_hours(30 * 24);

/// What is looked at, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Messages,
    Services,
    Reviews,
    Users,
    Offers,
}

impl Source {
    const ALL: [(Self, &str); 5] =
        [(Self::Messages, "m"), (Self::Services, "s"), (Self::Reviews, "r"), (Self::Users, "u"), (Self::Offers, "o")];

    /// Returns what is looked at for a rule.
    fn of(rule: &Rule) -> Vec<Self> {
        if matches!(rule.kind, RuleKind::BlockedDomain | RuleKind::IpRange) {
            return vec![Self::Users];
        }
        let of_place = |place: &RulePlace| match place {
            RulePlace::Messages => Self::Messages,
            RulePlace::Services => Self::Services,
            RulePlace::Reviews => Self::Reviews,
            RulePlace::Profiles => Self::Users,
            RulePlace::Offers => Self::Offers,
        };
        rule.places.iter().map(of_place).collect()
    }
}

/// Where a trial goes on.
struct Position {
    since: Timestamp,
    source: Source,
    after: Uuid,
}

impl Cursor for Position {
    fn text(&self) -> String {
        let name = Source::ALL.iter().find(|(source, _)| *source == self.source).map_or("", |(_, name)| name);
        format!("{name}:{}:{}", self.since.micros(), self.after.simple())
    }
    fn parse(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(':')?;
        let (since, after) = rest.split_once(':')?;
        let source = Source::ALL.iter().find(|(_, known)| *known == name)?.0;
        Some(Self { since: Timestamp::from_micros(since.parse().ok()?), source, after: after.parse().ok()? })
    }
}

/// Something that a rule is tried on.
struct Tried {
    kind: ReportTarget,
    id: Uuid,
    thread: Option<(ThreadId, Timestamp)>,
    subject: UserId,
    place: RulePlace,
    texts: Vec<String>,
    email: Option<String>,
    ip: Option<IpAddr>,
}

/// Returns what a rule would have caught in a part of what was written, or of who signed up, in the last 30 days. It changes
/// nothing, and is on record when it begins and when it shows something.
///
/// # Errors
/// `invalid` for a rule or a cursor that is not valid; `forbidden` without `users:admin`, and without the permissions to see
/// what it would show: `threads:read`, `services:read`, `reviews:read`, `users:reveal`, `jobs:read`.
pub async fn test(op: &Operation, trial: &TryRule) -> Result<RuleTrial> {
    op.actor().require(Permission::UsersAdmin)?;
    let rule = tried_rule(op, &trial.rule)?;
    if !(0..=MOST_EXAMPLES).contains(&trial.examples) {
        return Err(Error::invalid("/examples", format!("must be from 0 to {MOST_EXAMPLES}")));
    }
    let sources = Source::of(&rule);
    for source in &sources {
        op.actor().require(match source {
            Source::Messages => Permission::ThreadsRead,
            Source::Services => Permission::ServicesRead,
            Source::Reviews => Permission::ReviewsRead,
            Source::Users => Permission::UsersReveal,
            Source::Offers => Permission::JobsRead,
        })?;
    }
    let first = sources.first().copied().ok_or_else(|| Error::internal("a rule that looks nowhere"))?;
    let page = PageRequest { after: trial.after.clone(), ..PageRequest::default() };
    let since = op.now() - BACK;
    let begin = Position { since, source: first, after: first_uuid_v7(since) };
    let position = page.cursor_in::<Position>("rules-test")?.filter(|position| sources.contains(&position.source));
    let Position { since, source, after } = position.unwrap_or(begin);

    let patient = op.patient();
    let mut reader = patient.db.read().await?;
    let (rows, last) = part(&mut reader.conn(), source, after).await?;
    let compiled = Compiled::new(vec![rule.clone()], op.site())?;
    let checked = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let mut caught = Vec::new();
    for (n, row) in rows.into_iter().enumerate() {
        if n % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        if catches(&rule, &compiled, &row) {
            caught.push(row);
        }
    }
    if rule.kind == RuleKind::ContactDetails {
        leave_agreed(&mut reader.conn(), &mut caught).await?;
    }
    drop(reader);

    let next_source = sources.iter().skip_while(|other| **other != source).nth(1).copied();
    let next = match (last, next_source) {
        (Some(after), _) => Some(Position { since, source, after }),
        (None, Some(source)) => Some(Position { since, source, after: first_uuid_v7(since) }),
        (None, None) => None,
    };
    let shown = caught.iter().take(usize::try_from(trial.examples).unwrap_or_default());
    let examples: Vec<RuleExample> = shown.map(|row| example(&rule, &compiled, row)).collect();
    let total = i64::try_from(caught.len()).unwrap_or(i64::MAX);
    if trial.after.is_none() || !examples.is_empty() {
        record(op, &rule, checked, total, &examples).await?;
    }
    let next = next.map(|next| cursor_of("rules-test", &next));
    Ok(RuleTrial { since, checked, caught: total, examples, next })
}

fn tried_rule(op: &Operation, new: &NewRule) -> Result<Rule> {
    Ok(new.checked()?.made(RuleId(Uuid::nil()), op.actor().principal(), op.now()))
}

/// Records on the audit log what was shown, by ids.
async fn record(op: &Operation, rule: &Rule, checked: i64, caught: i64, examples: &[RuleExample]) -> Result<()> {
    let shown: Vec<Uuid> = examples.iter().map(|example| example.target_id).collect();
    let metadata = serde_json::json!({
        "kind": rule.kind, "value": rule.value, "places": rule.places, "checked": checked, "caught": caught, "shown": shown,
    });
    op.write(unit!(|op, conn| {
        let entry = Entry {
            action: AuditAction::RulesTest,
            target_kind: TargetKind::Rule,
            target: "test".to_owned(),
            reason: None,
            metadata,
        };
        audit::append(&op, conn, entry).await
    }))
    .await
}

/// Reads the next part of a source, and where the one after it begins, if there is one.
async fn part(conn: &mut Conn<'_>, source: Source, after: Uuid) -> Result<(Vec<Tried>, Option<Uuid>)> {
    let tried = |kind, id, subject, place, texts| Tried {
        kind,
        id,
        thread: None,
        subject,
        place,
        texts,
        email: None,
        ip: None,
    };
    // With what has nothing in it: the end of a part does not depend on that.
    let rows: Vec<(Uuid, Option<Tried>)> = match source {
        Source::Messages => {
            let rows = store::messages(conn, after, PART).await?;
            let one = |row: store::TriedMessage| {
                let sender = row.sender_id.filter(|_| row.kind == MessageKind::Text);
                let found = sender.map(|sender| Tried {
                    thread: Some((row.thread_id, row.created_at)),
                    ..tried(ReportTarget::Message, row.id.0, sender, RulePlace::Messages, vec![row.content])
                });
                (row.id.0, found)
            };
            rows.into_iter().map(one).collect()
        }
        Source::Services => {
            let rows = store::services(conn, after, PART).await?;
            let one = |row: store::TriedService| {
                let tags: Vec<String> = serde_json::from_str(&row.tags).unwrap_or_default();
                let texts = [row.title, row.description].into_iter().chain(tags).collect();
                (row.id.0, Some(tried(ReportTarget::Service, row.id.0, row.worker_id, RulePlace::Services, texts)))
            };
            rows.into_iter().map(one).collect()
        }
        Source::Reviews => {
            let rows = store::reviews(conn, after, PART).await?;
            let one = |row: store::TriedReview| {
                let texts = std::iter::once(row.content).chain(row.reply).collect();
                (row.id.0, Some(tried(ReportTarget::Review, row.id.0, row.author_id, RulePlace::Reviews, texts)))
            };
            rows.into_iter().map(one).collect()
        }
        Source::Users => {
            let rows = store::users(conn, after, PART).await?;
            let one = |row: store::TriedUser| {
                let texts = std::iter::once(row.name).chain(row.headline).chain(row.about).collect();
                let found = Tried {
                    email: row.email,
                    ip: row.ip.and_then(|ip| ip.parse().ok()),
                    ..tried(ReportTarget::User, row.id.0, row.id, RulePlace::Profiles, texts)
                };
                (row.id.0, Some(found))
            };
            rows.into_iter().map(one).collect()
        }
        Source::Offers => return offers(conn, after).await,
    };
    let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows == PART);
    let last = rows.last().map(|(id, _)| *id).filter(|_| is_full);
    Ok((rows.into_iter().filter_map(|(_, row)| row).collect(), last))
}

/// Reads what was written about the next jobs, like [`part`].
async fn offers(conn: &mut Conn<'_>, after: Uuid) -> Result<(Vec<Tried>, Option<Uuid>)> {
    let last = store::last_job(conn, after, JOBS).await?;
    let Some(upto) = last else { return Ok((Vec::new(), None)) };
    let one = |row: store::TriedOffer| Tried {
        kind: ReportTarget::Thread,
        id: row.thread_id.0,
        thread: Some((row.thread_id, row.at)),
        subject: row.author_id,
        place: RulePlace::Offers,
        texts: [row.first, row.second].into_iter().flatten().collect(),
        email: None,
        ip: None,
    };
    let rows = store::offers(conn, after, upto).await?;
    Ok((rows.into_iter().map(one).collect(), Some(upto.0)))
}

fn catches(rule: &Rule, compiled: &Compiled, row: &Tried) -> bool {
    match rule.kind {
        RuleKind::BlockedDomain => row.email.as_deref().is_some_and(|email| domains(email).contains(&rule.value)),
        RuleKind::IpRange => row.ip.is_some_and(|ip| !compiled.of_address(ip).is_empty()),
        RuleKind::ContactDetails | RuleKind::Words => {
            row.texts.iter().any(|text| !compiled.broken_by(row.place, text).is_empty())
        }
    }
}

/// Leaves out the messages that came after a job was agreed in their thread.
async fn leave_agreed(conn: &mut Conn<'_>, caught: &mut Vec<Tried>) -> Result<()> {
    let mut threads: Vec<ThreadId> = caught.iter().filter_map(|row| row.thread.map(|(thread, _)| thread)).collect();
    threads.sort_unstable();
    threads.dedup();
    if threads.is_empty() {
        return Ok(());
    }
    let agreed: std::collections::HashMap<_, _> = store::agreed(conn, &threads).await?.into_iter().collect();
    let is_free = |(thread, at): (ThreadId, Timestamp)| agreed.get(&thread).is_some_and(|since| *since <= at);
    caught.retain(|row| !row.thread.is_some_and(is_free));
    Ok(())
}

fn example(rule: &Rule, compiled: &Compiled, row: &Tried) -> RuleExample {
    let excerpt = match rule.kind {
        RuleKind::BlockedDomain => row.email.clone().unwrap_or_default(),
        RuleKind::IpRange => row.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        RuleKind::ContactDetails | RuleKind::Words => {
            let text = row.texts.iter().find(|text| !compiled.broken_by(row.place, text).is_empty());
            text.map(|text| excerpt(text, |part| !compiled.broken_by(row.place, part).is_empty())).unwrap_or_default()
        }
    };
    let thread_id = row.thread.map(|(thread, _)| thread);
    RuleExample { target_kind: row.kind, target_id: row.id, thread_id, subject_id: row.subject, excerpt }
}

/// Returns the part of a long text that a rule is about, or its beginning.
fn excerpt(text: &str, is_caught: impl Fn(&str) -> bool) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= EXCERPT {
        return text.to_owned();
    }
    let parts = (0..characters.len()).step_by(EXCERPT / 2);
    let mut parts = parts.map(|from| characters.iter().skip(from).take(EXCERPT).collect::<String>());
    parts.find(|part| is_caught(part)).unwrap_or_else(|| characters.iter().take(EXCERPT).collect())
}
