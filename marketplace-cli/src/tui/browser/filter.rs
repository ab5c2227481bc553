//! Parses filters such as `status:banned role:worker ada`. The names are the fields of the API's filters.

use std::fmt::Write as _;

/// A filter that can be typed.
pub trait Typed: Default + Clone + PartialEq {
    /// The words that it knows, each with the values that it accepts; empty when any value is valid.
    const WORDS: &'static [(&'static str, &'static [&'static str])];
    /// The words whose values are colleagues, each with what stands before an id there: they can be named.
    const COLLEAGUES: &'static [(&'static str, &'static str)] = &[];
    /// Whether words without a colon have a meaning.
    const FREE_TEXT: bool;
    /// Sets the value of one word.
    fn set(&mut self, word: &str, value: &str) -> Result<(), String>;
    /// Sets the free text.
    fn text(&mut self, _text: String) {}
    /// Returns the filter as flags of the command line.
    fn flags(&self) -> String;
}

/// Parses a filter. The error says what is allowed instead.
pub fn parse<F: Typed>(typed: &str) -> Result<F, String> {
    let mut filter = F::default();
    let mut text = Vec::new();
    for part in typed.split_whitespace() {
        match part.split_once(':').and_then(|(word, value)| Some((known::<F>(word)?, value))) {
            Some((word, value)) => {
                if value.is_empty() {
                    return Err(format!("{word}: {}", hint::<F>(word)));
                }
                filter.set(word, value).map_err(|_| format!("{word}: {}", hint::<F>(word)))?;
            }
            None if F::FREE_TEXT && !part.contains(':') => text.push(part),
            // Addresses and numbers do not contain colons, so the word before the colon is an unknown field.
            _ => {
                let (word, is_word) = part.split_once(':').map_or((part, false), |(word, _)| (word, true));
                let mut words: Vec<&str> = F::WORDS.iter().map(|(known, _)| *known).collect();
                // What was probably meant comes first.
                words.sort_by_key(|known| !known.starts_with(word));
                let words: Vec<String> = words.into_iter().map(|known| format!("{known}:")).collect();
                let colon = if is_word { ":" } else { "" };
                return Err(match words.as_slice() {
                    [] => format!("`{word}{colon}` is unknown: there is nothing to filter by here"),
                    known => format!("`{word}{colon}` is unknown: filter by {}", known.join(" ")),
                });
            }
        }
    }
    if !text.is_empty() {
        filter.text(text.join(" "));
    }
    Ok(filter)
}

/// Returns the word that was meant: `user` is `user_id` where there is no other.
fn known<F: Typed>(word: &str) -> Option<&'static str> {
    let id = format!("{word}_id");
    let words = || F::WORDS.iter().map(|(known, _)| *known);
    words().find(|known| *known == word).or_else(|| words().find(|known| *known == id))
}

/// Returns what is named in a part of a filter that means a colleague: the word, what stands before an id there, and the name.
pub fn named_colleague<F: Typed>(part: &str) -> Option<(&'static str, &'static str, &str)> {
    let (word, name) = part.split_once(':')?;
    let word = known::<F>(word)?;
    let (_, before) = F::COLLEAGUES.iter().find(|(known, _)| *known == word)?;
    let is_name = !name.is_empty() && !name.contains([':', '@']) && name != "system";
    (is_name && name.parse::<uuid::Uuid>().is_err()).then_some((word, *before, name))
}

/// Returns a filter with ids in the place of colleagues' names.
///
/// # Errors
/// What `id_of` says of a name.
pub fn with_ids<F: Typed>(
    typed: &str,
    id_of: impl Fn(&str) -> Result<marketplace_core::ids::UserId, String>,
) -> Result<String, String> {
    if !typed.split_whitespace().any(|part| named_colleague::<F>(part).is_some()) {
        return Ok(typed.to_owned());
    }
    let part = |part: &str| match named_colleague::<F>(part) {
        Some((word, before, name)) => id_of(name).map(|id| format!("{word}:{before}{id}")),
        None => Ok(part.to_owned()),
    };
    Ok(typed.split_whitespace().map(part).collect::<Result<Vec<_>, _>>()?.join(" "))
}

fn hint<F: Typed>(word: &str) -> String {
    match F::WORDS.iter().find(|(known, _)| *known == word) {
        Some((_, values)) if !values.is_empty() => values.join(" | "),
        _ => "needs a value".into(),
    }
}

/// Returns the completions of the last word, for Tab.
pub fn complete<F: Typed>(typed: &str) -> Vec<String> {
    let start = typed.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let (head, last) = typed.split_at(start);
    match last.split_once(':') {
        None => F::WORDS
            .iter()
            .filter(|(word, _)| !last.is_empty() && word.starts_with(last))
            .map(|(word, _)| format!("{head}{word}:"))
            .collect(),
        Some((word, begun)) => F::WORDS
            .iter()
            .filter(|(known, _)| *known == word)
            .flat_map(|(_, values)| values.iter())
            .filter(|value| value.starts_with(begun) && **value != begun)
            .map(|value| format!("{head}{word}:{value}"))
            .collect(),
    }
}

/// Returns the part of a filter that may be kept: words with one of the values that are listed, and ids. What was typed freely
/// may be a name or an address.
pub fn impersonal<F: Typed>(typed: &str) -> String {
    let kept = |part: &&str| {
        part.split_once(':').is_some_and(|(word, value)| {
            let listed = F::WORDS.iter().find(|(name, _)| Some(*name) == known::<F>(word));
            let is_me = value == "me" && named_colleague::<F>(part).is_some();
            is_me || listed.is_some_and(|(_, values)| values.contains(&value)) || value.parse::<uuid::Uuid>().is_ok()
        })
    };
    typed.split_whitespace().filter(kept).collect::<Vec<_>>().join(" ")
}

