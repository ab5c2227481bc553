//! Trades about the house.

use marketplace_core::services::model::Category;

use super::service_text::{Trade, Ware};

pub(super) const PLUMBING: Trade = Trade {
    category: Category::Plumbing,
    headlines: &[
        "Plumber, twenty years of other people's pipes",
        "Certified plumber and heating fitter",
        "Leaks, boilers, bathrooms",
    ],
    skills: &["leak repair", "boiler service", "bathroom fitting", "drain cleaning"],
    wares: &[
        Ware {
            title: "Emergency plumber, usually there within the hour",
            description: "Burst pipe, blocked drain, no hot water? I come with the van fully stocked, find the leak before I \
                open any wall, and tell you the price before I start. {place} and 20 km around, weekends too.",
            tags: &["emergency", "leak", "drain", "weekend"],
            price: (60, 95),
        },
        Ware {
            title: "Boiler service and heating check",
            description: "Yearly service of gas and combi boilers: cleaning, combustion test, pressure, a written report for \
                your landlord or insurer. Small parts included. I clean up after myself.",
            tags: &["boiler", "heating", "gas", "service"],
            price: (90, 150),
        },
        Ware {
            title: "Taps, toilets and dripping things",
            description: "The small jobs nobody comes for: dripping taps, running cisterns, blocked sinks, washing machine \
                connections. Fixed price per visit, two small jobs for one.",
            tags: &["tap", "toilet", "small jobs"],
            price: (45, 80),
        },
        Ware {
            title: "Bathroom renovation from first sketch to last tile",
            description: "We plan it together, I do the pipes, walls, tiles and fittings, and bring the electrician I trust. \
                About three weeks for an ordinary bathroom, with a toilet that works every night.",
            tags: &["bathroom", "renovation", "tiles"],
            price: (3_800, 9_500),
        },
    ],
    asks: &[
        "Hi {worker}, water is dripping through the kitchen ceiling since this morning. Could you come today?",
        "Hello! Our boiler shows E119 and goes off after a minute. Is that something you do?",
        "Good morning, the kitchen tap drips and the toilet keeps running. Would you do both in one visit?",
        "Hi, we want to redo our bathroom this autumn, about 6 square metres. Do you still take such jobs?",
    ],
    details: &[
        (
            "It's an old building, lead pipes in the cellar I think.",
            "Then I bring adapters for both. Can you turn off the water at the main tap?",
        ),
        (
            "Do you need to park right in front? It's a narrow street.",
            "A loading bay nearby is enough, I carry the rest.",
        ),
        (
            "Which parts will you need?",
            "I have the usual seals and valves with me. If it is the pump I show you the invoice.",
        ),
        ("Can you send an invoice with VAT?", "Of course, always."),
        ("Second floor, no lift.", "No problem, the tools are on my back anyway."),
    ],
    under_way: &[
        "Found it: the seal behind the washing machine. Needs about an hour.",
        "I am at the wholesaler for the valve, back in twenty minutes.",
        "Water is back on. Please look at the ceiling again tonight whether it stays dry.",
    ],
    scopes: &[
        "Find and repair the leak, replace the seal, test under pressure. Parts up to 20 included.",
        "Yearly service of the boiler with combustion test and report.",
        "Replace kitchen tap cartridge and the cistern's valve, dispose of the old parts.",
        "Bathroom of 6 sqm: pipes, waterproofing, tiles, fittings; tiles chosen by the client.",
    ],
    good: &[
        "Came within the hour, found the leak at once and left the kitchen cleaner than before.",
        "Explained what was wrong and what could wait. Fair price, no surprises on the invoice.",
        "Hot water again the same evening. Will call {worker} for everything with pipes from now on.",
    ],
    middling: &[
        "The tap works, but he came two hours late and had to come again for a part.",
        "Work fine, communication so-so.",
    ],
    bad: &[
        "The drip was back the next morning and nobody answered for a week.",
        "Price doubled on the spot although we had agreed on it here. Avoid.",
    ],
};

