use crate::trials::Context;
use libtest_mimic::Trial;
use std::sync::Arc;

pub fn trials(_context: &Arc<Context>) -> Vec<Trial> {
    Vec::new()
}
