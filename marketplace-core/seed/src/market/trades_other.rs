//! Trades for people, their things and their machines.

use marketplace_core::services::model::Category;

use super::service_text::{Trade, Ware};

pub(super) const MOVING: Trade = Trade {
    category: Category::Moving,
    headlines: &["Two strong people and a van", "Careful movers, pianos too", "Moving and clearing, insured"],
    skills: &["moving", "packing", "piano transport", "clearance"],
    wares: &[
        Ware {
            title: "Van with two movers by the hour",
            description: "3.5 t van with tail lift, blankets, straps and two people who carry with care. From {place} to \
                anywhere within 300 km. Insured up to 20,000.",
            tags: &["van", "two people", "insured"],
            price: (65, 110),
        },
        Ware {
            title: "Piano and heavy goods transport",
            description: "Uprights, grands, safes, billiard tables. With stair robot where there is no lift. I look at the \
                stairs first.",
            tags: &["piano", "heavy", "stairs"],
            price: (220, 600),
        },
        Ware {
            title: "Clearing of cellars, attics and flats",
            description: "What can be used again goes to charity shops, the rest is separated and disposed of with receipts. \
                Swept clean at the end.",
            tags: &["clearance", "disposal", "cellar"],
            price: (180, 900),
        },
    ],
    asks: &[
        "Hi {worker}, two-room flat, third floor to second floor, 6 km, on the last {day} of the month. Are you free?",
        "Hello, an upright piano from the ground floor to a fourth floor with narrow stairs. Is that possible at all?",
        "Hi, my aunt's cellar has to be empty by Friday next week. About 15 cubic metres.",
    ],
    details: &[
        ("No lift on either side.", "Then I plan a third person for two hours, if that is fine."),
        ("Do we need a no-parking zone?", "At the new address yes. I can order it, 85 for both days."),
        (
            "About forty boxes, a washing machine, a sofa bed.",
            "Fits in one trip. Please drain the machine the evening before.",
        ),
        ("Is the insurance included?", "Yes, up to 20,000. The certificate I can show you."),
    ],
    under_way: &[
        "We are downstairs, a little early.",
        "Everything is in the van. See you on the other side.",
        "The sofa went through the window, but it went.",
    ],
    scopes: &[
        "Moving with two people and van, 5 hours, 6 km, no packing.",
        "Transport of one upright piano to the fourth floor, with stair robot.",
        "Clear 15 cubic metres from a cellar, separate, dispose, sweep.",
    ],
    good: &[
        "Not a scratch on anything, and in good humour on the third floor still.",
        "The piano is upstairs and even nearly in tune. Unbelievable.",
        "Fast, strong, polite. Brought their own coffee.",
    ],
    middling: &["One lamp broke; it was paid for at once. Otherwise good.", "Took seven hours instead of five."],
    bad: &["Did not show up. On moving day. No call, nothing.", "Wanted cash on top before unloading the van."],
};

pub(super) const TUTORING: Trade = Trade {
    category: Category::Lessons,
    headlines: &[
        "Maths without tears",
        "Teacher for languages, patient by nature",
        "Physics student, tutor since 2018",
    ],
    skills: &["maths", "physics", "english", "exam preparation"],
    wares: &[
        Ware {
            title: "Maths tutoring from fractions to final exams",
            description: "At your kitchen table in {place} or online with a shared board. We begin with what went missing, not \
                with what comes next. First lesson at half price.",
            tags: &["maths", "exam", "online"],
            price: (22, 38),
        },
        Ware {
            title: "Conversational English and Spanish",
            description: "Talk about what interests you, correct what matters. Material for the week between. CELTA certified.",
            tags: &["english", "spanish", "conversation"],
            price: (24, 40),
        },
        Ware {
            title: "Piano lessons for late beginners",
            description: "For adults who always wanted to. Notes not required. Your piano or mine.",
            tags: &["piano", "music", "adults"],
            price: (30, 48),
        },
    ],
    asks: &[
        "Hello {worker}, my daughter is in 9th grade and lost in functions. Exam in five weeks. Do you have a place?",
        "Hi! I have a job interview in English in three weeks and would like to practise twice a week.",
        "Hello, I am 52 and would like to play one piece by Satie before I die. Do you take people like me?",
    ],
    details: &[
        ("She is better in the afternoon, after handball.", "{day} at five would be free, online or at yours."),
        ("What was her last grade?", "A four. She says it was the lack of sleep."),
        ("Do you give homework?", "Twenty minutes, never more. They get done that way."),
        ("Can we pay for ten lessons together?", "Gladly, then the eleventh is free."),
    ],
    under_way: &[
        "Good lesson today! Parabolas have lost their horror.",
        "The worksheet for the week comes tonight; twenty minutes are enough.",
        "Could we start ten minutes later next time?",
    ],
    scopes: &[
        "Ten lessons of 60 minutes, maths 9th grade, with material.",
        "Six conversations in English with corrections, interview practice.",
        "Eight piano lessons of 45 minutes at the teacher's.",
    ],
    good: &[
        "From a four to a two in five weeks. And she laughs while doing maths.",
        "I got the job! {worker} knew every question they would ask.",
        "Endlessly patient with my left hand.",
    ],
    middling: &["Competent, but twice cancelled on the day.", "Good lessons, little material in between."],
    bad: &["Looked at the phone for half of the lesson.", "Did not know the syllabus and did not care."],
};

