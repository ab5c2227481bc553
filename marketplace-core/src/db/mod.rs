//! The only code that knows there are two engines.
mod text_enum;
