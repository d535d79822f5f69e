use super::*;
use std::os::unix::net::UnixStream;

const LONG: Duration = Duration::from_secs(60);
/// More than may be under way.
const MUCH: usize = 1 << 20;

/// Two ends with a wire between them. What comes to a door inside is answered by `serve`.
struct Lab {
    outside: Arc<Exchange>,
    inside: Arc<Exchange>,
}

fn lab(serve: fn(u8, UnixStream)) -> Lab {
    let (out, inn) = UnixStream::pair().unwrap();
    let exchange =
        |wire: &UnixStream, end| Exchange::new(Arc::new(Sender::new(wire.try_clone().unwrap())), end);
    let (outside, inside) = (exchange(&out, End::Outside), exchange(&inn, End::Inside));
    for (this, mut wire) in [(outside.clone(), out), (inside.clone(), inn)] {
        thread::spawn(move || {
            while let Ok(Some(Frame::Relay(number, step))) = Frame::read(&mut wire) {
                let Step::Open(door) = step else {
                    this.hear(number, step);
                    continue;
                };
                let begun = this.begin(number);
                let (ours, its) = UnixStream::pair().unwrap();
                this.join(begun, ours.into());
                thread::spawn(move || serve(door, its));
            }
        });
    }
    Lab { outside, inside }
}

impl Lab {
    fn come(&self, door: u8) -> UnixStream {
        let (ours, its) = UnixStream::pair().unwrap();
        self.outside.open(door, its.into());
        ours
    }
}

fn echo(_: u8, stream: UnixStream) {
    drop(std::io::copy(&mut &stream, &mut &stream));
}

#[test]
fn what_is_said_comes_back_whole_in_order_and_ends() {
    let lab = lab(echo);
    let mut stream = lab.come(0);
    let said: Vec<u8> = (0..MUCH).map(|i| ((i * 31) >> 3) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let mut heard = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            writer.write_all(&said).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut heard).unwrap();
    });
    assert!(heard == said, "{} bytes came back", heard.len());
    for end in [lab.outside, lab.inside] {
        drop(end.changed.wait_timeout_while(end.table(), LONG, |table| !table.channels.is_empty()));
        assert!(end.table().channels.is_empty(), "nothing is left of it");
    }
}

#[test]
fn one_who_does_not_read_holds_up_nobody() {
    let lab = lab(|door, mut stream| match door {
        0 => drop(stream.write_all(&vec![0; 64 * MUCH])),
        _ => echo(door, stream),
    });
    let lazy = lab.come(0);
    for _ in 0..3 {
        let mut stream = lab.come(1);
        let mut answer = [0; 5];
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
    }
    drop(lazy);
}

#[test]
fn the_last_words_are_heard() {
    let lab = lab(|_, mut stream| stream.write_all(b"bye").unwrap());
    let mut stream = lab.come(0);
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    lab.inside.wait_for_silence(LONG);
    assert_eq!(heard, "bye");
    lab.outside.end(LONG);
}

#[test]
fn there_are_not_too_many() {
    let (ours, _far) = UnixStream::pair().unwrap();
    let exchange = Exchange::new(Arc::new(Sender::new(ours)), End::Inside);
    let come = |_| {
        let (ours, its) = UnixStream::pair().unwrap();
        exchange.open(0, its.into());
        ours
    };
    let mut all: Vec<_> = (0..=CHANNELS_MAX).map(come).collect();
    assert_eq!(exchange.table().channels.len(), CHANNELS_MAX);
    assert_eq!(all[CHANNELS_MAX].read(&mut [0]).unwrap(), 0, "the last one is closed");
}

#[test]
fn where_nobody_is_the_connection_ends() {
    let (ours, _far) = UnixStream::pair().unwrap();
    let exchange = Exchange::new(Arc::new(Sender::new(ours)), End::Outside);
    let (mut stream, its) = UnixStream::pair().unwrap();
    exchange.open(7, its.into());
    exchange.hear(0, Step::Bytes(b"partly".to_vec()));
    exchange.hear(0, Step::Shut);
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "partly");
    let begun = exchange.begin(1);
    exchange.refuse(begun.number());
    exchange.hear(1, Step::Bytes(vec![1]));
    assert!(!exchange.table().channels.contains_key(&1));
}
