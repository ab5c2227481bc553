//! The languages of which words have stems, and the words that say nothing about a service. No SQL, no I/O.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use super::tokenizer::{Language, Word, words};

/// Frequent words that occur in hardly any service for what they mean. They tell the language of a text, and a
/// search does not look for them. Words that name things in another of the languages are left out (`car`, `main`,
/// `son`, `die`, `pour`, `art`).
const fn frequent(language: Language) -> &'static str {
    match language {
        Language::English => {
            "a an the and or not of in on at by to for with from as is are be been am was were i you he she it we they me my \
             your our their his her its this that these those who what which where when how can could will would should do \
             does any some all near around please need needs needed looking look want wanted find someone somebody who's \
             there here also very into about than then if but so no up out has have had get me us them s t d m ll re ve best good"
        }
        Language::German => {
            "der das den dem des ein eine einen einem einer eines und oder nicht von vom im an am auf aus bei mit nach seit zu \
             zum zur für über unter um durch ist sind bin war waren wird werden ich du er sie es wir ihr mich mir dich dir \
             ihn ihm uns euch mein meine meinen meinem meiner dein deine sein seine unser unsere ihre ihren ihrem dieser \
             diese dieses wer was wo wie kann können auch nur noch sehr hier gibt suche suchen brauche brauchen benötige \
             jemand jemanden möchte möchten bitte finden nähe gute guter gutes guten beste besten"
        }
        Language::French => {
            "le la les un une des du de au aux et ou pas ne dans en sur sous avec sans par chez vers est sont suis être je tu il \
             elle nous vous ils elles mon ma mes ton ta tes sa ses notre nos votre vos leur leurs ce cet cette ces qui que \
             quoi où quand comment plus très aussi ici y d l j qu n s m t c cherche cherchons besoin veux voudrais trouver \
             quelqu un faut près bon bonne meilleur meilleure"
        }
        Language::Spanish => {
            "el la los las un una unos unas y o e u no de del al en con sin por para sobre entre desde hasta es son soy está \
             están ser yo tú él ella nosotros ellos mi mis tu tus su sus nuestro nuestra este esta estos estas ese esa que \
             quien donde cuando como más muy también aquí se lo le les me te nos busco buscamos necesito necesitamos quiero \
             encontrar alguien cerca buen buena mejor"
        }
        Language::Portuguese => {
            "o a os as um uma uns umas e ou não de do da dos das no na nos nas em com sem por para pelo pela sobre entre desde \
             até ao à aos às é são sou está estão ser eu tu ele ela nós eles meu minha meus minhas teu tua seu sua nosso \
             nossa este esta esse essa isto que quem onde quando como mais muito também aqui se lhe me te nos procuro \
             preciso precisamos quero encontrar alguém perto bom boa melhor"
        }
        Language::Italian => {
            "il lo la i gli le un uno una e ed o non di del dello della dei degli delle a al allo alla ai agli alle da dal dalla \
             dai in nel nello nella nei nelle con su sul sulla per tra fra è sono sei siamo essere io tu lui lei noi voi loro \
             mio mia miei mie tuo tua suo sua nostro nostra vostro questo questa questi queste che chi dove quando come più \
             molto anche qui si ci ne mi ti vi d l un c cerco cerchiamo bisogno vorrei voglio trovare qualcuno vicino buon \
             buono buona migliore"
        }
        Language::Dutch => {
            "de het een en of niet van in op aan bij met naar uit te ten ter tot voor over onder om is zijn ben was waren \
             wordt worden ik jij je hij zij ze wij we jullie mij mijn jouw ons onze hun deze dit dat die wie wat waar \
             hoe kan kunnen ook nog zeer hier er zoek zoeken nodig iemand wil graag vinden buurt goede beste"
        }
    }
}

/// What people write around what they look for, in scripts that do not separate words, longest first.
const PHRASES: &[&str] = &[
    "お願いします",
    "お願い",
    "してください",
    "を探しています",
    "探しています",
    "が必要です",
    "が必要",
    "をしたい",
    "したい",
    "ほしい",
    "欲しい",
    "ください",
    "できる",
    "近くの",
    "近く",
    "です",
    "ます",
    "我需要一个",
    "我需要一個",
    "我需要",
    "我想找",
    "我要找",
    "我想要",
    "我想",
    "我要",
    "需要",
    "一个",
    "一個",
    "一位",
    "请帮我",
    "請幫我",
    "帮我",
    "幫我",
    "请",
    "請",
    "附近的",
    "附近",
    "找",
    "的",
    "在",
    "和",
    "ฉันต้องการ",
    "ผมต้องการ",
    "ต้องการ",
    "กำลังหา",
    "อยากได้",
    "ช่วย",
    "ใกล้ฉัน",
    "ใกล้",
    "ที่",
    "และ",
    "ของ",
    "ใน",
    "ครับ",
    "ค่ะ",
];