pub(super) const PHOTOGRAPHY: Trade = Trade {
    category: Category::Photography,
    headlines: &["Photographer of unposed moments", "Weddings, portraits, products", "Light, patience, colour"],
    skills: &["portraits", "weddings", "product photos", "editing"],
    wares: &[
        Ware {
            title: "Wedding photography, from getting ready to last dance",
            description: "Ten hours, two cameras, about 600 edited pictures in an online gallery within three weeks. I am the \
                guest you do not notice.",
            tags: &["wedding", "gallery", "reportage"],
            price: (1_200, 2_800),
        },
        Ware {
            title: "Portraits for applications and profiles",
            description: "45 minutes, studio in {place} or outdoors, five retouched pictures. For people who say they are not \
                photogenic.",
            tags: &["portrait", "business", "studio"],
            price: (90, 180),
        },
        Ware {
            title: "Product photos on white and in scene",
            description: "Up to twenty products a day, cut out, colour-true, in the sizes that shops want.",
            tags: &["product", "shop", "editing"],
            price: (250, 600),
        },
    ],
    asks: &[
        "Hi {worker}, we marry on the second Saturday of June, 70 guests, outdoors. Is that date free?",
        "Hello, I need new pictures for applications by next week. Studio or park, what do you advise?",
        "Hi! We sell ceramics, 18 pieces, and need them on white and two in scene.",
    ],
    details: &[
        ("What if it rains?", "Then we have the best light of all. I bring white umbrellas."),
        ("Do we get the raw files?", "No, but every good picture in full resolution."),
        ("Can you stay until one in the morning?", "Two extra hours, I put them into the offer."),
        ("I blink in every picture.", "Everyone does in half of them. That is why I take two hundred."),
    ],
    under_way: &[
        "Pictures are on the computer. Some are really lovely.",
        "First selection is online, please mark your favourites.",
        "Editing is done, gallery link comes in the app tonight.",
    ],
    scopes: &[
        "Wedding reportage of ten hours, 600 pictures, online gallery.",
        "Portrait session of 45 minutes, five retouched pictures.",
        "18 products on white, two scenes, cut out.",
    ],
    good: &[
        "We cried when we saw the gallery. In a good way.",
        "First picture of me in years that I like. Thank you!",
        "Quick, precise, and the colours match the real glaze.",
    ],
    middling: &[
        "Beautiful pictures, but five weeks instead of three.",
        "Solid. A few more of the guests would have been nice.",
    ],
    bad: &["Half of the ceremony is out of focus.", "After the deposit we never got the gallery."],
};

