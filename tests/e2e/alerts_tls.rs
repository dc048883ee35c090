//! Alerts over https: to a listener whose certificate was signed by an authority of one's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use crate::house::{House, PATIENCE, free_port};
use crate::trouble::plain;

/// An authority in `ca.pem`, and in `leaf.pem` and `leaf.key` a server named localhost that it vouches for.
fn certificates(folder: &Path) -> bool {
    let script = "
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout leaf.key -out leaf.csr
        printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' >extensions
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out leaf.pem";
    let made = Command::new("sh")
        .args(["-ec", script])
        .current_dir(folder)
        .output();
    made.is_ok_and(|output| output.status.success())
}

/// Takes connections until one of them brings a request, which it answers with 200; gives its JSON.
fn take(listener: TcpListener, folder: &Path) -> JoinHandle<Value> {
    let chain = vec![CertificateDer::from_pem_file(folder.join("leaf.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(folder.join("leaf.key")).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they fit");
    let config = Arc::new(config);
    std::thread::spawn(move || {
        loop {
            let (stream, _) = listener.accept().expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("set");
            let connection = ServerConnection::new(config.clone()).expect("a server");
            if let Ok(request) = read(StreamOwned::new(connection, stream)) {
                return request;
            }
        }
    })
}

/// One request; an error when the other side does not trust us.
fn read(stream: impl Read + Write) -> std::io::Result<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().map_err(std::io::Error::other)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let stream = reader.get_mut();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    stream.flush()?;
    Ok(serde_json::from_slice(&body)?)
}

#[test]
fn an_https_webhook_is_reached_through_an_authority_of_ones_own_and_no_stranger_is_trusted() {
    let house = House::new(&plain("web", ""));
    if !certificates(&house.path("")) {
        return eprintln!("skipped: no openssl; scripts/test_tools installs it");
    }
    let port = free_port();
    let hook = format!("[alerts]\nwebhook = \"https://localhost:{port}/hook\"\n");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("bound");
    let taken = take(listener, &house.path(""));
    house.write(&(hook.clone() + &plain("web", "")));
    house.run(&["alert", "test"]).exits(1).says(
        "no authority that is known here has signed its certificate; name the one that has with `ca_file`",
    );
    house.write(&(hook.clone() + "ca_file = \"ca.pem\"\n" + &plain("web", "")));
    house.run(&["alert", "test"]).exits(0).says("delivered");
    assert_eq!(taken.join().expect("taken")["alerts"][0]["state"], "test");
    // The same by the variable that other programs take, and from the supervisor itself.
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("bound");
    let taken = take(listener, &house.path(""));
    let doomed =
        "group = \"50ms\"\ndisk_free = \"0%\"\n[services.bad]\ncommand = \"false\"\nmax_restarts = 0\n";
    house.write(&(hook.clone() + doomed));
    let mut start = house.command(&["start"]);
    start.env("SSL_CERT_FILE", house.path("ca.pem"));
    assert_eq!(start.output().expect("it runs").status.code(), Some(1));
    assert_eq!(taken.join().expect("taken")["alerts"][0]["kind"], "fatal");
    for (file, words) in [
        ("nowhere.pem", "cannot read"),
        ("services.toml", "holds no certificate"),
    ] {
        house.write(&(hook.clone() + &format!("ca_file = \"{file}\"\n") + &plain("web", "")));
        house.run(&["check"]).exits(5).says(words);
    }
}
