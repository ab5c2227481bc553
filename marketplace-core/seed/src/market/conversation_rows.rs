//! The market as rows of the tables.

use std::time::Duration;

use marketplace_core::{
    base::{
        ids::{JobId, ThreadId, UserId},
        money::Money,
        permission::Role,
        principal::Principal,
        time::Timestamp,
    },
    jobs::{
        self,
        model::{JobAction, JobReason, JobStatus, Side},
        transitions,
    },
    messaging::{
        self,
        model::{AccessReason, CloseReason, JobNotice, MessageKind, RemovalReason, ThreadStatus},
    },
    notifications::model::NotificationKind,
    platform::db::bulk::Value,
    records::{
        audit::{AuditAction, Entry},
        target::TargetKind,
    },
};
use marketplace_people::people::person;
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde_json::json;
use uuid::Uuid;

use super::{
    batch::Batch,
    columns::{FLAGS, HISTORY, JOBS, MESSAGES, OFFERS, REVIEWS, THREADS},
    conversation_plan::{ConversationPlan, Tone},
    job_timeline::{Job, Review, Step},
    phrases,
    plan_index::{PlanIndex, Purpose, Thread, rng, uuid},
    service_text::{self, Place, Trade, Ware},
    transcript::{Said, Scene, What},
    words::{Lines, Words},
};
use crate::{
    history::PastAction,
    notices::{NOTIFICATIONS, Notices},
    tables::Table,
    users::Users,
};

/// Conversations with all that belongs to them, by table.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub threads: Vec<Vec<Value>>,
    pub messages: Vec<Vec<Value>>,
    pub jobs: Vec<Vec<Value>>,
    pub offers: Vec<Vec<Value>>,
    pub history: Vec<Vec<Value>>,
    pub reviews: Vec<Vec<Value>>,
    pub flags: Vec<Vec<Value>>,
    pub notifications: Vec<Vec<Value>>,
    /// Blocks: who, whom and when.
    pub blocks: Vec<(UserId, UserId, Timestamp)>,
    /// Past actions of staff, in a demonstration.
    pub past_actions: Vec<PastAction>,
}

impl Rows {
    /// Returns the tables in an order in which no row refers to a later one.
    pub fn batch(self) -> Batch {
        let tables = vec![
            Table::new("threads", THREADS, self.threads),
            Table::new("messages", MESSAGES, self.messages),
            Table::new("jobs", JOBS, self.jobs),
            Table::new("job_offers", OFFERS, self.offers),
            Table::new("job_history", HISTORY, self.history),
            Table::new("reviews", REVIEWS, self.reviews),
            Table::new("review_flags", FLAGS, self.flags),
            Table::new("notifications", NOTIFICATIONS, self.notifications),
        ];
        Batch { tables, blocks: self.blocks, past_actions: self.past_actions, ..Batch::default() }
    }
}

/// The data that the rows of one conversation share.
pub(super) struct Conversation<'a> {
    pub plan: &'a PlanIndex,
    pub cast: &'a Users,
    pub now: Timestamp,
    pub id: Uuid,
    pub service_id: Uuid,
    pub client: UserId,
    pub worker: UserId,
    pub place: &'static Place,
    pub trade: &'static Trade,
    pub ware: usize,
}

/// The price of a job, offer by offer.
struct Deal {
    id: Uuid,
    amounts: Vec<i64>,
}