pub(super) const GARDENING: Trade = Trade {
    category: Category::Gardening,
    headlines: &[
        "Gardener with a soft spot for old trees",
        "Hedges, lawns, balconies",
        "Gardens that need little water",
    ],
    skills: &["hedge trimming", "pruning", "lawn care", "planting"],
    wares: &[
        Ware {
            title: "Hedge and shrub trimming, cuttings taken away",
            description: "Up to 4 m high, battery tools that do not annoy the neighbours. I look for nests first. Price by the \
                metre.",
            tags: &["hedge", "pruning", "green waste"],
            price: (80, 260),
        },
        Ware {
            title: "Fruit tree pruning in winter",
            description: "Apples, pears, plums, cherries; young trees trained, old ones rejuvenated. I explain every cut if \
                you want to learn.",
            tags: &["fruit trees", "winter", "pruning"],
            price: (60, 140),
        },
        Ware {
            title: "Garden care every second week",
            description: "Mowing, weeding, watering while you are away, in {place} and its villages. From March to November.",
            tags: &["lawn", "weeding", "regular"],
            price: (32, 48),
        },
    ],
    asks: &[
        "Hello {worker}, a yew hedge of 25 metres, about 2 metres high. Could you come before the birds start?",
        "Hi, three old apple trees that nobody has touched for ten years. Can they be saved?",
        "Hi! We are away for five weeks in summer. Would you look after a garden of 400 sqm?",
    ],
    details: &[
        ("Where do the cuttings go?", "I take them along, it is in the price."),
        ("There is a wasp nest near the shed.", "Then I come early in the morning and we leave each other alone."),
        ("Do you have your own mower?", "Yes, and a quiet one."),
        ("The gate is 90 cm wide.", "That is enough for everything I bring."),
    ],
    under_way: &[
        "Half of the hedge is done. Found a tennis ball collection.",
        "The middle tree is hollow but alive. I took weight off it.",
        "All raked, the gate is locked.",
    ],
    scopes: &[
        "Trim 25 m of hedge to 1.80 m, take cuttings away.",
        "Prune three apple trees, cuttings piled behind the shed.",
        "Five visits in five weeks: mow, weed, water.",
    ],
    good: &[
        "The hedge is straight and the blackbirds stayed.",
        "You see that {worker} loves trees. Learned a lot by watching.",
        "Came home to a garden in better shape than we left it.",
    ],
    middling: &["Nice work, but left earlier than agreed and came again.", "Cut a bit too much off the lilac."],
    bad: &["The hedge has holes that will take years to close.", "Tomatoes dead, money gone."],
};

pub(super) const IT_HELP: Trade = Trade {
    category: Category::Computing,
    headlines: &["Patient with printers", "IT help at home, in plain words", "Networks, backups, rescued photos"],
    skills: &["wifi", "data recovery", "backups", "websites"],
    wares: &[
        Ware {
            title: "Computer help at home, without jargon",
            description: "Slow laptop, stubborn printer, new phone: I set it up, explain it, and write the three important \
                things on paper. {place}, evenings possible.",
            tags: &["laptop", "printer", "phone"],
            price: (35, 60),
        },
        Ware {
            title: "Wi-Fi in every corner",
            description: "I measure, then place routers, repeaters or cable. No sale of devices that you do not need.",
            tags: &["wifi", "network", "router"],
            price: (70, 160),
        },
        Ware {
            title: "Data rescue from broken disks and phones",
            description: "Free look, price only on success. Your photos stay yours: all copies are deleted after handover.",
            tags: &["data recovery", "backup", "photos"],
            price: (120, 480),
        },
        Ware {
            title: "Small websites for small businesses",
            description: "One to eight pages, fast, accessible, yours. Includes texts, pictures in the right size, and an \
                afternoon in which you learn to change it.",
            tags: &["website", "seo", "shop"],
            price: (450, 1_600),
        },
    ],
    asks: &[
        "Hi {worker}, my laptop takes ten minutes to start and the printer prints hieroglyphs. Help?",
        "Hello, there is no Wi-Fi in our attic office. Could you measure?",
        "Hi, an external disk with fifteen years of photos makes clicking noises. Is there hope?",
        "Hello, I run a small bakery and my website is from 2009. What would five pages cost?",
    ],
    details: &[
        ("Windows 10, about six years old.", "A new disk will make it feel new. I bring one and you decide."),
        ("Is there a backup?", "I hoped you would not ask."),
        ("How thick are the walls?", "Thick. It was a mill."),
        ("Could you also show my mother how to video call?", "With pleasure. We call you together at the end."),
    ],
    under_way: &[
        "Disk is copying, 40 percent, no errors so far.",
        "The printer wanted a driver from this decade. It has one now.",
        "Attic measured: 180 Mbit where there was nothing.",
    ],
    scopes: &[
        "New SSD with everything copied, printer set up, backup explained.",
        "Measure, place two access points, 20 m of cable.",
        "Data rescue from an external disk, price only on success.",
        "Website with five pages, texts and pictures, one afternoon of training.",
    ],
    good: &[
        "All photos are back. ALL of them. I could hug {worker}.",
        "Explains so that even my father nods.",
        "Attic office works, the children are happy, so am I.",
    ],
    middling: &["Works, but needed a second visit for the printer.", "Helpful, a little in a hurry."],
    bad: &["Laptop came back slower, with some toolbar on it.", "Asked for my bank password. No."],
};

