use super::*;

impl Row for u32 {
    type Id = u32;
    fn id(&self) -> u32 {
        *self
    }
}

/// Serves the requests of the list from the numbers below `end`, in pages of `PAGE`.
fn serve(list: &mut Paged<u32>, end: u32, loads: &mut u64) {
    while let Some((want, request)) = list.take_want() {
        *loads += 1;
        let id = LoadId(*loads);
        list.started(id, want, Timestamp::EPOCH);
        let from = request.after.map_or(0, |after| after.parse::<u32>().unwrap() + 1);
        let to = (from + u32::from(PAGE)).min(end);
        let next = (to < end).then(|| (to - 1).to_string());
        list.answered(id, Ok(Page { items: (from..to).collect(), next })).unwrap().unwrap();
    }
}

#[test]
fn a_million_rows_pass_through_a_small_window_and_back() {
    let mut list = Paged::default();
    let mut loads = 0;
    list.place(Rect::new(0, 0, 80, 20));
    serve(&mut list, 10_000, &mut loads);
    for _ in 0..4_000 {
        list.moved(Action::DOWN);
        serve(&mut list, 10_000, &mut loads);
        assert!(list.len() <= WINDOW * usize::from(PAGE));
    }
    assert_eq!(list.selected(), Some(&4_000));
    assert_eq!(list.position(), 4_001);
    for _ in 0..4_000 {
        list.moved(Action::UP);
        serve(&mut list, 10_000, &mut loads);
    }
    assert_eq!(list.selected(), Some(&0));
}

#[test]
fn the_end_is_the_end() {
    let mut list = Paged::default();
    let mut loads = 0;
    list.place(Rect::new(0, 0, 80, 20));
    for _ in 0..5 {
        serve(&mut list, 150, &mut loads);
        list.moved(Action::BOTTOM);
    }
    assert_eq!((list.selected(), list.more(), loads), (Some(&149), false, 2));
}

#[test]
fn stale_answers_change_nothing() {
    let mut list: Paged<u32> = Paged::default();
    let (want, _) = list.take_want().unwrap();
    list.started(LoadId(1), want, Timestamp::EPOCH);
    list.restart();
    let (want, _) = list.take_want().unwrap();
    list.started(LoadId(2), want, Timestamp::EPOCH);
    assert!(list.answered(LoadId(1), Ok(Page { items: vec![1], next: None })).is_none());
    assert!(list.is_empty());
    list.answered(LoadId(2), Ok(Page { items: vec![2], next: None })).unwrap().unwrap();
    assert_eq!(list.selected(), Some(&2));
}

#[test]
fn the_selection_stays_with_its_row() {
    let mut list = Paged::default();
    let mut loads = 0;
    list.place(Rect::new(0, 0, 80, 20));
    serve(&mut list, 50, &mut loads);
    list.select(10);
    list.remove(3);
    assert_eq!(list.selected(), Some(&10));
    list.refresh();
    serve(&mut list, 50, &mut loads);
    assert_eq!((list.selected(), list.selected_index()), (Some(&10), 10));
    list.remove(10);
    assert_eq!(list.selected(), Some(&11));
}

#[test]
fn marks_and_ranges() {
    let mut list = Paged::default();
    let mut loads = 0;
    list.place(Rect::new(0, 0, 80, 20));
    serve(&mut list, 50, &mut loads);
    list.mark();
    list.moved(Action::DOWN);
    list.mark_range();
    list.moved(Action::DOWN);
    list.moved(Action::DOWN);
    list.mark_range();
    assert_eq!(list.marked(), [&0, &2, &3, &4]);
    assert!(list.clear_marks());
    assert!(!list.clear_marks());
}

#[test]
fn clicks() {
    let mut list = Paged::default();
    let mut loads = 0;
    list.place(Rect::new(5, 5, 20, 10));
    serve(&mut list, 50, &mut loads);
    assert_eq!(list.click(Position::new(6, 8)), Some(false));
    assert_eq!(list.click(Position::new(6, 8)), Some(true));
    assert_eq!(list.click(Position::new(1, 8)), None);
    assert_eq!(list.selected(), Some(&3));
}
