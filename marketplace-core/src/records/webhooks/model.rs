//! Webhooks, what they are told, and signatures. No SQL, no I/O.

use std::{fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::{
    base::{
        error::{Error, FieldError, Result},
        ids::{DeliveryId, WebhookId},
        patch::Patch,
        principal::Principal,
        random::{self, Random},
        text::check_text,
        text_enum::text_enum,
        time::Timestamp,
    },
    timers,
};

/// Webhooks that there can be.
pub const MAX_WEBHOOKS: i64 = 50;
/// Longest time for which an old secret signs beside a new one, in seconds: 7 days.
pub const LONGEST_OVERLAP: u64 = 7 * 86_400;
/// Deliveries that are sent again by one call.
pub const MAX_AGAIN: i64 = 1_000;

/// How long something is tried.
pub(crate) const TRIED_FOR: Duration = Duration::from_hours(72);
/// After how much time in which every try failed an endpoint is switched off.
pub(crate) const OFF_AFTER: Duration = Duration::from_hours(5 * 24);
/// For how long nobody else sends what one program is sending: longer than it can take.
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// The pause after the first try, which doubles with each that follows, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_hours(4));

/// Returns how long something waits after so many tries: a fifth more or less than planned, so that what failed together is not
/// tried together again.
pub(crate) fn pause_after(attempts: i64, random: &dyn Random) -> Duration {
    let [chance] = random::bytes::<1>(random);
    let pause = timers::pause(attempts, PAUSES.0, PAUSES.1);
    pause.mul_f64(0.8 + 0.4 * f64::from(chance) / 255.0)
}

text_enum! {
    /// What a webhook can be told of. Its data are ids and states; what people wrote is read over the API.
    pub enum WebhookKind {
        /// A job began, or is in another state, or has another offer.
        JobChanged = "job.changed",
        /// A service was made, changed, published, closed or deleted.
        ServiceChanged = "service.changed",
        /// A review was written, changed, published, answered, removed or restored.
        ReviewChanged = "review.changed",
        /// An identity check was decided, for good, or an approval ended.
        KycDecided = "kyc.decided",
        /// An account was frozen, banned, given back or erased.
        UserChanged = "user.changed",
        /// Reports about something, or an appeal, were decided about, for good.
        ReportDecided = "report.decided",
        /// Somebody tries the webhook out; every webhook gets it.
        Test = "webhook.test",
    }
}

impl WebhookKind {
    /// The names of what a webhook can be asked to be told of: all but the test, which every webhook gets.
    pub const ASKED_FOR: &[&str] = match Self::NAMES.split_last() {
        Some((_, others)) => others,
        None => &[],
    };

    /// Returns whether a webhook can be asked to be told of it.
    pub fn is_asked_for(self) -> bool {
        self != Self::Test
    }
}

text_enum! {
    /// Why nothing is sent to a webhook.
    pub enum DisabledBecause {
        /// Staff switched it off.
        Staff = "staff",
        /// Everything that was sent failed, for five days.
        Failing = "failing",
        /// It answered that it wants no more (410).
        Gone = "gone",
    }
}

text_enum! {
    /// What became of something that a webhook is told.
    pub enum DeliveryState {
        /// It is sent, again and again if need be.
        Waiting = "waiting",
        /// The endpoint took it.
        Delivered = "delivered",
        /// It was tried for three days, and is not tried any more.
        Failed = "failed",
    }
}

/// Where one of the operator's own systems is told of what happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Where it leads.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it is told of.
    pub kinds: Vec<WebhookKind>,
    /// Whether anything is sent there. What happens while it is off waits, and is sent in order when it is on again.
    pub enabled: bool,
    /// Why it is off.
    pub disabled_because: Option<DisabledBecause>,
    /// Since when it is off.
    pub disabled_at: Option<Timestamp>,
    /// Since when every try has failed.
    pub failing_since: Option<Timestamp>,
    /// Until when the secret before signs too.
    pub old_secret_until: Option<Timestamp>,
    /// How many things wait, up to 1,000.
    pub waiting: i64,
    /// How many failed and are kept, up to 1,000.
    pub failed: i64,
    /// Since when the oldest waits.
    pub oldest_waiting_at: Option<Timestamp>,
    /// Changes with every change.
    pub version: i64,
    /// Who made it.
    pub created_by: Principal,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A webhook with its new secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookWithSecret {
    /// The webhook.
    pub webhook: Webhook,
    /// The secret that its receiver verifies with, shown this once; none in a dry run.
    pub secret: Option<String>,
}

/// A webhook that is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where it leads.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// What it is told of.
    pub kinds: Vec<WebhookKind>,
}

