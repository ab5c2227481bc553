//! Which words may be typos of which others, and how the distance of two words is measured. No SQL, no I/O.

use std::collections::HashSet;

/// Returns how many typos are tolerated in a word of a query: none below 4 letters, one from 4 on, two from 8 on.
pub(super) fn tolerance(word: &str) -> usize {
    match word.chars().count() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

/// Number of letters at the beginning of a word from which letters are left out to find its neighbours.
const BEGINNING: usize = 7;
/// Minimum length of a neighbour of a word in which a typo is tolerated.
const SHORTEST: usize = 3;

/// Returns what remains of a word's beginning when letters are left out, up to as many as typos may be tolerated for
/// it. Two words within that distance share one of these parts (`SymSpell`, W. Garbe 2012): the letters in which they
/// differ are left out of both.
pub(super) fn parts(word: &str) -> Vec<String> {
    let length = word.chars().count();
    // The other word may be longer by as many letters as typos are tolerated in it.
    let typos = match length {
        0..SHORTEST => return Vec::new(),
        SHORTEST..=5 => 1,
        _ => 2,
    };
    left_out(word, typos)
}

/// Returns parts like [`parts`], of a word in a query.
pub(super) fn query_parts(word: &str) -> Vec<String> {
    match tolerance(word) {
        0 => Vec::new(),
        typos => left_out(word, typos),
    }
}

fn left_out(word: &str, typos: usize) -> Vec<String> {
    let beginning: Vec<char> = word.chars().take(BEGINNING).collect();
    let mut found: HashSet<Vec<char>> = HashSet::from([beginning.clone()]);
    let mut last = vec![beginning];
    for _ in 0..typos {
        let mut next = Vec::new();
        for part in &last {
            for at in 0..part.len() {
                let mut less = part.clone();
                less.remove(at);
                if found.insert(less.clone()) {
                    next.push(less);
                }
            }
        }
        last = next;
    }
    let mut parts: Vec<String> = found.into_iter().map(String::from_iter).collect();
    parts.sort();
    parts
}

/// Returns the number of letters that were inserted, left out, changed, or swapped with their neighbour (Damerau and
/// Levenshtein, in the restricted form: no letter is edited twice), if it is at most `most`.
pub(super) fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous = None;
    for (row, x) in a.iter().enumerate() {
        let mut this = Vec::with_capacity(last.len());
        this.push(row + 1);
        for (column, y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (at(&last, column) + usize::from(x != y)).min(at(&last, column + 1) + 1).min(at(&this, column) + 1);
            if column > 0 && previous == Some(y) && b.get(column - 1) == Some(x) {
                best = best.min(at(&before_last, column - 1) + 1);
            }
            this.push(best);
        }
        if this.iter().min().is_none_or(|least| *least > most) {
            return None;
        }
        before_last = std::mem::replace(&mut last, this);
        previous = Some(x);
    }
    last.last().copied().filter(|found| *found <= most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn typos_are_counted() {
        for (a, b, expected) in [
            ("piano", "piano", Some(0)),
            ("piano", "paino", Some(1)),
            ("piano", "pian", Some(1)),
            ("piano", "pianos", Some(1)),
            ("piano", "pinao", Some(1)),
            ("piano", "banjo", None),
            ("plumbing", "plumming", Some(1)),
            ("plumbing", "lpumbnig", Some(2)),
            ("", "ab", Some(2)),
        ] {
            assert_eq!(distance(a, b, 2), expected, "{a} {b}");
        }
    }

    proptest! {
        /// Checks that a word of a query and a word of a text share a part, in whichever way they came to differ.
        #[test]
        fn neighbours_share_a_part(a in "[a-d]{3,14}", b in "[a-d]{3,14}") {
            let most = tolerance(&a);
            if most > 0 && distance(&a, &b, most).is_some() {
                let (query, text) = (query_parts(&a), parts(&b));
                prop_assert!(query.iter().any(|part| text.contains(part)), "{} {}", a, b);
            }
        }

        #[test]
        fn edits_share_a_part(word in "[a-z]{4,14}", edits in proptest::collection::vec((0..4_u8, any::<prop::sample::Index>(), "[a-z]"), 1..3)) {
            let mut other: Vec<char> = word.chars().collect();
            for (kind, at, letter) in edits {
                let at = at.index(other.len());
                match kind {
                    0 => { other.remove(at); }
                    1 => other.insert(at, letter.chars().next().unwrap()),
                    2 => other[at] = letter.chars().next().unwrap(),
                    _ => if at > 0 { other.swap(at - 1, at) },
                }
            }
            let other: String = other.into_iter().collect();
            if distance(&word, &other, tolerance(&word)).is_some() && other.len() >= SHORTEST {
                prop_assert!(query_parts(&word).iter().any(|part| parts(&other).contains(part)), "{} {}", word, other);
            }
        }

        #[test]
        fn distance_is_the_same_both_ways(a in "[a-c]{0,9}", b in "[a-c]{0,9}") {
            prop_assert_eq!(distance(&a, &b, 2), distance(&b, &a, 2));
        }
    }
}
