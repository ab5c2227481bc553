//! `marketplace api`: any API call, with the current login.

use std::{
    io::{IsTerminal, Read},
    path::Path,
};

use bytes::Bytes;
use marketplace_core::platform::input_file;
use reqwest::{
    Method,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Map, Value};

use crate::{
    args::Format,
    connect::Target,
    context::Context,
    failure::{Failure, Outcome},
    files::is_stdout,
    output::{Column, Output, Row, plain},
    remote::{RawAnswer, RawRequest},
};

/// Upper limit of the bytes of a body; the server accepts less.
const MAX_BODY: u64 = 32 * 1024 * 1024;

/// What to call.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// GET, POST, PUT, PATCH or DELETE
    #[arg(value_parser = method)]
    method: Method,
    /// Path: /v1/admin/stats, or short admin/stats
    path: String,
    /// A text: of the query for GET and with --input, of the JSON body otherwise; `a[b]=c` and `a[]=c` nest
    #[arg(id = "raw_field", short = 'f', long = "raw-field", alias = "field", value_name = "KEY=VALUE", value_parser = pair)]
    raw_fields: Vec<(String, String)>,
    /// The same with a value that means something: true, null, 5, other JSON; @FILE and @- are its text
    #[arg(id = "typed_field", short = 'F', long = "typed-field", alias = "json-field", value_name = "KEY=VALUE", value_parser = pair)]
    typed_fields: Vec<(String, String)>,
    /// A header, besides the usual ones or in place of one
    #[arg(id = "request_header", short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Send this file as the body; - for stdin
    #[arg(long, value_name = "FILE")]
    input: Option<std::path::PathBuf>,
    /// Print the status and the headers first
    #[arg(short, long)]
    include: bool,
    /// Ask for every page of a list, and print its rows
    #[arg(long, conflicts_with_all = ["include", "input"])]
    paginate: bool,
}

