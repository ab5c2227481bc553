//! The market of a seeded database: profiles, services, conversations, jobs, reviews.
//!
//! First everything is decided, in a few bytes each ([`plan_index`]): who offers what when, who talks to whom, and by that how
//! many stars everybody has. Then the rows are made and written in the order of time, so that new rows land at the end of
//! the tables, and no row is ever changed again. Nothing of it is on the event log or the audit log.

mod batch;
mod columns;
mod conversation_plan;
mod conversation_rows;
mod job_timeline;
pub(crate) mod participants;
mod phrases;
mod plan_index;
mod reports;
mod service_rows;
mod service_text;
mod trades_home;
mod trades_other;
mod transcript;
pub(crate) mod webhooks;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use futures::FutureExt;
use marketplace_core::{
    app::App,
    base::{
        error::{Error, Result},
        ids::UserId,
        time::Timestamp,
    },
    platform::db::{
        Conn,
        bulk::{self, Value},
    },
    q,
    services::model::MAX_SERVICES,
};
use rand::{RngExt, rngs::StdRng};

use self::{
    batch::Batch,
    conversation_rows::{Conversation, Rows},
    participants::Participants,
    plan_index::{PlanIndex, Purpose, Wanted, rng, uuid},
};
use crate::{
    history::PastAction,
    plan::{Progress, Stage, Volume},
    tables::{self, Table},
    users::Users,
};

/// Messages of a conversation, on average, unless the plan gives their total.
const MESSAGES: u64 = 12;
/// Services, clients or workers of one transaction.
const CHUNK: usize = 10_000;
/// Conversations of one transaction.
const TALKS: usize = 2_000;
/// Upper limit of the services of a worker, on average.
const MOST: u64 = MAX_SERVICES.unsigned_abs() / 2;
/// Upper limit of the messages of one conversation.
const LONGEST: usize = 1_000;

/// The result of filling the market.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    pub services: u64,
    pub threads: u64,
    pub messages: u64,
    pub jobs: u64,
    pub reviews: u64,
    blocks: BTreeMap<(UserId, UserId), Timestamp>,
    /// Past actions of staff, in a demonstration.
    pub past_actions: Vec<PastAction>,
}

/// The data that the whole market shares.
struct Market {
    plan: PlanIndex,
    cast: Arc<Users>,
    now: Timestamp,
    /// The first free publication number.
    base: i64,
    /// Messages that the two participants write in an average conversation.
    texts: f64,
}

