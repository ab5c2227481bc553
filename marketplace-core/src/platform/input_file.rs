//! Files that somebody names to be read. What may never answer is not waited for.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
};

/// How long a pipe with a name may stay silent before it is given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// Bytes of a file of settings at most.
const MOST: u64 = 16 * 1024 * 1024;

/// Opens a file to be read: a regular one, a pipe into which somebody writes (`<(…)` of a shell), or a device.
///
/// # Errors
/// For a folder or a socket, for a pipe with a name into which nobody writes within three seconds, and for what cannot be
/// opened.
pub fn open(path: &Path) -> io::Result<File> {
    open_within(path, PATIENCE)
}

/// Reads a whole file of settings, at most 16 MiB of it.
///
/// # Errors
/// Those of [`open`]; for what is longer, and for what is not UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = open(path)?.take(MOST + 1).read_to_string(&mut text)?;
    if length as u64 > MOST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {MOST} bytes")));
    }
    Ok(text)
}

fn open_within(path: &Path, patience: Duration) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    if kind.is_socket() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a socket"));
    }
    // A pipe without a name (`<(…)` of a shell) has somebody who writes into it from the beginning.
    let is_nameless = fs::read_link(path).is_ok_and(|to| to.as_os_str().as_encoded_bytes().starts_with(b"pipe:"));
    if !kind.is_fifo() || is_nameless {
        return File::open(path);
    }
    // Otherwise the opening itself waits for somebody who writes.
    let flag = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let pipe = OpenOptions::new().read(true).custom_flags(flag).open(path)?;
    let time = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    if poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&time))? == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "it is a pipe into which nobody writes"));
    }
    fcntl_setfl(&pipe, fcntl_getfl(&pipe)? - OFlags::NONBLOCK)?;
    Ok(pipe)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, process::Command};

    use super::*;

    #[test]
    fn what_never_answers_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        assert_eq!(read_to_string(&at("file")).unwrap(), "text");
        let _socket = UnixListener::bind(at("socket")).unwrap();
        assert_eq!(open(&at("socket")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let silent = open_within(&at("pipe"), Duration::from_millis(50)).unwrap_err();
        assert_eq!((silent.kind(), silent.to_string().contains("nobody writes")), (io::ErrorKind::TimedOut, true));
        let pipe = at("pipe");
        let writer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            fs::write(pipe, "later").unwrap();
        });
        assert_eq!(read_to_string(&at("pipe")).unwrap(), "later");
        writer.join().unwrap();
        let endless = read_to_string(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
    }
}
