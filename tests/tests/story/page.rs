//! The story in `docs/api.md`: the commands of the page, run as they stand there.

use std::process::Stdio;

use marketplace_tests::{Engine, Server, binaries, pictures};
use tokio::process::Command;

#[tokio::test]
async fn the_page_about_the_api_tells_a_story_that_runs() {
    for program in ["bash", "curl", "jq"] {
        if std::process::Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: {program} is not installed");
            return;
        }
    }
    let server = Server::start(Engine::Sqlite).await;
    let page = std::fs::read_to_string(binaries::workspace().join("docs/api.md")).unwrap();
    let commands: Vec<&str> = page.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert!(commands.len() > 5, "the page has its story");
    let folder = server.data().parent().unwrap().to_owned();
    for (name, seed) in [("me.jpg", 1), ("passport.jpg", 2)] {
        std::fs::write(folder.join(name), pictures::jpeg(seed)).unwrap();
    }
    let programs = binaries::cli().parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let story = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands.join("\n")])
        .current_dir(folder)
        .env("PATH", path)
        .env("BASE", &server.url)
        .kill_on_drop(true)
        .output();
    let told = tokio::time::timeout(std::time::Duration::from_mins(2), story).await.expect("the story ends").unwrap();
    let (output, errors) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "{}: {output}\n{errors}", told.status);
    assert!(output.trim_end().ends_with("true"), "{output}");
}
