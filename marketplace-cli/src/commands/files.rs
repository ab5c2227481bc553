//! `marketplace files`: stored files, moved from one store to another.

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use marketplace_core::operations::file_copy::{self, CopyOptions, FileProgress, FilesCopied};

use crate::{
    args::ChangeArgs,
    change::Care,
    context::Context,
    failure::{Failure, Outcome},
    output::{Card, Column, Kind, Row, Tone, View, size},
};

/// What can be done with stored files.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Copy all files to another store, encrypted as they lie; what is there already stays
    #[command(
        after_help = "Each place is a folder, file:///FOLDER or s3://BUCKET/PREFIX (with the usual AWS_… variables). A copy that was interrupted\n\
        goes on when it is run again: only what is missing or has another size is copied. Each file is read back and\n\
        compared. Files that are deleted from the source meanwhile (an erasure) do not stay at the destination. What the\n\
        destination has besides is counted as extra, and deleted only by --delete.\n\n\
        To move: copy while the server runs; stop the server; copy again with --delete, so that erasures of the time\n\
        between reach the new place too; set files_url; start the server.\n\n\
        Examples:\n  \
        marketplace files copy /srv/market/files s3://market/files\n  \
        marketplace files copy s3://market/files file:///srv/market/files --delete --yes\n  \
        marketplace files copy /srv/market/files /mnt/files --dry-run -o json"
    )]
    Copy {
        /// The store to read
        from: String,
        /// The store to fill
        to: String,
        /// Delete what the destination has of a marketplace's files and the source does not
        #[arg(long)]
        delete: bool,
        /// Compare the contents of files that both have, not only their sizes
        #[arg(long)]
        checksum: bool,
        /// Show what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

impl Row for FilesCopied {
    const COLUMNS: &'static [Column] = &[
        Column::new("FILES", "files", Kind::Number),
        Column::new("COPIED", "copied", Kind::Number),
        Column::new("UNCHANGED", "unchanged", Kind::Number),
        Column::new("GONE", "gone", Kind::Number),
        Column::new("DELETED", "deleted", Kind::Number),
        Column::new("EXTRA", "extra", Kind::Number),
        Column::new("FAILED", "failed", Kind::Number),
    ];
    fn id() -> String {
        "copied".into()
    }
    fn fields() -> Vec<String> {
        [
            "files",
            "copied",
            "bytes",
            "unchanged",
            "gone",
            "deleted",
            "extra",
            "ignored",
            "failed",
            "failures",
            "dry_run",
        ]
        .map(String::from)
        .to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        let verb = if self.dry_run { "would be copied" } else { "copied" };
        let mut card = Card::default()
            .pair("files", self.files)
            .pair(verb, format!("{} ({})", self.copied, size(self.bytes)))
            .pair("there already", self.unchanged)
            .pair("deleted meanwhile", self.gone)
            .pair("deleted", self.deleted)
            .pair("only at the destination", self.extra)
            .pair("no files of a marketplace", self.ignored);
        if self.failed > 0 {
            card = card.toned("failed", self.failed, Tone::Bad);
            card =
                card.section("failures", self.failures.iter().map(|failed| failed.reason.clone()).collect::<Vec<_>>());
        }
        Some(card)
    }
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    let Verb::Copy { from, to, delete, checksum, dry_run, yes } = verb;
    context.out.check::<FilesCopied>()?;
    if delete {
        let change = ChangeArgs { dry_run, yes, ..ChangeArgs::default() };
        context.confirm(&format!("Delete from {to} what {from} does not have?"), &change, Care::Ask).await?;
    }
    let bar = bar(context);
    let show = |progress| show(&bar, progress);
    let done = file_copy::copy(&from, &to, CopyOptions { delete, checksum, dry_run }, &show).await;
    bar.finish_and_clear();
    let done = done?;
    if done.extra > 0 {
        context.out.note(&format!(
            "{} files are only at {to}: erased from {from} since an earlier copy, or stored there; --delete deletes them",
            done.extra
        ));
    }
    if done.ignored > 0 {
        context.out.note(&format!(
            "{} names at {from} are no files of a marketplace, or links, and were not copied",
            done.ignored
        ));
    }
    context.out.item(&done)?;
    if done.failed > 0 {
        return Err(Failure::Batch(format!("{} files failed; running it again tries them again", done.failed)));
    }
    Ok(())
}

/// Returns a bar that is shown on a terminal only.
pub(super) fn bar(context: &Context) -> ProgressBar {
    if context.out.shows_progress() {
        let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} files · {eta}");
        ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    }
}

pub(super) fn show(bar: &ProgressBar, progress: FileProgress) {
    bar.set_length(progress.total);
    bar.set_position(progress.done);
}
