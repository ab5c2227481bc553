//! Threads, jobs and reviews, made up, with the rules that matter to the console.

use std::time::Duration;

use marketplace_core::{
    base::{
        change::{Change, Changed},
        principal::Principal,
    },
    error::{Error, Result},
    ids::{JobId, MessageId, ReviewId, ServiceId, ThreadId},
    jobs::model::{
        HistoryRow, JobAction, JobDetail, JobFilter, JobReason, JobStatus, JobSummary, OfferView, Side, StaffJobAction,
    },
    messaging::model::{
        MessageKind, MessagePage, MessagesQuery, RemovalReason, StaffMessage, ThreadAction, ThreadFilter, ThreadInfo,
        ThreadStatus,
    },
    money::Money,
    reviews::model::{Flag, FlagReason, ReviewAction, ReviewDetail, ReviewFilter, ReviewStatus, ReviewSummary},
    time::Timestamp,
};

use super::{NAMES, State, id, job_id, message_id, review_id, thread_id, user_id};

/// Made-up threads, what was said, agreed and thought.
pub struct Market {
    pub threads: Vec<ThreadInfo>,
    pub messages: Vec<StaffMessage>,
    pub jobs: Vec<JobDetail>,
    pub reviews: Vec<ReviewDetail>,
}

const TITLES: [&str; 6] =
    ["Fix a leaking tap", "Paint the hall", "Move a piano", "Maths lessons", "Mow the lawn", "Repair a bicycle"];
/// The first thread, as it was said.
const SAID: [(MessageKind, usize, &str); 5] = [
    (MessageKind::Text, 4, "Hi, are you free on Friday?"),
    (MessageKind::Text, 0, "Yes, after 3 pm. 60.00 EUR"),
    (MessageKind::Job, 0, "job 00000000 negotiating → accepted (offer 2, 55.00 EUR)"),
    (MessageKind::Text, 0, "Pay me outside the app: +44 20 7183 8750 or ada@mail.example.org"),
    (MessageKind::Text, 4, "I would rather not. See you on Friday."),
];
/// Messages of the second thread: several pages.
pub const MANY: usize = 130;

fn client(thread: usize) -> usize {
    if thread.is_multiple_of(2) { 4 } else { 9 }
}

pub fn message(number: usize, thread: usize, seq: usize, sender: usize, content: &str, at: Timestamp) -> StaffMessage {
    StaffMessage {
        id: message_id(number),
        thread_id: thread_id(thread),
        seq: i64::try_from(seq).unwrap(),
        kind: MessageKind::Text,
        sender_id: Some(user_id(sender)),
        sender_name: Some(NAMES[sender].replace('•', "")),
        content: content.into(),
        attachments: vec![],
        removed: None,
        at,
    }
}

impl Market {
    pub fn new(now: Timestamp) -> Self {
        let ago = |minutes: usize| now - Duration::from_secs(minutes as u64 * 60);
        let mut messages = Vec::new();
        for (at, (kind, sender, content)) in SAID.iter().enumerate() {
            let mut said = message(at, 0, at + 1, *sender, content, ago(40 - at * 3));
            said.kind = *kind;
            if *kind != MessageKind::Text {
                (said.sender_id, said.sender_name) = (None, None);
            }
            messages.push(said);
        }
        for at in 0..MANY {
            let sender = if at.is_multiple_of(3) { 9 } else { 1 };
            messages.push(message(100 + at, 1, at + 1, sender, &format!("line {}", at + 1), ago(600 - at * 2)));
        }
        let threads: Vec<_> = (0..8)
            .map(|at| {
                let last_seq = messages.iter().filter(|message| message.thread_id == thread_id(at)).count();
                ThreadInfo {
                    id: thread_id(at),
                    service_id: ServiceId(id(8, at)),
                    title: TITLES[at % TITLES.len()].into(),
                    client_id: user_id(client(at)),
                    client_name: NAMES[client(at)].into(),
                    worker_id: user_id(at % 4),
                    worker_name: NAMES[at % 4].into(),
                    status: if at % 4 == 3 { ThreadStatus::Closed } else { ThreadStatus::Open },
                    closed_reason: (at % 4 == 3).then_some(marketplace_core::messaging::model::CloseReason::Abuse),
                    note: None,
                    last_seq: i64::try_from(last_seq).unwrap(),
                    last_at: ago(28 + at * 50),
                    created_at: ago(700 + at * 90),
                    version: 1,
                }
            })
            .collect();
        let jobs: Vec<_> = (0..12).map(|at| job(at, &threads[at % 8], &ago)).collect();
        let reviews = (0..6).map(|at| review(at, &jobs[3 + at % 3], &ago)).collect();
        Self { threads, messages, jobs, reviews }
    }
}

