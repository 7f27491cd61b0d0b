//! Just enough of Traefik's rule language: the literal matchers of a rule, to find a URL that it matches and to tell
//! that two rules can never match the same request. Whatever is not understood counts as "may match anything".

/// One matcher, for example ``Host(`a`, `b`)``.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Matcher {
    name: String,
    arguments: Vec<String>,
    negated: bool,
}

/// A rule's literal parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    matchers: Vec<Matcher>,
    /// True where some parts are alternatives.
    alternatives: bool,
}

impl Rule {
    /// Reads a rule. Never fails: parts it does not know become matchers that say nothing.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut matchers = Vec::new();
        let mut alternatives = false;
        let mut word = String::new();
        let mut negated = false;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '|' => alternatives = true,
                '!' => negated = true,
                '(' if !word.is_empty() => {
                    let arguments = arguments(&mut rest);
                    matchers.push(Matcher { name: std::mem::take(&mut word).to_ascii_lowercase(), arguments, negated });
                    negated = false;
                }
                c if c.is_ascii_alphanumeric() => word.push(c),
                _ => word.clear(),
            }
        }
        Self { matchers, alternatives }
    }

    fn literal(&self, names: &[&str]) -> Vec<&str> {
        let wanted = self.matchers.iter().filter(|m| !m.negated && names.contains(&m.name.as_str()));
        wanted.flat_map(|matcher| matcher.arguments.iter().map(String::as_str)).collect()
    }

    /// The first host that the rule names literally.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.literal(&["host"]).first().copied()
    }

    /// A path under the rule's literal prefixes for `wanted`: itself where it fits, else below the first prefix.
    /// `None` where the rule wants a path that is not literal.
    #[must_use]
    pub fn path_for(&self, wanted: &str) -> Option<String> {
        let exact = self.literal(&["path"]);
        let prefixes = self.literal(&["pathprefix"]);
        if exact.is_empty() && prefixes.is_empty() {
            let other = self.matchers.iter().any(|m| !m.negated && m.name == "pathregexp");
            return (!other).then(|| wanted.to_owned());
        }
        if exact.contains(&wanted) || prefixes.iter().any(|prefix| wanted.starts_with(prefix)) {
            return Some(wanted.to_owned());
        }
        match (prefixes.first(), exact.first()) {
            (Some(prefix), _) => Some(format!("{}{wanted}", prefix.trim_end_matches('/'))),
            (None, Some(path)) => Some((*path).to_owned()),
            (None, None) => None,
        }
    }

    /// True where the URL could be matched as far as literal hosts and paths tell.
    #[must_use]
    pub fn may_match(&self, host: &str, path: &str) -> bool {
        let hosts = self.literal(&["host"]);
        let paths = (self.literal(&["path"]), self.literal(&["pathprefix"]));
        let host_fits = hosts.is_empty() || hosts.iter().any(|known| known.eq_ignore_ascii_case(host));
        let path_fits = (paths.0.is_empty() && paths.1.is_empty())
            || paths.0.contains(&path)
            || paths.1.iter().any(|prefix| path.starts_with(prefix));
        self.alternatives || (host_fits && path_fits)
    }

    /// True where no request can match both rules: other literal hosts, or other literal paths.
    #[must_use]
    pub fn disjoint(&self, other: &Self) -> bool {
        let hosts = |rule: &Self| {
            let only_hosts = rule.matchers.iter().all(|m| m.name == "host");
            let usable = rule.matchers.iter().all(|m| !m.negated) && (!rule.alternatives || only_hosts);
            let hosts: Vec<String> = rule.literal(&["host"]).iter().map(|host| host.to_ascii_lowercase()).collect();
            (usable && !hosts.is_empty()).then_some(hosts)
        };
        if let (Some(ours), Some(theirs)) = (hosts(self), hosts(other))
            && ours.iter().all(|host| !theirs.contains(host))
        {
            return true;
        }
        let paths = |rule: &Self| {
            let usable = !rule.alternatives && rule.matchers.iter().all(|m| !m.negated);
            let prefixes = rule.literal(&["pathprefix"]).into_iter().map(|p| (p.to_owned(), true));
            let exact = rule.literal(&["path"]).into_iter().map(|p| (p.to_owned(), false));
            let all: Vec<(String, bool)> = prefixes.chain(exact).collect();
            (usable && !all.is_empty()).then_some(all)
        };
        let overlap = |(a, a_prefix): &(String, bool), (b, b_prefix): &(String, bool)| match (a_prefix, b_prefix) {
            (true, true) => a.starts_with(b.as_str()) || b.starts_with(a.as_str()),
            (true, false) => b.starts_with(a.as_str()),
            (false, true) => a.starts_with(b.as_str()),
            (false, false) => a == b,
        };
        match (paths(self), paths(other)) {
            (Some(ours), Some(theirs)) => !ours.iter().any(|a| theirs.iter().any(|b| overlap(a, b))),
            _ => false,
        }
    }
}

/// The quoted arguments up to the closing parenthesis.
fn arguments(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(character) = rest.next() {
        match character {
            ')' => break,
            quote @ ('`' | '"') => {
                let mut text = String::new();
                while let Some(inner) = rest.next() {
                    match inner {
                        c if c == quote => break,
                        '\\' if quote == '"' => text.extend(rest.next()),
                        c => text.push(c),
                    }
                }
                found.push(text);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_and_paths() {
        let rule = Rule::read("Host(`a.example`, `b.example`) && PathPrefix(`/u/`) && !Header(`X`, `y)`)");
        assert_eq!(rule.host(), Some("a.example"));
        assert_eq!(rule.path_for("/healthz").as_deref(), Some("/u/healthz"));
        assert_eq!(rule.path_for("/u/x").as_deref(), Some("/u/x"));
        assert_eq!(Rule::read("!Host(`a`)").host(), None);
        assert_eq!(Rule::read("HostRegexp(`.+`)").host(), None);
        assert_eq!(Rule::read("Host(`a`) && Path(`/only`)").path_for("/healthz").as_deref(), Some("/only"));
        assert_eq!(Rule::read("PathRegexp(`^/x`)").path_for("/healthz"), None);
    }

    #[test]
    fn disjoint_only_where_literals_prove_it() {
        for (a, b, expected) in [
            ("Host(`a`)", "Host(`b`)", true),
            ("Host(`a`)", "Host(`A`)", false),
            ("Host(`a`) || Host(`b`)", "Host(`c`)", true),
            ("Host(`a`) || PathPrefix(`/x`)", "Host(`c`)", false),
            ("Host(`a`)", "PathPrefix(`/u`)", false),
            ("PathPrefix(`/`)", "PathPrefix(`/u`)", false),
            ("PathPrefix(`/a`)", "PathPrefix(`/b`)", true),
            ("PathPrefix(`/a`)", "Path(`/ab`)", false),
            ("Host(`a`)", "!Host(`b`)", false),
            ("Host(`a`) && Path(`/x`)", "Host(`a`) && Path(`/y`)", true),
            ("HostRegexp(`.*`)", "Host(`a`)", false),
        ] {
            assert_eq!(Rule::read(a).disjoint(&Rule::read(b)), expected, "{a} | {b}");
            assert_eq!(Rule::read(b).disjoint(&Rule::read(a)), expected, "{b} | {a}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,80}") {
            let rule = Rule::read(&text);
            prop_assert!(!rule.disjoint(&Rule::read("Method(`GET`)")));
        }
    }
}
