//! `marketplace auth`: logging in to a server, and out.

use std::io::Read;

use clap::Subcommand;
use marketplace_core::{
    accounts::model::Password,
    admin::{AdminApi, Identity},
    auth,
    keys::Rotation,
};

use crate::{
    args::ChangeArgs,
    change::{Care, can_ask, prompt},
    connect::{Target, Way, operator},
    context::Context,
    failure::{Failure, Outcome},
    output::{Card, Column, Kind, Row, View},
    remote::is_loopback,
};

/// Bytes of a password on stdin at most; far more than core takes.
const MAX_PASSWORD: u64 = 4_096;

/// What can be done about who you are.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Log in; the session is kept for you until it is revoked or not used for long
    #[command(after_help = "Examples:\n  \
        marketplace auth login --api https://market.example.org\n  \
        marketplace auth login --profile prod --email lea@example.org --password-stdin < password.txt")]
    Login {
        /// Your address
        #[arg(long)]
        email: Option<String>,
        /// Read the password from stdin
        #[arg(long, requires = "email")]
        password_stdin: bool,
        /// Send the password over an unencrypted connection to another machine
        #[arg(long)]
        insecure: bool,
    },
    /// Log out here and on the server
    #[command(after_help = "Example:\n  marketplace auth logout --profile prod")]
    Logout,
    /// As whom you work, and what you may do
    #[command(after_help = "Example:\n  marketplace auth whoami -o json")]
    Whoami,
    /// Make a new key that signs access tokens; nobody is logged out
    #[command(
        name = "rotate-keys",
        after_help = "At the machine that has the folder of keys. Running servers that share it notice by themselves.\n\n\
        Example:\n  marketplace auth rotate-keys --yes"
    )]
    RotateKeys {
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
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
        Verb::Login { email, password_stdin, insecure } => {
            context.out.check::<Identity>()?;
            let target = server(context)?;
            let remote = target.remote()?;
            if std::env::var_os("MARKETPLACE_TOKEN").is_some_and(|token| !token.is_empty()) {
                return Err(Failure::usage(
                    "MARKETPLACE_TOKEN is set and would be used instead of a log-in",
                    "unset it first",
                ));
            }
            if remote.base().scheme() == "http" && !is_loopback(remote.base()) && !insecure {
                return Err(Failure::usage(
                    "this would send the password unencrypted over the network",
                    "use an https:// address, or add --insecure if you know the network",
                ));
            }
            if !password_stdin && !can_ask() {
                return Err(Failure::usage(
                    "there is no terminal to ask for the password on",
                    "give --email ADDRESS --password-stdin",
                ));
            }
            let email = match email {
                Some(email) => email,
                None => prompt(|| inquire::Text::new("Email:").prompt()).await?,
            };
            let password = if password_stdin {
                read_password()?
            } else {
                Password::new(prompt(|| inquire::Password::new("Password:").without_confirmation().prompt()).await?)
            };
            remote.login(&email, &password).await?;
            match remote.whoami().await {
                Ok(identity) => {
                    context.out.note(&format!("logged in to {} as {}", target.system, identity.name));
                    context.out.item(&identity)
                }
                // Clients and workers have no business here; do not leave a session of theirs behind.
                Err(error) => {
                    remote.logout().await?;
                    Err(error.into())
                }
            }
        }
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
        Verb::RotateKeys { yes } => {
            context.out.check::<Rotation>()?;
            let config = Target::resolve(&context.globals)?.config()?;
            let folder = config.keys_dir();
            let question = format!("Make a new signing key in {}?", folder.display());
            context.confirm(&question, &ChangeArgs { yes, ..ChangeArgs::default() }, Care::Ask).await?;
            let app = context.open(config).await?;
            let rotation = auth::rotate_keys(&app, &operator()).await?;
            context.out.note(&format!(
                "a new key signs from now on; servers with a copy of {} need a copy of the new file",
                folder.display()
            ));
            context.out.item(&rotation)
        }
        Verb::Whoami => {
            context.out.check::<Identity>()?;
            let identity = context.connect().await?.whoami().await?;
            context.out.item(&identity)
        }
    }
}

fn server(context: &Context) -> Outcome<Target> {
    let target = Target::resolve(&context.globals)?;
    if let Way::Database { .. } = target.way {
        return Err(Failure::usage(
            "there is nothing to log in to: a database was chosen, and there you are who you are on this machine",
            "name the server with --api URL, or a profile that has one",
        ));
    }
    Ok(target)
}

/// All of stdin, less the line break at its end.
fn read_password() -> Outcome<Password> {
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_PASSWORD).read_to_string(&mut text)?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::usage("there was no password on stdin", "pipe it in: … --password-stdin < FILE"));
    }
    Ok(Password::new(text))
}