fn job(at: usize, thread: &ThreadInfo, ago: &dyn Fn(usize) -> Timestamp) -> JobDetail {
    use JobAction as A;
    use JobStatus as S;
    let status = JobStatus::ALL[at % JobStatus::ALL.len()];
    let (client, worker) = (Principal::user(thread.client_id), Principal::user(thread.worker_id));
    let mut steps = vec![(A::Create, S::Negotiating, Side::Client), (A::Offer, S::Negotiating, Side::Worker)];
    match status {
        S::Negotiating => {}
        S::Rejected => steps.push((A::Reject, S::Rejected, Side::Worker)),
        S::Cancelled => steps.push((A::Cancel, S::Cancelled, Side::System)),
        _ => {
            steps.push((A::Accept, S::Accepted, Side::Client));
            if status != S::Accepted {
                steps.push((A::Complete, S::Completed, Side::Worker));
            }
            if status == S::Finalized {
                steps.push((A::Finalize, S::Finalized, Side::Client));
            }
        }
    }
    let began = 3_000 + at * 300;
    let history: Vec<_> = (1..)
        .zip(&steps)
        .scan(None, |before, (entry, (action, to, side))| {
            let row = HistoryRow {
                entry,
                action: *action,
                from: before.replace(*to),
                to: *to,
                side: *side,
                actor: match side {
                    Side::Client => client.clone(),
                    Side::Worker => worker.clone(),
                    _ => Principal("system".into()),
                },
                revision: entry.min(2),
                reason: match to {
                    S::Rejected => Some(JobReason::Price),
                    S::Cancelled => Some(JobReason::Expired),
                    _ => None,
                },
                comment: (*to == S::Rejected).then(|| "too little for the way".into()),
                version: entry,
                at: ago(began - usize::try_from(entry).unwrap() * 120),
            };
            Some(row)
        })
        .collect();
    let offer = |revision: i64, by, amount| OfferView {
        revision,
        by,
        price: Money::new(amount, "EUR"),
        schedule: "Friday after 3 pm".into(),
        scope: "Replace the washer of the kitchen tap, and see whether the pipe holds".into(),
        at: ago(began - usize::try_from(revision).unwrap() * 120),
    };
    let price = 5_500 + i64::try_from(at).unwrap() * 1_250;
    JobDetail {
        job: JobSummary {
            id: job_id(at),
            thread_id: thread.id,
            service_id: thread.service_id,
            title: thread.title.clone(),
            client_id: thread.client_id,
            client_name: thread.client_name.clone(),
            worker_id: thread.worker_id,
            worker_name: thread.worker_name.clone(),
            status,
            price: Money::new(price, "EUR"),
            revision: 2,
            created_at: history[0].at,
            updated_at: history.last().unwrap().at,
            due_at: status.is_live().then(|| ago(0) + Duration::from_secs(3 * 86_400)),
            version: i64::try_from(history.len()).unwrap(),
        },
        change_requests: 0,
        offers: vec![offer(2, Side::Worker, price), offer(1, Side::Client, price - 500)],
        history,
        actions: match status {
            S::Negotiating | S::Accepted => vec![A::Cancel],
            S::Completed => vec![A::Finalize, A::Cancel],
            _ => vec![],
        },
    }
}

