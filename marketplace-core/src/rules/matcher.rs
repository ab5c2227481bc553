//! Rules as texts are held against them: compiled once, in time that grows with the length of the text alone, whatever there
//! are of them. No SQL, no I/O.

use std::{
    collections::BTreeSet,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aho_corasick::AhoCorasick;
use ipnet::IpNet;

use super::{
    contact::Looked,
    model::{ContactDetail, Rule, RuleKind, RulePlace},
};
use crate::{
    base::{
        error::{Error, Result},
        time::Timestamp,
    },
    services::tokenizer::{Word, words},
};

/// Characters of a text that are looked at: more than any text here has.
const MOST: usize = 10_000;

/// The rules about texts and networks that hold, compiled.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    rules: Vec<Rule>,
    words: Option<AhoCorasick>,
    /// The rule of each pattern of `words`.
    of_pattern: Vec<usize>,
    details: Vec<(usize, ContactDetail)>,
    networks: Vec<(usize, IpNet)>,
    site: String,
}

impl Compiled {
    /// Compiles rules. `site` is the host of the marketplace's own pages.
    pub fn new(rules: Vec<Rule>, site: &str) -> Result<Self> {
        let (mut patterns, mut of_pattern) = (Vec::new(), Vec::new());
        let (mut details, mut networks) = (Vec::new(), Vec::new());
        for (n, rule) in rules.iter().enumerate() {
            match rule.kind {
                RuleKind::Words => {
                    let words = words(&rule.value);
                    let goes_on = words.last().is_some_and(|word| word.is_part);
                    for form in renditions(&words) {
                        patterns.push(if goes_on { form.trim_end().to_owned() } else { form });
                        of_pattern.push(n);
                    }
                }
                // What a later release wrote is none of ours.
                RuleKind::ContactDetails => details.extend(rule.value.parse().ok().map(|detail| (n, detail))),
                RuleKind::IpRange => networks.extend(rule.value.parse().ok().map(|network| (n, network))),
                RuleKind::BlockedDomain => {}
            }
        }
        let words = if patterns.is_empty() { None } else { Some(AhoCorasick::new(patterns).map_err(Error::internal)?) };
        Ok(Self { rules, words, of_pattern, details, networks, site: site.to_lowercase() })
    }

    /// Returns whether there is nothing to look for in texts of a place.
    pub fn is_idle(&self, place: RulePlace) -> bool {
        !self.rules.iter().any(|rule| rule.places.contains(&place))
    }

    /// Returns the rules that a text breaks.
    pub fn broken_by(&self, place: RulePlace, text: &str) -> Vec<&Rule> {
        if self.is_idle(place) {
            return Vec::new();
        }
        let end = text.char_indices().nth(MOST).map_or(text.len(), |(at, _)| at);
        let text = text.get(..end).unwrap_or_default();
        let mut broken = BTreeSet::new();
        if let Some(patterns) = &self.words {
            for form in renditions(&words(text)) {
                let found = patterns.find_overlapping_iter(&form);
                broken.extend(found.filter_map(|found| self.of_pattern.get(found.pattern().as_usize()).copied()));
            }
        }
        if !self.details.is_empty() {
            let looked = Looked::new(text, &self.site);
            broken.extend(self.details.iter().filter(|(_, detail)| looked.has(*detail)).map(|(n, _)| *n));
        }
        broken.into_iter().filter_map(|n| self.rules.get(n)).filter(|rule| rule.places.contains(&place)).collect()
    }

    /// Returns the rules whose networks an address is of.
    pub fn of_address(&self, ip: IpAddr) -> Vec<&Rule> {
        let ip = ip.to_canonical();
        let found = self.networks.iter().filter(|(_, network)| network.contains(&ip));
        found.filter_map(|(n, _)| self.rules.get(*n)).collect()
    }
}

/// Returns a text as words are looked for in it: folded, with a blank at both sides of a word, and one behind each run of
/// those that are not separated; and once more where it has umlauts that can be spelled out.
fn renditions(words: &[Word]) -> Vec<String> {
    let spelled_out = words.iter().any(|word| word.spelled_out.is_some());
    let forms = std::iter::once(false).chain(spelled_out.then_some(true));
    forms.map(|spelled_out| rendition(words, spelled_out)).filter(|text| !text.is_empty()).collect()
}

fn rendition(words: &[Word], spelled_out: bool) -> String {
    let mut text = String::new();
    // The tokenizer's pairs overlap: of each, what the next one does not have.
    let mut next = "";
    let mut parts: Vec<(&str, bool, bool)> = Vec::with_capacity(words.len());
    for word in words.iter().rev() {
        if word.is_part {
            let own =
                if word.is_single { word.text.as_str() } else { word.text.strip_suffix(next).unwrap_or(&word.text) };
            next = own;
            parts.push((own, false, word.is_single));
        } else {
            parts.push((word.spelled_out.as_deref().filter(|_| spelled_out).unwrap_or(&word.text), true, true));
        }
    }
    for (part, begins, ends) in parts.into_iter().rev() {
        if begins && !text.ends_with(' ') {
            text.push(' ');
        }
        text.push_str(part);
        if ends {
            text.push(' ');
        }
    }
    text
}

