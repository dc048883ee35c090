//! Who may command: the owner and root, with small and quick requests, from files that only they can write.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::house::{House, alive, one_of_three, signal, until};
use crate::trouble::plain;

/// Another user, whom every system has.
const NOBODY: u32 = 65534;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("our own");
}

fn connect(house: &House) -> UnixStream {
    let stream = UnixStream::connect(house.path(".sentinel/sock")).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .expect("set");
    stream
}

fn rest(mut stream: UnixStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn strangers_are_told_whom_to_be_even_when_the_file_modes_let_them_in() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("SKIPPED: only root can be somebody else");
    }
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let web = house.pid("web");
    chmod(&house.path(""), 0o755);
    let as_nobody = |arguments: &[&str]| {
        let output = house
            .command(arguments)
            .uid(NOBODY)
            .gid(NOBODY)
            .output()
            .expect("it runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    for door in ["shut", "open"] {
        if door == "open" {
            chmod(&house.path(".sentinel"), 0o777);
            chmod(&house.path(".sentinel/sock"), 0o777);
        }
        for verb in [&["stop"][..], &["status"], &["shutdown"], &["restart", "web"]] {
            let (code, said) = as_nobody(verb);
            assert_eq!(code, Some(1), "{door} {verb:?}: {said}");
            assert!(
                said.contains("only root") || said.contains("run sentinel as"),
                "{door} {verb:?}: {said}"
            );
        }
    }
    assert!(alive(web));
    chmod(&house.path(".sentinel"), 0o700);
    house.run(&["status"]).exits(0);
}

#[test]
fn slow_and_large_requests_are_ended_and_the_next_caller_is_answered() {
    one_of_three(slow_and_large_requests_are_ended_in_time);
}

fn slow_and_large_requests_are_ended_in_time() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let began = Instant::now();
    let mut head = connect(&house);
    head.write_all(b"GET /v1/status HTTP/1.1\r\nHost:").expect("sent");
    let mut body = connect(&house);
    body.write_all(b"POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{\"serv")
        .expect("sent");
    let mut idle = connect(&house);
    idle.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("sent");
    let silent = connect(&house);
    let mut large = connect(&house);
    let request = format!(
        "POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
        70 << 10
    );
    large.write_all(request.as_bytes()).expect("sent");
    let _ = large.write_all(&vec![b' '; 70 << 10]);
    let mut wide = connect(&house);
    let _ =
        wide.write_all(format!("GET /v1/status HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(32 << 10)).as_bytes());
    house.run(&["status"]).exits(0);
    assert!(rest(large).contains("the request's body: length limit exceeded"));
    assert!(rest(wide).starts_with("HTTP/1.1 431"));
    assert!(rest(body).contains("did not come within 5 s"));
    rest(head);
    rest(silent);
    assert!(
        rest(idle).contains("\"services\""),
        "it was answered before it idled"
    );
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(
        house.service("web")["state"],
        "RUNNING",
        "no half request is obeyed"
    );
}

#[test]
fn a_crowd_on_the_socket_keeps_nobody_out_for_long() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let crowd: Vec<UnixStream> = (0..140).map(|_| connect(&house)).collect();
    house.run(&["stop", "web"]).says("too many are connected");
    until("the crowd is sent away", || house.run(&["stop", "web"]).code == 0);
    drop(crowd);
}

#[test]
fn what_others_can_write_is_not_run() {
    let house = House::new(&(plain("web", "")));
    house.run(&["start"]).exits(0);
    let web = house.pid("web");
    let file = house.path("services.toml");
    let refused = |mode: u32, path: &Path, way_out: &str| {
        let before = path.metadata().expect("there").permissions();
        chmod(path, mode);
        for verb in [&["check"][..], &["restart"], &["restart", "emergency"]] {
            house.run(verb).exits(5).says(way_out);
        }
        fs::set_permissions(path, before).expect("our own");
    };
    refused(0o666, &file, &format!("chmod go-w {}", file.display()));
    if nix::unistd::geteuid().is_root() {
        refused(0o664, &file, &format!("chmod go-w {}", file.display()));
    }
    refused(0o777, &house.path(""), "everybody can write to the folder");
    assert!(alive(web), "the running system is left alone");
    chmod(&house.path(""), 0o1777);
    house.run(&["check"]).exits(0);
    chmod(&house.path(""), 0o700);
    house.run(&["restart"]).exits(0);
}

#[test]
fn no_link_in_the_state_folder_is_followed() {
    let house = House::new(&plain("web", "--say hello"));
    house.run(&["start"]).exits(0);
    until("it speaks", || house.log("web").contains("hello"));
    let names: Vec<_> = walk(&house.path(".sentinel"));
    house.run(&["shutdown"]).exits(0);
    let victim = house.path("victim");
    fs::write(&victim, "precious").expect("written");
    chmod(&victim, 0o644);
    for name in &names {
        let link = house.path(".sentinel").join(name);
        let _ = fs::create_dir_all(link.parent().expect("a folder"));
        let _ = fs::remove_file(&link);
        symlink(&victim, &link).expect("linked");
    }
    house.run(&["start"]);
    house.run(&["shutdown"]);
    until("nobody is left", || house.marked().is_empty());
    assert_eq!(
        fs::read_to_string(&victim).expect("there"),
        "precious",
        "{names:?}"
    );
    assert_eq!(
        victim.metadata().expect("there").permissions().mode() & 0o777,
        0o644
    );
    let elsewhere = house.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a new folder");
    fs::remove_dir_all(house.path(".sentinel")).expect("ours");
    symlink(&elsewhere, house.path(".sentinel")).expect("linked");
    house.run(&["start"]).exits(1).says("symbolic link");
    assert_eq!(fs::read_dir(&elsewhere).expect("a folder").count(), 0);
    fs::remove_file(house.path(".sentinel")).expect("ours");
    house.run(&["start"]).exits(0);
    signal(house.supervisor(), nix::sys::signal::Signal::SIGTERM);
    until("all is down", || house.marked().is_empty());
}

/// Every file below a folder, relative to it.
fn walk(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![folder.to_path_buf()];
    while let Some(next) = rest.pop() {
        for entry in fs::read_dir(next).expect("a folder").flatten() {
            match entry.file_type().expect("a type").is_dir() {
                true => rest.push(entry.path()),
                false => found.push(
                    entry
                        .path()
                        .strip_prefix(folder)
                        .expect("below")
                        .display()
                        .to_string(),
                ),
            }
        }
    }
    assert!(found.len() >= 4, "{found:?}");
    found
}
