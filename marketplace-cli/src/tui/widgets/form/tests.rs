use super::*;

fn press(form: &mut Form, code: KeyCode) -> Outcome {
    form.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn reasons() -> Form {
    let choice = |key, template: &'static str| Choice { key, label: template.to_owned(), template };
    Form::new("Reject")
        .choices(vec![choice('e', "Too old."), choice('f', "Not genuine.")], true)
        .with_comment()
        .with_note(None)
}

#[test]
fn a_letter_and_enter() {
    let mut form = reasons();
    press(&mut form, KeyCode::Char('f'));
    let Outcome::Filled(filled) = press(&mut form, KeyCode::Enter) else { panic!() };
    assert_eq!((filled.picked, filled.comment, filled.note), (vec![1], None, None));
}

#[test]
fn enter_alone_does_nothing() {
    assert_eq!(press(&mut reasons(), KeyCode::Enter), Outcome::Open);
    assert_eq!(press(&mut reasons(), KeyCode::Esc), Outcome::Cancelled);
}

#[test]
fn the_comment_starts_as_the_templates_and_is_kept_once_edited() {
    let mut form = reasons();
    press(&mut form, KeyCode::Char('e'));
    press(&mut form, KeyCode::Char('f'));
    assert_eq!(form.comment.as_ref().unwrap().lines().join("\n"), "Too old. Not genuine.");
    press(&mut form, KeyCode::Tab);
    press(&mut form, KeyCode::Char('!'));
    press(&mut form, KeyCode::BackTab);
    press(&mut form, KeyCode::Char('e'));
    press(&mut form, KeyCode::Tab);
    press(&mut form, KeyCode::Tab);
    form.paste("seen\u{1b}[31m before\n");
    let Outcome::Filled(filled) = press(&mut form, KeyCode::Enter) else { panic!() };
    assert_eq!(filled.picked, [1]);
    assert_eq!(filled.comment.unwrap(), "Too old. Not genuine.!");
    assert_eq!(filled.note.unwrap(), "seen before");
}

#[test]
fn arrows_lead_to_the_next_field_but_not_around() {
    let mut form = Form::new("New").with_input("url (https)", true).with_input("what for", false);
    assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Open);
    assert_eq!(form.error.as_deref(), Some("url: write something first"));
    press(&mut form, KeyCode::Down);
    assert_eq!(form.focus, Field::Input(1));
    press(&mut form, KeyCode::Down);
    assert_eq!(form.focus, Field::Input(1));
    press(&mut form, KeyCode::Up);
    press(&mut form, KeyCode::Up);
    assert_eq!(form.focus, Field::Input(0));
}

#[test]
fn what_is_cut_says_so() {
    let url = "https://hooks.example.com/".to_owned() + &"a".repeat(80);
    let form = || Form::new("New").line("It is told ".repeat(12)).with_input("url", true).filled_with(url.clone());
    let drawn = |form: &Form| {
        let area = Rect::new(0, 0, 60, 6);
        let mut buf = Buffer::empty(area);
        form.draw(area, &mut buf, Theme::new(true));
        lines_of(&buf)
    };
    let lines = drawn(&form());
    // What is typed: its end, and the beginning of a field that is not.
    assert!(lines.iter().any(|line| line.contains("url  …aaaa")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("It is told") && line.contains("…")), "{lines:#?}");
    let mut left = form().with_input("what for", false);
    press(&mut left, KeyCode::Down);
    let lines = drawn(&left);
    assert!(lines.iter().any(|line| line.contains("url  https://") && line.contains("a…")), "{lines:#?}");
}

#[test]
fn a_word_must_be_typed() {
    let mut form = Form::new("Delete").confirmed_by(confirmation::DELETE, 1);
    assert_eq!(press(&mut form, KeyCode::Enter), Outcome::Open);
    for c in "delete".chars() {
        press(&mut form, KeyCode::Char(c));
    }
    assert!(matches!(press(&mut form, KeyCode::Enter), Outcome::Filled(_)));
}

#[test]
fn what_was_typed_comes_back() {
    let drafts = Drafts::default();
    let form = |about: u32| {
        let mut form = reasons().about([about]);
        form.keep_in(&drafts);
        form
    };
    let mut left = form(1);
    press(&mut left, KeyCode::Char('f'));
    press(&mut left, KeyCode::Tab);
    left.paste(" One.\r\nTwo.");
    press(&mut left, KeyCode::Tab);
    left.paste("for staff");
    assert_eq!(press(&mut left, KeyCode::Esc), Outcome::Cancelled);
    // Somebody else's form begins empty.
    let Outcome::Open = press(&mut form(2), KeyCode::Enter) else { panic!() };
    let mut again = form(1);
    let Outcome::Filled(filled) = press(&mut again, KeyCode::Enter) else { panic!() };
    assert_eq!((filled.picked, filled.note.as_deref()), (vec![1], Some("for staff")));
    assert_eq!(filled.comment.as_deref(), Some("Not genuine. One.\nTwo."));
    // It was used.
    assert_eq!(press(&mut form(1), KeyCode::Enter), Outcome::Open);
}

#[test]
fn every_field_is_drawn_on_the_smallest_screen() {
    let choice = |key| Choice { key, label: format!("unsupported document {key}"), template: "Not genuine." };
    let form = Form::new("Reject")
        .line("It takes no more messages; the two see the reason. It can be reopened.")
        .line("")
        .choices("abcdefghij".chars().map(choice).collect(), true)
        .with_comment()
        .with_note(Some("noted"))
        .confirmed_by(confirmation::DELETE, 1);
    for (width, height) in [(60, 12), (80, 20), (200, 46)] {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        form.draw(area, &mut buf, Theme::new(true));
        let screen = ratatui::backend::TestBackend::with_lines(lines_of(&buf)).to_string();
        for text in ["a  [ ]", "j", "the worker reads", "noted", "type `delete`", "Esc cancels"] {
            let text = if width == 60 { text.replace("a  [", "a [") } else { text.to_owned() };
            assert!(screen.contains(&text), "`{text}` at {width}×{height}:\n{screen}");
        }
    }
}

fn lines_of(buf: &Buffer) -> Vec<String> {
    let width = usize::from(buf.area.width);
    buf.content().chunks(width).map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect()).collect()
}

#[test]
fn a_click_chooses() {
    let mut form = reasons();
    let area = Rect::new(0, 0, 80, 24);
    let mut buf = Buffer::empty(area);
    form.draw(area, &mut buf, Theme::new(true));
    let row = lines_of(&buf).iter().position(|line| line.contains("f  [ ]")).unwrap();
    form.click(Position::new(20, u16::try_from(row).unwrap()));
    assert_eq!(form.picked, [false, true]);
}

#[test]
fn enter_picks_no_reason_that_nobody_pointed_at() {
    let form = || {
        let choices = ["complaint", "dispute"].map(|code| Choice::of(code.chars().next().unwrap(), code));
        Form::new("Read").choices(choices.into(), false).at_once()
    };
    assert_eq!(press(&mut form(), KeyCode::Enter), Outcome::Open);
    let mut moved = form();
    press(&mut moved, KeyCode::Down);
    let Outcome::Filled(filled) = press(&mut moved, KeyCode::Enter) else { panic!() };
    assert_eq!(filled.picked, [1]);
    let Outcome::Filled(filled) = press(&mut form().first_by_default(), KeyCode::Enter) else { panic!() };
    assert_eq!(filled.picked, [0]);
}
