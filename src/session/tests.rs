//! A session's task with real sockets.

use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;
use wire::Secret;

use std::time::{Duration, Instant};

use peering::StopReason;
use rib::PeerId;
use telemetry::report::Reporter;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::{Command, Handle, Life, Link, Notice, spawn};

/// A session with a peer of a range, which has just connected from 127.0.0.1.
async fn accepted(transport: settings::Transport) -> (Handle, JoinHandle<()>, TcpStream) {
    let text = "router: {name: hub, asn: 65000, router-id: 10.0.0.1}\n\
                neighbors:\n  - {name: branches, asn: 65010, range: 10.7.0.0/24}\n";
    let router = config::parse("test.yaml", text, &config::SystemSecrets::new(".".as_ref())).unwrap().router;
    let mut session = router.neighbors[0].session.clone();
    session.peer.peer_address = [127, 0, 0, 1].into();
    session.transport = transport;
    let (tables, _) = mpsc::channel::<(PeerId, Notice)>(16);
    let (handle, task) = spawn(&session, Life::OneConnection, false, tables, Reporter::new(Arc::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (theirs, ours) = tokio::join!(connecting, listener.accept());
    let (stream, from) = ours.unwrap();
    let link = Link { interface: None, mss: None, hops: None, listens: false };
    handle.commands.send(Command::TunnelUp(link)).await.unwrap();
    handle.commands.send(Command::Accepted(stream, from)).await.unwrap();
    (handle, task, theirs.unwrap())
}

#[tokio::test]
async fn a_connection_that_cannot_be_protected_is_not_taken() {
    let protected = settings::Transport { ttl_security: Some(1), ..settings::Transport::default() };
    let (_session, _task, mut theirs) = accepted(protected.clone()).await;
    assert_eq!(theirs.read(&mut [0; 16]).await.unwrap(), 16, "our OPEN");

    // The kernel takes keys of at most 80 octets.
    let md5 = Some(Secret::from([b'k'; 81].as_slice()));
    let (_session, task, mut theirs) = accepted(settings::Transport { md5, ..protected }).await;
    let heard = tokio::time::timeout(Duration::from_secs(5), theirs.read(&mut [0; 16])).await;
    assert!(matches!(heard, Ok(Ok(0) | Err(_))), "{heard:?}");
    tokio::time::timeout(Duration::from_secs(5), task).await.expect("nothing is left of it").unwrap();
}

#[tokio::test]
async fn a_session_that_stops_is_over_when_its_last_word_is_out() {
    let (session, task, mut theirs) = accepted(settings::Transport::default()).await;
    theirs.read_exact(&mut [0; 19]).await.unwrap();
    let (asked, reason) = (Instant::now(), StopReason::AdminShutdown("router is stopping".to_owned()));
    session.commands.send(Command::Shutdown(reason)).await.unwrap();
    // The peer does not hang up, and might not have it yet.
    tokio::time::timeout(Duration::from_secs(5), task).await.expect("not for ever").unwrap();
    assert!(asked.elapsed() > Duration::from_millis(500), "{:?}", asked.elapsed());
    let mut heard = Vec::new();
    drop(theirs.read_to_end(&mut heard).await);
    assert!(heard.ends_with(b"router is stopping"), "{heard:?}");
}
