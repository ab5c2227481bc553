//! Disks that fail: a library that makes a program's system calls fail on chosen files, and small disks that fill up.
//!
//! Both need something of the machine (a C compiler; the right to mount). Where it is missing, a story says so and ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::server::Server;

/// Error numbers as plain integers, because they are passed to the library unchanged.
pub mod errno {
    /// Input/output error.
    pub const EIO: i32 = 5;
    /// Out of memory.
    pub const ENOMEM: i32 = 12;
    /// Permission denied.
    pub const EACCES: i32 = 13;
    /// No space left on the device.
    pub const ENOSPC: i32 = 28;
    /// The file system is read-only.
    pub const EROFS: i32 = 30;
    /// The file is larger than allowed.
    pub const EFBIG: i32 = 27;
    /// The disk quota is exceeded.
    pub const EDQUOT: i32 = 122;
    /// The file handle is stale, as on NFS.
    pub const ESTALE: i32 = 116;
}

/// System calls of a program that can be made to fail.
#[derive(Debug)]
pub struct Faults {
    folder: TempDir,
}

impl Faults {
    /// Builds the library; returns `None`, with a message, where there is no C compiler.
    pub fn new() -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let source = folder.path().join("fault.c");
        fs::write(&source, include_str!("fault.c")).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(folder.path().join("fault.so"))
            .arg(&source)
            .output();
        match built {
            Ok(output) if output.status.success() => Some(Self { folder }),
            Ok(output) => panic!("the library of faults does not build: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => {
                eprintln!("skipped: system calls cannot be made to fail, as there is no cc ({error})");
                None
            }
        }
    }

    /// Returns the environment that a program needs for these faults.
    pub fn environment(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        vec![("LD_PRELOAD".into(), path("fault.so")), ("FAULT_CONTROL".into(), path("control"))]
    }

    /// Makes calls of these kinds (`read`, `write`, `fsync`, `truncate`, `open`, separated by commas) fail with `errno`
    /// on files whose name ends in `ending`. A negative `errno` only delays them by that many milliseconds.
    pub fn fail(&self, errno: i32, calls: &str, ending: &str) {
        self.fail_all(&[(errno, calls, ending)]);
    }

    /// Like [`Faults::fail`], for several faults; the first that matches a call counts.
    pub fn fail_all(&self, faults: &[(i32, &str, &str)]) {
        // Replaced atomically: no call sees half of it.
        let draft = self.folder.path().join("draft");
        let lines = faults.iter().map(|(errno, calls, ending)| format!("{errno} {calls} {ending}\n"));
        fs::write(&draft, lines.collect::<String>()).unwrap();
        fs::rename(draft, self.folder.path().join("control")).unwrap();
    }

    /// Ends all faults.
    pub fn heal(&self) {
        fs::remove_file(self.folder.path().join("control")).unwrap();
    }
}

/// A small disk in memory, unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts a disk of `bytes` over a folder, which is created; returns `None`, with a message, where that is not
    /// permitted.
    pub fn mount(path: &Path, bytes: u64) -> Option<Self> {
        fs::create_dir_all(path).unwrap();
        let output =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"]).arg(path).output();
        match output {
            Ok(output) if output.status.success() => Some(Self { path: path.to_owned() }),
            Ok(output) => {
                eprintln!("skipped: no disk can be mounted here: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: no disk can be mounted here: {error}");
                None
            }
        }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills the disk completely.
    pub fn fill(&self) {
        use std::io::Write;
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.path.join("ballast")).unwrap();
        for size in [65_536, 4_096, 1] {
            let piece = vec![b'x'; size];
            while file.write_all(&piece).is_ok() {}
        }
    }

    /// Frees what [`SmallDisk::fill`] used.
    pub fn empty(&self) {
        fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a program that is just ending may still have a file open on it.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

impl Server {
    /// Starts a server with settings, whose system calls can be made to fail.
    pub async fn start_under(faults: &Faults, engine: crate::Engine, settings: &[(&str, &str)]) -> Self {
        let mut server = Self::prepare(engine, settings).await;
        server.extra_environment = faults.environment();
        server.run().await;
        server
    }
}
