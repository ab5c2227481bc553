//! What workers offer and where, as data.
//!
//! In texts, `{place}` is where the service is offered, `{worker}` and `{client}` are given names, `{price}` is the latest
//! offer's price and `{day}` a day of the week.

use marketplace_core::services::model::Category;

/// A trade: what is offered in it, and how people write about it.
#[derive(Debug)]
pub(super) struct Trade {
    pub category: Category,
    /// The headlines of workers.
    pub headlines: &'static [&'static str],
    pub skills: &'static [&'static str],
    pub wares: &'static [Ware],
    /// First messages of clients.
    pub asks: &'static [&'static str],
    /// Questions and replies before a price is agreed.
    pub details: &'static [(&'static str, &'static str)],
    /// Messages of the worker during the work.
    pub under_way: &'static [&'static str],
    /// The scope of an offer.
    pub scopes: &'static [&'static str],
    /// Reviews of five or four, of three, and of two or one stars.
    pub good: &'static [&'static str],
    pub middling: &'static [&'static str],
    pub bad: &'static [&'static str],
}

/// A kind of service.
#[derive(Debug)]
pub(super) struct Ware {
    pub title: &'static str,
    pub description: &'static str,
    pub tags: &'static [&'static str],
    /// Price range in whole units of the currency.
    pub price: (i64, i64),
}

/// A town and its currency.
#[derive(Debug)]
pub(super) struct Place {
    pub name: &'static str,
    pub latitude: f64,
    pub longitude: f64,
    pub currency: &'static str,
}

const fn place(name: &'static str, latitude: f64, longitude: f64, currency: &'static str) -> Place {
    Place { name, latitude, longitude, currency }
}

/// The towns where people live: the larger half of people in the first eight.
pub(super) const PLACES: &[Place] = &[
    place("Berlin", 52.520, 13.405, "EUR"),
    place("Lisbon", 38.722, -9.139, "EUR"),
    place("London", 51.507, -0.128, "GBP"),
    place("Paris", 48.857, 2.352, "EUR"),
    place("Kraków", 50.065, 19.945, "PLN"),
    place("Barcelona", 41.385, 2.173, "EUR"),
    place("Amsterdam", 52.368, 4.904, "EUR"),
    place("Dublin", 53.350, -6.260, "EUR"),
    place("Hamburg", 53.551, 9.994, "EUR"),
    place("Köln", 50.938, 6.960, "EUR"),
    place("München", 48.135, 11.582, "EUR"),
    place("Leipzig", 51.340, 12.375, "EUR"),
    place("Wien", 48.208, 16.373, "EUR"),
    place("Zürich", 47.377, 8.541, "CHF"),
    place("Lyon", 45.764, 4.836, "EUR"),
    place("Marseille", 43.297, 5.370, "EUR"),
    place("Porto", 41.158, -8.629, "EUR"),
    place("Málaga", 36.721, -4.421, "EUR"),
    place("Bilbao", 43.263, -2.935, "EUR"),
    place("Gdańsk", 54.352, 18.646, "PLN"),
    place("Brno", 49.195, 16.607, "CZK"),
    place("Malmö", 55.605, 13.004, "SEK"),
    place("Göteborg", 57.709, 11.975, "SEK"),
    place("Manchester", 53.481, -2.242, "GBP"),
    place("Leeds", 53.801, -1.549, "GBP"),
    place("Edinburgh", 55.953, -3.188, "GBP"),
    place("Cork", 51.898, -8.476, "EUR"),
    place("Gent", 51.054, 3.717, "EUR"),
    place("Rotterdam", 51.924, 4.478, "EUR"),
    place("Torino", 45.070, 7.687, "EUR"),
    place("Bologna", 44.494, 11.343, "EUR"),
    place("Thessaloníki", 40.640, 22.944, "EUR"),
];

/// Returns the factor from prices in euros to prices in units of a currency.
pub(super) fn factor(currency: &str) -> i64 {
    match currency {
        "PLN" => 4,
        "CZK" => 25,
        "SEK" => 11,
        _ => 1,
    }
}
