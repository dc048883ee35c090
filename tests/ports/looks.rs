//! Who listens where, and whether a port is free.

use crate::holder::{Held, PLAIN, alone, listener, server};
use rustix::net::sockopt::set_socket_reuseport;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use sentinel::ports::{held_by, is_listening, listeners, prove_free};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

#[test]
fn every_kind_of_address_is_seen_with_its_holder() {
    for address in ["0.0.0.0", "127.0.0.1", "127.3.2.1", "::", "::1"] {
        let (child, port) = alone(|| {
            let (listener, port) = listener(address);
            (PLAIN.with(listener), port)
        });
        let found = listeners(&[port]).unwrap();
        assert_eq!(found.len(), 1, "{address}");
        assert_eq!(found[0].address.to_string(), address);
        assert_eq!(
            (found[0].port, found[0].uid),
            (port, rustix::process::geteuid().as_raw())
        );
        let holder = &found[0].holders[..];
        assert_eq!(holder.len(), 1, "{address}");
        assert_eq!(
            (holder[0].identity, holder[0].command.as_str()),
            (child.identity(), "sleep")
        );
        assert!(is_listening(port).unwrap());
        assert!(held_by(port, &[1, child.pid()]).unwrap());
        assert!(!held_by(port, &[1]).unwrap());
        assert!(!held_by(port, &[]).unwrap());
        let taken = format!("port {port} is listened on");
        assert_eq!(prove_free(port), Err(taken), "{address}");
        gone(child, port);
    }
}

fn gone(child: Held, port: u16) {
    drop(child);
    assert_eq!(listeners(&[port]).unwrap(), []);
    assert!(!is_listening(port).unwrap());
    assert_eq!(prove_free(port), Ok(()));
}

#[test]
fn all_who_share_one_socket_are_holders() {
    let (first, second, port) = alone(|| {
        let (listener, port) = listener("127.0.0.1");
        let copy = listener.try_clone().unwrap();
        (PLAIN.with(listener), PLAIN.with(copy), port)
    });
    let found = listeners(&[port]).unwrap();
    assert_eq!(found.len(), 1);
    let mut pids: Vec<i32> = found[0]
        .holders
        .iter()
        .map(|holder| holder.identity.pid)
        .collect();
    pids.sort_unstable();
    let mut expected = [first.pid(), second.pid()];
    expected.sort_unstable();
    assert_eq!(pids, expected);
}

#[test]
fn two_sockets_on_one_port_are_two_listeners() {
    let reuse = |port: u16| -> OwnedFd {
        let socket = socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        set_socket_reuseport(&socket, true).unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
        listen(&socket, 1).unwrap();
        socket
    };
    let (_first, _second, port) = alone(|| {
        let first = TcpListener::from(reuse(0));
        let port = first.local_addr().unwrap().port();
        (PLAIN.with(first), PLAIN.with(reuse(port)), port)
    });
    let found = listeners(&[port]).unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|listener| listener.holders.len() == 1));
    assert_ne!(found[0].holders, found[1].holders);
}

#[test]
fn a_client_is_not_a_holder() {
    let (server, port) = server(PLAIN);
    let client = alone(|| PLAIN.with(TcpStream::connect(("127.0.0.1", port)).unwrap()));
    let found = listeners(&[port]).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].holders.len(), 1);
    assert_eq!(found[0].holders[0].identity, server.identity());
    assert!(!held_by(port, &[client.pid()]).unwrap());
}

/// Leaves a connection of the port in TIME_WAIT: the server's side closes first.
fn leave_time_wait(listener: &TcpListener) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (served, _) = listener.accept().unwrap();
    served.shutdown(std::net::Shutdown::Write).unwrap();
    let mut end = [0; 1];
    assert_eq!(std::io::Read::read(&mut &client, &mut end).unwrap(), 0);
    drop(client);
    assert_eq!(std::io::Read::read(&mut &served, &mut end).unwrap(), 0);
}

#[test]
fn time_wait_is_an_obstacle_only_after_a_server_without_reuseaddr() {
    alone(|| {
        let (with, port) = listener("127.0.0.1");
        leave_time_wait(&with);
        drop(with);
        assert_eq!(prove_free(port), Ok(()));

        let socket = socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        listen(&socket, 1).unwrap();
        let without = TcpListener::from(socket);
        let port = without.local_addr().unwrap().port();
        leave_time_wait(&without);
        drop(without);
        let error = prove_free(port).unwrap_err();
        assert!(error.contains("1 connections in TIME_WAIT"), "{error}");
    });
}

#[test]
fn a_bound_socket_that_does_not_listen_is_named_as_such() {
    alone(|| {
        let socket = socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
        assert_eq!(listeners(&[address.port()]).unwrap(), []);
        let error = prove_free(address.port()).unwrap_err();
        assert!(error.contains("a socket is bound to it"), "{error}");
    });
}
