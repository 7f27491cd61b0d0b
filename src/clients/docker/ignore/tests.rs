use super::*;

fn ignored(patterns: &str, path: &str) -> bool {
    Ignore::parse(patterns).expect(patterns).ignores(path)
}

#[test]
fn patterns_match_as_the_engine_matches() {
    // (patterns, what they leave out, what they keep)
    let table: &[(&str, &[&str], &[&str])] = &[
        ("target", &["target", "target/x", "target/a/b"], &["src/target", "targets"]),
        ("/target/", &["target/x"], &["src/target"]),
        ("./a/../b", &["b", "b/c"], &["a"]),
        ("*.md", &["README.md"], &["docs/README.md", "md"]),
        ("*/*.md", &["docs/README.md"], &["README.md", "a/b/c.md"]),
        ("**/*.md", &["README.md", "a/b/c.md"], &["c.mdx"]),
        ("**/node_modules", &["node_modules/x", "a/b/node_modules/x"], &["a/my_node_modules"]),
        ("**modules", &["modules", "a/node_modules"], &["modules2"]),
        ("docs/**", &["docs/a", "docs/a/b"], &["docs", "docs2"]),
        ("a/**/z", &["a/z", "a/b/z", "a/b/c/z/more"], &["az", "a/bz"]),
        ("**", &["a", "a/b"], &[]),
        ("*", &["a", "a/b", ".env"], &[]),
        ("?.txt", &["a.txt"], &["ab.txt", ".txt"]),
        ("[a-c].txt", &["b.txt"], &["d.txt"]),
        ("[^a-c].txt", &["d.txt"], &["b.txt"]),
        ("\\*.txt", &["*.txt"], &["a.txt"]),
        ("a.c", &["a.c"], &["abc"]),
        ("(a|b)+{1}$", &["(a|b)+{1}$"], &["a"]),
        ("*\n!README.md", &["x"], &["README.md"]),
        ("*.md\n!README.md\nREADME*", &["README.md", "x.md"], &["x"]),
        ("docs\n!docs/keep", &["docs", "docs/a"], &["docs/keep", "docs/keep/x"]),
        ("# a comment\n\n  spaced  \n", &["spaced"], &["# a comment"]),
        ("\u{feff}bom", &["bom"], &[]),
        ("  ! a\na\n!  a", &[], &["a"]),
        (".\n/\n..", &[], &["a"]),
    ];
    for (patterns, out, kept) in table {
        for path in *out {
            assert!(ignored(patterns, path), "{patterns:?} leaves out {path}");
        }
        for path in *kept {
            assert!(!ignored(patterns, path), "{patterns:?} keeps {path}");
        }
    }
}

#[test]
fn malformed_patterns_name_their_line() {
    for (patterns, message) in [
        ("a\n!", "line 2: `!` is not a pattern: `!` needs a pattern after it"),
        ("[a", "line 1: `[a` is not a pattern: `[` is not closed"),
        ("a\n\n[b-]", "line 3: `[b-]` is not a pattern: a range needs both of its ends"),
        ("a\\", "line 1: `a\\` is not a pattern: nothing follows `\\`"),
    ] {
        assert_eq!(Ignore::parse(patterns).map_err(|error| error.to_string()).err().as_deref(), Some(message));
    }
}

#[test]
fn many_wildcards_take_no_time() {
    let pattern = format!("{}z", "**/*a".repeat(30));
    assert!(!ignored(&pattern, &format!("{}b", "a/".repeat(500))));
}

#[test]
fn an_ignored_folder_is_opened_for_what_names_it() {
    let ignore = Ignore::parse("*\n!docs/a/*.md\n!**/lib.rs").expect("patterns");
    assert!(ignore.opens("docs") && ignore.opens("docs/a"));
    assert!(!ignore.opens("doc") && !ignore.opens("docs/b") && !ignore.opens("src"));
}
