//! Revisions of ECS that were proven, for people.

use super::LINE;
use super::table::{short_image, table};
use crate::domain::{EnvName, one_line, show_time};
use crate::plan::ecs::Release;

/// How many characters of a commit tell it apart.
const COMMIT: usize = 12;

/// Renders them as a table, in their order.
#[must_use]
pub fn releases(environment: &EnvName, releases: &[Release]) -> String {
    if releases.is_empty() {
        return format!("{environment}: none of the newest revisions was proven by this program\n");
    }
    let head = ["proven", "revision", "image", "commit", "by"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(releases.iter().map(row)).collect();
    format!("{environment}\n{}", table(&rows))
}

fn row(release: &Release) -> [String; 5] {
    let text = |text: &Option<String>, most| one_line(text.as_deref().unwrap_or("-"), most);
    [
        show_time(release.verified_at),
        release.revision.short().to_owned(),
        one_line(&release.image.as_deref().map_or_else(|| "-".to_owned(), short_image), LINE),
        text(&release.commit.as_ref().map(|commit| commit.chars().take(COMMIT).collect()), COMMIT),
        text(&release.by, 40),
    ]
}
