//! Single characters: which ones form words, and their plain forms. No SQL, no I/O.

use std::{collections::HashMap, sync::LazyLock};

use unicode_normalization::char::is_combining_mark;

/// How a script is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Not part of a word.
    Gap,
    /// Words are separated.
    Spaced,
    /// Words are not separated: Chinese and Japanese.
    Han,
    /// Words are not separated, and the script is another.
    Other,
}

/// Returns how the script of a character is written.
pub(crate) fn kind(c: char) -> Kind {
    match c {
        // Kana with its marks, bopomofo, ideographs and their iteration marks. Half-width kana is folded to full width.
        '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{309F}'
        | '\u{30A1}'..='\u{30FA}'
        | '\u{30FC}'..='\u{312F}'
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF66}'..='\u{FF9F}'
        | '\u{20000}'..='\u{3FFFF}' => Kind::Han,
        // Thai, Lao, Myanmar, Khmer.
        '\u{0E01}'..='\u{0E4E}' | '\u{0E81}'..='\u{0ECF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17D3}' => {
            Kind::Other
        }
        // With marks on letters.
        _ if c.is_alphanumeric() || is_combining_mark(c) || is_invisible(c) => Kind::Spaced,
        _ => Kind::Gap,
    }
}

/// Returns whether a character within a word is not seen: joiners, soft hyphens, marks of direction.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{200C}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}')
}

/// Returns whether a letter is of a script in which accents do not distinguish words.
pub(crate) fn loses_accents(c: char) -> bool {
    matches!(c, 'a'..='z' | '\u{C0}'..='\u{24F}' | '\u{370}'..='\u{52F}' | '\u{1E00}'..='\u{1FFF}')
}

/// Returns whether a mark is an accent, a short vowel of Arabic or a point of Hebrew.
pub(crate) fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5C7}' | '\u{610}'..='\u{61A}' | '\u{64B}'..='\u{65F}' | '\u{670}'
        | '\u{6D6}'..='\u{6ED}')
}

/// Returns the plain form of a letter that does not decompose.
pub(crate) fn plain_letter(c: char) -> char {
    match c {
        'ø' => 'o',
        'ł' => 'l',
        'ı' | 'ɨ' => 'i',
        'đ' | 'ð' | 'ɖ' => 'd',
        'ħ' => 'h',
        'ŧ' => 't',
        'ŋ' => 'n',
        'ĸ' => 'k',
        'ə' => 'e',
        'ς' => 'σ',
        'ё' => 'е',
        'ґ' => 'г',
        // Alef with and without its signs, alef maksura, teh marbuta, the seats of hamza, Persian letters.
        'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
        'ى' | 'ی' | 'ئ' => 'ي',
        'ة' => 'ه',
        'ؤ' => 'و',
        'ک' => 'ك',
        '٠'..='٩' => digit(c, '٠'),
        '۰'..='۹' => digit(c, '۰'),
        '०'..='९' => digit(c, '०'),
        _ => c,
    }
}

fn digit(c: char, zero: char) -> char {
    char::from_digit(u32::from(c) - u32::from(zero), 10).unwrap_or(c)
}

/// Returns hiragana as katakana, and common traditional Chinese characters as simplified ones.
pub(crate) fn unified(c: char) -> char {
    match c {
        '\u{3041}'..='\u{3096}' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        '\u{3400}'.. => simplified(c),
        _ => c,
    }
}

/// Traditional characters that are frequent in services, each followed by its simplified form.
const SIMPLIFIED: &str = "潔洁電电維维貓猫譯译攝摄園园師师傢家課课車车馬马燈灯開开關关門门鎖锁裝装飾饰廚厨衛卫間间樓楼層层窗窗簾帘牆墙漆漆\
    油油燒烧熱热氣气空空調调冷冷凍冻機机腦脑網网絡络電电話话視视頻频資资訊讯軟软體体硬硬碟碟數数據据學学習习語语文文輔辅導导鋼钢\
    琴琴樂乐唱唱藝艺術术畫画設设計计圖图書书寫写翻翻護护養养老老醫医療疗康康復复嬰婴兒儿童童幼幼託托顧顾寵宠物物遛遛貨货運运輸输\
    搬搬遷迁箱箱櫃柜廠厂辦办公公會会議议稅税務务財财帳账務务律律師师證证簽签髮发型型妝妆紋纹繡绣按按摩摩瑜瑜伽伽健健身身訓训練练\
    隊队婚婚禮礼慶庆餐餐飲饮烹烹飪饪縫缝紉纫補补衣衣鞋鞋織织絲丝綢绸鐵铁銅铜鋁铝塑塑膠胶紙纸墊垫毯毯濕湿乾干淨净掃扫塵尘蟲虫滅灭\
    鼠鼠漏漏檢检測测驗验換换臺台灣湾廣广東东門门龍龙區区鄉乡縣县國国際际專专業业務务價价錢钱費费時时間间週周個个們们來来為为這这裡里後后";

static TO_SIMPLIFIED: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
    let mut pairs = SIMPLIFIED.chars().filter(|c| !c.is_whitespace());
    let mut simplified = HashMap::new();
    while let (Some(from), Some(to)) = (pairs.next(), pairs.next()) {
        simplified.insert(from, to);
    }
    simplified
});

/// Returns the simplified form of a Chinese character, or the character.
fn simplified(c: char) -> char {
    TO_SIMPLIFIED.get(&c).copied().unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traditional_characters_come_in_pairs() {
        assert_eq!(SIMPLIFIED.chars().filter(|c| !c.is_whitespace()).count() % 2, 0);
        assert_eq!((simplified('電'), simplified('电'), simplified('淨')), ('电', '电', '净'));
    }
}
