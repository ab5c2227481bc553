//! Webhooks, rules and categories.

use std::time::Duration;

use marketplace_core::{
    base::change::Change,
    rules::model::{NewRule, RuleKind},
    staff::{CreateRule, NewRuleInput},
};

use super::{Console, options, system::System};

#[tokio::test]
async fn a_webhook_is_made_tested_switched_and_deleted() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("H").await;
    console.shows("No system is told of anything");
    console.press("n a c enter").await;
    console.shows("url: write something first");
    // The arrows lead from field to field, and not around.
    console.press("down down").await;
    console.write("Payouts").await;
    console.press("up").await;
    console.write("https://hooks.invalid/a").await;
    console.press("enter").await;
    // The secret is there once, and stays until it is put away.
    console.shows("Keep the secret now");
    console.shows("whsec_");
    console.press("q x j space").await;
    console.click(1, 20).await;
    console.shows("whsec_");
    console.press("esc").await;
    console.hides("whsec_");
    console.shows("https://hooks.invalid/a");
    console.shows("● on");
    console.shows("Payouts");
    console.press("f").await;
    console.shows("send again: nothing failed");
    console.press("t enter").await;
    console.shows("webhook.test is on its way");

    console.press("d").await;
    console.shows("Deliveries · webhook_id:");
    console.shows("○ waiting");
    console.shows("webhook.test");
    console.press("enter").await;
    console.shows("What is sent");
    console.press("esc a").await;
    console.shows("send again: it waits already");
    console.press("!").await;
    console.shows("marketplace webhooks redeliver");
    console.press("esc esc").await;
    console.shows("┌ Webhooks");

    console.press("s enter").await;
    console.shows("○ off");
    console.press("t").await;
    console.shows("test: it is off");
    console.press("s enter").await;
    console.shows("● on");
    console.press("c").await;
    console.shows("Change https://hooks.invalid/a");
    console.shows("[x] review.changed");
    console.press("c enter").await;
    console.shows("changed");
    console.press("r").await;
    console.confirm("rotate").await;
    console.shows("whsec_");
    console.press("esc enter").await;
    console.shows("signs too until");
    console.press("D").await;
    console.confirm("delete").await;
    console.shows("No system is told of anything");
    console.press("!").await;
    console.shows("marketplace webhooks delete");
}

#[tokio::test]
async fn a_rule_is_tried_before_it_is_made() {
    let system = System::new(12, 0).await;
    system.say(1, "Buy a gift card and send me the code.").await;
    system.say(1, "Or bring cash.").await;
    let mut console = Console::start(&system).await;
    console.press("M").await;
    console.shows("There are no rules");
    console.press("n w").await;
    console.shows("New rule · words");
    console.shows("[x] report");
    console.shows("[x] only try it");
    console.press("tab").await;
    console.write("gift card").await;
    console.press("enter").await;
    console.shows("would have caught 1 of");
    console.shows("Buy a gift card");
    console.shows("There are no rules");
    // What was caught opens, where reading it asks why; and back.
    console.press("enter").await;
    console.shows("Enter reads what was said");
    console.press("esc").await;
    console.shows("would have caught 1 of");
    console.press("!").await;
    console.shows("marketplace rules test words 'gift card'");
    console.press("esc n").await;
    console.shows("Make the rule words gift card");
    console.press("enter").await;
    console.shows("words gift card: holds");
    console.shows("● holds");
    console.shows("⚑ report");
    console.shows("everywhere");
    // Both do: it says which one.
    console.press("c F enter").await;
    console.shows("choose one of the two");
    console.press("c R enter").await;
    console.shows("✖ refuse");
    console.press("s enter").await;
    console.shows("○ rests");
    console.press("t").await;
    console.shows("would have caught 1 of");
    console.press("esc enter").await;
    console.shows("reports as");
    console.press("esc D").await;
    console.confirm("delete").await;
    console.shows("There are no rules");
}

