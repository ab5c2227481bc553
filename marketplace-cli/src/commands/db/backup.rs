//! `marketplace db backup`, `restore` and `copy` (from SQLite to PostgreSQL).

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use marketplace_core::{
    config::Config,
    copy::{self, Copied, Progress},
    operations::backup::{self, BackedUp, Restored},
};

use crate::{
    args::ChangeArgs,
    change::Care,
    connect::{database_url, load_config, operator},
    context::Context,
    failure::Outcome,
    output::{Card, Column, Kind, Row, View, size},
};

impl Row for BackedUp {
    const COLUMNS: &'static [Column] =
        &[Column::new("PATH", "path", Kind::Id), Column::new("BYTES", "bytes", Kind::Number)];
    fn id() -> String {
        "path".into()
    }
    fn fields() -> Vec<String> {
        ["path", "bytes", "recorded"].map(String::from).to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        Some(Card::default().pair("backup", self.path.display()).pair("size", size(self.bytes)))
    }
}

impl Row for Restored {
    const COLUMNS: &'static [Column] =
        &[Column::new("SCHEMA", "schema", Kind::Number), Column::new("KEPT", "kept", Kind::Id)];
    fn id() -> String {
        "kept".into()
    }
    fn fields() -> Vec<String> {
        ["schema", "kept"].map(String::from).to_vec()
    }
}

impl Row for Copied {
    const COLUMNS: &'static [Column] = &[
        Column::new("AUDIT VERIFIED", "audit_verified", Kind::Number),
        Column::new("LAST AUDIT", "last_audit", Kind::Number),
        Column::new("LAST EVENT", "last_event", Kind::Number),
        Column::new("WRITTEN SINCE", "written_since", Kind::Number),
        Column::new("TABLES", "tables", Kind::Text),
    ];
    fn id() -> String {
        "audit_verified".into()
    }
    fn fields() -> Vec<String> {
        ["tables", "audit_verified", "last_audit", "last_event", "written_since"].map(String::from).to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        let tables = self.tables.iter().map(|(table, rows)| format!("{rows:>10} {table}"));
        Some(
            Card::default()
                .pair("audit rows verified", self.audit_verified)
                .pair("last audit row", self.last_audit)
                .pair("last event", self.last_event)
                .section("rows copied", tables.collect::<Vec<_>>()),
        )
    }
}

pub(super) async fn back_up(context: &Context, config: &Config, to: &Path) -> Outcome {
    context.out.check::<BackedUp>()?;
    let done = backup::backup(config, to, &operator()).await?;
    if !done.recorded {
        context
            .out
            .note("it is not on the audit log: the database cannot be written, or its schema is not this program's");
    }
    context.out.note(&format!(
        "keys and files are not in it, and without those keys it does not open: keep copies of {} and {}",
        config.keys_dir().display(),
        config.files_url()
    ));
    context.out.item(&done)
}

pub(super) async fn restore(context: &Context, config: &Config, from: &Path, force: bool, yes: bool) -> Outcome {
    context.out.check::<Restored>()?;
    let change = ChangeArgs { yes, ..ChangeArgs::default() };
    let question = format!("Put {} in the place of {}?", from.display(), config.database_url());
    context.confirm(&question, &change, Care::Ask).await?;
    let done = backup::restore(config, from, force, &operator()).await?;
    if let Some(kept) = &done.kept {
        context.out.note(&format!("the database that was there is now {}", kept.display()));
    }
    context.out.item(&done)
}

pub(super) async fn copy(
    context: &Context,
    chosen: Config,
    from: Option<&str>,
    to: &str,
    while_running: bool,
) -> Outcome {
    context.out.check::<Copied>()?;
    let file = context.globals.config.as_deref();
    let from = match from {
        Some(url) => load_config(Some(database_url(url)?), file)?,
        None => chosen,
    };
    let to = load_config(Some(database_url(to)?), file)?;
    let bar = if context.out.shows_progress() {
        let style = ProgressStyle::with_template("{wide_bar} {msg} {human_pos}/{human_len} · {eta}");
        ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    };
    let show = |progress: Progress<'_>| {
        bar.set_message(progress.table.to_owned());
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let done = copy::copy(&from, &to, &operator(), while_running, &show).await;
    bar.finish_and_clear();
    let done = done?;
    context
        .out
        .note("keys and files stay where they are: the new system must be given the same keys_dir and files_url");
    if let Some(since) = done.written_since {
        context.out.note(&format!(
            "the source was in use: nothing is in the copy that came after audit row {} and event {} ({since} such rows so \
             far); to lose nothing, stop the server, copy again into a new database, and start the server there",
            done.last_audit, done.last_event
        ));
    }
    context.out.item(&done)
}
