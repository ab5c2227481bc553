//! `marketplace schema`: the JSON Schema of what a noun prints.

use clap::ValueEnum;
use marketplace_core::{
    accounts::summary::UserSummary,
    audit::AuditRow,
    jobs::model::{JobDetail, JobSummary},
    kyc::model::{KycCase, KycSummary},
    mail::model::MailSummary,
    messaging::model::{StaffMessage, ThreadInfo},
    reports::model::{ReportCase, ReportSummary},
    reviews::model::{ReviewDetail, ReviewSummary},
    rules::model::Rule,
    services::model::{CategoryDetail, ServiceDetail, ServiceSummary},
    staff::Stats,
    tokens::model::ApiToken,
    users::model::UserDetail,
    webhooks::model::Webhook,
};
use serde_json::{Map, Value, json};

use crate::{
    change::ItemResult,
    context::Context,
    failure::Outcome,
    output::{Kind, Row},
};

/// Of what.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The noun
    pub noun: Noun,
    /// A row of its list, what `show` prints, or a result of a batch
    #[arg(long, value_name = "WHAT", default_value = "list")]
    pub of: What,
}

/// What prints something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Noun {
    /// Identity checks.
    Kyc,
    /// Users.
    Users,
    /// Jobs.
    Jobs,
    /// Threads; `show` is of one message.
    Threads,
    /// Reviews.
    Reviews,
    /// Reports.
    Reports,
    /// Services.
    Services,
    /// Categories.
    Categories,
    /// Rules.
    Rules,
    /// The audit log.
    Audit,
    /// Tokens.
    Tokens,
    /// Webhooks.
    Webhooks,
    /// Mails.
    Mail,
    /// The dashboard's numbers.
    Stats,
}

/// Which of the outputs of a noun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// A row of its list.
    List,
    /// What `show` prints.
    Show,
    /// A result of a batch.
    Batch,
}

/// Prints the schema.
pub fn run(args: &Args, context: &Context) -> Outcome {
    context.out.value(&schema(args.noun, args.of))
}

/// Returns the fields of what a noun prints, with dots between those that are inside each other.
pub fn fields(noun: Noun, what: What) -> Vec<String> {
    fn collect(above: &str, schema: &Value, found: &mut Vec<String>) {
        for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            found.push(path.clone());
            collect(&path, inner, found);
        }
    }
    let mut found = Vec::new();
    collect("", &schema(noun, what), &mut found);
    found
}

fn schema(noun: Noun, what: What) -> Value {
    match (noun, what) {
        (_, What::Batch) => of::<ItemResult>("a result of a batch"),
        (Noun::Kyc, What::List) => of::<KycSummary>("an identity check"),
        (Noun::Kyc, What::Show) => of::<KycCase>("an identity check, whole"),
        (Noun::Users, What::List) => of::<UserSummary>("a user"),
        (Noun::Users, What::Show) => of::<UserDetail>("a user, whole"),
        (Noun::Jobs, What::List) => of::<JobSummary>("a job"),
        (Noun::Jobs, What::Show) => of::<JobDetail>("a job, whole"),
        (Noun::Threads, What::List) => of::<ThreadInfo>("a thread"),
        (Noun::Threads, What::Show) => of::<StaffMessage>("a message of a thread"),
        (Noun::Reviews, What::List) => of::<ReviewSummary>("a review"),
        (Noun::Reviews, What::Show) => of::<ReviewDetail>("a review, whole"),
        (Noun::Reports, What::List) => of::<ReportSummary>("a case of reports"),
        (Noun::Reports, What::Show) => of::<ReportCase>("a case of reports, whole"),
        (Noun::Services, What::List) => of::<ServiceSummary>("a service"),
        (Noun::Services, What::Show) => of::<ServiceDetail>("a service, whole"),
        (Noun::Categories, _) => of::<CategoryDetail>("a category"),
        (Noun::Rules, _) => of::<Rule>("a rule"),
        (Noun::Audit, _) => of::<AuditRow>("a row of the audit log"),
        (Noun::Tokens, _) => of::<ApiToken>("a token"),
        (Noun::Webhooks, _) => of::<Webhook>("a webhook"),
        (Noun::Mail, _) => of::<MailSummary>("a mail"),
        (Noun::Stats, _) => of::<Stats>("the numbers"),
    }
}

/// Returns the schema of a type, from the fields that it can have and the kinds of its columns.
fn of<T: Row>(title: &str) -> Value {
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": {},
    });
    for path in T::fields() {
        let column = T::COLUMNS.iter().find(|column| column.path == path).map(|column| column.kind);
        insert(&mut root, &path, leaf(&path, column));
    }
    root
}

/// Returns the schema of one field; any value where the kind does not tell.
fn leaf(path: &str, kind: Option<Kind>) -> Value {
    let last = path.rsplit('.').next().unwrap_or(path);
    match kind {
        Some(Kind::Time) => json!({ "type": ["string", "null"], "format": "date-time" }),
        None if last == "at" || last.ends_with("_at") => json!({ "type": ["string", "null"], "format": "date-time" }),
        None if last == "id" || last.ends_with("_id") => json!({ "type": ["string", "null"], "format": "uuid" }),
        Some(Kind::Number) => json!({ "type": ["integer", "null"] }),
        Some(Kind::Id | Kind::State) => json!({ "type": ["string", "integer", "null"] }),
        Some(Kind::Money) => json!({ "type": ["object", "null"] }),
        _ => json!({}),
    }
}

fn insert(at: &mut Value, path: &str, schema: Value) {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let Some(object) = at.as_object_mut() else { return };
    let properties = object.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    let Some(properties) = properties.as_object_mut() else { return };
    match rest {
        None => {
            properties.entry(first).or_insert(schema);
        }
        Some(rest) => {
            let inner = properties.entry(first).or_insert_with(|| json!({ "type": ["object", "null"] }));
            insert(inner, rest, schema);
        }
    }
}
