//! Services: what workers offer, and how they are found.

mod store;

pub(crate) use store::count_visible;
