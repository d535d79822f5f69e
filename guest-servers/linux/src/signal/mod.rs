//! Signals: numbers and sets, what processes arrange for them, sending and delivering.
//!
//! A signal is *sent* ([`send`]) by putting it among those pending of a process or thread, and making sure that the thread
//! comes by: a blocked call is interrupted, a running program is stopped for a moment. It is *delivered* ([`deliver`])
//! when a thread is about to go on in user mode, which is always the server's doing.
//!
//! - [`set`]: [`set::Signal`], [`set::SigSet`]; [`info`]: why it was sent; [`action`]: what shall happen
//! - [`pending`], [`altstack`]: per thread and process
//! - [`frame`]: what a handler finds on its stack; [`fault`]: which signal an exception is

pub mod action;
pub mod altstack;
pub mod deliver;
pub mod fault;
pub mod frame;
pub mod info;
pub mod pending;
pub mod send;
pub mod set;
