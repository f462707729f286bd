//! What a detector's file says about itself, and what a rule's comments say about its values.

use anyhow::{Context, bail};

/// The headings of a detector's documentation, in their order.
pub(super) const HEADINGS: [&str; 5] = ["Finds", "Why", "Blind spots", "Parameters", "References"];

/// The documentation of a detector's file.
pub(super) struct Documentation {
    /// The first sentence.
    pub(super) title: String,
    /// Heading and Markdown, in the order of [`HEADINGS`].
    pub(super) sections: Vec<(&'static str, String)>,
}

/// A parameter as the code documents it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) meaning: String,
}

/// Reads the `//!` lines of a detector's file.
pub(super) fn documentation(code: &str) -> anyhow::Result<Documentation> {
    let lines =
        code.lines().map_while(|line| line.strip_prefix("//!")).map(|line| line.strip_prefix(' ').unwrap_or(line));
    let mut parts = vec![(String::new(), String::new())];
    for line in lines {
        if let Some(heading) = line.strip_prefix("# ") {
            parts.push((heading.trim().to_owned(), String::new()));
        } else if let Some((_, text)) = parts.last_mut() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    let (_, title) = parts.remove(0);
    let title = title.trim().to_owned();
    if !title.ends_with('.') || title.contains('\n') {
        bail!("the documentation begins with one sentence on one line, and not with {title:?}");
    }
    let headings: Vec<&str> = parts.iter().map(|(heading, _)| heading.as_str()).collect();
    if headings != HEADINGS {
        bail!("the headings are {headings:?}; they must be {HEADINGS:?}");
    }
    let sections: Vec<_> = HEADINGS.into_iter().zip(parts.iter().map(|(_, text)| plain(text.trim()))).collect();
    if let Some((heading, _)) = sections.iter().find(|(_, text)| text.is_empty()) {
        bail!("nothing stands under {heading}");
    }
    Ok(Documentation { title, sections })
}

/// The fields of `pub struct Params`, with their documentation.
pub(super) fn fields(code: &str) -> anyhow::Result<Vec<Field>> {
    let (_, after) = code.split_once("\npub struct Params {\n").context("no `pub struct Params {`")?;
    let (body, _) = after.split_once("\n}").context("`Params` does not end")?;
    let mut fields = Vec::new();
    let mut meaning = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            meaning.push(text.trim());
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|line| line.split_once(':')) {
            if meaning.is_empty() {
                bail!("the parameter {name} has no documentation");
            }
            let name = name.trim_start_matches("r#").to_owned();
            fields.push(Field { name, meaning: plain(&meaning.join(" ")) });
            meaning.clear();
        }
    }
    Ok(fields)
}

/// What the documentation of `pub struct Params` says beyond its first sentence, which only names the detector.
pub(super) fn note(code: &str) -> String {
    let before = code.split_once("\npub struct Params {\n").map_or("", |(before, _)| before);
    let is_part = |line: &&str| line.starts_with("///") || line.starts_with("#[");
    let mut lines: Vec<&str> = before.lines().rev().take_while(is_part).collect();
    lines.reverse();
    let text: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("///")).map(str::trim).collect();
    text.join(" ").split_once(". ").map_or_else(String::new, |(_, note)| plain(note))
}

/// The comment above a name in a rule's text, somewhere behind the line `section`: why it has the value it has. Empty where
/// there is none.
pub(super) fn comment(rule: &str, section: &str, name: &str) -> String {
    let mut comment = Vec::new();
    for line in rule.lines().skip_while(|line| line.trim() != section).skip(1).map(str::trim) {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if line.split_once(':').is_some_and(|(key, _)| key == name) {
            return comment.join(" ");
        } else {
            comment.clear();
        }
    }
    String::new()
}

/// What a rule's text gives a name, somewhere behind the line `section`.
pub(super) fn given<'a>(rule: &'a str, section: &str, name: &str) -> Option<&'a str> {
    let lines = rule.lines().skip_while(|line| line.trim() != section).skip(1);
    let mut pairs = lines.filter_map(|line| line.trim().split_once(':'));
    pairs.find_map(|(key, value)| (key == name).then_some(value.trim()))
}

/// Text without the links that only rustdoc can follow.
fn plain(text: &str) -> String {
    text.replace("[`", "`").replace("`]", "`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "//! Much of it.\n//!\n//! # Finds\n//! More than\n//! enough.\n//!\n//! # Why\n//! Because.\n//!\n\
        //! # Blind spots\n//! All.\n//!\n//! # Parameters\n//! See [`Params`].\n//!\n//! # References\n//! None.\n\n\
        /// Parameters.\npub struct Params {\n    /// One\n    /// more, km.\n    pub much_max: u32,\n}\n";

    fn check(from: &str, to: &str, fault: &str) {
        let code = CODE.replace(from, to);
        let found = documentation(&code).map(|_| ()).and_then(|()| fields(&code).map(|_| ()));
        assert!(found.as_ref().is_err_and(|error| error.to_string().contains(fault)), "{to:?}: {found:?}");
    }

    #[test]
    fn a_file_is_read_as_it_documents_itself() {
        let found = documentation(CODE).unwrap();
        assert_eq!(found.title, "Much of it.");
        let text: Vec<_> = found.sections.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(text, ["More than\nenough.", "Because.", "All.", "See `Params`.", "None."]);
        assert_eq!(fields(CODE).unwrap(), [Field { name: "much_max".into(), meaning: "One more, km.".into() }]);
    }

    #[test]
    fn a_note_is_what_follows_the_first_sentence_above_the_parameters() {
        assert_eq!(note(CODE), "");
        let code = CODE
            .replace("/// Parameters.", "/// Other.\n\n/// Parameters. A limit of 0\n/// is off.\n#[derive(Clone)]");
        assert_eq!(note(&code), "A limit of 0 is off.");
    }

    #[test]
    fn documentation_that_is_not_in_order_is_refused() {
        check("Much of it.", "Much of it", "begins with one sentence");
        check("# Why", "# Reason", "the headings are");
        check("//! # Why\n//! Because.\n//!\n", "", "the headings are");
        check("//! All.\n", "", "nothing stands under Blind spots");
        check("    /// One\n    /// more, km.\n", "", "much_max has no documentation");
        check("pub struct Params", "struct Params", "no `pub struct Params");
    }

    #[test]
    fn a_comment_belongs_to_the_parameter_beneath_it() {
        let rule = "# about the file\nparams:\n    # a\n    # b\n    one: 1\n    two: 2\n    # c\n    three: 3\n";
        let found = ["one", "two", "three", "four"].map(|name| comment(rule, "params:", name));
        assert_eq!(found, ["a b", "", "c", ""]);
        assert_eq!(comment(rule, "two: 2", "three"), "c");
        assert_eq!([given(rule, "params:", "two"), given(rule, "params:", "four")], [Some("2"), None]);
    }
}
