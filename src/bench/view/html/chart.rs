//! Line charts as SVG.

use super::escape;
use crate::bench::text;
use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 30.0;

pub(super) struct Chart {
    pub title: &'static str,
    pub x: Axis,
    /// The unit of the values, which start at zero.
    pub unit: &'static str,
    pub lines: Vec<Line>,
    /// Parts of the x axis that do not count.
    pub shaded: Vec<(f64, f64)>,
}

pub(super) struct Line {
    pub label: String,
    pub color: &'static str,
    pub points: Vec<(f64, f64)>,
}

pub(super) struct Axis {
    pub from: f64,
    pub to: f64,
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From zero to `seconds`.
    pub(super) fn seconds(seconds: f64) -> Self {
        let ticks = steps(seconds).map(|at| (at, text::seconds(at).replace(".0 s", " s"))).collect();
        Self { from: 0.0, to: seconds, ticks }
    }

    fn place(&self, value: f64) -> f64 {
        LEFT + (value - self.from) / (self.to - self.from) * (WIDTH - LEFT - RIGHT)
    }
}

/// About five steps from zero to `end`, of 1, 2 or 5 times a power of ten.
fn steps(end: f64) -> impl Iterator<Item = f64> {
    let rough = end / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(end);
    (0_u8..=10).map(move |index| f64::from(index) * step).take_while(move |at| *at <= end * 1.001)
}

/// The chart; one that has nothing to show says so.
pub(super) fn render(chart: &Chart) -> String {
    let largest = chart.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).fold(0.0, f64::max);
    if largest <= 0.0 {
        return format!("<p>{}: nothing was measured.</p>", chart.title);
    }
    let height = |value: f64| HEIGHT - BOTTOM - value / (largest * 1.05) * (HEIGHT - TOP - BOTTOM);
    let mut out = String::new();
    // Writing to a string cannot fail, here and below.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        chart.title
    );
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for (from, to) in &chart.shaded {
        let (from, to) = (chart.x.place(*from), chart.x.place(to.min(chart.x.to)));
        let (width, tall) = (to - from, bottom - TOP);
        let _ = writeln!(
            out,
            "<rect class=\"phase\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{tall}\"><title>warm-up</title></rect>"
        );
    }
    for value in steps(largest) {
        let y = height(value);
        let label = text::decimal(value, 3);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>");
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label} {}</text>",
            LEFT - 6.0,
            y + 4.0,
            chart.unit
        );
    }
    for (at, label) in &chart.x.ticks {
        let x = chart.x.place(*at);
        let _ = writeln!(out, "<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/>");
        let _ =
            writeln!(out, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>", bottom + 20.0);
    }
    let _ = writeln!(out, "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>");
    lines(&mut out, chart, &height);
    out.push_str("</svg>");
    out
}

fn lines(out: &mut String, chart: &Chart, height: &dyn Fn(f64) -> f64) {
    let mut legend = LEFT;
    for line in &chart.lines {
        let mut path = String::new();
        for (index, (x, y)) in line.points.iter().enumerate() {
            let command = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", chart.x.place(*x), height(*y));
        }
        let (label, color) = (escape(&line.label), line.color);
        let _ = writeln!(
            out,
            "<path class=\"line\" stroke=\"{color}\" d=\"{path}\"><title>{label}</title></path>"
        );
        let _ = writeln!(
            out,
            "<path class=\"key\" stroke-width=\"3\" stroke=\"{color}\" d=\"M{legend:.0} 14h18\"/>"
        );
        let _ = writeln!(out, "<text x=\"{:.0}\" y=\"18\">{label}</text>", legend + 24.0);
        legend += 44.0 + 7.0 * line.label.chars().count() as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_label_of_the_x_axis_has_room() {
        // A digit is about 0.6 of the font's 12 pixels wide, and half of the label stands behind its tick.
        assert!("99.999 %".len() as f64 * 12.0 * 0.6 / 2.0 < RIGHT);
    }

    #[test]
    fn steps_are_round_numbers() {
        let all = |end| steps(end).map(|step| text::decimal(step, 4)).collect::<Vec<_>>().join(" ");
        assert_eq!(all(30.0), "0 10 20 30");
        assert_eq!(all(1.0), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(all(123_456.0), "0 50000 100000");
        assert_eq!(all(0.004), "0 0.001 0.002 0.003 0.004");
    }
}