pub(super) const ELECTRICAL: Trade = Trade {
    category: Category::Electrical,
    headlines: &["Master electrician", "Electrician for homes and small shops", "Sockets, lights, wallboxes"],
    skills: &["wiring", "lighting", "wallbox", "fault finding"],
    wares: &[
        Ware {
            title: "Electrician for sockets, lights and fuses",
            description: "New sockets, lamps that hang straight, fuses that trip for no reason. I measure first, and you get \
                the protocol. Registered with the local grid operator.",
            tags: &["socket", "lamp", "fuse"],
            price: (55, 85),
        },
        Ware {
            title: "Wallbox installation with registration",
            description: "11 kW wallbox: inspection of your board, cable up to 15 m, residual current device, registration \
                with the grid operator and the paperwork for subsidies.",
            tags: &["wallbox", "electric car", "charging"],
            price: (780, 1_400),
        },
        Ware {
            title: "Rewiring of flats and old houses",
            description: "From two-wire cloth cable to a modern board. Room by room while you live there, dust walls included. \
                Free first visit in {place}.",
            tags: &["rewiring", "old building", "fuse board"],
            price: (2_400, 8_000),
        },
    ],
    asks: &[
        "Hello {worker}, the fuse of our living room trips every evening. Can you have a look?",
        "Hi! We get an electric car in two months and need a wallbox in the garage.",
        "Hi, we bought a house from 1961 with two-wire cables. Could you look at it before we paint?",
    ],
    details: &[
        (
            "The board is from the seventies, ceramic fuses.",
            "Then I look at the whole board first. It may be cheaper to replace it.",
        ),
        ("From the board to the garage it is about 12 metres.", "Good, that is within the fixed price."),
        ("Do you bring the lamps' hooks and dowels?", "Yes. Concrete or plasterboard ceiling?"),
        ("Concrete, I think.", "Then I bring the big drill and a vacuum cleaner."),
    ],
    under_way: &[
        "It was the dimmer, not the line. New one is in.",
        "Power will be off for about forty minutes now, please save your work.",
        "All measured, protocol is in your letterbox.",
    ],
    scopes: &[
        "Find the fault, replace the dimmer, measure the circuit, protocol.",
        "Install 11 kW wallbox with 15 m of cable and RCD, register it.",
        "Rewire three rooms, new board with residual current devices, close the walls.",
    ],
    good: &[
        "Found in ten minutes what two others had not. Clean work, friendly, with protocol.",
        "The wallbox was registered before I even asked. Top.",
        "Punctual to the minute, vacuumed up behind himself.",
    ],
    middling: &[
        "Lamps hang well. The paperwork took three reminders.",
        "Good work, rather dear for an hour and a half.",
    ],
    bad: &[
        "Fuse still trips. Says it must be the fridge. It is not the fridge.",
        "Left a hole in the wall and wanted extra to close it.",
    ],
};

