//! Sets of names, plain and with wildcards.

/// Characters that are wild: any run of characters, and any one.
const WILD: [char; 2] = ['*', '?'];

/// A set of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// In order.
    plain: Box<[Box<str>]>,
    globs: Box<[Glob]>,
}

#[derive(Clone, Debug)]
struct Glob {
    pattern: Box<str>,
    /// See [`characters_of`]: a name that lacks one of these cannot fit.
    characters: u128,
}

impl Glob {
    fn new(pattern: &str) -> Self {
        let plain: String = pattern.chars().filter(|character| !WILD.contains(character)).collect();
        Self { pattern: pattern.into(), characters: characters_of(&plain) }
    }
}

/// The ASCII characters of a text, one bit each. Nearly every name is told from nearly every pattern by that.
fn characters_of(text: &str) -> u128 {
    text.bytes().filter(u8::is_ascii).fold(0, |characters, byte| characters | 1 << byte)
}

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        let (globs, mut plain): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| name.contains(WILD));
        plain.sort_unstable();
        Self {
            plain: plain.into_iter().map(|name| name.as_str().into()).collect(),
            globs: globs.into_iter().map(|glob| Glob::new(glob)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.globs.is_empty()
    }

    /// The names, if there are some and none has a wildcard.
    pub(super) fn plain(&self) -> Option<&[Box<str>]> {
        (!self.plain.is_empty() && self.globs.is_empty()).then_some(&*self.plain)
    }

    /// The empty name is an absent one and in no set.
    pub(super) fn contains(&self, name: &str) -> bool {
        if name.is_empty() {
            return false;
        }
        if self.plain.binary_search_by(|plain| (**plain).cmp(name)).is_ok() {
            return true;
        }
        let characters = if self.globs.is_empty() { 0 } else { characters_of(name) };
        self.globs.iter().any(|glob| glob.characters & !characters == 0 && fits(&glob.pattern, name))
    }
}

/// Does the name fit the pattern? Time is at most the product of the lengths, and both are bounded: on a mismatch only
/// the last `*` is tried again, one character further on.
fn fits(glob: &str, name: &str) -> bool {
    let (mut glob, mut name) = (glob.chars(), name.chars());
    let mut retry = None;
    loop {
        let name_here = name.clone();
        match (glob.next(), name.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                retry = Some((glob.clone(), name_here.clone()));
                name = name_here;
            }
            (Some('?'), Some(_)) => {}
            (Some(want), Some(have)) if want == have => {}
            _ => {
                let Some((after_star, mut from)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                glob = after_star;
                name = from;
                retry = Some((glob.clone(), name.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run_and_question_marks_for_one_character() {
        for (glob, name, expected) in [
            ("*", "a", true),
            ("svc_*", "svc_export", true),
            ("svc_*", "svc_", true),
            ("svc_*", "my_svc_export", false),
            ("*@snc", "ana@snc", true),
            ("*@snc", "ana@snc.com", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a?c", "abc", true),
            ("a?c", "aöc", true),
            ("a?c", "ac", false),
            ("a?", "a", false),
            ("a**b", "ab", true),
            ("*ab", "aab", true),
            ("*aab", "aaab", true),
            ("a*", "b", false),
            ("*?", "", false),
        ] {
            assert_eq!(fits(glob, name), expected, "{glob} {name}");
            assert_eq!(Names::new(&[glob.to_owned()]).contains(name), expected && !name.is_empty(), "{glob} {name}");
        }
    }

    #[test]
    fn the_worst_pattern_ends() {
        let glob = format!("{}b", "*a".repeat(60));
        assert!(!fits(&glob, &"a".repeat(10_000)));
    }

    #[test]
    fn the_empty_name_is_in_no_set() {
        let names = Names::new(&["*".to_owned(), "ana".to_owned()]);
        assert!(!names.contains("") && names.contains("ana") && names.contains("bo"));
        assert!(names.plain().is_none());
        assert!(Names::new(&["b".to_owned(), "a".to_owned()]).plain().is_some());
    }
}
