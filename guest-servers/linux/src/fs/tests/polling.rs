//! Waiting for several files.

use super::world::World;
use crate::errno::Errno;
use crate::fs::pipe::pipe;
use crate::fs::poll::{Events, Watch, poll};
use linux_raw_sys::general as raw;

#[test]
fn ready_files_are_reported_at_once() {
    let w = World::new();
    w.put("/f", b"");
    let file = w.open("/f", raw::O_RDWR).unwrap();
    let user = w.user.clone();
    let done = w.start(async move {
        let watches = [
            Watch { file: Some(file), wanted: Events::IN | Events::OUT },
            Watch { file: None, wanted: Events::IN },
        ];
        let mut events = Vec::new();
        let n = poll(&*user, &watches, None, &mut events).await;
        (n, events)
    });
    assert_eq!(done.take(), (Ok(2), vec![Events::IN | Events::OUT, Events::NVAL]));
}

#[test]
fn the_first_to_become_ready_ends_the_wait() {
    let w = World::new();
    let (r1, _w1) = pipe(&w.ctx(), 0).unwrap();
    let (r2, w2) = pipe(&w.ctx(), 0).unwrap();
    let user = w.user.clone();
    let done = w.start(async move {
        let watches = [r1, r2].map(|file| Watch { file: Some(file), wanted: Events::IN });
        let mut events = Vec::new();
        let n = poll(&*user, &watches, Some(1_000_000), &mut events).await;
        (n, events)
    });
    assert!(done.is_pending());
    w.write(&w2, b"x").unwrap();
    w.run();
    assert_eq!(done.take(), (Ok(1), vec![Events::empty(), Events::IN]));
    // The timer is gone with the wait.
    assert_eq!(w.user.timers.next_deadline(), None);
}

#[test]
fn time_ends_it_too_and_so_do_signals() {
    let w = World::new();
    let start = |deadline| {
        let (r, wr) = pipe(&w.ctx(), 0).unwrap();
        let user = w.user.clone();
        w.start(async move {
            let watches = [Watch { file: Some(r), wanted: Events::IN }];
            let result = poll(&*user, &watches, deadline, &mut Vec::new()).await;
            drop(wr);
            result
        })
    };
    assert_eq!(start(Some(0)).take(), Ok(0));
    let timed = start(Some(500));
    assert_eq!(w.user.timers.next_deadline(), Some(500));
    w.user.timers.advance(500);
    w.run();
    assert_eq!(timed.take(), Ok(0));
    let endless = start(None);
    w.user.interrupt.raise();
    w.run();
    assert_eq!(endless.take(), Err(Errno::ERESTARTNOHAND));
}

#[test]
fn waiting_for_nothing_is_sleeping() {
    let w = World::new();
    let user = w.user.clone();
    let done = w.start(async move { poll(&*user, &[], Some(100), &mut Vec::new()).await });
    assert!(done.is_pending());
    w.user.timers.advance(100);
    w.run();
    assert_eq!(done.take(), Ok(0));
}

#[test]
fn a_hang_up_is_told_to_whoever_asks_for_nothing() {
    let w = World::new();
    let (r, wr) = pipe(&w.ctx(), 0).unwrap();
    let user = w.user.clone();
    let done = w.start(async move {
        let watches = [Watch { file: Some(r), wanted: Events::empty() }];
        let mut events = Vec::new();
        poll(&*user, &watches, None, &mut events).await.map(|_| events)
    });
    assert!(done.is_pending());
    drop(wr);
    w.run();
    assert_eq!(done.take(), Ok(vec![Events::HUP]));
}
