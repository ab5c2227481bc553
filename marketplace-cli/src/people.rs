//! Names of members of staff, and of their tokens: records say who did something by an id, which tells nobody anything.

use futures::future::{join, join_all};
use marketplace_core::{
    accounts::summary::UserFilter,
    base::{permission::Role, principal::Principal},
    page::{MAX_LIMIT, PageRequest},
    staff::{Connection, ListQuery, ListTokens, ListUsers},
    tokens::model::TokenFilter,
};

/// A principal with the name that colleagues see.
pub type Named = (Principal, String);

/// Asks for the names of all staff, and of tokens; what may not be known, or cannot be had, stays without a name.
pub async fn load(api: &Connection) -> Vec<Named> {
    let of_role = async |role| {
        let filter = UserFilter { role: Some(role), ..UserFilter::default() };
        let page = PageRequest::first(MAX_LIMIT);
        let page = api.call::<ListUsers>((), ListQuery::new(&filter, &page), ()).await;
        page.map_or_else(|_| Vec::new(), |page| page.items)
    };
    let page = PageRequest::first(MAX_LIMIT);
    let tokens = api.call::<ListTokens>((), ListQuery::new(&TokenFilter::default(), &page), ());
    let staff = join_all([Role::Support, Role::Admin, Role::Auditor].map(of_role));
    let (staff, tokens) = join(staff, tokens).await;
    let mut names: Vec<Named> = staff.into_iter().flatten().map(|user| (Principal::user(user.id), user.name)).collect();
    let of_tokens: Vec<Named> = tokens
        .map_or_else(|_| Vec::new(), |page| page.items)
        .iter()
        .map(|token| {
            let owner = names.iter().find(|(principal, _)| *principal == Principal::user(token.owner_id));
            let owner = owner.map_or_else(String::new, |(_, name)| format!("{name} "));
            (Principal::token(token.id), format!("{owner}({})", token.name))
        })
        .collect();
    names.extend(of_tokens);
    names
}
