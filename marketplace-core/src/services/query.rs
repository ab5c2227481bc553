//! The checked filter of a search, and the conditions that it sets on the words in the index. No SQL, no I/O.

use super::{
    matches::{Clauses, Token, Wanted},
    model::{SearchFilter, ServiceSort},
    place::{FARTHEST, Place},
    words::{CATEGORY, HEAD, PLACE, PRICE, TITLE, distance, magnitude, tolerance, words},
};
use crate::{
    accounts::model::Checks,
    base::{
        error::{FieldError, Result},
        money::Money,
        page::Cursor,
    },
    profiles::model::check_place,
};

/// Maximum number of words of a query, or of a location.
const MAX_WORDS: usize = 8;
/// Maximum number of known words for which a word of a query may be a typo, nearest first, besides those that it
/// begins.
const MAX_TYPOS: usize = 40;

/// A search with a valid filter.
#[derive(Debug, Clone)]
pub(super) struct Query {
    /// Folded words of the query.
    pub words: Vec<String>,
    /// For each word, the known words of which it may be a typo; filled in when they are needed.
    pub typos: Option<Vec<Vec<String>>>,
    /// All conditions except the words.
    pub others: Wanted,
    pub place: Option<Place>,
    /// Maximum distance from the place in metres.
    pub radius: Option<i64>,
    pub sort: ServiceSort,
    /// Whether a text of the filter contains no word, so that nothing matches it.
    pub hopeless: bool,
}

/// How well a service matches; each tier includes the one before. `Typo` includes everything that matches at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    Title,
    Head,
    Anywhere,
    Typo,
}

impl Tier {
    pub const ALL: [Self; 4] = [Self::Title, Self::Head, Self::Anywhere, Self::Typo];

    fn before(self) -> Option<Self> {
        match self {
            Self::Title => None,
            Self::Head => Some(Self::Title),
            Self::Anywhere => Some(Self::Head),
            Self::Typo => Some(Self::Anywhere),
        }
    }
}

fn words_of(pointer: &str, text: Option<&str>, most: usize) -> Result<Option<Vec<String>>, FieldError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(FieldError::new(
            pointer,
            format!("must have at most {most} characters, and no control characters"),
        ));
    }
    let mut found: Vec<String> = Vec::new();
    for word in words(text) {
        if !found.contains(&word) && found.len() < MAX_WORDS {
            found.push(word);
        }
    }
    Ok(Some(found))
}

fn whole(mark: char, word: &str) -> Token {
    Token { text: format!("{mark}{word}"), prefix: false }
}

fn begins(mark: char, word: &str) -> Token {
    Token { text: format!("{mark}{word}"), prefix: true }
}

impl SearchFilter {
    /// Returns the filter as a query, or each parameter that breaks a rule.
    pub(super) fn checked(&self) -> Result<Query> {
        let mut checks = Checks::default();
        let q = checks.take(words_of("/q", self.q.as_deref(), 200)).flatten();
        let location = checks.take(words_of("/location", self.location.as_deref(), 100)).flatten();
        let place = checks.take(self.place()).flatten();
        let radius = checks.take(self.radius()).flatten();
        if self.sort == Some(ServiceSort::Distance) && (self.lat.is_none() || self.lon.is_none()) {
            checks.take::<()>(Err(FieldError::new("/sort", "by distance needs lat and lon")));
        }
        let min_rating = checks.take(self.min_rating()).flatten();
        let price = checks.take(self.price()).flatten();
        checks.finish()?;
        let hopeless = [&q, &location].into_iter().flatten().any(Vec::is_empty);
        let mut has: Clauses = Vec::new();
        has.extend(self.category.map(|category| vec![whole(CATEGORY, category.as_str())]));
        has.extend(location.unwrap_or_default().iter().map(|word| vec![begins(PLACE, word)]));
        if let Some((currency, from, to)) = &price {
            let currency = currency.to_ascii_lowercase();
            let (low, high) = (magnitude(*from), magnitude(*to));
            has.push(if (*from, *to) == (0, Money::MAX) {
                vec![whole(PRICE, &currency)]
            } else {
                (low..=high.max(low)).map(|digits| whole(PRICE, &format!("{currency}{digits}"))).collect()
            });
        }
        let sort = self.sort.unwrap_or(ServiceSort::Relevance);
        let words = q.unwrap_or_default();
        Ok(Query {
            sort: if sort == ServiceSort::Relevance && words.is_empty() { ServiceSort::Newest } else { sort },
            words,
            typos: None,
            others: Wanted {
                has,
                available: self.available == Some(true),
                min_rating,
                price,
                placed: radius.is_some() || sort == ServiceSort::Distance,
                ..Wanted::default()
            },
            place,
            radius,
            hopeless,
        })
    }

