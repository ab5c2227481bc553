//! `marketplace db`: the database itself.

mod backup;
mod follow;
mod seed;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use marketplace_core::{
    config::Config,
    db::{Db, Engine, OpenOptions, SchemaState},
    platform::sqlite_url::{SqliteUrl, beside},
    time::Timestamp,
};
use marketplace_seed::{Images, Plan, Volume};
use serde::Serialize;

use crate::{
    args::{moment, span},
    connect::Target,
    context::Context,
    failure::{Failure, Outcome},
    output::{Card, Column, Kind, Row, Tone, View},
};

pub(super) use seed::{begin, finish};

/// What can be done with the database.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Bring the schema up to date
    #[command(after_help = "Examples:\n  \
        marketplace db migrate\n  \
        marketplace db migrate --db postgres://market@db.example.org/market")]
    Migrate {
        /// Show what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Engine, schema and size
    #[command(after_help = "Example:\n  marketplace db status -o json")]
    Status,
    /// Write a backup to one file, while the database is in use, or follow it; keys and files are apart from it
    #[command(
        after_help = "With --follow, an SQLite database is backed up until the command is ended (Ctrl-C or SIGTERM): it copies all of it,\n\
        and then stores each second what was committed, read from the write-ahead log without any lock. The database\n\
        can be restored as it was at any of those seconds. When it cannot store, it says so once, and catches up later.\n\
        PLACE is a folder, file:///FOLDER or s3://BUCKET/PREFIX (with the usual AWS_… variables). PostgreSQL archives its\n\
        log itself (pgBackRest, WAL-G).\n\n\
        Examples:\n  \
        marketplace db backup market-2026-03-02.bak\n  \
        marketplace db backup --db postgres://market@db.example.org/market market.dump\n  \
        marketplace db backup --follow /backup/market\n  \
        marketplace db backup --follow s3://backup/market --base-every 12h --keep 30d"
    )]
    Backup {
        /// The file; must not exist
        #[arg(required_unless_present = "follow", conflicts_with = "follow")]
        to: Option<PathBuf>,
        /// Back up continuously into a folder or a bucket
        #[arg(long, value_name = "PLACE")]
        follow: Option<String>,
        /// Copy all of the database again after this time
        #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = span, conflicts_with = "to")]
        base_every: u64,
        /// Remove copies, and what follows them, that are needed only for times before that
        #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span, conflicts_with = "to")]
        keep: u64,
    },
    /// Put a backup in the place of the database; an SQLite database that was there is kept beside it
    #[command(
        after_help = "A folder or s3://BUCKET/PREFIX into which `db backup --follow` wrote is restored as it was last, or at a time.\n\n\
        Examples:\n  \
        marketplace db restore market-2026-03-02.bak --yes\n  \
        marketplace db restore /backup/market --list\n  \
        marketplace db restore s3://backup/market --at 2026-03-02T10:00:00Z --yes"
    )]
    Restore {
        /// The backup
        from: PathBuf,
        /// As it was at this time: a time of a continuous backup, or a span before now
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Timestamp>,
        /// Only list to when can be restored
        #[arg(long, conflicts_with_all = ["at", "force", "yes"])]
        list: bool,
        /// Also when another program uses the database, or it has tables already
        #[arg(long)]
        force: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Fill with made-up users, identity checks, services, conversations, jobs and reviews
    #[command(
        after_help = "A database that has users already is only added to with --yes, or when asked on a terminal.\n\n\
        Examples:\n  \
        marketplace db seed --users 1000000 --db sqlite:///tmp/big/market.db\n  \
        marketplace db seed --users 1000000 --services 1000000 --messages 2000000\n  \
        marketplace db seed --users 500 --seed 7 --pictures own"
    )]
    Seed {
        /// Accounts
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        users: u64,
        /// Another number makes other people
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
        /// Identity checks; a fifth of the users unless said
        #[arg(long, value_name = "N")]
        attempts: Option<u64>,
        /// Which of them have pictures
        #[arg(long, value_name = "WHICH", default_value = "pool")]
        pictures: Pictures,
        /// Services; 1.3 for every approved worker unless said
        #[arg(long, value_name = "N")]
        services: Option<u64>,
        /// Conversations, with their jobs and reviews; a twelfth of the messages, or a sixth of the users, unless said
        #[arg(long, value_name = "N")]
        threads: Option<u64>,
        /// Messages, more or less; twelve a conversation unless said
        #[arg(long, value_name = "N")]
        messages: Option<u64>,
        /// Add to a database that has users, without asking
        #[arg(short, long)]
        yes: bool,
    },
    /// Copy an SQLite database, which nobody uses meanwhile, to an empty, migrated PostgreSQL
    #[command(after_help = "Example:\n  \
        marketplace db copy --from sqlite:///srv/market/data/marketplace.db --to postgres://market@db.example.org/market")]
    Copy {
        /// The database to read; the chosen one unless said
        #[arg(long, value_name = "URL")]
        from: Option<String>,
        /// The database to fill
        #[arg(long, value_name = "URL")]
        to: String,
        /// Also when a server has the source open; what is written from now on is not copied
        #[arg(long)]
        while_running: bool,
    },
}

