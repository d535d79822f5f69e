use std::cell::RefCell;
use std::rc::Rc;

use super::*;

/// A log that tasks write into.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<&'static str>>>);

impl Log {
    fn add(&self, line: &'static str) {
        self.0.borrow_mut().push(line);
    }
    fn take(&self) -> Vec<&'static str> {
        self.0.take()
    }
}

fn waiter(ex: &Executor, queue: &WaitQueue, log: &Log, name: &'static str) -> TaskId {
    let (queue, log) = (queue.clone(), log.clone());
    ex.spawn(async move {
        queue.wait().await;
        log.add(name);
    })
    .unwrap()
}

#[test]
fn wake_one_is_first_come_first_served() {
    let (ex, queue, log) = (Executor::new(), WaitQueue::new(), Log::default());
    for name in ["a", "b", "c"] {
        waiter(&ex, &queue, &log, name);
    }
    ex.run_ready();
    assert!(log.take().is_empty());
    queue.wake_one();
    ex.run_ready();
    assert_eq!(log.take(), ["a"]);
    queue.wake_all();
    ex.run_ready();
    assert_eq!(log.take(), ["b", "c"]);
    assert!(ex.is_empty() && !queue.has_waiters());
}

#[test]
fn a_wake_that_its_task_never_saw_goes_to_the_next() {
    let (ex, queue, log) = (Executor::new(), WaitQueue::new(), Log::default());
    let a = waiter(&ex, &queue, &log, "a");
    waiter(&ex, &queue, &log, "b");
    ex.run_ready();
    queue.wake_one();
    assert!(ex.cancel(a));
    ex.run_ready();
    assert_eq!(log.take(), ["b"]);
    assert!(!ex.cancel(a));
}

#[test]
fn a_cancelled_task_leaves_no_waiter_behind() {
    let (ex, queue, log) = (Executor::new(), WaitQueue::new(), Log::default());
    let a = waiter(&ex, &queue, &log, "a");
    ex.run_ready();
    assert!(queue.has_waiters());
    assert!(ex.cancel(a));
    assert!(!queue.has_waiters() && ex.is_empty());
}

#[test]
fn tasks_spawn_tasks_and_cancel_themselves() {
    let (ex, log) = (Executor::new(), Log::default());
    let own: Rc<RefCell<Option<TaskId>>> = Rc::default();
    let id = ex
        .spawn({
            let (ex, log, own) = (ex.clone(), log.clone(), own.clone());
            async move {
                let inner = log.clone();
                ex.spawn(async move { inner.add("child") }).unwrap();
                ex.cancel(own.borrow().unwrap());
                log.add("before the wait");
                WaitQueue::new().wait().await;
                log.add("never");
            }
        })
        .unwrap();
    *own.borrow_mut() = Some(id);
    ex.run_ready();
    assert_eq!(log.take(), ["before the wait", "child"]);
    assert!(ex.is_empty());
}

#[test]
fn a_slot_is_used_again_and_old_names_are_stale() {
    let ex = Executor::new();
    let first = ex.spawn(async {}).unwrap();
    ex.run_ready();
    let second = ex.spawn(core::future::pending()).unwrap();
    assert_ne!(first, second);
    assert!(!ex.cancel(first));
    assert!(ex.cancel(second));
}

#[test]
fn timers_fire_in_order_and_when_due() {
    let (ex, timers, log) = (Executor::new(), Timers::new(), Log::default());
    for (deadline, name) in [(30, "c"), (10, "a"), (20, "b")] {
        let (timers, log) = (timers.clone(), log.clone());
        ex.spawn(async move {
            timers.sleep_until(deadline).await;
            log.add(name);
        })
        .unwrap();
    }
    ex.run_ready();
    assert_eq!(timers.next_deadline(), Some(10));
    timers.advance(20);
    ex.run_ready();
    assert_eq!(log.take(), ["a", "b"]);
    assert_eq!(timers.next_deadline(), Some(30));
    timers.advance(5);
    assert_eq!(timers.now(), 20);
    timers.advance(30);
    ex.run_ready();
    assert_eq!(log.take(), ["c"]);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn a_dropped_sleep_leaves_no_timer() {
    let (ex, timers) = (Executor::new(), Timers::new());
    let sleeper = timers.clone();
    let id = ex.spawn(async move { sleeper.sleep_until(5).await }).unwrap();
    ex.run_ready();
    assert_eq!(timers.next_deadline(), Some(5));
    ex.cancel(id);
    assert_eq!(timers.next_deadline(), None);
}

#[test]
fn an_interrupt_ends_a_wait_but_not_what_is_ready() {
    let (ex, log) = (Executor::new(), Log::default());
    let (interrupt, queue) = (Rc::new(Interrupt::new()), WaitQueue::new());
    let run = |log: Log, interrupt: Rc<Interrupt>, queue: WaitQueue| async move {
        match interrupt.guard(queue.wait()).await {
            Ok(()) => log.add("woken"),
            Err(Interrupted) => log.add("interrupted"),
        }
        assert_eq!(interrupt.guard(async { 7 }).await, Ok(7));
    };
    ex.spawn(run(log.clone(), interrupt.clone(), queue.clone())).unwrap();
    ex.run_ready();
    // Raised and cleared before the task runs: it goes on waiting, and hears the next.
    interrupt.raise();
    interrupt.clear();
    ex.run_ready();
    assert!(log.take().is_empty());
    interrupt.raise();
    ex.run_ready();
    assert_eq!(log.take(), ["interrupted"]);
    assert!(!queue.has_waiters());

    interrupt.clear();
    ex.spawn(run(log.clone(), interrupt.clone(), queue.clone())).unwrap();
    ex.run_ready();
    queue.wake_one();
    interrupt.raise();
    ex.run_ready();
    assert_eq!(log.take(), ["woken"]);
}

#[test]
fn waiting_for_any_of_several_queues() {
    let (ex, log) = (Executor::new(), Log::default());
    let queues = [WaitQueue::new(), WaitQueue::new()];
    let (inner, done) = (queues.clone(), log.clone());
    ex.spawn(async move {
        select::wait_any(&inner).await;
        done.add("any");
    })
    .unwrap();
    ex.run_ready();
    assert!(queues.iter().all(WaitQueue::has_waiters));
    queues[1].wake_all();
    ex.run_ready();
    assert_eq!(log.take(), ["any"]);
    assert!(!queues.iter().any(WaitQueue::has_waiters));
}

#[test]
fn select_takes_the_first_that_completes() {
    let (ex, timers, log) = (Executor::new(), Timers::new(), Log::default());
    let (queue, t, l) = (WaitQueue::new(), timers.clone(), log.clone());
    ex.spawn(async move {
        match select(queue.wait(), t.sleep_until(9)).await {
            Either::First(()) => l.add("queue"),
            Either::Second(()) => l.add("timeout"),
        }
    })
    .unwrap();
    ex.run_ready();
    timers.advance(9);
    ex.run_ready();
    assert_eq!(log.take(), ["timeout"]);
}

#[test]
fn thousands_of_tasks() {
    let (ex, queue) = (Executor::new(), WaitQueue::new());
    let count = Rc::new(RefCell::new(0));
    for _ in 0..10_000 {
        let (queue, count) = (queue.clone(), count.clone());
        ex.spawn(async move {
            queue.wait().await;
            *count.borrow_mut() += 1;
        })
        .unwrap();
    }
    ex.run_ready();
    queue.wake_all();
    ex.run_ready();
    assert_eq!(*count.borrow(), 10_000);
}
