//! Amounts of money: whole minor units, never fractions.

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
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let detail = "must be an ISO 4217 code of three capital letters, such as EUR".into();
            return Err(FieldError { pointer: format!("{pointer}/currency"), detail });
        }
        Ok(())
    }

    /// Digits behind the point (ISO 4217): 2 for most currencies.
    fn exponent(&self) -> usize {
        match self.currency.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            _ => 2,
        }
    }
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
        for (amount, currency) in [(-1, "EUR"), (Money::MAX + 1, "EUR"), (1, "eur"), (1, "EURO"), (1, "")] {
            assert!(Money::new(amount, currency).check("/price").is_err(), "{amount} {currency}");
        }
        assert!(Money::new(Money::MAX, "EUR").check("/price").is_ok());
    }
}
