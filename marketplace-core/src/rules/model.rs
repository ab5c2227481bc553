//! What a rule is. No SQL, no I/O.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

use crate::{
    accounts::model::{Checks, check_email, normalise_email},
    base::{
        error::{FieldError, Result},
        ids::{RuleId, ThreadId, UserId},
        patch::Patch,
        principal::Principal,
        text::{check_line, check_text},
        text_enum::text_enum,
        time::Timestamp,
    },
    reports::model::{ReportReason, ReportTarget},
    services::tokenizer::{is_unspaced, words},
};

/// Rules about texts and networks that hold at the same time, at most; of domains there may be any number.
pub(super) const MOST_COMPILED: i64 = 2_000;
/// Characters of words to look for.
const MAX_WORDS: usize = 100;
/// Characters of a note.
const MAX_NOTE: usize = 1_000;

text_enum! {
    /// What a rule is about.
    pub enum RuleKind {
        /// New addresses of this domain and its subdomains.
        BlockedDomain = "blocked_domain",
        /// Contact details in texts; in messages and offers, only before a job was agreed.
        ContactDetails = "contact_details",
        /// A word, or words in this order, in texts.
        Words = "words",
        /// Sign-ups from a network.
        IpRange = "ip_range",
    }
}

text_enum! {
    /// What happens to what a rule catches.
    pub enum RuleAction {
        /// It is let in, and a report by the system has staff look at it.
        Report = "report",
        /// It is refused.
        Refuse = "refuse",
    }
}

text_enum! {
    /// Texts in which a rule looks.
    pub enum RulePlace {
        /// What people write to each other.
        Messages = "messages",
        /// Titles, descriptions and tags of services.
        Services = "services",
        /// Reviews, and replies to them.
        Reviews = "reviews",
        /// Names, headlines and what people say of themselves.
        Profiles = "profiles",
        /// The terms of offers, and what people write with what they do about a job.
        Offers = "offers",
    }
}

impl RulePlace {
    /// Returns whether its texts are written to somebody in a thread, where contact details are free once a job was agreed.
    pub(crate) fn is_of_threads(self) -> bool {
        matches!(self, Self::Messages | Self::Offers)
    }
}

text_enum! {
    /// A kind of contact details: the value of a rule about them.
    pub enum ContactDetail {
        /// All of them.
        Any = "any",
        /// An e-mail address.
        Email = "email",
        /// A telephone number.
        Phone = "phone",
        /// A link to somewhere else.
        Link = "link",
        /// A name at a messenger.
        Handle = "handle",
    }
}

impl ContactDetail {
    /// In words.
    pub(super) fn described(self) -> &'static str {
        match self {
            Self::Any => "contact details",
            Self::Email => "an e-mail address",
            Self::Phone => "a telephone number",
            Self::Link => "a link",
            Self::Handle => "a name at a messenger",
        }
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// What it is about.
    pub kind: RuleKind,
    /// The domain in its ASCII form, the kind of contact details, the words, or the network.
    pub value: String,
    /// What happens to what it catches.
    pub action: RuleAction,
    /// The texts in which it looks; none of domains and networks.
    pub places: Vec<RulePlace>,
    /// The reason of the reports that it opens.
    pub reason: ReportReason,
    /// Whether it holds.
    pub enabled: bool,
    /// What staff wrote about it.
    pub note: Option<String>,
    /// Who made it.
    pub created_by: Principal,
    /// When.
    pub created_at: Timestamp,
    /// Reports that it opened and that are kept, up to 1,000; what it refuses is not counted.
    #[serde(default)]
    pub reports: i64,
    /// Counts changes.
    pub version: i64,
}

impl Rule {
    /// Which rule it is, in words, for staff.
    pub(crate) fn named(&self) -> String {
        format!("Rule: {} {}", self.kind, self.value)
    }

    /// What is wrong with a text of a place that it refuses.
    pub(super) fn refusal(&self, place: RulePlace) -> String {
        match self.kind {
            RuleKind::ContactDetails => {
                let detail = self.value.parse::<ContactDetail>().unwrap_or(ContactDetail::Any).described();
                if place.is_of_threads() {
                    format!("has {detail}; take it out: contact details can be exchanged once a job is agreed")
                } else {
                    format!("has {detail}; take it out")
                }
            }
            _ => "has words that are not accepted here; change the text".to_owned(),
        }
    }

    pub(super) fn is_compiled(&self) -> bool {
        self.enabled && self.kind != RuleKind::BlockedDomain
    }
}

/// A new rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    /// What it is about.
    pub kind: RuleKind,
    /// The domain, the kind of contact details, the words, or the network.
    pub value: String,
    /// What happens to what it catches; refused unless given for domains and networks, and reported for texts.
    pub action: Option<RuleAction>,
    /// The texts in which it looks; unless given, all.
    pub places: Option<Vec<RulePlace>>,
    /// The reason of the reports that it opens.
    pub reason: Option<ReportReason>,
    /// Whether it holds.
    pub enabled: bool,
    /// What staff write about it.
    pub note: Option<String>,
}

