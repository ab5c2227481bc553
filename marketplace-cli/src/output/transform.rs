//! `--jq` and `--template`: what a program, or a person, makes of rows.

use std::{
    fmt,
    io::Write,
    sync::{
        Mutex, OnceLock, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use jaq_core::{Compiler, Ctx, Vars, data::JustLut, load, unwrap_valr};
use jaq_json::{Val, read};
use minijinja::Environment;
use serde_json::Value;

use super::safe;
use crate::failure::{Failure, Outcome};

/// The name of the template.
const NAME: &str = "template";
/// The stack of the thread that filters run on: they nest as deeply as they and their values do.
const STACK: usize = 64 * 1024 * 1024;
/// Upper limit of the bytes that one value becomes.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Upper limit of the steps of a template for one value.
const FUEL: u64 = 20_000_000;
/// Upper limit of the characters of an error, which may quote a value.
const MAX_ERROR: usize = 80;
/// How often a filter that takes its time is asked whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// The signal that asked the program to end: whether it was one of Ctrl-C.
static SIGNAL: OnceLock<bool> = OnceLock::new();

/// Watches for the signal that ends a filter. Nothing else of the program runs while a filter does.
pub fn heed(signal: impl AsyncFnOnce() -> Failure + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        let is_interrupt = matches!(runtime.block_on(signal()), Failure::Interrupted(_));
        // There is one watch.
        let _ = SIGNAL.set(is_interrupt);
    })?;
    Ok(())
}

/// What rows go through.
pub struct Transform {
    flag: &'static str,
    worker: Mutex<Worker>,
}

/// A thread that has the filter.
struct Worker {
    values: Sender<Value>,
    texts: Receiver<Outcome<String>>,
}

impl fmt::Debug for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transform({})", self.flag)
    }
}

impl Transform {
    /// Reads a filter, as `jq` has them.
    ///
    /// # Errors
    /// A usage error that says where it is wrong.
    pub fn jq(text: &str) -> Outcome<Self> {
        let text = text.to_owned();
        Self::start("--jq", move || Jq::read(&text), Jq::apply)
    }

    /// Reads a template, as Jinja has them.
    ///
    /// # Errors
    /// A usage error that says where it is wrong.
    pub fn template(text: &str) -> Outcome<Self> {
        let text = text.to_owned();
        Self::start("--template", move || template(&text), render)
    }

    fn start<F: 'static>(
        flag: &'static str,
        read: impl FnOnce() -> Outcome<F> + Send + 'static,
        apply: impl Fn(&F, &Value) -> Outcome<String> + Send + 'static,
    ) -> Outcome<Self> {
        let (values, asked) = channel::<Value>();
        let (answers, texts) = channel();
        thread::Builder::new().name("filter".into()).stack_size(STACK).spawn(move || {
            let filter = match read() {
                Ok(filter) => filter,
                Err(failure) => return drop(answers.send(Err(failure))),
            };
            if answers.send(Ok(String::new())).is_err() {
                return;
            }
            for value in asked {
                if answers.send(apply(&filter, &value)).is_err() {
                    return;
                }
            }
        })?;
        let worker = Worker { values, texts };
        worker.answer(flag)?;
        Ok(Self { flag, worker: Mutex::new(worker) })
    }

    /// Returns the lines that a value becomes.
    ///
    /// # Errors
    /// A usage error when the value does not fit, or becomes too much; an interruption.
    pub fn apply(&self, value: &Value) -> Outcome<String> {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner);
        worker.values.send(value.clone()).map_err(|_| broken(self.flag))?;
        worker.answer(self.flag)
    }
}

impl Worker {
    fn answer(&self, flag: &str) -> Outcome<String> {
        loop {
            match self.texts.recv_timeout(LOOK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Err(broken(flag)),
                Err(RecvTimeoutError::Timeout) => match SIGNAL.get() {
                    Some(true) => return Err(Failure::Interrupted("interrupted".into())),
                    Some(false) => return Err(Failure::Terminated),
                    None => {}
                },
            }
        }
    }
}

fn broken(flag: &str) -> Failure {
    Failure::usage(format!("{flag}: it broke down"), "see what there is with -o json")
}

