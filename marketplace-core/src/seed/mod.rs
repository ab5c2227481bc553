//! Made-up data, for demonstrations, tests and measurements: people, their papers, and whole databases of them.

mod canvas;
mod document;
mod face;
pub mod images;
mod mrz;
mod names;
pub mod people;