/// A new rule that passed the checks.
#[derive(Debug, Clone)]
pub(super) struct CheckedRule {
    pub kind: RuleKind,
    pub value: String,
    action: RuleAction,
    places: Vec<RulePlace>,
    reason: ReportReason,
    enabled: bool,
    note: Option<String>,
}

impl CheckedRule {
    pub fn made(self, id: RuleId, created_by: Principal, created_at: Timestamp) -> Rule {
        let Self { kind, value, action, places, reason, enabled, note } = self;
        Rule { id, kind, value, action, places, reason, enabled, note, created_by, created_at, reports: 0, version: 1 }
    }
}

impl NewRule {
    /// Returns a new rule that does what rules of its kind usually do.
    pub fn new(kind: RuleKind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into(), action: None, places: None, reason: None, enabled: true, note: None }
    }

    /// Returns the rule with its value as it is compared, and what was not given.
    pub(super) fn checked(&self) -> Result<CheckedRule> {
        let mut checks = Checks::default();
        let value = checks.take(value(self.kind, &self.value));
        let usual = match self.kind {
            RuleKind::BlockedDomain | RuleKind::IpRange => &[][..],
            RuleKind::ContactDetails | RuleKind::Words => RulePlace::ALL,
        };
        let places = self.places.clone().unwrap_or_else(|| usual.to_vec());
        let places = checks.take(check_places(self.kind, places));
        let note = checks.take(check_note(self.note.as_deref()));
        checks.finish()?;
        let refuses = matches!(self.kind, RuleKind::BlockedDomain | RuleKind::IpRange);
        Ok(CheckedRule {
            kind: self.kind,
            value: value.unwrap_or_default(),
            action: self.action.unwrap_or(if refuses { RuleAction::Refuse } else { RuleAction::Report }),
            places: places.unwrap_or_default(),
            reason: self.reason.unwrap_or(match self.kind {
                RuleKind::ContactDetails => ReportReason::OffPlatformPayment,
                RuleKind::Words => ReportReason::Other,
                RuleKind::BlockedDomain | RuleKind::IpRange => ReportReason::Spam,
            }),
            enabled: self.enabled,
            note: note.flatten(),
        })
    }
}

/// What of a rule shall change; what is left out stays, `null` takes the note away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleEdit {
    /// What happens to what it catches.
    pub action: Patch<RuleAction>,
    /// The texts in which it looks.
    pub places: Patch<Vec<RulePlace>>,
    /// The reason of the reports that it opens.
    pub reason: Patch<ReportReason>,
    /// Whether it holds.
    pub enabled: Patch<bool>,
    /// What staff write about it.
    pub note: Patch<String>,
}

impl RuleEdit {
    /// Returns the rule with the changes.
    pub(super) fn apply(self, to: Rule) -> Result<Rule> {
        let mut checks = Checks::default();
        let action = checks.take(self.action.required("/action")).flatten();
        let reason = checks.take(self.reason.required("/reason")).flatten();
        let enabled = checks.take(self.enabled.required("/enabled")).flatten();
        let places = checks.take(self.places.required("/places")).flatten().unwrap_or_else(|| to.places.clone());
        let places = checks.take(check_places(to.kind, places));
        let note = checks.take(check_note(self.note.or(to.note.clone()).as_deref()));
        checks.finish()?;
        Ok(Rule {
            action: action.unwrap_or(to.action),
            reason: reason.unwrap_or(to.reason),
            enabled: enabled.unwrap_or(to.enabled),
            places: places.unwrap_or_default(),
            note: note.flatten(),
            ..to
        })
    }
}

fn check_note(note: Option<&str>) -> Result<Option<String>, FieldError> {
    let note = note.map(str::trim).filter(|note| !note.is_empty());
    note.map(|note| check_text("/note", note, 1, MAX_NOTE)).transpose()
}

fn check_places(kind: RuleKind, mut places: Vec<RulePlace>) -> Result<Vec<RulePlace>, FieldError> {
    places.sort_unstable();
    places.dedup();
    let is_of_texts = matches!(kind, RuleKind::ContactDetails | RuleKind::Words);
    if is_of_texts && places.is_empty() {
        return Err(FieldError::new("/places", format!("needs at least one of {}", RulePlace::NAMES.join(", "))));
    }
    if !is_of_texts && !places.is_empty() {
        return Err(FieldError::new("/places", format!("must be empty: {kind} is about sign-ups, not about texts")));
    }
    Ok(places)
}

