//! What people write to each other, as data: beside what is special to a trade.

/// After the first question.
pub(super) const GREETINGS: &[&str] = &[
    "Hello {client}, thanks for your message! Yes, that is what I do.",
    "Hi {client}! Gladly. A few questions first.",
    "Good morning {client}, I can help with that. Where exactly in {place} is it?",
    "Hello, thank you for asking. I have time from {day} on.",
    "Hi {client}, yes, possible. Can you send a few more details?",
];

/// While they agree on the price: client, then worker.
pub(super) const HAGGLING: &[(&str, &str)] = &[
    (
        "Is there anything you can do about the price?",
        "If I can start on {day} before eight, I save a trip and pass it on.",
    ),
    ("{price} is more than I had planned, to be honest.", "I understand. Without the disposal it would be a bit less."),
    ("Does that include the journey?", "It does, within {place}."),
    ("Could you put that into an offer here?", "Done. Have a look whether everything is in it."),
    ("That sounds fair.", "Great, then just accept it here and the date is yours."),
    ("Would {day} work as well?", "{day} is fine, any time before noon."),
    ("I have another offer for less.", "That can be. I only promise what I can keep."),
];

/// Between agreement and the work: client, then worker.
pub(super) const BEFORE: &[(&str, &str)] = &[
    ("Great, see you on {day}!", "See you then. I will write when I set off."),
    ("The bell is broken, please knock.", "Will do."),
    ("Something came up, could we start an hour later?", "No problem, I swap it with another appointment."),
    ("Which door is it, front or courtyard?", "I find it, no worries. Courtyard is better for parking."),
    ("Are you on your way?", "Ten minutes. Traffic in {place}, you know."),
    ("Do I need to prepare anything?", "Just some space and a coffee if you have one."),
];

/// After the work is done: client, then worker.
pub(super) const AFTER: &[(&str, &str)] = &[
    ("Thank you, looks very good!", "Glad to hear it. Please finalize the job here when you are content."),
    ("Perfect. Could I have the invoice?", "It is in your mailbox here as soon as the job is finalized."),
    ("Many thanks again, {worker}.", "Thank you, {client}. All the best!"),
    ("I will recommend you to my neighbours.", "That is the best payment. Thanks!"),
];

/// When the client wants more done: client, then worker.
pub(super) const CHANGES: &[(&str, &str)] = &[
    ("Thanks, but one corner is not as we agreed. Could you look again?", "Of course, I am sorry. I come by on {day}."),
    ("There is still something missing from the list.", "You are right, I overlooked it. No extra charge."),
    ("It is nearly perfect, but please see my comment.", "I see what you mean. Half an hour and it is done."),
];

/// When the two cannot agree: client, then worker.
pub(super) const DISPUTE: &[(&str, &str)] = &[
    ("This is not what we agreed on.", "It is exactly what stands in the offer."),
    ("I have pictures, and I will not pay {price} for that.", "Then let the support decide. I have pictures, too."),
    ("I asked support to look at this.", "Good. I have nothing to hide."),
    ("You were here for two hours, not four.", "Plus preparation, as we said on the phone."),
];

/// When no agreement was reached: client, then worker.
pub(super) const ENDED: &[(&str, &str)] = &[
    ("Pity, but I understand.", "Another time, gladly."),
    ("Okay, then I look for somebody else.", "Good luck, and sorry again."),
    ("Plans have changed on our side, sorry for the trouble.", "No hard feelings. Write when it fits again."),
];

