//! `marketplace demo`: a throwaway database with lifelike data, then the console.

use marketplace_core::staff::Connection;
use std::time::Duration;

use marketplace_core::{app::App, config::Config};
use marketplace_seed::{self as seed, Login, Rest, Summary};
use serde::Serialize;

use super::{db, tui};
use crate::{
    args::Format,
    connect::{Target, Way, operator},
    context::Context,
    failure::Outcome,
    files::private_temporary_folder,
    output::{Card, Column, Kind, Row, View},
};

/// How the demonstration starts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Open no console: keep the database, and print where it is and what to try on it
    #[arg(long)]
    no_tui: bool,
    /// Like --no-tui, and print nothing but the database's URL
    #[arg(long)]
    print_url: bool,
    /// How the console starts
    #[command(flatten)]
    console: tui::Console,
}

#[derive(Debug, Serialize)]
struct Demo {
    database_url: String,
    folder: String,
    #[serde(flatten)]
    made: Summary,
}

impl Row for Demo {
    const COLUMNS: &'static [Column] = &[
        Column::new("DATABASE", "database_url", Kind::Id),
        Column::new("USERS", "users", Kind::Number),
        Column::new("WAITING", "open", Kind::Number),
    ];
    fn id() -> String {
        "database_url".into()
    }
    fn fields() -> Vec<String> {
        ["database_url", "folder", "users", "attempts", "open", "files", "logins"].map(String::from).to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        let url = &self.database_url;
        let logins =
            self.made.logins.iter().map(|Login { role, email, password }| format!("{role:8}  {email}  {password}"));
        Some(
            Card::default()
                .pair("database", url)
                .pair("users", self.made.users)
                .pair("waiting", self.made.open)
                .section(
                    "try",
                    [
                        format!("marketplace kyc list --db {url}"),
                        format!("marketplace tui --db {url}"),
                        format!("MARKETPLACE_DATA_DIR={} marketplace-server", self.folder),
                        format!("rm -r {}", self.folder),
                    ],
                )
                .section("log in to the server as", logins.collect::<Vec<_>>()),
        )
    }
}

/// Creates the database, then opens the console on it while the remaining pictures are drawn. The folder is removed at
/// the end, even after an interruption.
pub async fn run(args: Args, context: &Context) -> Outcome {
    let stays = args.no_tui || args.print_url;
    if stays {
        context.out.check::<Demo>()?;
    } else {
        tui::require_terminal()?;
    }
    let folder = private_temporary_folder("marketplace-demo-")?;
    let (path, kept) =
        if stays { (folder.path().to_owned(), Some(folder)) } else { (context.keep_folder(folder), None) };
    let app = context.create(Config { data_dir: path.clone(), ..Config::default() }).await?;
    let (made, rest) = db::begin(context, &app, &seed::demo_plan()).await?;
    let url = app.config.database_url();
    if let Some(folder) = kept {
        db::finish(context, &app, rest).await?;
        // Nothing can fail any more: the folder now belongs to the user.
        let folder = folder.keep().display().to_string();
        let demo = Demo { database_url: url.expose().to_owned(), folder, made };
        let mut out = context.out.clone();
        if args.print_url {
            out.format = Format::Id;
        }
        return out.item(&demo);
    }
    let way = Way::Database { url: Some(url), config: None };
    let target = Target { system: "demo".into(), way, profile: None, production: false };
    let timers = tokio::spawn(run_timers(app.clone()));
    let drawing = tokio::spawn(draw(app.clone(), rest));
    // Nothing of a demonstration stays.
    let done = tui::launch(context, Connection::direct(app.clone(), operator()), args.console, &target, None).await;
    for task in [timers, drawing] {
        task.abort();
        let _ = task.await;
    }
    // Nothing may be written once the folder is being removed.
    app.close().await;
    done
}

/// Runs the scheduled work that a server runs every second: there is no server here, but mails must be sent and claims
/// must expire all the same.
async fn run_timers(app: App) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        if let Err(error) = app.run_due().await {
            tracing::warn!(?error, "what was due could not be done");
        }
    }
}

/// New cases arrive as their pictures are drawn.
async fn draw(app: App, rest: Rest) {
    if let Err(error) = rest.run(&app, 1, &|_| ()).await {
        tracing::warn!(?error, "not all cases of the demonstration could be drawn");
    }
}