    fn place(&self) -> Result<Option<Place>, FieldError> {
        let place = check_place(("lat", "lon"), self.lat, self.lon)?;
        Ok(place.map(|(latitude, longitude)| Place { latitude, longitude }))
    }

    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    fn radius(&self) -> Result<Option<i64>, FieldError> {
        let Some(radius) = self.radius_km else { return Ok(None) };
        if !(0.0..=20_100.0).contains(&radius) {
            return Err(FieldError::new("/radius_km", "must be from 0 to 20100"));
        }
        if self.lat.is_none() || self.lon.is_none() {
            return Err(FieldError::new("/radius_km", "needs lat and lon"));
        }
        Ok(Some(((radius * 1_000.0).round() as i64).min(FARTHEST)))
    }

    #[expect(clippy::cast_possible_truncation, reason = "in range")]
    fn min_rating(&self) -> Result<Option<i64>, FieldError> {
        let Some(stars) = self.min_rating else { return Ok(None) };
        if (1.0..=5.0).contains(&stars) {
            Ok(Some((stars * 1_000.0).round() as i64))
        } else {
            Err(FieldError::new("/min_rating", "must be from 1 to 5"))
        }
    }

    fn price(&self) -> Result<Option<(String, i64, i64)>, FieldError> {
        let Some(currency) = &self.currency else {
            return match (self.min_price, self.max_price) {
                (None, None) => Ok(None),
                _ => Err(FieldError::new("/currency", "is needed together with a price, such as EUR")),
            };
        };
        Money::new(0, currency.as_str()).check("").map_err(|error| FieldError::new("/currency", error.detail))?;
        for (pointer, given) in [("/min_price", self.min_price), ("/max_price", self.max_price)] {
            if given.is_some_and(|amount| !(0..=Money::MAX).contains(&amount)) {
                return Err(FieldError::new(pointer, format!("must be from 0 to {} minor units", Money::MAX)));
            }
        }
        Ok(Some((currency.clone(), self.min_price.unwrap_or(0), self.max_price.unwrap_or(Money::MAX))))
    }
}

impl Query {
    /// Chooses from `neighbours` the words of which each word may be a typo, nearest first.
    pub fn learn_typos(&mut self, neighbours: &[String]) {
        let of = |word: &String| {
            let most = tolerance(word);
            let mut near: Vec<(usize, &String)> = neighbours
                .iter()
                // Words that the query's word begins are found anyway.
                .filter(|other| most > 0 && !other.starts_with(word.as_str()))
                .filter_map(|other| Some((distance(word, other, most)?, other)))
                .collect();
            near.sort_unstable();
            near.dedup();
            near.into_iter().take(MAX_TYPOS).map(|(_, other)| other.clone()).collect()
        };
        self.typos = Some(self.words.iter().map(of).collect());
    }

    fn clauses(&self, tier: Tier) -> Clauses {
        let none = Vec::new();
        let typos = |at: usize| self.typos.as_ref().and_then(|typos| typos.get(at)).unwrap_or(&none);
        self.words
            .iter()
            .enumerate()
            .map(|(at, word)| match tier {
                Tier::Title => vec![whole(TITLE, word)],
                Tier::Head => vec![begins(HEAD, word)],
                Tier::Anywhere => vec![Token { text: word.clone(), prefix: true }],
                Tier::Typo => {
                    let typos = typos(at).iter().map(|other| Token { text: other.clone(), prefix: false });
                    std::iter::once(Token { text: word.clone(), prefix: true }).chain(typos).collect()
                }
            })
            .collect()
    }

