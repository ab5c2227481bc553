//! Snapshots of every screen and dialog, small and large, with and without colours.

use std::time::Duration;

use marketplace_core::staff::{ApproveAttempt, FreezeUser};

use super::{super::screens, Console, options, system::System};

pub const SIZES: [(u16, u16); 2] = [(80, 24), (200, 50)];

/// Takes a picture after the keys, at every size.
pub async fn picture(name: &str, keys: &str) {
    for size in SIZES {
        let system = System::new(60, 24).await;
        system.claimed_by_lea(3).await;
        let mut console = Console::start_with(&system, options(), size).await;
        console.press(keys).await;
        console.later(Duration::from_millis(150)).await;
        snapshot(name, size, &console);
    }
}

pub fn snapshot(name: &str, size: (u16, u16), console: &Console) {
    insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), without_tags(&console.screen()));
}

/// Tags of the audit log are made under keys that each test has for itself: their digits are drawn as `x`.
fn without_tags(screen: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut in_tag = 0;
    let mut out = String::new();
    for line in screen.lines() {
        let begins = line.contains(" tag  ") && line.chars().filter(|c| is_digit(*c)).count() > 40;
        in_tag = if begins { 2 } else { in_tag - i32::from(in_tag > 0) };
        let (head, rest) = match (begins, line.find(" tag ")) {
            (true, Some(at)) => line.split_at(at + 5),
            _ => ("", line),
        };
        out.push_str(head);
        out.extend(rest.chars().map(|c| if in_tag > 0 && is_digit(c) { 'x' } else { c }));
        out.push('\n');
    }
    out
}

#[tokio::test]
async fn dashboard() {
    picture("dashboard", "1").await;
}
#[tokio::test]
async fn kyc_queue() {
    picture("kyc_queue", "2 j j").await;
}
#[tokio::test]
async fn kyc_case() {
    picture("kyc_case", "2 enter").await;
}
#[tokio::test]
async fn kyc_zoomed() {
    picture("kyc_zoomed", "2 enter z").await;
}
#[tokio::test]
async fn kyc_reject() {
    picture("kyc_reject", "2 enter x f").await;
}
#[tokio::test]
async fn kyc_decided() {
    picture("kyc_decided", "2 enter a").await;
}
#[tokio::test]
async fn kyc_revealed() {
    picture("kyc_revealed", "2 enter R").await;
}
#[tokio::test]
async fn users() {
    picture("users", "3 j j").await;
}
#[tokio::test]
async fn user() {
    picture("user", "3 j j enter").await;
}
#[tokio::test]
async fn user_freeze() {
    picture("user_freeze", "3 f s").await;
}
#[tokio::test]
async fn user_delete() {
    picture("user_delete", "3 D").await;
}
#[tokio::test]
async fn user_role() {
    picture("user_role", "3 m").await;
}
#[tokio::test]
async fn user_note() {
    picture("user_note", "3 c").await;
}
#[tokio::test]
async fn user_unban() {
    picture("user_unban", "3 B").await;
}
#[tokio::test]
async fn users_marked() {
    picture("users_marked", "3 space space j space").await;
}
#[tokio::test]
async fn users_filter() {
    picture("users_filter", "3 / s t a").await;
}
#[tokio::test]
async fn audit() {
    picture("audit", "7").await;
}
#[tokio::test]
async fn audit_row() {
    picture("audit_row", "7 j enter").await;
}
#[tokio::test]
async fn help() {
    picture("help", "2 ?").await;
}
#[tokio::test]
async fn commands() {
    picture("commands", "2 : r e").await;
}
#[tokio::test]
async fn as_command() {
    picture("as_command", "2 enter !").await;
}
#[tokio::test]
async fn exact_times() {
    picture("exact_times", "3 i").await;
}

#[tokio::test]
async fn bulk() {
    for size in SIZES {
        let system = System::new(60, 24).await;
        let mut console = Console::start_with(&system, options(), size).await;
        console.press("3 * f s").await;
        system.hold::<FreezeUser>();
        console.confirm("60").await;
        for _ in 0..7 {
            system.let_one_go::<FreezeUser>();
            console.settle().await;
        }
        snapshot("bulk", size, &console);
    }
}

#[tokio::test]
async fn away() {
    for size in SIZES {
        let system = System::new(60, 24).await;
        let mut console = Console::start_with(&system, options(), size).await;
        console.press("2").await;
        system.set_down(true);
        console.later(Duration::from_millis(400)).await;
        console.press("space").await;
        console.later(Duration::from_secs(4)).await;
        snapshot("away", size, &console);
    }
}

#[tokio::test]
async fn error_detail() {
    for size in SIZES {
        let system = System::new(60, 24).await;
        let mut console = Console::start_with(&system, options(), size).await;
        console.press("2 enter").await;
        let error = marketplace_core::error::Error::conflict("it is approved already, decided by Lea", "approved");
        system.fail::<ApproveAttempt>(error.with_request_id(Some("req-7".into())));
        console.press("a E").await;
        snapshot("error_detail", size, &console);
    }
}

#[tokio::test]
async fn read_only_production() {
    for size in SIZES {
        let system = System::audited(60, 24).await;
        let options =
            super::Options { read_only: true, production: true, system: "eu".into(), way: "api".into(), ..options() };
        let mut console = Console::start_with(&system, options, size).await;
        console.press("2 enter").await;
        snapshot("read_only_production", size, &console);
    }
}

#[tokio::test]
async fn without_colours() {
    for size in SIZES {
        let system = System::new(60, 24).await;
        let options = super::Options { no_color: true, ..options() };
        let mut console = Console::start_with(&system, options, size).await;
        for keys in
            ["1", "2 enter", "x f", "esc 3 enter", "f", "esc ?", "esc 4", "enter", "5", "enter d", "6", "d a", "esc J"]
        {
            console.press(keys).await;
            for cell in console.terminal.backend().buffer().content() {
                let plain = ratatui::style::Color::Reset;
                assert_eq!((cell.fg, cell.bg), (plain, plain), "{:?} after {keys}", cell.symbol());
            }
        }
        console.press("esc 2").await;
        snapshot("without_colours", size, &console);
    }
}

#[tokio::test]
async fn everything_has_a_row_in_the_help() {
    let system = System::new(6, 4).await;
    let mut console = Console::start_with(&system, options(), (120, 120)).await;
    for screen in screens::infos() {
        console.press(screen.home.keys).await;
        console.press("?").await;
        for row in console.app.ctx.keymap.clone().of(screen.home) {
            console.shows(row.action.help);
        }
        console.press("esc").await;
    }
}
