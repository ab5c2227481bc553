//! Amounts of money: whole minor units, never fractions.

use iso_currency::Currency;
use serde::{Deserialize, Serialize};

use crate::base::error::FieldError;

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

/// Returns the digits behind the point of a currency that people pay with; none for other codes, metals and funds included.
fn digits(code: &str) -> Option<usize> {
    Currency::from_code(code)?.exponent().map(usize::from)
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
        for (amount, currency) in
            [(-1, "EUR"), (Money::MAX + 1, "EUR"), (1, "eur"), (1, "EURO"), (1, ""), (1, "ABC"), (1, "XAU"), (1, "XXX")]
        {
            assert!(Money::new(amount, currency).check("/price").is_err(), "{amount} {currency}");
        }
        for currency in ["EUR", "USD", "JPY", "KWD", "CLP", "CHF"] {
            assert!(Money::new(Money::MAX, currency).check("/price").is_ok(), "{currency}");
        }
    }
}
