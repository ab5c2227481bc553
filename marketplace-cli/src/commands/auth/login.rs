//! `marketplace auth login`: asks for the credentials and logs in.

use marketplace_core::staff::{Connection, Identity, WhoAmI};
use std::io::Read;

use marketplace_core::{
    accounts::model::Password,
    auth::Proof,
    config::is_private_way,
    error::{Error, SecondFactor},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    change::{can_ask, prompt},
    connect::{Target, outside_token},
    context::Context,
    failure::{Failure, Outcome},
    remote::Remote,
};

/// Upper limit of the bytes of a password on stdin; far more than core accepts.
const MAX_PASSWORD: u64 = 4_096;
/// How often a code is asked for, because the first one may have expired while it was typed.
const CODES: usize = 3;

/// How somebody logs in.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct LoginArgs {
    /// Your address
    #[arg(long)]
    pub email: Option<String>,
    /// Read the password from stdin
    #[arg(long, requires = "email")]
    pub password_stdin: bool,
    /// The second factor.
    #[command(flatten)]
    pub second: SecondArgs,
    /// Send the password over an unencrypted connection to another machine
    #[arg(long)]
    pub insecure: bool,
}

/// The second factor, for where nobody can be asked.
#[derive(Debug, Default, Clone, clap::Args)]
pub struct SecondArgs {
    /// The six digits that your device shows now, if you have a second factor
    #[arg(long, value_name = "CODE", conflicts_with = "recovery_code")]
    pub totp: Option<SecretString>,
    /// One of your recovery codes instead; it is used up
    #[arg(long, value_name = "CODE")]
    pub recovery_code: Option<SecretString>,
}

impl SecondArgs {
    /// Returns the second factor that was given, if any.
    pub fn proof(&self) -> Option<Proof> {
        let text = |given: &SecretString| given.expose_secret().to_owned();
        let code = self.totp.as_ref().map(|given| Proof::Code(text(given)));
        code.or_else(|| self.recovery_code.as_ref().map(|given| Proof::Recovery(text(given))))
    }
}

/// Logs in to a server; keeps the session where the target's credentials are.
pub async fn log_in(context: &Context, target: &Target, args: LoginArgs) -> Outcome<Identity> {
    let remote = target.remote()?;
    if outside_token()?.is_some() {
        let text = "MARKETPLACE_TOKEN or MARKETPLACE_TOKEN_FILE is set and would be used instead of a log-in";
        return Err(Failure::usage(text, "unset it first"));
    }
    if !is_private_way(remote.base()) && !args.insecure {
        return Err(Failure::usage(
            "this would send the password unencrypted over the network",
            "use an https:// address, or add --insecure if you know the network",
        ));
    }
    if !args.password_stdin && !can_ask() {
        return Err(Failure::usage(
            "there is no terminal to ask for the password on",
            "give --email ADDRESS --password-stdin",
        ));
    }
    let email = match args.email {
        Some(email) => email,
        None => prompt(|| inquire::Text::new("Email:").prompt()).await?,
    };
    let password = password(args.password_stdin).await?;
    with_codes(context, args.second.proof(), async |proof| remote.login(&email, &password, proof).await).await?;
    greet(context, target, &remote).await
}

async fn greet(context: &Context, target: &Target, remote: &Remote) -> Outcome<Identity> {
    match Connection::remote(remote.clone()).call::<WhoAmI>((), (), ()).await {
        Ok(identity) => {
            context.out.note(&format!("logged in to {} as {}", target.system, identity.name));
            if identity.role.is_staff() && identity.permissions.is_empty() {
                context.out.note("staff need a second factor here; enrol one with: marketplace auth totp enrol");
            }
            Ok(identity)
        }
        // Clients and workers have no use for this program; do not leave a session of theirs behind.
        Err(error) => {
            remote.logout().await?;
            Err(error.into())
        }
    }
}

/// Reads the password, from a person or from stdin.
pub async fn password(from_stdin: bool) -> Outcome<Password> {
    if from_stdin {
        return read_password();
    }
    Ok(Password::new(prompt(|| inquire::Password::new("Password:").without_confirmation().prompt()).await?))
}

/// Tries with the second factor that was given; a person is asked for a code as soon as one is needed, and again when
/// it was wrong.
pub async fn with_codes<T>(
    context: &Context,
    given: Option<Proof>,
    attempt: impl AsyncFn(Option<&Proof>) -> Result<T, Error>,
) -> Outcome<T> {
    let mut proof = given;
    for _ in 0..CODES {
        match attempt(proof.as_ref()).await {
            Err(error) if can_ask() && needs_code(&error) => {
                if proof.is_some() {
                    context.out.note(error.detail());
                }
                proof = Some(ask_code().await?);
            }
            answer => return Ok(answer?),
        }
    }
    Ok(attempt(proof.as_ref()).await?)
}

/// Returns whether a code is needed. At a log-in the server says so in a member of its own; for a logged-in person it
/// is an ordinary field error.
fn needs_code(error: &Error) -> bool {
    matches!(error.second_factor_hint(), Some(SecondFactor::Required | SecondFactor::Wrong))
        || error.fields().iter().any(|field| field.pointer == "/totp")
}

async fn ask_code() -> Outcome<Proof> {
    let question = || inquire::Text::new("Code of your second factor, or a recovery code:").prompt();
    let text = prompt(question).await?;
    let is_code = text.chars().all(|c| c.is_ascii_digit() || c.is_whitespace());
    Ok(if is_code { Proof::Code(text) } else { Proof::Recovery(text) })
}

/// Reads all of stdin, without the line break at its end.
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
