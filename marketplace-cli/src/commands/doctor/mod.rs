//! `marketplace doctor`: checks everything that this program needs.

mod checks;
mod clamd;
mod redis;

use marketplace_core::doctor::{
    self,
    finding::{Finding, Verdict},
};

use crate::{
    connect::{Target, Way},
    context::Context,
    failure::{Failure, Outcome},
    output::{Column, Kind, Row},
};

impl Row for Finding {
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

/// Runs all checks, and prints the findings. A check that fails does not prevent the others.
pub async fn run(context: &Context) -> Outcome {
    context.out.check::<Finding>()?;
    let mut found = vec![checks::settings()];
    match Target::resolve(&context.globals) {
        Ok(target) => {
            found.push(Finding::ok("way in", format!("{} ({})", target.system, target.way_name())));
            match &target.way {
                Way::Database { .. } => match target.config() {
                    Ok(config) => {
                        found.push(Finding::ok("configuration", "is valid"));
                        found.extend(doctor::examine(&config).await);
                        found.extend(checks::folders(&config));
                        found.push(checks::mail(&config).await);
                        found.push(redis::check(&config).await);
                        found.push(clamd::check(&config).await);
                    }
                    Err(error) => found.push(checks::failure("configuration", &error)),
                },
                Way::Api { .. } => match target.remote() {
                    Ok(remote) => found.extend(checks::server(&remote).await),
                    Err(error) => found.push(checks::failure("server", &error)),
                },
            }
        }
        Err(error) => found.push(checks::failure("way in", &error)),
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
