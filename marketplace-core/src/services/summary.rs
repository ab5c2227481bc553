//! What a search tells about everything it finds: how many there are, and how many of each category, price and rating.
//! No SQL, no I/O.

use std::collections::BTreeMap;

use super::model::{Category, CategoryFacet, Estimate, Facets, PriceFacet, RatingFacet};

/// What the counts of a service depend on: category, currency, amount, thousandths of a star.
pub(super) type FacetRow = (Category, Option<String>, Option<i64>, i64);

/// Counts that were asked for.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub total: Option<Estimate>,
    pub facets: Option<Facets>,
}

impl Estimate {
    /// Estimates a number from the publication numbers of at most one more than `counted` services, newest first: the
    /// others are taken to be as frequent down to the first number.
    pub(super) fn of(numbers: &[i64], counted: i64, newest: i64) -> Self {
        let found = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
        let oldest = numbers.last().copied().unwrap_or(1);
        if found <= counted {
            return Self { value: found, exact: true };
        }
        let range = (newest - oldest + 1).max(found);
        let value = found.saturating_mul(newest.max(range)) / range;
        Self { value: rounded(value), exact: false }
    }

    fn share(self, count: i64, of: i64) -> i64 {
        if self.exact || of == 0 { count } else { rounded(count.saturating_mul(self.value) / of) }
    }
}

/// Returns a number with two digits that count.
fn rounded(value: i64) -> i64 {
    let mut unit = 1;
    while value / unit >= 100 {
        unit *= 10;
    }
    (value + unit / 2) / unit * unit
}

/// Returns the band of an amount: from 1, 2 or 5 of a power of ten to just below the next.
fn band(amount: i64) -> (i64, i64) {
    let mut from = 0;
    let mut power = 1_i64;
    loop {
        for edge in [power, power.saturating_mul(2), power.saturating_mul(5)] {
            if amount < edge {
                return (from, edge - 1);
            }
            from = edge;
        }
        power = power.saturating_mul(10);
        if power == i64::MAX {
            return (from, i64::MAX);
        }
    }
}

impl Summary {
    /// Counts rows, as a part of a total.
    pub fn of(rows: &[FacetRow], total: Estimate, with_total: bool, with_facets: bool) -> Self {
        let mut categories: BTreeMap<Category, i64> = BTreeMap::new();
        let mut prices: BTreeMap<(&str, i64, i64), i64> = BTreeMap::new();
        let mut ratings: BTreeMap<i64, i64> = BTreeMap::new();
        for (category, currency, amount, rating) in rows {
            *categories.entry(*category).or_default() += 1;
            if let (Some(currency), Some(amount)) = (currency, amount) {
                let (from, to) = band(*amount);
                *prices.entry((currency, from, to)).or_default() += 1;
            }
            *ratings.entry(rating / 1_000).or_default() += 1;
        }
        let of = i64::try_from(rows.len()).unwrap_or(0);
        let count = |count: i64| total.share(count, of);
        let mut by_category: Vec<CategoryFacet> =
            categories.into_iter().map(|(category, found)| CategoryFacet { category, count: count(found) }).collect();
        by_category.sort_by_key(|facet| (-facet.count, facet.category));
        let facets = Facets {
            categories: by_category,
            prices: prices
                .into_iter()
                .map(|((currency, from, to), found)| PriceFacet {
                    currency: currency.to_owned(),
                    from,
                    to,
                    count: count(found),
                })
                .collect(),
            ratings: ratings
                .into_iter()
                .rev()
                .map(|(stars, found)| RatingFacet { stars, count: count(found) })
                .collect(),
        };
        Self { total: with_total.then_some(total), facets: with_facets.then_some(facets) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_counted_or_estimated() {
        assert_eq!(Estimate::of(&[], 3, 9), Estimate { value: 0, exact: true });
        assert_eq!(Estimate::of(&[9, 7, 5], 3, 9), Estimate { value: 3, exact: true });
        // Four of the newest ten numbers, of a hundred.
        assert_eq!(Estimate::of(&[100, 97, 95, 91], 3, 100), Estimate { value: 40, exact: false });
        assert_eq!(rounded(123_456), 120_000);
    }

    #[test]
    fn prices_fall_into_bands() {
        for (amount, expected) in
            [(0, (0, 0)), (1, (1, 1)), (4, (2, 4)), (5_000, (5_000, 9_999)), (4_999, (2_000, 4_999))]
        {
            assert_eq!(band(amount), expected, "{amount}");
        }
        assert!(band(i64::MAX).0 > 0);
    }

    #[test]
    fn each_kind_is_counted() {
        let rows = [
            (Category::Pets, Some("EUR".to_owned()), Some(2_500), 4_200),
            (Category::Pets, None, None, 0),
            (Category::Music, Some("EUR".to_owned()), Some(4_000), 4_900),
        ];
        let summary = Summary::of(&rows, Estimate { value: 3, exact: true }, true, true);
        let facets = summary.facets.unwrap();
        assert_eq!(facets.categories[0], CategoryFacet { category: Category::Pets, count: 2 });
        assert_eq!(facets.prices, [PriceFacet { currency: "EUR".into(), from: 2_000, to: 4_999, count: 2 }]);
        assert_eq!(facets.ratings.iter().map(|facet| (facet.stars, facet.count)).collect::<Vec<_>>(), [(4, 2), (0, 1)]);
    }
}
