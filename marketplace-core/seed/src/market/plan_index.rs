//! Which services and conversations there are, in the order of time: a few bytes for each, so that a million of them are
//! known before the first is written.

use std::{collections::HashSet, time::Duration};

use marketplace_core::{base::time::Timestamp, reviews::model::Rating};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::Builder;

use super::{
    conversation_plan::ConversationPlan,
    job_timeline::{Job, Limits},
    participants::{Client, Ends, Participants, Worker},
};
use marketplace_people::people::mix;

use crate::users::Users;

/// The purpose of random numbers: each purpose has its own sequence.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Services = 20,
    Service,
    Threads,
    Thread,
    ConversationPlan,
    Course,
    Profile,
    Favorites,
    Reports,
    Notifications,
    Webhooks,
}

pub(super) fn rng(seed: u64, purpose: Purpose, index: u64) -> StdRng {
    StdRng::seed_from_u64(mix(mix(seed, purpose as u64), index))
}

/// Returns a UUID that sorts by `at`.
pub(super) fn uuid(at: Timestamp, rng: &mut StdRng) -> uuid::Uuid {
    let bytes: [u8; 10] = rng.random();
    Builder::from_unix_timestamp_millis(at.unix_millis(), &bytes).into_uuid()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Draft,
    Published,
    Closed(Timestamp),
}

/// A service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    /// Index among the workers.
    pub worker: u32,
    /// When it was published; when it was begun, if it is a draft.
    pub at: Timestamp,
    pub kind: Kind,
}

/// A conversation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thread {
    /// Index among the services.
    pub service: u32,
    /// Index among the active clients, followed by the others.
    pub client: u32,
    pub start: Timestamp,
}

/// The index of everything that will be created.
#[derive(Debug, Default)]
pub(crate) struct PlanIndex {
    pub people: Participants,
    pub services: Vec<Service>,
    pub threads: Vec<Thread>,
    /// By worker: the numbers of counted reviews with 1, 2, 3, 4 and 5 stars.
    pub stars: Vec<[u32; 5]>,
    /// The number of notices of jobs.
    pub notices: u64,
    pub seed: u64,
    pub demo: bool,
}

/// The numbers of services and threads to create.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub services: u64,
    pub threads: u64,
}

impl PlanIndex {
    pub fn of(people: Participants, cast: &Users, wanted: Wanted, (seed, demo): (u64, bool), now: Timestamp) -> Self {
        let mut plan = Self { people, seed, demo, ..Self::default() };
        plan.make_services(wanted.services, now);
        // Two users have at most one conversation about a service.
        let pairs = plan.services.len() * (plan.people.clients.len() + plan.people.restricted.len());
        plan.make_threads(wanted.threads.min(pairs as u64), cast, now);
        plan
    }

    pub fn worker(&self, service: &Service) -> Worker {
        const NOBODY: Worker =
            Worker { index: 0, from: Timestamp::EPOCH, ends: Ends::Banned(Timestamp::EPOCH), approved: false };
        self.people.workers.get(service.worker as usize).copied().unwrap_or(NOBODY)
    }

    pub fn client(&self, thread: &Thread) -> Client {
        let place = thread.client as usize;
        if let Some(index) = self.people.clients.get(place) {
            return Client { index: u64::from(*index), ends: Ends::Never };
        }
        let other = self.people.restricted.get(place - self.people.clients.len()).copied();
        other.unwrap_or(Client { index: 0, ends: Ends::Banned(Timestamp::EPOCH) })
    }

    pub fn service(&self, thread: &Thread) -> Service {
        let nothing = Service { worker: 0, at: Timestamp::EPOCH, kind: Kind::Draft };
        self.services.get(thread.service as usize).copied().unwrap_or(nothing)
    }

    pub fn limits(&self, thread: &Thread, now: Timestamp) -> Limits {
        let (worker, client) = (self.worker(&self.service(thread)).ends, self.client(thread).ends);
        let bans = [worker.ban(), client.ban()];
        Limits {
            start: thread.start,
            new_work: worker.new_work().min(client.new_work()),
            ban: bans.into_iter().flatten().min(),
            now,
            demo: self.demo,
        }
    }

    pub fn outline(&self, number: u64, thread: &Thread, now: Timestamp) -> ConversationPlan {
        ConversationPlan::of(&self.limits(thread, now), &mut rng(self.seed, Purpose::ConversationPlan, number))
    }

    /// Returns a worker's average in thousandths of a star, 0 without reviews.
    pub fn rating(&self, worker: u32) -> i64 {
        let stars = self.stars.get(worker as usize).copied().unwrap_or_default();
        Rating::thousandths(stars.map(i64::from)).unwrap_or(0)
    }

