//! `marketplace backup` and `marketplace restore`: database, files and keys together.

use std::path::PathBuf;

use marketplace_core::operations::whole::{self, BackedUpWhole, Manifest, RestoredWhole};

use super::files::{bar, show};
use crate::{
    args::ChangeArgs,
    change::Care,
    connect::{Target, operator},
    context::Context,
    failure::Outcome,
    output::{Card, Column, Kind, Row, View, size},
};

/// What is backed up, and to where.
#[derive(Debug, clap::Args)]
pub struct BackupArgs {
    /// The folder; must not exist
    to: PathBuf,
    /// Also when files are missing that the database names
    #[arg(long)]
    allow_missing: bool,
}

/// What is restored.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The folder of the backup
    from: PathBuf,
    /// Also when another program uses the database, or it has tables already
    #[arg(long)]
    force: bool,
    /// Verify the backup, and restore nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Row for BackedUpWhole {
    const COLUMNS: &'static [Column] = &[
        Column::new("PATH", "path", Kind::Id),
        Column::new("DATABASE", "database_bytes", Kind::Number),
        Column::new("FILES", "files", Kind::Number),
        Column::new("KEYS", "keys", Kind::Number),
    ];
    fn id() -> String {
        "path".into()
    }
    fn fields() -> Vec<String> {
        ["path", "schema", "database_bytes", "files", "file_bytes", "keys", "missing", "recorded"]
            .map(String::from)
            .to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        Some(
            Card::default()
                .pair("backup", self.path.display())
                .pair("database", size(self.database_bytes))
                .pair("files", format!("{} ({})", self.files, size(self.file_bytes)))
                .pair("keys", self.keys)
                .section("missing files", self.missing.clone()),
        )
    }
}

impl Row for RestoredWhole {
    const COLUMNS: &'static [Column] = &[
        Column::new("SCHEMA", "schema", Kind::Number),
        Column::new("FILES", "files", Kind::Number),
        Column::new("KEPT", "kept", Kind::Text),
    ];
    fn id() -> String {
        "schema".into()
    }
    fn fields() -> Vec<String> {
        ["schema", "files", "keys_replaced", "kept"].map(String::from).to_vec()
    }
}

impl Row for Manifest {
    const COLUMNS: &'static [Column] = &[
        Column::new("MADE", "made_at", Kind::Time),
        Column::new("ENGINE", "engine", Kind::Text),
        Column::new("SCHEMA", "schema", Kind::Number),
        Column::new("FILES", "files", Kind::Number),
    ];
    fn id() -> String {
        "made_at".into()
    }
    fn fields() -> Vec<String> {
        [
            "format",
            "program",
            "made_at",
            "engine",
            "schema",
            "database",
            "keys",
            "list",
            "files",
            "file_bytes",
            "missing",
        ]
        .map(String::from)
        .to_vec()
    }
}

/// Backs up database, files and keys.
pub async fn back_up(args: BackupArgs, context: &Context) -> Outcome {
    context.out.check::<BackedUpWhole>()?;
    let config = Target::resolve(&context.globals)?.config()?;
    let bar = bar(context);
    let shown = |progress| show(&bar, progress);
    let done = whole::back_up(&config, &args.to, args.allow_missing, &operator(), &shown).await;
    bar.finish_and_clear();
    let done = done?;
    if !done.recorded {
        context
            .out
            .note("it is not on the audit log: the database cannot be written, or its schema is not this program's");
    }
    context.out.note("whoever has it has everything, the keys included: keep it encrypted, where few can read it");
    context.out.item(&done)
}

/// Restores a backup, or verifies it.
pub async fn restore(args: RestoreArgs, context: &Context) -> Outcome {
    let RestoreArgs { from, force, dry_run, yes } = args;
    let bar = bar(context);
    let shown = |progress| show(&bar, progress);
    if dry_run {
        context.out.check::<Manifest>()?;
        let verified = whole::verify(&from, &shown).await;
        bar.finish_and_clear();
        let verified = verified?;
        if !verified.missing.is_empty() {
            context.out.note(&format!(
                "files that its database names were missing when it was made: {}",
                verified.missing.len()
            ));
        }
        context.out.note(&format!("dry run: {} is whole; nothing was restored", from.display()));
        return context.out.item(&verified);
    }
    context.out.check::<RestoredWhole>()?;
    let config = Target::resolve(&context.globals)?.config()?;
    let change = ChangeArgs { yes, ..ChangeArgs::default() };
    let question = format!(
        "Put {} in the place of the database {}, the files in {} and the keys in {}?",
        from.display(),
        config.database_url(),
        config.files_url(),
        config.keys_dir().display()
    );
    context.confirm(&question, &change, Care::Ask).await?;
    let done = whole::restore(&config, &from, force, &operator(), &shown).await;
    bar.finish_and_clear();
    let done = done?;
    for kept in &done.kept {
        context.out.note(&format!("what was there is kept in {}", kept.display()));
    }
    context.out.item(&done)
}
