//! `marketplace auth totp`: the caller's own second factor.

use std::io::Write;

use clap::Subcommand;
use marketplace_core::{
    auth::{Enrolment, RecoveryCodes},
    error::ErrorCode,
};
use qrcode::{Color, EcLevel, QrCode};

use super::login::{self, SecondArgs};
use crate::{
    args::ChangeArgs,
    change::{Care, can_ask, prompt},
    connect::Target,
    context::Context,
    failure::{Failure, Outcome},
};

/// Blank modules around a QR code; readers want four, but terminals are small.
const MARGIN: usize = 2;
/// How often a first code may be typed.
const TRIES: usize = 3;

/// What can be done about one's second factor.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Enrol a device: scan the code that is drawn, type what it shows
    #[command(
        after_help = "Recovery codes are printed at the end, this once: each logs in once without the device.\n\n\
        Example:\n  marketplace auth totp enrol --profile prod"
    )]
    Enrol,
    /// Remove the second factor: from then on the password alone logs in
    #[command(after_help = "Examples:\n  \
        marketplace auth totp disable\n  \
        marketplace auth totp disable --totp 123456 --yes --password-stdin < password.txt")]
    Disable {
        /// Read the password from stdin
        #[arg(long)]
        password_stdin: bool,
        /// The second factor.
        #[command(flatten)]
        second: SecondArgs,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// Runs a verb.
pub async fn run(verb: Verb, context: &Context, target: &Target) -> Outcome {
    let remote = target.remote()?;
    match verb {
        Verb::Enrol => {
            context.out.check::<RecoveryCodes>()?;
            if !context.out.shows("recovery_codes") {
                return Err(Failure::usage(
                    "the recovery codes would be lost: they are shown this once, and not in this output",
                    "leave -o, --fields, --jq and --template away",
                ));
            }
            if !can_ask() {
                return Err(Failure::usage(
                    "a device is enrolled by a person, and there is no terminal",
                    "programs call POST /v1/auth/totp and POST /v1/auth/totp/confirm",
                ));
            }
            let password = login::password(false).await?;
            let enrolment = remote.begin_totp(&password).await?;
            // stdout receives only the recovery codes.
            std::io::stderr().write_all(sheet(&enrolment, context.out.view.color).as_bytes())?;
            let mut left = TRIES;
            let codes = loop {
                let code = prompt(|| inquire::Text::new("The six digits that it shows:").prompt()).await?;
                left -= 1;
                match remote.confirm_totp(&code).await {
                    Err(error) if error.code() == ErrorCode::Invalid && left > 0 => context.out.note(error.detail()),
                    answer => break answer?,
                }
            };
            context
                .out
                .note("your second factor is on, and your other sessions have ended; keep these codes in a safe place");
            context.out.item(&codes)
        }
        Verb::Disable { password_stdin, second, yes } => {
            let change = ChangeArgs { yes, ..ChangeArgs::default() };
            context.confirm("Remove your second factor?", &change, Care::Ask).await?;
            let password = login::password(password_stdin).await?;
            login::with_codes(context, second.proof(), async |proof| remote.disable_totp(&password, proof).await)
                .await?;
            context.out.note("your second factor is removed, and your other sessions have ended");
            Ok(())
        }
    }
}

fn sheet(enrolment: &Enrolment, color: bool) -> String {
    let drawn = draw(&enrolment.otpauth_url, color).unwrap_or_default();
    format!("Scan this with an authenticator app:\n\n{drawn}\nor type the secret into it: {}\n\n", enrolment.secret)
}

/// Draws a QR code in half blocks. In colour it is black on white whatever the terminal's own colours are; without
/// colour, the terminal is assumed to be dark.
fn draw(text: &str, color: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let side = width + 2 * MARGIN;
    let is_dark = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(MARGIN).filter(|at| *at < width);
        let module = inside(x).zip(inside(y)).and_then(|(x, y)| modules.get(y * width + x));
        module == Some(&Color::Dark)
    };
    let mut drawn = String::new();
    for y in (0..side).step_by(2) {
        drawn += if color { "\u{1b}[30;107m" } else { "" };
        for x in 0..side {
            // There is nothing to draw below the last row: it is blank.
            let ink = |y: usize| (y < side && is_dark(x, y)) == color;
            drawn.push(match (ink(y), ink(y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        drawn += if color { "\u{1b}[0m\n" } else { "\n" };
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "otpauth://totp/Marketplace:lea@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Marketplace&algorithm=SHA1&digits=6&period=30";

    /// Checks the drawing, module by module, against the code from the library.
    #[test]
    fn a_drawn_code_is_the_code() {
        for color in [true, false] {
            let drawn = draw(URL, color).unwrap();
            let mut rows: Vec<Vec<bool>> = Vec::new();
            for line in drawn.lines() {
                let line = line.trim_start_matches("\u{1b}[30;107m").trim_end_matches("\u{1b}[0m");
                let halves = |upper: char| line.chars().map(|c| (c == '█' || c == upper) == color).collect();
                rows.push(halves('▀'));
                rows.push(halves('▄'));
            }
            let code = QrCode::with_error_correction_level(URL, EcLevel::L).unwrap();
            let width = code.width();
            assert!(rows.iter().all(|row| row.len() == width + 2 * MARGIN && row.len() <= 78), "80 columns are enough");
            for (at, module) in code.to_colors().iter().enumerate() {
                let drawn = rows[MARGIN + at / width][MARGIN + at % width];
                assert_eq!(drawn, *module == Color::Dark, "{at}");
            }
            assert!(rows[0].iter().chain(&rows[1]).all(|dark| !dark), "a margin");
        }
        let enrolment = Enrolment { secret: "GEZD".into(), otpauth_url: URL.into() };
        assert!(sheet(&enrolment, false).contains("secret into it: GEZD"));
    }
}