/// The compiled rules of a process, and how old they are.
#[derive(Debug, Default)]
pub(crate) struct RuleCache {
    held: Mutex<Option<Held>>,
    /// Who reads them anew.
    pub reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Held {
    rules: Arc<Compiled>,
    version: i64,
    read_at: Timestamp,
}

impl RuleCache {
    /// How long rules hold without a look at the database: as long as any change takes to be known to all servers.
    const FRESH: Duration = Duration::from_secs(1);

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the rules, unless they may be out of date.
    pub fn fresh(&self, now: Timestamp) -> Option<Arc<Compiled>> {
        let held = self.held();
        // A clock that was set back must not keep them.
        let is_fresh = |held: &&Held| held.read_at <= now && now < held.read_at + Self::FRESH;
        held.as_ref().filter(is_fresh).map(|held| Arc::clone(&held.rules))
    }

    /// Returns the rules as they were last read, with their version.
    pub fn last(&self) -> Option<(Arc<Compiled>, i64)> {
        self.held().as_ref().map(|held| (Arc::clone(&held.rules), held.version))
    }

    /// Keeps rules that were just read.
    pub fn keep(&self, rules: &Arc<Compiled>, version: i64, read_at: Timestamp) {
        *self.held() = Some(Held { rules: Arc::clone(rules), version, read_at });
    }

    /// Has the rules be read again with the next use.
    pub fn expire(&self) {
        if let Some(held) = self.held().as_mut() {
            held.read_at = Timestamp::EPOCH;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{ids::RuleId, principal::Principal},
        rules::model::{NewRule, RuleAction},
    };

    fn compiled(rules: &[(RuleKind, &str)]) -> Compiled {
        let rules = rules.iter().map(|(kind, value)| {
            let new = NewRule { action: Some(RuleAction::Report), ..NewRule::new(*kind, *value) };
            new.checked().unwrap().made(RuleId(uuid::Uuid::nil()), Principal::system(), Timestamp::EPOCH)
        });
        Compiled::new(rules.collect(), "market.example").unwrap()
    }

    fn broken(rules: &Compiled, text: &str) -> Vec<String> {
        rules.broken_by(RulePlace::Messages, text).into_iter().map(|rule| rule.value.clone()).collect()
    }

    #[test]
    fn rules_are_fresh_for_a_second_also_when_the_clock_is_set_back() {
        let (cache, at) = (RuleCache::default(), Timestamp::from_micros(10_000_000));
        cache.keep(&Arc::new(compiled(&[])), 1, at);
        let is_fresh = [9_999_999, 10_000_000, 10_999_999, 11_000_000]
            .map(|now| cache.fresh(Timestamp::from_micros(now)).is_some());
        assert_eq!(is_fresh, [false, true, true, false]);
    }

    #[test]
    fn words_are_found_in_every_script_and_only_as_words() {
        use RuleKind::Words;
        let rules = compiled(&[
            (Words, "pay cash"),
            (Words, "Müller"),
            (Words, "scam"),
            (Words, "現金"),
            (Words, "猫"),
            (Words, "เงินสด"),
            (Words, "наличными"),
            (Words, "نقدا"),
            (Words, "PC修理"),
        ]);
        for (text, expected) in [
            ("Please PAY, cash!", &["pay cash"][..]),
            ("pay\u{A0}\n cash pay cash", &["pay cash"]),
            ("pay me cash", &[]),
            ("repay cash", &[]),
            ("pay cashier", &[]),
            ("ＳＣＡＭ", &["scam"]),
            ("s\u{AD}c\u{200D}am", &["scam"]),
            ("scams scampi", &[]),
            ("Herr Mueller", &["müller"]),
            ("MULLER", &["müller"]),
            ("Mu\u{308}ller's scam", &["müller", "scam"]),
            ("お支払いは現金でお願いします", &["現金"]),
            ("現 金", &[]),
            ("黒猫です", &["猫"]),
            ("จ่ายเงินสดเท่านั้น", &["เงินสด"]),
            ("Оплата НАЛИЧНЫМИ", &["наличными"]),
            ("الدفع نَقْدا", &["نقدا"]),
            ("pc修理します", &["pc修理"]),
            ("", &[]),
        ] {
            assert_eq!(broken(&rules, text), expected, "{text:?}");
        }
    }

    #[test]
    fn many_rules_cost_no_more_than_one() {
        let values: Vec<String> = (0..2_000).map(|n| format!("word{n} and{n}")).collect();
        let rules: Vec<_> = values.iter().map(|value| (RuleKind::Words, value.as_str())).collect();
        let rules = compiled(&rules);
        let text = "Hello, the tap in the kitchen leaks; word1999 and1999 could you come? ".repeat(50);
        let begin = std::time::Instant::now();
        for _ in 0..20 {
            assert_eq!(broken(&rules, &text), ["word1999 and1999"]);
        }
        assert!(begin.elapsed().as_millis() < 2_000, "{:?}", begin.elapsed());
    }

    #[test]
    fn networks_have_their_addresses() {
        let rules = compiled(&[(RuleKind::IpRange, "192.0.2.77/24"), (RuleKind::IpRange, "2001:db8::/32")]);
        let of = |ip: &str| rules.of_address(ip.parse().unwrap()).len();
        assert_eq!((of("192.0.2.1"), of("::ffff:192.0.2.9"), of("2001:db8:1::1")), (1, 1, 1));
        assert_eq!((of("192.0.3.1"), of("2001:db9::1")), (0, 0));
        assert_eq!(rules.rules[0].value, "192.0.2.0/24");
    }
}
