//! External systems, behind adapters independent of any feature: database, files, keys, mail servers, providers, Redis.

#[macro_use]
pub mod db;

pub mod access_token;
pub(crate) mod cluster;
pub mod config;
pub(crate) mod draft_folder;
pub mod files;
pub mod folders;
pub mod health;
pub mod input_file;
pub mod keys;
pub mod limiter;
pub mod load;
pub(crate) mod mailer;
pub mod new_file;
#[cfg(feature = "oidc")]
pub(crate) mod openid;
pub(crate) mod passwords;
pub mod redis_url;
pub(crate) mod rounds;
pub(crate) mod slots;
pub mod spans;
pub mod sqlite_url;
pub mod tls;
#[cfg_attr(not(feature = "webhooks"), expect(dead_code, reason = "what sends uses it"))]
pub(crate) mod webhooks;