/// What somebody filled in comes back when it led to nothing, also after a question that followed.
#[tokio::test]
async fn what_was_filled_in_comes_back_when_it_led_to_nothing() {
    let system = System::new(12, 0).await;
    system.say(1, "Buy a gift card.").await;
    let mut console = Console::start(&system).await;
    console.press("M n w tab").await;
    console.write("gift card").await;
    console.press("tab").await;
    console.write("nonsense").await;
    console.press("enter").await;
    console.shows("nonsense: the reasons of reports are");
    console.press("n w").await;
    console.shows("in this order  gift card");
    console.shows("of its reports  nonsense");
    console.press("tab tab ctrl-u enter").await;
    console.shows("would have caught 1 of");
    // Trying is not making.
    console.press("esc n w").await;
    console.shows("in this order  gift card");
    console.press("enter n enter").await;
    console.shows("words gift card: holds");
    console.press("n w").await;
    console.hides("in this order  gift card");

    console.press("esc I m").await;
    console.write("nowhere").await;
    console.press("enter").await;
    console.hides("Into which one?");
    console.press("m").await;
    console.shows("into (its key)  nowhere");
    console.press("ctrl-u").await;
    console.write("pets").await;
    console.press("enter").await;
    console.shows("into pets");
    console.later(Duration::from_secs(10)).await;
    console.press("esc m").await;
    console.shows("into (its key)  pets");
    console.press("enter").await;
    console.confirm("merge").await;
    console.shows("→ pets");
}

/// What a rule would have caught shows nobody's address or number before it is asked for.
#[tokio::test]
async fn what_a_rule_would_have_caught_is_masked_until_asked_for() {
    let system = System::new(12, 0).await;
    system.say(1, "Buy a gift card and call +44 20 7183 8750.").await;
    for size in [(80, 24), (120, 40)] {
        let mut console = Console::start_with(&system, options(), size).await;
        console.press("M n w tab").await;
        console.write("gift card").await;
        console.press("enter").await;
        console.shows("Buy a gift card and call +44•••");
        console.hides("7183");
        console.press("R").await;
        console.shows("7183 8750");
        console.shows("contact details shown, masked again in 30s");
        console.later(Duration::from_secs(31)).await;
        console.hides("7183");
        // Keys are for what is shown.
        console.press("space D").await;
        console.shows("delete: Esc leads back to the rules first");
    }
}

#[tokio::test]
async fn a_rule_that_a_colleague_made_shows_by_itself() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("M").await;
    console.shows("There are no rules");
    let new = NewRuleInput::new(NewRule::new(RuleKind::Words, "gift card"), &Change::default());
    system.direct().call::<CreateRule>((), (), new).await.unwrap();
    console.later(Duration::from_secs(2)).await;
    console.shows("gift card");
    console.press("space").await;
    console.shows("◆ 1 marked: off/on or delete is for all of them");
}

#[tokio::test]
async fn a_category_is_added_renamed_and_merged() {
    let system = System::new(12, 0).await;
    let mut console = Console::start(&system).await;
    console.press("I").await;
    console.shows("Cleaning");
    console.shows("de: Reinigung");
    console.press("n").await;
    for (at, text) in ["drones", "Drones", "Drohnen", "", "", "photography"].into_iter().enumerate() {
        if at > 0 {
            console.press("tab").await;
        }
        console.write(text).await;
    }
    console.press("enter").await;
    console.shows("drones: added");
    console.press("G").await;
    console.shows("de: Drohnen");
    console.press("c tab").await;
    console.write(" and kites").await;
    console.press("enter").await;
    console.shows("drones: changed");
    console.press("s enter").await;
    console.shows("○ inactive");
    console.press("s enter").await;
    console.shows("drones: active");
    console.press("m").await;
    console.write("pets").await;
    console.press("enter").await;
    console.shows("Merge drones into pets");
    console.shows("0 services move there");
    console.confirm("merge").await;
    console.shows("→ pets");
    console.shows("→ merged");
    console.press("m").await;
    console.shows("merge: it was merged into pets");
    console.press("!").await;
    console.shows("marketplace categories merge drones --into pets");
}
