//! `marketplace tui`: the console.

use marketplace_core::staff::{Connection, WhoAmI};
use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::IsTerminal,
    path::PathBuf,
    sync::Arc,
};

use marketplace_core::{error::ErrorCode, platform::new_file::require_free};

use super::{
    auth::{LoginArgs, login},
    plain::{self, Program},
};
use crate::{
    connect::{Target, Way, outside_token},
    context::{Context, Lines},
    failure::{Failure, Outcome},
    profile::{self, Settings, SettingsFile, Zone},
    tui::{self, Options, Reply},
};

/// How the console starts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Console {
    /// Refuse every change
    #[arg(long)]
    pub read_only: bool,
    /// How pictures are drawn: auto, kitty, iterm2, sixel, octants, sextants, halfblocks, mono or off
    #[arg(long, value_name = "HOW", env = "MARKETPLACE_IMAGES")]
    pub images: Option<String>,
    /// How the console looks: dark, light, contrast or 16 (colours)
    #[arg(long, value_name = "NAME", value_parser = tui::THEMES)]
    pub theme: Option<String>,
    /// Record the session in this new file (asciicast v2), without personal data; `marketplace replay` plays it
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Draw frames and signs in ASCII
    #[arg(long)]
    pub ascii: bool,
}

/// The console, full screen or line by line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Args {
    /// Work line by line, without moving the cursor: for screen readers
    #[arg(long, conflicts_with_all = ["theme", "ascii", "record"])]
    plain: bool,
    /// How the console starts.
    #[command(flatten)]
    console: Console,
}

impl Args {
    /// Returns whether it works line by line.
    pub fn is_plain(&self) -> bool {
        self.plain
    }
}

/// Opens the console on the chosen system.
pub(super) async fn run<'a>(args: Args, context: &'a Context, program: Program<'a>) -> Outcome {
    if args.plain {
        let settings = settings()?;
        let target = Target::resolve(&context.globals)?;
        let gate = Arc::new(tui::Gate::new(args.console.read_only));
        let api = logged_in(context, &target, std::io::stdin().is_terminal()).await?.guarded(gate);
        let lock = only_console(&target);
        let _ = context.lines.set(Lines::stdin(api.clone()));
        // Claims are given back, whatever ends it.
        context.interrupt.ignore();
        let known = plain::Known { targets: settings.targets, macros: settings.macros, is_alone: lock.is_some() };
        return plain::run(context, api, program, known).await;
    }
    let args = args.console;
    settings()?;
    require_terminal()?;
    if let Some(path) = &args.record {
        require_free(path)?;
    }
    let target = Target::resolve(&context.globals)?;
    let api = logged_in(context, &target, true).await?;
    let memory = profile::folder().ok().map(|folder| folder.join("console.json"));
    launch(context, api, args, &target, memory).await
}

/// Connects, and asks for a missing log-in where somebody can be asked: on the ordinary screen, where the text stays. The console
/// itself handles an unreachable server.
async fn logged_in(context: &Context, target: &Target, can_ask: bool) -> Outcome<Connection> {
    let api = context.connect_to(target).await?;
    if let Way::Api { .. } = target.way {
        match api.call::<WhoAmI>((), (), ()).await {
            Err(error) if error.code() == ErrorCode::Unauthenticated && can_ask && outside_token()?.is_none() => {
                context.out.note(&format!("{}: log in to {}", error.detail(), target.system));
                login::log_in(context, target, LoginArgs::default()).await?;
                return context.connect_to(target).await;
            }
            Err(error) if matches!(error.code(), ErrorCode::Unauthenticated | ErrorCode::Forbidden) => {
                return Err(error.into());
            }
            _ => {}
        }
    }
    Ok(api)
}

/// Returns the user's settings, after checking those of the console.
fn settings() -> Outcome<Settings> {
    let file = SettingsFile::open()?;
    let Settings { tui, keys, targets, macros, .. } = &file.settings;
    let options = Options {
        images: tui.images.clone(),
        theme: tui.theme.clone(),
        notify: tui.notify.clone(),
        keys: keys.clone(),
        targets: targets.clone(),
        macros: macros.clone(),
        ..Options::default()
    };
    match tui::wrong_setting(&options) {
        Some((table, name, why)) => {
            let place = file.place_of(table, &name);
            Err(Failure::usage(format!("{place}: {why}"), "correct the file with an editor"))
        }
        None => Ok(file.settings),
    }
}

/// Fails without a terminal, before any work is done.
pub(super) fn require_terminal() -> Outcome {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("the console needs a terminal", "the other commands work in a pipe: `marketplace --help`"))
}

/// Runs the console until the user quits. It remembers its user in the file `memory`, if there is one.
pub(super) async fn launch(
    context: &Context,
    api: Connection,
    args: Console,
    target: &Target,
    memory: Option<PathBuf>,
) -> Outcome {
    let settings = settings()?;
    let lock = only_console(target);
    let options = Options {
        system: target.system.clone(),
        way: target.way_name().into(),
        production: target.production,
        read_only: args.read_only,
        alone: lock.is_some(),
        no_color: !context.out.view.color,
        images: args.images.or(settings.tui.images),
        theme: args.theme.or(settings.tui.theme),
        ascii: args.ascii || settings.tui.ascii,
        memory,
        local_time: settings.tui.time == Some(Zone::Local),
        resumes: settings.tui.resume != Some(false),
        notify: settings.tui.notify,
        title: settings.tui.title != Some(false),
        targets: settings.targets,
        replies: settings.replies.into_iter().flat_map(|(name, text)| Reply::named(&name, text)).collect(),
        macros: settings.macros,
        record: args.record,
        keys: settings.keys,
    };
    // The console handles signals itself: it must release claims and restore the terminal.
    context.interrupt.ignore();
    let again = async || -> anyhow::Result<Connection> {
        if let Way::Api { .. } = target.way {
            login::log_in(context, target, LoginArgs::default()).await?;
        }
        Ok(context.connect_to(target).await?)
    };
    let end = Box::pin(tui::run(api, options, again)).await?;
    drop(lock);
    match end {
        tui::End::Left => Ok(()),
        tui::End::Signalled => Err(Failure::Terminated),
    }
}

/// A lock that ends with the process, however that ends; its file is removed when the console is left.
struct Lock(#[expect(dead_code, reason = "kept open, as it is what is locked")] File, PathBuf);

impl Drop for Lock {
    fn drop(&mut self) {
        // Before it is closed: nobody else can have locked it.
        let _ = std::fs::remove_file(&self.1);
    }
}

/// Returns a lock if no other console with these credentials runs on this machine.
fn only_console(target: &Target) -> Option<Lock> {
    let mut hasher = DefaultHasher::new();
    let system = match &target.way {
        Way::Database { url: Some(url), .. } => url.expose().to_owned(),
        way => format!("{way:?}"),
    };
    (system, &target.profile, outside_token().ok(), profile::folder().ok()).hash(&mut hasher);
    let folder = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let user = rustix::process::getuid().as_raw();
    let path = folder.join(format!("marketplace-console-{user}-{:016x}.lock", hasher.finish()));
    let file = File::options().write(true).create(true).truncate(false).open(&path).ok()?;
    file.try_lock().ok().map(|()| Lock(file, path))
}