/// Adds a flag of the command line, if there is a value.
pub fn flag(flags: &mut String, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        let _ = write!(flags, " --{name} {}", quoted(&value.to_string()));
    }
}

/// Quotes a value for a shell.
pub fn quoted(value: &str) -> String {
    if !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:@+".contains(c)) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use marketplace_core::{
        accounts::{model::Status, summary::UserFilter},
        audit::AuditFilter,
        base::{permission::Role, principal::Principal},
        jobs::model::{JobFilter, JobStatus},
        kyc::model::KycFilter,
        messaging::model::ThreadFilter,
        reviews::model::ReviewFilter,
    };

    use super::*;

    #[test]
    fn words_and_free_text() {
        let filter: UserFilter = parse("status:banned ada  role:worker obi").unwrap();
        assert_eq!(
            filter,
            UserFilter {
                q: Some("ada obi".into()),
                role: Some(Role::Worker),
                status: Some(Status::Banned),
                reveal: false
            }
        );
        assert_eq!(filter.flags(), " --status banned --role worker --q 'ada obi'");
        assert_eq!(parse::<UserFilter>("  ").unwrap(), UserFilter::default());
    }

    #[test]
    fn wrong_words_say_what_is_allowed() {
        assert!(parse::<UserFilter>("status:bann").unwrap_err().contains("frozen | banned"));
        assert!(parse::<UserFilter>("status:").unwrap_err().contains("active"));
        assert!(parse::<UserFilter>("kyc:none").unwrap_err().contains("role:"));
        assert!(parse::<AuditFilter>("ada").unwrap_err().contains("action:"));
        assert_eq!(parse::<KycFilter>("ada snoozed:yes").unwrap().flags(), " --q ada --snoozed");
        assert!(parse::<KycFilter>("user_id:7").is_err());
        let audit: AuditFilter = parse("actor:local:sam@desk action:users.ban").unwrap();
        assert_eq!(audit.actor, Some(Principal("local:sam@desk".into())));
    }

    #[test]
    fn the_words_of_what_two_people_have_with_each_other() {
        let id = "01920000-0000-7000-8000-000100000004";
        let jobs: JobFilter = parse(&format!("status:accepted user:{id}")).unwrap();
        assert_eq!((jobs.status, jobs.user_id), (Some(JobStatus::Accepted), Some(id.parse().unwrap())));
        assert_eq!(jobs.flags(), format!(" --status accepted --user-id {id}"));
        let threads: ThreadFilter = parse(&format!("status:closed service_id:{id}")).unwrap();
        assert_eq!(threads.flags(), format!(" --status closed --service-id {id}"));
        let reviews: ReviewFilter = parse(&format!("flagged:yes subject:{id}")).unwrap();
        assert_eq!(reviews.flags(), format!(" --flagged --subject-id {id}"));
        assert!(parse::<ReviewFilter>("flagged:maybe").unwrap_err().contains("yes | no"));
        assert!(parse::<JobFilter>("user:sam").is_err());
    }

    #[test]
    fn what_may_name_a_person_is_not_kept() {
        let id = "01920000-0000-7000-8000-000100000004";
        assert_eq!(
            impersonal::<UserFilter>("ada status:banned q:ada@mail.example.org role:worker"),
            "status:banned role:worker"
        );
        assert_eq!(
            impersonal::<JobFilter>(&format!("user:{id} status:accepted")),
            format!("user:{id} status:accepted")
        );
        assert_eq!(impersonal::<AuditFilter>("actor:local:sam@desk action:users.ban"), "action:users.ban");
    }

    #[test]
    fn colleagues_are_named() {
        let lea: marketplace_core::ids::UserId = "01920000-0000-7000-8000-000100000004".parse().unwrap();
        let id_of = |name: &str| if name == "lea" { Ok(lea) } else { Err(format!("no colleague is called `{name}`")) };
        let queue = with_ids::<KycFilter>("ada claimed_by:lea all:yes", id_of).unwrap();
        assert_eq!(queue, format!("ada claimed_by:{lea} all:yes"));
        assert_eq!(parse::<KycFilter>(&queue).unwrap().claimed_by, Some(lea));
        assert_eq!(with_ids::<AuditFilter>("actor:lea", id_of).unwrap(), format!("actor:user:{lea}"));
        for as_it_is in ["actor:system", "actor:local:sam@desk", "action:users.ban"] {
            assert_eq!(with_ids::<AuditFilter>(as_it_is, id_of).unwrap(), as_it_is);
        }
        assert!(with_ids::<KycFilter>("assigned_to:bo", id_of).unwrap_err().contains("no colleague"));
        assert_eq!(impersonal::<KycFilter>("assigned_to:me claimed_by:lea"), "assigned_to:me");
    }

    #[test]
    fn completion() {
        assert_eq!(complete::<UserFilter>("ada st"), ["ada status:"]);
        assert_eq!(complete::<UserFilter>("status:b"), ["status:banned"]);
        assert_eq!(complete::<KycFilter>("status:re"), ["status:retry", "status:rejected", "status:revoked"]);
    }

    #[test]
    fn values_are_safe_in_a_shell() {
        assert_eq!(quoted("a'b; rm"), r"'a'\''b; rm'");
        assert_eq!(quoted(""), "''");
    }
}
