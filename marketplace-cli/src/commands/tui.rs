//! `marketplace tui`: the console.

use marketplace_core::staff::{Connection, WhoAmI};
use std::io::IsTerminal;

use marketplace_core::error::ErrorCode;

use super::auth::{LoginArgs, login};
use crate::{
    connect::{Target, Way, outside_token},
    context::Context,
    failure::{Failure, Outcome},
    profile::SettingsFile,
    tui::{self, Options},
};

/// How the console starts.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Console {
    /// Refuse every change
    #[arg(long)]
    pub read_only: bool,
    /// How pictures are drawn: auto, kitty, iterm2, sixel, halfblocks, mono or off
    #[arg(long, value_name = "HOW", env = "MARKETPLACE_IMAGES")]
    pub images: Option<String>,
}

/// Opens the console on the chosen system.
pub async fn run(args: Console, context: &Context) -> Outcome {
    require_terminal()?;
    let target = Target::resolve(&context.globals)?;
    let mut api = context.connect_to(&target).await?;
    if let Way::Api { .. } = target.way {
        // A missing log-in is reported on the ordinary screen, where the text stays. The console itself handles an
        // unreachable server.
        match api.call::<WhoAmI>((), (), ()).await {
            Err(error) if error.code() == ErrorCode::Unauthenticated && outside_token()?.is_none() => {
                context.out.note(&format!("{}: log in to {}", error.detail(), target.system));
                login::log_in(context, &target, LoginArgs::default()).await?;
                api = context.connect_to(&target).await?;
            }
            Err(error) if matches!(error.code(), ErrorCode::Unauthenticated | ErrorCode::Forbidden) => {
                return Err(error.into());
            }
            _ => {}
        }
    }
    launch(context, api, args, &target).await
}

/// Fails without a terminal, before any work is done.
pub(super) fn require_terminal() -> Outcome {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("the console needs a terminal", "the other commands work in a pipe: `marketplace --help`"))
}

/// Runs the console until the user quits.
pub(super) async fn launch(context: &Context, api: Connection, args: Console, target: &Target) -> Outcome {
    let settings = SettingsFile::open()?.settings;
    let options = Options {
        system: target.system.clone(),
        way: target.way_name().into(),
        production: target.production,
        read_only: args.read_only,
        no_color: !context.out.view.color,
        images: args.images.or(settings.tui.images),
        keys: settings.keys,
    };
    // The console handles signals itself: it must release claims and restore the terminal.
    context.interrupt.finish_steps();
    tui::run(api, options).await?;
    Ok(())
}
