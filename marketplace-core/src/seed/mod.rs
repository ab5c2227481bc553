//! Made-up data, for demonstrations, tests and measurements: people, their papers, and whole databases of them.

mod names;
pub mod people;
