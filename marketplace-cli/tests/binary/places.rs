//! Files and databases that somebody names: nothing that exists is replaced, nothing is created by mistake, and a URL means
//! what it says.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, fs::symlink, net::UnixListener},
    path::Path,
};

use marketplace_core::testing;

use crate::support::{NOBODY, Place, code, err, json, out};

/// Returns every path below a folder, sorted.
fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path.display().to_string());
    }
    found.sort();
    found
}

#[test]
fn nothing_that_exists_is_ever_replaced() {
    let place = Place::with_users(1);
    fs::write(place.path("file"), "mine").unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    symlink(place.path("file"), place.path("link")).unwrap();
    symlink(place.path("nowhere"), place.path("dangling")).unwrap();
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    let before = below(place.folder.path());
    for command in
        [format!("kyc open {NOBODY} --output"), format!("users export {} --out", place.users[0]), "db backup".into()]
    {
        for at in ["file", "folder", "link", "dangling", "socket", "/dev/null", "/dev/stdout"] {
            let refused = place.run(&format!("{command} {at}"));
            let text = err(&refused);
            assert_eq!(code(&refused), 5, "{command} {at}: {text}");
            let wanted = format!("error: {at} exists already, and nothing is ever replaced\nhint: name another file");
            assert!(text.starts_with(&wanted) && out(&refused).is_empty(), "{command}: {text}");
        }
        for at in ["no/such/file", "file/in-it"] {
            let refused = place.run(&format!("{command} {at}"));
            assert_eq!(code(&refused), 3, "{command} {at}: {}", err(&refused));
            assert!(err(&refused).contains("there is no folder"), "{}", err(&refused));
        }
        assert_eq!(code(&place.run(&format!("{command} new/"))), 2);
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"mine");
    assert_eq!(below(place.folder.path()), before, "something was left behind");
    // What was refused is on no record.
    assert_eq!(out(&place.run("audit list --action users.export")), "");

    let exported = place.run(&format!("users export {} --out new.zip", place.users[0]));
    assert_eq!(code(&exported), 0, "{}", err(&exported));
    assert_eq!(fs::metadata(place.path("new.zip")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(code(&place.run("db backup new.bak")), 0);
}

/// A demonstration's database, for one, is used beside one that the environment is for.
#[test]
fn keys_beside_a_named_database_count_more_than_the_data_folder_of_the_environment() {
    let (here, other) = (Place::with_users(1), Place::with_users(0));
    let elsewhere = other.path("data").display().to_string();
    let url = format!("sqlite://{}", here.path("data/marketplace.db").display());
    let list = |keys: Option<&str>| {
        let mut command = other.command();
        command.env("MARKETPLACE_DATA_DIR", &elsewhere).args(["users", "list", "--db", &url, "-o", "id"]);
        if let Some(keys) = keys {
            command.env("MARKETPLACE_KEYS_DIR", keys);
        }
        command.output().unwrap()
    };
    let listed = list(None);
    assert_eq!(code(&listed), 0, "{}", err(&listed));
    assert_eq!(out(&listed).trim(), here.users[0]);
    // Keys that are named are those that are meant.
    assert_ne!(code(&list(Some(&format!("{elsewhere}/keys")))), 0);
}

#[test]
fn a_manual_page_needs_a_folder_that_is_there() {
    let place = Place::empty();
    let unknown = place.run("man ff");
    assert_eq!(code(&unknown), 2);
    let text = err(&unknown);
    assert!(text.starts_with("error: ff is neither a folder that is there nor a command\n"), "{text}");
    assert!(text.contains("mkdir ff") && text.contains("marketplace --help"), "{text}");
    let command = err(&place.run("man kyc"));
    assert!(command.starts_with("error: kyc is a command, and `man` takes a folder for its pages\n"), "{command}");
    assert!(command.contains("marketplace kyc --help"), "{command}");
    fs::create_dir(place.path("ff")).unwrap();
    let written = place.run("man ff");
    assert_eq!(code(&written), 0, "{}", err(&written));
    assert!(place.path("ff/marketplace-kyc.1").exists());
}

#[test]
fn a_path_without_a_database_is_refused_and_stays_as_it_is() {
    let place = Place::empty();
    fs::write(place.path("empty.db"), "").unwrap();
    fs::write(
        place.path("notes.txt"),
        "a text that is long enough not to look like a database of any kind\n".repeat(99),
    )
    .unwrap();
    fs::create_dir(place.path("folder")).unwrap();
    let before = below(place.folder.path());
    for at in
        ["nowhere/m.db", "m.db", "empty.db", "notes.txt", "folder", "sqlite://m.db?mode=rw", "~/m.db", "m.db?mode=ro"]
    {
        for line in [
            "kyc list".to_owned(),
            "kyc next --yes".into(),
            format!("users freeze {NOBODY} --reason spam --yes"),
            "users create --role admin --email a@example.org --name A --yes".into(),
            "stats".into(),
            "audit verify".into(),
            "db status".into(),
            "db migrate --dry-run".into(),
            "auth rotate-keys --yes".into(),
            "auth rotate-keys --lost --yes".into(),
            "doctor -o json".into(),
        ] {
            let refused = place.run(&format!("{line} --db {at}"));
            let wanted = if line.starts_with("doctor") { 1 } else { 7 };
            assert_eq!(code(&refused), wanted, "{line} --db {at}: {}", err(&refused));
            assert_eq!(below(place.folder.path()), before, "{line} --db {at}");
        }
        assert!(matches!(code(&place.run(&format!("db backup x.bak --db {at}"))), 3 | 7));
        assert_eq!(below(place.folder.path()), before, "db backup --db {at}");
    }
    // Without any choice, after the last profile was removed, it is the same.
    assert_eq!(code(&place.run("kyc list")), 7);
    assert_eq!(below(place.folder.path()), before);
    let refused = place.run("kyc list --db sqlite://m.db?mode=odd");
    assert_eq!((code(&refused), err(&refused).contains("mode=odd")), (2, true), "{}", err(&refused));
}

#[test]
fn urls_of_files_mean_what_they_say() {
    let place = Place::with_users(1);
    fs::rename(place.path("data"), place.path("my data")).unwrap();
    fs::rename(place.path("my data/marketplace.db"), place.path("my data/100%20.db")).unwrap();
    let run = |db: &str| place.command().args(["users", "list", "-o", "id", "--db", db]).output().unwrap();
    let folder = place.folder.path().display();
    for db in [
        "my data/100%20.db".to_owned(),
        "~/my data/100%20.db".into(),
        "my data/100%20.db?mode=ro".into(),
        "sqlite://~/my%20data/100%2520.db".into(),
        format!("sqlite://{folder}/my%20data/100%2520.db?mode=rw"),
        format!("sqlite://{folder}/my%20data/100%2520.db?mode=ro"),
    ] {
        let listed = run(&db);
        assert_eq!(out(&listed).trim(), place.users[0], "{db}: {}", err(&listed));
    }
}

#[test]
fn what_is_open_to_be_read_is_read_and_not_written() {
    let place = Place::with_users(1);
    let user = &place.users[0];
    let ro = "--db data/marketplace.db?mode=ro";
    for line in
        [format!("users freeze {user} --reason spam --yes"), format!("users reveal {user}"), "db migrate".into()]
    {
        let refused = place.run(&format!("{line} {ro}"));
        assert_eq!(code(&refused), 7, "{line}: {}", err(&refused));
        assert!(err(&refused).contains("read only"), "{line}: {}", err(&refused));
    }
    assert_eq!(code(&place.run(&format!("users show {user} {ro}"))), 0);
    assert_eq!(code(&place.run(&format!("audit verify {ro}"))), 0);

    // A copy that nobody may write, in a folder that nobody may write.
    assert_eq!(code(&place.run("db backup copy.db")), 0);
    fs::create_dir(place.path("copies")).unwrap();
    fs::rename(place.path("copy.db"), place.path("copies/copy.db")).unwrap();
    let mode = |path: &str, mode| fs::set_permissions(place.path(path), fs::Permissions::from_mode(mode)).unwrap();
    mode("copies/copy.db", 0o444);
    mode("copies", 0o555);
    let before = below(&place.path("copies"));
    let read = |line: &str| {
        let mut command = place.command();
        command.env("MARKETPLACE_KEYS_DIR", "data/keys").args(line.split_whitespace());
        command.args(["--db", "copies/copy.db"]).output().unwrap()
    };
    let listed = read("users list -o id");
    assert_eq!(out(&listed).trim(), user, "{}", err(&listed));
    assert_eq!(code(&read(&format!("users show {user}"))), 0);
    assert_eq!(code(&read(&format!("users freeze {user} --reason spam --yes"))), 7);
    assert_eq!(below(&place.path("copies")), before);
    mode("copies", 0o755);
}

#[test]
fn a_read_never_migrates() {
    let place = Place::empty();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // As an older program left it.
    let old = runtime.block_on(async {
        let mut at = 1;
        for _ in 0..2 {
            let mut all = testing::databases_at(at).await;
            let old = all.remove(0);
            for other in all {
                other.close().await;
            }
            let newest = old.db().schema_state().await.unwrap().newest;
            if at == newest - 1 {
                return old;
            }
            at = newest - 1;
        }
        unreachable!("the numbers of migrations have a gap")
    });
    let run = |line: &str| place.run(&format!("{line} --db {}", old.url()));
    let before = json(&out(&run("db status")))["schema"].clone();
    for line in ["users list", "kyc list", "audit list", "tokens list", "kyc next --yes"] {
        let refused = run(line);
        assert_eq!(code(&refused), 7, "{line}: {}", err(&refused));
        assert!(err(&refused).contains("marketplace db migrate"), "{line}: {}", err(&refused));
    }
    assert_eq!(json(&out(&run("db status")))["schema"], before);
}

/// Runs a line within a time: whatever hangs is a failure.
fn within(place: &Place, line: &str, variables: &[(&str, &str)]) -> std::process::Output {
    let mut command = place.command();
    command.envs(variables.iter().copied()).timeout(std::time::Duration::from_secs(40));
    command.args(line.split_whitespace()).output().unwrap()
}

#[test]
fn pipes_sockets_and_devices_are_never_waited_for() {
    let place = Place::with_users(1);
    let made = std::process::Command::new("mkfifo").arg(place.path("pipe")).status().unwrap();
    assert!(made.success());
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    let before = below(place.folder.path());
    for (at, what) in [("pipe", "a pipe"), ("socket", "a socket"), ("/dev/tty", "a device"), ("/dev/zero", "a device")]
    {
        for line in ["kyc list", "users list", "db status", "db migrate", "db backup x.bak", "audit verify"] {
            let refused = within(&place, &format!("{line} --db {at}"), &[]);
            assert_eq!(code(&refused), 7, "{line} --db {at}: {}", err(&refused));
            assert!(err(&refused).contains(&format!("{at} is {what}")), "{line} --db {at}: {}", err(&refused));
        }
    }
    // Settings and secrets: what never comes is not waited for, and what comes late is.
    for (line, variables) in [
        ("kyc list --config pipe", vec![]),
        ("kyc list --config socket", vec![]),
        ("kyc list --config data", vec![]),
        ("kyc list --api http://127.0.0.1:1", vec![("MARKETPLACE_TOKEN_FILE", "pipe")]),
        ("kyc list --api http://127.0.0.1:1", vec![("MARKETPLACE_TOKEN_FILE", "socket")]),
        ("kyc list", vec![("MARKETPLACE_DATABASE_URL_FILE", "pipe")]),
    ] {
        let refused = within(&place, line, &variables);
        assert_eq!(code(&refused), 2, "{line} {variables:?}: {}", err(&refused));
        assert!(err(&refused).contains("cannot be read"), "{line} {variables:?}: {}", err(&refused));
    }
    for line in ["replay pipe", "replay socket"] {
        let refused = within(&place, line, &[]);
        assert!(matches!(code(&refused), 2 | 7), "{line}: {}", err(&refused));
    }
    assert_eq!(below(place.folder.path()), before);
    let at = place.path("pipe");
    let writer = std::thread::spawn(move || fs::write(at, "database_url = 'sqlite://data/marketplace.db'\n").unwrap());
    let listed = within(&place, "users list -o id --config pipe", &[]);
    assert_eq!(out(&listed).trim(), place.users[0], "{}", err(&listed));
    writer.join().unwrap();
    // A token is read once, however often it is asked for.
    let at = place.path("pipe");
    let writer = std::thread::spawn(move || fs::write(at, "mkt_atoken").unwrap());
    let away = within(&place, "kyc list --api http://127.0.0.1:1", &[("MARKETPLACE_TOKEN_FILE", "pipe")]);
    assert_eq!(code(&away), 7, "the token was read, and the server is not there: {}", err(&away));
    writer.join().unwrap();
}

/// Runs a line with a limit on the size of files, in blocks of 512 bytes: as on a disk that is full in the middle.
fn limited(place: &Place, blocks: u32, line: &str) -> std::process::Output {
    let mut command = std::process::Command::new("sh");
    command.current_dir(place.folder.path()).env_clear().env("HOME", place.folder.path()).env("USER", "test");
    let program = place.command().get_program().to_owned();
    command.arg("-c").arg(format!("ulimit -f {blocks}; exec \"$0\" {line}")).arg(program).output().unwrap()
}

#[test]
fn a_disk_that_is_full_in_the_middle_leaves_no_half_file() {
    let place = Place::with_users(1);
    fs::create_dir(place.path("pages")).unwrap();
    let before = below(place.folder.path());
    let ro = "--db 'data/marketplace.db?mode=ro'";
    let rw = "--db data/marketplace.db";
    for (blocks, line) in
        [(16, format!("db backup half.bak {ro}")), (200, format!("db backup half.bak {rw}")), (4, "man pages".into())]
    {
        let failed = limited(&place, blocks, &line);
        assert!(matches!(code(&failed), 1 | 7), "{line}: {}", err(&failed));
        assert!(err(&failed).starts_with("error: "), "{line}: {}", err(&failed));
        assert!(!err(&failed).contains("goes on by itself"), "{line}: {}", err(&failed));
        let left: Vec<_> = below(place.folder.path()).into_iter().filter(|path| !before.contains(path)).collect();
        assert!(left.iter().all(|path| path.contains("marketplace.db-")), "{line}: {left:?}");
    }
    for line in ["man", "completions bash"] {
        let failed = limited(&place, 1, &format!("{line} > out"));
        assert_eq!(code(&failed), 1, "{line}: {}", err(&failed));
        assert!(err(&failed).starts_with("error: "), "{line}: {}", err(&failed));
        fs::remove_file(place.path("out")).unwrap();
    }
}

/// Runs a line as somebody who may do little, where that can be tried: as root only, which no folder keeps out.
fn as_nobody(place: &Place, line: &str) -> Option<std::process::Output> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let program = place.command().get_program().to_owned();
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(program);
    command.current_dir(place.folder.path()).env_clear().env("HOME", "/nonexistent").env("USER", "nobody");
    command.args(line.split_whitespace()).output().ok().filter(|output| output.status.code() != Some(127))
}

#[test]
fn a_folder_that_may_not_be_entered_is_named() {
    let place = Place::with_users(1);
    let mode = |path: &str, mode| fs::set_permissions(place.path(path), fs::Permissions::from_mode(mode)).unwrap();
    mode("", 0o755);
    mode("data", 0o700);
    for line in ["kyc list", "db status", "db migrate", "db backup x.bak"] {
        let Some(refused) = as_nobody(&place, &format!("{line} --db data/marketplace.db")) else { return };
        assert_eq!(code(&refused), 7, "{line}: {}", err(&refused));
        let text = err(&refused);
        assert!(
            text.contains("data may not be entered") || text.contains("may not write into the folder ."),
            "{line}: {text}"
        );
    }
    let Some(refused) = as_nobody(&place, "man data") else { return };
    assert!(matches!(code(&refused), 3 | 7) && err(&refused).starts_with("error: "), "{}", err(&refused));
}
