//! The other end of `nettest`'s transfers: a server on this machine's loopback interface.

use nettest::pattern::{Pattern, Sum};
use nettest::transfer::{HEADER, RECEIVE, SEND};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Longest time without any progress of a connection: a guest that has died does not keep its thread.
const PATIENCE: Duration = Duration::from_secs(120);
const CHUNK: usize = 64 << 10;

/// Starts the server; it lives as long as the process does. Its port.
pub fn start() -> io::Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // What goes wrong with one, the client sees.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    Ok(port)
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut header = [0; HEADER];
    stream.read_exact(&mut header)?;
    let word = |n: usize| u64::from_le_bytes(header.as_chunks().0[n]);
    match (word(0), word(1), word(2)) {
        (SEND, bytes, _) => {
            let sum = sum(&mut stream, bytes)?;
            stream.write_all(&sum.0.to_le_bytes())
        }
        (RECEIVE, bytes, seed) => send(&mut stream, bytes, seed),
        _ => Ok(()),
    }
}

fn sum(stream: &mut TcpStream, bytes: u64) -> io::Result<Sum> {
    let (mut sum, mut left, mut chunk) = (Sum::EMPTY, bytes, vec![0; CHUNK]);
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let got = stream.read(&mut chunk[..want])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sum = sum.and(&chunk[..got]);
        left -= got as u64;
    }
    Ok(sum)
}

fn send(stream: &mut TcpStream, bytes: u64, seed: u64) -> io::Result<()> {
    let (mut pattern, mut left, mut chunk) = (Pattern::new(seed), bytes, vec![0; CHUNK]);
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        pattern.fill(&mut chunk[..len]);
        stream.write_all(&chunk[..len])?;
        left -= len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(what: u64, bytes: u64, seed: u64) -> TcpStream {
        let port = start().unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        for word in [what, bytes, seed] {
            stream.write_all(&word.to_le_bytes()).unwrap();
        }
        stream
    }

    #[test]
    fn what_is_sent_is_summed_up() {
        let bytes: Vec<u8> = Pattern::new(5).take(200_000).collect();
        let mut stream = ask(SEND, bytes.len() as u64, 5);
        stream.write_all(&bytes).unwrap();
        let mut sum = [0; 8];
        stream.read_exact(&mut sum).unwrap();
        assert_eq!(u64::from_le_bytes(sum), Sum::EMPTY.and(&bytes).0);
    }

    #[test]
    fn what_is_received_is_the_pattern() {
        let mut bytes = Vec::new();
        ask(RECEIVE, 200_000, 6).read_to_end(&mut bytes).unwrap();
        assert!(bytes.iter().copied().eq(Pattern::new(6).take(200_000)));
    }
}