fn value(kind: RuleKind, text: &str) -> Result<String, FieldError> {
    match kind {
        RuleKind::BlockedDomain => {
            let address = format!("a@{}", text.trim().trim_start_matches('@'));
            let bad = |_| FieldError::new("/value", "must be a domain, such as example.org");
            Ok(domain(&check_email(&address).map_err(bad)?))
        }
        RuleKind::ContactDetails => {
            let detail = text.trim().parse::<ContactDetail>();
            detail.map(|detail| detail.to_string()).map_err(|why| FieldError::new("/value", why))
        }
        RuleKind::Words => {
            let line = check_line("/value", text, 1, MAX_WORDS)?;
            let found = words(&line);
            let letters: usize = found.iter().map(|word| word.text.chars().count()).sum();
            if found.is_empty() || (letters < 2 && !found.iter().any(|word| is_unspaced(&word.text))) {
                return Err(FieldError::new("/value", "must have at least one word of two letters"));
            }
            let plain: String = line.nfkc().flat_map(char::to_lowercase).collect();
            Ok(plain.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        RuleKind::IpRange => network(text.trim()).map(|network| network.to_string()),
    }
}

/// Returns a network, or a single address as one. One that is larger than any provider's would keep everybody out.
fn network(text: &str) -> Result<ipnet::IpNet, FieldError> {
    let bad = |_| FieldError::new("/value", "must be an address or a range, such as 192.0.2.0/24 or 2001:db8::/32");
    let network = match text.parse::<std::net::IpAddr>() {
        Ok(ip) => ip.to_canonical().into(),
        Err(_) => text.parse::<ipnet::IpNet>().map_err(bad)?,
    };
    let least = if network.addr().is_ipv4() { 8 } else { 16 };
    if network.prefix_len() < least {
        return Err(FieldError::new("/value", format!("must have at least /{least}: it keeps out too many")));
    }
    Ok(network.trunc())
}

/// Which rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct RuleFilter {
    /// Only of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub kind: Option<RuleKind>,
}

/// A rule to be tried on what the last 30 days brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryRule {
    /// The rule.
    pub rule: NewRule,
    /// Examples that are shown at most, 20 at most.
    pub examples: i64,
    /// Where to go on: the answer's `next`.
    pub after: Option<String>,
}

/// What a rule would have caught in a part of the last 30 days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleTrial {
    /// From when on it was looked.
    pub since: Timestamp,
    /// Texts or accounts that were looked at in this part.
    pub checked: i64,
    /// Those that the rule would have caught.
    pub caught: i64,
    /// Some of them.
    pub examples: Vec<RuleExample>,
    /// Pass as `after` for the next part; null after the last one.
    pub next: Option<String>,
}

/// Something that a rule would have caught.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RuleExample {
    /// What kind of thing.
    pub target_kind: ReportTarget,
    /// Which one.
    pub target_id: Uuid,
    /// The thread that it is in.
    pub thread_id: Option<ThreadId>,
    /// Whose it is.
    pub subject_id: UserId,
    /// What it says, as far as the rule is about it.
    pub excerpt: String,
}

/// Returns the domain of an address, as it is compared.
fn domain(email: &str) -> String {
    normalise_email(email).rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default()
}

/// Returns the domain of an address and those that it is part of.
pub(super) fn domains(email: &str) -> Vec<String> {
    let domain = domain(email);
    let ends = std::iter::successors(Some(domain.as_str()), |rest| rest.split_once('.').map(|(_, end)| end));
    ends.filter(|end| end.contains('.')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_in_one_form() {
        use RuleKind::{BlockedDomain, ContactDetails, IpRange, Words};
        let checked = |kind, value: &str| NewRule::new(kind, value).checked();
        for (kind, value, expected) in [
            (BlockedDomain, "xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
            (BlockedDomain, "MÜNCHEN.example", "xn--mnchen-3ya.example"),
            (BlockedDomain, " @münchen.example ", "xn--mnchen-3ya.example"),
            (ContactDetails, " phone ", "phone"),
            (Words, "  Pay\u{A0} CASH ", "pay cash"),
            (Words, "猫", "猫"),
            (IpRange, "192.0.2.77", "192.0.2.77/32"),
            (IpRange, "192.0.2.77/24", "192.0.2.0/24"),
            (IpRange, "2001:DB8::1/32", "2001:db8::/32"),
            (IpRange, "::ffff:192.0.2.77", "192.0.2.77/32"),
        ] {
            assert_eq!(checked(kind, value).unwrap().value, expected);
        }
        for (kind, bad) in [
            (BlockedDomain, &["", "example", "a b.example", "127.0.0.1", "x@example.org"][..]),
            (ContactDetails, &["", "fax"]),
            (Words, &["", "a", "!?", "a\nb"]),
            (IpRange, &["", "x", "192.0.2.0/33", "0.0.0.0/0", "::/0", "10.0.0.0/7"]),
        ] {
            for bad in bad {
                assert!(checked(kind, bad).is_err(), "{kind} {bad}");
            }
        }
        assert_eq!(domains("Ada@a.B.example.org"), ["a.b.example.org", "b.example.org", "example.org"]);
        let rule = NewRule { places: Some(vec![RulePlace::Messages]), ..NewRule::new(IpRange, "192.0.2.1") };
        assert!(rule.checked().is_err());
        assert!(NewRule { places: Some(Vec::new()), ..NewRule::new(Words, "scam") }.checked().is_err());
    }
}