pub(super) const CLEANING: Trade = Trade {
    category: Category::Cleaning,
    headlines: &[
        "Cleaning with an eye for corners",
        "Reliable home cleaning, own supplies",
        "End-of-tenancy specialist",
    ],
    skills: &["home cleaning", "windows", "end of tenancy", "ironing"],
    wares: &[
        Ware {
            title: "Weekly home cleaning with ecological products",
            description: "Kitchen, bathroom, floors, dust; ironing on request. Always the same person, own products without \
                perfume, insured. Keys are handled with a signed receipt.",
            tags: &["weekly", "eco", "ironing"],
            price: (18, 28),
        },
        Ware {
            title: "End of tenancy cleaning with handover guarantee",
            description: "Oven, windows, limescale, inside of cupboards. If the landlord finds something, I come back the \
                same week for free. Photos before and after.",
            tags: &["moving out", "deep clean", "windows"],
            price: (180, 420),
        },
        Ware {
            title: "Window cleaning, frames and sills included",
            description: "Streak-free, also conservatories and skylights up to 6 m. Price per window, told beforehand.",
            tags: &["windows", "conservatory"],
            price: (40, 120),
        },
        Ware {
            title: "Office and surgery cleaning in the evening",
            description: "Small offices, surgeries and shops in {place}, after you close. Waste separation, dishwasher, \
                consumables refilled; one invoice a month.",
            tags: &["office", "evening", "monthly"],
            price: (25, 38),
        },
    ],
    asks: &[
        "Hi {worker}, we look for somebody every {day} morning for three hours, two adults and a dog. Is that possible?",
        "Hello, I hand over my flat on the 30th, 64 sqm, two rooms. Do you have time the day before?",
        "Hi! Eleven windows, two of them skylights. What would you charge?",
        "Hello, we are a small practice with four rooms and need cleaning three evenings a week.",
    ],
    details: &[
        ("Do you mind the dog? He is very friendly.", "Not at all, I have one myself."),
        ("Do you bring a vacuum cleaner?", "For the first time yes; for every week I would rather use yours."),
        ("The oven is... well. We cook a lot.", "I have seen ovens. I bring the good stuff."),
        ("Is the key safe with you?", "You get a receipt and the key carries no name or address."),
        ("Could you also do the balcony?", "If it has no pigeons, it is included."),
    ],
    under_way: &[
        "I am in, the dog has approved me.",
        "Oven is done, now the windows. I stay half an hour longer, same price.",
        "Finished, key is in the box. Photos are for the handover.",
    ],
    scopes: &[
        "Three hours a week: kitchen, bathroom, floors, dust. Products included.",
        "End of tenancy cleaning of 64 sqm with oven and nine windows, with guarantee.",
        "Eleven windows with frames, two of them skylights.",
        "Four rooms, three evenings a week, consumables extra, one invoice a month.",
    ],
    good: &[
        "The flat has never been this clean. The landlord took it without a word.",
        "Always on time, sees what needs doing without being told.",
        "Even cleaned the extractor hood, which I had forgotten exists.",
    ],
    middling: &[
        "Clean, but twice the day was moved at short notice.",
        "Windows good, frames forgotten. Came back for them, thanks.",
    ],
    bad: &[
        "One hour instead of three, and the bathroom was not touched.",
        "A vase was broken and hidden behind the curtain. Not cool.",
    ],
};

pub(super) const PAINTING: Trade = Trade {
    category: Category::Painting,
    headlines: &[
        "Painter and decorator",
        "Walls, doors, facades: straight edges since 2009",
        "Painter for flats and staircases",
    ],
    skills: &["wall painting", "wallpaper", "lacquer", "facades"],
    wares: &[
        Ware {
            title: "Painting rooms in a weekend",
            description: "Two coats, everything covered and taped, furniture moved and put back. Paint in your colour \
                included, low emission. A room of 20 sqm takes a day.",
            tags: &["walls", "weekend", "low emission"],
            price: (240, 900),
        },
        Ware {
            title: "Doors, frames and radiators, lacquered like new",
            description: "Sanded, filled, two coats of water-based lacquer. I take the doors to my workshop and bring them back \
                on the third day.",
            tags: &["doors", "lacquer", "radiator"],
            price: (70, 140),
        },
        Ware {
            title: "Wallpaper: off with the old, on with the new",
            description: "Removal of up to four layers, smooth walls, patterns that meet at the seams. {place} and surroundings.",
            tags: &["wallpaper", "plaster"],
            price: (300, 1_100),
        },
    ],
    asks: &[
        "Hi {worker}, two rooms and a corridor, about 110 sqm of wall, white. When would you have time?",
        "Hello, can you do seven doors with frames? They are yellowed from smokers.",
        "Hi, there is woodchip everywhere in our new flat. Can you get rid of it before we move in?",
    ],
    details: &[
        ("Which paint do you use?", "A matt one of class 1, no solvents. You can sleep in the room the same night."),
        (
            "There is a damp spot in one corner.",
            "Then somebody should look at the wall first. I will measure it when I come.",
        ),
        ("We would like one wall in dark green.", "Send me the number of the colour and I have it mixed."),
        ("Do we have to clear the rooms?", "To the middle is enough, I cover everything."),
    ],
    under_way: &[
        "First coat is on. The corner is dry, by the way.",
        "Dark green needs a third coat, no extra charge.",
        "Taking the tape off now. Looks sharp.",
    ],
    scopes: &[
        "Two rooms and corridor, two coats in white, material and covering included.",
        "Seven doors with frames: sand, fill, two coats of lacquer in white.",
        "Remove woodchip, fill, smooth and paint 84 sqm.",
    ],
    good: &[
        "Edges like drawn with a ruler. Not one drop on the floor.",
        "The dark green wall is a dream. Good advice on colours, too.",
        "Done a day earlier than planned and put the furniture back.",
    ],
    middling: &[
        "Decent result, but I had to point out two spots that were missed.",
        "Good painter, bad at answering messages.",
    ],
    bad: &[
        "One coat instead of two, you see the old colour through it.",
        "Paint on the parquet, and an argument instead of an apology.",
    ],
};

