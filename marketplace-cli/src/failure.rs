//! How a command can end badly: exit codes, and the lines that say so. Errors are printed once, by [`report`].

use std::{io::Write, time::Duration};

use marketplace_core::error::{Error, ErrorCode, SecondFactor};

/// What every command answers.
pub type Outcome<T = ()> = std::result::Result<T, Failure>;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An operation refused, either way in.
    #[error(transparent)]
    Core(#[from] Error),
    /// The command line asks for something that cannot be.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// A batch ran, and not every item went well. The rows on stdout say which.
    #[error("{0}")]
    Batch(String),
    /// The user stopped it; the text says what was done until then.
    #[error("{0}")]
    Interrupted(String),
    /// The system asked the program to end (SIGTERM).
    #[error("terminated")]
    Terminated,
    /// What was checked is not as it must be (`audit verify`, `doctor`).
    #[error("{message}")]
    Check {
        /// What was found.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// Whoever read our output has stopped reading.
    #[error("broken pipe")]
    BrokenPipe,
    /// The surroundings fail us: a file that cannot be written, an answer that makes no sense.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::BrokenPipe } else { Self::Other(error.into()) }
    }
}
impl From<anyhow::Error> for Failure {
    /// An operation's error that went through `anyhow` keeps its code.
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => Self::Core(error),
            Err(error) => match error.downcast::<std::io::Error>() {
                Ok(error) => error.into(),
                Err(error) => Self::Other(error),
            },
        }
    }
}
impl From<inquire::InquireError> for Failure {
    fn from(error: inquire::InquireError) -> Self {
        match error {
            inquire::InquireError::OperationCanceled | inquire::InquireError::OperationInterrupted => {
                Self::Interrupted("stopped at the question; nothing was changed".into())
            }
            error => Self::Other(error.into()),
        }
    }
}

impl Failure {
    /// A usage error with what to do instead.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Other(_) | Self::Check { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Batch(_) => 8,
            Self::Interrupted(_) => 130,
            Self::Terminated => 143,
            Self::Core(error) => exit_code(error.code()),
        }
    }

    /// The stable name of the failure: an operation's code, or one of the command line's own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Core(error) => error.code().as_str(),
            Self::Usage { .. } => "usage",
            Self::Batch(_) => "batch",
            Self::Interrupted(_) | Self::Terminated => "interrupted",
            Self::Check { .. } => "check_failed",
            Self::BrokenPipe | Self::Other(_) => ErrorCode::Internal.as_str(),
        }
    }

    fn request_id(&self) -> Option<&str> {
        if let Self::Core(error) = self { error.request_id() } else { None }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Core(error) => Some(hint(error)),
            Self::Usage { hint, .. } => hint.clone(),
            Self::Check { hint, .. } => Some(hint.clone()),
            Self::Batch(_) => Some(
                "the rows on stdout name each failure; run the same batch again to resume: what is done stays `unchanged`"
                    .into(),
            ),
            Self::Interrupted(_) | Self::Terminated | Self::BrokenPipe => None,
            Self::Other(_) => Some("`marketplace doctor` checks the surroundings".into()),
        }
    }
}

/// The exit code for an operation's error.
pub fn exit_code(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Internal => 1,
        ErrorCode::Invalid | ErrorCode::TooLarge | ErrorCode::UnsupportedMedia => 2,
        ErrorCode::NotFound => 3,
        ErrorCode::Unauthenticated | ErrorCode::Forbidden => 4,
        ErrorCode::Conflict | ErrorCode::PreconditionFailed => 5,
        ErrorCode::RateLimited | ErrorCode::Busy => 6,
        ErrorCode::Unavailable => 7,
    }
}

/// What to do about an operation's error.
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
    match error.code() {
        ErrorCode::Invalid => "`--help` on the same command says what is allowed".into(),
        ErrorCode::Unauthenticated if crate::connect::outside_token().is_some() => {
            "MARKETPLACE_TOKEN is no good here any more: set another, or unset it and log in with: marketplace auth login".into()
        }
        ErrorCode::Unauthenticated => "log in with: marketplace auth login".into(),
        ErrorCode::Forbidden => "`marketplace auth whoami` shows what you may do; ask an admin for more".into(),
        ErrorCode::NotFound => "check the id; the `list` command of the same noun finds it".into(),
        ErrorCode::Conflict => match error.current() {
            Some(current) => format!("as it is now: {}", crate::output::safe::line(&current.to_string())),
            None => "look at it again with the `show` command of the same noun".into(),
        },
        ErrorCode::PreconditionFailed => "look at it again with `show`, then repeat with its version".into(),
        ErrorCode::RateLimited | ErrorCode::Busy => wait(),
        ErrorCode::TooLarge => "send a smaller one".into(),
        ErrorCode::UnsupportedMedia => "send JPEG, PNG, WebP or (documents only) PDF".into(),
        ErrorCode::Unavailable => match error.internal_text() {
            Some(cause) => format!("{}; `marketplace doctor` checks the connection", crate::output::safe::line(&cause)),
            None => "`marketplace doctor` checks the connection".into(),
        },
        ErrorCode::Internal => match (error.request_id(), error.internal_text()) {
            (Some(id), _) => format!("the server's log has it under the request id {id}"),
            (None, Some(cause)) => format!("the cause: {}", crate::output::safe::line(&cause)),
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

/// Says on stderr what went wrong, once, and answers the exit code.
pub fn report(failure: &Failure, style: ErrorStyle) -> u8 {
    let code = failure.exit_code();
    if matches!(failure, Failure::BrokenPipe) {
        return code;
    }
    // Nobody is left to tell when stderr is closed too.
    let _closed = std::io::stderr().write_all(text(failure, style).as_bytes());
    code
}

fn text(failure: &Failure, style: ErrorStyle) -> String {
    let message = crate::output::safe::line(&failure.to_string()).into_owned();
    let hint = failure.hint();
    if style.json {
        let retryable = matches!(failure, Failure::Core(error) if error.code().retryable());
        let mut object = serde_json::json!({
            "code": failure.code(),
            "message": message,
            "hint": hint,
            "retryable": retryable,
            "request_id": failure.request_id(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_exit_code() {
        let codes: Vec<_> = ErrorCode::ALL.iter().map(|code| (code.as_str(), exit_code(*code))).collect();
        assert_eq!(
            codes,
            [
                ("invalid", 2),
                ("unauthenticated", 4),
                ("forbidden", 4),
                ("not_found", 3),
                ("conflict", 5),
                ("precondition_failed", 5),
                ("rate_limited", 6),
                ("too_large", 2),
                ("unsupported_media", 2),
                ("busy", 6),
                ("unavailable", 7),
                ("internal", 1),
            ]
        );
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

    #[test]
    fn an_operations_error_keeps_its_code_through_anyhow() {
        let failure = Failure::from(anyhow::Error::from(Error::not_found("user")));
        assert_eq!((failure.exit_code(), failure.code()), (3, "not_found"));
        let pipe = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(anyhow::Error::from(pipe)).exit_code(), 0);
    }
}
