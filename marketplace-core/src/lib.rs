//! Every rule of the marketplace. Knows nothing of HTTP servers or terminals: those extract the input, call one operation
//! from here, and present the result.
//!
//! # Example
//!
//! A worker signs up, confirms the address and submits documents; the local operator approves them. This needs the feature
//! `smtp`, which also writes mails to a folder when no mail server is configured.
//!
//! ```
//! # #[cfg(not(feature = "smtp"))]
//! # fn main() {}
//! # #[cfg(feature = "smtp")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::{io::Cursor, net::IpAddr};
//! use marketplace_core::{
//!     accounts::model::{Password, SignUp},
//!     actor::{Actor, Operator},
//!     app::App,
//!     auth::{self, ClientInfo},
//!     base::permission::TraderRole,
//!     config::Config,
//!     kyc::{self, Submission, model::{Decision, DocumentType}, status::KycStatus},
//! };
//!
//! let folder = tempfile::tempdir()?;
//! let app = App::open(Config { data_dir: folder.path().into(), ..Config::default() }).await?;
//!
//! let client = ClientInfo { ip: IpAddr::from([127, 0, 0, 1]), user_agent: "example".into(), language: None };
//! let password = Password::new("correct horse battery");
//! let new = SignUp {
//!     role: TraderRole::Worker,
//!     email: "ada@example.org".into(),
//!     password: password.clone(),
//!     name: "Ada Obi".into(),
//!     phone: None,
//!     language: None,
//! };
//! auth::signup(&app, &client, new).await?;
//!
//! // Due work writes the mail to `<data_dir>/mail/`; the token in its link confirms the address.
//! app.run_due().await?;
//! # let mail = std::fs::read_dir(folder.path().join("mail"))?.next().ok_or("no mail")??;
//! # let mail = std::fs::read_to_string(mail.path())?.replace("=\r\n", "").replace("=3D", "=");
//! # let link = mail.split_once("token=").ok_or("no link")?.1;
//! # let token = link.split_whitespace().next().ok_or("no token")?;
//! auth::verify_email(&app, &client, token).await?;
//!
//! let tokens = auth::login(&app, &client, "ada@example.org", &password).await?;
//! let worker = auth::authenticate(&app, &tokens.access_token).await?;
//! # let mut picture = Cursor::new(Vec::new());
//! # image::RgbImage::new(200, 200).write_to(&mut picture, image::ImageFormat::Png)?;
//! # let picture = picture.into_inner();
//! let submission = Submission { document_type: DocumentType::Passport, document: picture.clone(), selfie: picture };
//! kyc::submit(&app.by(&worker), submission).await?;
//!
//! // The next case of the queue, claimed. The decision carries the claim's fencing number.
//! let operator = app.by(&Actor::Operator(Operator { os_user: "grace".into(), host: "localhost".into() }));
//! let case = kyc::next(&operator).await?.ok_or("the queue is empty")?;
//! let fence = case.attempt.claim.map(|claim| claim.fence);
//! let decided = kyc::decide(&operator, case.attempt.id, &Decision::approve(fence)).await?;
//! assert_eq!(decided.item.decision.map(|decision| decision.status), Some(KycStatus::Approved));
//! # app.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Where to read
//!
//! | to read about | open |
//! |---|---|
//! | who may do what | [`actor`] |
//! | the context of one operation, and its units of work | [`operation`] |
//! | accounts: roles, statuses, addresses, passwords | [`accounts`] |
//! | people across features: staff's view of one, erasure | [`users`] |
//! | signup, login, sessions, second factor | [`auth`] |
//! | social login | [`oidc`] |
//! | API tokens for scripts | [`tokens`] |
//! | identity checks | [`kyc`] |
//! | profiles, pictures, favourites, blocks | [`profiles`] |
//! | services and their search | [`services`] |
//! | jobs, from the first offer to the final state | [`jobs`] |
//! | threads and messages | [`messaging`] |
//! | reviews and ratings | [`reviews`] |
//! | reports, decisions about them, appeals | [`reports`] |
//! | what staff do not let in | [`rules`] |
//! | the export of one person's data | [`export`] |
//! | what the operator's own systems are told | [`webhooks`] |
//! | who else of the staff has a case open | [`presence`] |
//! | the audit log | [`audit`] |
//! | rules for names and texts | [`text`] |
//! | rate limits | [`limiter`] |
//! | the health of what the marketplace depends on | [`health`], [`doctor`] |
//! | due work, each kind by itself | [`maintenance`] |
//! | what a call found out besides its result | [`call_context`] |
//! | every staff operation, over the database or HTTP | [`staff`] |
//! | the two databases | [`db`] |
//!
//! # To add a feature
//!
//! A folder with `model.rs` (types and rules, pure), `store.rs` (all its SQL) and `ops.rs` (one function a use case: authorise,
//! load, decide, store, audit and event in one transaction); a migration of the same number for each engine; then a route, a
//! command, a screen.

#![cfg_attr(not(any(test, feature = "testing")), forbid(unsafe_code))]

pub mod base;
// Its macros are used by all that follow.
#[macro_use]
pub mod platform;

pub mod actor;
pub mod app;
// Its macro is used by all that follow.
#[macro_use]
pub mod operation;
pub(crate) mod scheduled;
pub mod timers;

pub mod records;

pub mod accounts;
pub mod auth;
mod claims;
pub mod jobs;
pub mod kyc;
pub mod messaging;
pub mod notifications;
pub mod presence;
pub mod profiles;
pub mod reviews;
pub mod rules;
pub mod services;
pub mod tokens;

pub mod export;
pub mod live;
pub mod maintenance;
pub mod oidc;
pub mod operations;
pub mod reports;
pub mod users;

pub mod staff;

#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "helpers of tests: a failure here is a failed test"
)]
pub mod testing;

pub use base::{call_context, error, ids, money, page, random, text, time};
pub use operations::{copy, doctor};
pub use platform::{config, db, health, keys, limiter, load, tls};
pub use records::{audit, events, idempotency, mail, webhooks};
