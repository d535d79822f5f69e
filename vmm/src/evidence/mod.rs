//! What a run leaves behind: a manifest, the evidence of a death, the results of tests. `docs/evidence.md` is about it.
//!
//! - [`options`]: what is asked for; [`wanted`]: looked at before it is made
//! - [`witness`]: sees a run and writes it down
//! - [`ears`], [`ring`]: what the guest prints
//! - [`crash`]: the folder of a death; [`scene`]: the dead machine in words
//! - [`prepared`]: files that are written at the end

pub mod crash;
pub mod ears;
pub mod options;
pub mod prepared;
pub mod ring;
pub mod scene;
pub mod wanted;
pub mod witness;

pub use wanted::Wanted;
pub use witness::Witness;
