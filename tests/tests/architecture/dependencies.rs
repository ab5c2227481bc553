//! Licences and sources of all crates in the tree, held against `deny.toml`. `cargo deny` checks the same and more (advisories,
//! yanked versions, texts of licences), and takes minutes to install; this needs nothing.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;
use spdx::{Expression, ParseMode};

#[test]
fn licences_and_sources_of_all_dependencies_are_allowed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let rules: toml::Table = fs::read_to_string(root.join("deny.toml")).unwrap().parse().unwrap();
    let texts = |list: &toml::Value, key: Option<&str>| -> BTreeSet<String> {
        let of = |item: &toml::Value| key.map_or(item, |key| &item[key]).as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(of).collect()
    };
    let (allowed, banned) = (texts(&rules["licenses"]["allow"], None), texts(&rules["bans"]["deny"], Some("crate")));
    let mut metadata = Command::new(env!("CARGO"));
    metadata.current_dir(root).args(["metadata", "--format-version", "1", "--locked", "--offline", "--all-features"]);
    // Crates of other systems need not have been downloaded.
    metadata.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree: Value = serde_json::from_slice(&output.stdout).unwrap();
    let used: BTreeSet<&str> =
        tree["resolve"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    let packages = tree["packages"].as_array().unwrap().iter();
    let foreign: Vec<&Value> = packages
        .filter(|package| !package["source"].is_null() && used.contains(package["id"].as_str().unwrap()))
        .collect();
    assert!(foreign.len() > 100, "{}", foreign.len());
    for package in foreign {
        let (name, source) = (package["name"].as_str().unwrap(), package["source"].as_str().unwrap());
        assert!(!banned.contains(name), "{name} is banned in deny.toml");
        assert!(
            source.starts_with("registry+") && source.ends_with("github.com/rust-lang/crates.io-index"),
            "{name}: {source}"
        );
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name} names no licence"));
        let licence = Expression::parse_mode(licence, ParseMode::LAX).unwrap();
        let is_allowed = |one: &spdx::LicenseReq| allowed.contains(&one.to_string());
        assert!(licence.evaluate(is_allowed), "{name}: {licence}");
    }
}