fn method(text: &str) -> Result<Method, String> {
    match text.to_uppercase().as_str() {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err("must be GET, POST, PUT, PATCH or DELETE".into()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("must be KEY=VALUE".into()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("must be `Name: value`")?;
    let name = name.trim().parse().map_err(|_| "has a name that no header can have")?;
    Ok((name, value.trim().parse().map_err(|_| "has a value that no header can have")?))
}

impl Row for Value {
    const COLUMNS: &'static [Column] = &[];
    fn id() -> String {
        "id".into()
    }
    fn fields() -> Vec<String> {
        Vec::new()
    }
}

/// Sends the request and prints the response's body.
pub async fn run(args: Args, context: &Context) -> Outcome {
    if matches!(context.globals.output, Some(Format::Table | Format::Csv | Format::Id)) {
        return Err(Failure::usage(
            "a response has no columns",
            "choose -o json, jsonl or yaml, or --jq or --template",
        ));
    }
    if !context.globals.fields.is_empty() {
        return Err(Failure::usage(
            "--fields is for lists of this program",
            "choose fields with --jq; -f is a field to send",
        ));
    }
    if args.paginate && args.method != Method::GET {
        return Err(Failure::usage("only lists have pages, and those are read with GET", "leave --paginate away"));
    }
    let remote = Target::resolve(&context.globals)?.remote()?;
    let mut request = request(args.method, &args.path, args.raw_fields, args.typed_fields, args.input.as_deref())?;
    for (name, value) in args.headers {
        request.headers.append(name, value);
    }
    if args.paginate {
        return pages(context, &remote, request).await;
    }
    let answer = remote.raw(request).await?;
    if args.include {
        context.out.write(head(&answer).as_bytes())?;
    }
    if let Some(error) = answer.error() {
        return Err(error.into());
    }
    print(&context.out, &answer)
}

/// Builds the request. With `input`, fields go to the query.
fn request(
    method: Method,
    path: &str,
    raw: Vec<(String, String)>,
    typed: Vec<(String, String)>,
    input: Option<&Path>,
) -> Outcome<RawRequest> {
    let path = match path.trim_start_matches('/') {
        path if path.starts_with("v1/") || !path.contains('/') => format!("/{path}"),
        path => format!("/v1/{path}"),
    };
    let mut fields: Vec<(String, Value)> = raw.into_iter().map(|(key, text)| (key, Value::String(text))).collect();
    for (key, text) in typed {
        let value = match text.strip_prefix('@') {
            Some(file) => Value::String(
                String::from_utf8(read(Path::new(file))?)
                    .map_err(|_| Failure::usage(format!("{file} is no text"), "send it whole, with --input"))?,
            ),
            None => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        fields.push((key, value));
    }
    let mut request = RawRequest { method, path, query: Vec::new(), headers: HeaderMap::new(), body: None };
    if let Some(input) = input {
        request.body = Some(read(input)?.into());
    }
    if request.method == Method::GET || request.body.is_some() {
        request.query = fields.into_iter().map(|(key, value)| (key, plain(&value))).collect();
    } else if !fields.is_empty() {
        let mut body = Value::Object(Map::new());
        for (key, value) in fields {
            insert(&mut body, &key, value)?;
        }
        request.body = Some(Bytes::from(body.to_string()));
    }
    Ok(request)
}

/// Reads a file, or stdin (`-`).
fn read(path: &Path) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if is_stdout(path) {
        std::io::stdin().lock().take(MAX_BODY + 1).read_to_end(&mut bytes)
    } else {
        input_file::open(path).and_then(|file| file.take(MAX_BODY + 1).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) if bytes.len() as u64 > MAX_BODY => {
            Err(Failure::usage(format!("{} is too large", path.display()), format!("the limit is {MAX_BODY} bytes")))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::usage(format!("{} cannot be read: {error}", path.display()), "name another file")),
    }
}

/// Inserts a value at a key such as `a`, `a[b]` or `a[]`.
fn insert(body: &mut Value, key: &str, value: Value) -> Outcome {
    let wrong = || Failure::usage(format!("the key `{key}` does not fit the others"), "write a, a[b] or a[]");
    let (first, rest) = key.split_once('[').map_or((key, ""), |(first, rest)| (first, rest));
    let mut steps = vec![first];
    if !rest.is_empty() {
        let rest = rest.strip_suffix(']').ok_or_else(wrong)?;
        steps.extend(rest.split("]["));
    }
    let mut at = body;
    for step in steps {
        if step.is_empty() {
            if at.is_null() {
                *at = Value::Array(Vec::new());
            }
            let items = at.as_array_mut().ok_or_else(wrong)?;
            items.push(Value::Null);
            at = items.last_mut().ok_or_else(wrong)?;
        } else {
            if at.is_null() {
                *at = Value::Object(Map::new());
            }
            at = at.as_object_mut().ok_or_else(wrong)?.entry(step).or_insert(Value::Null);
        }
    }
    *at = value;
    Ok(())
}

/// Prints the rows of every page.
async fn pages(context: &Context, remote: &crate::remote::Remote, mut request: RawRequest) -> Outcome {
    let mut out = context.out.clone();
    if out.format == Format::Table {
        out.format = Format::Jsonl;
    }
    let mut rows = out.list::<Value>();
    loop {
        let answer = remote.raw(request.clone()).await;
        let page = answer.map_err(Failure::from).and_then(|answer| match answer.error() {
            Some(error) => Err(error.into()),
            None => json(&answer),
        });
        let page = match page {
            Ok(page) => page,
            Err(failure) => {
                if rows.rows() > 0 {
                    rows.finish()?;
                }
                return Err(failure);
            }
        };
        let Some(items) = page.get("items").and_then(Value::as_array) else {
            return Err(Failure::usage("this is no list, so it has no pages", "leave --paginate away"));
        };
        rows.page(items)?;
        match page.get("next").and_then(Value::as_str) {
            Some(next) => {
                request.query.retain(|(key, _)| key != "after");
                request.query.push(("after".into(), next.into()));
            }
            None => return rows.finish(),
        }
    }
}

fn json(answer: &RawAnswer) -> Outcome<Value> {
    serde_json::from_slice(&answer.bytes).map_err(|error| {
        Failure::usage(format!("the response is no JSON: {error}"), "leave --paginate, --jq and --template away")
    })
}

/// Returns the status line and the headers as they came.
fn head(answer: &RawAnswer) -> String {
    let reason = answer.status.canonical_reason().unwrap_or_default();
    let mut text = format!("HTTP {} {reason}\n", answer.status.as_u16());
    for (name, value) in &answer.headers {
        text.push_str(name.as_str());
        text.push_str(": ");
        text.push_str(&crate::output::safe::line(&String::from_utf8_lossy(value.as_bytes())));
        text.push('\n');
    }
    text + "\n"
}

fn print(out: &Output, answer: &RawAnswer) -> Outcome {
    let media_type = answer.media_type();
    let is_json = media_type == "application/json" || media_type.ends_with("+json");
    if is_json && out.format == Format::Jsonl && !out.transforms() {
        // As it came, in the order of its members.
        return out.write(&[&answer.bytes, &b"\n"[..]].concat());
    }
    if out.transforms() || (is_json && !answer.bytes.is_empty()) {
        return out.value(&json(answer)?);
    }
    if std::io::stdout().is_terminal() && !media_type.starts_with("text/") && !answer.bytes.is_empty() {
        return Err(Failure::usage("the answer is no text for a terminal", "send stdout to a file or a program"));
    }
    out.write(&answer.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(raw: &[&str], typed: &[&str]) -> Outcome<Value> {
        let pairs = |texts: &[&str]| texts.iter().map(|text| pair(text).unwrap()).collect();
        let request = request(Method::POST, "x", pairs(raw), pairs(typed), None)?;
        Ok(serde_json::from_slice(&request.body.unwrap()).unwrap())
    }

    #[test]
    fn fields_are_texts_or_mean_something_and_nest() {
        let made =
            body(&["a=5", "b[c]=x", "b[d]=", "l[]=1", "l[]=2"], &["n=5", "t=true", "z=null", "w=plain", "o={\"k\":1}"]);
        assert_eq!(
            made.unwrap(),
            serde_json::json!({"a": "5", "b": {"c": "x", "d": ""}, "l": ["1", "2"], "n": 5, "t": true, "z": null,
                "w": "plain", "o": {"k": 1}})
        );
        for bad in [&["a=1", "a[b]=2"][..], &["a[b=1"]] {
            assert_eq!(body(bad, &[]).unwrap_err().exit_code(), 2, "{bad:?}");
        }
        assert_eq!(body(&[], &["a=@/no/such/file"]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn paths_and_queries() {
        let of = |method, path| request(method, path, vec![("q".into(), "a&b".into())], vec![], None).unwrap();
        assert_eq!(of(Method::GET, "admin/users").path, "/v1/admin/users");
        assert_eq!(of(Method::GET, "/v1/admin/users").query, [("q".to_owned(), "a&b".to_owned())]);
        assert!(of(Method::GET, "healthz").body.is_none());
        assert!(header("X-A: b").is_ok() && header("nope").is_err() && header("a b: c").is_err());
    }
}