/// Small talk of those who write a lot: client, then worker.
pub(super) const CHATTER: &[(&str, &str)] = &[
    ("Did you get my last message?", "Yes, sorry, I was up on a ladder."),
    ("One more thing I forgot.", "Go ahead, I am reading along."),
    ("Is it all right if my mother is there instead of me?", "Of course. Does she know what is to be done?"),
    ("What would you do in my place?", "Honestly? Wait until spring."),
    ("How long have you been doing this?", "Eleven years in {place}, before that three in my father's business."),
    ("Do you work on Saturdays, too?", "Every second one."),
    ("I measured again: 3.42 m.", "Thank you, that helps a lot."),
    ("Can I pay by card?", "Everything goes through the marketplace, so yes."),
    ("The neighbours ask whether you would come to them, too.", "Tell them to write to me here."),
    ("Just to be sure: {day} at half past nine?", "Half past nine, {day}. It is in my calendar."),
    ("It is raining cats and dogs here.", "I have seen. We will manage."),
    ("Is a photo helpful?", "A photo is always helpful, best with something beside it for scale."),
    ("I found the old invoice from 2016.", "Very good, then I know which parts were used."),
    ("May I keep the leftover material?", "Sure, it is yours anyway."),
    ("My son would like to watch, he is eight.", "He may hold the torch. That is an important job."),
    ("The key is with the baker downstairs.", "Perfect, then I get breakfast as well."),
    ("Sorry for the many questions!", "Better before than after."),
    ("What about guarantee?", "Two years on my work, and the maker's on the parts."),
    ("I will be reachable from two on.", "Then I write to you at two."),
    ("All good so far?", "All good. I would say we are at two thirds."),
];

/// Attempts to get around the marketplace, which staff look for.
pub(super) const CONTACT: &[&str] = &[
    "Let's do this without the app, cheaper for both of us. My number is +447700900{digits}.",
    "Write me on the other messenger, +4930231250{digits}, I answer faster there. Cash is fine.",
    "If you transfer {price} to my account directly I give you 15 percent. IBAN on request at deal{digits}@example.com.",
    "My mail is direct{digits}@example.net. We can skip the fees.",
];
pub(super) const CONTACT_ANSWERS: &[&str] = &[
    "I would rather keep everything here.",
    "No thanks, I had bad luck with that once.",
    "Hm. What about the guarantee then?",
    "Okay, I will write to you there.",
];

/// Abuse: mild, because this is for demonstrations.
pub(super) const ABUSE: &[&str] = &[
    "Are you stupid or what? I wrote that three times already.",
    "You people are all the same, lazy and greedy.",
    "I know where your van is parked. Think about it.",
    "Answer me, you clown, or I will ruin your rating.",
];
pub(super) const ABUSE_ANSWERS: &[&str] = &[
    "Please stay polite or this conversation is over.",
    "I am reporting this.",
    "I do not work for people who talk like that.",
    "That is a threat. Support will read it.",
];
/// The notice that staff post in that case.
pub(super) const ABUSE_NOTICE: &str =
    "We have closed this conversation: threats and insults have no place here. Both of you can write to support.";
pub(super) const CONTACT_NOTICE: &str =
    "A message with contact details was removed. Please keep agreements and payments here: only then can we help.";

/// Times in an offer.
pub(super) const SCHEDULES: &[&str] = &[
    "{day}, 8:30, about three hours",
    "{day} afternoon, from two on",
    "Starting {day}, two to three days",
    "Next week, exact time by message the evening before",
    "{day} morning, done before noon",
];

pub(super) const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Reviews of clients by workers: five or four stars, three, two or one.
pub(super) const OF_CLIENTS: [&[&str]; 3] = [
    &[
        "Clear about what was wanted, paid at once, good coffee.",
        "Friendly, everything prepared, glad to come again.",
        "Exactly as described. A pleasure to work for.",
    ],
    &["Fine in the end, though the list grew by the hour.", "Nobody home at the agreed time, then all went well."],
    &["Changed the plan twice and complained about the result.", "Rude on the phone and late with the decision."],
];

/// A worker's replies to a good review, and to a bad one; clients' replies are similar.
pub(super) const REPLIES: [&[&str]; 2] = [
    &["Thank you, that means a lot!", "Gladly, and until next time.", "Thanks {other}, it was a pleasure."],
    &[
        "I am sorry that it went this way. I offered to come again and the offer stands.",
        "This leaves out that the date was moved three times.",
        "I see it differently, and the pictures show it.",
    ],
];

/// Comments on flagged reviews.
pub(super) const FLAG_COMMENTS: &[&str] = &[
    "This never happened, please check the thread.",
    "My full name and street are in it.",
    "That is an insult, not a review.",
    "It is about somebody else's work.",
    "Revenge because I did not lower the price.",
];

/// Notes for colleagues on why staff cancelled or closed something.
pub(super) const STAFF_NOTES: &[&str] = &[
    "Both sides heard, pictures are with the case.",
    "Third report about the same person this month.",
    "See the correspondence.",
];
