//! The marketplace that the console works with in its tests: the real operations, over a throwaway SQLite with made-up rows, behind
//! a guard that delays and fails calls to order and keeps a record of them.

mod guard;
pub mod world;

use std::{ops::Deref, sync::Arc, time::Duration};

use marketplace_core::{
    accounts::model::{Account, Status},
    actor::{Actor, Operator, SignedIn},
    base::{permission::Role, time::Timestamp},
    ids::{AttemptId, JobId, MessageId, ReviewId, SessionId, ThreadId, UserId},
    kyc::status::KycStatus,
    messaging::{self, model::NewMessage},
    operation::Operation,
    staff::{Connection, Guard, ShowJob, ShowReview, ShowThread, ShowUser},
    testing::{self, TestApp},
    time::Clock,
};
use uuid::Uuid;

use guard::Simulator;
pub use world::World;

fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((0x0192_0000_0000_7000_8000 << 48) | (kind << 32) | number as u128)
}
pub fn user_id(number: usize) -> UserId {
    UserId(id(1, number))
}
pub fn attempt_id(number: usize) -> AttemptId {
    AttemptId(id(2, number))
}
pub fn thread_id(number: usize) -> ThreadId {
    ThreadId(id(4, number))
}
pub fn message_id(number: usize) -> MessageId {
    MessageId(id(5, number))
}
pub fn job_id(number: usize) -> JobId {
    JobId(id(6, number))
}
pub fn service_id(number: usize) -> Uuid {
    id(8, number)
}
pub fn review_id(number: usize) -> ReviewId {
    ReviewId(id(7, number))
}

/// Somebody at the machine; colleagues see the name.
pub fn operator(os_user: &str) -> Actor {
    Actor::Operator(Operator { os_user: os_user.into(), host: "desk".into() })
}

/// A marketplace, and what happens to calls on their way to it.
pub struct System {
    test: TestApp,
    simulator: Arc<Simulator>,
    actor: Actor,
}

impl Deref for System {
    type Target = Simulator;
    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

impl System {
    /// So many users and open attempts, with sam, an admin, at the console.
    pub async fn new(users: usize, cases: usize) -> Arc<Self> {
        Self::of(World { users, cases, ..World::default() }).await
    }

    /// Another world.
    pub async fn of(world: World) -> Arc<Self> {
        Self::with(world, operator("sam")).await
    }

    /// The same, with somebody at the console who may only look.
    pub async fn audited(users: usize, cases: usize) -> Arc<Self> {
        let auditor = signed_in(user_id(4_000), "sam@desk", Role::Auditor);
        Self::with(World { users, cases, ..World::default() }, auditor).await
    }

    async fn with(world: World, actor: Actor) -> Arc<Self> {
        let test = testing::app().await;
        world.write(test.app()).await;
        Arc::new(Self { test, simulator: Arc::default(), actor })
    }

    /// What the console gets.
    pub fn connection(&self) -> Connection {
        let direct = Connection::direct(self.test.app().clone(), self.actor.clone());
        direct.guarded(Arc::clone(&self.simulator) as Arc<dyn Guard>)
    }

    /// A way past the guard: to see how things are.
    pub fn direct(&self) -> Connection {
        Connection::direct(self.test.app().clone(), operator("sam"))
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.test.app().clock)
    }

    pub fn advance(&self, by: Duration) {
        self.test.advance(by);
    }

    pub fn app(&self) -> &marketplace_core::app::App {
        self.test.app()
    }

    /// What a colleague does.
    pub fn lea(&self) -> Operation {
        Operation::new(self.test.app(), operator("Lea"))
    }

    /// What a user does.
    pub fn user(&self, number: usize, role: Role) -> Operation {
        Operation::new(self.test.app(), signed_in(user_id(number), world::NAMES[number], role))
    }

    /// A colleague claims an attempt.
    pub async fn claimed_by_lea(&self, number: usize) {
        marketplace_core::kyc::claim(&self.lea(), attempt_id(number)).await.unwrap();
    }

    /// A colleague approved an attempt a while ago.
    pub async fn approved_by_lea(&self, number: usize) {
        let decision = marketplace_core::kyc::model::Decision::approve(None);
        marketplace_core::kyc::decide(&self.lea(), attempt_id(number), &decision).await.unwrap();
        self.advance(Duration::from_secs(60));
    }

    /// The worker of a thread writes.
    pub async fn say(&self, thread: usize, content: &str) {
        let new = NewMessage {
            client_msg_id: content.chars().take(100).collect(),
            content: content.into(),
            attachments: Vec::new(),
        };
        messaging::send(&self.user(thread % 4, Role::Worker), thread_id(thread), new).await.unwrap();
    }

    /// How an attempt stands.
    pub async fn attempt(&self, number: usize) -> marketplace_core::kyc::model::KycCase {
        // Looking would renew a claim; a colleague has none.
        marketplace_core::kyc::show(&self.lea(), attempt_id(number)).await.unwrap()
    }
    pub async fn user_status(&self, number: usize) -> Status {
        self.direct().call::<ShowUser>(user_id(number), (), ()).await.unwrap().user.status
    }
    pub async fn job(&self, number: usize) -> marketplace_core::jobs::model::JobDetail {
        self.direct().call::<ShowJob>(job_id(number), (), ()).await.unwrap()
    }
    pub async fn thread(&self, number: usize) -> marketplace_core::messaging::model::ThreadInfo {
        self.direct().call::<ShowThread>(thread_id(number), (), ()).await.unwrap()
    }
    pub async fn review(&self, number: usize) -> marketplace_core::reviews::model::ReviewDetail {
        self.direct().call::<ShowReview>(review_id(number), (), ()).await.unwrap()
    }
}

fn signed_in(id: UserId, name: &str, role: Role) -> Actor {
    let account = Account {
        id,
        role,
        status: Status::Active,
        email: "ada@mail.example.org".into(),
        email_verified: true,
        name: name.into(),
        phone: None,
        kyc_status: KycStatus::None,
        kyc_prior: KycStatus::None,
        kyc_effective_at: None,
        kyc_expires_at: None,
        version: 1,
        created_at: Timestamp::EPOCH,
    };
    let session = SessionId(Uuid::from_u128(1));
    Actor::User(Arc::new(SignedIn { account, session, expires_at: Timestamp::MAX, must_enrol: false }))
}
