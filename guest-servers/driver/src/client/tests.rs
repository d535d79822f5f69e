//! A client and a driver that dies or lies. Drivers that keep to the rules: the tests of `guest-servers/block`, `net` and the others.

use super::*;
use std::cell::RefCell;
use std::collections::VecDeque;

/// What the driver does with the next call.
enum Does {
    /// Completes so many more, in order, with these tags.
    Completes(Vec<u32>),
    /// Says that so many completions are there.
    Claims(u32),
    Says(Message),
    Dies,
}

/// A driver that follows a script, and its region.
struct Script {
    region: RefCell<Vec<u8>>,
    calls: VecDeque<Does>,
    completed: u32,
    /// What looking it up says, until the script goes on.
    finds: VecDeque<Result<(), Refusal>>,
    pauses: u32,
    opens: u32,
    /// Tags of the submissions that it has been shown, call by call.
    shown: Vec<Vec<u32>>,
    seen: u32,
}

impl Link for Script {
    fn find(&mut self) -> Result<(), Refusal> {
        self.finds.pop_front().unwrap_or(Ok(()))
    }
    fn call(&mut self, message: &Message) -> Option<Message> {
        let (submitted, request) = match Request::try_from(message).unwrap() {
            Request::Open { .. } => {
                (self.opens, self.completed, self.seen) = (self.opens + 1, 0, 0);
                return Some(Opened { info: [self.opens.into(); 6] }.into());
            }
            Request::Enter { submitted, .. } => {
                (submitted, self.calls.pop_front().expect("the script goes on"))
            }
            Request::Hook(_) => unreachable!(),
        };
        let tags = (self.seen..submitted).map(|n| {
            let at = Submission::place(n);
            Submission::from_bytes(self.region.borrow()[at..at + 32].try_into().unwrap()).tag
        });
        let tags = tags.collect();
        self.shown.push(tags);
        self.seen = submitted;
        match request {
            Does::Completes(tags) => {
                for tag in tags {
                    let completion = Completion { tag, outcome: Outcome::Done, value: tag.into() };
                    let at = Completion::place(self.completed);
                    self.region.borrow_mut()[at..at + 16].copy_from_slice(&completion.to_bytes());
                    self.completed += 1;
                }
                Some(Entered { completed: self.completed }.into())
            }
            Does::Claims(completed) => Some(Entered { completed }.into()),
            Does::Says(message) => Some(message),
            Does::Dies => None,
        }
    }
    fn call_for(&mut self, message: &Message, _us: u32) -> Called {
        self.call(message).map_or(Called::Gone, Called::Answer)
    }
    fn pause(&mut self) -> bool {
        self.pauses += 1;
        self.pauses < 100
    }
    fn region(&self) -> u64 {
        1
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.region.borrow()[offset..offset + into.len()]);
    }
    fn write(&self, offset: usize, from: &[u8]) {
        self.region.borrow_mut()[offset..offset + from.len()].copy_from_slice(from);
    }
}

fn client(calls: Vec<Does>) -> Client<Script> {
    let script = Script {
        region: RefCell::new(vec![0; 4096]),
        calls: calls.into(),
        completed: 0,
        finds: VecDeque::new(),
        pauses: 0,
        opens: 0,
        shown: Vec::new(),
        seen: 0,
    };
    Client::open(script).unwrap()
}

fn submit(client: &mut Client<Script>, count: usize) {
    for _ in 0..count {
        client.submit(Submission { operation: 1, ..Submission::default() }, Repeat::Allowed).unwrap();
    }
}

fn tags(client: &mut Client<Script>) -> Vec<(u32, Outcome)> {
    std::iter::from_fn(|| client.take()).map(|c| (c.tag, c.outcome)).collect()
}

#[test]
fn a_batch() {
    let mut c = client(vec![Does::Completes(vec![1]), Does::Completes(vec![0, 2])]);
    submit(&mut c, 3);
    c.wait(1).unwrap();
    assert_eq!(tags(&mut c), [(1, Outcome::Done)]);
    c.wait(2).unwrap();
    assert_eq!(tags(&mut c), [(0, Outcome::Done), (2, Outcome::Done)]);
    assert_eq!((c.under_way(), &c.link().shown[..]), (0, &[vec![0, 1, 2], vec![]][..]));
    c.wait(5).unwrap();
    assert_eq!(c.link().shown.len(), 2, "nothing is under way: there is nothing to wait for");
}

