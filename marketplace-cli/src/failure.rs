//! How a command can fail, and with which exit code.

use marketplace_core::error::{Error, ErrorCode};

/// The result of every command.
pub type Outcome<T = ()> = std::result::Result<T, Failure>;

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An operation failed, through either kind of connection.
    #[error(transparent)]
    Core(#[from] Error),
    /// The command line asks for something impossible.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// A batch ran, and some items failed. The rows on stdout say which.
    #[error("{0}")]
    Batch(String),
    /// A batch ended at once, for a reason that would fail every other item too.
    #[error("{error}; stopped after {done}")]
    Stopped {
        /// The reason.
        error: Error,
        /// What was done until then.
        done: String,
    },
    /// The user interrupted the command; the text says what was done until then.
    #[error("{0}")]
    Interrupted(String),
    /// The system asked the program to end (SIGTERM).
    #[error("terminated")]
    Terminated,
    /// Nothing failed, and the caller chose an exit code for what was found.
    #[error("")]
    Chosen(u8),
    /// A check failed (`audit verify`, `doctor`).
    #[error("{message}")]
    Check {
        /// What was found.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The reader of our output has stopped reading.
    #[error("broken pipe")]
    BrokenPipe,
    /// A failure of the environment: a file that cannot be written, a response that cannot be parsed.
    #[error("{0:#}")]
    Other(anyhow::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe { Self::BrokenPipe } else { Self::Other(error.into()) }
    }
}
impl From<anyhow::Error> for Failure {
    /// Converts an error; an operation's error that passed through `anyhow` keeps its code.
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
    /// Creates a usage error with advice on what to do instead.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// Returns the exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Chosen(code) => *code,
            Self::Other(_) | Self::Check { .. } => 1,
            Self::Usage { .. } => 2,
            Self::Batch(_) => 8,
            Self::Interrupted(_) => 130,
            Self::Terminated => 143,
            Self::Core(error) | Self::Stopped { error, .. } => exit_code(error.code()),
        }
    }

    /// Returns the stable name of the failure: an operation's code, or one of the command line's own.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Core(error) | Self::Stopped { error, .. } => error.code().as_str(),
            Self::Usage { .. } => "usage",
            Self::Batch(_) => "batch",
            Self::Interrupted(_) | Self::Terminated => "interrupted",
            Self::Check { .. } => "check_failed",
            Self::BrokenPipe | Self::Chosen(_) | Self::Other(_) => ErrorCode::Internal.as_str(),
        }
    }
}

/// Returns the exit code for an operation's error.
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
    fn an_operations_error_keeps_its_code_through_anyhow() {
        let failure = Failure::from(anyhow::Error::from(Error::not_found("user")));
        assert_eq!((failure.exit_code(), failure.code()), (3, "not_found"));
        let pipe = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(anyhow::Error::from(pipe)).exit_code(), 0);
    }
}
