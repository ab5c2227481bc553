//! `--jq` and `--template`: what a program, or a person, makes of rows.

use std::fmt;

use jaq_core::{Compiler, Ctx, Vars, data::JustLut, load, unwrap_valr};
use jaq_json::{Val, read};
use minijinja::Environment;
use serde_json::Value;

use super::safe;
use crate::failure::{Failure, Outcome};

/// The name of the template.
const NAME: &str = "template";

/// What rows go through.
pub enum Transform {
    /// A filter, as `jq` has them.
    Jq(jaq_core::compile::Filter<jaq_core::Native<JustLut<Val>>>),
    /// A template, as Jinja has them.
    Template(Box<Environment<'static>>),
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jq(_) => "Transform::Jq",
            Self::Template(_) => "Transform::Template",
        })
    }
}

impl Transform {
    /// Reads a filter.
    ///
    /// # Errors
    /// A usage error that says where it is wrong.
    pub fn jq(text: &str) -> Outcome<Self> {
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let wrong = |what: String| {
            Failure::usage(
                format!("--jq: {what}"),
                "filters are those of jq: --jq '.id', --jq 'select(.status == \"active\") | .name'",
            )
        };
        let arena = load::Arena::default();
        let modules = load::Loader::new(defs).load(&arena, load::File { code: text, path: () });
        let modules = modules.map_err(|errors| {
            let first = errors.first().map(|(_, error)| match error {
                load::Error::Io(_) => "it includes a file".to_owned(),
                load::Error::Lex(found) => place(text, found.first().map(|(_, rest)| *rest)),
                load::Error::Parse(found) => place(text, found.first().map(|(_, rest)| *rest)),
            });
            wrong(first.unwrap_or_else(|| "it cannot be read".into()))
        })?;
        let filter = Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
            let first = errors.first().and_then(|(_, found)| found.first());
            wrong(first.map_or_else(|| "it cannot be read".into(), |(name, _)| format!("`{name}` is not known")))
        })?;
        Ok(Self::Jq(filter))
    }

    /// Reads a template.
    ///
    /// # Errors
    /// A usage error that says where it is wrong.
    pub fn template(text: &str) -> Outcome<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| {
            Failure::usage(
                format!("--template: {error}"),
                "templates are those of Jinja: --template '{{ id }} {{ name }}'",
            )
        })?;
        Ok(Self::Template(Box::new(environment)))
    }

    /// Returns the lines that a value becomes.
    ///
    /// # Errors
    /// A usage error when the value does not fit.
    pub fn apply(&self, value: &Value) -> Outcome<String> {
        match self {
            Self::Jq(filter) => {
                let wrong = |error: String| Failure::usage(format!("--jq: {error}"), "see what there is with -o json");
                let input =
                    read::parse_single(value.to_string().as_bytes()).map_err(|error| wrong(error.to_string()))?;
                let context = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
                let mut text = String::new();
                for found in filter.id.run((context, input)).map(unwrap_valr) {
                    let found = found.map_err(|error| wrong(error.to_string()))?.to_string();
                    // Texts are written as they are, as `jq --raw-output` does.
                    match serde_json::from_str::<String>(&found) {
                        Ok(raw) => text += &shown(&raw),
                        Err(_) => text += &safe::json(found),
                    }
                    text.push('\n');
                }
                Ok(text)
            }
            Self::Template(environment) => {
                let made =
                    environment.get_template(NAME).and_then(|template| template.render(minijinja::value::Serde(value)));
                let made = made.map_err(|error| {
                    Failure::usage(format!("--template: {error}"), "see what there is with -o json")
                })?;
                Ok(shown(&made) + "\n")
            }
        }
    }
}

/// Returns text without what would act on a terminal; it keeps its lines and tabs.
fn shown(text: &str) -> String {
    let lines: Vec<String> =
        text.split('\n').map(|line| line.split('\t').map(safe::line).collect::<Vec<_>>().join("\t")).collect();
    lines.join("\n")
}

/// Says where a filter is wrong.
fn place(text: &str, rest: Option<&str>) -> String {
    match rest.filter(|rest| !rest.is_empty() && text.ends_with(rest)) {
        Some(rest) => format!("it is wrong at `{rest}`"),
        None => "it ends too soon".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jq(filter: &str, value: &Value) -> String {
        Transform::jq(filter).unwrap().apply(value).unwrap()
    }

    #[test]
    fn filters_are_those_of_jq() {
        let row = serde_json::json!({"id": "a", "n": 5, "list": ["x\ty", "\u{1b}[2J"], "none": null});
        assert_eq!(jq(".id", &row), "a\n");
        assert_eq!(jq("{id, n}", &row), "{\"id\":\"a\",\"n\":5}\n");
        assert_eq!(jq(".list[]", &row), "x\ty\n␛[2J\n");
        assert_eq!(jq("select(.n > 6)", &row), "");
        assert_eq!(jq("[.id, (.n | tostring)] | join(\",\")", &row), "a,5\n");
        assert_eq!(jq("if .id | test(\"^a\") then length else empty end", &row), "4\n");
        for bad in [".[", "nope", "(", ". | | ."] {
            assert_eq!(Transform::jq(bad).unwrap_err().exit_code(), 2, "{bad}");
        }
        assert_eq!(Transform::jq(".id.x").unwrap().apply(&row).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn templates_are_those_of_jinja() {
        let row = serde_json::json!({"id": "a", "claim": null, "n": 5});
        let made = Transform::template("{{ id }} {{ claim.label }}{% if n > 4 %}!{% endif %}").unwrap();
        assert_eq!(made.apply(&row).unwrap(), "a !\n");
        assert_eq!(Transform::template("{{ id").unwrap_err().exit_code(), 2);
    }
}
