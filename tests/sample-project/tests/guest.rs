//! The server in a machine: `cargo test`.

use std::time::Duration;
use ukvmm_harness::{Test, suite};

fn main() -> std::process::ExitCode {
    suite!()
        .programs(&["calc", "ask"])
        .set("images/calc.toml")
        .test(Test::new("adds").words(&["40", "+", "2"]).says("ask: the answer is 42"))
        .test(Test::new("divides").words(&["85", "/", "2"]).says("ask: the answer is 42"))
        .test(Test::new("refuses-nonsense").words(&["40", "-", "2"]).exits(2).says("BadRequest"))
        .test(Test::new("refuses-overflow").words(&["18446744073709551615", "+", "1"]).exits(2))
        .test(Test::new("division-by-zero").words(&["1", "/", "0"]).panics("divide by zero"))
        .test(Test::new("waits").words(&["wait"]).limit(Duration::from_secs(2)).times_out())
        // Shows what a failure looks like: `cargo test --test guest -- --ignored`.
        .test(Test::new("fails").words(&["1", "/", "0"]).says("infinity").ignored())
        .run()
}