/// Particles of Japanese, where they follow an ideograph or katakana.
const PARTICLES: &str = "のをでにはがともへ";

/// The languages of which a word is frequent.
static FREQUENT: LazyLock<HashMap<String, Vec<Language>>> = LazyLock::new(|| {
    let mut languages: HashMap<String, Vec<Language>> = HashMap::new();
    for language in Language::ALL {
        let words: HashSet<String> = frequent(language)
            .split_whitespace()
            .flat_map(words)
            .flat_map(|word| word.forms().cloned().collect::<Vec<_>>())
            .collect();
        for word in words {
            languages.entry(word).or_default().push(language);
        }
    }
    languages
});

/// Frequent words that are looked for all the same, because they name a thing in another language.
const NAMES: &[&str] = &["bin", "it", "plus", "van"];

/// Returns whether a word of a query says nothing about what is looked for.
pub(super) fn is_stop_word(word: &Word) -> bool {
    let single_letter = word.text.len() == 1 && word.text.starts_with(|c: char| c.is_ascii_alphabetic());
    single_letter || (FREQUENT.contains_key(&word.text) && !NAMES.contains(&word.text.as_str()))
}

/// Returns a query with a blank for each part that says nothing, in scripts that do not separate words.
pub(super) fn without_phrases(query: &str) -> String {
    if query.is_ascii() {
        return query.to_owned();
    }
    let mut rest = query.to_owned();
    for phrase in PHRASES {
        if rest.contains(phrase) {
            rest = rest.replace(phrase, " ");
        }
    }
    let mut after_word = false;
    rest.chars()
        .map(|c| {
            let is_particle = after_word && PARTICLES.contains(c);
            after_word = matches!(c, '\u{3005}' | '\u{30A1}'..='\u{30FC}' | '\u{3400}'..='\u{9FFF}');
            if is_particle { ' ' } else { c }
        })
        .collect()
}

/// Returns the languages that a text may be in: the one of which it has the most frequent words, and any that comes
/// close. A text without any, in plain letters, may be in English; other scripts and languages have no stems.
pub(super) fn languages<'a>(words: impl IntoIterator<Item = &'a Word>) -> Vec<Language> {
    let mut counts = [0_usize; Language::ALL.len()];
    let mut is_plain = true;
    for word in words {
        is_plain &= word.has_plain_letters();
        for language in FREQUENT.get(&word.text).into_iter().flatten() {
            let at = Language::ALL.iter().position(|other| other == language);
            if let Some(count) = at.and_then(|at| counts.get_mut(at)) {
                *count += 1;
            }
        }
    }
    let most = counts.into_iter().max().unwrap_or(0);
    if most == 0 {
        return if is_plain { vec![Language::English] } else { Vec::new() };
    }
    let close = |count: usize| count * 4 >= most * 3;
    Language::ALL.into_iter().zip(counts).filter(|(_, count)| close(*count)).map(|(language, _)| language).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::tokenizer::words;

    fn of(text: &str) -> Vec<Language> {
        languages(&words(text))
    }

    #[test]
    fn languages_are_told_by_their_frequent_words() {
        for (text, language) in [
            ("I clean your windows with care, inside and out.", Language::English),
            ("Ich putze Ihre Fenster, auch von außen und im Winter.", Language::German),
            ("Je lave vos vitres dans toute la ville, avec soin.", Language::French),
            ("Limpio las ventanas de su casa y de su oficina.", Language::Spanish),
            ("Limpo as janelas da sua casa e do seu escritório.", Language::Portuguese),
            ("Pulisco le finestre della casa e degli uffici.", Language::Italian),
            ("Ik was de ramen van uw huis en het kantoor.", Language::Dutch),
        ] {
            assert!(of(text).contains(&language), "{text}: {:?}", of(text));
            assert!(of(text).len() <= 2, "{text}: {:?}", of(text));
        }
        assert_eq!(of("Window cleaning"), [Language::English]);
        assert_eq!(of("修理"), []);
        assert_eq!(of("Çilingir"), []);
    }

    #[test]
    fn phrases_around_a_query_are_blanks() {
        assert_eq!(without_phrases("我需要一个水管工"), " 水管工");
        assert_eq!(without_phrases("エアコンの修理をお願いします"), "エアコン 修理  ");
        assert_eq!(without_phrases("がらすのにわ plumber"), "がらすのにわ plumber");
    }
}
