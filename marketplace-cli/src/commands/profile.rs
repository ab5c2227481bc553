//! `marketplace profile`: named systems.

use std::path::PathBuf;

use clap::Subcommand;
use marketplace_core::{config::Secret, platform::sqlite_url::SqliteUrl};
use serde::Serialize;

use crate::{
    connect::database_url,
    context::Context,
    failure::{Failure, Outcome},
    output::{Column, Kind, Row, safe},
    profile::{Profile, SettingsFile, folder, token_file},
    remote::{Credentials, Remote},
};

/// What can be done with profiles.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Add or replace a profile; --api or --db says what it stands for
    #[command(after_help = "Examples:\n  \
        marketplace profile add prod --api https://market.example.org --production\n  \
        marketplace profile add local --db sqlite:///srv/market/data/marketplace.db")]
    Add {
        /// The name
        name: String,
        /// It is the real thing: the console then looks different
        #[arg(long)]
        production: bool,
    },
    /// Make a profile the current one
    #[command(after_help = "Example:\n  marketplace profile use prod")]
    Use {
        /// The name
        name: String,
    },
    /// All profiles; never shows a password
    #[command(after_help = "Example:\n  marketplace profile list")]
    List,
    /// Remove a profile, and forget its log-in
    #[command(after_help = "Example:\n  marketplace profile remove prod")]
    Remove {
        /// The name
        name: String,
    },
}

#[derive(Debug, Serialize)]
struct ProfileRow {
    name: String,
    current: bool,
    way: &'static str,
    url: String,
    config: Option<PathBuf>,
    production: bool,
    logged_in: bool,
}

impl Row for ProfileRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME", "name", Kind::Id),
        Column::new("CURRENT", "current", Kind::Text),
        Column::new("WAY", "way", Kind::Text),
        Column::new("URL", "url", Kind::Text),
        Column::optional("PRODUCTION", "production", Kind::Text),
        Column::optional("LOGGED IN", "logged_in", Kind::Text),
    ];
    fn id() -> String {
        "name".into()
    }
    fn fields() -> Vec<String> {
        ["name", "current", "way", "url", "config", "production", "logged_in"].map(String::from).to_vec()
    }
}

/// Runs a verb.
pub fn run(verb: Verb, context: &Context) -> Outcome {
    let mut file = SettingsFile::open()?;
    match verb {
        Verb::Add { name, production } => {
            let profile = match (&context.globals.api, &context.globals.db) {
                (Some(api), _) => {
                    // An invalid address is refused now, not when it is first used.
                    let url =
                        Remote::new(api, Credentials::anonymous())?.base().as_str().trim_end_matches('/').to_owned();
                    Profile { api_url: Some(url), production, ..Profile::default() }
                }
                (None, Some(db)) => Profile {
                    database_url: Some(absolute(db)?),
                    config: match &context.globals.config {
                        Some(config) => Some(std::path::absolute(config)?),
                        None => None,
                    },
                    production,
                    ..Profile::default()
                },
                (None, None) => {
                    return Err(Failure::usage("what does the profile stand for?", "add --api URL or --db URL"));
                }
            };
            let replaced = file.settings.profiles.get(&name).map(|before| {
                let url = before.api_url.as_deref().unwrap_or("a database");
                let production = if before.production && !production { ", and is no longer production" } else { "" };
                format!(" in the place of the one for {}{production}", safe::line(url))
            });
            file.add(&name, &profile)?;
            context.out.note(&format!("the profile `{name}` is saved{}", replaced.unwrap_or_default()));
        }
        Verb::Use { name } => {
            file.choose(&name)?;
            context.out.note(&format!("`{name}` is now the current profile"));
        }
        Verb::List => {
            context.out.check::<ProfileRow>()?;
            let folder = folder()?;
            let current = file.settings.current.clone();
            let rows: Vec<ProfileRow> = file
                .settings
                .profiles
                .iter()
                .map(|(name, profile)| ProfileRow {
                    name: name.clone(),
                    current: current.as_ref() == Some(name),
                    way: if profile.api_url.is_some() { "api" } else { "direct" },
                    url: match (&profile.api_url, &profile.database_url) {
                        (Some(url), _) => url.clone(),
                        (None, url) => url.as_deref().map(|url| Secret::new(url).to_string()).unwrap_or_default(),
                    },
                    config: profile.config.clone(),
                    production: profile.production,
                    logged_in: token_file(&folder, Some(name), "").exists(),
                })
                .collect();
            let mut list = context.out.list();
            list.page(&rows)?;
            list.finish()?;
            if rows.is_empty() {
                context.out.note("there are none yet; make one with: marketplace profile add NAME --api URL");
            }
        }
        Verb::Remove { name } => {
            file.profile(&name)?;
            file.remove(&name)?;
            let tokens = token_file(&folder()?, Some(&name), "");
            for path in [tokens.with_extension("lock"), tokens] {
                match std::fs::remove_file(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
            context.out.note(&format!("the profile `{name}` is gone"));
            if file.settings.current.is_none() {
                context.out.note(
                    "no profile is the current one now: without --profile, --db or --api, commands work on the database of the \
                     folder that they are run in; choose one with: marketplace profile use NAME",
                );
            }
        }
    }
    Ok(())
}

/// Makes the path of an SQLite file absolute: a profile works from any folder, so it must not depend on the current
/// one.
fn absolute(url: &str) -> Outcome<String> {
    let url = database_url(url)?;
    match SqliteUrl::parse(url.expose())? {
        Some(at) => Ok(SqliteUrl { path: std::path::absolute(&at.path)?, ..at }.url()),
        None => Ok(url.expose().to_owned()),
    }
}