/// A change of a webhook, as a merge patch (RFC 7396).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateWebhook {
    /// Where it leads.
    pub url: Patch<String>,
    /// What it is for.
    pub description: Patch<String>,
    /// What it is told of, from now on.
    pub kinds: Patch<Vec<WebhookKind>>,
    /// Whether anything is sent there.
    pub enabled: Patch<bool>,
}

/// Returns what a webhook is told of, each once.
pub(crate) fn check_kinds(kinds: &[WebhookKind]) -> Result<Vec<WebhookKind>, FieldError> {
    let mut kinds: Vec<WebhookKind> = kinds.iter().copied().filter(|kind| kind.is_asked_for()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return Err(FieldError::new("/kinds", "must name at least one kind besides webhook.test"));
    }
    Ok(kinds)
}

pub(crate) fn check_description(text: &str) -> Result<String, FieldError> {
    check_text("/description", text, 0, 500)
}

/// Something that a webhook is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookDelivery {
    /// Its id, `webhook-id` on the wire: the same at every webhook and every try.
    pub id: DeliveryId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// What happened.
    pub kind: WebhookKind,
    /// The id of what it is about: what is about the same is sent in order.
    pub subject: String,
    /// What became of it.
    pub state: DeliveryState,
    /// What is sent.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub body: serde_json::Value,
    /// How often it was tried.
    pub attempts: i64,
    /// When it may be tried next, as soon as nothing before it waits; none once it is delivered or has failed.
    pub next_try_at: Option<Timestamp>,
    /// When it was tried last.
    pub last_try_at: Option<Timestamp>,
    /// The status of the last answer.
    pub http_status: Option<i64>,
    /// Why the last try failed.
    pub failure: Option<String>,
    /// When it was delivered or given up.
    pub finished_at: Option<Timestamp>,
    /// When it happened.
    pub created_at: Timestamp,
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(default, deny_unknown_fields)]
pub struct DeliveryFilter {
    /// Only those.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub state: Option<DeliveryState>,
}

/// What is to be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// This one, delivered or not.
    One(DeliveryId),
    /// All that failed, of what happened since a time.
    FailedSince(Timestamp),
}

impl Redelivery {
    /// Returns what is to be sent again, of which exactly one must be named.
    ///
    /// # Errors
    /// `invalid` when both are, or none.
    pub fn of(delivery_id: Option<DeliveryId>, since: Option<Timestamp>) -> Result<Self> {
        match (delivery_id, since) {
            (Some(id), None) => Ok(Self::One(id)),
            (None, Some(since)) => Ok(Self::FailedSince(since)),
            _ => Err(Error::invalid("/since", "is needed, or delivery_id, and not both")),
        }
    }
}

/// What is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Redelivered {
    /// The webhook.
    pub webhook_id: WebhookId,
    /// How many deliveries wait again; at most 1,000, the oldest.
    pub deliveries: i64,
    /// Whether there are more: ask again.
    pub more: bool,
}

/// The secret of a webhook (Standard Webhooks 1.0).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub fn new(random: &dyn Random) -> Self {
        Self(random::bytes::<32>(random).to_vec())
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the secret as receivers take it.
    pub fn text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// Returns the signature of a request: of its id, its time and its body.
    pub fn sign(&self, id: DeliveryId, unix_seconds: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{unix_seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::OsRandom;

    /// The example of the specification's own libraries.
    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        let secret = Secret::from_bytes(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let theirs = standardwebhooks::Webhook::new(&secret.text()).unwrap();
        let id = DeliveryId::new(Timestamp::EPOCH, &OsRandom);
        let ours = secret.sign(id, 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(ours, theirs.sign(&id.to_string(), 1_614_265_330, br#"{"test": 2432232314}"#).unwrap());
        assert!(!format!("{secret:?}").contains("MfKQ"));
    }

    #[test]
    fn what_can_be_asked_for_is_what_is_accepted() {
        let asked: Vec<&str> =
            WebhookKind::ALL.iter().filter(|kind| kind.is_asked_for()).map(|kind| kind.as_str()).collect();
        assert_eq!(asked, WebhookKind::ASKED_FOR);
        for kind in WebhookKind::ALL {
            assert_eq!(check_kinds(&[*kind]).is_ok(), kind.is_asked_for(), "{kind}");
        }
    }

    #[test]
    fn tries_are_spread_over_three_days() {
        let (mut all, mut tries) = (Duration::ZERO, 0);
        while all < TRIED_FOR {
            tries += 1;
            let pause = pause_after(tries, &OsRandom);
            assert!(pause >= PAUSES.0.mul_f64(0.8) && pause <= PAUSES.1.mul_f64(1.2));
            all += pause;
        }
        assert!((20..40).contains(&tries), "{tries}");
    }
}
