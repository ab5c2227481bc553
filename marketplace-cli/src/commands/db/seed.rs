//! `marketplace db seed`: fills a database with made-up data.

use indicatif::{ProgressBar, ProgressStyle};
use marketplace_core::{accounts::summary::UserFilter, app::App, config::Config, page::PageRequest};
use marketplace_seed::{self as seed, Login, PAINTERS, Plan, Progress, Rest, Summary};

use crate::{
    args::ChangeArgs,
    change::Care,
    connect::operator,
    context::Context,
    failure::Outcome,
    output::{Card, Column, Kind, Row, View},
};

impl Row for Summary {
    const COLUMNS: &'static [Column] = &[
        Column::new("USERS", "users", Kind::Number),
        Column::new("CHECKS", "attempts", Kind::Number),
        Column::new("WAITING", "open", Kind::Number),
        Column::new("FILES", "files", Kind::Number),
        Column::new("SERVICES", "services", Kind::Number),
        Column::new("THREADS", "threads", Kind::Number),
        Column::new("MESSAGES", "messages", Kind::Number),
        Column::new("JOBS", "jobs", Kind::Number),
        Column::new("REVIEWS", "reviews", Kind::Number),
    ];
    fn id() -> String {
        "users".into()
    }
    fn fields() -> Vec<String> {
        ["users", "attempts", "open", "files", "services", "threads", "messages", "jobs", "reviews", "logins"]
            .map(String::from)
            .to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        let logins = self.logins.iter().map(|Login { role, email, password }| format!("{role:8}  {email}  {password}"));
        Some(
            Card::default()
                .pair("users", self.users)
                .pair("identity checks", self.attempts)
                .pair("waiting", self.open)
                .pair("files", self.files)
                .pair("services", self.services)
                .pair("threads", self.threads)
                .pair("messages", self.messages)
                .pair("jobs", self.jobs)
                .pair("reviews", self.reviews)
                .section("log in as", logins.collect::<Vec<_>>()),
        )
    }
}

/// Runs `db seed`: an empty database is filled at once, any other only after confirmation.
pub(super) async fn run(context: &Context, config: Config, plan: &Plan, yes: bool) -> Outcome {
    context.out.check::<Summary>()?;
    let app = context.open_to_fill(config).await?;
    let one = PageRequest::first(1);
    let there = marketplace_core::users::list(&app.by(&operator()), &UserFilter::default(), &one).await?;
    if !there.items.is_empty() {
        let change = ChangeArgs { yes, ..ChangeArgs::default() };
        let question = format!("{} has users already. Add made-up ones?", app.config.database_url());
        context.confirm(&question, &change, Care::Ask).await?;
    }
    let summary = seed(context, &app, plan).await?;
    context.out.item(&summary)
}

/// Fills the database, with progress.
async fn seed(context: &Context, app: &App, plan: &Plan) -> Outcome<Summary> {
    let (summary, rest) = begin(context, app, plan).await?;
    finish(context, app, rest).await?;
    Ok(summary)
}

/// Fills the database with everything but what can be drawn later, with progress.
pub(in crate::commands) async fn begin(context: &Context, app: &App, plan: &Plan) -> Outcome<(Summary, Rest)> {
    let bar = bar(context, plan.users);
    let made = seed::begin(app, plan, &|progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    Ok(made?)
}

/// Draws the rest, with progress.
pub(in crate::commands) async fn finish(context: &Context, app: &App, rest: Rest) -> Outcome {
    let bar = bar(context, rest.len());
    let done = rest.run(app, PAINTERS, &|progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    Ok(done?)
}

fn bar(context: &Context, length: u64) -> ProgressBar {
    if context.out.shows_progress() {
        let style = ProgressStyle::with_template("{wide_bar} {msg} {human_pos}/{human_len} · {eta}");
        ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    }
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_message(progress.stage.as_str());
    bar.set_length(progress.total.max(progress.done));
    bar.set_position(progress.done);
}
