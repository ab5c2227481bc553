//! All SQL queries for threads and messages. Pages are read as one row of JSON: read row by row through the driver, a
//! page costs several times as much.

mod append;
mod deliver;
mod export;
mod files;
mod pages;
mod staff;

pub(super) use append::{NewRow, Sent, append, membership, sent, take};
pub(crate) use deliver::{delivered, rendered};
pub(crate) use export::{files_sent, messages_of, summary_of, threads_of};
pub(super) use files::{
    ClearFile, File, Stored, claim, clear_files, delete_files_of, delete_loose, file, insert_file, loose,
    loose_of_user, seal_file,
};
pub(super) use pages::{
    Data, MessageRow, NewThread, Window, advance, get, insert_thread, list, messages, of_service, offered, pointer,
};
pub(super) use staff::{
    count_between, note_read, page, parties, place, prune_reads, read_at, remove, restore, set_note, set_status, show,
    tombstone,
};
pub(crate) use staff::{count_since, have_thread};