    fn make_services(&mut self, wanted: u64, now: Timestamp) {
        let mut rng = rng(self.seed, Purpose::Services, 0);
        let workers = self.people.workers.len();
        let Some(last) = workers.checked_sub(1).and_then(|last| u32::try_from(last).ok()) else { return };
        self.services.reserve(usize::try_from(wanted).unwrap_or(0));
        for number in 0..wanted {
            // Each has one first, then some have more.
            let first = number <= u64::from(last);
            let slot = if first { u32::try_from(number).unwrap_or(last) } else { rng.random_range(0..=last) };
            let Some(worker) = self.people.workers.get(slot as usize) else { continue };
            let until = worker.ends.new_work().min(now);
            let room = until.since(worker.from);
            let part = if first { rng.random_range(0.001..0.05) } else { rng.random_range(0.01..0.95) };
            let at = worker.from + room.mul_f64(part);
            let kind = match rng.random_range(0..100) {
                _ if !worker.approved => Kind::Draft,
                0..6 if !first => Kind::Draft,
                6..12 if !first => Kind::Closed(at + until.since(at).mul_f64(rng.random_range(0.3..0.9))),
                _ => Kind::Published,
            };
            self.services.push(Service { worker: slot, at, kind });
        }
        self.services.sort_by_key(|service| service.at);
    }

    fn make_threads(&mut self, wanted: u64, cast: &Users, now: Timestamp) {
        self.stars = vec![[0; 5]; self.people.workers.len()];
        let open = |service: &Service| service.kind != Kind::Draft;
        let Some(begin) = self.services.iter().find(|service| open(service)).map(|service| service.at) else { return };
        if self.people.clients.is_empty() {
            return;
        }
        let mut rng = rng(self.seed, Purpose::Threads, 0);
        let mut known: HashSet<(u32, u32)> = HashSet::with_capacity(usize::try_from(wanted).unwrap_or(0));
        // Half of a demonstration, and a fifth of anything else, is from the last weeks, when jobs are still live.
        let (recent, weeks) = if self.demo { (0.5, 4) } else { (0.2, 4) };
        let turn = (now - Duration::from_hours(weeks * 7 * 24)).max(begin);
        let last = now - Duration::from_mins(20);
        for number in 0..wanted {
            let step = 1.0 / count(wanted);
            let place = (count(number) + rng.random_range(0.0..1.0)) * step;
            let start = if place < 1.0 - recent {
                begin + turn.since(begin).mul_f64(place / (1.0 - recent))
            } else {
                turn + last.since(turn).mul_f64((place - (1.0 - recent)) / recent)
            };
            let services = self.services.partition_point(|service| service.at < start);
            let clients = self.people.clients.partition_point(|index| u64::from(*index) < cast.signed_up(start));
            if services == 0 || clients == 0 {
                continue;
            }
            let found = (0..24).find_map(|_| {
                let thread = self.some_thread((services, clients), start, cast, &mut rng);
                thread.filter(|thread| known.insert((thread.service, thread.client)))
            });
            let Some(thread) = found else { continue };
            let outline = self.outline(self.threads.len() as u64, &thread, now);
            self.notices += outline.notices() as u64;
            let worker = self.service(&thread).worker;
            if let Some(counts) = self.stars.get_mut(worker as usize) {
                for stars in outline.jobs.iter().filter_map(Job::stars) {
                    if let Some(count) = counts.get_mut(usize::from(stars).saturating_sub(1)) {
                        *count += 1;
                    }
                }
            }
            self.threads.push(thread);
        }
    }

    /// Returns a thread that could begin at `start`, between users and a service that existed then.
    fn some_thread(
        &self,
        (services, clients): (usize, usize),
        start: Timestamp,
        cast: &Users,
        rng: &mut StdRng,
    ) -> Option<Thread> {
        // Some are in high demand; in a demonstration only a few, so that their histories are rich.
        let (every, often) = if self.demo { (17, 2) } else { (7, 3) };
        let mut place = rng.random_range(0..services);
        if rng.random_ratio(1, often) {
            place -= place % every;
        }
        let service = *self.services.get(place)?;
        let worker = self.worker(&service);
        let closed = match service.kind {
            Kind::Draft => return None,
            Kind::Published => Timestamp::MAX,
            Kind::Closed(at) => at,
        };
        let restricted = !self.people.restricted.is_empty() && rng.random_ratio(1, 16);
        let client = if restricted {
            let other = rng.random_range(0..self.people.restricted.len());
            let client = self.people.restricted.get(other)?;
            if client.index >= cast.signed_up(start) || start >= client.ends.new_work() {
                return None;
            }
            self.people.clients.len() + other
        } else if self.demo && rng.random_ratio(1, 3) {
            rng.random_range(0..clients.min(6))
        } else {
            rng.random_range(0..clients)
        };
        if start >= closed || start >= worker.ends.new_work() {
            return None;
        }
        Some(Thread { service: u32::try_from(place).ok()?, client: u32::try_from(client).ok()?, start })
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share of them, not a number")]
fn count(of: u64) -> f64 {
    of as f64
}
