//! Our own messages, on standard error: for people, or as JSON lines.

use crate::cli::{Log, LogFormat};
use crate::evidence::ring::Ring;
use crate::terminal;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// Bytes of messages that are kept.
const KEPT: usize = 1 << 20;

/// Messages that are kept for later, if they are.
static KEEPER: OnceLock<Mutex<Ring>> = OnceLock::new();

/// Keeps messages from now on too, those that `-v` shows. Call before [`init`].
pub fn keep() {
    KEEPER.get_or_init(|| Mutex::new(Ring::new(KEPT)));
}

/// What has been kept.
pub fn kept() -> Vec<u8> {
    KEEPER.get().map_or(Vec::new(), |ring| ring.lock().unwrap_or_else(PoisonError::into_inner).content())
}

/// Directs messages to standard error from now on. Call once.
pub fn init(log: &Log) {
    let level = match log.verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    // What a debugger sends is no business of whoever runs the machine.
    let gdbstub = if log.verbose > 2 { LevelFilter::TRACE } else { LevelFilter::OFF };
    let from = Targets::new().with_default(level).with_target("gdbstub", gdbstub);
    let shown = match log.log_format {
        LogFormat::Json => layer()
            .json()
            .flatten_event(true)
            .with_target(false)
            .with_writer(Stderr)
            .with_filter(from)
            .boxed(),
        LogFormat::Text => {
            let wanted = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
            let color = wanted && io::stderr().is_terminal();
            layer().event_format(Text { color }).with_writer(Stderr).with_filter(from).boxed()
        }
    };
    let kept = KEEPER.get().map(|_| {
        let from = Targets::new().with_default(LevelFilter::INFO).with_target("gdbstub", LevelFilter::OFF);
        layer().event_format(Text { color: false }).with_writer(|| Keeper).with_filter(from).boxed()
    });
    registry().with([shown].into_iter().chain(kept).collect::<Vec<_>>()).init();
}

/// Writes to what is kept.
struct Keeper;

impl Write for Keeper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(ring) = KEEPER.get() {
            ring.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `ukvmm: warning: message key=value`.
struct Text {
    color: bool,
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (label, color) = match *event.metadata().level() {
            Level::ERROR => ("error: ", "1;31"),
            Level::WARN => ("warning: ", "1;33"),
            Level::INFO => ("", ""),
            _ => ("debug: ", "2"),
        };
        match self.color && !color.is_empty() {
            true => write!(out, "ukvmm: \x1b[{color}m{label}\x1b[0m")?,
            false => write!(out, "ukvmm: {label}")?,
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        writeln!(out, "{}{}", fields.message, fields.rest)
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.rest, " {name}={value:?}"),
        };
    }
}

/// Standard error. While the terminal is raw, lines end with a carriage return too.
#[derive(Clone, Copy)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stderr().lock();
        if terminal::is_raw() {
            for line in bytes.split_inclusive(|&b| b == b'\n') {
                match line.strip_suffix(b"\n") {
                    Some(line) => out.write_all(&[line, b"\r\n"].concat())?,
                    None => out.write_all(line)?,
                }
            }
        } else {
            out.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Stderr {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        *self
    }
}