impl Conversation<'_> {
    fn party(&self, side: Side) -> Option<UserId> {
        match side {
            Side::Client => Some(self.client),
            Side::Worker => Some(self.worker),
            Side::Staff | Side::System => None,
        }
    }

    fn other(&self, side: Side) -> UserId {
        if side == Side::Client { self.worker } else { self.client }
    }

    fn money(&self, amount: i64) -> Money {
        Money::new(amount, self.place.currency)
    }

    /// Adds a conversation's rows. `texts` is how many messages the two participants write.
    pub fn rows(&self, number: u64, thread: &Thread, texts: usize, rows: &mut Rows) {
        let limits = self.plan.limits(thread, self.now);
        let outline = self.plan.outline(number, thread, self.now);
        let mut rng = rng(self.plan.seed, Purpose::Course, number);
        let ware = self.trade.wares.get(self.ware);
        let deals: Vec<Deal> = outline.jobs.iter().map(|job| self.deal(ware, job, &mut rng)).collect();
        let prices: Vec<String> =
            deals.iter().filter_map(|deal| deal.amounts.last().map(|a| self.money(*a).to_string())).collect();
        let service = self.plan.service(thread);
        let given = |index| {
            let person = person(self.plan.seed, index);
            person.given.split(' ').next().unwrap_or_default().to_owned()
        };
        let words = Words {
            place: self.place.name,
            worker: given(self.plan.worker(&service).index),
            client: given(self.plan.client(thread).index),
            price: prices.first().cloned().unwrap_or_else(|| self.hint(ware)),
            ..Words::default()
        };
        let scene = Scene {
            outline: &outline,
            limits: &limits,
            trade: self.trade,
            ware: self.ware,
            texts,
            words: words.clone(),
        };
        let said = scene.play(&prices, &mut rng);
        let mut words = words;
        self.jobs(&outline, &deals, &mut words, rows, &mut rng);
        self.messages((number, thread), &outline, said, &deals, rows, &mut rng);
        // From a source of its own: what is drawn for it changes nothing else.
        let mut rng = self::rng(self.plan.seed, Purpose::Notifications, number);
        for (job, deal) in outline.jobs.iter().zip(&deals) {
            self.notify_of_job(job, deal.id, rows, &mut rng);
        }
    }

    /// Adds what the two were notified of about a job, and its reminders that are still to come.
    fn notify_of_job(&self, job: &Job, id: Uuid, rows: &mut Rows, rng: &mut StdRng) {
        use NotificationKind as K;
        let notices = Notices { now: self.now };
        let Some(last) = job.steps.last().filter(|last| notices.keeps(last.at)) else { return };
        // What came before the newest two steps was read, and forgotten as there is so much of it.
        let newest = job.steps.get(job.steps.len().saturating_sub(2)..).unwrap_or_default();
        for side in [Side::Client, Side::Worker] {
            let Some(user) = self.party(side) else { continue };
            for step in newest.iter().filter(|step| step.side != side) {
                let kind = match step.action {
                    JobAction::Create => K::Offer,
                    JobAction::Offer => K::CounterOffer,
                    JobAction::Accept => K::OfferAccepted,
                    JobAction::Reject => K::JobRejected,
                    JobAction::Cancel => K::JobCancelled,
                    JobAction::Complete => K::JobCompleted,
                    JobAction::RequestChanges => K::ChangesRequested,
                    JobAction::Finalize => K::JobFinalized,
                };
                // Whoever went on with it has read it.
                let done = job.steps.iter().find(|next| next.at > step.at && next.side == side).map(|next| next.at);
                rows.notifications.extend(notices.row((user, kind, id), step.at, done, rng));
            }
            if last.to == JobStatus::Finalized {
                let done = job.reviews.iter().find(|review| review.side == side).map(|review| review.at);
                rows.notifications.extend(notices.row((user, K::ReviewDue, id), last.at, done, rng));
            }
            let due = transitions::due(last.to, last.at);
            let reminder = match last.to {
                JobStatus::Negotiating => due.map(|due| (K::NegotiationLapses, due - Duration::from_hours(24))),
                JobStatus::Completed if side == Side::Client => {
                    due.map(|due| (K::WorkFinalizes, due - Duration::from_hours(72)))
                }
                _ => None,
            };
            if let Some((kind, at)) = reminder {
                rows.notifications.extend(notices.row((user, kind, id), at, None, rng));
            }
        }
    }

    /// Returns the price before anybody has made an offer.
    fn hint(&self, ware: Option<&Ware>) -> String {
        let low = ware.map_or(50, |ware| ware.price.0);
        self.money(low * service_text::factor(self.place.currency) * 100).to_string()
    }

    fn deal(&self, ware: Option<&Ware>, job: &Job, rng: &mut StdRng) -> Deal {
        let (low, high) = ware.map_or((20, 60), |ware| ware.price);
        // Rates are per hour.
        let hours = if high <= 120 { rng.random_range(2..7) } else { 1 };
        let whole = rng.random_range(low..=high) * hours * service_text::factor(self.place.currency);
        let id = job.created_at().map_or_else(Uuid::nil, |at| uuid(at, rng));
        let offers =
            job.steps.iter().filter(|step| matches!(step.action, JobAction::Create | JobAction::Offer)).count();
        let mut amounts = Vec::with_capacity(offers);
        for offer in 0..offers {
            // Workers ask for more, clients offer less, and they meet.
            let percent = match (offer % 2, offer) {
                (0, 0) if offers > 1 => 85,
                (1, 1) => 110,
                _ => 100,
            };
            amounts.push((whole * percent / 500 * 5).max(5) * 100);
        }
        Deal { id, amounts }
    }

    fn jobs(&self, outline: &ConversationPlan, deals: &[Deal], words: &mut Words, rows: &mut Rows, rng: &mut StdRng) {
        let scope = self.trade.scopes.get(self.ware % self.trade.scopes.len().max(1)).copied().unwrap_or_default();
        let mut schedules = Lines::new(phrases::SCHEDULES, rng);
        for (job, deal) in outline.jobs.iter().zip(deals) {
            let (Some(first), Some(last)) = (job.steps.first(), job.steps.last()) else { continue };
            let (mut revision, mut offered_by, mut changes, mut from) = (0_usize, Side::Client, 0, None);
            for (entry, step) in (1_i64..).zip(&job.steps) {
                if matches!(step.action, JobAction::Create | JobAction::Offer) {
                    revision += 1;
                    offered_by = step.side;
                    words.next_day(rng);
                    let amount = deal.amounts.get(revision - 1).copied().unwrap_or(0);
                    let schedule = words.fill(schedules.next().unwrap_or_default());
                    rows.offers.push(vec![
                        Value::Id(deal.id),
                        Value::Int(number(revision)),
                        Value::Word(step.side.as_str()),
                        Value::Int(amount),
                        Value::Word(self.place.currency),
                        Value::Text(schedule),
                        Value::Word(scope),
                        Value::Time(step.at),
                    ]);
                }
                changes += i64::from(step.action == JobAction::RequestChanges);
                let actor = self.actor(step, deal.id, rows, rng).0;
                rows.history.push(vec![
                    Value::Id(deal.id),
                    Value::Int(entry),
                    Value::Word(step.action.as_str()),
                    Value::or_null(from, |from: JobStatus| Value::Word(from.as_str())),
                    Value::Word(step.to.as_str()),
                    Value::Word(step.side.as_str()),
                    Value::Text(actor),
                    Value::Int(number(revision)),
                    Value::or_null(step.reason, |reason| Value::Word(reason.as_str())),
                    Value::or_null(comment(step, rng), Value::Word),
                    Value::Int(entry),
                    Value::Time(step.at),
                ]);
                from = Some(step.to);
            }
            let due = transitions::due(last.to, last.at);
            rows.jobs.push(vec![
                Value::Id(deal.id),
                Value::Id(self.id),
                Value::Id(self.service_id),
                Value::Id(self.client.0),
                Value::Id(self.worker.0),
                Value::Word(last.to.as_str()),
                Value::Int(number(revision)),
                Value::Word(offered_by.as_str()),
                Value::Int(deal.amounts.last().copied().unwrap_or(0)),
                Value::Word(self.place.currency),
                Value::Int(changes),
                Value::Int(number(job.steps.len())),
                Value::or_null(due, Value::Time),
                Value::or_null(Some(last.at).filter(|_| last.to == JobStatus::Finalized), Value::Time),
                Value::Int(number(job.steps.len())),
                Value::Time(first.at),
                Value::Time(last.at),
            ]);
            for review in &job.reviews {
                self.review(deal.id, review, words, rows, rng);
            }
        }
    }

    /// Returns the principal of a step, for the history; steps of staff also write a row to the audit log.
    fn actor(&self, step: &Step, job: Uuid, rows: &mut Rows, rng: &mut StdRng) -> Principal {
        if step.side != Side::Staff {
            return self.party(step.side).map_or_else(Principal::system, Principal::user);
        }
        // Only admins cancel completed work.
        let cancels = step.action == JobAction::Cancel;
        let by = self.cast.some_staff(if cancels { Role::Admin } else { Role::Support }, rng);
        let action = if cancels { AuditAction::JobsCancel } else { AuditAction::JobsFinalize };
        let facts = json!({ "client": self.client, "worker": self.worker });
        self.did(rows, (step.at, by), action, (TargetKind::Job, job), step.reason.map(JobReason::as_str), facts);
        self.cast.staff(by)
    }

    /// Writes an action of staff to the audit log, in a demonstration.
    fn did(
        &self,
        rows: &mut Rows,
        (at, by): (Timestamp, usize),
        action: AuditAction,
        (target_kind, target): (TargetKind, Uuid),
        reason: Option<&str>,
        metadata: serde_json::Value,
    ) {
        if self.plan.demo {
            let reason = reason.map(str::to_owned);
            let entry = Entry { action, target_kind, target: target.to_string(), reason, metadata };
            rows.past_actions.push(PastAction::of_staff(at, by, entry));
        }
    }

    fn review(&self, job: Uuid, review: &Review, words: &Words, rows: &mut Rows, rng: &mut StdRng) {
        let id = uuid(review.at, rng);
        let good = usize::from(review.rating < 4) + usize::from(review.rating < 3);
        let of_workers = [self.trade.good, self.trade.middling, self.trade.bad];
        let texts = if review.side == Side::Client { of_workers } else { phrases::OF_CLIENTS };
        let content = words.fill(texts.get(good).and_then(|texts| texts.choose(rng)).copied().unwrap_or_default());
        let reply = review.reply_at.and_then(|_| phrases::REPLIES.get(usize::from(review.rating < 4))?.choose(rng));
        // The subject replies to the author.
        let mut answer = words.clone();
        if review.side == Side::Worker {
            answer.client.clone_from(&words.worker);
        }
        let author = self.party(review.side);
        let subject = self.other(review.side);
        let open = review.flag.filter(|flag| flag.dismissed_at.is_none() && review.removed.is_none());
        let decided = review.removed.map(|(_, at)| at).or(review.flag.and_then(|flag| flag.dismissed_at));
        let changes = [review.published_at, review.reply_at, review.flag.map(|flag| flag.at), decided];
        let notices = Notices { now: self.now };
        let mut told = self::rng(self.plan.seed, Purpose::Notifications, id.as_u64_pair().1);
        if let Some(at) = review.published_at {
            let what = (subject, NotificationKind::ReviewPublished, id);
            rows.notifications.extend(notices.row(what, at, review.reply_at, &mut told));
        }
        if let (Some(at), Some(author)) = (review.reply_at, author) {
            let what = (author, NotificationKind::ReviewReply, id);
            rows.notifications.extend(notices.row(what, at, None, &mut told));
        }
        rows.reviews.push(vec![
            Value::Id(id),
            Value::Id(job),
            Value::Word(review.side.as_str()),
            Value::or_null(author, |author| Value::Id(author.0)),
            Value::Id(subject.0),
            Value::Int(i64::from(review.rating)),
            Value::Text(content),
            Value::Word(review.status.as_str()),
            Value::Time(review.closes_at),
            Value::or_null(review.published_at, Value::Time),
            Value::or_null(reply, |reply| Value::Text(answer.fill(reply))),
            Value::or_null(review.reply_at, Value::Time),
            Value::or_null(review.removed, |(reason, _)| Value::Word(reason.as_str())),
            Value::or_null(review.removed.and(phrases::STAFF_NOTES.choose(rng)), |note| Value::Word(note)),
            Value::Int(i64::from(open.is_some())),
            Value::or_null(open, |flag| Value::Time(flag.at)),
            Value::Int(1 + number(changes.iter().flatten().count())),
            Value::Time(review.at),
            Value::Time(changes.into_iter().flatten().fold(review.at, Ord::max)),
        ]);
        if let Some(at) = decided {
            let facts = json!({ "job": job, "author": author, "subject": subject });
            let (action, reason) = match review.removed {
                Some((reason, _)) => (AuditAction::ReviewsRemove, Some(reason.as_str())),
                None => (AuditAction::ReviewsDismiss, None),
            };
            let by = self.cast.some_staff(Role::Support, rng);
            self.did(rows, (at, by), action, (TargetKind::Review, id), reason, facts);
        }
        if let Some(flag) = review.flag {
            let dismissed = flag.dismissed_at.or(review.removed.map(|(_, at)| at));
            rows.flags.push(vec![
                Value::Id(id),
                Value::Id(subject.0),
                Value::Word(flag.reason.as_str()),
                Value::or_null(phrases::FLAG_COMMENTS.choose(rng).filter(|_| rng.random_bool(0.7)), |said| {
                    Value::Word(said)
                }),
                Value::or_null(dismissed, Value::Time),
                Value::Time(flag.at),
            ]);
        }
    }

    /// Staff read a thread that somebody complained about, close it, and take a message from it.
    fn staff_step_in(
        &self,
        outline: &ConversationPlan,
        thread: &Thread,
        closed: Option<CloseReason>,
        taken: Option<(Timestamp, Uuid, i64)>,
        rows: &mut Rows,
        rng: &mut StdRng,
    ) {
        let Some(at) = outline.staff_at else { return };
        let by = self.cast.some_staff(Role::Support, rng);
        let (about, facts) = ((TargetKind::Thread, self.id), json!({ "client": self.client, "worker": self.worker }));
        let read = at.max(thread.start + Duration::from_mins(9)) - Duration::from_mins(4);
        let reason = Some(AccessReason::Complaint.as_str());
        self.did(rows, (read, by), AuditAction::ThreadsRead, about, reason, json!({}));
        if closed == Some(CloseReason::Abuse) {
            self.did(rows, (at, by), AuditAction::ThreadsClose, about, Some(CloseReason::Abuse.as_str()), facts);
        }
        if let Some((at, message, seq)) = taken {
            let abusive = outline.tone == Tone::Abusive;
            let reason = if abusive { RemovalReason::Abuse } else { RemovalReason::ContactDetails };
            let (about, facts) = ((TargetKind::Message, message), json!({ "thread": self.id, "seq": seq }));
            self.did(rows, (at, by), AuditAction::MessagesRemove, about, Some(reason.as_str()), facts);
        }
    }

    /// Adds the notification of unread messages, where there are some of the other side.
    fn notify_of_messages(&self, read_until: [(Side, i64); 2], texts: &[(usize, Side, Timestamp)], rows: &mut Rows) {
        let mut told = self::rng(self.plan.seed, Purpose::Notifications, self.id.as_u64_pair().1);
        for (side, read) in read_until {
            let unread = usize::try_from(read).unwrap_or(0);
            // The first one after what was read, if it is of the other side's.
            if let (Some(user), Some(at)) =
                (self.party(side), texts.iter().find(|(seq, by, _)| *seq > unread && *by != side))
            {
                let notices = Notices { now: self.now };
                if notices.keeps(at.2) {
                    let what = (user, NotificationKind::Message, self.id);
                    rows.notifications.push(notices.with(what, at.2, None, &mut told));
                }
            }
        }
    }

    fn messages(
        &self,
        (number_, thread): (u64, &Thread),
        outline: &ConversationPlan,
        said: Vec<Said>,
        deals: &[Deal],
        rows: &mut Rows,
        rng: &mut StdRng,
    ) {
        let last_at = said.last().map_or(thread.start, |said| said.at);
        let last = number(said.len());
        // For whom each message, by number, is nothing new: read pointers and unread counts are derived from it.
        let mut writers: Vec<Option<Side>> = Vec::with_capacity(said.len());
        // The message that staff removed: when, and which.
        let mut taken: Option<(Timestamp, Uuid, i64)> = None;
        // What the two wrote: number, side and time.
        let mut texts: Vec<(usize, Side, Timestamp)> = Vec::with_capacity(said.len());
        for (seq, said) in (1_i64..).zip(said) {
            let removed = outline.staff_at.filter(|_| said.removed);
            let reason =
                if outline.tone == Tone::Abusive { RemovalReason::Abuse } else { RemovalReason::ContactDetails };
            let cause = match said.what {
                What::Text(side, _) => Some(side),
                What::Notice(_) => None,
                What::Step(job, step) => {
                    outline.jobs.get(job).and_then(|job| job.steps.get(step)).map(|step| step.side)
                }
            };
            let (kind, side, content, data) = match said.what {
                What::Text(side, content) => (MessageKind::Text, Some(side), Value::Text(content), None),
                What::Notice(content) => (MessageKind::Notice, None, Value::Word(content), None),
                What::Step(job, step) => {
                    let (content, data) = self.notice(outline, deals, (job, step)).unwrap_or_default();
                    (MessageKind::Job, None, Value::Text(content), Some(data))
                }
            };
            writers.push(cause);
            texts.extend(side.map(|side| (writers.len(), side, said.at)));
            let id = uuid(said.at, rng);
            taken = taken.or(removed.map(|at| (at, id, seq)));
            let print = match (&content, side) {
                (Value::Text(text), Some(_)) => Value::Bytes(messaging::fingerprint(ThreadId(self.id), text, &[])),
                _ => Value::Null,
            };
            let own_name = side.map(|_| format!("s{}.{number_:x}.{seq:x}", self.plan.seed));
            rows.messages.push(vec![
                Value::Id(self.id),
                Value::Int(seq),
                Value::Id(id),
                Value::Word(kind.as_str()),
                Value::or_null(side.and_then(|side| self.party(side)), |user| Value::Id(user.0)),
                content,
                Value::or_null(own_name, Value::Text),
                print,
                Value::or_null(data, Value::Text),
                Value::or_null(removed, |_| Value::Word(reason.as_str())),
                Value::or_null(removed, |_| Value::Word("Seen while looking into a complaint.")),
                Value::or_null(removed, Value::Time),
                Value::Time(said.at),
            ]);
        }
        let quiet = self.now.since(last_at) > Duration::from_hours(14 * 24);
        let pointers = [Side::Client, Side::Worker].map(|side| {
            let own = writers.iter().rposition(|writer| *writer == Some(side)).map_or(0, |at| number(at + 1));
            let read = if rng.random_range(0..100) < if quiet { 96 } else { 60 } {
                last
            } else {
                rng.random_range(own..=last)
            };
            let after = usize::try_from(read).unwrap_or(0);
            (read, number(writers.iter().skip(after).filter(|writer| **writer != Some(side)).count()))
        });
        let [client, worker] = pointers;
        self.notify_of_messages([(Side::Client, client.0), (Side::Worker, worker.0)], &texts, rows);
        let rejected = outline.jobs.iter().any(|job| job.status() == JobStatus::Rejected);
        let closed = match (rejected, outline.tone, outline.staff_at) {
            (true, ..) => Some(CloseReason::JobRejected),
            (_, Tone::Abusive, Some(_)) => Some(CloseReason::Abuse),
            _ => None,
        };
        let note = phrases::STAFF_NOTES.choose(rng).filter(|_| closed == Some(CloseReason::Abuse));
        let status = if closed.is_some() { ThreadStatus::Closed } else { ThreadStatus::Open };
        rows.threads.push(vec![
            Value::Id(self.id),
            Value::Id(self.service_id),
            Value::Id(self.client.0),
            Value::Id(self.worker.0),
            Value::Word(status.as_str()),
            Value::or_null(closed, |reason| Value::Word(reason.as_str())),
            Value::or_null(note, |note| Value::Word(note)),
            Value::Int(last),
            Value::Time(last_at),
            Value::Int(client.0),
            Value::Int(worker.0),
            Value::Int(client.1),
            Value::Int(worker.1),
            Value::Int(1 + i64::from(closed.is_some())),
            Value::Time(thread.start),
        ]);
        self.staff_step_in(outline, thread, closed, taken, rows, rng);
        if outline.tone == Tone::Abusive && rng.random_ratio(2, 3) {
            rows.blocks.push((self.worker, self.client, (last_at + Duration::from_mins(3)).min(self.now)));
        }
    }

    /// Returns the thread's notice of a step of a job: for people, and for programs.
    fn notice(
        &self,
        outline: &ConversationPlan,
        deals: &[Deal],
        (job, step): (usize, usize),
    ) -> Option<(String, String)> {
        let (deal, steps) = (deals.get(job)?, &outline.jobs.get(job)?.steps);
        let row = steps.get(step)?;
        let offers = steps.iter().take(step + 1);
        let revision = offers.filter(|step| matches!(step.action, JobAction::Create | JobAction::Offer)).count();
        let price = self.money(deal.amounts.get(revision.checked_sub(1)?).copied()?);
        let text = jobs::notice((row.side, row.action), number(revision), &price, row.reason);
        let job = JobNotice {
            id: JobId(deal.id),
            action: row.action,
            from: step.checked_sub(1).and_then(|before| steps.get(before)).map(|before| before.to),
            to: row.to,
            side: row.side,
            revision: number(revision),
            reason: row.reason,
        };
        Some((text, json!({ "job": job }).to_string()))
    }
}

/// Returns the comment on a step.
fn comment(step: &Step, rng: &mut StdRng) -> Option<&'static str> {
    let lines: &[&str] = match (step.side, step.action) {
        (Side::Staff, _) => phrases::STAFF_NOTES,
        (_, JobAction::RequestChanges) => {
            &["One corner is still missing.", "Please look at the list again.", "Not as in the offer yet."]
        }
        (Side::Client | Side::Worker, JobAction::Cancel | JobAction::Reject) => {
            &["Sorry, it does not work out.", "As I wrote above.", "Next time, gladly."]
        }
        _ => return None,
    };
    lines.choose(rng).copied()
}

fn number(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}
