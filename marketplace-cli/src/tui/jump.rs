//! From a person's account to their identity check, jobs, threads, reviews and audit rows, and back along the same path.

use std::any::Any;

use marketplace_core::{
    audit::AuditRow,
    ids::{AttemptId, JobId, ReviewId, ThreadId, UserId},
};

use super::{
    keymap::Action,
    text,
    widgets::form::{Choice, Form, Intent},
};

/// Steps that are remembered.
const LONGEST: usize = 50;

/// Somewhere to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A user.
    User(UserId),
    /// The identity checks of a user, whatever state they are in.
    KycOf(UserId),
    /// An identity check.
    Attempt(AttemptId),
    /// A job.
    Job(JobId),
    /// A thread.
    Thread(ThreadId),
    /// A review.
    Review(ReviewId),
    /// The list of a screen, filtered.
    List(Action, String),
}

/// Words of the command bar that take an id: `:thread 0192…`.
pub const BY_ID: &[(&str, &str)] = &[
    ("user", "user <id>: open an account"),
    ("case", "case <id>: open an identity check"),
    ("job", "job <id>: open a job"),
    ("thread", "thread <id>: open a thread"),
    ("review", "review <id>: open a review"),
];

impl Place {
    /// The screen where it is.
    pub fn home(&self) -> Action {
        match self {
            Self::User(_) => Action::Users,
            Self::KycOf(_) | Self::Attempt(_) => Action::Kyc,
            Self::Job(_) => Action::Jobs,
            Self::Thread(_) => Action::Threads,
            Self::Review(_) => Action::Reviews,
            Self::List(home, _) => *home,
        }
    }

    /// From a word of [`BY_ID`] and an id; none when the id is none.
    pub fn by_id(word: &str, id: &str) -> Option<Self> {
        match word {
            "user" => id.parse().ok().map(Self::User),
            "case" => id.parse().ok().map(Self::Attempt),
            "job" => id.parse().ok().map(Self::Job),
            "thread" => id.parse().ok().map(Self::Thread),
            "review" => id.parse().ok().map(Self::Review),
            _ => None,
        }
    }
}

/// What something belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// The person that it is about, with a name as shown.
    pub user: Option<(UserId, String)>,
    /// The worker, where there are two.
    pub worker: Option<(UserId, String)>,
    /// The client, where there are two.
    pub client: Option<(UserId, String)>,
    /// Its identity check.
    pub attempt: Option<AttemptId>,
    /// Its job.
    pub job: Option<JobId>,
    /// Its thread.
    pub thread: Option<ThreadId>,
    /// Its review.
    pub review: Option<ReviewId>,
    /// What the audit log calls it.
    pub audit: Option<String>,
    /// The letter of the way that would lead to where one is.
    pub here: Option<char>,
}

/// A way out: its letter, where it leads in words, and where.
pub type Door = (char, String, Place);

impl Links {
    /// Of a row of the audit log: its target, and the ids of its metadata.
    pub fn of_audit(row: &AuditRow) -> Self {
        let named = |kind: &str| {
            if row.target_kind == kind {
                return Some(row.target.clone());
            }
            row.metadata.get(format!("{kind}_id"))?.as_str().map(str::to_owned)
        };
        let person = |kind: &str| {
            let id: UserId = named(kind)?.parse().ok()?;
            Some((id, text::short_id(&id)))
        };
        Self {
            user: person("user"),
            worker: person("worker"),
            client: person("client"),
            attempt: named("attempt").and_then(|id| id.parse().ok()),
            job: named("job").and_then(|id| id.parse().ok()),
            thread: named("thread").and_then(|id| id.parse().ok()),
            review: named("review").and_then(|id| id.parse().ok()),
            ..Self::default()
        }
    }