pub(super) const HANDYMAN: Trade = Trade {
    category: Category::Handyman,
    headlines: &[
        "The one with the drill",
        "Handyman for everything that hangs, wobbles or squeaks",
        "Furniture assembly without swearing",
    ],
    skills: &["furniture assembly", "drilling", "small repairs", "doors"],
    wares: &[
        Ware {
            title: "Furniture assembly, flat pack or antique",
            description: "Wardrobes, kitchens, cots, desks. I read the manual so that you need not. Take the packaging with me.",
            tags: &["assembly", "wardrobe", "kitchen"],
            price: (30, 50),
        },
        Ware {
            title: "Shelves, curtain rails, televisions on the wall",
            description: "Any wall, level, with the right dowel, after a look for pipes and cables. Minimum one hour.",
            tags: &["drilling", "shelves", "tv"],
            price: (35, 60),
        },
        Ware {
            title: "Half a day of small repairs",
            description: "Write a list, I work it off: squeaking doors, loose handles, silicone joints, blinds, a lock that \
                sticks. Four hours in {place}, material at cost.",
            tags: &["repairs", "silicone", "doors"],
            price: (150, 220),
        },
    ],
    asks: &[
        "Hi {worker}! A wardrobe 3 metres wide with sliding doors. I gave up at step 4. Can you save me?",
        "Hello, can you put a 65 inch TV on a plasterboard wall?",
        "Hi, I have a list of eleven small things in the flat. Half a day?",
    ],
    details: &[
        (
            "I have already put two boards together the wrong way round.",
            "Happens to everyone. I bring the small mallet.",
        ),
        ("Is plasterboard a problem?", "Not with the right anchors. How heavy is the set?"),
        ("23 kg says the box.", "Fine, that is four anchors and a beer's worth of patience."),
        ("Do I have to be there?", "At the start and at the end would be good."),
    ],
    under_way: &[
        "Wardrobe stands and the doors slide. Two screws left over, as tradition demands.",
        "Nine of eleven done, the lock needs a part that I order today.",
        "TV is level, I checked three times.",
    ],
    scopes: &[
        "Assemble a wardrobe of 3 m with sliding doors, take packaging away.",
        "Mount a 65 inch television on plasterboard, cables in a channel.",
        "Four hours of small repairs by the list, material at cost.",
    ],
    good: &[
        "Built in two hours what had cost me a weekend and nearly a marriage.",
        "Came with every dowel known to mankind. Everything is level.",
        "Worked off the whole list and noticed a loose handrail besides.",
    ],
    middling: &["Nice and capable, but started an hour late.", "Eight of eleven things done, the rest another time."],
    bad: &["The shelf came down after two days, with the books.", "Drilled into the water pipe and left."],
};
