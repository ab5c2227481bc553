//! The columns of a list: each as wide as what it shows, as far as there is room.

use super::super::text::Times;

/// Blank columns between two columns of a list.
pub const GAP: usize = 2;

/// Columns of this rank and above are shown only where nothing else is cut for them.
pub const SPARE: u8 = 5;

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// Whether it is aligned on the right.
    pub right: bool,
    /// Whether it contains times, so that its heading names the zone of exact ones.
    pub time: bool,
    /// The least width at which it tells something.
    pub least: usize,
    /// The most columns that it ever gets.
    pub most: usize,
    /// When it is dropped for lack of room: the highest first, 0 never.
    pub rank: u8,
    /// The sign of the order that the system gives the list by this column, if it does.
    order: &'static str,
}

/// What a list is sorted by, when it is not in the system's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sorted {
    /// The name of the column.
    pub column: &'static str,
    /// Whether the greatest comes first.
    pub falling: bool,
}

impl Column {
    /// Creates a column of words or codes, which are not cut while they fit into `most`.
    pub const fn new(name: &'static str, rank: u8) -> Self {
        Self { name, right: false, time: false, least: usize::MAX, most: 40, rank, order: "" }
    }
    /// Creates a column of texts, which can be cut down to `least`.
    pub const fn text(name: &'static str, least: usize, rank: u8) -> Self {
        Self { least, most: 120, ..Self::new(name, rank) }
    }
    /// Creates a column of times.
    pub const fn time(name: &'static str, rank: u8) -> Self {
        Self { right: true, time: true, ..Self::new(name, rank) }
    }
    /// Creates a column of numbers.
    pub const fn number(name: &'static str, rank: u8) -> Self {
        Self { right: true, ..Self::new(name, rank) }
    }

    /// Marks the column by which the system orders the list, the greatest first.
    #[must_use]
    pub const fn falling(mut self) -> Self {
        self.order = "▼";
        self
    }
    /// Marks the column by which the system orders the list, the least first.
    #[must_use]
    pub const fn rising(mut self) -> Self {
        self.order = "▲";
        self
    }

    /// Returns its heading: its name, the zone where times are exact, and how the list is ordered by it, if it is.
    pub fn heading(&self, times: Times, sorted: Option<Sorted>) -> String {
        let zone = if self.time && times.exact { format!(" ({})", times.zone()) } else { String::new() };
        let order = match sorted {
            Some(sorted) if sorted.column != self.name => "",
            Some(Sorted { falling: true, .. }) => "▼",
            Some(Sorted { falling: false, .. }) => "▲",
            None => self.order,
        };
        format!("{}{zone}{order}", self.name)
    }
}

/// Returns the widths of columns in so much room; 0 for those that are not shown. `natural` is what each needs for what it
/// shows; one that needs nothing is empty and not shown.
pub fn widths(columns: &[Column], natural: &[usize], room: usize) -> Vec<usize> {
    let mut shown: Vec<(usize, &Column, usize)> = columns
        .iter()
        .zip(natural)
        .enumerate()
        .filter(|(_, (_, natural))| **natural > 0)
        .map(|(at, (column, natural))| (at, column, (*natural).min(column.most)))
        .collect();
    loop {
        let gaps = GAP * shown.len().saturating_sub(1);
        let spare = shown.iter().any(|(_, column, _)| column.rank >= SPARE);
        let needed = |(_, column, want): &(usize, &Column, usize)| if spare { *want } else { column.least.min(*want) };
        if shown.iter().map(needed).sum::<usize>() + gaps <= room {
            break;
        }
        let last = shown.iter().enumerate().filter(|(_, (_, column, _))| column.rank > 0);
        match last.max_by_key(|(_, (_, column, _))| column.rank).map(|(at, _)| at) {
            Some(at) => drop(shown.remove(at)),
            None => break,
        }
    }
    let gaps = GAP * shown.len().saturating_sub(1);
    let mut over = (shown.iter().map(|(.., want)| want).sum::<usize>() + gaps).saturating_sub(room);
    // The widest gives first, so that short ones stay whole.
    while over > 0 {
        let give = shown.iter_mut().filter(|(_, column, want)| *want > column.least).max_by_key(|(.., want)| *want);
        let Some((.., want)) = give else { break };
        *want -= 1;
        over -= 1;
    }
    let mut widths = vec![0; columns.len()];
    for (at, _, want) in shown {
        if let Some(width) = widths.get_mut(at) {
            *width = want;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] =
        [Column::time("joined", 2), Column::text("name", 8, 0), Column::text("email", 10, 3), Column::new("status", 0)];

    #[test]
    fn names_get_the_room_that_there_is() {
        assert_eq!(widths(&COLUMNS, &[6, 30, 24, 10], 100), [6, 30, 24, 10]);
        // Texts give, the longest first, but not what is short.
        assert_eq!(widths(&COLUMNS, &[6, 30, 24, 10], 66), [6, 22, 22, 10]);
        // The address goes before the name is cut to nothing.
        assert_eq!(widths(&COLUMNS, &[6, 30, 24, 10], 36), [6, 16, 0, 10]);
        assert_eq!(widths(&COLUMNS, &[23, 30, 24, 10], 40), [0, 28, 0, 10]);
        // A column that is not needed takes nothing from others.
        let spare = [Column::text("name", 8, 0), Column::time("changed", SPARE)];
        assert_eq!(widths(&spare, &[30, 7], 39), [30, 7]);
        assert_eq!(widths(&spare, &[30, 7], 38), [30, 0]);
        // What is empty leaves its room.
        assert_eq!(widths(&COLUMNS, &[6, 30, 0, 10], 50), [6, 30, 0, 10]);
        assert_eq!(widths(&COLUMNS, &[6, 30, 24, 10], 0), [0, 8, 0, 10]);
    }
}