/// Fills the market for the existing participants.
pub(super) async fn run(
    app: &App,
    people: Participants,
    cast: Arc<Users>,
    volume: Volume,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Made> {
    let now = app.now();
    let (seed, users, demo) = cast.plan();
    let approved = people.workers.iter().filter(|worker| worker.approved).count() as u64;
    let threads = match (volume.threads, volume.messages) {
        (Some(threads), _) => threads,
        (None, Some(messages)) => messages.div_ceil(MESSAGES),
        (None, None) if demo => users * 7 / 10,
        (None, None) => users / 6,
    };
    let services = volume.services.unwrap_or(if demo { approved * 2 } else { approved * 13 / 10 });
    let wanted = Wanted { services: services.min(approved * MOST), threads };
    let deciding = cast.clone();
    let plan = blocking(move || PlanIndex::of(people, &deciding, wanted, (seed, demo), now)).await?;
    let messages = volume.messages.unwrap_or(plan.threads.len() as u64 * MESSAGES);
    let texts = average(messages.saturating_sub(plan.notices), plan.threads.len());
    let base = next_number(app).await?;
    let market = Arc::new(Market { plan, cast, now, base, texts });

    let people = market.plan.people.workers.len() + market.plan.people.clients.len();
    let mut made = Made::default();
    each(app, &market, (Stage::Profiles, CHUNK, people), progress, &mut made, Market::profiles).await?;
    let services = market.plan.services.len();
    each(app, &market, (Stage::Services, CHUNK, services), progress, &mut made, Market::services).await?;
    settle_index(app).await?;
    let talks = market.plan.threads.len();
    each(app, &market, (Stage::Conversations, TALKS, talks), progress, &mut made, Market::talks).await?;
    tables::write(app, vec![Table::new("blocks", columns::BLOCKS, made.blocks())], BTreeSet::new(), &|_| ()).await?;
    made.past_actions.extend(reports::run(app, &market.cast, talks as u64).await?);
    Ok(made)
}

/// Merges the parts of the full-text index, so that searches have less to read.
async fn settle_index(app: &App) -> Result<()> {
    app.db
        .patient()
        .write(|conn| {
            async move {
                let text = match conn {
                    Conn::Sqlite(_) => "INSERT INTO services_fts (services_fts) VALUES ('optimize')",
                    Conn::Pg(_) => "SELECT gin_clean_pending_list('services_search')",
                };
                bulk::execute(conn, text.into()).await.map(drop)
            }
            .boxed()
        })
        .await
}

/// Creates and writes items from first to last; the next ones are created while others are written.
async fn each(
    app: &App,
    market: &Arc<Market>,
    (stage, chunk, total): (Stage, usize, usize),
    progress: &(dyn Fn(Progress) + Send + Sync),
    made: &mut Made,
    rows_of: fn(&Market, Range<usize>) -> Batch,
) -> Result<()> {
    let making = |from: usize| {
        let market = market.clone();
        blocking(move || rows_of(&market, from..(from + chunk).min(total)).with_terms())
    };
    let mut from = 0;
    let mut next = (total > 0).then(|| tokio::spawn(making(0)));
    while let Some(batch) = next.take() {
        let batch = batch.await.map_err(Error::internal)??;
        let to = (from + chunk).min(total);
        next = (to < total).then(|| tokio::spawn(making(to)));
        made.add(&batch);
        let part = |share: f64| {
            let done = from as u64 + share_of((to - from) as u64, share);
            progress(Progress { stage, done, total: total as u64 });
        };
        tables::write(app, batch.tables, batch.words, &part).await?;
        from = to;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "of a chunk")]
pub(super) fn share_of(rows: u64, share: f64) -> u64 {
    (rows as f64 * share) as u64
}

#[expect(clippy::cast_precision_loss, reason = "an average")]
fn average(of: u64, among: usize) -> f64 {
    of as f64 / among.max(1) as f64
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

async fn next_number(app: &App) -> Result<i64> {
    let mut reader = app.db.read().await?;
    Ok(q!(&mut reader.conn() => val i64, "SELECT coalesce(max(number), 0) + 1 FROM services")?)
}

impl Made {
    fn add(&mut self, batch: &Batch) {
        for table in &batch.tables {
            let rows = table.rows.len() as u64;
            match table.name {
                "services" => self.services += rows,
                "threads" => self.threads += rows,
                "messages" => self.messages += rows,
                "jobs" => self.jobs += rows,
                "reviews" => self.reviews += rows,
                _ => {}
            }
        }
        self.past_actions.extend_from_slice(&batch.past_actions);
        // Two users with two conversations can still block each other only once.
        for (who, whom, at) in &batch.blocks {
            self.blocks.entry((*who, *whom)).or_insert(*at);
        }
    }

    fn blocks(&self) -> Vec<Vec<Value>> {
        let row = |((who, whom), at): (&(UserId, UserId), &Timestamp)| {
            vec![Value::Id(who.0), Value::Id(whom.0), Value::Time(*at)]
        };
        self.blocks.iter().map(row).collect()
    }
}

impl Market {
    fn id_of(&self, index: u64) -> UserId {
        self.cast.id(index)
    }

    /// Creates profiles, those of workers first, then those of clients.
    fn profiles(&self, range: Range<usize>) -> Batch {
        let (mut profiles, mut ratings) = (Vec::new(), Vec::new());
        let (mut clients, mut favorites) = (Vec::new(), Vec::new());
        let people = &self.plan.people;
        for slot in range {
            if let Some(worker) = people.workers.get(slot) {
                let number = u32::try_from(slot).unwrap_or(u32::MAX);
                let (row, rated) = service_rows::worker(&self.plan, number, worker, self.id_of(worker.index), self.now);
                profiles.push(row);
                ratings.extend(rated);
            } else if let Some(index) = people.clients.get(slot - people.workers.len()) {
                let index = u64::from(*index);
                let (id, since) = (self.id_of(index), self.cast.created_at(index));
                let (row, likes) = service_rows::client(&self.plan, (index, id), since, self.now, &|of| self.id_of(of));
                clients.extend(row);
                favorites.extend(likes);
            }
        }
        let tables = vec![
            Table::new("worker_profiles", service_rows::WORKER_PROFILES, profiles),
            Table::new("worker_ratings", service_rows::RATINGS, ratings),
            Table::new("client_profiles", service_rows::CLIENT_PROFILES, clients),
            Table::new("favorites", service_rows::FAVORITES, favorites),
        ];
        Batch { tables, ..Batch::default() }
    }

    fn services(&self, range: Range<usize>) -> Batch {
        let some = self.plan.services.get(range.clone()).unwrap_or_default();
        let mut words = BTreeSet::new();
        let rows = range.zip(some).map(|(number, service)| {
            let worker = self.id_of(self.plan.worker(service).index);
            service_rows::service(&self.plan, number as u64, service, (worker, self.base), &mut words)
        });
        let tables = vec![Table::new("services", service_rows::SERVICES, rows.collect())];
        Batch { tables, words, ..Batch::default() }
    }

    fn talks(&self, range: Range<usize>) -> Batch {
        let mut rows = Rows::default();
        let some = self.plan.threads.get(range.clone()).unwrap_or_default();
        for (number, thread) in range.zip(some) {
            let (number, service) = (number as u64, self.plan.service(thread));
            let worker = self.plan.worker(&service).index;
            let (service_id, ware) = service_rows::identity(&self.plan, u64::from(thread.service), &service);
            let mut rng = rng(self.plan.seed, Purpose::Thread, number);
            let talk = Conversation {
                plan: &self.plan,
                cast: &self.cast,
                now: self.now,
                id: uuid(thread.start, &mut rng),
                service_id: service_id.0,
                client: self.id_of(self.plan.client(thread).index),
                worker: self.id_of(worker),
                place: service_rows::whereabouts(self.plan.seed, worker).0,
                trade: service_rows::trade(self.plan.seed, worker),
                ware,
            };
            talk.rows(number, thread, self.texts(&mut rng), &mut rows);
        }
        rows.batch()
    }

    /// Returns how many messages the two participants of a conversation write: most write a few, some very many.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number above zero")]
    fn texts(&self, rng: &mut StdRng) -> usize {
        let luck: f64 = rng.random_range(0.000_001..1.0);
        // The mean is 1, because the gamma function of 2.6 is 1.4296.
        let share = 0.35 + 0.65 * (-luck.ln()).powf(1.6) / 1.4296;
        ((self.texts * share).round() as usize).clamp(1, LONGEST)
    }
}

#[cfg(test)]
mod tests;
