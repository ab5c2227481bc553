//! From requests to the types of operations. Every refusal is a [`crate::problem::Problem`].

mod bearer;
mod caller;
mod input;
mod path;
mod query;

pub(crate) use bearer::bearer;
pub(crate) use caller::{Caller, Client, address_of};
pub(crate) use input::{IfMatch, Input, json, read_json};
pub(crate) use path::{Attached, Id, Kind, ProviderName};
pub(crate) use query::{List, Params};