pub(super) const PETS: Trade = Trade {
    category: Category::Pets,
    headlines: &["Dog walker in all weathers", "Cat person with references", "Vet nurse, sits pets on the side"],
    skills: &["dog walking", "cat sitting", "medication", "training"],
    wares: &[
        Ware {
            title: "Dog walks in small groups",
            description: "An hour, at most four dogs that like each other, off the lead only where it is allowed. A photo from \
                every walk.",
            tags: &["dog", "walk", "daily"],
            price: (12, 22),
        },
        Ware {
            title: "Cat sitting at your home",
            description: "One or two visits a day in {place}: food, litter, play, plants and post. I give tablets and \
                injections, too.",
            tags: &["cat", "holiday", "medication"],
            price: (14, 24),
        },
    ],
    asks: &[
        "Hi {worker}, our Labrador is alone from nine to two on three days. Do you have a place in a group?",
        "Hello, two cats, one of them diabetic, for nine days at Easter. Would you dare?",
    ],
    details: &[
        ("He pulls a little when he sees ducks.", "They all do. We know the paths without ducks."),
        ("She needs insulin at eight and at eight.", "That works, I live ten minutes away."),
        ("Shall we meet first?", "Please. {day} after six?"),
        ("Is he vaccinated?", "Yes, I send you the page."),
    ],
    under_way: &[
        "Everybody is tired and muddy. Towel was used.",
        "Both cats have eaten, the small one has hunted my shoelace.",
        "No ducks were harmed.",
    ],
    scopes: &[
        "Three walks a week of one hour, group of four at most.",
        "Nine days of cat sitting, two visits a day, insulin included.",
    ],
    good: &[
        "He waits at the door for {worker}. More than for us.",
        "Came home to two relaxed cats and a diary of every visit. Wow.",
        "Reliable in pouring rain.",
    ],
    middling: &["Sweet with the dog, but photos only now and then.", "Plants forgotten, cat happy."],
    bad: &["Found out from the neighbour that nobody came on two days.", "Dog came back with another dog's collar."],
};

pub(super) const BEAUTY: Trade = Trade {
    category: Category::Beauty,
    headlines: &["Mobile hairdresser", "Make-up for days that matter", "Massage therapist with own table"],
    skills: &["haircuts", "make-up", "massage", "bridal styling"],
    wares: &[
        Ware {
            title: "Haircuts at home for the whole family",
            description: "I bring chair, cape and broom. Children, grandparents and those who hate salons. Colour after a patch \
                test.",
            tags: &["haircut", "mobile", "children"],
            price: (25, 65),
        },
        Ware {
            title: "Bridal hair and make-up with trial",
            description: "A trial four weeks before, and calm hands on the day. In {place} and within an hour's drive.",
            tags: &["bridal", "make-up", "trial"],
            price: (180, 360),
        },
        Ware {
            title: "Massage for backs that sit all day",
            description: "60 or 90 minutes with my own table. Trained physiotherapist; no wellness talk unless wanted.",
            tags: &["massage", "back", "mobile"],
            price: (55, 95),
        },
    ],
    asks: &[
        "Hi {worker}, haircuts for two adults and two wild boys on a {day}. Do you come to us?",
        "Hello, bride plus two bridesmaids in August, start at 9. Is that doable alone?",
        "Hi, my back is stone. Do you have an evening this week?",
    ],
    details: &[
        ("The small one does not sit still.", "I cut moving targets. Cartoons help."),
        ("Do you use products without perfume?", "I have a case for allergies, just tell me which."),
        ("Where can you park the table?", "It fits under my arm, two square metres of floor are enough."),
    ],
    under_way: &[
        "Boys are done, nobody bled.",
        "Trial pictures looked great in daylight. Same again on the day.",
        "Please drink a lot of water tonight.",
    ],
    scopes: &[
        "Four haircuts at home.",
        "Bride and two bridesmaids, hair and make-up, with one trial.",
        "90 minutes of massage at home.",
    ],
    good: &[
        "Best cut the boys have ever had, and no tears.",
        "Everything held until four in the morning.",
        "I can turn my head again.",
    ],
    middling: &["Lovely person; the fringe is a bit short.", "Came late but stayed longer."],
    bad: &["Cancelled the evening before the wedding.", "Pushed me to book a package I did not want."],
};