#[test]
fn a_session_has_an_end() {
    let mut c = client(vec![Does::Completes(vec![9]), Does::Completes(vec![])]);
    submit(&mut c, DEPTH as usize);
    assert!(c.submit(Submission::default(), Repeat::Allowed).is_err());
    c.wait(1).unwrap();
    assert!(c.submit(Submission::default(), Repeat::Allowed).is_err(), "it has not been taken");
    assert_eq!(tags(&mut c), [(9, Outcome::Done)]);
    assert_eq!(c.submit(Submission::default(), Repeat::Allowed), Ok(9));
}

#[test]
fn what_a_dead_driver_left_is_submitted_again_in_its_order() {
    let mut c = client(vec![Does::Completes(vec![0, 2]), Does::Dies, Does::Completes(vec![3, 1, 0])]);
    submit(&mut c, 4);
    c.wait(2).unwrap();
    assert_eq!(tags(&mut c).len(), 2);
    submit(&mut c, 1);
    c.link_mut().finds = [Err(Refusal::Again), Err(Refusal::Again)].into();
    c.wait(3).unwrap();
    assert_eq!(c.link().shown[2], [1, 3, 0], "the newest has tag 0 and is the last");
    assert_eq!(tags(&mut c).len(), 3);
    assert_eq!((c.recoveries(), c.link().pauses, c.opened().info[0]), (1, 2, 2));
}

#[test]
fn what_must_not_be_done_twice_is_lost() {
    let mut c = client(vec![Does::Dies, Does::Completes(vec![0])]);
    submit(&mut c, 1);
    c.submit(Submission::default(), Repeat::Never).unwrap();
    c.wait(2).unwrap();
    assert_eq!(c.link().shown, [vec![0, 1], vec![0]]);
    assert_eq!(tags(&mut c), [(1, Outcome::Lost), (0, Outcome::Done)]);
    assert_eq!(c.under_way(), 0);
}

#[test]
fn a_driver_that_is_given_up_or_never_comes() {
    for (finds, why) in [
        (vec![Err(Refusal::Again), Err(Refusal::NoDevice)], Refusal::NoDevice),
        (vec![Err(Refusal::Again); 200], Refusal::Again),
    ] {
        let mut c = client(vec![Does::Dies, Does::Completes(vec![0])]);
        submit(&mut c, 1);
        c.link_mut().finds = finds.into();
        assert_eq!(c.wait(1), Err(why));
        // It is there again: what was under way is done.
        c.link_mut().finds.clear();
        c.link_mut().calls.push_front(Does::Dies);
        c.wait(1).unwrap();
        assert_eq!(tags(&mut c), [(0, Outcome::Done)]);
    }
}

#[test]
fn what_was_given_up_is_not_done_later() {
    let mut c = client(vec![Does::Dies, Does::Dies, Does::Completes(vec![0])]);
    submit(&mut c, 2);
    c.link_mut().finds = [Err(Refusal::NoDevice)].into();
    assert_eq!(c.wait(1), Err(Refusal::NoDevice));
    c.give_up();
    assert_eq!(c.under_way(), 0);
    submit(&mut c, 1);
    c.wait(1).unwrap();
    assert_eq!(c.link().shown[2], [0], "only what was submitted since");
    assert_eq!(tags(&mut c), [(0, Outcome::Done)]);
}

#[test]
fn a_driver_that_lies_is_no_better_than_a_dead_one() {
    for lie in [
        Does::Claims(2),
        Does::Claims(u32::MAX),
        Does::Says(Message::refused(Refusal::NotFound)),
        Does::Says(Message::ok([1 << 32])),
        Does::Says(Message::ok([])),
        Does::Says(Message::new(ukernel_abi::Label(7), [1])),
    ] {
        let mut c = client(vec![lie, Does::Completes(vec![0])]);
        submit(&mut c, 1);
        c.wait(1).unwrap();
        assert_eq!((tags(&mut c), c.recoveries()), (vec![(0, Outcome::Done)], 1));
    }
}

#[test]
fn completions_of_nothing_are_none() {
    for tag in [1, 63, 64, u32::MAX] {
        let mut c =
            client(vec![Does::Completes(vec![tag]), Does::Completes(vec![]), Does::Completes(vec![0])]);
        submit(&mut c, 1);
        c.wait(1).unwrap();
        assert_eq!(tags(&mut c), []);
        c.wait(1).unwrap();
        assert_eq!((tags(&mut c), c.recoveries()), (vec![(0, Outcome::Done)], 1));
    }
}
