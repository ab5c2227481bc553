//! The list of `docs/asvs.md` is whole, and every test that it names is there.
#![expect(clippy::panic, reason = "a failure here is a failed test")]

use std::collections::BTreeMap;

use marketplace_tests::binaries::workspace;

/// The requirements of levels 1 and 2 in ASVS 5.0.0, by section.
const SECTIONS: &[(&str, &[u8])] = &[
    ("5.1", &[1]),
    ("5.2", &[1, 2, 3]),
    ("5.3", &[1, 2]),
    ("5.4", &[1, 2, 3]),
    ("6.1", &[1, 2, 3]),
    ("6.2", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ("6.3", &[1, 2, 3, 4]),
    ("6.4", &[1, 2, 3, 4]),
    ("6.5", &[1, 2, 3, 4, 5]),
    ("6.6", &[1, 2, 3]),
    ("6.8", &[1, 2, 3, 4]),
    ("7.1", &[1, 2, 3]),
    ("7.2", &[1, 2, 3, 4]),
    ("7.3", &[1, 2]),
    ("7.4", &[1, 2, 3, 4, 5]),
    ("7.5", &[1, 2]),
    ("7.6", &[1, 2]),
    ("8.1", &[1, 2]),
    ("8.2", &[1, 2, 3]),
    ("8.3", &[1]),
    ("8.4", &[1]),
    ("9.1", &[1, 2, 3]),
    ("9.2", &[1, 2, 3, 4]),
    ("10.1", &[1, 2]),
    ("10.2", &[1, 2]),
    ("10.3", &[1, 2, 3, 4]),
    ("10.4", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("10.5", &[1, 2, 3, 4, 5]),
    ("10.6", &[1, 2]),
    ("10.7", &[1, 2, 3]),
    ("16.1", &[1]),
    ("16.2", &[1, 2, 3, 4, 5]),
    ("16.3", &[1, 2, 3, 4]),
    ("16.4", &[1, 2, 3]),
    ("16.5", &[1, 2, 3]),
];

/// Id and answer of each row, and what the row asks.
fn rows(page: &str) -> BTreeMap<String, (String, String)> {
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| |")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, asks, answer] = cells.as_slice() else { panic!("not three cells: {line}") };
        let twice = rows.insert((*id).to_owned(), ((*asks).to_owned(), (*answer).to_owned()));
        assert!(twice.is_none(), "{id} is there twice");
    }
    rows
}

/// What stands between backquotes and looks like a test.
fn tests(answer: &str) -> Vec<(&str, &str)> {
    answer.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::")).collect()
}

/// Whether a source has a function of that name, and it is a test: marked as one, or a story.
fn is_test(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else { return false };
    let head = source.get(..at).unwrap_or_default();
    let head = head.rsplit_once('\n').map_or("", |(before, _)| before);
    let marks: Vec<&str> = head.lines().rev().take_while(|line| line.trim_start().starts_with("#[")).collect();
    let marked = marks.iter().any(|mark| mark.contains("test"));
    let told = source.split("stories![").skip(1).any(|list| {
        let names = list.split(']').next().unwrap_or_default();
        names.split([',', '\n']).any(|word| word.trim() == name)
    });
    marked || told
}

#[test]
fn every_requirement_has_a_row_and_every_test_that_is_named_is_there() {
    let root = workspace();
    let page = std::fs::read_to_string(root.join("docs/asvs.md")).unwrap();
    let rows = rows(&page);
    let wanted: Vec<String> = SECTIONS
        .iter()
        .flat_map(|(section, numbers)| numbers.iter().map(move |number| format!("{section}.{number}")))
        .collect();
    for id in &wanted {
        assert!(rows.contains_key(id), "{id} has no row");
    }
    assert_eq!(rows.len(), wanted.len(), "a row of no requirement: {:?}", rows.keys());
    let mut proved = 0;
    for (id, (asks, answer)) in &rows {
        assert!(!asks.is_empty(), "{id} says nothing");
        let named = tests(answer);
        let excuse = ["not applicable: ", "not met: "].iter().find_map(|excuse| answer.strip_prefix(excuse));
        match excuse {
            Some(why) => assert!(why.len() > 10, "{id} does not say why"),
            None => assert!(answer.starts_with('`') && !named.is_empty(), "{id} names no test: {answer}"),
        }
        for (file, function) in named {
            proved += 1;
            let source =
                std::fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("{id}: there is no {file}"));
            assert!(is_test(&source, function), "{id}: {file} has no test {function}");
        }
    }
    assert!(proved > 60, "{proved} tests");
}

#[test]
fn what_is_no_test_is_found_out() {
    let source = "fn helper() {}\n#[test]\nfn real() {}\n#[tokio::test]\n#[ignore]\nasync fn other() {}\nstories![told,];\nasync fn told(e: E) {}";
    for (name, found) in [("helper", false), ("real", true), ("other", true), ("told", true), ("rea", false)] {
        assert_eq!(is_test(source, name), found, "{name}");
    }
}
