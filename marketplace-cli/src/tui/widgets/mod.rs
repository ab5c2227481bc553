//! Widgets that several screens share.

pub mod columns;
pub mod form;
pub mod input;
pub mod palette;
pub mod popup;
pub mod rows;

use ratatui::layout::Rect;

/// Returns an area of at most that size in the middle of another.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