fn review(at: usize, job: &JobDetail, ago: &dyn Fn(usize) -> Timestamp) -> ReviewDetail {
    let job = &job.job;
    let texts = ["Came late and shouted at my mother.", "Quick and tidy, thank you!", "Never paid what we agreed."];
    let mut review = ReviewSummary {
        id: review_id(at),
        job_id: job.id,
        side: Side::Client,
        author_id: job.client_id,
        author_name: job.client_name.clone(),
        subject_id: job.worker_id,
        subject_name: job.worker_name.clone(),
        rating: [1, 5, 2][at % 3],
        content: texts[at % 3].into(),
        status: if at == 4 { ReviewStatus::Removed } else { ReviewStatus::Published },
        flags: if at < 3 { 2 } else { 0 },
        removed: (at == 4).then_some(RemovalReason::Abuse),
        created_at: ago(900 + at * 40),
        published_at: Some(ago(800 + at * 40)),
        version: 1,
    };
    let counterpart = (at == 0).then(|| ReviewSummary {
        id: review_id(100),
        side: Side::Worker,
        author_id: job.worker_id,
        author_name: job.worker_name.clone(),
        subject_id: job.client_id,
        subject_name: job.client_name.clone(),
        rating: 4,
        content: "Friendly, but nobody was at home at the agreed time.".into(),
        status: ReviewStatus::Published,
        flags: 0,
        ..review.clone()
    });
    if at % 3 == 2 {
        std::mem::swap(&mut review.author_id, &mut review.subject_id);
        std::mem::swap(&mut review.author_name, &mut review.subject_name);
        review.side = Side::Worker;
    }
    let flag = |reason, comment: Option<&str>, minutes| Flag {
        user_id: user_id(5),
        reason,
        comment: comment.map(Into::into),
        at: ago(minutes),
        dismissed_at: None,
    };
    ReviewDetail {
        flags: if at < 3 {
            vec![flag(FlagReason::Abuse, None, 30), flag(FlagReason::False, Some("I was on time"), 90)]
        } else {
            vec![]
        },
        note: None,
        reply: (at == 0).then(|| "I was stuck in traffic, and said so.".into()),
        counterpart,
        review,
    }
}

impl State {
    pub fn job(&mut self, id: JobId) -> Result<&mut JobDetail> {
        self.jobs.iter_mut().find(|job| job.job.id == id).ok_or_else(|| Error::not_found("job"))
    }
    pub fn thread(&mut self, id: ThreadId) -> Result<&mut ThreadInfo> {
        self.threads.iter_mut().find(|thread| thread.id == id).ok_or_else(|| Error::not_found("thread"))
    }
    pub fn review(&mut self, id: ReviewId) -> Result<&mut ReviewDetail> {
        self.reviews.iter_mut().find(|review| review.review.id == id).ok_or_else(|| Error::not_found("review"))
    }
    pub fn jobs_matching(&self, filter: &JobFilter) -> Vec<JobSummary> {
        let rows = self.jobs.iter().map(|job| &job.job).filter(|job| {
            filter.status.is_none_or(|status| status == job.status)
                && filter.user_id.is_none_or(|user| user == job.client_id || user == job.worker_id)
                && filter.thread_id.is_none_or(|thread| thread == job.thread_id)
        });
        rows.cloned().collect()
    }
    pub fn threads_matching(&self, filter: &ThreadFilter) -> Vec<ThreadInfo> {
        let rows = self.threads.iter().filter(|thread| {
            filter.status.is_none_or(|status| status == thread.status)
                && filter.user_id.is_none_or(|user| user == thread.client_id || user == thread.worker_id)
                && filter.service_id.is_none_or(|service| service == thread.service_id)
        });
        rows.cloned().collect()
    }
    pub fn reviews_matching(&self, filter: &ReviewFilter) -> Vec<ReviewSummary> {
        let rows = self.reviews.iter().map(|review| &review.review).filter(|review| {
            (!filter.flagged || review.flags > 0)
                && filter.status.is_none_or(|status| status == review.status)
                && filter.subject_id.is_none_or(|user| user == review.subject_id)
                && filter.author_id.is_none_or(|user| user == review.author_id)
        });
        rows.cloned().collect()
    }

    pub fn act_on_job(
        &mut self,
        id: JobId,
        action: &StaffJobAction,
        change: &Change,
        now: Timestamp,
    ) -> Result<Changed<JobDetail>> {
        let job = self.job(id)?;
        if change.if_version.is_some_and(|version| version != job.job.version) {
            return Err(Error::stale(job.job.version));
        }
        let (kind, to, reason) = match action {
            StaffJobAction::Cancel { reason } => (JobAction::Cancel, JobStatus::Cancelled, Some(*reason)),
            StaffJobAction::Finalize => (JobAction::Finalize, JobStatus::Finalized, None),
        };
        if job.job.status == to {
            return Ok(Changed { changed: false, item: job.clone() });
        }
        if !job.actions.contains(&kind) {
            return Err(Error::conflict(format!("the job is {}", job.job.status), job.job.status));
        }
        let last = job.history.last().unwrap().clone();
        job.history.push(HistoryRow {
            entry: last.entry + 1,
            action: kind,
            from: Some(job.job.status),
            to,
            side: Side::Staff,
            actor: Principal("local:sam@desk".into()),
            reason,
            comment: change.note.clone(),
            version: last.version + 1,
            at: now,
            ..last
        });
        job.job.status = to;
        job.job.version += 1;
        job.job.due_at = None;
        job.actions.clear();
        Ok(Changed { changed: true, item: job.clone() })
    }

