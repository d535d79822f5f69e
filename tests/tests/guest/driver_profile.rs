//! What a profile shows of a driver at work: its client asks it, and it asks its device, and how long both take.

use guest_tests::profile::Profile;
use profile::metric::{Key, Metric, Section};
use profile::report::Report;
use std::fs::File;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use vmm_abi::trace::{Event, Record};

/// A file for the profile of a run in which `client` uses `driver`.
pub struct DriverProfile {
    folder: TempDir,
    client: &'static str,
    driver: &'static str,
}

impl DriverProfile {
    pub fn new(client: &'static str, driver: &'static str) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
        Ok(Self { folder, client, driver })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("profile")
    }

    /// For `ukvmm`: `--profile` and this.
    pub fn file(&self) -> String {
        self.path().to_string_lossy().into_owned()
    }

    /// Looks at the profile when the run is over.
    pub fn check(&self) -> Result<(), String> {
        let explain = |e: String| format!("the profile of {} and {}: {e}", self.client, self.driver);
        self.reported(&self.path()).and_then(|()| asked(&Profile::read(&self.path())?)).map_err(explain)
    }

    /// In the report there are the client's calls and the device's requests, by each of the drivers that were started one after the other.
    fn reported(&self, path: &Path) -> Result<(), String> {
        let file = File::open(path).map_err(|e| e.to_string())?;
        let report = Report::new(file).map_err(|e| e.to_string())?;
        let (call, queue) =
            (format!("{} → {}", self.client, self.driver), format!("{}, queue ", self.driver));
        let of = |section: Section, begin: &str| -> Vec<&Metric> {
            let metrics = report.summary.section(section).into_iter();
            let is_it = |key: &Key, metric: &Metric| key.name(&report.names, metric.last).starts_with(begin);
            metrics.filter(|(key, metric)| is_it(key, metric)).map(|(_, metric)| metric).collect()
        };
        let (calls, requests) = (of(Section::Ipc, &call), of(Section::Device, &queue));
        let run = report.outcome.counts.ticks();
        let is_plausible = |metric: &&Metric| metric.total.min() > 0 && metric.total.max() < run;
        let longest = calls.iter().map(|metric| metric.total.max()).max();
        let shortest = requests.iter().map(|metric| metric.total.min()).min();
        // A call that waits for the device takes longer than the device.
        if calls.iter().chain(&requests).all(is_plausible) && shortest.is_some() && longest > shortest {
            return Ok(());
        }
        Err(format!(
            "longest call {longest:?}, shortest request to the device {shortest:?}, in a run of {run}"
        ))
    }
}

/// The client has recorded whom it asks, and while it waits, the driver asks its device.
fn asked(profile: &Profile) -> Result<(), String> {
    let (_, client) = profile.ring_with(Event::DRIVER_REQUEST)?;
    let (_, driver) = profile.ring_with(Event::DEVICE_REQUEST)?;
    let of = |event| driver.iter().filter(move |record| record.event() == event);
    let is_call = |pair: &&[Record]| {
        let [asked, answered] = [pair[0], pair[1]];
        (asked.event(), answered.event()) == (Event::DRIVER_REQUEST, Event::DRIVER_DONE)
            && asked.argument == answered.argument
    };
    let asks_device = |pair: &&[Record]| {
        of(Event::DEVICE_REQUEST).any(|record| (pair[0].tsc..pair[1].tsc).contains(&record.tsc))
    };
    let calls = client.windows(2).filter(is_call);
    let (all, asking) = (calls.clone().count(), calls.filter(asks_device).count());
    let done = of(Event::DEVICE_DONE).count();
    match asking > 0 && done > 0 {
        true => Ok(()),
        false => Err(format!(
            "{all} calls of the driver, in {asking} of which it asked its device, which was done {done} times"
        )),
    }
}
