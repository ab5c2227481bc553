//! `marketplace api`: any API call, with the current login.

use std::io::IsTerminal;

use reqwest::Method;
use serde_json::{Map, Value};

use crate::{
    args::Format,
    connect::Target,
    context::Context,
    failure::{Failure, Outcome},
    output::safe,
};

/// What to call.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// GET, POST, PUT, PATCH or DELETE
    #[arg(value_parser = method)]
    method: Method,
    /// Path: /v1/admin/stats, or short admin/stats
    path: String,
    /// A text field: of the query for GET, of the JSON body otherwise
    #[arg(short, long = "field", value_name = "KEY=VALUE", value_parser = pair)]
    fields: Vec<(String, String)>,
    /// A field whose value is JSON, such as 5, true or null
    #[arg(short = 'F', long = "json-field", value_name = "KEY=JSON", value_parser = pair)]
    json_fields: Vec<(String, String)>,
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

/// Sends the request and prints the response's body.
pub async fn run(args: Args, context: &Context) -> Outcome {
    let remote = Target::resolve(&context.globals)?.remote()?;
    let path = match args.path.trim_start_matches('/') {
        path if path.starts_with("v1/") || !path.contains('/') => format!("/{path}"),
        path => format!("/v1/{path}"),
    };
    let (query, body) = if args.method == Method::GET {
        (args.fields.into_iter().chain(args.json_fields).collect(), None)
    } else {
        let mut body = Map::new();
        for (key, value) in args.fields {
            body.insert(key, Value::String(value));
        }
        for (key, text) in args.json_fields {
            let value = serde_json::from_str(&text).map_err(|error| {
                Failure::usage(format!("the value of `{key}` is not JSON: {error}"), "use -f for a plain text")
            })?;
            body.insert(key, value);
        }
        (Vec::new(), (!body.is_empty()).then_some(Value::Object(body)))
    };
    let answer = remote.raw(args.method, &path, &query, body).await?;
    let json = answer.media_type.starts_with("application/json");
    let terminal = std::io::stdout().is_terminal();
    let pretty = terminal || matches!(context.globals.output, Some(Format::Json));
    if json && pretty {
        let value: Value = serde_json::from_slice(&answer.bytes).map_err(|error| Failure::Other(error.into()))?;
        let text = serde_json::to_string_pretty(&value).map_err(|error| Failure::Other(error.into()))?;
        return context.out.write(format!("{}\n", safe::json(text)).as_bytes());
    }
    if terminal && !answer.media_type.starts_with("text/") && !json && !answer.bytes.is_empty() {
        return Err(Failure::usage("the answer is no text for a terminal", "send stdout to a file or a program"));
    }
    let mut bytes = answer.bytes.to_vec();
    if json {
        bytes.push(b'\n');
    }
    context.out.write(&bytes)
}
