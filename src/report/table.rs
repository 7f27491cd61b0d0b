//! Tables of a terminal.

use crate::domain::ImageRef;

/// Rows below each other, each indented by two, with columns as wide as their widest cell.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str("  ");
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// An image by the first digits of its digest; any other text as it is.
pub(super) fn short_image(image: &str) -> String {
    image
        .parse::<ImageRef>()
        .map_or_else(|_| image.to_owned(), |image| format!("{}@sha256:{}", image.repository(), image.digest().short()))
}
