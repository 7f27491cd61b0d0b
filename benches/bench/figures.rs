//! Named figures, each with all its values and, where the product promises one, its limit.

use std::collections::BTreeMap;
use std::fmt;

use kit::bed::Machine;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
struct Figure {
    values: Vec<f64>,
    limit: Option<f64>,
}

impl Figure {
    /// Nearest rank, of sorted values.
    fn at(&self, share: f64) -> f64 {
        let rank = (self.values.len() as f64 * share).ceil().max(1.0) as usize;
        self.values.get(rank - 1).copied().unwrap_or_default()
    }

    fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, Figure>);

impl Figures {
    /// Enters values without a limit.
    pub(crate) fn add(&mut self, name: &str, values: impl IntoIterator<Item = f64>) {
        let figure = self.0.entry(name.to_owned()).or_insert(Figure { values: Vec::new(), limit: None });
        figure.values.extend(values);
        figure.values.sort_by(f64::total_cmp);
    }

    /// Enters values whose median must not exceed a limit.
    pub(crate) fn promise(&mut self, name: &str, limit: f64, values: impl IntoIterator<Item = f64>) {
        self.add(name, values);
        if let Some(figure) = self.0.get_mut(name) {
            figure.limit = Some(limit);
        }
    }

    /// Whether every promise was kept.
    pub(crate) fn met(&self) -> bool {
        self.0.values().all(|figure| figure.limit.is_none_or(|limit| figure.median() <= limit))
    }

    /// The median of each under its name; under `each` all that is known of them.
    pub(crate) fn json(&self) -> String {
        let mut document: serde_json::Map<String, Value> =
            self.0.iter().map(|(name, figure)| (name.clone(), figure.median().into())).collect();
        let each = self.0.iter().map(|(name, figure)| {
            let value = json!({
                "min": figure.at(0.0), "median": figure.median(), "max": figure.at(1.0),
                "n": figure.values.len(), "limit": figure.limit,
            });
            (name.clone(), value)
        });
        document.insert("each".to_owned(), each.collect());
        let machine = Machine::find().map(|machine| machine.described()).unwrap_or_default();
        document.insert("machine".to_owned(), machine.into());
        document.insert("commit".to_owned(), Machine::commit().into());
        let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        document.insert("when".to_owned(), today.into());
        format!("{:#}\n", Value::Object(document))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<34} {:>10} {:>10} {:>10} {:>4}  limit", "figure", "min", "median", "max", "n")?;
        for (name, figure) in &self.0 {
            let limit = figure.limit.map_or_else(String::new, |limit| {
                format!("{limit} {}", if figure.median() <= limit { "kept" } else { "NOT KEPT" })
            });
            let [min, median, max] = [0.0, 0.5, 1.0].map(|share| figure.at(share));
            writeln!(f, "{name:<34} {min:>10.1} {median:>10.1} {max:>10.1} {:>4}  {limit}", figure.values.len())?;
        }
        Ok(())
    }
}
