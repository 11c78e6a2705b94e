//! The table at the end.

use std::fmt;

enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Said beside a yardstick; nothing is promised.
    Beside,
    /// Said for the record.
    None,
}

struct Line {
    measure: String,
    value: String,
    against: String,
    /// What the target is about.
    ratio: f64,
    target: Target,
}

#[derive(Default)]
pub struct Report(Vec<Line>);

impl Report {
    /// `value` must be at least `target` times `yardstick`.
    pub fn at_least(
        &mut self,
        measure: &str,
        (value, unit): (f64, &str),
        yardstick: (&str, f64),
        target: f64,
    ) {
        self.add(measure, value, unit, yardstick, Target::AtLeast(target));
    }

    /// `value` must be at most `target` times `yardstick`.
    pub fn at_most(
        &mut self,
        measure: &str,
        (value, unit): (f64, &str),
        yardstick: (&str, f64),
        target: f64,
    ) {
        self.add(measure, value, unit, yardstick, Target::AtMost(target));
    }

    /// How `value` compares, without a promise.
    pub fn beside(&mut self, measure: &str, (value, unit): (f64, &str), yardstick: (&str, f64)) {
        self.add(measure, value, unit, yardstick, Target::Beside);
    }

    /// A number without a promise.
    pub fn note(&mut self, measure: &str, (value, unit): (f64, &str)) {
        let value = format!("{} {unit}", number(value));
        println!("  {measure}: {value}");
        self.0.push(Line {
            measure: measure.to_owned(),
            value,
            against: String::new(),
            ratio: 0.0,
            target: Target::None,
        });
    }

    fn add(&mut self, measure: &str, value: f64, unit: &str, (name, yardstick): (&str, f64), target: Target) {
        let line = Line {
            measure: measure.to_owned(),
            value: format!("{} {unit}", number(value)),
            against: format!("{name} {}", number(yardstick)),
            ratio: value / yardstick,
            target,
        };
        println!(
            "  {}: {} ({}), ratio {:.2} {}",
            measure,
            line.value,
            line.against,
            line.ratio,
            line.verdict()
        );
        self.0.push(line);
    }

    pub fn all_reached(&self) -> bool {
        self.0.iter().all(Line::reached)
    }
}

impl Line {
    fn reached(&self) -> bool {
        match self.target {
            Target::AtLeast(target) => self.ratio >= target,
            Target::AtMost(target) => self.ratio <= target,
            Target::Beside | Target::None => true,
        }
    }

    fn wanted(&self) -> String {
        match self.target {
            Target::AtLeast(target) => format!(">= {target}"),
            Target::AtMost(target) => format!("<= {target}"),
            Target::Beside | Target::None => String::new(),
        }
    }

    fn verdict(&self) -> &'static str {
        match (&self.target, self.reached()) {
            (Target::Beside | Target::None, _) => "",
            (Target::AtLeast(_) | Target::AtMost(_), true) => "ok",
            (Target::AtLeast(_) | Target::AtMost(_), false) => "MISSED",
        }
    }
}

fn number(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| measure | value | against | ratio | target | |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for line in &self.0 {
            let ratio = match line.target {
                Target::None => String::new(),
                Target::AtLeast(_) | Target::AtMost(_) | Target::Beside => format!("{:.2}", line.ratio),
            };
            writeln!(
                f,
                "| {} | {} | {} | {ratio} | {} | {} |",
                line.measure,
                line.value,
                line.against,
                line.wanted(),
                line.verdict()
            )?;
        }
        Ok(())
    }
}
