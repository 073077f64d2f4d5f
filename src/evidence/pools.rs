//! Whether the servers of pools serve, asked at their management interfaces as the router asks: where none runs, that is
//! free. Nothing is changed there; it is asked once and left.

use std::io;
use std::time::{Duration, Instant};

use doctor::{Evidence, Failure};
use futures_util::future::join_all;
use openvpn::{Output, Trouble, Watch, WatchConfig};
use settings::{ClientPool, Management};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{sleep_until, timeout};

/// How long a connection and each answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(10);
/// Octets read at once.
const READ: usize = 16 * 1024;

/// Asks those that are chosen, at once.
pub(super) async fn look(pools: &[ClientPool], evidence: &mut Evidence) {
    let chosen = pools.iter().filter(|pool| evidence.chosen.has(&pool.name));
    let answers = join_all(chosen.map(async |pool| (pool, trouble(pool).await))).await;
    for (pool, trouble) in answers {
        let known = evidence.pools.iter_mut().find(|known| known.name == pool.name);
        if let (Some(known), Some(trouble)) = (known, trouble) {
            known.trouble = Some(Failure {
                reason: trouble.label().to_owned(),
                text: trouble.to_string(),
                remedy: trouble.remedy().to_owned(),
            });
        }
    }
}

/// Why it does not serve; nothing where it does, or where only the router may ask.
async fn trouble(pool: &ClientPool) -> Option<Trouble> {
    let config = WatchConfig {
        network: pool.pool.network,
        network6: pool.pool.network6,
        password: pool.password.clone(),
        interval: LONGEST,
        patience: PATIENCE,
        retry: LONGEST,
    };
    let mut machine = Watch::new(config, Instant::now());
    match timeout(LONGEST, ask(&mut machine, &pool.management)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Ok(Ok(()) | Err(_)) => machine.trouble().cloned(),
        Err(_) => Some(Trouble::Silent { patience: LONGEST }),
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Drives the machine until it knows; fails where there is no connection.
async fn ask(machine: &mut Watch, management: &Management) -> io::Result<()> {
    let mut stream: Option<Box<dyn Stream>> = None;
    let mut buffer = vec![0; READ];
    machine.handle_timeout(Instant::now());
    loop {
        while let Some(output) = machine.poll_output() {
            match (output, &mut stream) {
                (Output::Connect, _) => match within(connect(management)).await {
                    Ok(connected) => {
                        stream = Some(connected);
                        machine.handle_connected(Instant::now());
                    }
                    Err(error) => {
                        machine.handle_unreachable(error.to_string(), Instant::now());
                        return Err(error);
                    }
                },
                (Output::Send(octets), Some(stream)) => {
                    if within(stream.write_all(octets.expose())).await.is_err() {
                        machine.handle_closed(Instant::now());
                    }
                }
                (Output::Changed, _) => return Ok(()),
                (Output::Send(_), None) | (Output::Close, _) => {}
            }
        }
        let (Some(connected), Some(due)) = (&mut stream, machine.poll_timeout()) else { return Ok(()) };
        tokio::select! {
            read = connected.read(&mut buffer) => match read {
                Ok(length @ 1..) => machine.handle_bytes(&buffer[..length], Instant::now()),
                Ok(0) | Err(_) => machine.handle_closed(Instant::now()),
            },
            () = sleep_until(due.into()) => machine.handle_timeout(Instant::now()),
        }
    }
}

async fn connect(management: &Management) -> io::Result<Box<dyn Stream>> {
    Ok(match management {
        Management::Tcp(address) => Box::new(TcpStream::connect(address).await?),
        Management::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

async fn within<T>(attempt: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
