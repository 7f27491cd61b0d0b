//! Git's ignore rules, said in Docker's: which untracked files are nobody's change.

use std::collections::BTreeSet;
use std::path::Path;

use crate::clients::bounded;
use crate::clients::docker::{Ignore, IgnoreError};

/// The rules that hold for these paths, relative to the root of the checkout. `exclude` is git's own file of them.
pub(super) fn rules(root: &Path, exclude: &Path, paths: &[&str]) -> Result<Ignore, IgnoreError> {
    let mut folders = BTreeSet::from([String::new()]);
    for path in paths {
        folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
    }
    let read = |path: &Path| bounded::read(path).unwrap_or_default();
    let mut rules = translated("", &read(exclude));
    // Outer folders come first: the last rule that matches decides.
    for folder in &folders {
        rules.extend(translated(folder, &read(&root.join(folder).join(".gitignore"))));
    }
    Ignore::parse(&rules.join("\n"))
}

/// A `.gitignore` in a folder. Where Docker's rules cannot say the same, less is ignored or a file as a folder of its name.
fn translated(folder: &str, text: &str) -> Vec<String> {
    let at: String = folder.chars().flat_map(|c| "*?[\\".contains(c).then_some('\\').into_iter().chain([c])).collect();
    let at = if at.is_empty() { at } else { format!("{at}/") };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rules = lines.filter_map(|line| {
        let (back, pattern) = line.strip_prefix('!').map_or(("", line), |pattern| ("!", pattern));
        let pattern = pattern.trim_end_matches('/');
        // With a slash it is a path from this folder, else a name anywhere below.
        let anywhere = if pattern.contains('/') { "" } else { "**/" };
        let name = pattern.trim_start_matches('/');
        // `/` alone is nothing's name.
        (!name.is_empty()).then(|| format!("{back}{at}{anywhere}{}", classes(name)))
    });
    rules.filter(|rule| Ignore::parse(rule).is_ok()).collect()
}

/// `[!a]` of git is `[^a]` of Docker.
fn classes(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        match c {
            '\\' => out.extend(rest.next()),
            '[' if rest.next_if_eq(&'!').is_some() => out.push('^'),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[test]
    fn rules_mean_the_same_in_dockers_words() {
        let text = "# made\nnode_modules/\n*.log\n!keep.log\n/dist\na/b/\n\n[\n";
        assert_eq!(translated("", text), ["**/node_modules", "**/*.log", "!**/keep.log", "dist", "a/b"]);
        assert_eq!(translated("web/[id]", "/dist\n*.log"), ["web/\\[id]/dist", "web/\\[id]/**/*.log"]);
        assert_eq!(translated("", "/\n!/\n//\n"), Vec::<String>::new());
        assert_eq!(translated("", "[!a]b[c!]\n\\[!a]"), ["**/[^a]b[c!]", "**/\\[!a]"]);
    }
}