/// Which attempts have pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Pictures {
    /// None has.
    None,
    /// Those that wait share a few.
    Pool,
    /// Each has its own; slow.
    Own,
}

#[derive(Debug, Serialize)]
pub(super) struct Status {
    engine: &'static str,
    url: String,
    schema: i64,
    newest: i64,
    current: bool,
    size_bytes: Option<u64>,
}

impl Status {
    fn new(config: &Config, engine: Engine, schema: SchemaState) -> Self {
        let url = config.database_url();
        let size = |path: &Path| std::fs::metadata(path).map(|file| file.len()).ok();
        let at = SqliteUrl::parse(url.expose()).ok().flatten();
        let size_bytes = at.and_then(|at| Some(size(&at.path)? + size(&beside(&at.path, "-wal")).unwrap_or(0)));
        Self {
            engine: match engine {
                Engine::Sqlite => "sqlite",
                Engine::Postgres => "postgres",
            },
            url: url.to_string(),
            schema: schema.applied,
            newest: schema.newest,
            current: schema.is_current(),
            size_bytes,
        }
    }
}

impl Row for Status {
    const COLUMNS: &'static [Column] = &[
        Column::new("ENGINE", "engine", Kind::Text),
        Column::new("SCHEMA", "schema", Kind::Number),
        Column::new("NEWEST", "newest", Kind::Number),
        Column::new("CURRENT", "current", Kind::Text),
        Column::new("SIZE", "size_bytes", Kind::Number),
        Column::new("URL", "url", Kind::Text),
    ];
    fn id() -> String {
        "url".into()
    }
    fn fields() -> Vec<String> {
        ["engine", "url", "schema", "newest", "current", "size_bytes"].map(String::from).to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        let (word, tone) = if self.current {
            ("up to date".to_owned(), Tone::Good)
        } else {
            (format!("behind: this program needs {}; run `marketplace db migrate`", self.newest), Tone::Warn)
        };
        Some(
            Card::default()
                .pair("engine", self.engine)
                .pair("url", &self.url)
                .toned("schema", format!("{}, {word}", self.schema), tone)
                .maybe("size", self.size_bytes.map(crate::output::size)),
        )
    }
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    let config = Target::resolve(&context.globals)?.config()?;
    match verb {
        Verb::Backup { to: Some(to), .. } => backup::back_up(context, &config, &to).await,
        Verb::Backup { to: None, follow, base_every, keep } => {
            follow::follow(context, &config, &follow.unwrap_or_default(), base_every, keep).await
        }
        Verb::Restore { from, at, list, force, yes } => match from.to_str().filter(|_| follow::is_place(&from)) {
            Some(place) if list => follow::list(context, place).await,
            Some(place) => follow::restore(context, &config, place, at, force, yes).await,
            None if list || at.is_some() => Err(Failure::Usage {
                message: format!("{} is no folder or bucket of a continuous backup", from.display()),
                hint: Some(
                    "--at and --list are for what `db backup --follow` wrote; leave them away to restore a file".into(),
                ),
            }),
            None => backup::restore(context, &config, &from, force, yes).await,
        },
        Verb::Copy { from, to, while_running } => {
            backup::copy(context, config, from.as_deref(), &to, while_running).await
        }
        Verb::Seed { users, seed, attempts, pictures, services, threads, messages, yes } => {
            let market = Volume { services, threads, messages };
            let images = match pictures {
                Pictures::None => Images::None,
                Pictures::Pool => Plan::default().images,
                Pictures::Own => Images::Own,
            };
            seed::run(context, config, &Plan { users, seed, attempts, images, market, demo: false }, yes).await
        }
        Verb::Migrate { dry_run } => {
            context.out.check::<Status>()?;
            let db = open(&config, !dry_run).await?;
            let before = db.schema_state().await?;
            let after = if dry_run { before } else { db.migrate().await? };
            if after.is_current() {
                marketplace_core::operations::key_check::check(&db, &config.keys_dir()).await?;
            }
            context.out.note(&match (before.applied == after.applied, before.is_current()) {
                (true, true) => "the schema is up to date already".to_owned(),
                (true, false) => format!("dry run: the schema would go from {} to {}", before.applied, before.newest),
                (false, _) => format!("the schema went from {} to {}", before.applied, after.applied),
            });
            let status = Status::new(&config, db.engine(), after);
            db.close().await;
            context.out.item(&status)
        }
        Verb::Status => {
            context.out.check::<Status>()?;
            let db = open(&config, false).await?;
            let status = Status::new(&config, db.engine(), db.schema_state().await?);
            db.close().await;
            context.out.item(&status)
        }
    }
}

/// Opens only the database, whatever its schema version.
async fn open(config: &Config, create: bool) -> Outcome<Db> {
    Ok(Db::open(config.database_url().expose(), OpenOptions { connections: 1, create, ..OpenOptions::default() })
        .await?)
}
