//! Work between a client and a worker: services, threads, jobs and reviews, made through the operations themselves.

use std::time::Duration;

use super::TestApp;
use crate::{
    actor::Actor,
    base::{
        ids::{JobId, ReviewId, ServiceId, ThreadId},
        money::Money,
        permission::Role,
    },
    jobs::{
        self,
        model::{EndJob, JobReason, JobStatus, NewJob, Offer},
    },
    messaging::{
        self,
        model::{NewMessage, OpenThread},
    },
    reviews::{
        self,
        model::{FlagReason, NewFlag, NewReply, NewReview},
    },
    services::{
        self,
        model::{Category, NewService},
    },
};

/// A client and a worker with something of everything between them.
#[derive(Debug)]
pub struct Trade {
    /// Who hires, logged in.
    pub client: Actor,
    /// Who is hired, approved and logged in.
    pub worker: Actor,
    /// A thread with three messages and no job.
    pub thread: ThreadId,
    /// A job in each state, in a thread of its own.
    pub jobs: Vec<(JobStatus, JobId, ThreadId)>,
    /// The client's published review of the worker, who replied to it and flagged it.
    pub flagged: ReviewId,
    /// The worker's published review of the client.
    pub published: ReviewId,
    /// The client's review of the worker, who has not reviewed yet.
    pub hidden: ReviewId,
}

impl Trade {
    /// The job in a state, and its thread.
    pub fn job(&self, status: JobStatus) -> (JobId, ThreadId) {
        let (_, job, thread) = self.jobs.iter().find(|(of, ..)| *of == status).expect("there is one in each state");
        (*job, *thread)
    }
}

impl TestApp {
    /// A published service of an approved worker.
    pub async fn service(&self, worker: &Actor, title: &str) -> ServiceId {
        let new = NewService {
            title: title.into(),
            description: "By somebody who has done it for years.".into(),
            category: Category::Lessons,
            tags: vec!["patient".into()],
            location: "Graz".into(),
            latitude: None,
            longitude: None,
            price: Some(Money::new(4_000, "EUR")),
        };
        let made = services::create(&self.app.by(worker), new).await.unwrap();
        self.pass();
        services::publish(&self.app.by(worker), made.id).await.unwrap();
        self.pass();
        made.id
    }

    /// A client's thread about a service, without messages.
    pub async fn thread(&self, client: &Actor, service: ServiceId) -> ThreadId {
        let new = OpenThread { service_id: service, content: None, client_msg_id: None };
        let thread = messaging::open(&self.app.by(client), new).await.unwrap();
        self.pass();
        thread.id
    }

    /// Says something in a thread; each `client_msg_id` once.
    pub async fn say(&self, from: &Actor, thread: ThreadId, client_msg_id: &str, content: &str) {
        let new = NewMessage { client_msg_id: client_msg_id.into(), content: content.into(), attachments: Vec::new() };
        messaging::send(&self.app.by(from), thread, new).await.unwrap();
        self.pass();
    }

    /// A job that came to a state by the ordinary way.
    pub async fn job(&self, client: &Actor, worker: &Actor, thread: ThreadId, status: JobStatus) -> JobId {
        let app = &self.app;
        let price = Money::new(5_000, "EUR");
        let offer = Offer { price, schedule: "Monday at ten".into(), scope: "An hour of scales".into() };
        let id = jobs::create(&app.by(client), NewJob { thread_id: thread, offer }).await.unwrap().id;
        self.pass();
        let why = |reason| EndJob { reason, comment: None };
        match status {
            JobStatus::Negotiating => {}
            JobStatus::Rejected => drop(jobs::reject(&app.by(worker), id, why(JobReason::Price)).await.unwrap()),
            JobStatus::Cancelled => drop(jobs::cancel(&app.by(client), id, why(JobReason::NotNeeded)).await.unwrap()),
            JobStatus::Accepted | JobStatus::Completed | JobStatus::Finalized => {
                jobs::accept(&app.by(worker), id, 1).await.unwrap();
                self.pass();
                if status != JobStatus::Accepted {
                    jobs::complete(&app.by(worker), id).await.unwrap();
                    self.pass();
                }
                if status == JobStatus::Finalized {
                    jobs::finalize(&app.by(client), id).await.unwrap();
                }
            }
        }
        self.pass();
        id
    }

    /// A review of a finalized job.
    pub async fn review(&self, author: &Actor, job: JobId, rating: i64, text: &str) -> ReviewId {
        let new = NewReview { rating, text: text.into() };
        let review = reviews::create(&self.app.by(author), job, new).await.unwrap();
        self.pass();
        review.id
    }

    /// A client and a worker with something of everything between them.
    pub async fn marketplace(&self) -> Trade {
        let (client, worker) = (self.actor(Role::Client).await, self.approved_worker().await);
        let service = self.service(&worker, "Piano lessons").await;
        let thread = self.thread(&client, service).await;
        self.say(&client, thread, "first", "Do you have time on Monday? Call 0171 0000000.").await;
        self.say(&worker, thread, "first", "I do, at ten.").await;
        self.say(&client, thread, "second", "Perfect — ünï 🎹").await;
        let mut jobs = Vec::new();
        for status in JobStatus::ALL {
            let service = self.service(&worker, &format!("Lessons that end {status}")).await;
            let thread = self.thread(&client, service).await;
            jobs.push((*status, self.job(&client, &worker, thread, *status).await, thread));
        }
        let finalized = jobs.iter().find(|(status, ..)| *status == JobStatus::Finalized).expect("every state").1;
        let flagged = self.review(&client, finalized, 2, "Always late.").await;
        let published = self.review(&worker, finalized, 5, "Pays at once.").await;
        let reply = NewReply { text: "Once, for snow.".into() };
        reviews::reply(&self.app.by(&worker), flagged, reply).await.unwrap();
        let flag = NewFlag { reason: FlagReason::False, comment: Some("it was once".into()) };
        reviews::flag(&self.app.by(&worker), flagged, flag).await.unwrap();
        self.pass();
        let service = self.service(&worker, "Lessons that nobody talks about").await;
        let without_reply = self.thread(&client, service).await;
        let quiet = self.job(&client, &worker, without_reply, JobStatus::Finalized).await;
        let hidden = self.review(&client, quiet, 4, "Good scales.").await;
        Trade { client, worker, thread, jobs, flagged, published, hidden }
    }

    /// A second passes, where the clock stands still: ids of one moment have no order.
    fn pass(&self) {
        if self.clock.is_some() {
            self.advance(Duration::from_secs(1));
        }
    }
}
