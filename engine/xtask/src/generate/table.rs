//! The table of all detectors, for the front page and for the folder of their pages.

use std::fmt::Write as _;

use anyhow::{Context, bail};

use super::page::{self, Described, cell};
use super::template::Template;

/// What stands around a generated table in a page that people write.
struct Markers {
    begin: &'static str,
    end: &'static str,
}

/// Around the table of detectors.
const DETECTORS: Markers = Markers { begin: "<!-- detectors -->\n", end: "<!-- /detectors -->" };
/// Around the table of templates.
const TEMPLATES: Markers = Markers { begin: "<!-- templates -->\n", end: "<!-- /templates -->" };

/// Parameters that the table names as limits: by their ending, or a span that everybody asks for first.
const LIMIT_ENDINGS: [&str; 2] = ["_max", "_min"];
const LIMIT_NAMES: [&str; 3] = ["grace_minutes", "learning_days", "window_secs"];

/// The folder's own page.
pub(super) fn index(detectors: &[Described]) -> String {
    format!(
        "<!-- Written by `cargo xtask generate`. -->\n\n# The detectors\n\nOne page for each, made from the \
         documentation in its code and from the rule that ships with it.\n\n{}\n\
         Policies that ship switched off, as beginnings of one's own: [the templates](../policies.md#templates).\n",
        table(detectors, "")
    )
}

/// The front page with its table of detectors.
pub(super) fn with_detectors(text: &str, detectors: &[Described]) -> anyhow::Result<String> {
    DETECTORS.replaced(text, &table(detectors, "docs/detectors/"))
}

/// The page on policies with its table of templates.
pub(super) fn with_templates(text: &str, templates: &[Template]) -> anyhow::Result<String> {
    let mut table = "| Template | Finds | Raised by | Severity | ATT&CK |\n|---|---|---|---|---|\n".to_owned();
    for one in templates {
        let _ = writeln!(
            table,
            "| [`{id}`](policies/{id}.md) | {} | {} | {} | {} |",
            cell(&one.title),
            one.limits(),
            page::word(one.rule.severity),
            page::attack(&one.rule),
            id = one.id,
        );
    }
    TEMPLATES.replaced(text, &table)
}

impl Markers {
    /// The text with the table between the markers, which must both stand there once.
    fn replaced(&self, text: &str, table: &str) -> anyhow::Result<String> {
        let Self { begin, end } = self;
        if text.matches(begin).count() != 1 || text.matches(end).count() != 1 {
            bail!("there must be one line {} and after it one {end}", begin.trim_end());
        }
        let (before, rest) = text.split_once(begin).context("no begin")?;
        let (_, after) = rest.split_once(end).context("the markers are in the wrong order")?;
        Ok(format!("{before}{begin}{table}{end}{after}"))
    }
}

/// `folder` is where the pages lie, seen from the table.
fn table(detectors: &[Described], folder: &str) -> String {
    let mut table = "| Detector | Finds | Limits as shipped | Severity | ATT&CK | Sensitivity |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for one in detectors {
        let _ = writeln!(
            table,
            "| [`{id}`]({folder}{id}.md) | {} | {} | {} | {} | {} |",
            cell(&one.documentation.title),
            limits(one),
            one.severity(),
            one.attack(),
            one.sensitivity(),
            id = one.id,
        );
    }
    table
}

fn limits(one: &Described) -> String {
    let is_limit = |name: &str| LIMIT_ENDINGS.iter().any(|end| name.ends_with(end)) || LIMIT_NAMES.contains(&name);
    let limits = one.parameters.iter().filter(|parameter| is_limit(&parameter.name));
    limits.map(|parameter| format!("`{}` {}", parameter.name, parameter.value)).collect::<Vec<_>>().join("<br>")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = DETECTORS.begin;
    const END: &str = DETECTORS.end;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let text = format!("# A\n\n{BEGIN}old\n{END}\n\nB\n");
        let made = with_detectors(&text, &[]).unwrap();
        assert_eq!(made, format!("# A\n\n{BEGIN}{}{END}\n\nB\n", table(&[], "")));
        assert_eq!(with_detectors(&made, &[]).unwrap(), made);
    }

    #[test]
    fn a_text_without_a_place_for_the_table_is_refused() {
        for text in [String::new(), BEGIN.into(), END.into(), format!("{END}\n{BEGIN}"), format!("{BEGIN}{BEGIN}{END}")]
        {
            assert!(with_detectors(&text, &[]).is_err(), "{text:?}");
        }
    }
}
