//! `marketplace auth`: logging in to a server and out, sessions, second factor, signing keys.

pub(super) mod login;
mod totp;

use clap::Subcommand;
use marketplace_core::staff::{EndAllSessions, Identity, WhoAmI};
use marketplace_core::{
    auth::SessionView,
    base::change::{Change, RestrictionReason},
    ids::SessionId,
    keys::Rotation,
    users::model::EndedSessions,
};

pub use login::LoginArgs;

use crate::{
    args::{self, ChangeArgs, Range, one_of},
    change::Care,
    connect::{Target, Way, operator},
    context::Context,
    failure::{Failure, Outcome},
    output::{Card, Column, Kind, Row, View},
};

/// What can be done about who you are.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Log in; the session is kept for you until it is revoked or not used for long
    #[command(after_help = "Examples:\n  \
        marketplace auth login --api https://market.example.org\n  \
        marketplace auth login --profile prod --email lea@example.org --totp 123456 --password-stdin < password.txt")]
    Login(LoginArgs),
    /// Log out here and on the server
    #[command(after_help = "Example:\n  marketplace auth logout --profile prod")]
    Logout,
    /// As whom you work, and what you may do
    #[command(after_help = "Example:\n  marketplace auth whoami -o json")]
    Whoami,
    /// Your sessions: every place where you are logged in
    #[command(after_help = "Example:\n  marketplace auth sessions --profile prod")]
    Sessions {
        /// Which part of the list.
        #[command(flatten)]
        range: Range,
    },
    /// End one of your sessions
    #[command(
        name = "revoke-session",
        after_help = "Example:\n  marketplace auth revoke-session 019a8f3e-7c1e-7b2a-9d55-0c4f6a1b2c3d --yes"
    )]
    RevokeSession {
        /// The session
        #[arg(value_parser = args::id::<SessionId>)]
        id: SessionId,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Your second factor: codes from a device, besides the password
    #[command(subcommand, after_help = "Example:\n  marketplace auth totp enrol --profile prod")]
    Totp(totp::Verb),
    /// End everybody's sessions and tokens for scripts, your own too
    #[command(
        name = "revoke-all",
        after_help = "For when keys, a backup or a server may be in other hands. Everybody has to log in again.\n\n\
        Example:\n  marketplace auth revoke-all --reason security --yes"
    )]
    RevokeAll {
        /// Why, as a code; it stands in the audit log
        #[arg(long, value_name = "CODE", value_parser = one_of::<RestrictionReason>(RestrictionReason::NAMES))]
        reason: RestrictionReason,
        /// Say how many there are, and end none
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Create a new key that signs access tokens; nobody is logged out
    #[command(
        name = "rotate-keys",
        after_help = "At the machine that has the folder of keys. Running servers that share it notice by themselves.\n\n\
        Examples:\n  \
        marketplace auth rotate-keys --yes\n  \
        marketplace auth rotate-keys --lost"
    )]
    RotateKeys {
        /// The key that signed last is lost, so that nothing opens the database: sign with a new one. Access tokens of the
        /// lost one end; sessions go on
        #[arg(long)]
        lost: bool,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

impl Row for EndedSessions {
    const COLUMNS: &'static [Column] =
        &[Column::new("SESSIONS", "sessions", Kind::Text), Column::new("TOKENS", "tokens", Kind::Text)];
    fn id() -> String {
        "sessions".into()
    }
    fn fields() -> Vec<String> {
        ["sessions", "tokens"].map(String::from).to_vec()
    }
}

impl Row for Rotation {
    const COLUMNS: &'static [Column] = &[
        Column::new("SIGNS", "signs", Kind::Text),
        Column::new("VERIFY", "verify", Kind::Text),
        Column::new("REMOVED", "removed", Kind::Text),
    ];
    fn id() -> String {
        "signs".into()
    }
    fn fields() -> Vec<String> {
        ["signs", "verify", "removed"].map(String::from).to_vec()
    }
    fn card(&self, _view: &View) -> Option<Card> {
        let some = |keys: &[String]| (!keys.is_empty()).then(|| keys.join(", "));
        let card = Card::default().pair("signs", &self.signs);
        Some(card.maybe("still verify", some(&self.verify)).maybe("removed", some(&self.removed)))
    }
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context) -> Outcome {
    match verb {
        Verb::Login(args) => {
            context.out.check::<Identity>()?;
            let identity = login::log_in(context, &server(context)?, args).await?;
            context.out.item(&identity)
        }
        Verb::Sessions { range } => {
            context.out.check::<SessionView>()?;
            let remote = server(context)?.remote()?;
            context.stream(&range, async |page| remote.sessions(&page).await).await
        }
        Verb::RevokeSession { id, yes } => {
            let target = server(context)?;
            let change = ChangeArgs { yes, ..ChangeArgs::default() };
            context.confirm(&format!("End the session {id}?"), &change, Care::Ask).await?;
            target.remote()?.revoke_session(id).await?;
            context.out.note(&format!("ended on {}", target.system));
            Ok(())
        }
        Verb::RevokeAll { reason, dry_run, yes } => {
            let asked = ChangeArgs { dry_run, yes, ..ChangeArgs::default() };
            context.check_change::<EndedSessions>(&asked)?;
            context.confirm("End everybody's sessions and tokens, your own too?", &asked, Care::Ask).await?;
            let change = Change { reason: Some(reason), dry_run, ..Change::default() };
            let ended = context.connect().await?.call::<EndAllSessions>((), (), change.clone()).await?;
            context.print_change(&ended, &asked)
        }
        Verb::Totp(verb) => totp::run(verb, context, &server(context)?).await,
        Verb::Logout => {
            let target = server(context)?;
            if let Way::Api { url } = &target.way
                && !target.tokens(url)?.exists()
            {
                context.out.note(&format!("you were not logged in to {}", target.system));
                return Ok(());
            }
            target.remote()?.logout().await?;
            context.out.note(&format!("logged out of {}", target.system));
            Ok(())
        }
        Verb::RotateKeys { lost, yes } => {
            context.out.check::<Rotation>()?;
            let config = Target::resolve(&context.globals)?.config()?;
            let folder = config.keys_dir();
            let question = format!("Make a new signing key in {}?", folder.display());
            context.confirm(&question, &ChangeArgs { yes, ..ChangeArgs::default() }, Care::Ask).await?;
            let rotation = if lost {
                marketplace_core::operations::signing_keys::replace_lost_keys(&config, &operator()).await?
            } else {
                marketplace_core::operations::signing_keys::rotate_keys(&context.open(config).await?.by(&operator()))
                    .await?
            };
            context.out.note(&format!(
                "a new key signs from now on; servers with a copy of {} need a copy of the new file",
                folder.display()
            ));
            context.out.item(&rotation)
        }
        Verb::Whoami => {
            context.out.check::<Identity>()?;
            let identity = context.connect().await?.call::<WhoAmI>((), (), ()).await?;
            context.out.item(&identity)
        }
    }
}

/// Returns the server that was chosen.
///
/// # Errors
/// A usage error where a database was.
pub(super) fn server(context: &Context) -> Outcome<Target> {
    let target = Target::resolve(&context.globals)?;
    if let Way::Database { .. } = target.way {
        return Err(Failure::usage(
            "there is nothing to log in to: a database was chosen, and there you are who you are on this machine",
            "name the server with --api URL, or a profile that has one",
        ));
    }
    Ok(target)
}
