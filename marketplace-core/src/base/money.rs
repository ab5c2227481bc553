//! Amounts of money: whole minor units, never fractions.

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

use crate::base::{error::FieldError, patch::Patch};

/// An amount in minor units (cents) of a currency (ISO 4217).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units, 0 to 1,000,000,000,000.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1_000_000_000_000_i64))]
    pub amount: i64,
    /// Three capital letters, such as `EUR`.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[A-Z]{3}$"))]
    pub currency: String,
}

impl Money {
    /// The largest amount: ten thousand million of a currency with cents.
    pub const MAX: i64 = 1_000_000_000_000;

    /// Creates an amount.
    pub fn new(amount: i64, currency: impl Into<String>) -> Self {
        Self { amount, currency: currency.into() }
    }

    /// Checks the amount's range and the form of the currency code.
    ///
    /// # Errors
    /// The field that breaks the rule; `pointer` is where the value stands in the input.
    pub fn check(&self, pointer: &str) -> Result<(), FieldError> {
        if !(0..=Self::MAX).contains(&self.amount) {
            let detail = format!("must be from 0 to {} minor units", Self::MAX);
            return Err(FieldError { pointer: format!("{pointer}/amount"), detail });
        }
        check_currency(&format!("{pointer}/currency"), &self.currency)
    }

    /// Digits behind the point (ISO 4217): 2 for most currencies.
    fn exponent(&self) -> usize {
        digits(&self.currency).unwrap_or(2)
    }
}

/// Codes that nobody pays with, though they have digits: retired ones, and units of account and of funds (ISO 4217, lists one
/// and three).
const NOT_PAID: [&str; 13] =
    ["BGN", "BOV", "CHE", "CHW", "CLF", "COU", "CUC", "HRK", "MXV", "SLL", "USN", "UYW", "ZWL"];

/// Returns the digits behind the point of a currency that people pay with; none for other codes, metals and funds included.
fn digits(code: &str) -> Option<usize> {
    Currency::from_code(code).filter(|_| !NOT_PAID.contains(&code))?.exponent().map(usize::from)
}

/// An amount in a merge patch: what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MoneyPatch {
    /// Minor units, 0 to 1,000,000,000,000.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = i64, minimum = 0, maximum = 1_000_000_000_000_i64))]
    pub amount: Patch<i64>,
    /// Three capital letters, such as `EUR`.
    #[serde(default, skip_serializing_if = "Patch::is_kept")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, pattern = "^[A-Z]{3}$"))]
    pub currency: Patch<String>,
}

impl From<Money> for MoneyPatch {
    fn from(Money { amount, currency }: Money) -> Self {
        Self { amount: Patch::Set(amount), currency: Patch::Set(currency) }
    }
}

impl Patch<MoneyPatch> {
    /// Returns what becomes of an amount.
    ///
    /// # Errors
    /// The field at or below `pointer`: one that is missing where there was no amount, or that breaks a rule.
    pub fn merged(self, kept: Option<Money>, pointer: &str) -> Result<Option<Money>, FieldError> {
        let Self::Set(MoneyPatch { amount, currency }) = self else {
            return Ok(if self.is_kept() { kept } else { None });
        };
        let missing = |name: &str| FieldError::new(format!("{pointer}/{name}"), "is required");
        let (kept_amount, kept_currency) = kept.map(|kept| (kept.amount, kept.currency)).unzip();
        let amount = amount.required(&format!("{pointer}/amount"))?.or(kept_amount);
        let currency = currency.required(&format!("{pointer}/currency"))?.or(kept_currency);
        let money = Money {
            amount: amount.ok_or_else(|| missing("amount"))?,
            currency: currency.ok_or_else(|| missing("currency"))?,
        };
        money.check(pointer)?;
        Ok(Some(money))
    }
}

/// Checks that a code is that of a currency (ISO 4217).
///
/// # Errors
/// The field; `pointer` is where it stands in the input.
fn check_currency(pointer: &str, code: &str) -> Result<(), FieldError> {
    if digits(code).is_some() {
        return Ok(());
    }
    Err(FieldError::new(pointer, "must be the code of a currency (ISO 4217), such as EUR"))
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.exponent();
        let text = format!("{:0width$}", self.amount.unsigned_abs(), width = digits + 1);
        let (whole, part) = text.split_at(text.len().saturating_sub(digits));
        let sign = if self.amount < 0 { "-" } else { "" };
        let point = if digits == 0 { "" } else { "." };
        f.pad(&format!("{sign}{whole}{point}{part} {}", self.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        let text = |amount, currency| Money::new(amount, currency).to_string();
        assert_eq!(text(5_500, "EUR"), "55.00 EUR");
        assert_eq!(text(7, "EUR"), "0.07 EUR");
        assert_eq!(text(1_200, "JPY"), "1200 JPY");
        assert_eq!(text(1, "KWD"), "0.001 KWD");
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for (amount, currency) in [
            (-1, "EUR"),
            (Money::MAX + 1, "EUR"),
            (1, "eur"),
            (1, "EURO"),
            (1, ""),
            (1, "ABC"),
            (1, "XAU"),
            (1, "XXX"),
            (1, "HRK"),
            (1, "CLF"),
            (1, "BGN"),
        ] {
            assert!(Money::new(amount, currency).check("/price").is_err(), "{amount} {currency}");
        }
        for currency in ["EUR", "USD", "JPY", "KWD", "CLP", "CHF", "SLE", "CUP", "UYU"] {
            assert!(Money::new(Money::MAX, currency).check("/price").is_ok(), "{currency}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let kept = || Some(Money::new(4_000, "JPY"));
        let merged = |text: &str, kept: Option<Money>| {
            serde_json::from_str::<Patch<MoneyPatch>>(text)
                .unwrap()
                .merged(kept, "/price")
                .map_err(|error| error.pointer)
        };
        for (text, after) in [
            (r#"{"amount": 5000}"#, Money::new(5_000, "JPY")),
            (r#"{"currency": "EUR"}"#, Money::new(4_000, "EUR")),
            ("{}", Money::new(4_000, "JPY")),
            (r#"{"amount": 1, "currency": "EUR"}"#, Money::new(1, "EUR")),
        ] {
            assert_eq!(merged(text, kept()), Ok(Some(after)), "{text}");
        }
        assert_eq!(merged("null", kept()), Ok(None));
        assert_eq!(Patch::<MoneyPatch>::Keep.merged(kept(), "/price"), Ok(kept()));
        for (text, kept, pointer) in [
            (r#"{"amount": 5}"#, None, "/price/currency"),
            ("{}", None, "/price/amount"),
            (r#"{"amount": null}"#, kept(), "/price/amount"),
            (r#"{"amount": -1}"#, kept(), "/price/amount"),
            (r#"{"currency": "XXX"}"#, kept(), "/price/currency"),
        ] {
            assert_eq!(merged(text, kept), Err(pointer.to_owned()), "{text}");
        }
    }
}
