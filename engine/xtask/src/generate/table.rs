//! The table of all detectors, for the front page and for the folder of their pages.

use std::fmt::Write as _;

use anyhow::{Context, bail};

use super::page::{Described, cell};

const BEGIN: &str = "<!-- detectors -->\n";
const END: &str = "<!-- /detectors -->";

/// Parameters that the table names as limits: by their ending, or a span that everybody asks for first.
const LIMIT_ENDINGS: [&str; 2] = ["_max", "_min"];
const LIMIT_NAMES: [&str; 3] = ["grace_minutes", "learning_days", "window_secs"];

/// The folder's own page.
pub(super) fn index(detectors: &[Described]) -> String {
    format!(
        "<!-- Written by `cargo xtask generate`. -->\n\n# The detectors\n\nOne page for each, made from the \
         documentation in its code and from the rule that ships with it.\n\n{}",
        table(detectors, "")
    )
}

/// The text with the table between its markers, which must both stand there once.
pub(super) fn replaced(text: &str, detectors: &[Described]) -> anyhow::Result<String> {
    if text.matches(BEGIN).count() != 1 || text.matches(END).count() != 1 {
        bail!("there must be one line {} and after it one {END}", BEGIN.trim_end());
    }
    let (before, rest) = text.split_once(BEGIN).context("no begin")?;
    let (_, after) = rest.split_once(END).context("the markers are in the wrong order")?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table(detectors, "docs/detectors/")))
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

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let text = format!("# A\n\n{BEGIN}old\n{END}\n\nB\n");
        let made = replaced(&text, &[]).unwrap();
        assert_eq!(made, format!("# A\n\n{BEGIN}{}{END}\n\nB\n", table(&[], "")));
        assert_eq!(replaced(&made, &[]).unwrap(), made);
    }

    #[test]
    fn a_text_without_a_place_for_the_table_is_refused() {
        for text in [String::new(), BEGIN.into(), END.into(), format!("{END}\n{BEGIN}"), format!("{BEGIN}{BEGIN}{END}")]
        {
            assert!(replaced(&text, &[]).is_err(), "{text:?}");
        }
    }
}
