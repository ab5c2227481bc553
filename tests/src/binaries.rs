//! Where the programs under test are, built when they are missing or older than their sources.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// Returns the path of the server.
pub fn server() -> PathBuf {
    binary("marketplace-server")
}

/// Returns the path of the command line.
pub fn cli() -> PathBuf {
    binary("marketplace")
}

/// Returns the path of a helper program of this package.
pub fn helper(name: &str) -> PathBuf {
    binary(name)
}

/// Returns the root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the workspace")
}

/// Returns `target/<profile>` of the running program.
fn folder() -> PathBuf {
    let mut folder = std::env::current_exe().expect("a running program has a path");
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    folder
}

fn binary(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = folder();
            let built = std::env::var_os("MARKETPLACE_TEST_BINARIES").is_some();
            if !built && oldest_binary(&folder) < newest_source() {
                build(&folder);
            }
            folder
        })
        .join(name)
}

fn build(folder: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace()).args(["build", "--quiet", "--workspace", "--all-features", "--bins"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "the programs under test do not build");
}

fn oldest_binary(folder: &Path) -> SystemTime {
    ["marketplace-server", "marketplace", "reviewer"]
        .iter()
        .map(|name| modified(&folder.join(name)))
        .min()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest_source() -> SystemTime {
    let mut newest = modified(&workspace().join("Cargo.lock"));
    let mut folders: Vec<PathBuf> =
        ["marketplace-core/src", "marketplace-server/src", "marketplace-cli/src", "migrations", "tests/src"]
            .iter()
            .map(|name| workspace().join(name))
            .collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                newest = newest.max(modified(&entry.path()));
            }
        }
    }
    newest
}

fn modified(path: &Path) -> SystemTime {
    path.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
