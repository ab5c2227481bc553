//! Loads the database, and says what is asked in each case.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};
use bytes::Bytes;
use hyper::Method;
use marketplace_tests::Server;

use crate::load::Ask;

/// Loads users, and answers the cases by name.
pub async fn load(_server: &Server, _rows: u64) -> Result<Vec<(&'static str, Vec<Ask>)>> {
    let _ = (Bytes::new(), Method::GET, IpAddr::from(Ipv4Addr::LOCALHOST));
    None.context("later")
}
