//! The most common passwords, in lower case: what password sprays try first. Only those of 8 characters and more are
//! listed, as shorter ones are refused anyway. Order and choice follow what published breach statistics agree on
//! (NIST SP 800-63B §3.1.1.2 asks for such a list).

const COMMON: &str = "\
password password1 password12 password123 password1234 passw0rd p@ssw0rd p@ssword pa55word password! password1! \
12345678 123456789 1234567890 12345678910 123123123 1234512345 12341234 11111111 111111111 1111111111 00000000 \
000000000 0000000000 22222222 33333333 44444444 55555555 66666666 77777777 88888888 99999999 87654321 987654321 \
9876543210 0987654321 0123456789 01234567 123456789a 123456789q a123456789 q123456789 1234567a 12345678a a12345678 \
1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4 q1w2e3r4t5 1qaz2wsx 1qaz2wsx3edc 1qazxsw2 zaq12wsx zaq1zaq1 zaq1xsw2 \
qwertyui qwertyuiop qwerty123 qwerty1234 qwerty12 qwerty12345 qwerty123456 qwertyuiop123 asdfghjk asdfghjkl \
asdfasdf asdf1234 zxcvbnm1 zxcvbnm123 qazwsxedc qweasdzxc qwe123456 qweqweqwe 123qweasd 123qweasdzxc qwer1234 \
abcd1234 abc12345 abc123456 abcdefgh abcdefghi abcdefg1 aa123456 aa12345678 a1b2c3d4 a1234567 aaaaaaaa aaaa1111 \
iloveyou iloveyou1 iloveyou2 iloveyou! ilovegod iloveme1 loveyou1 lovelove lovely123 sunshine sunshine1 princess \
princess1 football football1 baseball baseball1 basketball softball superman superman1 batman123 spiderman pokemon1 \
starwars starwars1 dragon123 dragonball monkey123 monkey12 shadow123 master123 michael1 michelle michelle1 jennifer \
jennifer1 jessica1 jordan23 jonathan nicholas nicholas1 benjamin samantha samantha1 elizabeth alexande alexander \
alexandra victoria victoria1 veronica christian christine christopher daniel123 anthony1 andrea123 ashley123 \
brittany caroline cristina danielle gabriela gabriella isabella katherine margaret natalie1 patricia patrick1 \
stephanie stephen1 welcome1 welcome12 welcome123 welcome1! letmein1 letmein123 letmein! changeme changeme1 \
changeme123 default1 default123 admin123 admin1234 admin12345 administrator administrator1 root1234 rootroot toor1234 \
test1234 test12345 testtest testing1 testing123 user1234 username guest123 guest1234 login123 login1234 pass1234 \
pass12345 passpass passport passwort passwort1 motdepasse contraseña contrasena mypassword mypass123 secret123 \
secret12 topsecret trustno1 whatever whatever1 computer computer1 internet internet1 samsung1 samsung123 google123 \
facebook facebook1 linkedin microsoft windows10 minecraft minecraft1 playstation nintendo blink182 metallica \
slipknot liverpool liverpool1 arsenal1 arsenal123 chelsea1 chelsea123 barcelona realmadrid juventus manchester \
manutd123 chocolate chocolate1 cheesecake butterfly butterfly1 strawberry blueberry rainbow1 sunflower sweetheart \
babygirl babygirl1 beautiful cookie123 cupcake1 diamond1 elephant flowers1 freedom1 friends1 friendship goldfish \
happy123 hello123 hello1234 hellohello helloworld hunter123 hunter22 jesus123 jesuschrist jellybean killer123 \
kitty123 lakers24 maverick mercedes midnight mustang1 ncc1701d november september december february pa$$word \
peanut12 pineapple rockstar1 scooter1 security security1 september1 snowball snoopy123 soccer123 spongebob summer123 \
summer2020 summer2021 summer2022 summer2023 summer2024 summer2025 summer2026 winter2020 winter2021 winter2022 \
winter2023 winter2024 winter2025 winter2026 spring2024 spring2025 spring2026 autumn2024 autumn2025 autumn2026 \
swordfish tinkerbell tottenham unicorn1 volleyball warcraft yellow123 zxcvbnm, zxcvbnm,./ marketplace marketplace1 \
marketplace123 correcthorsebatterystaple";

/// Whether a lower-case text is on the list.
pub(super) fn is_common(lower: &str) -> bool {
    COMMON.split(' ').any(|word| word == lower)
}
