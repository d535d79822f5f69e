//! The pages say what is so, as far as a machine can tell.
//!
//! - [`markdown`]: what a page is made of
//! - [`links`]: links lead somewhere
//! - [`messages`]: every error message has an entry
//! - [`quotes`]: files that are shown are as they are
//! - [`summary`]: the book has all pages
//! - [`architecture`]: files and functions that are named are there
//! - [`ci`]: the example of a CI job runs commands that exist, and has the form of a [`workflow`]
//! - [`dependencies`]: the list of crates is the one of the manifests

mod architecture;
mod ci;
mod dependencies;
mod links;
mod markdown;
mod messages;
mod quotes;
mod summary;
mod workflow;
