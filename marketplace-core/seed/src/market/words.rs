//! Templates of texts, filled in.

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

use super::phrases::DAYS;

/// The values of the placeholders in braces.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    pub place: &'static str,
    pub worker: String,
    pub client: String,
    pub price: String,
    pub day: &'static str,
    pub digits: u32,
}

impl Words {
    /// Chooses another day than before.
    pub fn next_day(&mut self, rng: &mut StdRng) {
        self.day = DAYS.choose(rng).copied().unwrap_or("Monday");
        self.digits = rng.random_range(100..1_000);
    }

    /// Returns a text with the placeholders filled in.
    pub fn fill(&self, template: &str) -> String {
        let mut text = String::with_capacity(template.len() + 16);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else { break };
            match name {
                "place" => text.push_str(self.place),
                "worker" => text.push_str(&self.worker),
                "client" | "other" => text.push_str(&self.client),
                "price" => text.push_str(&self.price),
                "day" => text.push_str(self.day),
                _ => text.push_str(&self.digits.to_string()),
            }
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// Iterates over lines from a random start: none is repeated before all were used.
#[derive(Debug)]
pub(super) struct Lines<T: 'static> {
    lines: &'static [T],
    next: usize,
}

impl<T: Copy> Lines<T> {
    pub fn new(lines: &'static [T], rng: &mut StdRng) -> Self {
        Self { lines, next: rng.random_range(0..lines.len().max(1)) }
    }
    pub fn next(&mut self) -> Option<T> {
        let line = self.lines.get(self.next % self.lines.len().max(1)).copied();
        self.next += 1;
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in() {
        let words = Words { place: "Kraków", worker: "Ada".into(), digits: 123, ..Words::default() };
        assert_eq!(words.fill("Hi {worker}, {digits} in {place}!"), "Hi Ada, 123 in Kraków!");
        assert_eq!(words.fill("nothing"), "nothing");
    }
}