    pub fn act_on_thread(
        &mut self,
        id: ThreadId,
        action: &ThreadAction,
        change: &Change,
    ) -> Result<Changed<ThreadInfo>> {
        let thread = self.thread(id)?;
        if change.if_version.is_some_and(|version| version != thread.version) {
            return Err(Error::stale(thread.version));
        }
        let (status, reason) = match action {
            ThreadAction::Close { reason } => (ThreadStatus::Closed, Some(*reason)),
            ThreadAction::Reopen => (ThreadStatus::Open, None),
        };
        let changed = thread.status != status;
        if changed {
            (thread.status, thread.closed_reason, thread.note) = (status, reason, change.note.clone());
            thread.version += 1;
        }
        Ok(Changed { changed, item: thread.clone() })
    }

    pub fn messages_of(&mut self, id: ThreadId, query: &MessagesQuery) -> Result<MessagePage<StaffMessage>> {
        self.thread(id)?;
        let limit = usize::from(query.limit.unwrap_or(50));
        let all: Vec<_> = self.messages.iter().filter(|message| message.thread_id == id).cloned().collect();
        let (items, more_before, more_after) = if let Some(after) = query.after_seq {
            let rest: Vec<_> = all.iter().filter(|message| message.seq > after).cloned().collect();
            let more = rest.len() > limit;
            (rest.into_iter().take(limit).collect(), after > 0, more)
        } else {
            let before = query.before_seq.unwrap_or(i64::MAX);
            let rest: Vec<_> = all.iter().filter(|message| message.seq < before).cloned().collect();
            let skipped = rest.len().saturating_sub(limit);
            (rest.into_iter().skip(skipped).collect(), skipped > 0, query.before_seq.is_some())
        };
        Ok(MessagePage { items, more_before, more_after })
    }

    /// Somebody writes.
    pub fn say(&mut self, thread: usize, sender: usize, content: &str, now: Timestamp) -> StaffMessage {
        let number = 1_000 + self.messages.len();
        let info = &mut self.threads[thread];
        info.last_seq += 1;
        info.last_at = now;
        let seq = usize::try_from(info.last_seq).unwrap();
        let said = message(number, thread, seq, sender, content, now);
        self.messages.push(said.clone());
        said
    }
    pub fn notice(&mut self, id: ThreadId, content: &str, now: Timestamp) -> Result<StaffMessage> {
        let at = self.threads.iter().position(|thread| thread.id == id).ok_or_else(|| Error::not_found("thread"))?;
        self.say(at, 0, content, now);
        let said = self.messages.last_mut().unwrap();
        (said.kind, said.sender_id, said.sender_name) = (MessageKind::Notice, None, None);
        Ok(said.clone())
    }
    pub fn remove_message(&mut self, id: MessageId, reason: RemovalReason) -> Result<Changed<StaffMessage>> {
        let message =
            self.messages.iter_mut().find(|message| message.id == id).ok_or_else(|| Error::not_found("message"))?;
        let changed = message.removed.is_none();
        message.removed.get_or_insert(reason);
        Ok(Changed { changed, item: message.clone() })
    }

    pub fn act_on_review(
        &mut self,
        id: ReviewId,
        action: &ReviewAction,
        change: &Change,
        now: Timestamp,
    ) -> Result<Changed<ReviewDetail>> {
        let detail = self.review(id)?;
        if change.if_version.is_some_and(|version| version != detail.review.version) {
            return Err(Error::stale(detail.review.version));
        }
        let before = detail.clone();
        match action {
            ReviewAction::Dismiss => {
                detail.review.flags = 0;
                for flag in &mut detail.flags {
                    flag.dismissed_at.get_or_insert(now);
                }
            }
            ReviewAction::Remove { reason } => {
                (detail.review.status, detail.review.removed) = (ReviewStatus::Removed, Some(*reason));
            }
            ReviewAction::Restore => (detail.review.status, detail.review.removed) = (ReviewStatus::Published, None),
        }
        let changed = *detail != before;
        if changed {
            detail.note.clone_from(&change.note);
            detail.review.version += 1;
        }
        Ok(Changed { changed, item: detail.clone() })
    }
}
