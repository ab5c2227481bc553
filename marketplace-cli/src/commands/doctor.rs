//! `marketplace doctor`: whether everything that this program needs is in order.

mod checks;
mod clamd;
mod due_work;
mod redis;

use serde::Serialize;

use crate::{
    connect::{Target, Way},
    context::Context,
    failure::{Failure, Outcome},
    output::{Column, Kind, Row},
};

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    name: &'static str,
    status: Verdict,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

impl Check {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { name: check, status: Verdict::Ok, detail: detail.into() }
    }
    fn warning(check: &'static str, detail: impl Into<String>) -> Self {
        Self { name: check, status: Verdict::Warning, detail: detail.into() }
    }
    fn failed(check: &'static str, detail: impl Into<String>) -> Self {
        Self { name: check, status: Verdict::Failed, detail: detail.into() }
    }
    /// The error with its cause: whoever asks a doctor wants to know.
    fn error(check: &'static str, error: &Failure) -> Self {
        let cause = match error {
            Failure::Core(error) => error.internal_text().map(|cause| format!(" ({cause})")),
            _ => None,
        };
        Self::failed(check, format!("{error}{}", cause.unwrap_or_default()))
    }
}

impl Row for Check {
    const COLUMNS: &'static [Column] = &[
        Column::new("CHECK", "name", Kind::Id),
        Column::new("STATUS", "status", Kind::State),
        Column::new("DETAIL", "detail", Kind::Wrapped),
    ];
    fn id() -> String {
        "name".into()
    }
    fn fields() -> Vec<String> {
        ["name", "status", "detail"].map(String::from).to_vec()
    }
}

/// Looks at everything, and prints what it found. A check that fails does not keep the others from being made.
pub async fn run(context: &Context) -> Outcome {
    context.out.check::<Check>()?;
    let mut found = vec![checks::settings()];
    match Target::resolve(&context.globals) {
        Ok(target) => {
            found.push(Check::ok("way in", format!("{} ({})", target.system, target.way_name())));
            match &target.way {
                Way::Database { .. } => match target.config() {
                    Ok(config) => {
                        found.push(Check::ok("configuration", "is valid"));
                        found.extend(checks::database(&config).await);
                        found.extend(checks::folders(&config));
                        found.push(checks::mail(&config).await);
                        found.push(redis::check(&config).await);
                        found.push(clamd::check(&config).await);
                    }
                    Err(error) => found.push(Check::error("configuration", &error)),
                },
                Way::Api { .. } => match target.remote() {
                    Ok(remote) => found.extend(checks::server(&remote).await),
                    Err(error) => found.push(Check::error("server", &error)),
                },
            }
        }
        Err(error) => found.push(Check::error("way in", &error)),
    }
    found.extend(checks::terminal(context));

    let mut list = context.out.list();
    list.page(&found)?;
    list.finish()?;
    match found.iter().filter(|check| check.status == Verdict::Failed).count() {
        0 => Ok(()),
        failed => Err(Failure::Check {
            message: format!("{failed} of {} checks failed", found.len()),
            hint: "the rows that say `failed` tell what to do".into(),
        }),
    }
}
