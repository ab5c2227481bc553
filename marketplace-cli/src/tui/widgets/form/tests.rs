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
    assert_eq!(filled.note.unwrap(), "seen␛[31m before");
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
