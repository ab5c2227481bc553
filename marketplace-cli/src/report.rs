//! Error lines: how a command failed, and what to do next. [`report`] prints each error once.

use std::{io::Write, time::Duration};

use marketplace_core::error::{Error, ErrorCode, SecondFactor};

use crate::{connect::outside_token, failure::Failure, output::safe};

/// Returns the suggested next step.
pub fn next_step(failure: &Failure) -> Option<String> {
    match failure {
        Failure::Core(error) | Failure::Stopped { error, .. } => Some(hint(error)),
        Failure::Usage { hint, .. } => hint.clone(),
        Failure::Check { hint, .. } => Some(hint.clone()),
        Failure::Batch(_) => Some(
            "the rows on stdout name each failure; run the same batch again to resume: what is done stays `unchanged`"
                .into(),
        ),
        Failure::Interrupted(_) | Failure::Terminated | Failure::BrokenPipe | Failure::Chosen(_) => None,
        Failure::Other(_) => Some("`marketplace doctor` checks the surroundings".into()),
    }
}

/// Returns the advice on an operation's error.
fn hint(error: &Error) -> String {
    let wait = || {
        let seconds = error.retry_after_hint().unwrap_or(Duration::from_secs(1)).as_secs().max(1);
        format!("wait {seconds} s, then repeat the command")
    };
    match error.second_factor_hint() {
        Some(SecondFactor::Required | SecondFactor::Wrong) => {
            return "add --totp CODE with the six digits that your device shows now, or --recovery-code CODE".into();
        }
        Some(SecondFactor::Enrol) => return "enrol one with: marketplace auth totp enrol".into(),
        None => {}
    }
    if error.current().is_some_and(|current| current.get("file").is_some()) {
        return "name a file in a folder that is there and can be written, or `-` for stdout where that is taken"
            .into();
    }
    let is_about = |what: &str| error.current().is_some_and(|current| current.get(what).is_some());
    match error.code() {
        ErrorCode::Invalid => "`--help` on the same command says what is allowed".into(),
        ErrorCode::Unauthenticated if outside_token().is_ok_and(|token| token.is_some()) => {
            "the token in MARKETPLACE_TOKEN or MARKETPLACE_TOKEN_FILE is no good here any more: set another, or unset it and log in with: marketplace auth login".into()
        }
        ErrorCode::Unauthenticated => "log in with: marketplace auth login".into(),
        ErrorCode::Forbidden => "`marketplace auth whoami` shows what you may do; ask an admin for more".into(),
        ErrorCode::NotFound if is_about("backup") => {
            "name the file, folder or bucket that `marketplace db backup` wrote".into()
        }
        ErrorCode::NotFound => "check the id; the `list` command of the same noun finds it".into(),
        ErrorCode::Conflict => match error.current() {
            Some(current) if current.get("exists").is_some() => {
                "name another file, or put that one elsewhere first".into()
            }
            // The error itself names who was faster.
            Some(current) if current.get("by").or_else(|| current.get("holder")).is_some() => {
                "look at it again with the `show` command of the same noun".into()
            }
            Some(current) => format!("as it is now: {}", safe::line(&current.to_string())),
            None => "look at it again with the `show` command of the same noun".into(),
        },
        ErrorCode::PreconditionFailed => "look at it again with `show`, then repeat with its version".into(),
        ErrorCode::RateLimited | ErrorCode::Busy => wait(),
        ErrorCode::TooLarge => "send a smaller one".into(),
        ErrorCode::UnsupportedMedia => "send JPEG, PNG, WebP or (documents only) PDF".into(),
        ErrorCode::Unavailable if is_about("place") => {
            "see that the folder or bucket is there, that its disk is mounted, and that this user may use it".into()
        }
        ErrorCode::Unavailable => match error.internal_text() {
            Some(cause) => format!("{}; `marketplace doctor` checks the connection", safe::line(&cause)),
            None => "`marketplace doctor` checks the connection".into(),
        },
        ErrorCode::Internal => match (error.request_id(), error.internal_text()) {
            (Some(id), _) => format!("the server's log has it under the request id {id}"),
            (None, Some(cause)) => format!("the cause: {}", safe::line(&cause)),
            (None, None) => "repeat with -vv to see what happens inside".into(),
        },
    }
}

/// How errors are shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct ErrorStyle {
    /// As one JSON object instead of two lines.
    pub json: bool,
    /// With colour.
    pub color: bool,
    /// Without hints.
    pub quiet: bool,
}

/// Prints on stderr what went wrong, once, and returns the exit code.
pub fn report(failure: &Failure, style: ErrorStyle) -> u8 {
    let code = failure.exit_code();
    if matches!(failure, Failure::BrokenPipe | Failure::Chosen(_)) {
        return code;
    }
    // There is nowhere to report a closed stderr.
    let _closed = std::io::stderr().write_all(text(failure, style).as_bytes());
    code
}

fn text(failure: &Failure, style: ErrorStyle) -> String {
    let message = safe::line(&failure.to_string()).into_owned();
    let hint = next_step(failure);
    if style.json {
        let retryable =
            matches!(failure, Failure::Core(error) | Failure::Stopped { error, .. } if error.code().retryable());
        let mut object = serde_json::json!({
            "code": failure.code(),
            "message": message,
            "hint": hint,
            "retryable": retryable,
            "request_id": request_id(failure),
        });
        if let (Failure::Core(error), Some(fields)) = (failure, object.as_object_mut()) {
            if !error.fields().is_empty() {
                fields.insert("errors".into(), serde_json::json!(error.fields()));
            }
            if let Some(current) = error.current() {
                fields.insert("current".into(), current.clone());
            }
        }
        return format!("{object}\n");
    }
    let paint =
        |code: &str, word: &str| if style.color { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() };
    let hint = hint.filter(|_| !style.quiet).map(|hint| format!("{} {hint}\n", paint("36", "hint:")));
    format!("{} {message}\n{}", paint("1;31", "error:"), hint.unwrap_or_default())
}

fn request_id(failure: &Failure) -> Option<&str> {
    if let Failure::Core(error) | Failure::Stopped { error, .. } = failure { error.request_id() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_fit_what_they_are_about() {
        let about = |what: &str| Some(serde_json::json!({ what: "/backup/market" }));
        let hint = |error: Error| next_step(&Failure::Core(error)).unwrap();
        let missing = || Error::not_found("backup x.dump");
        assert!(hint(missing()).contains("check the id"));
        assert!(hint(missing().with_current(about("backup"))).contains("`marketplace db backup` wrote"));
        let unusable = || Error::unavailable("/backup/market cannot be used", "full");
        assert!(hint(unusable()).contains("doctor"));
        assert!(hint(unusable().with_current(about("place"))).contains("mounted"));
    }

    #[test]
    fn one_error_line_then_one_hint_line() {
        let failure = Failure::Core(Error::conflict("somebody\nelse \x1b[31mwas first", "approved"));
        let style = ErrorStyle::default();
        assert_eq!(text(&failure, style), "error: somebody else ␛[31mwas first\nhint: as it is now: \"approved\"\n");
        let json: serde_json::Value =
            serde_json::from_str(&text(&failure, ErrorStyle { json: true, ..style })).unwrap();
        assert_eq!(json["code"], "conflict");
        assert_eq!(json["retryable"], false);
        assert_eq!(json["current"], "approved");
        assert_eq!(text(&failure, ErrorStyle { quiet: true, ..style }).lines().count(), 1);
    }
}
