//! Names of many cultures, as data.
//!
//! One text a name: `native/latin` when the script is not Latin, and `masculine~feminine` for family names that differ.

/// The names of one culture, and its range of appearances.
pub struct Culture {
    /// Given names of women.
    pub women: &'static [&'static str],
    /// Given names of men.
    pub men: &'static [&'static str],
    /// Family names; patronymics where there are no family names.
    pub families: &'static [&'static str],
    /// Whether the family name comes first.
    pub family_first: bool,
    /// Whether people carry two family names.
    pub two_families: bool,
    /// Range of skin tones for drawn faces, 0 the lightest.
    pub skin: (u8, u8),
    /// How often, in percent, hair has another colour than black or dark brown.
    pub light_hair: u8,
}

impl Culture {
    /// The fallback when no culture can be chosen, which the list below makes impossible.
    pub const FALLBACK: Self = culture(&["Ada"], &["Jon"], &["Obi"], (0, 7), 0);
}

const fn culture(
    women: &'static [&'static str],
    men: &'static [&'static str],
    families: &'static [&'static str],
    skin: (u8, u8),
    light_hair: u8,
) -> Culture {
    Culture { women, men, families, family_first: false, two_families: false, skin, light_hair }
}

/// Every culture; a person's is drawn evenly from them.
pub const CULTURES: &[Culture] = &[
    // Yoruba, Igbo, Hausa
    culture(
        &["Adaeze", "Fúnmiláyọ̀", "Chiamaka", "Títílayọ̀", "Ngozi", "Halima", "Ìyábọ̀", "Ifeoma", "Amina", "Yewande"],
        &["Chinedu", "Adébáyọ̀", "Emeka", "Olúṣẹ́gun", "Ibrahim", "Túndé", "Obinna", "Musa", "Ṣọlá", "Ikenna"],
        &["Obi", "Adéyẹmí", "Okafor", "Ọláwálé", "Nwosu", "Bello", "Eze", "Adichie", "Balogun", "Ògúnbíyì", "Danjuma"],
        (5, 7),
        0,
    ),
    // Akan, Ewe
    culture(
        &["Akosua", "Abena", "Esi", "Efua", "Ama", "Adwoa", "Dzifa", "Yaa"],
        &["Kwame", "Kofi", "Kwabena", "Yaw", "Kojo", "Edem", "Kwaku", "Selorm"],
        &["Mensah", "Owusu", "Asante", "Boateng", "Agyeman", "Osei", "Amoah", "Agbeko", "Appiah", "Darko"],
        (5, 7),
        0,
    ),
    // English
    culture(
        &["Olivia", "Grace", "Hannah", "Ruby", "Charlotte", "Imogen", "Beth", "Zoë", "Chloë", "Marjorie"],
        &["Oliver", "Jack", "Harry", "Noah", "Callum", "Rupert", "Jon", "Theo", "Arthur", "Bernard"],
        &["Lee", "Whitfield", "Hargreaves", "Brontë", "Ashworth", "Pickering", "Thornton", "O’Shea", "Clarke", "Fox"],
        (0, 5),
        55,
    ),
    // Irish, Welsh
    culture(
        &["Siobhán", "Aoife", "Niamh", "Caitríona", "Angharad", "Órla", "Seren", "Gráinne"],
        &["Seán", "Ciarán", "Pádraig", "Tomás", "Rhys", "Gethin", "Oisín", "Fionn"],
        &["Ó Briain", "Murphy", "Ní Dhónaill", "O’Connor", "Llewellyn", "Pryce", "Mac Cárthaigh", "Byrne", "Gruffydd"],
        (0, 2),
        65,
    ),
    // Spanish
    Culture {
        women: &["Núria", "Lucía", "María José", "Begoña", "Inés", "Ximena", "Guadalupe", "Rocío", "Ainhoa", "Sofía"],
        men: &["José", "Andrés", "Álvaro", "Iñaki", "Joaquín", "Hernán", "Matías", "Óscar", "Raúl", "Ángel"],
        families: &[
            "Muñoz",
            "García",
            "Ibáñez",
            "Hernández",
            "Peña",
            "Quispe",
            "Etxeberria",
            "Vázquez",
            "Núñez",
            "Ordóñez",
            "Mamani",
            "Güell",
        ],
        family_first: false,
        two_families: true,
        skin: (1, 5),
        light_hair: 25,
    },
    // Portuguese
    culture(
        &["Conceição", "Inês", "Beatriz", "Luísa", "Tainá", "Mônica", "Marília", "Vitória"],
        &["João", "António", "Caio", "Luís", "Tomé", "Thiago", "Sebastião", "Américo"],
        &["Ferreira", "da Silva", "Gonçalves", "Araújo", "dos Santos", "Simões", "Magalhães", "Brandão", "Queirós"],
        (1, 6),
        25,
    ),
    // French
    culture(
        &["Zoé", "Chloé", "Hélène", "Aïcha", "Solène", "Maëlle", "Françoise", "Noémie", "Fatou"],
        &["Loïc", "Jérôme", "Étienne", "François", "Gaël", "Mamadou", "Rémi", "Théo", "Benoît"],
        &["Lefèvre", "Dubois", "Le Goff", "Traoré", "Béranger", "Lœwe", "D’Hérouville", "Garçon", "Diallo", "Moreau"],
        (0, 6),
        40,
    ),
    // German
    culture(
        &["Käthe", "Anneliese", "Leonie", "Grete", "Franziska", "Änne"],
        &["Jörg", "Björn", "Günther", "Lukas", "Götz", "Matthias", "Uwe", "Jens"],
        &["Müller", "Schäfer", "Groß", "von Brühl", "Weiß", "Köhler", "Strauß", "Zimmermann", "Bäcker", "Yılmaz"],
        (0, 3),
        65,
    ),
    // Polish
    culture(
        &["Małgorzata", "Agnieszka", "Zuzanna", "Żaneta", "Jadwiga", "Kinga"],
        &["Łukasz", "Paweł", "Wojciech", "Michał", "Grzegorz", "Jędrzej"],
        &[
            "Kowalski~Kowalska",
            "Wiśniewski~Wiśniewska",
            "Wójcik",
            "Dąbrowski~Dąbrowska",
            "Szczęsny~Szczęsna",
            "Żuraw",
            "Łoś",
        ],
        (0, 1),
        65,
    ),
    // Czech, Slovak
    culture(
        &["Jiřina", "Kateřina", "Eliška", "Božena", "Ľubica", "Šárka", "Zdeňka"],
        &["Jiří", "Ondřej", "Matěj", "Ľuboš", "Tomáš", "Řehoř", "Štěpán"],
        &["Novák~Nováková", "Dvořák~Dvořáková", "Černý~Černá", "Hruška~Hrušková", "Němec~Němcová", "Kříž~Křížová"],
        (0, 1),
        60,
    ),
    // Nordic, Icelandic
    culture(
        &["Åsa", "Sigrún", "Bjørg", "Þórdís", "Maj-Britt", "Tyyne", "Sølvi", "Aino"],
        &["Søren", "Øystein", "Jón", "Håkan", "Väinö", "Ásgeir", "Bjørn", "Eero"],
        &[
            "Ångström",
            "Sørensen",
            "Hämäläinen",
            "Jónsson~Jónsdóttir",
            "Nygård",
            "Ødegaard",
            "Mäkinen",
            "Þorvaldsson~Þorvaldsdóttir",
        ],
        (0, 1),
        85,
    ),
    // Turkish
    culture(
        &["Ayşe", "Gülşen", "Çiğdem", "Özlem", "İpek", "Elif", "Nuray", "Şebnem"],
        &["Çağlar", "Oğuz", "İbrahim", "Şükrü", "Ümit", "Kağan", "Barış", "Yiğit"],
        &["Yıldız", "Öztürk", "Şahin", "Çelik", "Güneş", "Aydın", "Kılıç", "Doğan", "Karagöz"],
        (1, 4),
        20,
    ),
    // Vietnamese
    Culture {
        women: &["Thị Hương", "Ngọc Ánh", "Thùy Linh", "Mỹ Duyên", "Bích Phượng", "Thanh Trúc"],
        men: &["Văn Đức", "Quốc Bảo", "Hữu Nghĩa", "Minh Tuấn", "Đình Phúc", "Công Vượng"],
        families: &["Nguyễn", "Trần", "Lê", "Phạm", "Đặng", "Vũ", "Hoàng", "Bùi", "Đỗ", "Ngô"],
        family_first: true,
        two_families: false,
        skin: (1, 4),
        light_hair: 0,
    },
    // Chinese
    Culture {
        women: &["美玲/Meiling", "秀英/Xiuying", "晓燕/Xiaoyan", "静/Jing", "雨桐/Yutong", "佳慧/Jiahui", "芳/Fang"],
        men: &["伟/Wei", "建国/Jianguo", "志强/Zhiqiang", "磊/Lei", "浩然/Haoran", "俊杰/Junjie", "明/Ming"],
        families: &[
            "王/Wang",
            "李/Li",
            "张/Zhang",
            "刘/Liu",
            "欧阳/Ouyang",
            "陈/Chen",
            "赵/Zhao",
            "黄/Huang",
            "周/Zhou",
        ],
        family_first: true,
        two_families: false,
        skin: (0, 3),
        light_hair: 0,
    },
    // Japanese
    Culture {
        women: &["さくら/Sakura", "陽子/Yoko", "美咲/Misaki", "花子/Hanako", "結衣/Yui", "ひかり/Hikari", "葵/Aoi"],
        men: &["翔太/Shota", "健一/Kenichi", "大輔/Daisuke", "蓮/Ren", "太郎/Taro", "陽翔/Haruto", "誠/Makoto"],
        families: &[
            "青木/Aoki",
            "田中/Tanaka",
            "佐藤/Sato",
            "渡辺/Watanabe",
            "小林/Kobayashi",
            "長谷川/Hasegawa",
            "鈴木/Suzuki",
            "森/Mori",
        ],
        family_first: true,
        two_families: false,
        skin: (0, 3),
        light_hair: 3,
    },
    // Korean
    Culture {
        women: &["서연/Seoyeon", "민지/Minji", "지우/Jiwoo", "하윤/Hayun", "은정/Eunjeong", "수빈/Subin"],
        men: &["민준/Minjun", "도윤/Doyun", "성호/Seongho", "지훈/Jihun", "현우/Hyeonu", "준서/Junseo"],
        families: &["김/Kim", "이/Lee", "박/Park", "최/Choi", "정/Jeong", "강/Kang", "윤/Yoon", "남궁/Namgung"],
        family_first: true,
        two_families: false,
        skin: (0, 2),
        light_hair: 3,
    },
    // Arabic
    culture(
        &["فاطمة/Fatima", "ليلى/Layla", "مريم/Maryam", "نور/Nour", "سلمى/Salma", "هالة/Hala", "زينب/Zaynab"],
        &["محمد/Muhammad", "عمر/Omar", "يوسف/Yusuf", "خالد/Khalid", "طارق/Tariq", "حسن/Hasan", "سامي/Sami"],
        &["الحداد/Al Haddad", "منصور/Mansour", "النجار/Al Najjar", "خوري/Khoury", "حمدان/Hamdan", "المصري/Al Masri"],
        (2, 5),
        5,
    ),
    // Hebrew
    culture(
        &["נועה/Noa", "תמר/Tamar", "שירה/Shira", "רחל/Rachel", "יעל/Yael"],
        &["דוד/David", "יונתן/Yonatan", "אורי/Uri", "נועם/Noam", "משה/Moshe"],
        &["כהן/Cohen", "לוי/Levi", "מזרחי/Mizrahi", "פרידמן/Friedman", "אוחיון/Ohayon", "ביטון/Biton"],
        (0, 4),
        30,
    ),
    // Russian, Ukrainian
    culture(
        &["Анна/Anna", "Ольга/Olga", "Екатерина/Ekaterina", "Оксана/Oksana", "Наталья/Natalya"],
        &["Дмитрий/Dmitry", "Сергей/Sergey", "Тарас/Taras", "Андрій/Andriy", "Алексей/Alexey", "Богдан/Bohdan"],
        &[
            "Иванов/Ivanov~Иванова/Ivanova",
            "Шевченко/Shevchenko",
            "Соколов/Sokolov~Соколова/Sokolova",
            "Ковальчук/Kovalchuk",
            "Достоевский/Dostoevsky~Достоевская/Dostoevskaya",
            "Гриценко/Hrytsenko",
        ],
        (0, 1),
        60,
    ),
    // Greek
    culture(
        &["Αθηνά/Athina", "Ελένη/Eleni", "Κατερίνα/Katerina", "Δήμητρα/Dimitra", "Ιωάννα/Ioanna"],
        &["Γιώργος/Giorgos", "Νίκος/Nikos", "Παναγιώτης/Panagiotis", "Σπύρος/Spyros", "Κώστας/Kostas"],
        &[
            "Παπαδόπουλος/Papadopoulos~Παπαδοπούλου/Papadopoulou",
            "Νικολάου/Nikolaou",
            "Οικονόμου/Oikonomou",
            "Γεωργίου/Georgiou",
        ],
        (1, 3),
        25,
    ),
    // Hindi, Marathi
    culture(
        &["प्रिया/Priya", "अनन्या/Ananya", "लक्ष्मी/Lakshmi", "दीपिका/Deepika", "कविता/Kavita", "मीरा/Meera"],
        &["अर्जुन/Arjun", "राहुल/Rahul", "विक्रम/Vikram", "संजय/Sanjay", "रोहन/Rohan", "अमित/Amit"],
        &["शर्मा/Sharma", "पटेल/Patel", "कुलकर्णी/Kulkarni", "गुप्ता/Gupta", "वर्मा/Verma", "जोशी/Joshi", "यादव/Yadav"],
        (3, 6),
        0,
    ),
    // Tamil, Sinhala, in Latin letters
    culture(
        &["Kavitha", "Meenakshi", "Nisansala", "Dilini", "Revathi", "Thamarai"],
        &["Karthik", "Senthil", "Chaminda", "Nuwan", "Muthu", "Anbarasan"],
        &["Subramaniam", "Jayawardena", "Ranganathan", "Wickramasinghe", "Selvaraj", "Perera"],
        (4, 7),
        0,
    ),
    // Amharic, Tigrinya: given name and father's name
    culture(
        &["ሰላም/Selam", "ህይወት/Hiwot", "ማርታ/Marta", "ቤተልሔም/Bethlehem"],
        &["ዳዊት/Dawit", "አበበ/Abebe", "ዮሐንስ/Yohannes", "ተስፋዬ/Tesfaye"],
        &["ታደሰ/Tadesse", "ከበደ/Kebede", "ገብረ/Gebre", "ኃይሌ/Haile", "መኮንን/Mekonnen", "በቀለ/Bekele"],
        (4, 7),
        0,
    ),
    // Swahili, Kikuyu, Zulu
    culture(
        &["Wanjiru", "Neema", "Thandiwe", "Nomvula", "Akinyi", "Zuwena", "Nokuthula"],
        &["Kamau", "Juma", "Sipho", "Otieno", "Themba", "Baraka", "Mandla"],
        &["Mwangi", "Ndlovu", "Ochieng’", "Njoroge", "Dlamini", "Mkhize", "Ng’ang’a", "Kimani"],
        (5, 7),
        0,
    ),
    // Malay, Javanese
    culture(
        &["Dewi", "Sri Wahyuni", "Nur Aisyah", "Ayu", "Siti"],
        &["Bambang", "Agus", "Slamet", "Ahmad Faizal", "Wayan"],
        &["Suharto", "Wijaya", "binti Ismail", "Kusuma", "Santoso", "Hidayat"],
        (2, 5),
        0,
    ),
    // Māori, Samoan, Hawaiian
    culture(
        &["Aroha", "Hine", "Ka‘iulani", "Sina", "Mārama"],
        &["Tāne", "Wiremu", "Kekoa", "Sione", "Rāwiri"],
        &["Ngata", "Kealoha", "Te Rangi", "Tūhoe", "Leavasa", "Kamakawiwo‘ole"],
        (3, 6),
        5,
    ),
];
