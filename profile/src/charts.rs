//! Charts for pages that need nothing else: HTML and SVG, no script. What they are of, others say.
//!
//! A chart is a list of rows: a name, a picture as wide as there is room, and figures in words. Names and figures are text of the page, so they stay readable on a telephone; the
//! picture is stretched.
//!
//! - [`page`]: the frame of a page; [`legend`], [`phases`]: which colour is what
//! - [`stack`]: bars that are divided; [`bars`]: bars side by side, on one scale; [`boxes`]: distributions, by their quartiles

pub mod bars;
pub mod boxes;
pub mod legend;
pub mod page;
pub mod phases;
pub mod stack;

/// Width and height of a row's picture, in its own units.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 20.0;

/// Where a value lies, from 0 to `most`, in a row's picture. What is more lies at its end.
fn place(value: f64, most: f64) -> f64 {
    if most > 0.0 { (value / most).clamp(0.0, 1.0) * WIDTH } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_place() {
        assert_eq!((place(0.0, 4.0), place(1.0, 4.0), place(9.0, 4.0)), (0.0, 250.0, 1000.0));
        assert_eq!((place(-1.0, 4.0), place(1.0, 0.0)), (0.0, 0.0));
    }
}
