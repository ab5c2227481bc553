//! `marketplace config view`: what counts, and where it comes from.

use std::{collections::BTreeMap, path::Path};

use clap::Subcommand;
use marketplace_core::{
    config::{self, ENV_PREFIX, Secret},
    platform::input_file,
};
use serde::Serialize;
use toml_edit::{DocumentMut, Item};

use crate::{
    connect::{Target, Way},
    context::Context,
    failure::{Failure, Outcome},
    output::{Column, Kind, Row},
    profile::folder,
};

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Every setting that counts here, and where it comes from; never shows a password
    #[command(after_help = "Example:\n  marketplace config view --config /etc/marketplace.toml -o json")]
    View,
}

#[derive(Debug, Serialize)]
struct Setting {
    key: String,
    value: String,
    source: String,
}

impl Row for Setting {
    const COLUMNS: &'static [Column] = &[
        Column::new("KEY", "key", Kind::Id),
        Column::new("VALUE", "value", Kind::Text),
        Column::new("SOURCE", "source", Kind::Text),
    ];
    fn id() -> String {
        "key".into()
    }
    fn fields() -> Vec<String> {
        ["key", "value", "source"].map(String::from).to_vec()
    }
}

/// Prints the settings.
pub fn view(context: &Context) -> Outcome {
    context.out.check::<Setting>()?;
    let globals = &context.globals;
    let target = Target::resolve(globals)?;
    let chosen = chosen_by(context, &target);
    let mut rows: Vec<Setting> = Vec::new();
    let mut add = |key: &str, value: String, source: &str| {
        rows.push(Setting { key: key.into(), value, source: source.into() });
    };
    add("system", target.system.clone(), &chosen);
    add("settings", folder()?.join("config.toml").display().to_string(), "HOME or XDG_CONFIG_HOME");
    match &target.way {
        Way::Api { url } => {
            add("api_url", url.clone(), &chosen);
            add("credentials", target.tokens(url)?.path().display().to_string(), "HOME or XDG_CONFIG_HOME");
        }
        Way::Database { url, config: file } => {
            let config = target.config()?;
            let here = Path::new("marketplace.toml");
            let file = file.as_deref().or_else(|| here.exists().then_some(here));
            let mut set = BTreeMap::new();
            if let Some(path) = file {
                from_file(path, &mut set)?;
            }
            from_environment(config::environment()?.into_iter(), &mut set);
            let mut effective = |key: &str, value: String, is_chosen: bool| {
                let source = match set.remove(key) {
                    _ if is_chosen => chosen.clone(),
                    Some((_, source)) => source,
                    None => "default".into(),
                };
                add(key, value, &source);
            };
            effective("database_url", config.database_url().to_string(), url.is_some());
            effective("data_dir", config.data_dir.display().to_string(), false);
            effective("keys_dir", config.keys_dir().display().to_string(), false);
            effective("files_url", config.files_url(), false);
            effective("public_url", config.public_url.to_string(), false);
            effective("listen", config.listen.to_string(), false);
            for (key, (value, source)) in set {
                add(&key, value, &source);
            }
        }
    }
    let mut list = context.out.list();
    list.page(&rows)?;
    list.finish()
}

/// Returns what chose the system.
fn chosen_by(context: &Context, target: &Target) -> String {
    let globals = &context.globals;
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let flag =
        [("--db", globals.db.is_some()), ("--api", globals.api.is_some()), ("--profile", globals.profile.is_some())];
    if let Some((flag, _)) = flag.iter().find(|(_, given)| *given) {
        return (*flag).to_owned();
    }
    let variables = ["MARKETPLACE_DB", "MARKETPLACE_API", "MARKETPLACE_PROFILE"];
    match (variables.iter().find(|name| is_set(name)), &target.profile) {
        (Some(name), _) => (*name).to_owned(),
        (None, Some(name)) => format!("the current profile, {name}"),
        (None, None) if globals.config.is_some() => "--config or MARKETPLACE_CONFIG".into(),
        (None, None) => "default".into(),
    }
}

/// Collects the settings of a file, each with its line.
fn from_file(path: &Path, set: &mut BTreeMap<String, (String, String)>) -> Outcome {
    let text = input_file::read_to_string(path)?;
    let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        Failure::usage(format!("{}: {error}", path.display()), "correct the file with an editor")
    })?;
    let source = |key: &str| {
        let last = key.rsplit('.').next().unwrap_or(key);
        let line = text.lines().position(|line| {
            line.split_once('=')
                .is_some_and(|(name, _)| name.trim() == last || name.trim().ends_with(&format!(".{last}")))
        });
        match line {
            Some(line) => format!("{}:{}", path.display(), line + 1),
            None => path.display().to_string(),
        }
    };
    let mut open: Vec<(String, &Item)> =
        document.as_table().iter().map(|(name, item)| (name.to_owned(), item)).collect();
    while let Some((key, item)) = open.pop() {
        let Some(table) = item.as_table_like() else {
            let value = item.as_str().map_or_else(|| item.to_string().trim().to_owned(), str::to_owned);
            let from = source(&key);
            set.insert(key.clone(), (shown(&key, &value), from));
            continue;
        };
        open.extend(table.iter().map(|(name, item)| (format!("{key}.{name}"), item)));
    }
    Ok(())
}

/// Collects the settings of the environment, which count more than those of a file.
fn from_environment(variables: impl Iterator<Item = (String, String)>, set: &mut BTreeMap<String, (String, String)>) {
    const OWN: [&str; 8] = ["CONFIG", "PROFILE", "TOKEN", "TOKEN_FILE", "IMAGES", "DB", "API", "CONFIG_DIR"];
    for (name, value) in variables {
        let Some(key) = name.strip_prefix(ENV_PREFIX).filter(|key| !OWN.contains(key) && !key.starts_with("TEST_"))
        else {
            continue;
        };
        let (key, value) = match key.strip_suffix("_FILE") {
            Some(key) => (key, format!("what {value} holds")),
            None => (key, value),
        };
        let key = key.to_lowercase().replace("__", ".");
        set.insert(key.clone(), (shown(&key, &value), name));
    }
}

/// Returns a value without what must not be shown.
fn shown(key: &str, value: &str) -> String {
    if ["secret", "password", "token"].iter().any(|word| key.contains(word)) {
        return "…".into();
    }
    if key.ends_with("url") { Secret::new(value).to_string() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_their_place_and_no_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.toml");
        std::fs::write(&path, "redis_url = 'redis://me:hunter2@cache'\n[oidc.a]\nclient_secret = 'hunter2'\n").unwrap();
        let mut set = BTreeMap::new();
        from_file(&path, &mut set).unwrap();
        from_environment([("MARKETPLACE_LOG__LEVEL".to_owned(), "warn".to_owned())].into_iter(), &mut set);
        assert!(set["redis_url"].1.ends_with(":1") && set["oidc.a.client_secret"].1.ends_with(":3"));
        assert_eq!(set["log.level"], ("warn".into(), "MARKETPLACE_LOG__LEVEL".into()));
        assert!(!format!("{set:?}").contains("hunter2"));
    }
}