    /// Returns the conditions for everything that matches, at any tier.
    pub fn all(&self) -> Wanted {
        let mut wanted = self.others.clone();
        wanted.has.splice(0..0, self.clauses(Tier::Typo));
        wanted
    }

    /// Returns the conditions for what matches at this tier and at none before.
    pub fn at(&self, tier: Tier) -> Wanted {
        let mut wanted = self.others.clone();
        wanted.has.splice(0..0, self.clauses(tier));
        wanted.lacks = tier.before().map(|before| self.clauses(before));
        wanted
    }

    /// Returns whether typos can add any matches.
    pub fn has_typos(&self) -> bool {
        self.typos.as_ref().is_some_and(|typos| typos.iter().any(|of| !of.is_empty()))
    }
}

/// Position in a list of services: the sort key, and the service's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SearchCursor {
    pub sort: ServiceSort,
    /// The tier, the thousandths of a star, or the metres; 0 when ordered by age.
    pub key: i64,
    pub number: i64,
}

impl Cursor for SearchCursor {
    fn text(&self) -> String {
        format!("{}:{}:{}", self.sort, self.key, self.number)
    }
    fn parse(text: &str) -> Option<Self> {
        let (sort, rest) = text.split_once(':')?;
        let (key, number) = rest.split_once(':')?;
        Some(Self { sort: sort.parse().ok()?, key: key.parse().ok()?, number: number.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_parameters_are_named() {
        let filter = |text: &str| serde_json::from_str::<SearchFilter>(text).unwrap();
        for (text, pointer) in [
            (r#"{"q": "a\u0000b"}"#, "/q"),
            (r#"{"location": "a\nb"}"#, "/location"),
            (r#"{"lat": 1}"#, "/lon"),
            (r#"{"lat": 91, "lon": 0}"#, "/lat"),
            (r#"{"lat": 0, "lon": -180.1}"#, "/lon"),
            (r#"{"radius_km": 5}"#, "/radius_km"),
            (r#"{"lat": 0, "lon": 0, "radius_km": -1}"#, "/radius_km"),
            (r#"{"sort": "distance"}"#, "/sort"),
            (r#"{"min_rating": 5.1}"#, "/min_rating"),
            (r#"{"min_price": 5}"#, "/currency"),
            (r#"{"currency": "eur"}"#, "/currency"),
            (r#"{"currency": "EUR", "max_price": -1}"#, "/max_price"),
        ] {
            assert_eq!(filter(text).checked().unwrap_err().fields()[0].pointer, pointer, "{text}");
        }
        let nan = SearchFilter { lat: Some(f64::NAN), lon: Some(0.0), ..SearchFilter::default() };
        assert_eq!(nan.checked().unwrap_err().fields()[0].pointer, "/lat");
        assert!(filter(r#"{"q": "?!"}"#).checked().unwrap().hopeless);
        assert_eq!(filter(r#"{"q": " "}"#).checked().unwrap().sort, ServiceSort::Newest);
    }

    #[test]
    fn typos_stand_for_their_neighbours() {
        let filter = SearchFilter { q: Some("Paino lesons xyz".into()), ..SearchFilter::default() };
        let mut query = filter.checked().unwrap();
        let known = ["piano", "painter", "lessons", "lesson", "xyzz", "pains"].map(str::to_owned);
        query.learn_typos(&known);
        assert_eq!(query.typos.as_ref().unwrap(), &[vec!["pains", "piano"], vec!["lessons"], vec![]]);
        assert!(query.has_typos());
    }

    #[test]
    fn prices_are_looked_for_by_magnitude() {
        let filter = SearchFilter { currency: Some("EUR".into()), max_price: Some(5), ..SearchFilter::default() };
        let clause = &filter.checked().unwrap().others.has[0];
        assert_eq!(
            clause.iter().map(|token| token.text.as_str()).collect::<Vec<_>>(),
            ["$eur0", "$eur1", "$eur2", "$eur3"]
        );
    }
}