fn unfit(flag: &str, error: &str) -> Failure {
    let mut text: String = error.chars().take(MAX_ERROR).collect();
    if text.len() < error.len() {
        text.push('…');
    }
    Failure::usage(format!("{flag}: {text}"), "see what there is with -o json")
}

fn too_much(flag: &str) -> Failure {
    unfit(flag, &format!("it makes more than {} of one value", super::size(MAX_BYTES as u64)))
}

/// A filter.
struct Jq(jaq_core::compile::Filter<jaq_core::Native<JustLut<Val>>>);

impl Jq {
    fn read(text: &str) -> Outcome<Self> {
        // What ends the program would end it in the middle of a batch, and with whatever exit code.
        let ends = |name: &str| matches!(name, "halt" | "halt_error");
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).filter(|def| !ends(def.name));
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs()).filter(|(name, ..)| !ends(name));
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
        Ok(Self(filter))
    }

    fn apply(&self, value: &Value) -> Outcome<String> {
        let wrong = |error: String| unfit("--jq", &error);
        let input = read::parse_single(value.to_string().as_bytes()).map_err(|error| wrong(error.to_string()))?;
        let context = Ctx::<JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        let mut text = String::new();
        for found in self.0.id.run((context, input)).map(unwrap_valr) {
            let found = found.map_err(|error| wrong(error.to_string()))?.to_string();
            // Texts are written as they are, as `jq --raw-output` does.
            match serde_json::from_str::<String>(&found) {
                Ok(raw) => text += &shown(&raw),
                Err(_) => text += &safe::json(found),
            }
            text.push('\n');
            if text.len() > MAX_BYTES {
                return Err(too_much("--jq"));
            }
        }
        Ok(text)
    }
}

fn template(text: &str) -> Outcome<Environment<'static>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::Chainable);
    environment.set_fuel(Some(FUEL));
    environment.add_template_owned(NAME, text.to_owned()).map_err(|error| {
        Failure::usage(format!("--template: {error}"), "templates are those of Jinja: --template '{{ id }} {{ name }}'")
    })?;
    Ok(environment)
}

fn render(environment: &Environment<'static>, value: &Value) -> Outcome<String> {
    let mut made = Bounded(Vec::new());
    let rendered = environment
        .get_template(NAME)
        .and_then(|template| template.render_captured_to(minijinja::value::Serde(value), &mut made).map(drop));
    match rendered {
        Ok(()) => Ok(shown(&String::from_utf8_lossy(&made.0)) + "\n"),
        Err(error) if error.kind() == minijinja::ErrorKind::WriteFailure => Err(too_much("--template")),
        Err(error) => Err(unfit("--template", &error.to_string())),
    }
}

/// Bytes, up to a limit.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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
    fn a_filter_does_not_end_the_program() {
        for ends in ["halt", "halt(0)", "halt_error", "halt_error(0)", "if .id then halt else . end", "def f: halt; f"]
        {
            assert_eq!(Transform::jq(ends).unwrap_err().exit_code(), 2, "{ends}");
        }
    }

    #[test]
    fn what_one_value_becomes_has_a_limit() {
        let row = serde_json::json!({"id": "a"});
        let endless = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}";
        let ends = "{% endfor %}{% endfor %}{% endfor %}";
        for made in [
            Transform::jq("repeat(\"many times more than once\" * 99)"),
            Transform::template(&format!("{endless}{ends}")),
            Transform::template(&format!("{endless}{}{ends}", "x".repeat(999))),
        ] {
            assert_eq!(made.unwrap().apply(&row).unwrap_err().exit_code(), 2);
        }
    }

    #[test]
    fn an_error_does_not_quote_a_whole_value() {
        let row = serde_json::json!({"name": "Ada ".repeat(99)});
        for made in [Transform::jq(".name.x"), Transform::jq("error(.name)")] {
            let text = made.unwrap().apply(&row).unwrap_err().to_string();
            assert!(text.chars().count() < 100, "{text}");
        }
    }

    #[test]
    fn templates_are_those_of_jinja() {
        let row = serde_json::json!({"id": "a", "claim": null, "n": 5});
        let made = Transform::template("{{ id }} {{ claim.label }}{% if n > 4 %}!{% endif %}").unwrap();
        assert_eq!(made.apply(&row).unwrap(), "a !\n");
        assert_eq!(Transform::template("{{ id").unwrap_err().exit_code(), 2);
    }
}
