//! Extractors: from requests to the input types of operations. Every rejection is a [`crate::problem::Problem`].

mod bearer;
mod caller;
mod input;
mod path;
mod query;

pub(crate) use bearer::bearer;
pub(crate) use caller::{Anybody, Asked, Caller, Client, address_of};
pub(crate) use input::{IfMatch, Input, json, read_json};
pub(crate) use path::{Attached, Id, Nth, ProviderName};
pub(crate) use query::{List, Params, QueryText};
