//! `marketplace db backup --follow`, and `db restore` of what it stored.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use marketplace_core::{
    config::Config,
    operations::follow::{
        self, FollowEvent, FollowOptions, FollowState, Restorable, RestoreProgress, RestoredTo, Told,
    },
    time::Timestamp,
};

use crate::{
    args::{ChangeArgs, Format},
    change::Care,
    connect::operator,
    context::Context,
    failure::{Failure, Outcome},
    output::{Column, Kind, Row, size},
};

impl Row for FollowEvent {
    const COLUMNS: &'static [Column] = &[
        Column::new("AT", "at", Kind::Time),
        Column::new("STATE", "state", Kind::State),
        Column::new("RESTORABLE TO", "restorable", Kind::Time),
        Column::optional("SEGMENTS", "segments", Kind::Number),
        Column::optional("BYTES", "bytes", Kind::Number),
        Column::new("DETAIL", "detail", Kind::Wrapped),
    ];
    fn id() -> String {
        "base".into()
    }
    fn fields() -> Vec<String> {
        ["at", "state", "base", "restorable", "segments", "bytes", "detail"].map(String::from).to_vec()
    }
}

impl Row for Restorable {
    const COLUMNS: &'static [Column] = &[
        Column::new("FROM", "from", Kind::Id),
        Column::new("TO", "to", Kind::Id),
        Column::new("SEGMENTS", "segments", Kind::Number),
        Column::optional("BASE", "base", Kind::Text),
        Column::new("DAMAGE", "damage", Kind::Wrapped),
    ];
    fn id() -> String {
        "base".into()
    }
    fn fields() -> Vec<String> {
        ["base", "from", "to", "segments", "damage"].map(String::from).to_vec()
    }
}

impl Row for RestoredTo {
    const COLUMNS: &'static [Column] = &[
        Column::new("AT", "at", Kind::Id),
        Column::new("SCHEMA", "schema", Kind::Number),
        Column::new("KEPT", "kept", Kind::Id),
    ];
    fn id() -> String {
        "kept".into()
    }
    fn fields() -> Vec<String> {
        ["schema", "kept", "at", "unknown"].map(String::from).to_vec()
    }
}

/// Returns whether something is restored from a place into which a database was followed, and not from a file.
pub(super) fn is_place(from: &Path) -> bool {
    let is_url = |text: &str| text.starts_with("s3://") || text.starts_with("file://");
    from.to_str().is_some_and(is_url) || from.is_dir()
}

/// Follows until it is told to end: by Ctrl-C, SIGTERM, or because nobody reads any more.
pub(super) async fn follow(context: &Context, config: &Config, place: &str, base_every: u64, keep: u64) -> Outcome {
    let out = &context.out;
    out.check::<FollowEvent>()?;
    if out.format == Format::Json {
        out.note("following: the array ends when this is stopped; -o jsonl gives an event a line");
    }
    context.interrupt.finish_steps();
    let bar = if out.shows_progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.enable_steady_tick(Duration::from_millis(250));
    bar.set_message("copying the database");
    let rows = Mutex::new((out.list::<FollowEvent>(), None::<Failure>));
    let tell = |told: Told<'_>| match told {
        Told::Status(now) => bar.set_message(line(now)),
        Told::Event(event) => {
            bar.set_message(line(event));
            let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(failure) = bar.suspend(|| rows.0.page(std::slice::from_ref(event))) {
                rows.1 = Some(failure);
            }
        }
    };
    let stop = || context.interrupt.requested() || rows.lock().unwrap_or_else(PoisonError::into_inner).1.is_some();
    let begun = |is_recorded: bool| {
        if !is_recorded {
            out.note("it is not on the audit log: the database cannot be written, or its schema is not this program's");
        }
        out.note(&format!(
            "keys and files are not in it, and without those keys it does not open: keep copies of {} and {}",
            config.keys_dir().display(),
            config.files_url()
        ));
    };
    let options = FollowOptions { base_every: Duration::from_secs(base_every), keep: Duration::from_secs(keep) };
    let done = follow::follow(config, place, options, &operator(), begun, &stop, &tell).await;
    bar.finish_and_clear();
    let (list, failure) = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = failure {
        return Err(failure);
    }
    if list.rows() > 0 {
        list.finish()?;
    }
    done?;
    Ok(())
}

fn line(now: &FollowEvent) -> String {
    let restorable = now.restorable.map_or_else(|| "nothing yet".to_owned(), |at| at.to_string());
    match (&now.detail, now.state) {
        (Some(detail), FollowState::Waiting) => format!("waiting · restorable to {restorable} · {detail}"),
        _ => format!("restorable to {restorable} · {} segments, {}", now.segments, size(now.bytes)),
    }
}

/// Lists to when can be restored.
pub(super) async fn list(context: &Context, place: &str) -> Outcome {
    context.out.check::<Restorable>()?;
    let found = follow::list(place).await?;
    let mut list = context.out.list::<Restorable>();
    list.page(&found)?;
    list.finish()
}

/// Restores to a time, or to the last one.
pub(super) async fn restore(
    context: &Context,
    config: &Config,
    place: &str,
    at: Option<Timestamp>,
    force: bool,
    yes: bool,
) -> Outcome {
    context.out.check::<RestoredTo>()?;
    let change = ChangeArgs { yes, ..ChangeArgs::default() };
    let when = at.map_or_else(|| "as it was last".to_owned(), |at| format!("as it was at {at}"));
    let question = format!("Put the database of {place}, {when}, in the place of {}?", config.database_url());
    context.confirm(&question, &change, Care::Ask).await?;
    let bar = if context.out.shows_progress() {
        let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} segments · {eta}");
        ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    };
    let show = |progress: RestoreProgress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    };
    let done = follow::restore(config, place, at, force, &operator(), &show).await;
    bar.finish_and_clear();
    let done = done?;
    context.out.note(&format!("the database is as it was after the change of {}", done.at));
    if let Some((from, to)) = done.unknown {
        context.out.note(&if Some(to) == at {
            format!("nothing is known of the time after {from}: no follower has stored what changed since")
        } else {
            format!("what changed between {from} and {to} was stored together, and is not in it: --at {to} restores it")
        });
    }
    if let Some(kept) = &done.kept {
        context.out.note(&format!("the database that was there is now {}", kept.display()));
    }
    context.out.item(&done)
}
