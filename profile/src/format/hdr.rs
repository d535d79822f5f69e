//! A log of HdrHistogram's, compressed (V2): one histogram for each metric, and for each phase of it. Its tags say of what; values are ticks.
//!
//! <https://hdrhistogram.github.io/HdrHistogram/>; the log's form is that of the Java implementation's `HistogramLogWriter`.

use super::words;
use crate::metric::{Key, Metric};
use crate::phase::Phase;
use crate::report::Report;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};
use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

pub fn write(report: &Report, mut out: &mut dyn Write) -> io::Result<()> {
    let start = UNIX_EPOCH + Duration::from_nanos(report.header.started_ns);
    let ticks = report.outcome.counts.ticks();
    let duration = report
        .clock
        .micros(ticks as f64)
        .map_or(Duration::ZERO, |_| Duration::from_nanos(report.clock.nanos(ticks)));
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment(&comment(&words::command(report)));
    builder.add_comment(&comment(&format!("values are {}; {}", report.clock.unit(), report.certificate())));
    builder.with_start_time(start).with_base_time(start);
    let mut log = builder.begin_log_with(&mut out, &mut serializer)?;
    for (key, metric) in &report.summary.metrics {
        for (tag, distribution) in histograms(report, key, metric) {
            log.write_histogram(distribution.histogram(), Duration::ZERO, duration, Tag::new(&tag))
                .map_err(problem)?;
        }
    }
    Ok(())
}

/// Tags, and what they are of.
fn histograms<'a>(
    report: &Report,
    key: &Key,
    metric: &'a Metric,
) -> impl Iterator<Item = (String, &'a crate::stats::Distribution)> {
    let name = format!("{}/{}", key.section().key(), tag(&key.name(&report.names, metric.last)));
    let whole = (name.clone(), &metric.total);
    let phases = Phase::ALL.into_iter().filter_map(move |phase| {
        let distribution = metric.phase(phase)?;
        Some((format!("{name}/{}", tag(phase.name())), distribution))
    });
    std::iter::once(whole).chain(phases)
}

/// Without what a tag must not have in it.
fn tag(name: &str) -> String {
    name.replace(", ", ",").replace(|letter: char| letter == ',' || letter.is_whitespace(), "_")
}

/// One line that is nothing but a comment, whatever is in it.
fn comment(text: &str) -> String {
    format!(" {}", text.replace(char::is_control, " "))
}

fn problem<E: Error + Send + Sync + 'static>(error: IntervalLogWriterError<E>) -> io::Error {
    match error {
        IntervalLogWriterError::IoError(error) => error,
        IntervalLogWriterError::SerializeError(error) => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use std::collections::BTreeMap;

    #[test]
    fn its_own_reader_reads_it() {
        let mut out = Vec::new();
        write(&Report::new(mock::sample()).unwrap(), &mut out).unwrap();
        let mut found = BTreeMap::new();
        for entry in IntervalLogIterator::new(&out) {
            if let LogEntry::Interval(interval) = entry.expect("a line of a log") {
                let bytes = base64(interval.encoded_histogram());
                let histogram: Histogram<u64> =
                    Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
                found.insert(interval.tag().unwrap().as_str().to_string(), histogram);
            }
        }
        let getpid = &found["linux/getpid"];
        assert_eq!((getpid.len(), getpid.min(), getpid.max()), (20, 1062, 1062));
        assert_eq!(found["linux/getpid/IPC_out"].max(), 194);
        assert_eq!(found["ipc/linux_→_block"].len(), 1);
        assert_eq!(found["device/block_queue_1"].len(), 1);
    }

    /// As the log's lines are encoded (RFC 4648).
    fn base64(text: &str) -> Vec<u8> {
        let value = |letter: u8| match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        let letters: Vec<u8> = text.bytes().filter(|letter| *letter != b'=').map(value).collect();
        let bits = |four: &[u8]| {
            four.iter().fold(0u32, |bits, value| bits << 6 | u32::from(*value)) << (6 * (4 - four.len()))
        };
        let bytes = letters.chunks(4).flat_map(|four| bits(four).to_be_bytes()[1..four.len()].to_vec());
        bytes.collect()
    }
}