    /// The ways out.
    pub fn doors(&self) -> Vec<Door> {
        let person = self.user.as_ref().or(self.worker.as_ref()).or(self.client.as_ref());
        let whose = if self.user.is_some() { "their" } else { "the worker's" };
        let mut doors: Vec<Door> = Vec::new();
        let people = [('u', "user", &self.user), ('w', "worker", &self.worker), ('c', "client", &self.client)];
        for (key, word, who) in people {
            if let Some((id, name)) = who {
                doors.push((key, format!("{word} {}", text::clean(name)), Place::User(*id)));
            }
        }
        match (self.job, self.thread, person) {
            (Some(job), ..) => doors.push(('j', "the job".into(), Place::Job(job))),
            (_, Some(thread), _) => {
                let list = Place::List(Action::Jobs, format!("thread_id:{thread}"));
                doors.push(('j', "the thread's jobs".into(), list));
            }
            (.., Some((id, _))) => {
                doors.push(('j', format!("{whose} jobs"), Place::List(Action::Jobs, format!("user_id:{id}"))));
            }
            _ => {}
        }
        match (self.thread, person) {
            (Some(thread), _) => doors.push(('t', "the thread".into(), Place::Thread(thread))),
            (_, Some((id, _))) => {
                doors.push(('t', format!("{whose} threads"), Place::List(Action::Threads, format!("user_id:{id}"))));
            }
            _ => {}
        }
        match (self.review, person) {
            (Some(review), _) => doors.push(('v', "the review".into(), Place::Review(review))),
            (_, Some((id, _))) => {
                let list = Place::List(Action::Reviews, format!("subject_id:{id}"));
                let about = if self.user.is_some() { "reviews about them" } else { "reviews about the worker" };
                doors.push(('v', about.into(), list));
            }
            _ => {}
        }
        match (self.attempt, person) {
            (Some(attempt), _) => doors.push(('k', "the identity check".into(), Place::Attempt(attempt))),
            (_, Some((id, _))) => doors.push(('k', format!("{whose} identity checks"), Place::KycOf(*id))),
            _ => {}
        }
        if let Some(target) = &self.audit {
            let list = Place::List(Action::Audit, format!("target:{target}"));
            doors.push(('A', "what the audit log says of it".into(), list));
        }
        doors.retain(|(key, ..)| Some(*key) != self.here);
        doors
    }

    /// All ways out to choose from; none when there is none.
    pub fn menu(&self) -> Option<Form> {
        let doors = self.doors();
        if doors.is_empty() {
            return None;
        }
        let choices = doors.iter().map(|(key, label, _)| Choice { key: *key, label: label.clone(), template: "" });
        let choices = choices.collect();
        let places = doors.into_iter().map(|(.., place)| place).collect();
        Some(Form::new("Jump to", Intent::Jump(places)).choices(choices, false).at_once())
    }

    /// Where an action of its own key leads.
    pub fn door(&self, action: Action) -> Option<Place> {
        let letter = match action {
            Action::GoUser => 'u',
            Action::GoWorker => 'w',
            Action::GoClient => 'c',
            Action::GoThreads => 't',
            Action::GoReviews => 'v',
            Action::GoKyc => 'k',
            Action::GoAudit => 'A',
            _ => return None,
        };
        self.doors().into_iter().find(|(key, ..)| *key == letter).map(|(.., place)| place)
    }
}

/// A jump that was made: from which screen, to which, and what that one showed before.
pub struct Step {
    /// The screen before.
    pub from: Action,
    /// The screen that the jump led to.
    pub to: Action,
    /// What that one showed before.
    pub stashed: Box<dyn Any>,
}

/// The jumps that were made.
#[derive(Default)]
pub struct Path(Vec<Step>);

impl Path {
    /// Remembers a jump.
    pub fn push(&mut self, step: Step) {
        if self.0.len() >= LONGEST {
            self.0.remove(0);
        }
        self.0.push(step);
    }
    /// The latest jump, if it led to the screen that is seen.
    pub fn back(&mut self, active: Action) -> Option<Step> {
        self.0.pop_if(|step| step.to == active)
    }
}
